package rowgroup

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/store"
)

// batch is records of one stream of a group. Columns are read when they are asked for.
type batch struct {
	r      *reading
	stream *Stream
	rows   []uint32 // records of the group, ascending
	most   bool     // most records of the group are selected
	oldest int64    // no time is before or after these
	newest int64
	times  []int64
	lines  []string
}

// check ends whoever reads the batch when what it has read is damaged.
func (b *batch) check() {
	if b.r.err != nil {
		panic(damaged{b.r.err})
	}
}

// Stream implements store.EventBatch.
func (b *batch) Stream() labels.Labels { return b.stream.Labels }

// StreamID implements store.EventBatch.
func (b *batch) StreamID() uint64 { return b.stream.ID }

// Len implements store.EventBatch.
func (b *batch) Len() int { return len(b.rows) }

// whole says whether the records follow each other without gaps.
func (b *batch) whole() bool { return int(b.rows[len(b.rows)-1]-b.rows[0]) == len(b.rows)-1 }

// TimeRange implements store.EventBatch.
func (b *batch) TimeRange() (oldest, newest int64) { return b.oldest, b.newest }

// Times implements store.EventBatch.
func (b *batch) Times() []int64 {
	if b.times != nil {
		return b.times
	}
	all := b.r.loadTimes()
	b.check()
	if b.whole() {
		b.times = all[b.rows[0] : int(b.rows[0])+len(b.rows)]
		return b.times
	}
	b.times = b.r.s.numbers.take(len(b.rows))
	for i, row := range b.rows {
		b.times[i] = all[row]
	}
	return b.times
}

// Lines implements store.EventBatch.
func (b *batch) Lines() []string {
	if b.lines == nil {
		b.lines = b.texts(b.r.dir.lines, b.rows, b.most)
	}
	return b.lines
}

// texts are the values of a column that rows names; all says that the other values will be asked for too.
func (b *batch) texts(index int, rows []uint32, all bool) []string {
	out := b.r.s.texts.take(len(rows))
	switch b.r.dir.columns[index].kind {
	case kindConst, kindDict, kindText, kindIndirect:
		all = true // costs next to nothing
	}
	if all {
		values := b.r.texts(index)
		b.check()
		for i, row := range rows {
			out[i] = values[row]
		}
		return out
	}
	b.r.render(out, index, rows)
	b.check()
	return out
}

// FieldNames implements store.EventBatch.
func (b *batch) FieldNames() []string {
	if b.r.dir.fields == noColumn {
		return nil
	}
	if packed := b.r.dir.packed(); packed != noColumn {
		return b.packedBatch(packed).FieldNames()
	}
	var names []string
	for _, index := range b.r.children(b.r.dir.fields) {
		names = append(names, b.r.dir.columns[index].key)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Column implements store.EventBatch.
func (b *batch) Column(name string) store.Column {
	if b.r.dir.fields == noColumn {
		return store.Column{}
	}
	if packed := b.r.dir.packed(); packed != noColumn {
		return b.packedBatch(packed).Column(name)
	}
	for _, index := range b.r.children(b.r.dir.fields) {
		if b.r.dir.columns[index].key == name {
			return b.column(index, false)
		}
	}
	return store.Column{}
}

// column returns the values of a column of templates.
func (b *batch) column(index int, escaped bool) store.Column {
	at, missing, found := b.placed(index)
	if found == 0 {
		return store.Column{}
	}
	c := b.values(index, at, escaped)
	c.Missing = missing
	return c
}

// placed says where in a column the values of the records are: 0 where there is none, which missing tells.
func (b *batch) placed(index int) (at []uint32, missing []uint64, found int) {
	places := b.r.placesOf(index)
	b.check()
	if places == nil {
		return b.rows, nil, len(b.rows)
	}
	at = b.r.s.codes.take(len(b.rows))
	missing = b.r.s.words.zeroed(bitmapWords(len(b.rows)))
	for i, row := range b.rows {
		if p := places[row]; p >= 0 {
			at[i] = uint32(p)
			found++
		} else {
			at[i] = 0
			missing[i/64] |= 1 << (i % 64)
		}
	}
	if found == len(b.rows) {
		missing = nil
	}
	return at, missing, found
}

// values are the values of a column at some places.
func (b *batch) values(index int, at []uint32, escaped bool) store.Column {
	r := b.r
	c := &r.dir.columns[index]
	escaped = escaped && c.chars.has('\\')
	switch c.kind {
	case kindAlias:
		return b.values(c.inner, at, escaped)
	case kindConst:
		return store.Column{Dict: unescapeAll(c.dict, escaped)}
	case kindDict, kindIndirect:
		return b.coded(index, c, at, escaped)
	case kindNumber:
		if c.num.plain() {
			return b.numbers(index, at)
		}
	}
	texts := b.texts(index, at, b.most)
	if escaped {
		texts = unescapeAll(texts, true)
	}
	return store.Column{Texts: texts}
}

func (b *batch) coded(index int, c *column, at []uint32, escaped bool) store.Column {
	codes := b.r.load(index).codes
	dict := c.dict
	if c.kind == kindIndirect {
		dict = b.r.texts(c.inner)
	}
	b.check()
	out := b.r.s.codes.take(len(at))
	for i, p := range at {
		out[i] = codes[p]
	}
	return store.Column{Dict: unescapeAll(dict, escaped), Codes: out}
}

func (b *batch) numbers(index int, at []uint32) store.Column {
	r := b.r
	all := r.floats(index)
	b.check()
	out := r.s.floats.take(len(at))
	for i, p := range at {
		out[i] = all[p]
	}
	raw, form := r.load(index).numbers, &r.dir.columns[index].num
	text := func(i int) string { return string(form.appendNumber(nil, raw[at[i]])) }
	return store.Column{Numbers: out, Text: text}
}

// unescapeAll returns the texts that JSON strings stand for.
func unescapeAll(texts []string, escaped bool) []string {
	if !escaped {
		return texts
	}
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = unescape(t)
	}
	return out
}

// unescape returns the text that what is between the quotes of a valid JSON string stands for.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out, err := jsonscan.New([]byte(`"` + s + `"`)).Text()
	if err != nil {
		return s // it was checked when it was encoded
	}
	return out
}

// Parsed implements store.EventBatch.
func (b *batch) Parsed(source store.Source) (store.ParsedLines, bool) {
	lines := &b.r.dir.columns[b.r.dir.lines]
	if source != store.JSON || lines.kind != kindTemplate {
		return nil, false
	}
	codes := b.r.codesOf(b.r.dir.lines)
	b.check()
	used := make([]bool, len(lines.templates))
	p := &parsed{b: b}
	for _, row := range b.rows {
		code := codes[row]
		if used[code] {
			continue
		}
		used[code] = true
		t := &lines.templates[code]
		if !t.json {
			return nil, false
		}
		p.add(t)
	}
	return p, true
}

// parsed is the fields of the lines of a batch.
type parsed struct {
	b       *batch
	names   []string
	columns [][]int // by name: those that have it
}

// add adds the fields of a template.
func (p *parsed) add(t *template) {
	for _, index := range t.slots {
		c := &p.b.r.dir.columns[index]
		if c.slot == slotOpaque {
			continue // lists are left out
		}
		at := slices.Index(p.names, c.key)
		if at < 0 {
			at = len(p.names)
			p.names = append(p.names, c.key)
			p.columns = append(p.columns, nil)
		}
		if !slices.Contains(p.columns[at], index) {
			p.columns[at] = append(p.columns[at], index)
		}
	}
}

// Names implements store.ParsedLines.
func (p *parsed) Names() []string { return p.names }

// Column implements store.ParsedLines.
func (p *parsed) Column(name string) store.Column {
	at := slices.Index(p.names, name)
	if at < 0 {
		return store.Column{}
	}
	columns := p.columns[at]
	if len(columns) == 1 {
		return p.column(columns[0])
	}
	return p.joined(columns)
}

// column is the values of one slot.
func (p *parsed) column(index int) store.Column {
	c := &p.b.r.dir.columns[index]
	out := p.b.column(index, c.slot == slotString)
	if c.slot == slotBare && out.Numbers == nil && c.chars.holds("null", false) {
		p.withoutNull(&out)
	}
	return out
}

// withoutNull makes values that are null missing.
func (p *parsed) withoutNull(c *store.Column) {
	n := len(p.b.rows)
	missing := make([]uint64, bitmapWords(n))
	copy(missing, c.Missing)
	found := false
	for i := range n {
		if c.Has(i) && c.Value(i) == "null" {
			missing[i/64] |= 1 << (i % 64)
			found = true
		}
	}
	if found {
		c.Missing = missing
	}
}

// joined is the values of a field that is a text in some lines and a number in others, or has a column for each form of lines.
func (p *parsed) joined(columns []int) store.Column {
	n := len(p.b.rows)
	out := store.Column{Texts: make([]string, n), Missing: make([]uint64, bitmapWords(n))}
	for i := range n {
		out.Missing[i/64] |= 1 << (i % 64)
	}
	for _, index := range columns {
		c := p.column(index)
		for i := range n {
			if c.Has(i) {
				out.Texts[i] = c.Value(i)
				out.Missing[i/64] &^= 1 << (i % 64)
			}
		}
	}
	return out
}
