package logql

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
)

// absent is the value of a series at a step at which it has none. It is a NaN that no computation makes.
var absent = math.Float64frombits(value.StaleNaN)

func isAbsent(v float64) bool { return value.IsStaleNaN(v) }

// series is the values of one label set at the steps of a query: those from first on, absent before and behind.
type series struct {
	labels labels.Labels
	first  int
	values []float64
}

func (s *series) at(step int) float64 {
	if i := step - s.first; i >= 0 && i < len(s.values) {
		return s.values[i]
	}
	return absent
}

func (s *series) end() int { return s.first + len(s.values) }

// empty says whether all values are absent.
func (s *series) empty() bool {
	for _, v := range s.values {
		if !isAbsent(v) {
			return false
		}
	}
	return true
}

// table is the value of an expression at all steps of a query: some series with different labels, or a number.
type table struct {
	scalar bool
	number float64
	series []series
	// ranked says that the order of series means something at an instant, as behind sort and topk.
	ranked bool
}

func numberTable(v float64) *table { return &table{scalar: true, number: v} }

// constant is a series of one value.
func constant(v float64, l labels.Labels, steps int) series {
	return series{labels: l, values: slices.Repeat([]float64{v}, steps)}
}

// sortByLabels puts the series in the order in which answers have them.
func (t *table) sortByLabels() {
	slices.SortFunc(t.series, func(a, b series) int { return labels.Compare(a.labels, b.labels) })
}

// tidy leaves out series without values.
func (t *table) tidy() {
	t.series = slices.DeleteFunc(t.series, func(s series) bool { return s.empty() })
}

// matrix returns the answer to a range query.
func (t *table) matrix(s steps) promql.Matrix {
	if t.scalar {
		t = &table{series: []series{constant(t.number, labels.EmptyLabels(), s.count)}}
	}
	out := make(promql.Matrix, 0, len(t.series))
	for i := range t.series {
		if points := t.series[i].points(s); len(points) > 0 {
			out = append(out, promql.Series{Metric: t.series[i].labels, Floats: points})
		}
	}
	slices.SortFunc(out, func(a, b promql.Series) int { return labels.Compare(a.Metric, b.Metric) })
	return out
}

func (s *series) points(at steps) []promql.FPoint {
	n := 0
	for _, v := range s.values {
		if !isAbsent(v) {
			n++
		}
	}
	out := make([]promql.FPoint, 0, n)
	for i, v := range s.values {
		if !isAbsent(v) {
			out = append(out, promql.FPoint{T: at.millis(s.first + i), F: v})
		}
	}
	return out
}

// vector returns the answer to an instant query.
func (t *table) vector(s steps) promql.Vector {
	out := make(promql.Vector, 0, len(t.series))
	for i := range t.series {
		if v := t.series[i].at(0); !isAbsent(v) {
			out = append(out, promql.Sample{Metric: t.series[i].labels, T: s.millis(0), F: v})
		}
	}
	if !t.ranked {
		slices.SortFunc(out, func(a, b promql.Sample) int { return labels.Compare(a.Metric, b.Metric) })
	}
	return out
}
