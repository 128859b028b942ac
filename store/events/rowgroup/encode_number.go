package rowgroup

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// maxDigits is how many digits a number may have: the nanoseconds since the epoch have 19.
const maxDigits = 19

// parseNumber reads a number as it is written canonically: no zeros before it, no plus, no exponent. It answers its digits
// without the point and how many are behind it.
func parseNumber(s string) (x int64, scale int, ok bool) {
	i := 0
	if len(s) > 1 && s[0] == '-' {
		i = 1
	}
	if len(s) == i || len(s)-i > maxDigits+1 || s[i] == '0' && i+1 < len(s) && s[i+1] != '.' || s[i] == '.' {
		return 0, 0, false
	}
	point := -1
	digits := 0
	u := uint64(0)
	for k := i; k < len(s); k++ {
		c := s[k] - '0'
		if c > 9 {
			if s[k] != '.' || point >= 0 || k == len(s)-1 {
				return 0, 0, false
			}
			point = k
			continue
		}
		digits++
		u = u*10 + uint64(c)
	}
	if digits > maxDigits || u > math.MaxInt64 {
		return 0, 0, false
	}
	if point >= 0 {
		scale = len(s) - 1 - point
	}
	x = int64(u)
	if i == 1 {
		if x == 0 {
			return 0, 0, false // -0: the sign would be lost
		}
		x = -x
	}
	return x, scale, true
}

// affixes finds what is before and behind the number in the first value.
func affixes(s string) (prefix, suffix string) {
	i := 0
	for i < len(s) && !isDigit(s[i]) {
		i++
	}
	k := len(s)
	for k > i && !isDigit(s[k-1]) {
		k--
	}
	if i > 0 && s[:i] == "-" {
		i = 0
	}
	return s[:i], s[k:]
}

// numberColumn tries to code the values as numbers.
func (e *Encoder) numberColumn(v *values, c *column) bool {
	f := numberForm{}
	f.prefix, f.suffix = affixes(v.texts[0])
	if len(f.prefix)+len(f.suffix) > 64 || len(v.texts[0]) == len(f.prefix) {
		return false
	}
	xs, ok := e.parseNumbers(v.texts, &f)
	if !ok {
		if xs, ok = e.parsePadded(v.texts, &f); !ok {
			return false
		}
	}
	f.base, f.max = xs[0], xs[0]
	for _, x := range xs {
		f.base, f.max = min(f.base, x), max(f.max, x)
	}
	stored := e.storedNumbers(v, xs, &f)
	c.kind, c.num = kindNumber, f
	e.planes(stored, f.low, f.high)
	return true
}

// parseNumbers sets the scale and the flags of f.
func (e *Encoder) parseNumbers(texts []string, f *numberForm) ([]int64, bool) {
	xs := e.numbers.take(len(texts))
	scales := e.bytes.take(len(texts))
	most, least, trimmed := 0, math.MaxInt, true
	for i, t := range texts {
		mid, ok := f.middle(t)
		if !ok {
			return nil, false
		}
		x, scale, ok := parseNumber(mid)
		if !ok {
			return nil, false
		}
		xs[i], scales[i] = x, byte(scale)
		most, least = max(most, scale), min(least, scale)
		trimmed = trimmed && (scale == 0 || mid[len(mid)-1] != '0')
	}
	f.scale = byte(most)
	if most == least {
		return xs, true
	}
	if !trimmed {
		return nil, false
	}
	f.flags |= numberTrim
	for i := range xs {
		p := powers[most-int(scales[i])]
		if hi, lo := bits.Mul64(uint64(max(xs[i], -xs[i])), uint64(p)); hi != 0 || lo >= uint64(powers[18]) {
			return nil, false
		}
		xs[i] *= p
	}
	return xs, true
}

func (f *numberForm) middle(t string) (string, bool) {
	if len(t) <= len(f.prefix)+len(f.suffix) || !strings.HasPrefix(t, f.prefix) || !strings.HasSuffix(t, f.suffix) {
		return "", false
	}
	return t[len(f.prefix) : len(t)-len(f.suffix)], true
}

// parsePadded reads whole numbers that all have as many digits.
func (e *Encoder) parsePadded(texts []string, f *numberForm) ([]int64, bool) {
	width := len(texts[0]) - len(f.prefix) - len(f.suffix)
	if width < 1 || width > 18 {
		return nil, false
	}
	f.scale, f.flags = 0, 0
	xs := e.numbers.take(len(texts))
	for i, t := range texts {
		mid, ok := f.middle(t)
		if !ok || len(mid) != width {
			return nil, false
		}
		x := int64(0)
		for k := range len(mid) {
			if !isDigit(mid[k]) {
				return nil, false
			}
			x = x*10 + int64(mid[k]-'0')
		}
		xs[i] = x
	}
	f.pad = byte(width)
	return xs, true
}

// storedNumbers chooses what takes the fewest bytes: the numbers, their differences, or their differences from the records' times.
func (e *Encoder) storedNumbers(v *values, xs []int64, f *numberForm) []int64 {
	f.low, f.high = f.base, f.max
	best := xs
	if d := e.deltas(xs); widthOf(d) < widthOf(xs) {
		best = d
		f.flags |= numberDelta
		f.first = xs[0]
		f.low, f.high = bounds(d)
	}
	if unit := f.timeUnit(); unit > 0 && v.timed {
		if d := e.timed(v, xs, unit); d != nil && widthOf(d) < widthOf(best) {
			best = d
			f.flags = f.flags&^numberDelta | numberTimed
			f.low, f.high = bounds(d)
		}
	}
	return best
}

func bounds(xs []int64) (low, high int64) {
	low, high = xs[0], xs[0]
	for _, x := range xs {
		low, high = min(low, x), max(high, x)
	}
	return low, high
}

// widthOf is how many bytes each stored value takes.
func widthOf(xs []int64) int {
	low, high := bounds(xs)
	return bytesFor(uint64(high - low))
}

func bytesFor(x uint64) int { return (bits.Len64(x) + 7) / 8 }

// deltas are the differences to the number before; the first is 0.
func (e *Encoder) deltas(xs []int64) []int64 {
	out := e.numbers.take(len(xs))
	out[0] = 0
	for i := 1; i < len(xs); i++ {
		out[i] = xs[i] - xs[i-1]
	}
	return out
}

// timeUnit is what one step of the number is in nanoseconds, when its size is that of a time of these decades; else 0.
func (f *numberForm) timeUnit() int64 {
	x := f.base
	for d := 9; d >= 0; d-- { // 10 digits are seconds, 19 nanoseconds
		if p := powers[d]; x/p >= 1_000_000_000 && x/p < 4_000_000_000 {
			return powers[9-d]
		}
	}
	return 0
}

func (e *Encoder) timed(v *values, xs []int64, unit int64) []int64 {
	out := e.numbers.take(len(xs))
	for i, x := range xs {
		out[i] = x - floorDiv(e.rows.Times[v.row(i)], unit)
	}
	return out
}

// planes writes the values, less low, byte by byte: first the low bytes of all of them, then the next. Bytes of one place are alike.
func (e *Encoder) planes(xs []int64, low, high int64) {
	n := len(xs)
	buf := e.bytes.take(n)
	for k := range bytesFor(uint64(high - low)) {
		for i, x := range xs {
			buf[i] = byte(uint64(x-low) >> (8 * k))
		}
		e.data = e.compress.appendStream(e.data, buf, false)
	}
}

// appendNumber writes x as it was.
func (f *numberForm) appendNumber(dst []byte, x int64) []byte {
	dst = append(dst, f.prefix...)
	if f.pad > 0 {
		dst = appendPadded(dst, x, int(f.pad))
		return append(dst, f.suffix...)
	}
	if x < 0 {
		dst = append(dst, '-')
		x = -x
	}
	scale := int(f.scale)
	if f.flags&numberTrim != 0 {
		for scale > 0 && x%10 == 0 {
			x /= 10
			scale--
		}
	}
	if scale == 0 {
		dst = appendInt(dst, x)
	} else {
		dst = appendInt(dst, x/powers[scale])
		dst = append(dst, '.')
		dst = appendPadded(dst, x%powers[scale], scale)
	}
	return append(dst, f.suffix...)
}

// appendPadded writes the last digits of x, with zeros before them.
func appendPadded(dst []byte, x int64, digits int) []byte {
	var buf [20]byte
	for k := digits - 1; k >= 0; k-- {
		buf[k] = byte('0' + x%10)
		x /= 10
	}
	return append(dst, buf[:digits]...)
}

func appendInt(dst []byte, x int64) []byte {
	if x >= 0 && x < 10 {
		return append(dst, byte('0'+x))
	}
	return strconv.AppendUint(dst, uint64(x), 10)
}

// numbers reads what planes wrote.
func (s *Scratch) planes(d *decoder, n int, low, high int64) []int64 {
	out := s.numbers.take(n)
	for i := range out {
		out[i] = low
	}
	for k := range bytesFor(uint64(high - low)) {
		plane := s.stream(d, n)
		if len(plane) != n {
			d.fail()
			return out
		}
		shift := 8 * k
		for i, b := range plane {
			out[i] += int64(uint64(b) << shift)
		}
	}
	return out
}
