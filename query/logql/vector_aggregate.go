package logql

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// grouped is the series of a table that become one series of an aggregation.
type grouped struct {
	labels  labels.Labels
	members []*series
}

// group returns the groups in the order of their labels, their members in the order of theirs. No grouping is one group.
func (t *table) group(g *Grouping) []*grouped {
	t.sortByLabels()
	byKey := map[string]*grouped{}
	var out []*grouped
	var keep *labels.Builder
	for i := range t.series {
		s := &t.series[i]
		if keep == nil {
			keep = labels.NewBuilder(s.labels)
		}
		l := g.labels(keep, s.labels)
		key := string(l.Bytes(nil))
		in := byKey[key]
		if in == nil {
			in = &grouped{labels: l}
			byKey[key] = in
			out = append(out, in)
		}
		in.members = append(in.members, s)
	}
	slices.SortStableFunc(out, func(a, b *grouped) int { return labels.Compare(a.labels, b.labels) })
	return out
}

// labels returns what a grouping leaves of labels.
func (g *Grouping) labels(b *labels.Builder, l labels.Labels) labels.Labels {
	if g == nil {
		return labels.EmptyLabels()
	}
	b.Reset(l)
	if g.Without {
		b.Del(g.Labels...)
	} else {
		b.Keep(g.Labels...)
	}
	return b.Labels()
}

// extent returns the steps at which some member may have a value: from <= step < to.
func (g *grouped) extent() (from, to int) {
	from = math.MaxInt
	for _, s := range g.members {
		if len(s.values) > 0 {
			from, to = min(from, s.first), max(to, s.end())
		}
	}
	if to == 0 {
		from = 0
	}
	return from, to
}

// aggregateFolds is how vector aggregations make one value of many: those of range aggregations do it.
var aggregateFolds = map[string]string{
	"sum": "sum_over_time", "avg": "avg_over_time", "min": "min_over_time", "max": "max_over_time",
	"count": "count_over_time", "stddev": "stddev_over_time", "stdvar": "stdvar_over_time",
}

// aggregate computes sum by (a) (t) and the like. It may change t.
func aggregate(op string, by *Grouping, t *table) *table {
	f := newFold(aggregateFolds[op], 1, true)
	out := &table{}
	for _, g := range t.group(by) {
		if s := g.fold(f); !s.empty() {
			out.series = append(out.series, s)
		}
	}
	return out
}

func (g *grouped) fold(f *fold) series {
	from, to := g.extent()
	cells := make([]float64, (to-from)*f.size)
	for _, s := range g.members {
		for i, v := range s.values {
			if !isAbsent(v) {
				at := (s.first - from + i) * f.size
				f.add(cells[at:at+f.size], 0, v)
			}
		}
	}
	out := series{labels: g.labels, first: from, values: make([]float64, to-from)}
	for i := range out.values {
		out.values[i] = absent
		if cell := cells[i*f.size : (i+1)*f.size]; cell[0] > 0 {
			out.values[i] = f.value(cell)
		}
	}
	return out
}

// rank computes topk and bottomk: of each group the count series with the largest (smallest) values, at every step anew. NaN comes
// last. It may change t.
func rank(op string, count int, by *Grouping, t *table) *table {
	before := func(a, b float64) bool { return a > b }
	if op == "bottomk" {
		before = func(a, b float64) bool { return a < b }
	}
	out := &table{ranked: true}
	for _, g := range t.group(by) {
		out.series = append(out.series, g.rank(count, before)...)
	}
	return out
}

type rankedValue struct {
	value float64
	at    int // of the member; the earlier one wins among equals
}

func (g *grouped) rank(count int, before func(a, b float64) bool) []series {
	from, to := g.extent()
	kept := make([]series, len(g.members))
	order := func(a, b rankedValue) int {
		switch {
		case before(a.value, b.value) || math.IsNaN(b.value) && !math.IsNaN(a.value):
			return -1
		case before(b.value, a.value) || math.IsNaN(a.value) && !math.IsNaN(b.value):
			return 1
		}
		return a.at - b.at
	}
	var best []rankedValue
	var first []int // members in the order in which they come up, which at an instant is their rank
	for step := from; step < to; step++ {
		best = best[:0]
		for i, s := range g.members {
			if v := s.at(step); !isAbsent(v) {
				best = keepBest(best, rankedValue{v, i}, count, order)
			}
		}
		for _, r := range best {
			if kept[r.at].values == nil {
				first = append(first, r.at)
			}
			kept[r.at].put(step, r.value)
		}
	}
	out := make([]series, 0, len(first))
	for _, i := range first {
		kept[i].labels = g.members[i].labels
		out = append(out, kept[i])
	}
	return out
}

// keepBest puts r into the sorted best, of which there are count at most.
func keepBest(best []rankedValue, r rankedValue, count int, order func(a, b rankedValue) int) []rankedValue {
	if len(best) == count && order(best[count-1], r) < 0 {
		return best
	}
	i, _ := slices.BinarySearchFunc(best, r, order)
	if len(best) == count {
		best = best[:count-1]
	}
	return slices.Insert(best, i, r)
}

// put sets a value behind those that are set.
func (s *series) put(step int, v float64) {
	if s.values == nil {
		s.first = step
	}
	for s.end() < step {
		s.values = append(s.values, absent)
	}
	s.values = append(s.values, v)
}

// sortByValue computes sort and sort_desc, which say nothing about ranges: there the order is that of labels.
func sortByValue(op string, t *table) *table {
	t.sortByLabels()
	slices.SortStableFunc(t.series, func(a, b series) int {
		x, y := a.at(0), b.at(0)
		if op == "sort_desc" {
			x, y = -x, -y
		}
		switch {
		case x < y || math.IsNaN(y) && !math.IsNaN(x):
			return -1
		case x > y || math.IsNaN(x) && !math.IsNaN(y):
			return 1
		}
		return 0
	})
	t.ranked = true
	return t
}
