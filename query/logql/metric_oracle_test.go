package logql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// rawRows is a batch whose records all pass, as they are stored.
type rawRows struct {
	store.EventBatch
	selected []uint64
}

func rawPipeline(log *LogExpr, _ rangeNeed) (rangePipeline, error) {
	return rangePipeline{
		query: func(start, end int64) store.EventQuery {
			return store.EventQuery{Start: start, End: end, Matchers: log.Matchers}
		},
		runner: func() func(store.EventBatch) (columnar, error) {
			return func(b store.EventBatch) (columnar, error) {
				r := &rawRows{b, make([]uint64, (b.Len()+63)/64)}
				for i := range b.Len() {
					r.selected[i/64] |= 1 << (i % 64)
				}
				return r, nil
			}
		},
	}, nil
}

func (r *rawRows) Selected() []uint64 { return r.selected }
func (r *rawRows) Count() int         { return r.Len() }

func (r *rawRows) Column(name string) store.Column {
	c := r.EventBatch.Column(name)
	if v := r.Stream().Get(name); c.Absent() && v != "" {
		return store.Column{Dict: []string{v}}
	}
	return c
}

func (r *rawRows) Labels(i int) labels.Labels {
	b := labels.NewBuilder(r.Stream())
	for _, name := range r.FieldNames() {
		c := r.EventBatch.Column(name)
		if v := c.Value(i); v != "" {
			b.Set(name, v)
		}
	}
	return b.Labels()
}

// world is random records.
func randomRecords() []model.Stream {
	var out []model.Stream
	for _, app := range []string{"a", "b", "c"} {
		s := model.Stream{Labels: []model.Field{{Name: "app", Value: app}}}
		if rand.IntN(2) == 0 {
			s.Labels = append(s.Labels, model.Field{Name: "env", Value: "prod"})
		}
		for range rand.IntN(60) {
			r := model.Record{Time: (1000 + rand.Int64N(200)) * 1e9, Line: "line"[:rand.IntN(5)]}
			if rand.IntN(5) > 0 {
				r.Fields = append(r.Fields, model.Field{Name: "level", Value: []string{"info", "warn", "error"}[rand.IntN(3)]})
			}
			if rand.IntN(5) > 0 {
				r.Fields = append(r.Fields, model.Field{Name: "v", Value: strconv.Itoa(rand.IntN(20))})
			}
			s.Records = append(s.Records, r)
		}
		out = append(out, s)
	}
	return out
}

// randomMetric is a random metric query, in which nothing is compared for equality or taken apart at a limit that rounding may move.
func randomMetric(depth int) string {
	by := func() string {
		return []string{"", " by (level)", " by (app, level)", " without (level)", " by (env)", " by ()"}[rand.IntN(6)]
	}
	switch rand.IntN(4 + 2*depth) {
	case 0:
		op := []string{"rate", "count_over_time", "bytes_rate", "bytes_over_time"}[rand.IntN(4)]
		return fmt.Sprintf(`%s({app=~"%s"}[%ds]%s)`, op, []string{"a|b", ".*", "c"}[rand.IntN(3)], 1+rand.IntN(100), []string{"", " offset 17s", " offset -9s"}[rand.IntN(3)])
	case 1, 2, 3:
		op := []string{"sum", "avg", "max", "min", "first", "last", "stdvar", "stddev", "quantile"}[rand.IntN(9)]
		param, groups := "", by()
		if op == "quantile" {
			param = "0.75, "
		}
		if op == "sum" {
			groups = ""
		}
		return fmt.Sprintf(`%s_over_time(%s{app=~".*"} | unwrap v [%ds])%s`, op, param, 1+rand.IntN(100), groups)
	case 4, 5:
		return fmt.Sprintf(`%s%s (%s)`, []string{"sum", "avg", "min", "max", "count", "stdvar", "stddev"}[rand.IntN(7)], by(), randomMetric(depth-1))
	}
	op := []string{"+", "-", "*", "and", "or", "unless", "+ on (app)", "or on (app)", "* ignoring (level) group_left ()"}[rand.IntN(9)]
	return fmt.Sprintf(`(%s) %s (%s)`, randomMetric(depth-1), op, randomMetric(depth-1))
}

func TestMetricAgainstNaive(t *testing.T) {
	answers, failures := 0, 0
	for range 3000 {
		streams := randomRecords()
		memory := &eventstest.Memory{}
		if _, err := memory.AppendRecords(context.Background(), streams); err != nil {
			t.Fatal(err)
		}
		query := randomMetric(2)
		expr, err := Parse(query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		step := (1 + rand.Int64N(40)) * 1e9
		start := (1000 + rand.Int64N(100)) * 1e9
		req := &Request{Start: time.Unix(0, start), Step: time.Duration(step), End: time.Unix(0, start+rand.Int64N(150)*1e9)}
		m := &metricEval{reader: memory, compile: rawPipeline, stats: func(store.EventStats) {}}
		got, gotErr := m.evaluateTable(context.Background(), expr.(MetricExpr), req)
		naive := naiveEval{streams}
		for k := range m.steps.count {
			want, wantErr := naive.eval(expr.(MetricExpr), m.steps.at(k))
			if wantErr != nil {
				if gotErr == nil {
					t.Fatalf("%s: no error", query)
				}
				failures++
				break
			}
			if gotErr != nil {
				continue // at another step
			}
			answers++
			if have := got.vectorAt(k); !sameVector(have, want) {
				t.Fatalf("%s at %d (start %d, step %d):\n%v, want\n%v", query, m.steps.at(k), start, step, have, want)
			}
		}
	}
	if answers < 1000 || failures < 20 {
		t.Errorf("%d answers and %d failures were compared", answers, failures)
	}
}

type naiveVector map[string]float64

func (t *table) vectorAt(k int) naiveVector {
	out := naiveVector{}
	for _, s := range t.series {
		if v := s.at(k); !isAbsent(v) {
			if _, ok := out[s.labels.String()]; ok {
				panic("two series of one label set: " + s.labels.String())
			}
			out[s.labels.String()] = v
		}
	}
	return out
}

func sameVector(a, b naiveVector) bool {
	for l, v := range a {
		if w, ok := b[l]; !ok || !sameNumber(v, w) {
			return false
		}
	}
	return len(a) == len(b)
}

// naiveEval computes one instant at a time, by the definitions.
type naiveEval struct{ streams []model.Stream }

type naiveSeries struct {
	labels labels.Labels
	value  float64
}

func (n naiveEval) eval(e MetricExpr, at int64) (naiveVector, error) {
	all, err := n.vector(e, at)
	out := naiveVector{}
	for _, s := range all {
		out[s.labels.String()] = s.value
	}
	return out, err
}

func keepLabels(g *Grouping, l labels.Labels) labels.Labels {
	b := labels.NewBuilder(l)
	switch {
	case g == nil:
		return labels.EmptyLabels()
	case g.Without:
		return b.Del(g.Labels...).Labels()
	}
	return b.Keep(g.Labels...).Labels()
}

func (n naiveEval) vector(e MetricExpr, at int64) ([]naiveSeries, error) {
	switch e := e.(type) {
	case *RangeAggregation:
		return n.rangeAggregation(e, at), nil
	case *VectorAggregation:
		in, err := n.vector(e.Expr, at)
		groups := map[string][]sampleAt{}
		ls := map[string]labels.Labels{}
		for _, s := range in {
			l := keepLabels(e.Grouping, s.labels)
			groups[l.String()] = append(groups[l.String()], sampleAt{1, s.value})
			ls[l.String()] = l
		}
		var out []naiveSeries
		for key, samples := range groups {
			out = append(out, naiveSeries{ls[key], naiveRange(e.Op+"_over_time", samples, 0, 1, 1)})
		}
		return out, err
	case *BinaryExpr:
		return n.binary(e, at)
	}
	panic("BUG: not generated")
}

func (n naiveEval) rangeAggregation(e *RangeAggregation, at int64) []naiveSeries {
	groups := map[string][]sampleAt{}
	ls := map[string]labels.Labels{}
	to := at - int64(e.Range.Offset)
	from := to - int64(e.Range.Interval)
	for _, s := range n.streams {
		stream := labels.NewBuilder(labels.EmptyLabels())
		for _, f := range s.Labels {
			stream.Set(f.Name, f.Value)
		}
		if !e.Range.Log.Matchers[0].Matches(stream.Labels().Get("app")) {
			continue
		}
		for _, r := range s.Records {
			b := labels.NewBuilder(stream.Labels())
			for _, f := range r.Fields {
				b.Set(f.Name, f.Value)
			}
			l := b.Labels()
			v := 1.0
			switch {
			case e.Range.Unwrap != nil:
				if l.Get("v") == "" {
					continue
				}
				v, _ = strconv.ParseFloat(l.Get("v"), 64)
				l = labels.NewBuilder(l).Del("v").Labels()
			case e.Op == "bytes_rate" || e.Op == "bytes_over_time":
				v = float64(len(r.Line))
			}
			if e.Grouping != nil {
				l = keepLabels(e.Grouping, l)
			}
			if r.Time > from && r.Time <= to {
				groups[l.String()] = append(groups[l.String()], sampleAt{r.Time, v})
				ls[l.String()] = l
			}
		}
	}
	var out []naiveSeries
	for key, samples := range groups {
		out = append(out, naiveSeries{ls[key], n.reduce(e, samples, from, to)})
	}
	return out
}

func (n naiveEval) reduce(e *RangeAggregation, samples []sampleAt, from, to int64) float64 {
	switch e.Op {
	case "quantile_over_time":
		var v []float64
		for _, s := range samples {
			v = append(v, s.v)
		}
		slices.Sort(v)
		rank := *e.Param * float64(len(v)-1)
		lo := int(rank)
		return v[lo] + (v[min(lo+1, len(v)-1)]-v[lo])*(rank-math.Floor(rank))
	case "bytes_rate":
		return naiveRange("rate", samples, from, to, e.Range.Interval.Seconds())
	case "bytes_over_time":
		return naiveRange("sum_over_time", samples, from, to, 1)
	}
	return naiveRange(e.Op, samples, from, to, e.Range.Interval.Seconds())
}

func (n naiveEval) binary(e *BinaryExpr, at int64) ([]naiveSeries, error) {
	l, err := n.vector(e.Left, at)
	if err != nil {
		return nil, err
	}
	r, err := n.vector(e.Right, at)
	if err != nil {
		return nil, err
	}
	signature := func(l labels.Labels) string {
		g := &Grouping{Without: !e.Matching.On, Labels: e.Matching.Labels}
		return keepLabels(g, l).String()
	}
	match := func(in []naiveSeries, s naiveSeries) (found []naiveSeries) {
		for _, o := range in {
			if signature(o.labels) == signature(s.labels) {
				found = append(found, o)
			}
		}
		return found
	}
	var out []naiveSeries
	for _, s := range l {
		others := match(r, s)
		switch e.Op {
		case "and", "unless":
			if (len(others) > 0) == (e.Op == "and") {
				out = append(out, s)
			}
			continue
		case "or":
			out = append(out, s)
			continue
		}
		if len(others) == 0 {
			continue
		}
		if len(others) > 1 || e.Matching.Card == OneToOne && len(match(l, s)) > 1 {
			return nil, errManyMatches
		}
		made := naiveSeries{s.labels, arithmetic(e.Op, s.value, others[0].value)}
		if e.Matching.Card == OneToOne {
			made.labels = keepLabels(&Grouping{Without: !e.Matching.On, Labels: e.Matching.Labels}, s.labels)
		}
		out = append(out, made)
	}
	if e.Op == "or" {
		for _, s := range r {
			if len(match(l, s)) == 0 {
				out = append(out, s)
			}
		}
	}
	return out, nil
}
