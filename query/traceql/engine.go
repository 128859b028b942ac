package traceql

import (
	"cmp"
	"math"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Engine answers queries. Its zero value works; it is safe for concurrent use.
type Engine struct {
	// MaxTraces is how many traces one query completes at most (0: 50,000). A search beyond it is not complete, a metrics query fails.
	MaxTraces int
	// MaxSpans is how many spans of one trace are looked at (0: 50,000), the first by start. Results with such a trace are not complete.
	MaxSpans int
	// MaxSeries is how many series a metrics query may answer (0: 2,000). Ten times as many may be there before topk(), bottomk() and comparisons.
	MaxSeries int
	// Workers is how many goroutines one query may use (0: as many as the store likes).
	Workers int

	narrowFrom int // for tests
}

func (e *Engine) maxTraces() int { return cmp.Or(e.MaxTraces, 50_000) }
func (e *Engine) maxSpans() int  { return cmp.Or(e.MaxSpans, 50_000) }
func (e *Engine) maxSeries() int { return cmp.Or(e.MaxSeries, 2_000) }

// narrowAfter is how many traces a search looks at before it reads the whole range to learn which ones it need not look at.
func (e *Engine) narrowAfter() int { return cmp.Or(e.narrowFrom, 500) }

const (
	// maxSteps is how many points a series has at most, as in Prometheus.
	maxSteps = 11_000
	// maxPoints is how many points all series of a metrics query may have together; each costs 16 to 200 bytes.
	maxPoints = 1_000_000
	// maxCandidates is how many ids of traces a metrics query notes before it knows which it must complete; each costs about 40 bytes.
	maxCandidates = 1_000_000
	// reach is how far from the range of a query the other spans of a trace are looked for. Without it every block ever written would be
	// asked for every trace.
	reach = int64(6 * time.Hour)
	// tracesAtOnce is how many traces are completed by one call of the store: it bounds the memory that they take.
	tracesAtOnce = 128
)

// widened returns the range in which the other spans of a trace are.
func widened(start, end int64) (int64, int64) {
	if start > math.MinInt64+reach {
		start -= reach
	}
	if end < math.MaxInt64-reach {
		end += reach
	}
	return start, end
}

// single returns the condition of a pipeline that is filters alone, which are evaluated span by span.
func (p *Pipeline) single() (*node, bool) {
	n := &node{op: nodeTrue}
	for _, s := range p.Stages {
		switch s := s.(type) {
		case *SpansetFilter:
			n = joinNodes(nodeAnd, n, s.node)
		case *Select, *Coalesce:
		default:
			return nil, false
		}
	}
	return n, true
}

// needs are filters each of which some span of a trace passes (nil: any span), when the trace passes. impossible says that no trace does.
func (p *Pipeline) needs() (list []*store.SpanFilter, impossible bool) {
	if n, ok := p.single(); ok {
		return n.needs(), n.op == nodeFalse
	}
	for _, s := range p.Stages {
		if x, ok := s.(SpansetExpr); ok {
			more, never := spansetNeeds(x)
			list = append(list, more...)
			impossible = impossible || never
		}
	}
	return list, impossible
}

func spansetNeeds(x SpansetExpr) ([]*store.SpanFilter, bool) {
	switch x := x.(type) {
	case *SpansetFilter:
		return x.node.needs(), x.node.op == nodeFalse
	case *Group:
		return x.Pipeline.needs()
	case *SpansetOperation:
		left, neverLeft := spansetNeeds(x.Left)
		right, neverRight := spansetNeeds(x.Right)
		switch {
		case x.Op[0] == '!' || x.Op == "||" && neverLeft:
			return right, neverRight
		case x.Op != "||":
			return append(left, right...), neverLeft || neverRight
		case neverRight:
			return left, false
		}
		a, b := mostTelling(left), mostTelling(right)
		if a == nil || b == nil {
			return []*store.SpanFilter{nil}, false
		}
		return []*store.SpanFilter{{Any: []*store.SpanFilter{a, b}}}, false
	}
	return []*store.SpanFilter{nil}, false
}

// yields is the filter that every span of the pipeline's result passes; nil: any.
func (p *Pipeline) yields() *store.SpanFilter {
	if n, ok := p.single(); ok {
		f, _ := n.pushdown()
		return f
	}
	return spansetYields(p.Stages[0].(SpansetExpr))
}

func spansetYields(x SpansetExpr) *store.SpanFilter {
	switch x := x.(type) {
	case *SpansetFilter:
		f, _ := x.node.pushdown()
		return f
	case *Group:
		return x.Pipeline.yields()
	case *SpansetOperation:
		right := spansetYields(x.Right)
		if x.Op != "&&" && x.Op != "||" && x.Op[0] != '&' {
			return right
		}
		if left := spansetYields(x.Left); left != nil && right != nil {
			return &store.SpanFilter{Any: []*store.SpanFilter{left, right}}
		}
	}
	return nil
}

// mostTelling returns the filter that probably the fewest spans pass.
func mostTelling(list []*store.SpanFilter) (best *store.SpanFilter) {
	for _, f := range list {
		if telling(f) > telling(best) {
			best = f
		}
	}
	return best
}

// telling guesses how few spans pass.
func telling(f *store.SpanFilter) int {
	switch {
	case f == nil, f.Not != nil:
		return 0
	case len(f.All) > 0:
		sum := 0
		for _, k := range f.All {
			sum += telling(k)
		}
		return sum
	case len(f.Any) > 0:
		least := math.MaxInt
		for _, k := range f.Any {
			least = min(least, telling(k))
		}
		return least
	}
	switch f.Op {
	case store.Equal:
		if f.Field.Scope == store.IntrinsicScope && (f.Field.Name == store.IntrinsicTraceID || f.Field.Name == store.IntrinsicSpanID) {
			return 100
		}
		if f.Field.Scope == store.IntrinsicScope && f.Field.Name == store.IntrinsicKind {
			return 3
		}
		return 10
	case store.Matches, store.Absent, store.Greater, store.GreaterOrEqual, store.Less, store.LessOrEqual:
		return 5
	case store.Present:
		return 2
	}
	return 1
}

// traceIDOf returns the id when a filter passes for spans of one trace alone.
func traceIDOf(f *store.SpanFilter) (model.TraceID, bool) {
	if f == nil {
		return model.TraceID{}, false
	}
	for _, k := range f.All {
		if id, ok := traceIDOf(k); ok {
			return id, true
		}
	}
	if f.Field != (store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicTraceID}) || f.Op != store.Equal || f.Value.Kind != model.StringValue {
		return model.TraceID{}, false
	}
	id, err := model.ParseTraceID(f.Value.Text)
	return id, err == nil
}
