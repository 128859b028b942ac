package rowgroup

import (
	"hash/crc32"
	"hash/maphash"
	"math/bits"
	"strings"
)

// values is a column before it is coded.
type values struct {
	texts []string
	rows  []uint32 // the record of each; nil: the i-th value is that of record i
	timed bool     // rows is right: false for the different values of an indirect column
	slot  slotKind
	key   string
}

func (v *values) row(i int) int {
	if v.rows == nil {
		return i
	}
	return int(v.rows[i])
}

// summary is what is known of a column's values before a coding is chosen.
type summary struct {
	ids      []uint32 // of each value: the number of its text
	distinct []string // texts, in order of first appearance
	many     bool     // nearly all differ: they were not counted, distinct is all of them, and ids is nil
	bytes    int
	maxLen   int
	unique   int // bytes of distinct
}

// The thresholds of the codings. They decide about bytes only, never about what can be read.
const (
	maxDict     = 256     // codes are bytes
	maxInline   = 4 << 10 // bytes of a value that is in the directory
	maxNesting  = 3       // templates within templates
	minTemplate = 4       // rows of a template; those of rarer ones are kept whole
)

// column codes the values and returns the number of the column.
func (e *Encoder) column(v *values, depth int) int {
	sum := e.summarize(v.texts)
	c := column{n: len(v.texts), slot: v.slot, key: v.key, maxLen: sum.maxLen, off: len(e.data)}
	if alias, ok := e.alias(v, &sum); ok {
		c.kind, c.inner = kindAlias, alias
		return e.finish(c, v, nil)
	}
	switch {
	case len(sum.distinct) == 1 && sum.unique <= maxInline:
		c.kind, c.dict = kindConst, sum.distinct
	case depth == 0 && startsObject(v.texts[0]) && e.templateColumn(v, &c, depth): // JSON is not hidden behind codes
	case e.timeColumn(v, &c):
	case len(sum.distinct) <= maxDict && len(sum.distinct) <= len(v.texts)/4 && sum.unique <= 4*maxInline:
		c.kind, c.dict = kindDict, sum.distinct
		e.codes(sum.ids, len(sum.distinct))
	case e.numberColumn(v, &c):
	case v.timed && e.indirectColumn(v, &sum, &c, depth):
	case e.hexColumn(v, &c), e.ipv4Column(v, &c):
	case depth < maxNesting && e.templateColumn(v, &c, depth):
	default:
		c.kind = kindText
		e.texts(v.texts, &sum)
		for _, t := range v.texts {
			c.chars.addString(t)
		}
	}
	return e.finish(c, v, &sum)
}

func (e *Encoder) finish(c column, v *values, sum *summary) int {
	c.size = len(e.data) - c.off
	c.crc = crc32.Checksum(e.data[c.off:], castagnoli)
	e.columns = append(e.columns, c)
	index := len(e.columns) - 1
	if sum != nil {
		if c.size > 0 {
			e.coded = append(e.coded, codedColumn{index, v.texts})
		}
		e.filter.column(&e.columns[index], v, sum)
	}
	return index
}

// codedColumn is what alias compares with.
type codedColumn struct {
	index int
	texts []string
}

// alias finds a column that has the same values.
func (e *Encoder) alias(v *values, sum *summary) (int, bool) {
	if len(sum.distinct) == 1 || !v.timed {
		return 0, false
	}
	for i := range e.coded {
		if c := &e.coded[i]; sameTexts(c.texts, v.texts) {
			return c.index, true
		}
	}
	return 0, false
}

func sameTexts(a, b []string) bool {
	// Columns that begin alike often differ in the middle.
	if n := len(a); n != len(b) || a[n-1] != b[n-1] || a[n/2] != b[n/2] {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// The sample by which summarize sees that it is not worth while to count. It is taken in chunks, as values come again next to
// each other, and from all over, as streams differ.
const (
	sampleChunks = 8
	sampleChunk  = 128
	sampleSame   = 25 // fewer values of the sample that were there before: nearly all differ
)

// nearlyDistinct says whether hardly any text comes again.
func (e *Encoder) nearlyDistinct(texts []string) bool {
	if len(texts) < 2*sampleChunks*sampleChunk {
		return false
	}
	const size = 4 * sampleChunks * sampleChunk
	table := e.freshTable(size)
	same := 0
	for k := range sampleChunks {
		first := k * (len(texts) - sampleChunk) / (sampleChunks - 1)
		for i := first; i < first+sampleChunk; i++ {
			at := maphash.String(e.seed, texts[i]) % size
			for table[at] != 0 && texts[table[at]-1] != texts[i] {
				at = (at + 1) % size
			}
			if table[at] == 0 {
				table[at] = uint32(i + 1)
			} else if same++; same == sampleSame {
				return false
			}
		}
	}
	return true
}

func (e *Encoder) freshTable(size int) []uint32 {
	if len(e.table) < size {
		e.table = make([]uint32, size)
	}
	table := e.table[:size]
	clear(table)
	return table
}

// summarize numbers the different texts.
func (e *Encoder) summarize(texts []string) summary {
	n := len(texts)
	if e.nearlyDistinct(texts) {
		sum := summary{distinct: texts, many: true}
		for _, t := range texts {
			sum.bytes += len(t)
			sum.maxLen = max(sum.maxLen, len(t))
		}
		return sum
	}
	size := 1 << bits.Len(uint(2*n))
	table := e.freshTable(size)
	sum := summary{ids: e.codeSlab.take(n), distinct: e.textSlab.take(n)[:0]}
	mask := uint64(size - 1)
	last := -1
	for i, t := range texts {
		sum.bytes += len(t)
		sum.maxLen = max(sum.maxLen, len(t))
		if last >= 0 && texts[i-1] == t {
			sum.ids[i] = uint32(last)
			continue
		}
		h := maphash.String(e.seed, t)
		at := h & mask
		for table[at] != 0 && sum.distinct[table[at]-1] != t {
			at = (at + 1) & mask
		}
		if table[at] == 0 {
			sum.distinct = append(sum.distinct, t)
			sum.unique += len(t)
			table[at] = uint32(len(sum.distinct))
		}
		last = int(table[at] - 1)
		sum.ids[i] = uint32(last)
	}
	return sum
}

// codes writes numbers below n: several in a byte when they are small, two bytes, low ones first, when there are more than 256.
func (e *Encoder) codes(ids []uint32, n int) {
	per := codesPerByte(n)
	if per == 0 {
		buf := e.bytes.take(len(ids))
		for k := range 2 {
			for i, id := range ids {
				buf[i] = byte(id >> (8 * k))
			}
			e.data = e.compress.appendStream(e.data, buf, k == 0)
		}
		return
	}
	buf := e.bytes.zeroed((len(ids) + per - 1) / per)
	width := 8 / per
	for i, id := range ids {
		buf[i/per] |= byte(id) << (i % per * width)
	}
	e.data = e.compress.appendStream(e.data, buf, true)
}

// codesPerByte is how many codes below n are in a byte, 0 when one takes two.
func codesPerByte(n int) int {
	switch {
	case n <= 2:
		return 8
	case n <= 4:
		return 4
	case n <= 16:
		return 2
	case n <= 256:
		return 1
	}
	return 0
}

// readCodes reads what codes wrote; every code is below limit, or the bytes are damaged.
func (s *Scratch) readCodes(d *decoder, n, limit int) []uint32 {
	out := s.codes.take(n)
	per := codesPerByte(limit)
	if per == 0 {
		low, high := s.stream(d, n), s.stream(d, n)
		if len(low) != n || len(high) != n {
			d.fail()
			clear(out)
			return out
		}
		for i := range out {
			out[i] = uint32(low[i]) | uint32(high[i])<<8
		}
	} else {
		size := (n + per - 1) / per
		packed := s.stream(d, size)
		if len(packed) != size {
			d.fail()
			clear(out)
			return out
		}
		unpackCodes(out, packed, per)
	}
	for _, code := range out {
		if int(code) >= limit {
			d.fail()
			clear(out)
			break
		}
	}
	return out
}

func unpackCodes(out []uint32, packed []byte, per int) {
	if per == 1 {
		for i, b := range packed {
			out[i] = uint32(b)
		}
		return
	}
	width := 8 / per
	mask := uint32(1)<<width - 1
	for i := range out {
		out[i] = uint32(packed[i/per]) >> (i % per * width) & mask
	}
}

// indirectColumn codes values that come again: as numbers of the different ones, or by when they came last.
func (e *Encoder) indirectColumn(v *values, sum *summary, c *column, depth int) bool {
	n, d := len(v.texts), len(sum.distinct)
	if n < 32 || sum.many {
		return false
	}
	codes, texts := e.recent(sum)
	c.mode = indirectRecent
	if codes == nil {
		if d > n/2 {
			return false
		}
		c.mode = indirectCodes
		codes, texts = sum.ids, sum.distinct
	}
	inner := e.column(&values{texts: texts, slot: v.slot}, depth)
	c.kind, c.inner, c.off = kindIndirect, inner, len(e.data)
	e.codes(codes, c.codeLimit(len(texts)))
	return true
}

// codeLimit is what the codes of an indirect column are below of, when the other column has n values.
func (c *column) codeLimit(n int) int {
	if c.mode == indirectRecent {
		return recentWindow + 1
	}
	return n
}

// recent codes each value by its place among the last ones that were used, and returns the values for which the code 0
// stands, one after the other; nil when too few come again soon enough.
func (e *Encoder) recent(sum *summary) (codes []uint32, texts []string) {
	n := len(sum.ids)
	codes, texts = e.codeSlab.take(n), e.textSlab.take(n)[:0]
	var window [recentWindow]uint32
	size := 0
	for i, id := range sum.ids {
		if i == 512 && len(texts) > 400 {
			return nil, nil
		}
		at := 0
		for at < size && window[at] != id {
			at++
		}
		codes[i] = uint32(at + 1)
		if at == size {
			codes[i] = 0
			texts = append(texts, sum.distinct[id])
			if size < recentWindow {
				size++
			}
			at = size - 1
		}
		copy(window[1:at+1], window[:at])
		window[0] = id
	}
	if len(texts) > n*3/4 {
		return nil, nil
	}
	return codes, texts
}

// readRecent turns the codes of recent into the numbers of the values, each below limit.
func readRecent(codes []uint32, limit int) bool {
	var window [recentWindow]uint32
	size, seen := 0, uint32(0)
	for i, code := range codes {
		var id uint32
		at := int(code) - 1
		if code == 0 {
			if int(seen) >= limit {
				return false
			}
			id = seen
			seen++
			if size < recentWindow {
				size++
			}
			at = size - 1
		} else {
			if at >= size {
				return false
			}
			id = window[at]
		}
		for k := at; k > 0; k-- { // a few numbers: a call would cost more
			window[k] = window[k-1]
		}
		window[0] = id
		codes[i] = id
	}
	return true
}

// hexColumn tries to code ids as bytes.
func (e *Encoder) hexColumn(v *values, c *column) bool {
	first := v.texts[0]
	f := hexForm{digits: len(first)}
	if len(first) == 36 && first[8] == '-' {
		f.digits, f.uuid = 32, true
	}
	if f.digits%2 != 0 || f.digits < 8 || f.digits > 512 {
		return false
	}
	f.upper = strings.ContainsAny(first, "ABCDEF")
	out := e.bytes.take(len(v.texts) * f.digits / 2)[:0]
	for _, t := range v.texts {
		var ok bool
		if out, ok = f.pack(out, t); !ok {
			return false
		}
	}
	c.kind, c.hex = kindHex, f
	e.data = append(e.data, out...)
	return true
}

func (f *hexForm) pack(dst []byte, t string) ([]byte, bool) {
	want := f.digits
	if f.uuid {
		want += 4
	}
	if len(t) != want {
		return dst, false
	}
	for i := 0; i < len(t); i += 2 {
		if f.uuid && (i == 8 || i == 13 || i == 18 || i == 23) {
			if t[i] != '-' {
				return dst, false
			}
			i++
		}
		a, b := f.nibble(t[i]), f.nibble(t[i+1])
		if a|b > 15 {
			return dst, false
		}
		dst = append(dst, a<<4|b)
	}
	return dst, true
}

func (f *hexForm) nibble(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case !f.upper && c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case f.upper && c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

func (f *hexForm) append(dst []byte, id []byte) []byte {
	digits := "0123456789abcdef"
	if f.upper {
		digits = "0123456789ABCDEF"
	}
	for i, b := range id {
		if f.uuid && (i == 4 || i == 6 || i == 8 || i == 10) {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// ipv4Column tries to code addresses as four bytes, those of one place together.
func (e *Encoder) ipv4Column(v *values, c *column) bool {
	n := len(v.texts)
	out := e.bytes.take(4 * n)
	for i, t := range v.texts {
		for k := range 4 {
			x, size := octet(t)
			if size == 0 || k < 3 && (size >= len(t) || t[size] != '.') || k == 3 && size != len(t) {
				return false
			}
			out[k*n+i] = x
			t = t[min(size+1, len(t)):]
		}
	}
	c.kind = kindIPv4
	for k := range 4 {
		e.data = e.compress.appendStream(e.data, out[k*n:(k+1)*n], false)
	}
	return true
}

// octet reads a number from 0 to 255 without zeros before it, and its length.
func octet(s string) (byte, int) {
	x, i := 0, 0
	for i < len(s) && i < 3 && isDigit(s[i]) {
		x = x*10 + int(s[i]-'0')
		i++
	}
	if x > 255 || i > 1 && s[0] == '0' {
		return 0, 0
	}
	return byte(x), i
}

// timeColumn tries to code points in time of one format.
func (e *Encoder) timeColumn(v *values, c *column) bool {
	if !v.timed || timeAt(v.texts[0]) != len(v.texts[0]) {
		return false
	}
	xs := e.numbers.take(len(v.texts))
	var f timeForm
	for i, t := range v.texts {
		near := e.rows.Times[v.row(i)]
		format, at, n := parseTime(t, near)
		if n == 0 || n != len(t) || i > 0 && format != f.format {
			return false
		}
		f.format = format
		xs[i] = at/format.unit() - floorDiv(near, format.unit())
		if at%format.unit() != 0 && at < 0 {
			xs[i]-- // as floorDiv would
		}
	}
	f.low, f.high = bounds(xs)
	c.kind, c.time = kindTime, f
	e.planes(xs, f.low, f.high)
	return true
}

// texts writes the lengths, then all bytes.
func (e *Encoder) texts(texts []string, sum *summary) {
	n := len(texts)
	buf := e.bytes.take(n)
	for k := range bytesFor(uint64(sum.maxLen)) {
		for i, t := range texts {
			buf[i] = byte(len(t) >> (8 * k))
		}
		e.data = e.compress.appendStream(e.data, buf, false)
	}
	blob := e.bytes.take(sum.bytes)[:0]
	for _, t := range texts {
		blob = append(blob, t...)
	}
	e.data = e.compress.appendStream(e.data, blob, true)
}
