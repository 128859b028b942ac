package traceql

import (
	"context"
	"maps"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// foldTraces folds the spans that a pipeline selects of whole traces.
func (e *Engine) foldTraces(ctx context.Context, r store.SpanReader, p *Pipeline, o *foldOptions, out *Matrix) (*folder, error) {
	total := newFolder(o)
	err := e.eachTrace(ctx, r, p, o.grid.start, o.grid.end(), out, func(v *view) error {
		for _, set := range p.evaluate(v) {
			for _, i := range set.rows {
				total.foldRow(v, i)
			}
		}
		return total.err
	})
	return total, err
}

// foldRow folds one span, if it is in the range.
func (f *folder) foldRow(v *view, i int32) {
	s := v.rows[i].span
	if s.Start < f.grid.start || s.Start >= f.grid.end() {
		return
	}
	x, bucket := 0.0, uint8(0)
	if f.m.Field != nil {
		var ok bool
		if x, bucket, ok = measure(spanAt{v, i}.value(f.m.Field)); !ok {
			return
		}
	}
	values := make([]model.Value, len(f.m.By))
	for k, by := range f.m.By {
		values[k] = shown(by, spanAt{v, i}.value(by))
	}
	series := f.of(values)
	if series == nil {
		return
	}
	step := int((s.Start - f.grid.start) / f.grid.step)
	series.add(f.m.Func, step, x, bucket)
	if f.exemplars > 0 {
		series.example(f.slotOf(s.Start), s.Start, x, v.trace.ID, s.ID)
	}
}

// eachTrace calls f with every trace of which the pipeline may select a span that starts in the range, whole.
func (e *Engine) eachTrace(ctx context.Context, r store.SpanReader, p *Pipeline, start, end int64, out *Matrix, f func(*view) error) error {
	ids, err := e.candidates(ctx, r, p, start, end, &out.Stats)
	if err != nil {
		return err
	}
	if len(ids) > e.maxTraces() {
		return limited("the query looks at %d whole traces and %d are the most: shorten the range or filter more", len(ids), e.maxTraces())
	}
	from, to := widened(start, end)
	for chunk := range slices.Chunk(ids, tracesAtOnce) {
		stats, err := r.Traces(ctx, chunk, from, to, e.maxSpans(), func(t model.Trace) error {
			if t.Truncated > 0 {
				out.Complete = false
			}
			if v := newView(&t); len(v.rows) > 0 {
				return f(v)
			}
			return nil
		})
		out.Stats.Add(stats)
		if err != nil {
			return err
		}
	}
	return nil
}

// candidates returns the ids of those traces, sorted: some span passes the filter of what the pipeline yields, and some span near the range
// passes what the pipeline needs most.
func (e *Engine) candidates(ctx context.Context, r store.SpanReader, p *Pipeline, start, end int64, stats *store.SpanStats) ([]model.TraceID, error) {
	needs, impossible := p.needs()
	if impossible {
		return nil, nil
	}
	yields, telltale := p.yields(), mostTelling(needs)
	from, to := widened(start, end)
	var among map[model.TraceID]bool
	if telltale != yields && telling(telltale) > telling(yields) {
		var err error
		if among, err = e.having(ctx, r, telltale, 1, from, to, nil, stats); err != nil {
			return nil, err
		}
	}
	if least := p.leastCount(); least > 1 {
		var err error
		if among, err = e.having(ctx, r, yields, least, from, to, among, stats); err != nil {
			return nil, err
		}
	}
	found, err := e.having(ctx, r, yields, 1, start, end, among, stats)
	return slices.SortedFunc(maps.Keys(found), model.TraceID.Compare), err
}
