package rowgroup

import (
	"math/bits"
	"slices"
)

// The lengths of texts are known without the texts: of most columns from the directory alone, of numbers from their size, of plain
// texts from what is stored before them. Whoever counts bytes writes no line.

// LineLengths implements store.EventBatch.
func (b *batch) LineLengths() []uint32 {
	all := b.r.lengths(b.r.dir.lines)
	b.check()
	if b.whole() {
		return all[b.rows[0] : int(b.rows[0])+len(b.rows)]
	}
	out := b.r.s.codes.take(len(b.rows))
	for i, row := range b.rows {
		out[i] = all[row]
	}
	return out
}

// lengths are those of all values of a column.
func (r *reading) lengths(index int) []uint32 {
	l := &r.cols[index]
	if l.lens != nil || r.err != nil {
		return l.lens
	}
	c := &r.dir.columns[index]
	if c.kind == kindAlias {
		if l.lens = r.lengths(c.inner); len(l.lens) != c.n {
			r.bad(index, "has not as many values as what it is an alias of")
		}
		return l.lens
	}
	lens := r.s.codes.take(c.n)
	if n, ok := r.fixedLength(index); ok {
		fill(lens, n)
	} else {
		r.countLengths(lens, index, c)
	}
	l.lens = lens
	return lens
}

func fill(out []uint32, value uint32) {
	for i := range out {
		out[i] = value
	}
}

// fixedLength answers, from the directory, how long every value of a column is, when all are as long.
func (r *reading) fixedLength(index int) (uint32, bool) {
	c := &r.dir.columns[index]
	switch c.kind {
	case kindConst, kindDict:
		if len(c.dict) == 0 {
			return 0, false
		}
		same := !slices.ContainsFunc(c.dict, func(s string) bool { return len(s) != len(c.dict[0]) })
		return uint32(len(c.dict[0])), same //nolint:gosec // below MaxLine
	case kindHex:
		if c.hex.uuid {
			return uint32(c.hex.digits + 4), true //nolint:gosec // at most 512
		}
		return uint32(c.hex.digits), true //nolint:gosec // at most 512
	case kindTime:
		return uint32(len(c.time.format.appendTime(nil, 0))), true //nolint:gosec // some 40
	case kindNumber:
		return c.num.fixedLength()
	case kindIndirect, kindAlias:
		return r.fixedLength(c.inner)
	}
	return 0, false
}

func (r *reading) countLengths(lens []uint32, index int, c *column) {
	switch c.kind {
	case kindText:
		r.textLengths(lens, index, c)
		return
	case kindTemplate:
		r.templateLengths(lens, index, c)
		return
	}
	l := r.load(index)
	if r.err != nil {
		clear(lens)
		return
	}
	switch c.kind {
	case kindDict:
		for i, code := range l.codes {
			lens[i] = uint32(len(c.dict[code])) //nolint:gosec // below MaxLine
		}
	case kindNumber:
		for i, x := range l.numbers {
			lens[i] = c.num.length(x)
		}
	case kindIPv4:
		for i := range lens {
			n := uint32(3)
			for _, b := range l.raw[4*i : 4*i+4] {
				n += countDigits(int64(b))
			}
			lens[i] = n
		}
	case kindIndirect:
		inner := r.lengths(c.inner)
		if r.err != nil {
			clear(lens)
			return
		}
		for i, code := range l.codes {
			lens[i] = inner[code]
		}
	}
}

// textLengths reads no more of a column of texts than their lengths.
func (r *reading) textLengths(lens []uint32, index int, c *column) {
	clear(lens)
	d := decoder{b: r.payload(index, c)}
	if r.err == nil && !r.s.readLengths(&d, lens, c.maxLen) {
		r.bad(index, "cannot be read")
	}
}

// readLengths adds the lengths of texts, which are at most longest, to what out has.
func (s *Scratch) readLengths(d *decoder, out []uint32, longest int) bool {
	for k := range bytesFor(uint64(longest)) { //nolint:gosec // not negative
		plane := s.stream(d, len(out))
		if len(plane) != len(out) {
			d.fail()
			return false
		}
		for i, b := range plane {
			out[i] |= uint32(b) << (8 * k)
		}
	}
	return true
}

// templateLengths adds up, for each value, the literals of its template and its slots.
func (r *reading) templateLengths(lens []uint32, index int, c *column) {
	fixed := make([]uint32, len(c.templates))
	vary := make([][]int, len(c.templates)) // slots whose values are not all as long, by template
	slots := map[int]bool{}
	for i := range c.templates {
		for _, text := range c.templates[i].literals {
			fixed[i] += uint32(len(text)) //nolint:gosec // below MaxLine
		}
		for _, s := range c.templates[i].slots {
			if n, ok := r.fixedLength(s); ok {
				fixed[i] += n
				continue
			}
			vary[i] = append(vary[i], s)
			slots[s] = true
		}
	}
	left := make([][]uint32, index) // the lengths that no value has taken yet, by slot
	for s := range slots {
		left[s] = r.lengths(s)
	}
	codes := r.codesOf(index)
	if r.err != nil {
		clear(lens)
		return
	}
	for i, code := range codes {
		n := fixed[code]
		for _, s := range vary[code] {
			if len(left[s]) == 0 {
				r.bad(s, "has not as many values as its templates")
				return
			}
			n += left[s][0]
			left[s] = left[s][1:]
		}
		lens[i] = n
	}
	for s := range slots {
		if len(left[s]) > 0 {
			r.bad(s, "has not as many values as its templates")
		}
	}
}

// fixedLength answers how long every number is, when all are as long.
func (f *numberForm) fixedLength() (uint32, bool) {
	if f.pad > 0 || f.base == f.max || f.base >= 0 && f.flags&numberTrim == 0 && f.length(f.base) == f.length(f.max) {
		return f.length(f.base), true
	}
	return 0, false
}

// length is how many bytes appendNumber writes.
func (f *numberForm) length(x int64) uint32 {
	n := uint32(len(f.prefix) + len(f.suffix)) //nolint:gosec // below MaxLine
	if f.pad > 0 {
		return n + uint32(f.pad)
	}
	if x < 0 {
		n++
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
		return n + countDigits(x)
	}
	return n + max(countDigits(x), uint32(scale)+1) + 1 //nolint:gosec // a zero before the point, and the point
}

// countDigits is how many digits x has, which is not negative.
func countDigits(x int64) uint32 {
	x = max(x, 1)
	n := bits.Len64(uint64(x)) * 1233 >> 12 // the logarithm to the base of 10, or one more
	if x >= powers[min(n, len(powers)-1)] {
		n++
	}
	return uint32(n) //nolint:gosec // at most 19
}
