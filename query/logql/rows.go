package logql

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// rows is a batch that went through a pipeline: which of its records passed, and their lines and labels. It is valid until its runner's
// next batch, and not longer than the store's batch.
type rows struct {
	r     *runner
	b     store.EventBatch
	count int

	columns bool // labels are the runner's frame, else what take has kept
	all     []namedColumn

	lines   []string
	lengths []uint32
	taken   []takenColumn
	labels  []labels.Labels
}

// takenColumn is a label of the records that passed one by one.
type takenColumn struct {
	name    string
	texts   []string
	missing bitmap
	any     bool
}

func (x *rows) reset(r *runner, b store.EventBatch) {
	x.r, x.b, x.count, x.columns = r, b, 0, false
	x.all, x.lines, x.labels = x.all[:0], x.lines[:0], x.labels[:0]
	for i := range x.taken {
		x.taken[i].any = false
	}
}

// useColumns makes the labels those of the runner's frame; false means that they cannot be told from it.
func (x *rows) useColumns() bool {
	f := &x.r.frame
	if x.count = x.r.sel.count(); x.count == 0 {
		x.columns = true
		return true
	}
	if x.r.p.need.All {
		var ok bool
		if x.all, ok = f.all(x.all[:0]); !ok {
			return false
		}
		x.labels = append(x.labels, make([]labels.Labels, x.b.Len())...)
		x.intoLabels()
	}
	for _, name := range x.r.p.need.Labels {
		if _, ok := f.column(name); !ok {
			return false
		}
	}
	x.columns = true
	return true
}

// intoLabels makes the labels of every row that passed.
func (x *rows) intoLabels() {
	in := &x.r.intern
	_ = x.r.sel.each(false, func(i int) error {
		in.begin()
		for k := range x.all {
			if c := &x.all[k]; c.column.Has(i) {
				in.add(c.name, c.column.Value(i))
			}
		}
		x.labels[i] = in.labels()
		return nil
	})
}

// take keeps what is needed of row i.
func (x *rows) take(i int, rec *record) {
	n := x.b.Len()
	p := x.r.p
	if p.need.Line {
		if len(x.lines) < n {
			x.lines = append(x.lines, make([]string, n-len(x.lines))...)
		}
		x.lines[i] = rec.line
	}
	if p.need.All {
		if len(x.labels) < n {
			x.labels = append(x.labels, make([]labels.Labels, n-len(x.labels))...)
		}
		x.labels[i] = x.r.intern.of(rec.each)
	}
	at := 0
	for _, name := range p.need.Labels {
		x.put(at, name, i, rec)
		at++
	}
	x.put(at, labelError, i, rec)
	x.put(at+1, labelErrorDetails, i, rec)
}

func (x *rows) put(at int, name string, i int, rec *record) {
	if at == len(x.taken) {
		x.taken = append(x.taken, takenColumn{name: name})
	}
	v, ok := rec.get(name)
	if !ok {
		return
	}
	c := &x.taken[at]
	if !c.any {
		n := x.b.Len()
		if cap(c.texts) < n {
			c.texts = make([]string, n)
		}
		c.texts = c.texts[:n]
		c.missing.fill(n)
		c.any = true
	}
	c.texts[i] = v
	c.missing.words[i/64] &^= 1 << (i % 64)
}

// Len is how many records the batch has, and Count how many passed.
func (x *rows) Len() int   { return x.b.Len() }
func (x *rows) Count() int { return x.count }

// Selected is the rows that passed: bit i%64 of word i/64.
func (x *rows) Selected() []uint64 { return x.r.sel.words }

// Times are those of the batch.
func (x *rows) Times() []int64 { return x.b.Times() }

// TimeRange is that of the batch.
func (x *rows) TimeRange() (oldest, newest int64) { return x.b.TimeRange() }

// Column is a final label of all rows; what it says of rows that did not pass means nothing.
func (x *rows) Column(name string) store.Column {
	if x.columns {
		c, _ := x.r.frame.column(name)
		return c
	}
	for i := range x.taken {
		if c := &x.taken[i]; c.name == name {
			if !c.any {
				return store.Column{}
			}
			return store.Column{Texts: c.texts, Missing: c.missing.words}
		}
	}
	return x.labelColumn(name)
}

// labelColumn finds a label in all labels.
func (x *rows) labelColumn(name string) store.Column {
	if len(x.labels) == 0 {
		return store.Column{}
	}
	var c store.Column
	c.Texts = make([]string, x.b.Len())
	var missing bitmap
	missing.fill(x.b.Len())
	for i := range x.labels {
		if x.r.sel.has(i) && x.labels[i].Has(name) {
			c.Texts[i] = x.labels[i].Get(name)
			missing.words[i/64] &^= 1 << (i % 64)
		}
	}
	c.Missing = missing.words
	return c
}

// Lines are the final lines; only with need.Line.
func (x *rows) Lines() []string {
	if x.columns {
		return x.b.Lines()
	}
	return x.lines
}

// LineLengths are those of the final lines; only with need.Line.
func (x *rows) LineLengths() []uint32 {
	if x.columns {
		return x.b.LineLengths()
	}
	x.lengths = x.lengths[:0]
	for _, line := range x.lines {
		x.lengths = append(x.lengths, uint32(len(line))) //nolint:gosec // a line is below 4 GiB
	}
	return x.lengths
}

// Labels are all final labels of row i; only with need.All. Equal ones are the same value, and they may be kept.
func (x *rows) Labels(i int) labels.Labels { return x.labels[i] }

// Stream and StreamID are those of the batch.
func (x *rows) Stream() labels.Labels { return x.b.Stream() }
func (x *rows) StreamID() uint64      { return x.b.StreamID() }

// Plain says that no step changed labels: those of every row are the stream's and the stored fields.
func (x *rows) Plain() bool {
	for _, s := range x.r.p.rest {
		switch s := s.(type) {
		case *lineMatcher, decolorizeStep:
		case *condition:
			if !s.textOnly() { // it may set an error
				return false
			}
		default:
			return false
		}
	}
	return true
}

// textOnly says whether the condition can set no error.
func (c *condition) textOnly() bool {
	if c.test == nil {
		return c.left.textOnly() && c.right.textOnly()
	}
	return c.matcher != nil
}
