package traceql

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

func corpusMemory(t *testing.T) *spanstest.Memory {
	t.Helper()
	m := &spanstest.Memory{}
	if _, err := m.AppendSpans(t.Context(), readCorpus(t)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseLimits(t *testing.T) {
	f := func(query, want string) {
		t.Helper()
		_, err := Parse(query)
		var parseError *ParseError
		if !errors.As(err, &parseError) || !strings.Contains(parseError.Message, want) {
			t.Errorf("%.40s…: %v, want %q", query, err, want)
		}
	}
	f(strings.Repeat(" ", maxQuerySize)+"{}", "65536 are the most")
	f("{ "+strings.Repeat("(", 10_000)+".a", "nests deeper than 64")
	f(strings.Repeat("(", 10_000)+"{}", "nests deeper than 64")
	f("{ "+strings.Repeat("!", 10_000)+".a }", "nests deeper than 64")
	f("{ 1 = "+strings.Repeat("2^", 10_000)+"2 }", "nests deeper than 64")
	f("{ .a"+strings.Repeat(" || .a", 5_000)+" }", "more than 1000 operators")
	f("{}"+strings.Repeat(" || {}", 5_000), "more than 1000 operators")
	f("{}"+strings.Repeat(" | {}", 5_000), "more than 1000 operators")
	f("{} | select(.a"+strings.Repeat(", .a", 5_000)+")", "more than 1000 operators")
	f("{} | rate()"+strings.Repeat(" | topk(1)", 20), "16 stages")
	f("{} | quantile_over_time(duration"+strings.Repeat(", .5", 20)+")", "16 quantiles")
}

func TestSearchLimits(t *testing.T) {
	m := corpusMemory(t)
	search := func(e Engine, query string, req SearchRequest) *SearchResult {
		t.Helper()
		res, err := e.Search(t.Context(), m, mustParse(t, query), req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := search(Engine{MaxTraces: 3}, "{} | count() > 100", SearchRequest{}); res.Complete || len(res.Traces) != 0 {
		t.Errorf("three traces are looked at, and the search says that it is complete: %+v", res)
	}
	if res := search(Engine{MaxTraces: 100}, "{} | count() > 100", SearchRequest{}); !res.Complete {
		t.Error("nine traces are not all")
	}
	for _, query := range []string{"{ rootServiceName = `cron` }", "{ trace:rootName =~ `nightly.*` && duration > 1s }", "{ parent.attempt = 2 }", "{ } >> { kind = consumer }", "{ kind = consumer } << { kind = server }"} {
		if res := search(Engine{MaxTraces: 1}, query, SearchRequest{}); !res.Complete || len(res.Traces) != 1 {
			t.Errorf("%s looks at more than the one trace that it finds: %+v", query, res)
		}
	}
	res := search(Engine{MaxSpans: 4}, "{ trace:id = `2` }", SearchRequest{SpansPerSet: -1})
	if res.Complete || res.Traces[0].Spans != 7 || len(res.Traces[0].Sets[0].Spans) != 4 {
		t.Errorf("a trace of which four spans are looked at: %+v", res)
	}
	if _, err := (&Engine{}).Search(t.Context(), m, mustParse(t, "{} | rate()"), SearchRequest{}); model.KindOf(err) != model.Invalid {
		t.Error(err)
	}
	if _, err := (&Engine{}).Search(t.Context(), m, mustParse(t, "{}"), SearchRequest{Limit: -1}); model.KindOf(err) != model.Invalid {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Engine{}).Search(ctx, m, mustParse(t, "{}"), SearchRequest{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSearchStopsEarly: a search for the newest does not read what is older.
func TestSearchStopsEarly(t *testing.T) {
	m, g := &spanstest.Memory{}, model.SpanGroup{Resource: &model.Resource{}, Scope: &model.Scope{}}
	for i := range 2000 {
		g.Spans = append(g.Spans, model.Span{TraceID: model.TraceID{0: byte(i), 1: byte(i >> 8), 15: 1}, ID: model.SpanID{7: 1}, Start: corpusBase + int64(i)*1e9, Name: "x"})
	}
	if _, err := m.AppendSpans(t.Context(), []model.SpanGroup{g}); err != nil {
		t.Fatal(err)
	}
	res, err := (&Engine{}).Search(t.Context(), m, mustParse(t, "{ name = `x` }"), SearchRequest{Limit: 5})
	if err != nil || len(res.Traces) != 5 || res.Traces[0].Start != corpusBase+1999e9 {
		t.Fatal(res, err)
	}
	if res.Stats.SpansYielded > 20 {
		t.Errorf("%d spans are read for five traces", res.Stats.SpansYielded)
	}
}

func TestRangeLimits(t *testing.T) {
	m := corpusMemory(t)
	f := func(e Engine, query string, req RangeRequest, kind model.Kind, want string) {
		t.Helper()
		_, err := e.QueryRange(t.Context(), m, mustParse(t, query), req)
		if err == nil || model.KindOf(err) != kind || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	all := RangeRequest{Start: corpusBase, End: corpusBase + 120e9}
	f(Engine{}, "{}", all, model.Invalid, "rate()")
	f(Engine{}, "{} | rate()", RangeRequest{Start: 5, End: 5}, model.Invalid, "end is not after start")
	f(Engine{}, "{} | rate()", RangeRequest{Start: math.MinInt64, End: math.MaxInt64}, model.Invalid, "73 years")
	f(Engine{}, "{} | rate()", RangeRequest{Start: 5, End: 6, Step: -1}, model.Invalid, "step")
	f(Engine{}, "{} | rate()", RangeRequest{Start: corpusBase, End: corpusBase + 120e9, Step: 1e6}, model.Limit, "the range has 120000 steps")
	f(Engine{MaxSeries: 3}, "{} | rate() by(name)", all, model.Limit, "more than 3 series")
	f(Engine{MaxSeries: 3}, "{} | rate() by(rootName)", all, model.Limit, "more than 3 series")
	f(Engine{MaxSeries: 1}, "{} | rate() by(name) | topk(1)", all, model.Limit, "more than 10 series")
	f(Engine{MaxSeries: 1}, "{} | rate() by(rootName, name) | topk(1)", all, model.Limit, "more than 10 series")
	if out, err := (&Engine{MaxSeries: 5}).QueryRange(t.Context(), m, mustParse(t, "{} | rate() by(name) | topk(1)"), all); err != nil || len(out.Series) != 1 {
		t.Errorf("one of some twenty series: %v %v", out, err)
	}
	f(Engine{}, "{} | quantile_over_time(duration, .1, .2, .3, .4, .5, .6, .7, .8) by(name)", RangeRequest{Start: corpusBase, End: corpusBase + 120e9, Step: 12e6}, model.Limit, "more than 1000000 points")
	f(Engine{MaxTraces: 3}, "{} >> {} | rate()", all, model.Limit, "3 are the most")
	out, err := (&Engine{MaxSpans: 2}).QueryRange(t.Context(), m, mustParse(t, "{} >> {} | rate()"), all)
	if err != nil || out.Complete {
		t.Error("traces are cut, and the result says that it is complete", err)
	}
}

// TestRangeIsAligned: points are at multiples of the step, whatever the range.
func TestRangeIsAligned(t *testing.T) {
	f := func(start, end, step int64, want ...int64) {
		t.Helper()
		g, err := newGrid(RangeRequest{Start: start, End: end, Step: step})
		if err != nil || !slices.Equal(g.times(), want) {
			t.Errorf("%d to %d by %d: %v %v, want %v", start, end, step, g.times(), err, want)
		}
	}
	f(0, 30, 10, 10, 20, 30)
	f(5, 25, 10, 10, 20, 30)
	f(-15, 5, 10, -10, 0, 10)
	f(10, 31, 10, 20, 30, 40)
	f(5, 25, 0, 25)
	f(5, 25, 20, 25)
	f(5, 25, 50, 25)
	f(5, farthest, 1<<60, 1<<60, 1<<61)
	f(-farthest, farthest, farthest, 0, farthest)
	f(-farthest, farthest, 0, farthest)
}

func TestHistogram(t *testing.T) {
	for _, v := range []int64{math.MinInt64, -1, 0, 1, 2, 3, 4, 5, 1000, 1024, 1025, 1 << 40, math.MaxInt64} {
		if a, b := bucketOfInt(v), bucketOf(float64(v)); a != b {
			t.Errorf("%d is in the buckets %d and %d", v, a, b)
		}
		if b := bucketOfInt(v); v > 0 && (float64(v) > bound(b) || float64(v) <= bound(b)/2) {
			t.Errorf("%d is in the bucket that ends at %g", v, bound(b))
		}
	}
	for _, v := range []float64{math.Inf(-1), 1e-300, 0.1, 0.5, 0.75, 1e300, math.Inf(1), math.NaN()} {
		if b := bucketOf(v); b > lastBucket {
			t.Error(v, b)
		}
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 500 {
		var h, other histogram
		var values []float64
		for range 1 + r.IntN(200) {
			v := r.Int64N(1 << (1 + r.IntN(40)))
			values = append(values, float64(v))
			to := &h
			if r.IntN(3) == 0 {
				to = &other
			}
			to.add(bucketOfInt(v), float64(v))
		}
		h.merge(&other)
		slices.Sort(values)
		for _, q := range []float64{0, 0.1, 0.5, 0.95, 1} {
			exact := values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
			if got := h.quantile(q); got > exact*2 || got < exact/2 || got < values[0] || got > values[len(values)-1] {
				t.Fatalf("quantile %g of %d values is %g, exactly %g", q, len(values), got, exact)
			}
		}
	}
	var none histogram
	if got := none.quantile(0.5); !math.IsNaN(got) {
		t.Error(got)
	}
}

func TestCompare(t *testing.T) {
	groups := readCorpus(t)
	for name, r := range map[string]store.SpanReader{"memory": corpusMemory(t), "spans": openSpans(t, groups)} {
		compare := func(base, selection string) *Comparison {
			t.Helper()
			c, err := (&Engine{}).Compare(t.Context(), r, mustParse(t, base), mustParse(t, selection), corpusBase, corpusBase+int64(2*time.Minute), 3)
			if err != nil {
				t.Fatal(name, err)
			}
			return c
		}
		for _, base := range []string{"{ kind = server }", "({ kind = server } | count() > 0)"} {
			c := compare(base, "{ duration > 700ms }")
			if c.Selected != 4 || c.Others != 12 {
				t.Errorf("%s: %d selected, %d others", name, c.Selected, c.Others)
			}
			first := c.Fields[0]
			if first.Field != (store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicStatus}) || !first.Values[0].Value.Equal(model.TextValue("error")) || first.Values[0].Selected != 4 || first.Values[0].Others != 2 {
				t.Errorf("%s: the most telling is %+v", name, first)
			}
			for _, f := range c.Fields {
				if len(f.Values) > 3 || len(f.Values) == 0 {
					t.Errorf("%s: %d values of %v", name, len(f.Values), f.Field)
				}
				if f.Field == (store.SpanField{Scope: store.OnSpan, Name: "amount"}) && !slices.Contains(shares(f), ValueShare{Value: model.Value{}, Selected: 2, Others: 11}.key()) {
					t.Errorf("%s: spans without an amount: %+v", name, f)
				}
			}
		}
	}
	if _, err := (&Engine{}).Compare(t.Context(), corpusMemory(t), mustParse(t, "{}"), mustParse(t, "{} >> {}"), 0, 1, 0); model.KindOf(err) != model.Invalid {
		t.Error(err)
	}
}

type shareKey struct {
	kind             model.ValueKind
	selected, others int64
}

func (v ValueShare) key() shareKey { return shareKey{v.Value.Kind, v.Selected, v.Others} }

func shares(f FieldShare) (out []shareKey) {
	for _, v := range f.Values {
		out = append(out, v.key())
	}
	return out
}
