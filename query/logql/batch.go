package logql

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// runner runs a pipeline over batches. It belongs to one goroutine and reuses its buffers.
type runner struct {
	p      *pipeline
	record record
	frame  frame
	sel    bitmap
	rows   rows
	intern interner

	base    []model.Field // of the stream streamID
	stream  labels.Labels
	hasBase bool
	stored  []namedColumn // that are loaded with a record
	lines   []string
	times   []int64
	needles []lineNeedles
	withAny bool // a step looks at the stored fields

	spares   []*bitmap
	verdicts []uint8
}

func (p *pipeline) runner() *runner {
	r := &runner{p: p}
	r.record.want = p.want
	r.record.json = jsonscan.New(nil)
	for _, s := range p.steps {
		m, ok := s.(*lineMatcher)
		r.withAny = r.withAny || ok && (m.anyField || m.mixed)
	}
	return r
}

func (r *runner) spare(like *bitmap) *bitmap {
	b := &bitmap{}
	if n := len(r.spares); n > 0 {
		b, r.spares = r.spares[n-1], r.spares[:n-1]
	}
	b.words = append(b.words[:0], like.words...)
	return b
}

func (r *runner) giveBack(b *bitmap) { r.spares = append(r.spares, b) }

// begin makes the records of a batch ready to be loaded.
func (r *runner) begin(b store.EventBatch) {
	r.setStream(b.Stream())
	r.stored = r.stored[:0]
	for _, name := range b.FieldNames() {
		if r.withAny || r.p.want.has(name) || r.p.needsStored() {
			if c := b.Column(name); !c.Absent() {
				r.stored = append(r.stored, namedColumn{name: name, column: c})
			}
		}
	}
	r.lines, r.times = b.Lines(), b.Times()
	r.beginNeedles(b)
	r.record.json.Reset(nil)
}

// needsStored says whether a parser may meet a stored field's name, which changes the name of what it finds.
func (p *pipeline) needsStored() bool {
	for _, s := range p.rest {
		switch s.(type) {
		case *condition, *lineMatcher, *dropStep, *keepStep, decolorizeStep, *lineFormatStep:
		default:
			return true
		}
	}
	return false
}

func (r *runner) setStream(l labels.Labels) {
	if r.hasBase && labels.Equal(r.stream, l) {
		return
	}
	r.stream, r.hasBase, r.base = l, true, nil // records may still hold the old one
	l.Range(func(l labels.Label) { r.base = append(r.base, model.Field{Name: l.Name, Value: l.Value}) })
}

// load makes row i the runner's record.
func (r *runner) load(i int) *record {
	x := &r.record
	x.time, x.line = r.times[i], r.lines[i]
	x.base, x.meta, x.parsed = r.base, x.meta[:0], x.parsed[:0]
	x.err, x.details = "", ""
	for k := range r.stored {
		c := &r.stored[k]
		if c.column.Has(i) {
			x.meta = append(x.meta, model.Field{Name: c.name, Value: c.column.Value(i)})
		}
	}
	x.keepStored(r.withAny)
	return x
}

// keepStored keeps the stored fields as they are for any(), since steps may change meta.
func (r *record) keepStored(needed bool) {
	r.stored = r.stored[:0]
	if needed {
		r.stored = append(r.stored, r.meta...)
	}
}

// runSteps does the steps.
func runSteps(steps []step, x *record) bool {
	for _, s := range steps {
		if !s.run(x) {
			return false
		}
	}
	return true
}

// each calls f with the records of a batch that pass, as they are after the last step, from front to back or from behind. wanted,
// when it is not nil, says which are looked at. The record and its strings are valid until f returns.
func (r *runner) each(b store.EventBatch, backward bool, wanted func(t int64) bool, f func(x *record) error) error {
	if !r.p.quick || !r.selectColumns(b) {
		r.sel.fill(b.Len())
	}
	if r.sel.empty() {
		return nil
	}
	r.begin(b)
	return r.sel.each(backward, func(i int) error {
		if wanted != nil && !wanted(r.times[i]) || r.hopeless(i) {
			return nil
		}
		r.record.json.Reset(nil)
		if x := r.load(i); runSteps(r.p.rest, x) {
			return f(x)
		}
		return nil
	})
}

// eachRecord is each for records that come alone: no filter has been applied to them.
func (r *runner) eachRecord(stream labels.Labels, records []model.Record, f func(x *record) error) error {
	r.setStream(stream)
	for i := range records {
		x := &r.record
		x.json.Reset(nil)
		x.time, x.line = records[i].Time, records[i].Line
		x.base, x.meta, x.parsed = r.base, append(x.meta[:0], records[i].Fields...), x.parsed[:0]
		x.err, x.details = "", ""
		x.keepStored(r.withAny)
		if !runSteps(r.p.steps, x) {
			continue
		}
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// batch runs the pipeline over a batch.
func (r *runner) batch(b store.EventBatch) (*rows, error) {
	out := &r.rows
	out.reset(r, b)
	if r.p.quick && r.selectColumns(b) && out.useColumns() {
		return out, nil
	}
	r.begin(b)
	r.sel.clear(b.Len())
	for i := range b.Len() {
		if r.hopeless(i) {
			continue
		}
		if x := r.load(i); runSteps(r.p.rest, x) {
			r.sel.set(i)
			out.take(i, x)
		}
	}
	out.count = r.sel.count()
	return out, nil
}
