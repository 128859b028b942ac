package traceql

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Comparison says by which fields the spans of a selection differ from the others.
type Comparison struct {
	Selected, Others int64        // spans
	Fields           []FieldShare // those that tell most first
}

// FieldShare is the values of a field, those that tell most first.
type FieldShare struct {
	Field  store.SpanField
	Values []ValueShare
}

// ValueShare says how many spans have a value. NoValue counts those that do not have the field.
type ValueShare struct {
	Value            model.Value
	Selected, Others int64
}

const (
	// maxComparedFields is how many fields a comparison counts, maxComparedValues how many values of each: those that come later are left out.
	// A field with more values than that hardly tells two sets of spans apart.
	maxComparedFields = 400
	maxComparedValues = 5000
)

// Compare counts the values of all fields among the spans of base that selection selects too, and among its others, of those that start in the
// range. Both are searches; selection is one filter. Of each field the topN most telling values are returned (0: 10). How much a value
// tells is the difference of its shares.
func (e *Engine) Compare(ctx context.Context, r store.SpanReader, base, selection *Query, start, end int64, topN int) (*Comparison, error) {
	if base.Metrics != nil || selection.Metrics != nil {
		return nil, invalid("a comparison is of two searches: leave the metrics function out")
	}
	selected, ok := selection.Pipeline.single()
	if !ok {
		return nil, invalid("the selection of a comparison is one filter, such as { status = error }")
	}
	g, err := newGrid(RangeRequest{Start: start, End: end})
	if err != nil {
		return nil, err
	}
	m := Matrix{Complete: true}
	c, err := e.count(ctx, r, base.Pipeline, selected, g, &m)
	if err != nil {
		return nil, err
	}
	out := &Comparison{Selected: int64(c.totals[1][0]), Others: int64(c.totals[0][0])}
	type ranked struct {
		FieldShare
		telling float64
	}
	var list []ranked
	for i, f := range c.fields {
		values, telling := c.values[i].shares(out, cmp.Or(topN, defaultTopN))
		if len(values) > 0 {
			list = append(list, ranked{FieldShare{f, values}, telling})
		}
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(b.telling, a.telling) })
	for _, x := range list {
		out.Fields = append(out.Fields, x.FieldShare)
	}
	return out, nil
}

// compared counts the spans of two sets by the values of fields: 1 is the selection, 0 the others.
type compared struct {
	grid   grid
	fields []store.SpanField
	values []*valueCounts // by field
	totals [2][]float64   // by step
	most   int            // values of each field
}

// valueCounts is the values of one field.
type valueCounts struct {
	interner
	counts [2][][]float64 // by value and step; nil: none
}

func newCompared(g grid, fields []store.SpanField) *compared {
	c := &compared{grid: g, fields: fields, totals: [2][]float64{make([]float64, g.steps), make([]float64, g.steps)}}
	c.most = min(maxComparedValues, 4*maxPoints/(g.steps*len(fields)))
	for range fields {
		c.values = append(c.values, &valueCounts{})
	}
	return c
}

// id returns the number of a value, or -1 when there are more than most. The value is cloned.
func (x *valueCounts) id(v model.Value, most int) int {
	id, ok := x.interner.id(v, most)
	if !ok {
		return -1
	}
	if int(id) == len(x.counts[0]) {
		x.counts[0], x.counts[1] = append(x.counts[0], nil), append(x.counts[1], nil)
	}
	return int(id)
}

func (x *valueCounts) add(id, side, step, steps int, n float64) {
	if id < 0 {
		return
	}
	if x.counts[side][id] == nil {
		x.counts[side][id] = make([]float64, steps)
	}
	x.counts[side][id][step] += n
}

// sum is how many spans of a side have a value.
func (x *valueCounts) sum(side, id int) (n float64) {
	for _, v := range x.counts[side][id] {
		n += v
	}
	return n
}

// shares returns the values that tell most, and how much the first of them tells.
func (x *valueCounts) shares(c *Comparison, topN int) (out []ValueShare, telling float64) {
	missing := ValueShare{Selected: c.Selected, Others: c.Others}
	for id, v := range x.values {
		share := ValueShare{Value: v, Selected: int64(x.sum(1, id)), Others: int64(x.sum(0, id))}
		missing.Selected -= share.Selected
		missing.Others -= share.Others
		out = append(out, share)
	}
	if len(out) == 0 {
		return nil, 0
	}
	if len(out) < maxComparedValues && missing.Selected+missing.Others > 0 {
		out = append(out, missing)
	}
	difference := func(v ValueShare) float64 {
		return math.Abs(float64(v.Selected)/float64(max(c.Selected, 1)) - float64(v.Others)/float64(max(c.Others, 1)))
	}
	slices.SortStableFunc(out, func(a, b ValueShare) int {
		return cmp.Or(cmp.Compare(difference(b), difference(a)), cmp.Compare(b.Selected+b.Others, a.Selected+a.Others), a.Value.Compare(b.Value))
	})
	return out[:min(topN, len(out))], difference(out[0])
}

func (c *compared) merge(other *compared) {
	for side := range 2 {
		for step, n := range other.totals[side] {
			c.totals[side][step] += n
		}
		for f, from := range other.values {
			for i, v := range from.values {
				id := -1
				for step, n := range from.counts[side][i] {
					if n == 0 {
						continue
					}
					if id < 0 {
						id = c.values[f].id(v, c.most)
					}
					c.values[f].add(id, side, step, c.grid.steps, n)
				}
			}
		}
	}
}

// comparedFields returns the fields that are counted.
func comparedFields(ctx context.Context, r store.SpanReader, g grid) ([]store.SpanField, error) {
	var out []store.SpanField
	for _, name := range []string{store.IntrinsicName, store.IntrinsicKind, store.IntrinsicStatus, store.IntrinsicStatusMessage, store.IntrinsicEvent, store.IntrinsicScopeName} {
		out = append(out, store.SpanField{Scope: store.IntrinsicScope, Name: name})
	}
	infos, err := r.SpanFields(ctx, g.start, g.end(), maxComparedFields)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.Scope != store.IntrinsicScope && info.Scope != store.AnyScope {
			out = append(out, info.SpanField)
		}
	}
	return out, nil
}

// count counts what base selects, divided by selection.
func (e *Engine) count(ctx context.Context, r store.SpanReader, base *Pipeline, selection *node, g grid, out *Matrix) (*compared, error) {
	fields, err := comparedFields(ctx, r, g)
	if err != nil {
		return nil, err
	}
	total := newCompared(g, fields)
	if total.most < maxTopN/10 {
		return nil, limited("compare() over %d steps and %d attributes is too much: ask for a longer step", g.steps, len(fields))
	}
	if n, ok := base.single(); ok && n.inColumns() {
		if selection.columnsDecide() {
			return total, e.countColumns(ctx, r, n, func(src *columnSource) int { return btoi(selection.passes(src)) }, total, out)
		}
		sides := [2]*node{joinNodes(nodeAnd, n, notNode(selection)), joinNodes(nodeAnd, n, selection)}
		if sides[0].inColumns() && sides[1].inColumns() {
			for side, n := range sides {
				if err := e.countColumns(ctx, r, n, func(*columnSource) int { return side }, total, out); err != nil {
					return nil, err
				}
			}
			return total, nil
		}
	}
	err = e.eachTrace(ctx, r, base, g.start, g.end(), out, func(v *view) error {
		for _, set := range base.evaluate(v) {
			for _, i := range set.rows {
				total.countRow(v, i, btoi(selection.passes(spanAt{v, i})))
			}
		}
		return nil
	})
	return total, err
}

// countRow counts one span, if it is in the range.
func (c *compared) countRow(v *view, i int32, side int) {
	s := v.rows[i].span
	if s.Start < c.grid.start || s.Start >= c.grid.end() {
		return
	}
	step := int((s.Start - c.grid.start) / c.grid.step)
	c.totals[side][step]++
	for k, f := range c.fields {
		field := &Field{SpanField: f}
		if value := (spanAt{v, i}).value(field); value.Kind != model.NoValue {
			c.values[k].add(c.values[k].id(shown(field, value), c.most), side, step, c.grid.steps, 1)
		}
	}
}

// countColumns counts, over columns, the spans that pass n; sideOf tells on which side.
func (e *Engine) countColumns(ctx context.Context, r store.SpanReader, n *node, sideOf func(*columnSource) int, total *compared, out *Matrix) error {
	if n.op == nodeFalse {
		return nil
	}
	filter, _ := n.pushdown()
	q := store.SpanQuery{Start: total.grid.start, End: total.grid.end(), Filter: filter, Workers: e.Workers, Fields: total.fields}
	var mu sync.Mutex
	workers := map[int]*compared{}
	stats, err := r.SelectSpans(ctx, q, func(worker int, b store.SpanBatch) error {
		mu.Lock()
		c := workers[worker]
		if c == nil {
			c = newCompared(total.grid, total.fields)
			workers[worker] = c
		}
		mu.Unlock()
		passed := (&columnFolder{residual: n.residual()}).passing(b)
		src := &columnSource{batch: b, columns: map[store.SpanField]*store.ValueColumn{}}
		sides := make([]int8, b.Len())
		for i := range sides {
			if src.row = i; passed == nil || passed[i] {
				sides[i] = int8(sideOf(src))
			} else {
				sides[i] = -1
			}
		}
		c.countBatch(b, sides)
		return nil
	})
	out.Stats.Add(stats)
	for _, worker := range slices.Sorted(maps.Keys(workers)) {
		total.merge(workers[worker])
	}
	return err
}

// countBatch counts the rows of a batch on their sides; -1 is none.
func (c *compared) countBatch(b store.SpanBatch, sides []int8) {
	steps := make([]int, b.Len())
	for i, at := range b.Starts() {
		steps[i] = int((at - c.grid.start) / c.grid.step)
		if sides[i] >= 0 {
			c.totals[sides[i]][steps[i]]++
		}
	}
	for k, f := range c.fields {
		column := b.Column(f)
		if column.Absent() {
			continue
		}
		counts, field := c.values[k], &Field{SpanField: f}
		idOf := func(i int) int {
			v := column.Value(i)
			if v.Kind == model.NoValue { // an attribute that is there, and empty
				return -1
			}
			return counts.id(shown(field, v), c.most)
		}
		var known []int // by code: id+2
		if column.Codes != nil {
			known = make([]int, len(column.Dict))
		}
		for i, step := range steps {
			side := int(sides[i])
			if side < 0 || !column.Has(i) {
				continue
			}
			if known == nil {
				counts.add(idOf(i), side, step, c.grid.steps, 1)
				continue
			}
			at := &known[column.Codes[i]]
			if *at == 0 {
				*at = idOf(i) + 2
			}
			counts.add(*at-2, side, step, c.grid.steps, 1)
		}
	}
}

// compareRange answers compare(): for each field series of its most frequent values, of the selection and of the baseline, and of all
// spans that have the field. The label __meta_type tells them apart: selection, baseline, selection_total, baseline_total.
func (e *Engine) compareRange(ctx context.Context, r store.SpanReader, q *Query, g grid) (*Matrix, error) {
	args := q.Metrics.Compare
	selection := args.Selection.node
	if args.End > 0 {
		at := store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicStart}
		inTime := &store.SpanFilter{All: []*store.SpanFilter{
			{Field: at, Op: store.GreaterOrEqual, Value: model.Int64(args.Start)}, {Field: at, Op: store.Less, Value: model.Int64(args.End)},
		}}
		selection = joinNodes(nodeAnd, selection, &node{op: nodeFilter, filter: inTime})
	}
	out := &Matrix{Times: g.times(), Complete: true}
	c, err := e.count(ctx, r, q.Pipeline, selection, g, out)
	if err != nil {
		return nil, err
	}
	for i := range c.fields {
		for side, name := range []string{"baseline", "selection"} {
			out.Series = append(out.Series, c.seriesOf(i, side, name, args.TopN)...)
			if len(out.Series)*g.steps > maxPoints {
				return nil, limited("compare() makes more than %d points: ask for a longer step or fewer values of each attribute", maxPoints)
			}
		}
	}
	slices.SortStableFunc(out.Series, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	for _, s := range q.Metrics.Then {
		out.Series = s.apply(out.Series)
	}
	return out, nil
}

// seriesOf returns the series of a field on one side.
func (c *compared) seriesOf(i, side int, name string, topN int) (out []Series) {
	x := c.values[i]
	field := fieldOf(c.fields[i])
	var ids []int
	total := make([]float64, c.grid.steps)
	for id := range x.values {
		if x.counts[side][id] == nil {
			continue
		}
		ids = append(ids, id)
		for step, n := range x.counts[side][id] {
			total[step] += n
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b int) int {
		return cmp.Or(cmp.Compare(x.sum(side, b), x.sum(side, a)), x.values[a].Compare(x.values[b]))
	})
	labels := func(kind string, v model.Value) []model.Attribute {
		return []model.Attribute{{Key: "__meta_type", Value: model.TextValue(kind)}, {Key: field.Text, Value: v}}
	}
	for _, id := range ids[:min(topN, len(ids))] {
		out = append(out, Series{Labels: labels(name, x.values[id]), Values: x.counts[side][id]})
	}
	return append(out, Series{Labels: labels(name+"_total", model.Value{}), Values: total})
}

// fieldOf is a field of the store as queries write it.
func fieldOf(f store.SpanField) *Field {
	if f.Scope == store.IntrinsicScope {
		return &Field{SpanField: f, Text: f.Name}
	}
	return newAttribute(f.Scope, f.Name, false)
}
