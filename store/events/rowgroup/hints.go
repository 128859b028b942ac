package rowgroup

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// hint is a FieldHint made ready.
type hint struct {
	store.FieldHint
	sanitized string
	skip      []needle // of Any; nil: the filters tell nothing
}

func prepareHint(h store.FieldHint) hint {
	out := hint{FieldHint: h, sanitized: sanitize(h.Name)}
	for _, v := range h.Any {
		if v == "" || h.Source != store.Stored && !plainJSON(v) {
			// An empty value has no token, and others may be written in several ways.
			out.skip = nil
			break
		}
		out.skip = append(out.skip, prepareNeedle(v, true))
	}
	return out
}

// plainJSON says whether a JSON string has one way to be written, but for needless escapes, which are looked for apart.
func plainJSON(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '/' || c == '<' || c == '>' || c == '&' || c == '\'' {
			return false
		}
	}
	return true
}

// sanitize is how LogQL names a key: every character but ASCII letters, digits and _ becomes _, and a digit at the beginning gets one before it.
func sanitize(s string) string {
	if s != "" && !isDigit(s[0]) && !strings.ContainsFunc(s, odd) {
		return s
	}
	out := make([]byte, 0, len(s)+1)
	for i, c := range s {
		if i == 0 && c >= '0' && c <= '9' {
			out = append(out, '_')
		}
		if odd(c) {
			c = '_'
		}
		out = append(out, byte(c))
	}
	return string(out)
}

func odd(c rune) bool {
	return (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_'
}

func (h *hint) value(text string) bool {
	if len(h.Any) > 0 {
		return slices.Contains(h.Any, text)
	}
	x, err := strconv.ParseFloat(text, 64)
	return err != nil || h.number(x) // what is no number is not left out
}

// number says whether a number is not surely out of range; NaN is not.
// names says whether the hint is about the stored field of that name.
func (h *hint) names(field string) bool { return field == h.Name || sanitize(field) == h.sanitized }

func (h *hint) number(x float64) bool { return !(x < h.Min || x > h.Max) }

// hold says which values of a column the hint holds for; nil: none. Values of JSON strings are unescaped before.
func (r *reading) hold(index int, h *hint, escaped bool) bitmap {
	c := &r.dir.columns[index]
	if r.err != nil {
		return nil
	}
	test := h.value
	if escaped && c.chars.has('\\') {
		test = func(v string) bool { return h.value(unescape(v)) }
	}
	switch c.kind {
	case kindConst, kindDict:
		return r.findDict(index, c, test)
	case kindAlias:
		return r.hold(c.inner, h, escaped)
	case kindIndirect:
		return r.spread(index, c, r.hold(c.inner, h, escaped))
	case kindNumber:
		if len(h.Any) == 0 && c.num.plain() {
			return r.holdNumbers(index, c, h)
		}
	}
	var out bitmap
	if len(h.Any) > 0 && (!escaped || !c.chars.has('\\')) {
		return r.holdAny(index, c, h)
	}
	r.load(index)
	for i := range c.n {
		if r.err != nil {
			return nil
		}
		r.buf = r.append(r.buf[:0], index, i)
		if test(textOf(r.buf)) {
			if out == nil {
				out = r.none(c.n)
			}
			out.set(i)
		}
	}
	return out
}

// holdAny searches for the values as needles before it compares.
func (r *reading) holdAny(index int, c *column, h *hint) bitmap {
	var out bitmap
	for _, v := range h.Any {
		found := r.find(index, v, false)
		if found == nil {
			continue
		}
		for i := range found.all {
			r.buf = r.append(r.buf[:0], index, i)
			if string(r.buf) != v {
				found.clear(i)
			}
		}
		if out == nil {
			out = found
		} else {
			out.or(found)
		}
	}
	return out
}

// plain says that a number column's values are numbers alone.
func (f *numberForm) plain() bool { return f.prefix == "" && f.suffix == "" }

// float is the value as strconv.ParseFloat reads its text: exactly, as both the digits and the power of ten are whole floats;
// where they are not it answers false.
func (f *numberForm) float(x int64) (float64, bool) {
	if f.scale == 0 {
		return float64(x), true
	}
	if x > 1<<53 || x < -1<<53 {
		return 0, false
	}
	return float64(x) / float64(powers[f.scale]), true
}

// floats are the values of a plain number column.
func (r *reading) floats(index int) []float64 {
	l := r.load(index)
	if l.floats != nil || r.err != nil {
		return l.floats
	}
	f := &r.dir.columns[index].num
	l.floats = r.s.floats.take(len(l.numbers))
	for i, x := range l.numbers {
		v, ok := f.float(x)
		if !ok {
			r.buf = f.appendNumber(r.buf[:0], x)
			v, _ = strconv.ParseFloat(string(r.buf), 64)
		}
		l.floats[i] = v
	}
	return l.floats
}

func (r *reading) holdNumbers(index int, c *column, h *hint) bitmap {
	if !c.num.overlaps(h) {
		return nil
	}
	var out bitmap
	for i, x := range r.floats(index) {
		if h.number(x) {
			if out == nil {
				out = r.none(c.n)
			}
			out.set(i)
		}
	}
	return out
}

// overlaps says whether a value may lie in the hint's range.
func (f *numberForm) overlaps(h *hint) bool {
	scale := math.Pow10(int(f.scale))
	low, high := float64(f.base)/scale, float64(f.max)/scale
	slack := (math.Abs(low) + math.Abs(high)) * 1e-12
	return high+slack >= h.Min && low-slack <= h.Max
}

// applyHint takes the records out of sel for which the hint surely does not hold.
func (r *reading) applyHint(sel bitmap, h *hint, streams []Stream) {
	switch h.Source {
	case store.Stored:
		keep := r.storedHint(h)
		r.labelledRuns(h, streams, func(i int) { keep.set(i) })
		if r.err == nil {
			sel.and(keep)
		}
	case store.JSON:
		drop := r.jsonHint(h)
		if drop == nil || r.err != nil {
			return
		}
		r.labelledRuns(h, streams, func(i int) { drop.clear(i) })
		sel.andNot(drop)
	}
}

// labelledRuns calls f for the records of streams that have a label of the hint's name.
func (r *reading) labelledRuns(h *hint, streams []Stream, f func(record int)) {
	for _, run := range r.g.info.Runs {
		if s := &streams[run.Stream]; s.Wanted && hasLabel(s, h) {
			for i := range run.Rows {
				f(run.First + i)
			}
		}
	}
}

func hasLabel(s *Stream, h *hint) bool {
	return s.Labels.Has(h.Name) || s.Labels.Has(h.sanitized)
}

// storedHint is the records for which a hint on a stored field holds.
func (r *reading) storedHint(h *hint) bitmap {
	out := r.none(r.g.info.Rows)
	if r.dir.fields == noColumn {
		return out
	}
	if packed := r.dir.packed(); packed != noColumn {
		return r.packedRows(packed, func(f *model.Field) bool { return h.names(f.Name) && h.value(f.Value) })
	}
	fields := &r.dir.columns[r.dir.fields]
	for _, index := range r.children(r.dir.fields) {
		if h.names(r.dir.columns[index].key) {
			if lifted := r.lift(nil, index, fields, r.hold(index, h, false)); lifted != nil {
				out.or(lifted)
			}
		}
	}
	return out
}

// children are the different columns of a column's templates.
func (r *reading) children(parent int) []int {
	var out []int
	for i := range r.dir.columns[:parent] {
		if r.dir.columns[i].parent == parent {
			out = append(out, i)
		}
	}
	return out
}

// jsonHint is the records whose line is JSON and for which a hint on the parsed line does not hold; nil: none, or it cannot tell.
func (r *reading) jsonHint(h *hint) bitmap {
	lines := &r.dir.columns[r.dir.lines]
	if lines.kind != kindTemplate {
		return nil
	}
	held := r.none(lines.n)
	for _, index := range r.children(r.dir.lines) {
		c := &r.dir.columns[index]
		if c.slot < slotString || c.key != h.Name && sanitize(c.key) != h.sanitized {
			continue
		}
		if c.slot == slotOpaque || c.key != h.Name {
			held.or(r.present(index, lines)) // who parses it decides
			continue
		}
		found := r.hold(index, h, c.slot == slotString)
		if c.slot == slotBare && c.chars.holds("null", false) {
			found = r.orNull(index, found)
		}
		held = r.lift(held, index, lines, found)
	}
	if r.err != nil {
		return nil
	}
	drop := r.jsonRows(lines)
	drop.andNot(held)
	if stored := r.storedPresence(h); stored != nil {
		drop.andNot(stored)
	}
	return drop
}

// orNull adds the values that are null: what that is worth is for the parser to say.
func (r *reading) orNull(index int, found bitmap) bitmap {
	null := r.find(index, "null", false)
	if found == nil || null == nil {
		if found == nil {
			return null
		}
		return found
	}
	found.or(null)
	return found
}

// present is the values of the parent that a column has.
func (r *reading) present(index int, parent *column) bitmap {
	return r.lift(r.none(parent.n), index, parent, r.full(r.dir.columns[index].n))
}

// jsonRows is the records whose line is JSON.
func (r *reading) jsonRows(lines *column) bitmap {
	out := r.none(lines.n)
	codes := r.codesOf(r.dir.lines)
	if r.err != nil {
		return out
	}
	for i, code := range codes {
		if lines.templates[code].json {
			out.set(i)
		}
	}
	return out
}

// storedPresence is the records that have a stored field of the hint's name, to which a hint on the line does not apply.
func (r *reading) storedPresence(h *hint) bitmap {
	if r.dir.fields == noColumn {
		return nil
	}
	if packed := r.dir.packed(); packed != noColumn {
		return r.packedRows(packed, func(f *model.Field) bool { return h.names(f.Name) })
	}
	fields := &r.dir.columns[r.dir.fields]
	var out bitmap
	for _, index := range r.children(r.dir.fields) {
		if !h.names(r.dir.columns[index].key) {
			continue
		}
		if out == nil {
			out = r.none(fields.n)
		}
		out.or(r.present(index, fields))
	}
	return out
}

// skips says whether a hint excludes all records of the group, as the filters tell. Only those on stored fields do: a line that
// is not JSON is never excluded by a hint on JSON.
func (k *skipper) skips(h *hint) bool {
	if h.Source != store.Stored || h.skip == nil || len(h.Any) == 0 {
		return false
	}
	for i := range h.skip {
		if k.mayHave(&h.skip[i]) {
			return false
		}
	}
	return true
}
