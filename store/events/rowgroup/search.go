package rowgroup

import (
	"bytes"
	"strings"
)

// find says which values of a column contain needle (in lower case when fold is set); nil: none does.
func (r *reading) find(index int, needle string, fold bool) bitmap {
	c := &r.dir.columns[index]
	if r.err != nil || len(needle) > c.maxLen || !c.chars.holds(needle, fold) {
		return nil
	}
	switch c.kind {
	case kindConst:
		if contains(c.dict[0], needle, fold) {
			return r.full(c.n)
		}
		return nil
	case kindDict:
		return r.findDict(index, c, func(v string) bool { return contains(v, needle, fold) })
	case kindHex:
		return r.findHex(index, c, needle, fold)
	case kindText:
		return r.findText(index, c, needle, fold)
	case kindTemplate:
		return r.findTemplate(index, c, needle, fold)
	case kindIndirect:
		return r.spread(index, c, r.find(c.inner, needle, fold))
	case kindAlias:
		return r.find(c.inner, needle, fold)
	}
	return r.findRendered(index, c, needle, fold)
}

func (r *reading) full(n int) bitmap {
	b := bitmap(r.s.words.zeroed(bitmapWords(n)))
	b.setRange(0, n)
	return b
}

func (r *reading) none(n int) bitmap { return r.s.words.zeroed(bitmapWords(n)) }

// findDict asks pass once for each value.
func (r *reading) findDict(index int, c *column, pass func(v string) bool) bitmap {
	var hit [maxDict]bool
	any := false
	for i, v := range c.dict {
		hit[i] = pass(v)
		any = any || hit[i]
	}
	if !any {
		return nil
	}
	if c.kind == kindConst {
		return r.full(c.n)
	}
	codes := r.load(index).codes
	if r.err != nil {
		return nil
	}
	out := r.none(c.n)
	for i, code := range codes {
		if hit[code] {
			out.set(i)
		}
	}
	return out
}

// spread turns what was found in the other column of an indirect one into what is found in it.
func (r *reading) spread(index int, c *column, inner bitmap) bitmap {
	if inner == nil {
		return nil
	}
	codes := r.load(index).codes
	if r.err != nil {
		return nil
	}
	out := r.none(c.n)
	for i, code := range codes {
		if inner.has(int(code)) {
			out.set(i)
		}
	}
	return out
}

// findText searches all values at once and then sees in which one a hit lies.
func (r *reading) findText(index int, c *column, needle string, fold bool) bitmap {
	l := r.load(index)
	if r.err != nil {
		return nil
	}
	var out bitmap
	blob := textOf(l.raw)
	row, at := 0, 0
	for {
		var k int
		if fold {
			k = indexFold(blob[at:], needle)
		} else {
			k = strings.Index(blob[at:], needle)
		}
		if k < 0 {
			return out
		}
		at += k
		for int(l.ends[row]) <= at {
			row++
		}
		if at+len(needle) > int(l.ends[row]) {
			at++ // across two values
			continue
		}
		if out == nil {
			out = r.none(c.n)
		}
		out.set(row)
		at = int(l.ends[row])
	}
}

// findHex searches ids as bytes when needle is a whole one or long enough, else as text.
func (r *reading) findHex(index int, c *column, needle string, fold bool) bitmap {
	if len(needle) < 4 || c.hex.uuid {
		return r.findRendered(index, c, needle, fold)
	}
	form := c.hex
	if fold {
		form.upper = false // needle is in lower case
	}
	l := r.load(index)
	if r.err != nil {
		return nil
	}
	var out bitmap
	for shift := range 2 {
		// The pairs of digits that surely make whole bytes, when the needle begins at an even digit, or at an odd one.
		digits := needle[shift:]
		form.digits = len(digits) &^ 1
		packed, ok := form.pack(make([]byte, 0, 32), digits[:form.digits])
		if !ok {
			return nil
		}
		out = r.findBytes(out, l.raw, packed, index, c, needle, fold)
	}
	return out
}

func (r *reading) findBytes(out bitmap, raw, packed []byte, index int, c *column, needle string, fold bool) bitmap {
	size := c.hex.digits / 2
	for at := 0; ; at++ {
		k := bytes.Index(raw[at:], packed)
		if k < 0 {
			return out
		}
		at += k
		row := at / size
		if out != nil && out.has(row) {
			continue
		}
		r.buf = r.append(r.buf[:0], index, row)
		if contains(textOf(r.buf), needle, fold) {
			if out == nil {
				out = r.none(c.n)
			}
			out.set(row)
		}
	}
}

// findRendered writes every value and looks.
func (r *reading) findRendered(index int, c *column, needle string, fold bool) bitmap {
	r.load(index)
	var out bitmap
	for i := range c.n {
		if r.err != nil {
			return nil
		}
		r.buf = r.append(r.buf[:0], index, i)
		if contains(textOf(r.buf), needle, fold) {
			if out == nil {
				out = r.none(c.n)
			}
			out.set(i)
		}
	}
	return out
}

// findTemplate searches literals once, and the columns of the slots; what may lie across their borders is looked at in
// the pieces around them.
func (r *reading) findTemplate(index int, c *column, needle string, fold bool) bitmap {
	p := newPattern(needle, fold)
	var out bitmap
	searched := r.s.codes.zeroed(index + 1)
	whole := make([]bool, len(c.templates))
	anyWhole := false
	for i := range c.templates {
		t := &c.templates[i]
		for _, lit := range t.literals {
			if contains(lit, needle, fold) {
				whole[i], anyWhole = true, true
				break
			}
		}
		for _, s := range t.slots {
			if searched[s] == 0 {
				searched[s] = 1
				out = r.lift(out, s, c, r.find(s, needle, fold))
			}
		}
	}
	if r.err != nil {
		return nil
	}
	if anyWhole {
		out = r.whole(out, index, c, whole)
	}
	for i := range c.templates {
		if !whole[i] && p.crosses(&c.templates[i], r.dir) {
			out = r.findAcross(out, index, c, i, p)
		}
	}
	return out
}

// lift adds what was found in a column to what is found in its parent.
func (r *reading) lift(out bitmap, child int, parent *column, found bitmap) bitmap {
	if found == nil || r.err != nil {
		return out
	}
	places := r.placesOf(child)
	if r.err != nil {
		return out
	}
	if out == nil {
		out = r.none(parent.n)
	}
	if places == nil {
		out.or(found)
		return out
	}
	for i, at := range places {
		if at >= 0 && found.has(int(at)) {
			out.set(i)
		}
	}
	return out
}

// whole adds all values of some templates.
func (r *reading) whole(out bitmap, index int, c *column, which []bool) bitmap {
	codes := r.codesOf(index)
	if r.err != nil {
		return nil
	}
	if out == nil {
		out = r.none(c.n)
	}
	for i, code := range codes {
		if which[code] {
			out.set(i)
		}
	}
	return out
}

// findAcross looks for needle across the borders of a template's literals and slots.
func (r *reading) findAcross(out bitmap, index int, c *column, template int, p *pattern) bitmap {
	t := &c.templates[template]
	codes := r.codesOf(index)
	for _, w := range p.windows(t, r.dir) {
		hits, only := r.windowDict(t, w, p)
		if only >= 0 && hits == nil {
			continue
		}
		for i, code := range codes {
			if r.err != nil {
				return nil
			}
			if int(code) != template || out != nil && out.has(i) {
				continue
			}
			if only >= 0 {
				if !hits[r.cols[only].codes[r.place(only, i)]] {
					continue
				}
			} else if !r.windowHas(t, w, i, p) {
				continue
			}
			if out == nil {
				out = r.none(c.n)
			}
			out.set(i)
		}
	}
	return out
}

// windowHas puts the pieces of a window together and looks.
func (r *reading) windowHas(t *template, w window, i int, p *pattern) bool {
	buf := r.buf[:0]
	for k := w.from; k <= w.to; k++ {
		if k%2 == 0 {
			buf = append(buf, t.literals[k/2]...)
		} else {
			s := t.slots[k/2]
			buf = r.append(buf, s, r.place(s, i))
		}
	}
	r.buf = buf
	return r.err == nil && contains(textOf(buf), p.needle, p.fold)
}

// windowDict looks once for each value when a window has one slot, of a dictionary, and answers its column; else -1. No hits: nil.
func (r *reading) windowDict(t *template, w window, p *pattern) ([]bool, int) {
	only := -1
	for k := w.from; k <= w.to; k++ {
		if k%2 == 0 {
			continue
		}
		s := t.slots[k/2]
		kind := r.dir.columns[s].kind
		if only >= 0 || kind != kindDict {
			return nil, -1
		}
		only = s
	}
	if only < 0 {
		return nil, -1
	}
	c := &r.dir.columns[only]
	hits := make([]bool, len(c.dict))
	any := false
	for code, v := range c.dict {
		buf := r.buf[:0]
		for k := w.from; k <= w.to; k++ {
			if k%2 == 0 {
				buf = append(buf, t.literals[k/2]...)
			} else {
				buf = append(buf, v...)
			}
		}
		r.buf = buf
		hits[code] = contains(textOf(buf), p.needle, p.fold)
		any = any || hits[code]
	}
	if !any {
		return nil, only
	}
	r.load(only)
	return hits, only
}
