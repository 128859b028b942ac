package traceql

import (
	"context"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// foldSpans folds what the pipeline selects.
func (e *Engine) foldSpans(ctx context.Context, r store.SpanReader, p *Pipeline, o *foldOptions, out *Matrix) (*folder, error) {
	if n, ok := p.single(); ok && n.inColumns() && !o.ofTrace() {
		return e.foldColumns(ctx, r, n, o, out)
	}
	return e.foldTraces(ctx, r, p, o, out)
}

// ofTrace says whether the function needs what only the whole trace tells.
func (o *foldOptions) ofTrace() bool {
	return o.m.Field != nil && o.m.Field.ofTrace() || slices.ContainsFunc(o.m.By, (*Field).ofTrace)
}

// foldColumns folds spans batch by batch, from columns, with a folder for each worker.
func (e *Engine) foldColumns(ctx context.Context, r store.SpanReader, n *node, o *foldOptions, out *Matrix) (*folder, error) {
	total := newFolder(o)
	if n.op == nodeFalse {
		return total, nil
	}
	filter, _ := n.pushdown()
	q := store.SpanQuery{Start: o.grid.start, End: o.grid.end(), Filter: filter, Workers: e.Workers}
	residual := n.residual()
	for _, k := range residual {
		k.eachField(func(f store.SpanField) { q.Fields = append(q.Fields, f) })
	}
	for _, f := range o.m.By {
		q.Fields = append(q.Fields, f.SpanField)
	}
	if f := o.m.Field; f != nil && !isDuration(f) {
		q.Fields = append(q.Fields, f.SpanField)
	}
	var mu sync.Mutex
	workers := map[int]*columnFolder{}
	stats, err := r.SelectSpans(ctx, q, func(worker int, b store.SpanBatch) error {
		mu.Lock()
		f := workers[worker]
		if f == nil {
			f = newColumnFolder(o, residual)
			workers[worker] = f
		}
		mu.Unlock()
		f.fold(b)
		return f.err
	})
	out.Stats.Add(stats)
	if err != nil {
		return nil, err
	}
	for _, f := range workers {
		total.merge(f.folder)
	}
	return total, nil
}

func isDuration(f *Field) bool {
	return f.Scope == store.IntrinsicScope && f.Name == store.IntrinsicDuration && !f.Parent
}

// columnFolder folds batches.
type columnFolder struct {
	*folder
	residual []*node
	ids      []*interner         // by field of by(): of values
	pairs    []map[uint64]uint32 // by field: of what the fields before it make and the value's id
	found    []*folded           // by combination

	combos []uint32 // by row, reused
	passed []bool
}

func newColumnFolder(o *foldOptions, residual []*node) *columnFolder {
	f := &columnFolder{folder: newFolder(o), residual: residual}
	for range o.m.By {
		f.ids = append(f.ids, &interner{})
		f.pairs = append(f.pairs, map[uint64]uint32{})
	}
	return f
}

func (f *columnFolder) fold(b store.SpanBatch) {
	n := b.Len()
	passed := f.passing(b)
	f.combos = slices.Grow(f.combos[:0], n)[:n]
	clear(f.combos)
	columns := make([]store.ValueColumn, len(f.m.By))
	for i, by := range f.m.By {
		columns[i] = b.Column(by.SpanField)
		f.combine(i, &columns[i], passed)
	}
	series := f.seriesOf(columns, passed)
	if f.err != nil {
		return
	}
	x := newMeasured(f.foldOptions, b)
	starts := b.Starts()
	for i := range n {
		if passed != nil && !passed[i] {
			continue
		}
		value, bucket, ok := x.of(i)
		if !ok {
			continue
		}
		series[f.combos[i]].add(f.m.Func, int((starts[i]-f.grid.start)/f.grid.step), value, bucket)
	}
	if f.exemplars > 0 {
		f.examples(b, x, passed, series)
	}
}

// passing evaluates what the store did not; nil: all rows pass.
func (f *columnFolder) passing(b store.SpanBatch) []bool {
	if len(f.residual) == 0 {
		return nil
	}
	n := b.Len()
	f.passed = slices.Grow(f.passed[:0], n)[:n]
	src := &columnSource{batch: b, columns: map[store.SpanField]*store.ValueColumn{}}
	for i := range n {
		src.row = i
		f.passed[i] = !slices.ContainsFunc(f.residual, func(k *node) bool { return !k.passes(src) })
	}
	return f.passed
}

// combine makes of each row's combination until now and its value of a field the next combination.
func (f *columnFolder) combine(field int, c *store.ValueColumn, passed []bool) {
	codes := f.codesOf(field, c)
	if field == 0 { // nothing is before it
		for i := range f.combos {
			if passed == nil || passed[i] {
				f.combos[i] = codes(i)
			}
		}
		return
	}
	lastKey, last := ^uint64(0), uint32(0)
	for i, before := range f.combos {
		if passed != nil && !passed[i] {
			continue
		}
		key := uint64(before)<<32 | uint64(codes(i))
		if key != lastKey {
			id, ok := f.pairs[field][key]
			if !ok {
				id = uint32(len(f.pairs[field]))
				f.pairs[field][key] = id
			}
			lastKey, last = key, id
		}
		f.combos[i] = last
	}
}

// codesOf returns the ids of a column's values by row.
func (f *columnFolder) codesOf(field int, c *store.ValueColumn) func(int) uint32 {
	absent := f.id(field, model.Value{})
	switch {
	case c.Absent():
		return func(int) uint32 { return absent }
	case c.Dict != nil && c.Codes == nil:
		one := f.id(field, c.Dict[0])
		return func(i int) uint32 {
			if c.Has(i) {
				return one
			}
			return absent
		}
	case c.Dict != nil:
		known := make([]uint32, len(c.Dict)) // id+1
		return func(i int) uint32 {
			if !c.Has(i) {
				return absent
			}
			code := c.Codes[i]
			if known[code] == 0 {
				known[code] = f.id(field, c.Dict[code]) + 1
			}
			return known[code] - 1
		}
	}
	return func(i int) uint32 { return f.id(field, c.Value(i)) }
}

// id returns the number of a value of a field. With too many of them the folder fails.
func (f *columnFolder) id(field int, v model.Value) uint32 {
	id, ok := f.ids[field].id(shown(f.m.By[field], v), 4*f.maxSeries)
	if !ok && f.err == nil {
		f.err = f.tooMany()
	}
	return id
}

// seriesOf returns the series by combination, those of the batch's rows at least.
func (f *columnFolder) seriesOf(columns []store.ValueColumn, passed []bool) []*folded {
	values := make([]model.Value, len(columns))
	for i, combo := range f.combos {
		for int(combo) >= len(f.found) {
			f.found = append(f.found, nil)
		}
		if f.found[combo] != nil || passed != nil && !passed[i] {
			continue
		}
		for k := range columns {
			values[k] = shown(f.m.By[k], columns[k].Value(i))
		}
		if f.found[combo] = f.of(values); f.found[combo] == nil {
			return nil
		}
	}
	return f.found
}

func (f *columnFolder) examples(b store.SpanBatch, x *measured, passed []bool, series []*folded) {
	ids, starts := b.IDs(), b.Starts()
	for _, run := range b.Traces() {
		for i := run.First; i < run.End; i++ {
			value, _, ok := x.of(i)
			if !ok || passed != nil && !passed[i] {
				continue
			}
			series[f.combos[i]].example(f.slotOf(starts[i]), starts[i], value, run.Trace, ids[i])
		}
	}
}

// measured is the numbers of a batch that a function is of.
type measured struct {
	none      bool // spans are counted
	durations []int64
	column    store.ValueColumn
}

func newMeasured(o *foldOptions, b store.SpanBatch) *measured {
	switch {
	case o.m.Field == nil:
		return &measured{none: true}
	case isDuration(o.m.Field):
		return &measured{durations: b.Durations()}
	}
	return &measured{column: b.Column(o.m.Field.SpanField)}
}

func (x *measured) of(i int) (value float64, bucket uint8, ok bool) {
	switch {
	case x.none:
		return 0, 0, true
	case x.durations != nil:
		return float64(x.durations[i]), bucketOfInt(x.durations[i]), true
	}
	return measure(x.column.Value(i))
}

// columnSource is a row of a batch as a source.
type columnSource struct {
	batch   store.SpanBatch
	columns map[store.SpanField]*store.ValueColumn
	row     int
}

func (s *columnSource) value(f *Field) model.Value { return s.column(f.SpanField).Value(s.row) }

func (s *columnSource) column(f store.SpanField) *store.ValueColumn {
	c := s.columns[f]
	if c == nil {
		column := s.batch.Column(f)
		c = &column
		s.columns[f] = c
	}
	return c
}

// passes decides as SpanFilter.Passes does, for fields with one value.
func (s *columnSource) passes(f *store.SpanFilter) bool {
	switch {
	case len(f.All) > 0:
		return !slices.ContainsFunc(f.All, func(k *store.SpanFilter) bool { return !s.passes(k) })
	case len(f.Any) > 0:
		return slices.ContainsFunc(f.Any, s.passes)
	case f.Not != nil:
		return !s.passes(f.Not)
	case f.Field == store.SpanField{}:
		return true
	}
	c := s.column(f.Field)
	if !c.Has(s.row) {
		return f.Op == store.Absent
	}
	return f.PassesValue(c.Value(s.row))
}
