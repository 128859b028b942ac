package plugin

import (
	"math"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// What performance data may hold at most. Plugins that list every mount or every interface of a big machine stay below;
// each item becomes up to five series, so this is also the bound on what one plugin can do to the store.
const (
	maxPerf      = 1000
	maxPerfLabel = 256
	maxPerfText  = 64 // of a unit or a range
)

// ParsePerf reads performance data as the Monitoring Plugins Development Guidelines and real plugins write it:
//
//	'label'=value[unit];[warn];[crit];[min];[max]
//
// items stand behind each other with white space between them. Labels in single quotes may hold anything, a quote in
// them is written twice. "U" is a value that could not be determined, and becomes NaN. A comma may stand for the decimal
// point. What is no item is skipped, so that one broken item does not cost the others.
func ParsePerf(text string) []model.Perf {
	var items []model.Perf
	for len(items) < maxPerf {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			break
		}
		label, rest, ok := perfLabel(text)
		if !ok {
			_, text = cutSpace(text)
			continue
		}
		var value string
		value, text = cutSpace(rest)
		if item, ok := perfItem(label, value); ok {
			items = append(items, item)
		}
	}
	return items
}

// cutSpace splits text at its first white space.
func cutSpace(text string) (before, after string) {
	i := strings.IndexAny(text, " \t\r\n")
	if i < 0 {
		return text, ""
	}
	return text[:i], text[i:]
}

// perfLabel reads a label and the equals sign behind it.
func perfLabel(text string) (label, rest string, ok bool) {
	if text[0] != '\'' {
		i := strings.IndexAny(text, "= \t\r\n")
		if i <= 0 || text[i] != '=' {
			return "", "", false
		}
		return text[:i], text[i+1:], true
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			b.WriteByte(text[i])
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		if i+1 < len(text) && text[i+1] == '=' {
			return b.String(), text[i+2:], b.Len() > 0
		}
		break
	}
	return "", "", false
}

// perfItem reads what stands behind the equals sign.
func perfItem(label, text string) (model.Perf, bool) {
	item := model.Perf{Label: cutBytes(clean(label), maxPerfLabel)}
	parts := strings.Split(strings.TrimRight(clean(text), ","), ";")
	var ok bool
	item.Value, item.Unit, ok = perfValue(parts[0])
	if !ok || item.Label == "" {
		return item, false
	}
	at := func(i int) string {
		if i >= len(parts) || len(parts[i]) > maxPerfText {
			return ""
		}
		return strings.Trim(parts[i], ",")
	}
	item.Warn, item.Crit = at(1), at(2)
	item.Min, item.Max = perfBound(at(3)), perfBound(at(4))
	return item, true
}

// perfValue reads a number and its unit: "12.5ms", "U", "-3%", "1e3B".
func perfValue(text string) (value float64, unit string, ok bool) {
	if text == "U" {
		return math.NaN(), "", true
	}
	n := numberLen(text)
	unit = text[n:]
	// A unit that would be read as a part of the number is none.
	if n == 0 || len(unit) > maxPerfText || numberLen("1"+unit) != 1 {
		return 0, "", false
	}
	value, err := strconv.ParseFloat(strings.Replace(text[:n], ",", ".", 1), 64)
	if err != nil || math.IsInf(value, 0) {
		return 0, "", false
	}
	return value, unit, true
}

// numberLen is the length of the decimal number at the start of text; 0 for none.
func numberLen(text string) int {
	i, digits, point := 0, 0, false
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		i++
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits++
		case (c == '.' || c == ',') && !point:
			point = true
		default:
			return exponentLen(text, i, digits)
		}
	}
	return exponentLen(text, i, digits)
}

// exponentLen extends a number that ends at i by its exponent. "5E" is five of the unit E, not a broken number.
func exponentLen(text string, i, digits int) int {
	if digits == 0 {
		return 0
	}
	if i >= len(text) || text[i] != 'e' && text[i] != 'E' {
		return i
	}
	j := i + 1
	if j < len(text) && (text[j] == '-' || text[j] == '+') {
		j++
	}
	start := j
	for j < len(text) && text[j] >= '0' && text[j] <= '9' {
		j++
	}
	if j == start {
		return i
	}
	return j
}

// perfBound reads a minimum or maximum, which some plugins write with the unit behind it.
func perfBound(text string) *float64 {
	v, _, ok := perfValue(text)
	if !ok || math.IsNaN(v) {
		return nil
	}
	return &v
}

// FormatPerf writes performance data so that ParsePerf, Nagios and its graphing tools read it.
func FormatPerf(items []model.Perf) string {
	var b strings.Builder
	for i, p := range items {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quoteLabel(p.Label))
		b.WriteByte('=')
		if math.IsNaN(p.Value) {
			b.WriteByte('U')
		} else {
			b.WriteString(formatNumber(p.Value))
			b.WriteString(p.Unit)
		}
		fields := []string{p.Warn, p.Crit, formatBound(p.Min), formatBound(p.Max)}
		for len(fields) > 0 && fields[len(fields)-1] == "" {
			fields = fields[:len(fields)-1]
		}
		for _, f := range fields {
			b.WriteByte(';')
			b.WriteString(f)
		}
	}
	return b.String()
}

func quoteLabel(label string) string {
	if label != "" && !strings.ContainsAny(label, " \t\r\n='\"|;") {
		return label
	}
	return "'" + strings.ReplaceAll(label, "'", "''") + "'"
}

func formatNumber(v float64) string {
	if v != 0 && (math.Abs(v) < 1e-6 || math.Abs(v) >= 1e21) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func formatBound(v *float64) string {
	if v == nil {
		return ""
	}
	return formatNumber(*v)
}
