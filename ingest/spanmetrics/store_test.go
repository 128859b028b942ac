package spanmetrics

import (
	"context"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
	query "github.com/hulotte-dev/hulotte/query/promql"
	engine "github.com/hulotte-dev/hulotte/store/series"
)

// world is Metrics over the real engines of series and PromQL.
type world struct {
	*Metrics
	t      *testing.T
	clock  *clock
	db     *engine.DB
	promql *query.Engine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := engine.Open(engine.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	promql, err := query.New(query.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: newClock(), db: db, promql: promql}
	w.clock.now = time.Now().Add(-time.Hour).Truncate(time.Minute)
	w.restart()
	return w
}

// restart makes Metrics that know nothing of what was before.
func (w *world) restart() {
	to := func(tenant string) (storage.AppendableV2, error) { return w.db.Writer(tenant) }
	w.Metrics = New(Options{Now: w.clock.Now}, to, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func (w *world) send(n int) {
	for i := range n {
		s := span(byte(i+1), 1, 0, model.SpanServer, "GET /", 300*time.Millisecond)
		s.Start = w.clock.Now().UnixNano()
		w.Observe("default", group("shop", s))
	}
}

func (w *world) write() {
	w.t.Helper()
	w.clock.advance(15 * time.Second)
	if err := w.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ask(expr string) float64 {
	w.t.Helper()
	reader, err := w.db.Reader("default")
	if err != nil {
		w.t.Fatal(err)
	}
	q, err := w.promql.NewInstantQuery(w.t.Context(), reader, nil, expr, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	defer q.Close()
	v, err := q.Exec(w.t.Context()).Vector()
	if err != nil || len(v) != 1 {
		w.t.Fatalf("%s: %v, %v", expr, v, err)
	}
	return v[0].F
}

// near says whether increase, which extrapolates, is about as it should be.
func (w *world) near(expr string, want float64) {
	w.t.Helper()
	if got := w.ask(expr); math.Abs(got-want) > 0.05*want {
		w.t.Errorf("%s = %v, want about %v", expr, got, want)
	}
}

func TestRatesSeeTheFirstSpansAndRestarts(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.write()
	}
	w.send(60) // of a series that was not there
	for range 4 {
		w.write()
	}
	w.near(`sum(increase(traces_span_metrics_calls_total[2m]))`, 60)
	w.near(`histogram_count(sum(increase(traces_span_metrics_duration_seconds[2m])))`, 60)
	w.near(`sum(increase(traces_service_graph_request_total{client="user",server="shop"}[2m]))`, 60)

	w.clock.advance(time.Second)
	w.restart()
	w.send(30) // fewer than before, and then more than before
	w.write()
	w.send(90)
	for range 3 {
		w.write()
	}
	w.near(`sum(increase(traces_span_metrics_calls_total[3m]))`, 180)
	w.near(`histogram_count(sum(increase(traces_span_metrics_duration_seconds[3m])))`, 180)
	if q := w.ask(`histogram_quantile(0.95, sum(rate(traces_span_metrics_duration_seconds{service_name="shop"}[1m])))`); q < 0.3/1.1 || q > 0.3*1.1 {
		t.Errorf("the 95th percentile of 0.3 s is %v", q)
	}
}

func TestExemplarsAndMetadataReachTheStore(t *testing.T) {
	w := newWorld(t)
	w.send(3)
	w.write()
	reader, err := w.db.Reader("default")
	if err != nil {
		t.Fatal(err)
	}
	q, err := reader.ExemplarQuerier(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	found, err := q.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, prommodel.MetricNameLabel, "traces_span_metrics_duration_seconds")})
	if err != nil || len(found) != 1 || len(found[0].Exemplars) != 1 || found[0].Exemplars[0].Labels.Get("trace_id") != "00000000000000000000000000000003" {
		t.Errorf("exemplars %+v, %v", found, err)
	}
	if n := w.ask(`count(count by (__name__) ({__name__=~"traces_.*"}))`); n != 6 {
		t.Errorf("%v metrics, want calls, durations, apdex, requests, failed ones and the server's durations", n)
	}
}

// TestTheLastSpansAreWrittenAtTheEnd: what came since the last writing is not lost when the process ends in order.
func TestTheLastSpansAreWrittenAtTheEnd(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	w.clock.advance(time.Second)
	w.send(7)
	w.clock.advance(time.Second)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := w.ask(`traces_span_metrics_calls_total`); n != 7 {
		t.Errorf("%v spans were written, want 7", n)
	}
}
