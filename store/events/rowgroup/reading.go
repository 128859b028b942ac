package rowgroup

import (
	"context"
	"hash/crc32"
	"slices"
	"unsafe"

	"github.com/hulotte-dev/hulotte/model"
)

// reading is one look into a group: the columns that were read for it, in memory of the scratch. The first error ends
// everything: it stays in err, and what was asked for then means nothing.
type reading struct {
	ctx   context.Context
	g     *Group
	s     *Scratch
	dir   *directory
	cols  []loaded
	err   error
	read  int64 // bytes
	times []int64
	buf   []byte

	fields [][]model.Field // of all records, when they are packed and somebody asked for them
}

// loaded is a column that was read. What it has depends on its kind.
type loaded struct {
	done    bool
	codes   []uint32 // dict, indirect, template: of each value
	numbers []int64  // number: without the decimal point; time: nanoseconds
	raw     []byte   // hex, text: the bytes; IPv4: four of each
	ends    []uint32 // text: of each value, in raw
	texts   []string // all values, when somebody asked for them
	lens    []uint32 // of all values, when somebody asked for them
	floats  []float64
	placed  bool
	places  []int32 // of each value of the parent: where it is here, or -1; nil: at the same place
}

func (g *Group) newReading(ctx context.Context, s *Scratch) (*reading, error) {
	dir, err := g.dir(ctx, s)
	if err != nil {
		return nil, err
	}
	if cap(s.loaded) < len(dir.columns) {
		s.loaded = make([]loaded, len(dir.columns), 2*len(dir.columns))
	}
	cols := s.loaded[:len(dir.columns)]
	clear(cols)
	return &reading{ctx: ctx, g: g, s: s, dir: dir, cols: cols, buf: s.buf}, nil
}

// bad notes that a column is damaged.
func (r *reading) bad(index int, why string) {
	if r.err == nil {
		c := &r.dir.columns[index]
		r.err = corrupt("column %d of a group (bytes %d to %d of its data, %q) %s", index, c.off, c.off+c.size, c.key, why)
	}
}

// load reads a column.
func (r *reading) load(index int) *loaded {
	l := &r.cols[index]
	if l.done || r.err != nil {
		return l
	}
	c := &r.dir.columns[index]
	l.done = true
	d := decoder{b: r.payload(index, c)}
	if r.err != nil {
		return l
	}
	switch c.kind {
	case kindDict:
		l.codes = r.s.readCodes(&d, c.n, len(c.dict))
	case kindNumber:
		l.numbers = r.s.planes(&d, c.n, c.num.low, c.num.high)
		if !d.bad && index != r.dir.times {
			r.restoreNumbers(index, c, l.numbers)
		}
	case kindTime:
		l.numbers = r.s.planes(&d, c.n, c.time.low, c.time.high)
		unit := c.time.format.unit()
		r.addTimes(index, l.numbers, unit)
		for i := range l.numbers {
			l.numbers[i] *= unit
		}
	case kindHex:
		l.raw = d.take(c.n * c.hex.digits / 2)
	case kindIPv4:
		l.raw = r.s.bytes.take(4 * c.n)
		for k := range 4 {
			plane := r.s.stream(&d, c.n)
			if len(plane) != c.n {
				d.fail()
				break
			}
			for i, b := range plane {
				l.raw[4*i+k] = b
			}
		}
	case kindText:
		r.loadText(&d, c, l)
	case kindTemplate:
		if len(c.templates) > 1 {
			l.codes = r.s.readCodes(&d, c.n, len(c.templates))
		}
	case kindIndirect:
		n := r.dir.columns[c.inner].n
		l.codes = r.s.readCodes(&d, c.n, c.codeLimit(n))
		if c.mode == indirectRecent && !d.bad && !readRecent(l.codes, n) {
			d.fail()
		}
	}
	if d.bad || len(d.b) > 0 {
		r.bad(index, "cannot be read")
	}
	return l
}

// payload is a column's bytes, checked.
func (r *reading) payload(index int, c *column) []byte {
	if c.size == 0 {
		return nil
	}
	b, err := r.g.read.Data(r.ctx, int64(c.off), int64(c.size))
	if err != nil {
		r.err = err
		return nil
	}
	r.read += int64(c.size)
	if crc32.Checksum(b, castagnoli) != c.crc {
		r.bad(index, "does not match its checksum")
		return nil
	}
	return b
}

func (r *reading) loadText(d *decoder, c *column, l *loaded) {
	l.ends = r.s.codes.take(c.n)
	clear(l.ends)
	if !r.s.readLengths(d, l.ends, c.maxLen) {
		return
	}
	total := uint64(0)
	for i := range l.ends {
		total += uint64(l.ends[i])
		if total > MaxLine {
			d.fail()
			return
		}
		l.ends[i] = uint32(total)
	}
	l.raw = r.s.stream(d, int(total))
	if len(l.raw) != int(total) {
		d.fail()
		l.ends, l.raw = nil, nil
	}
}

// restoreNumbers turns what is stored into the numbers.
func (r *reading) restoreNumbers(index int, c *column, xs []int64) {
	switch {
	case c.num.flags&numberDelta != 0:
		x := c.num.first - xs[0]
		for i := range xs {
			x += xs[i]
			xs[i] = x
		}
	case c.num.flags&numberTimed != 0:
		r.addTimes(index, xs, c.num.timeUnit())
	}
}

// addTimes adds the times of the column's records, in units.
func (r *reading) addTimes(index int, xs []int64, unit int64) {
	times := r.loadTimes()
	rows, ok := r.rowsOf(index)
	if r.err != nil || !ok || rows != nil && len(rows) != len(xs) {
		r.bad(index, "belongs to no records")
		return
	}
	for i := range xs {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		xs[i] += floorDiv(times[row], unit)
	}
}

// loadTimes returns the times of all records.
func (r *reading) loadTimes() []int64 {
	if r.times != nil || r.err != nil {
		return r.times
	}
	c := &r.dir.columns[r.dir.times]
	xs := r.load(r.dir.times).numbers
	if r.err != nil {
		return nil
	}
	unit := powers[c.num.scale]
	for _, run := range r.g.info.Runs {
		t, ascends := run.MinTime, true
		for i := run.First; i < run.First+run.Rows; i++ {
			next := t + xs[i]*unit // a difference of centuries wraps around, and back
			ascends = ascends && next >= t
			t, xs[i] = next, next
		}
		if !ascends || xs[run.First] != run.MinTime || t != run.MaxTime {
			r.bad(r.dir.times, "has other times than the meta")
			return nil
		}
	}
	r.times = xs
	return xs
}

// rowsOf says which record each value of a column belongs to; nil: the i-th to record i. It answers false for the
// values of an indirect column, which belong to many.
func (r *reading) rowsOf(index int) ([]uint32, bool) {
	parent := r.dir.columns[index].parent
	if parent == noColumn {
		return nil, r.dir.columns[index].n == r.g.info.Rows
	}
	if r.dir.columns[parent].kind != kindTemplate {
		return nil, false
	}
	above, ok := r.rowsOf(parent)
	places := r.placesOf(index)
	if !ok || r.err != nil || places == nil {
		return above, ok
	}
	out := r.s.codes.take(r.dir.columns[index].n)
	for i, at := range places {
		if at < 0 {
			continue
		}
		out[at] = uint32(i)
		if above != nil {
			out[at] = above[i]
		}
	}
	return out, true
}

// placesOf says where in a column the values of its parent are, which is of templates.
func (r *reading) placesOf(index int) []int32 {
	l := &r.cols[index]
	if l.placed || r.err != nil {
		return l.places
	}
	l.placed = true
	c := &r.dir.columns[index]
	p := &r.dir.columns[c.parent]
	if c.n == p.n && r.everywhere(index, p) {
		return nil
	}
	codes := r.codesOf(c.parent)
	if r.err != nil {
		return nil
	}
	has := r.s.codes.zeroed(len(p.templates))
	for i := range p.templates {
		has[i] = uint32(flag(slices.Contains(p.templates[i].slots, index), 1))
	}
	l.places = r.s.places.take(p.n)
	next := int32(0)
	for i, code := range codes {
		l.places[i] = next
		if has[code] == 0 {
			l.places[i] = -1
		}
		next += int32(has[code])
	}
	if int(next) != c.n {
		r.bad(index, "has not as many values as its templates")
	}
	return l.places
}

func (r *reading) everywhere(index int, p *column) bool {
	for i := range p.templates {
		if !slices.Contains(p.templates[i].slots, index) {
			return false
		}
	}
	return true
}

// codesOf are the templates of a column's values.
func (r *reading) codesOf(index int) []uint32 {
	l := r.load(index)
	if l.codes == nil && r.err == nil {
		l.codes = r.s.codes.zeroed(r.dir.columns[index].n)
	}
	return l.codes
}

// append writes value i of a column. The value of a template's slot that is not there is a damaged column's.
func (r *reading) append(dst []byte, index, i int) []byte {
	c := &r.dir.columns[index]
	l := &r.cols[index]
	if !l.done {
		r.load(index)
	}
	if r.err != nil || i < 0 || i >= c.n {
		if r.err == nil {
			r.bad(index, "has not as many values as its templates")
		}
		return dst
	}
	switch c.kind {
	case kindConst:
		return append(dst, c.dict[0]...)
	case kindDict:
		return append(dst, c.dict[l.codes[i]]...)
	case kindNumber:
		return c.num.appendNumber(dst, l.numbers[i])
	case kindHex:
		size := c.hex.digits / 2
		return c.hex.append(dst, l.raw[i*size:(i+1)*size])
	case kindIPv4:
		for k, b := range l.raw[4*i : 4*i+4] {
			if k > 0 {
				dst = append(dst, '.')
			}
			dst = appendInt(dst, int64(b))
		}
		return dst
	case kindTime:
		return c.time.format.appendTime(dst, l.numbers[i])
	case kindText:
		return append(dst, l.text(i)...)
	case kindIndirect:
		return r.append(dst, c.inner, int(l.codes[i]))
	case kindAlias:
		return r.append(dst, c.inner, i)
	}
	return r.appendTemplate(dst, c, l, i)
}

func (l *loaded) text(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = l.ends[i-1]
	}
	return l.raw[from:l.ends[i]]
}

func (r *reading) appendTemplate(dst []byte, c *column, l *loaded, i int) []byte {
	t := &c.templates[0]
	if l.codes != nil {
		t = &c.templates[l.codes[i]]
	}
	if t.literals == nil {
		return dst
	}
	for k, s := range t.slots {
		dst = append(dst, t.literals[k]...)
		at := i
		if l := &r.cols[s]; !l.placed {
			at = r.place(s, i)
		} else if l.places != nil {
			at = int(l.places[i])
		}
		dst = r.append(dst, s, at)
	}
	return append(dst, t.literals[len(t.slots)]...)
}

// place is where in a column value i of its parent is, or -1.
func (r *reading) place(index, i int) int {
	places := r.placesOf(index)
	if places == nil {
		return i
	}
	return int(places[i])
}

// texts are all values of a column.
func (r *reading) texts(index int) []string {
	l := r.load(index)
	if l.texts != nil || r.err != nil {
		return l.texts
	}
	c := &r.dir.columns[index]
	l.texts = r.s.texts.take(c.n)
	switch c.kind {
	case kindConst, kindDict:
		for i := range l.texts {
			l.texts[i] = c.dict[0]
			if l.codes != nil {
				l.texts[i] = c.dict[l.codes[i]]
			}
		}
	case kindText:
		for i := range l.texts {
			l.texts[i] = textOf(l.text(i))
		}
	case kindIndirect:
		inner := r.texts(c.inner)
		for i := range l.texts {
			if r.err == nil {
				l.texts[i] = inner[l.codes[i]]
			}
		}
	case kindAlias:
		l.texts = r.texts(c.inner)
	default:
		r.render(l.texts, index, nil)
	}
	return l.texts
}

// render writes the values of a column that rows names, all of them when it is nil, into one buffer of the scratch.
func (r *reading) render(out []string, index int, rows []uint32) {
	r.prepare(index)
	buf := r.s.bytes.take(r.expected(index, len(out)))[:0]
	ends := r.s.codes.take(len(out))
	for i := range out {
		at := i
		if rows != nil {
			at = int(rows[i])
		}
		buf = r.append(buf, index, at)
		if int64(len(buf)) > 2*MaxLine {
			r.bad(index, "is longer than a group may be")
		}
		if r.err != nil {
			clear(out)
			return
		}
		ends[i] = uint32(len(buf))
	}
	from := uint32(0)
	for i, end := range ends {
		out[i] = textOf(buf[from:end])
		from = end
	}
}

// expected is about how many bytes some values of a column take: of lines the group tells it.
func (r *reading) expected(index, n int) int {
	if index != r.dir.lines {
		return n * min(r.dir.columns[index].maxLen, 64)
	}
	all := int(min(r.g.info.Bytes, 4*MaxBytes)) // forged ones are no reason to take more
	if n == r.g.info.Rows {
		return all
	}
	return n * (all/r.g.info.Rows + 32)
}

// prepare loads everything that the values of a column are made of.
func (r *reading) prepare(index int) {
	c := &r.dir.columns[index]
	r.load(index)
	switch c.kind {
	case kindIndirect, kindAlias:
		r.prepare(c.inner)
	case kindTemplate:
		for i := range c.templates {
			for _, s := range c.templates[i].slots {
				r.placesOf(s)
				if !r.cols[s].done {
					r.prepare(s)
				}
			}
		}
	}
}

// textOf is a string over bytes that nobody changes while it is used.
func textOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
