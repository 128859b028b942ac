package hosts

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// grid is one expression over the last points*step, at times that are multiples of step. It remembers what it
// has evaluated, so that a reading asks only for the steps that are new: a fleet's sparklines cost one step a
// minute instead of sixty every ten seconds. It is not safe for concurrent use.
type grid struct {
	expr   string
	step   time.Duration
	points int

	end    time.Time // of the last column; zero before the first update
	series map[uint64]*gridSeries
}

type gridSeries struct {
	metric labels.Labels
	values []float64 // oldest first, NaN where there is nothing
}

// settle is how long after a step the step is still asked for again: samples come late, and rates at the very
// end of the data lack the sample that follows.
const settle = 2

// update brings the grid up to at.
func (g *grid) update(ctx context.Context, src Source, at time.Time) error {
	end := at.Truncate(g.step)
	start := end.Add(-time.Duration(g.points-1) * g.step)
	known := g.end.Add(-settle * g.step)
	if known.Before(start) || end.Before(g.end) {
		g.series = map[uint64]*gridSeries{}
		known = start.Add(-g.step)
	}
	m, err := src.Range(ctx, g.expr, known.Add(g.step), end, g.step)
	if err != nil {
		return err
	}
	g.shift(start, known, end)
	for _, s := range m {
		g.put(s, start)
	}
	g.end = end
	return nil
}

// shift moves what is kept to the new start, and empties the columns after known.
func (g *grid) shift(start, known, end time.Time) {
	for key, s := range g.series {
		moved := int(end.Sub(g.end) / g.step)
		fresh := nanValues(g.points)
		copy(fresh, s.values[min(moved, len(s.values)):])
		for i := int(known.Sub(start)/g.step) + 1; i < g.points; i++ {
			fresh[max(i, 0)] = math.NaN()
		}
		s.values = fresh
		if allNaN(fresh) {
			delete(g.series, key)
		}
	}
}

func (g *grid) put(s promql.Series, start time.Time) {
	key := s.Metric.Hash()
	own := g.series[key]
	if own == nil {
		own = &gridSeries{metric: s.Metric, values: nanValues(g.points)}
		g.series[key] = own
	}
	for _, p := range s.Floats {
		if i := int((p.T - start.UnixMilli()) / g.step.Milliseconds()); i >= 0 && i < g.points {
			own.values[i] = p.F
		}
	}
}

// matrix returns what the grid holds, without the gaps.
func (g *grid) matrix() promql.Matrix {
	start := g.end.Add(-time.Duration(g.points-1) * g.step).UnixMilli()
	m := make(promql.Matrix, 0, len(g.series))
	for _, s := range g.series {
		out := promql.Series{Metric: s.metric}
		for i, v := range s.values {
			if !math.IsNaN(v) {
				out.Floats = append(out.Floats, promql.FPoint{T: start + int64(i)*g.step.Milliseconds(), F: v})
			}
		}
		m = append(m, out)
	}
	return m
}

func nanValues(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

func allNaN(values []float64) bool {
	for _, v := range values {
		if !math.IsNaN(v) {
			return false
		}
	}
	return true
}
