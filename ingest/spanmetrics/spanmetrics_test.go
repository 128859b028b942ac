package spanmetrics

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hulotte-dev/hulotte/model"
)

func (l *lab) want(name string, want map[string]float64) {
	l.t.Helper()
	got := map[string]float64{}
	for key, v := range l.store.last(name) {
		got[strings.Replace(key, `__name__="`+name+`", `, "", 1)] = v
	}
	if len(got) != len(want) {
		l.t.Errorf("%s: %d series %v, want %d", name, len(got), got, len(want))
	}
	for key, v := range want {
		if g, ok := got[key]; !ok || g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
			l.t.Errorf("%s%s = %v (there: %v), want %v", name, key, g, ok, v)
		}
	}
}

func TestSpansAreCountedByServiceNameKindAndStatus(t *testing.T) {
	l := newLab(t, Options{})
	l.Observe("default", group("shop",
		span(1, 1, 0, model.SpanServer, "GET /", 200*time.Millisecond),
		span(2, 1, 0, model.SpanServer, "GET /", 900*time.Millisecond),
		failed(span(3, 1, 0, model.SpanServer, "GET /", time.Millisecond)),
		span(3, 2, 1, model.SpanInternal, "render", time.Millisecond),
		span(3, 3, 1, 77, "odd", -time.Second),
	))
	l.Observe("default", group("", span(4, 1, 0, model.SpanConsumer, "take", 3*time.Second)))
	l.write()
	calls := map[string]float64{
		`{service_name="shop", span_kind="SPAN_KIND_SERVER", span_name="GET /", status_code="STATUS_CODE_UNSET"}`:             2,
		`{service_name="shop", span_kind="SPAN_KIND_SERVER", span_name="GET /", status_code="STATUS_CODE_ERROR"}`:             1,
		`{service_name="shop", span_kind="SPAN_KIND_INTERNAL", span_name="render", status_code="STATUS_CODE_UNSET"}`:          1,
		`{service_name="shop", span_kind="SPAN_KIND_UNSPECIFIED", span_name="odd", status_code="STATUS_CODE_UNSET"}`:          1,
		`{service_name="unknown_service", span_kind="SPAN_KIND_CONSUMER", span_name="take", status_code="STATUS_CODE_UNSET"}`: 1,
	}
	l.want("traces_span_metrics_calls_total", calls)
	l.want("traces_span_metrics_duration_seconds", calls)
	l.want("traces_span_metrics_apdex_total", map[string]float64{
		`{level="satisfied", service_name="shop"}`:             1,
		`{level="tolerated", service_name="shop"}`:             1,
		`{level="frustrated", service_name="shop"}`:            1,
		`{level="satisfied", service_name="unknown_service"}`:  0,
		`{level="tolerated", service_name="unknown_service"}`:  0,
		`{level="frustrated", service_name="unknown_service"}`: 1,
	})
}

func TestASeriesBeginsWithZeroBeforeItsFirstSpan(t *testing.T) {
	l := newLab(t, Options{})
	began := l.clock.Now().UnixMilli()
	l.write()
	l.write()
	l.Observe("default", group("shop", span(1, 1, 0, model.SpanInternal, "work", time.Second)))
	l.write()
	l.write()
	for key, points := range l.store.points {
		if len(points) != 3 {
			t.Fatalf("%s has %d samples, want 3", key, len(points))
		}
		zero := points[0]
		if zero.value != 0 || zero.hist != nil && zero.hist.Count != 0 || zero.at != began+30_001 {
			t.Errorf("%s begins with %+v, want 0 right after the writing before, at %d", key, zero, began+30_001)
		}
		for i, p := range points {
			if p.start != began+30_000 {
				t.Errorf("%s: sample %d starts at %d, want %d", key, i, p.start, began+30_000)
			}
		}
		if points[1].at != began+45_000 || points[2].at != began+60_000 {
			t.Errorf("%s: written at %d and %d", key, points[1].at, points[2].at)
		}
	}
}

func TestAnIdleSeriesEndsAndBeginsAnew(t *testing.T) {
	l := newLab(t, Options{Idle: time.Minute})
	shop := func() {
		l.Observe("default", group("shop", span(1, 1, 0, model.SpanServer, "GET /", time.Second), span(1, 2, 1, model.SpanClient, "SELECT", time.Second, "db.system", "mysql")))
	}
	shop()
	for range 6 {
		l.write()
	}
	for _, name := range []string{"traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds", "traces_service_graph_request_total", "traces_span_metrics_apdex_total"} {
		for key, v := range l.store.last(name) {
			if !math.IsNaN(v) {
				t.Errorf("%s is %v after a minute without spans, want a marker of its end", key, v)
			}
		}
	}
	if n := l.ownCounter("hulotte_span_metrics_series"); n != 0 {
		t.Errorf("%v series are kept, want none", n)
	}
	for range 6 {
		l.write()
	}
	if tn := l.tenant("default"); len(tn.nodes) != 0 || tn.services != 0 || tn.virtual != 0 {
		t.Errorf("%d nodes, %d services, %d virtual are left", len(tn.nodes), tn.services, tn.virtual)
	}
	shop()
	l.write()
	l.want("traces_service_graph_request_total", map[string]float64{
		`{client="shop", connection_type="database", server="mysql", virtual_node="server"}`:    1,
		`{client="user", connection_type="virtual_node", server="shop", virtual_node="client"}`: 1,
	})
}

func TestNothingIsLostWhenTheStoreFails(t *testing.T) {
	l := newLab(t, Options{})
	observe := func() {
		l.Observe("default", group("shop", span(1, 1, 0, model.SpanInternal, "work", time.Second)))
	}
	for _, fail := range []func(error){func(err error) { l.store.fail = err }, func(err error) { l.store.refuse = err }} {
		observe()
		fail(errors.New("no space"))
		l.clock.advance(l.opts.Interval)
		if err := l.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "no space") {
			t.Errorf("Flush said %v", err)
		}
		fail(nil)
	}
	l.store.refuse = model.NewError(model.Limit, "too many series")
	l.write() // the store's limit is no failure
	l.store.refuse = nil
	observe()
	l.write()
	for key, v := range l.store.last("calls_total") {
		if first := l.store.points[key][0]; v != 3 || first.value != 0 {
			t.Errorf("%s is %v from %v on, want 3 from 0 on", key, v, first.value)
		}
	}
}

func TestExemplarsNameTheLongestSpan(t *testing.T) {
	l := newLab(t, Options{})
	at := l.clock.Now().UnixNano()
	for i := byte(1); i <= 3; i++ {
		s := span(i, i, 0, model.SpanInternal, "work", time.Duration(i)*time.Second)
		if i == 3 {
			s.Duration = 0
		}
		s.Start = at
		l.Observe("default", group("shop", s))
	}
	l.write()
	l.write()
	for key, points := range l.store.points {
		if !strings.Contains(key, "duration") {
			continue
		}
		if len(points[2].exemplars) != 0 {
			t.Errorf("an exemplar without a span: %v", points[2].exemplars)
		}
		x := points[1].exemplars
		if len(x) != 1 || x[0].Value != 2 || x[0].Ts != at/1e6+2000 || x[0].Labels.String() != `{span_id="0000000000000002", trace_id="00000000000000000000000000000002"}` {
			t.Errorf("exemplars %+v, want the span of two seconds at its end", x)
		}
	}
	many := make([]model.Span, 300)
	for i := range many {
		many[i] = span(1, 1, 0, model.SpanInternal, fmt.Sprint(i), time.Second)
	}
	l.Observe("default", group("shop", many...))
	l.write()
	n := 0
	for _, points := range l.store.points {
		n += len(points[len(points)-1].exemplars)
	}
	if n != maxExemplars {
		t.Errorf("%d exemplars in one writing, want %d", n, maxExemplars)
	}
}

// TestNamesAreBounded sends a million different names of everything.
func TestNamesAreBounded(t *testing.T) {
	l := newLab(t, Options{MaxSeries: 3000, MaxServices: 40, MaxOperations: 60, MaxPending: 6400})
	const batches, each = 1000, 1000
	spans := make([]model.Span, each)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := uint64(0)
	for b := range batches {
		for i := range spans {
			n++
			name := "name " + strconv.FormatUint(n, 10)
			spans[i] = span(0, byte(i), 1, model.SpanClient, name, time.Millisecond, "peer.service", name)
			for j := range 8 {
				spans[i].TraceID[j] = byte(n >> (8 * j))
			}
		}
		l.Observe("default", group(fmt.Sprintf("service %d", b), spans...))
		if b%100 == 99 {
			l.expire()
			l.write()
		}
	}
	clear(spans)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 40<<20 {
		t.Errorf("%d MiB are in use", used>>20)
	}
	if series := l.ownCounter("hulotte_span_metrics_series"); series > 3000+40*2+2+80*4 {
		t.Errorf("%v series", series)
	}
	if tn := l.tenant("default"); len(tn.nodes) > 81 {
		t.Errorf("%d nodes, want at most 40 services, 40 others and the overflow", len(tn.nodes))
	}
	if waiting := l.ownCounter("hulotte_span_metrics_pending_spans"); waiting > 6400 {
		t.Errorf("%v spans wait", waiting)
	}
	total := 0.0
	for _, v := range l.store.last("traces_span_metrics_calls_total") {
		total += v
	}
	if total != batches*each {
		t.Errorf("%v spans are counted of %d", total, batches*each)
	}
	if l.ownCounter("hulotte_span_metrics_overflowed_total") < batches*each/2 || l.ownCounter("hulotte_span_metrics_dropped_spans_total") == 0 {
		t.Error("what is beyond the bounds is not counted")
	}
	if _, ok := l.store.last("calls_total")[`{__name__="traces_span_metrics_calls_total", service_name="(overflow)", span_kind="SPAN_KIND_CLIENT", span_name="(overflow)", status_code="STATUS_CODE_UNSET"}`]; !ok {
		t.Error("services beyond the bound are not under the name of the overflow")
	}
}

func TestNamesAreMadeLabels(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
	f("GET /", "GET /")
	f("a\xffb", "a\uFFFDb")
	f(strings.Repeat("x", 300), strings.Repeat("x", 200))
	f(strings.Repeat("é", 150), strings.Repeat("é", 100))
	f("x"+strings.Repeat("é", 150), "x"+strings.Repeat("é", 99))

	l := newLab(t, Options{})
	for range 2 {
		l.Observe("default", group("a\xff", span(1, 1, 0, model.SpanInternal, "n\xfe", 1), span(1, 1, 0, model.SpanInternal, "n\xfd", 1)))
	}
	l.write()
	l.want("traces_span_metrics_calls_total", map[string]float64{
		`{service_name="a` + "\uFFFD" + `", span_kind="SPAN_KIND_INTERNAL", span_name="n` + "\uFFFD" + `", status_code="STATUS_CODE_UNSET"}`: 4,
	})
}

// TestManyAtOnce counts, writes and expires at one time; every span is there in the end.
func TestManyAtOnce(t *testing.T) {
	l := newLab(t, Options{})
	const senders, rounds = 8, 200
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range senders {
		wg.Go(func() {
			for r := range rounds {
				trace := byte(r)
				client := span(trace, byte(i+1), 0, model.SpanClient, "call", time.Millisecond)
				server := span(trace, byte(i+100), byte(i+1), model.SpanServer, "answer", time.Millisecond)
				for _, s := range []*model.Span{&client, &server} {
					s.TraceID[0], s.TraceID[1], s.TraceID[2] = byte(i), byte(r>>8), 1
				}
				l.Observe("a", group("front", client))
				l.Observe("a", group("back", server))
				l.Observe("b", group("front", client))
			}
		})
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.clock.advance(time.Second)
				_ = l.Flush(t.Context())
				_ = l.ownCounter("hulotte_span_metrics_series")
			}
		}
	})
	wg.Wait()
	close(stop)
	writer.Wait()
	l.write()
	l.want("traces_service_graph_request_total", map[string]float64{`{client="front", server="back"}`: senders * rounds})
	l.expire() // at the same time as nothing: what waits is of tenant b alone
	l.expire()
	if n := l.ownCounter("hulotte_span_metrics_unpaired_spans_total"); n != senders*rounds {
		t.Errorf("%v spans found no other side, want those of the other tenant: %d", n, senders*rounds)
	}
}

func TestKnownSpansCostNoMemory(t *testing.T) {
	l := newLab(t, Options{})
	client, server := benchGroups(64)
	observe := func() {
		l.Observe("default", client)
		l.Observe("default", server)
	}
	observe()
	if n := testing.AllocsPerRun(20, observe); n != 0 {
		t.Errorf("%v allocations for 256 known spans, want none", n)
	}
}

// benchGroups are spans of two services that call each other: a quarter servers, a quarter clients, a half internal.
func benchGroups(n int) (client, server []model.SpanGroup) {
	attributes := []string{"http.request.method", "GET", "url.path", "/x", "user_agent.original", "curl", "network.protocol.version", "1.1", "server.address", "back", "url.scheme", "http", "http.route", "/x", "client.address", "10.0.0.1"}
	var a, b []model.Span
	for i := range n {
		id := byte(i + 1)
		a = append(a, span(id, 1, 0, model.SpanInternal, "work", time.Duration(i)*time.Millisecond), span(id, id, 1, model.SpanClient, "GET", time.Duration(i)*time.Millisecond, attributes...))
		b = append(b, span(id, 2, id, model.SpanServer, "GET /x", time.Duration(i)*time.Millisecond, attributes...), span(id, 3, 2, model.SpanInternal, "work", time.Duration(i)*time.Millisecond, attributes...))
	}
	return group("front", a...), group("back", b...)
}

func BenchmarkObserve(b *testing.B) {
	for _, procs := range []int{1, 2} {
		b.Run(fmt.Sprintf("senders=%d", procs), func(b *testing.B) {
			l := newLab(b, Options{})
			l.opts.Now = time.Now
			b.ReportAllocs()
			b.SetParallelism(1)
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			var next sync.Mutex
			sender := byte(0)
			b.RunParallel(func(pb *testing.PB) {
				client, server := benchGroups(64)
				next.Lock()
				sender++
				for i := range client[0].Spans {
					client[0].Spans[i].TraceID[0], server[0].Spans[i].TraceID[0] = sender, sender
				}
				next.Unlock()
				for pb.Next() {
					l.Observe("default", client)
					l.Observe("default", server)
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/span")
		})
	}
}

func TestOwnMetricsHaveGoodNames(t *testing.T) {
	l := newLab(t, Options{})
	families, err := l.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
