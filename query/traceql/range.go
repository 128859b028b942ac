package traceql

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// RangeRequest says over which time series are made.
type RangeRequest struct {
	// Start and End bound the spans' start in nanoseconds since the epoch: Start <= start < End. They are widened to multiples of the
	// step, so that the points stay where they are when the range moves.
	Start, End int64
	// Step is the distance of points in nanoseconds. 0, or as long as the range or longer: one point at End, of exactly the range.
	Step int64
	// Exemplars is how many spans are named as examples, over all series; the hint exemplars overrides it.
	Exemplars int
}

// Matrix is series over time.
type Matrix struct {
	// Times are those of the points: the one at t is of the spans that start at t-step or later and before t.
	Times  []int64
	Series []Series // sorted by labels; bottomk and topk do not change the order
	Stats  store.SpanStats
	// Complete is false when a trace was cut because it has too many spans.
	Complete bool
}

// Series is one series. Its labels are the fields of by() by the names that the query gives them (NoValue: spans that do not have the
// field), "p" for the quantile, "__bucket" for the upper bound of the histogram's bucket, and, when there is none of them, "__name__".
// Durations are in seconds.
type Series struct {
	Labels    []model.Attribute
	Values    []float64 // by Times; NaN: no value
	Exemplars []Exemplar
}

// Exemplar is a span that stands for others.
type Exemplar struct {
	Time  int64 // the span's start
	Value float64
	Trace model.TraceID
	Span  model.SpanID
}

// defaultExemplars is how many the hint exemplars=true asks for.
const defaultExemplars = 100

// maxExemplars bounds what a request asks for.
const maxExemplars = 1000

// QueryRange answers a metrics query.
func (e *Engine) QueryRange(ctx context.Context, r store.SpanReader, q *Query, req RangeRequest) (*Matrix, error) {
	if q.Metrics == nil {
		return nil, invalid("the query finds traces and makes no series: add a metrics function such as | rate()")
	}
	g, err := newGrid(req)
	if err != nil {
		return nil, err
	}
	if q.Metrics.Func == funcCompare {
		return e.compareRange(ctx, r, q, g)
	}
	fold := &foldOptions{m: q.Metrics, grid: g, exemplars: q.exemplars(req.Exemplars), maxSeries: 10 * e.maxSeries()}
	fold.prepare()
	out := &Matrix{Times: g.times(), Complete: true}
	total, err := e.foldSpans(ctx, r, q.Pipeline, fold, out)
	if err != nil {
		return nil, err
	}
	if total.err != nil {
		return nil, total.err
	}
	if out.Series, err = total.result(); err != nil {
		return nil, err
	}
	for _, s := range q.Metrics.Then {
		out.Series = s.apply(out.Series)
	}
	if len(out.Series) > e.maxSeries() {
		return nil, tooManySeries(e.maxSeries())
	}
	return out, nil
}

// exemplars returns how many are asked for.
func (q *Query) exemplars(asked int) int {
	for _, h := range q.Hints {
		if h.Name != "exemplars" {
			continue
		}
		switch n, isNumber := h.Value.Value.Float(); {
		case isNumber:
			asked = int(min(max(n, 0), maxExemplars))
		case h.Value.Value.Bits == 0:
			asked = 0
		case asked == 0:
			asked = defaultExemplars
		}
	}
	return min(max(asked, 0), maxExemplars)
}

// farthest bounds times so that no sum of them overflows.
const farthest = int64(1) << 61

// grid is the steps of a range.
type grid struct {
	start, step int64 // nanoseconds
	steps       int
}

func newGrid(req RangeRequest) (grid, error) {
	if req.End <= req.Start {
		return grid{}, invalid("end is not after start: swap them")
	}
	if req.Start < -farthest || req.End > farthest {
		return grid{}, invalid("the range reaches beyond 73 years around 1970: start and end are nanoseconds since the epoch")
	}
	if req.Step < 0 {
		return grid{}, invalid("step is less than 0: it is a duration")
	}
	if req.Step == 0 || req.Step >= req.End-req.Start {
		return grid{req.Start, req.End - req.Start, 1}, nil
	}
	start := floorTo(req.Start, req.Step)
	steps := (req.End-start-1)/req.Step + 1
	if steps > maxSteps {
		return grid{}, limited("the range has %d steps and %d are the most: ask for a longer step or a shorter range", steps, maxSteps)
	}
	return grid{start, req.Step, int(steps)}, nil
}

// floorTo returns the multiple of step at t or before it.
func floorTo(t, step int64) int64 {
	if rest := t % step; rest < 0 {
		return t - rest - step
	} else {
		return t - rest
	}
}

func (g grid) end() int64 { return g.start + int64(g.steps)*g.step }

func (g grid) times() []int64 {
	out := make([]int64, g.steps)
	for i := range out {
		out[i] = g.start + int64(i+1)*g.step
	}
	return out
}

// seconds is the length of a step.
func (g grid) seconds() float64 { return float64(g.step) / 1e9 }

// apply runs a second stage. Points that it leaves out are NaN; series without points vanish.
func (s SecondStage) apply(list []Series) []Series {
	if s.Value != nil {
		limit, _ := s.Value.Value.Float()
		if s.Value.Type == DurationType {
			limit /= 1e9
		}
		for _, one := range list {
			for i, v := range one.Values {
				if v == v && !compareFloats(s.Func, v, limit) {
					one.Values[i] = math.NaN()
				}
			}
		}
	} else {
		s.keepBest(list)
	}
	return slices.DeleteFunc(list, func(one Series) bool {
		return !slices.ContainsFunc(one.Values, func(v float64) bool { return v == v })
	})
}

// keepBest leaves the K highest (or lowest) values of each step; of equal ones those of the first series.
func (s SecondStage) keepBest(list []Series) {
	if len(list) <= s.K {
		return
	}
	order := make([]int, len(list))
	for step := range list[0].Values {
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			x, y := list[a].Values[step], list[b].Values[step]
			switch {
			case x != x || y != y: // NaN is last
				return cmp.Compare(btoi(x != x), btoi(y != y))
			case s.Func == "bottomk":
				return cmp.Compare(x, y)
			}
			return cmp.Compare(y, x)
		})
		for _, i := range order[s.K:] {
			list[i].Values[step] = math.NaN()
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareLabels orders series.
func compareLabels(a, b []model.Attribute) int {
	return slices.CompareFunc(a, b, func(x, y model.Attribute) int {
		return cmp.Or(strings.Compare(x.Key, y.Key), x.Value.Compare(y.Value))
	})
}
