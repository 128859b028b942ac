package logql

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errDuration = errors.New("not a duration: write it as 300ms, 1.5h or 1d12h")
	errBytes    = errors.New("not an amount of bytes: write it as 20B, 1.5MB or 1KiB")
)

const day = 24 * time.Hour

// durationUnits are the units of a duration, a longer one before its beginning.
var durationUnits = [...]struct {
	name string
	unit time.Duration
}{
	{"ns", time.Nanosecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"μs", time.Microsecond}, {"ms", time.Millisecond},
	{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", day}, {"w", 7 * day}, {"y", 365 * day},
}

// parseDuration reads what time.ParseDuration reads, and days, weeks and years of 365 days.
func parseDuration(s string) (time.Duration, error) {
	negative := strings.HasPrefix(s, "-")
	rest := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
	if rest == "0" {
		return 0, nil
	}
	if rest == "" {
		return 0, errDuration
	}
	var sum time.Duration
	for rest != "" {
		var part time.Duration
		var ok bool
		if part, rest, ok = durationPart(rest); !ok || part > math.MaxInt64-sum {
			return 0, errDuration
		}
		sum += part
	}
	if negative {
		sum = -sum
	}
	return sum, nil
}

func durationPart(s string) (time.Duration, string, bool) {
	whole, fraction, digits, rest := decimal(s)
	if digits == 0 {
		return 0, "", false
	}
	for _, u := range durationUnits {
		after, ok := strings.CutPrefix(rest, u.name)
		if !ok {
			continue
		}
		if u.name == "m" && strings.HasPrefix(after, "s") {
			continue
		}
		if whole > uint64(math.MaxInt64/u.unit) {
			return 0, "", false
		}
		d := time.Duration(whole)*u.unit + time.Duration(math.Round(fraction*float64(u.unit))) //nolint:gosec // bounded above
		return d, after, d >= 0
	}
	return 0, "", false
}

// decimal reads digits with a fraction; a whole part that does not fit is the greatest number.
func decimal(s string) (whole uint64, fraction float64, digits int, rest string) {
	i := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if whole > (math.MaxUint64-9)/10 {
			whole = (math.MaxUint64 - 9) / 10
		}
		whole = whole*10 + uint64(s[i]-'0')
		digits++
	}
	if i == len(s) || s[i] != '.' {
		return whole, 0, digits, s[i:]
	}
	i++
	for scale := 0.1; i < len(s) && isDigit(s[i]); i++ {
		fraction += float64(s[i]-'0') * scale
		scale /= 10
		digits++
	}
	return whole, fraction, digits, s[i:]
}

// formatDuration writes a duration as parseDuration reads it, without units that are zero.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	left := uint64(d) //nolint:gosec // negated below
	if d < 0 {
		b.WriteByte('-')
		left = -left
	}
	for _, u := range [...]struct {
		name string
		unit time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", 1}} {
		if n := left / uint64(u.unit); n > 0 {
			b.WriteString(strconv.FormatUint(n, 10))
			b.WriteString(u.name)
			left -= n * uint64(u.unit)
		}
	}
	return b.String()
}

// byteUnits are the units of an amount of bytes in lower case: powers of 1000, and with an i of 1024.
var byteUnits = map[string]uint64{
	"": 1, "b": 1,
	"k": 1e3, "kb": 1e3, "ki": 1 << 10, "kib": 1 << 10,
	"m": 1e6, "mb": 1e6, "mi": 1 << 20, "mib": 1 << 20,
	"g": 1e9, "gb": 1e9, "gi": 1 << 30, "gib": 1 << 30,
	"t": 1e12, "tb": 1e12, "ti": 1 << 40, "tib": 1 << 40,
	"p": 1e15, "pb": 1e15, "pi": 1 << 50, "pib": 1 << 50,
	"e": 1e18, "eb": 1e18, "ei": 1 << 60, "eib": 1 << 60,
}

// parseBytes reads an amount of bytes: a number and, behind a space or not, a unit in any case; a fraction of a byte is cut off.
func parseBytes(s string) (uint64, error) {
	end := 0
	for end < len(s) && (isDigit(s[end]) || s[end] == '.' || s[end] == ',') {
		end++
	}
	if end == 0 {
		return 0, errBytes
	}
	unit, ok := byteUnits[strings.ToLower(strings.TrimSpace(s[end:]))]
	if !ok {
		return 0, errBytes
	}
	number := strings.ReplaceAll(s[:end], ",", "")
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		if unit > 1 && n > math.MaxUint64/unit {
			return 0, errBytes
		}
		return n * unit, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if f *= float64(unit); err != nil || f >= math.MaxUint64 {
		return 0, errBytes
	}
	return uint64(f), nil
}

// formatBytes writes an amount of bytes in the greatest unit that needs no fraction.
func formatBytes(n uint64) string {
	if n == 0 {
		return "0B"
	}
	for i, prefix := range "EPTGMK" {
		power := 6 - i
		if unit := uint64(1) << (10 * power); n%unit == 0 {
			return strconv.FormatUint(n/unit, 10) + string(prefix) + "iB"
		}
		if unit := uint64(math.Pow10(3 * power)); n%unit == 0 {
			return strconv.FormatUint(n/unit, 10) + string(prefix) + "B"
		}
	}
	return strconv.FormatUint(n, 10) + "B"
}

// formatNumber writes a number as the lexer reads it.
func formatNumber(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e15) {
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
