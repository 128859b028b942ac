package traceql

import (
	"context"
	"maps"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// leastCount returns how many spans of a trace must pass yields(), as aggregates of the pipeline have it: count() > 2 needs three.
func (p *Pipeline) leastCount() int {
	least := 1
	for _, s := range p.Stages {
		if f, ok := s.(*ScalarFilter); ok {
			least = max(least, f.leastCount())
		}
	}
	return least
}

func (f *ScalarFilter) leastCount() int {
	op, left, right := f.Op, f.Left, f.Right
	if _, ok := left.(*Literal); ok {
		op, left, right = mirrored(op), right, left
	}
	a, isAggregate := left.(*Aggregate)
	l, isLiteral := right.(*Literal)
	if !isAggregate || !isLiteral || a.Expr != nil {
		return 1
	}
	n, ok := l.Value.Float()
	if !ok || n < 1 || n > 1e9 {
		return 1
	}
	whole := int(n)
	switch {
	case op == ">", op == ">=" && float64(whole) < n:
		return whole + 1
	case op == ">=", op == "=":
		return whole
	}
	return 1
}

// having returns the traces of which at least so many spans pass the filter, of those in among (nil: of all).
func (e *Engine) having(ctx context.Context, r store.SpanReader, filter *store.SpanFilter, least int, start, end int64, among map[model.TraceID]bool, stats *store.SpanStats) (map[model.TraceID]bool, error) {
	counts := map[model.TraceID]int{}
	q := store.SpanQuery{Start: start, End: end, Filter: filter, Workers: 1}
	s, err := r.SelectSpans(ctx, q, func(_ int, b store.SpanBatch) error {
		for _, run := range b.Traces() {
			if among == nil || among[run.Trace] {
				counts[run.Trace] += run.End - run.First
			}
		}
		if len(counts) > maxCandidates {
			return limited("more than %d traces may be what the query looks for: shorten the range or filter more", maxCandidates)
		}
		return nil
	})
	stats.Add(s)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(counts, func(_ model.TraceID, n int) bool { return n < least })
	ids := make(map[model.TraceID]bool, len(counts))
	for id := range counts {
		ids[id] = true
	}
	return ids, nil
}

// narrow leaves of the traces those that pass what can be told of them by filters alone.
func (s *search) narrow(ctx context.Context) error {
	s.narrowed = true
	start, end := widened(s.req.Start, s.req.End)
	learn := func(filter *store.SpanFilter, least int) error {
		among, err := s.e.having(ctx, s.r, filter, least, start, end, s.among, &s.result.Stats)
		if model.KindOf(err) == model.Limit { // too many to be worth it
			return nil
		}
		if err == nil {
			s.among = among
		}
		return err
	}
	for _, f := range s.needs {
		if f != s.filter && telling(f) > 1 {
			if err := learn(f, 1); err != nil {
				return err
			}
		}
	}
	if least := s.q.Pipeline.leastCount(); least > 1 {
		return learn(s.q.Pipeline.yields(), least)
	}
	return nil
}
