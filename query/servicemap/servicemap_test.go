package servicemap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	query "github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/store/series"
)

// world is series on the real engines.
type world struct {
	t     *testing.T
	db    *series.DB
	query Query
	end   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := series.Open(series.Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	engine, err := query.New(query.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: db, query: FromEngine(engine, db), end: time.Now().Truncate(time.Minute)}
}

// rate writes a counter, or a histogram of durations when seconds is given, that grows by so much a second in the last hour.
func (w *world) rate(metric string, perSecond float64, seconds ...float64) {
	w.t.Helper()
	ls, err := parser.NewParser(parser.Options{}).ParseMetric(metric)
	if err != nil {
		w.t.Fatal(err)
	}
	to, err := w.db.Writer("default")
	if err != nil {
		w.t.Fatal(err)
	}
	a := to.AppenderV2(context.Background())
	var ref storage.SeriesRef
	for at := 0; at <= 3600; at += 60 {
		value, hist := perSecond*float64(at), (*histogram.Histogram)(nil)
		if len(seconds) > 0 {
			hist = histogramOf(uint64(value), seconds[0])
		}
		if ref, err = a.Append(ref, ls, 0, w.end.Add(time.Duration(at-3600)*time.Second).UnixMilli(), value, hist, nil, storage.AOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// histogramOf holds so many durations of one length, a power of two.
func histogramOf(n uint64, seconds float64) *histogram.Histogram {
	return &histogram.Histogram{
		Count: n, Sum: float64(n) * seconds, ZeroThreshold: 1e-9,
		PositiveSpans: []histogram.Span{{Offset: int32(math.Log2(seconds)), Length: 1}}, PositiveBuckets: []int64{int64(n)},
	}
}

// service writes what span metrics say of a service.
func (w *world) service(name, kind string, rate, failed, seconds float64) {
	base := fmt.Sprintf(`service_name=%q,span_kind=%q,span_name="x"`, name, "SPAN_KIND_"+kind)
	w.rate(`traces_span_metrics_calls_total{`+base+`,status_code="STATUS_CODE_UNSET"}`, rate-failed)
	w.rate(`traces_span_metrics_calls_total{`+base+`,status_code="STATUS_CODE_ERROR"}`, failed)
	w.rate(`traces_span_metrics_duration_seconds{`+base+`,status_code="STATUS_CODE_UNSET"}`, rate, seconds)
}

// call writes what a service graph says; more are labels.
func (w *world) call(client, server, more string, rate, failed, seconds float64) {
	base := fmt.Sprintf(`client=%q,server=%q%s`, client, server, more)
	w.rate(`traces_service_graph_request_total{`+base+`}`, rate)
	w.rate(`traces_service_graph_request_failed_total{`+base+`}`, failed)
	w.rate(`traces_service_graph_request_server_seconds{`+base+`}`, rate, seconds/2)
	if client != userNode {
		w.rate(`traces_service_graph_request_client_seconds{`+base+`}`, rate, seconds)
	}
}

func (w *world) of(span time.Duration) *Map {
	w.t.Helper()
	m, err := Of(w.t.Context(), w.query, w.end.Add(-span), w.end)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// said is the map in words.
func said(m *Map) string {
	var b strings.Builder
	number := func(x float64) string { return fmt.Sprintf("%.3g", x) }
	for _, n := range m.Nodes {
		fmt.Fprintf(&b, "%s %s: %s/s, %s failed, %s s\n", n.Kind, n.Name, number(n.Rate), number(n.Errors), number(float64(n.P95)))
	}
	for _, e := range m.Edges {
		fmt.Fprintf(&b, "%s -> %s %s: %s/s, %s failed, %s s\n", e.From, e.To, e.Kind, number(e.Rate), number(e.Errors), number(float64(e.P95)))
	}
	return b.String()
}

func TestMap(t *testing.T) {
	w := newWorld(t)
	w.service("shop", "SERVER", 10, 1, 0.5)
	w.service("stock", "CONSUMER", 4, 0, 0.25)
	w.service("batch", "INTERNAL", 2, 0, 8)
	w.service("gone", "SERVER", 0, 0, 1)
	w.call("user", "shop", `,connection_type="virtual_node",virtual_node="client"`, 10, 1, 1)
	w.call("shop", "stock", `,connection_type="messaging_system"`, 4, 0, 2)
	w.call("shop", "orders", `,connection_type="database",virtual_node="server"`, 20, 2, 0.5)
	w.call("stock", "orders", `,connection_type="database",virtual_node="server"`, 20, 0, 0.5)
	w.call("shop", "bank", `,connection_type="virtual_node",virtual_node="server"`, 1, 1, 4)
	w.call("shop", "topic", `,connection_type="messaging_system",virtual_node="server"`, 3, 0, 1)
	w.call("shop", "shop", ``, 5, 0, 1)
	w.call("gone", "shop", ``, 0, 0, 1)
	want := `external bank: 1/s, 1 failed, 1.93 s
service batch: 0/s, 0 failed, NaN s
database orders: 40/s, 0.05 failed, 0.241 s
service shop: 10/s, 0.1 failed, 0.483 s
service stock: 4/s, 0 failed, 0.241 s
queue topic: 3/s, 0 failed, 0.483 s
external user: 0/s, 0 failed, NaN s
shop -> bank virtual_node: 1/s, 1 failed, 3.86 s
shop -> orders database: 20/s, 0.1 failed, 0.483 s
shop -> shop : 5/s, 0 failed, 0.966 s
shop -> stock messaging_system: 4/s, 0 failed, 1.93 s
shop -> topic messaging_system: 3/s, 0 failed, 0.966 s
stock -> orders database: 20/s, 0 failed, 0.483 s
user -> shop virtual_node: 10/s, 0.1 failed, 0.483 s
`
	m := w.of(time.Hour)
	if got := said(m); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`{"name":"batch","kind":"service","x":0,"y":`, `"p95":null}`, `{"from":"shop","to":"shop","kind":"","rate":5`, `"omitted":0`} {
		if !strings.Contains(string(raw), part) {
			t.Errorf("%s is missing in %s", part, raw)
		}
	}
	if got := said(w.of(10 * time.Minute)); got != want {
		t.Errorf("ten minutes: got\n%s\nwant\n%s", got, want)
	}
}

// TestLongRanges: of three days, an hour has data.
func TestLongRanges(t *testing.T) {
	w := newWorld(t)
	w.end = w.end.Truncate(3 * time.Hour) // where a histogram is looked at
	w.call("a", "b", "", 72, 36, 1)
	m := w.of(72 * time.Hour)
	if len(m.Edges) != 1 || math.Abs(m.Edges[0].Rate-1) > 0.1 || math.Abs(m.Edges[0].Errors-0.5) > 0.01 || math.Abs(float64(m.Edges[0].P95)-0.966) > 0.01 {
		t.Errorf("%+v, want a rate of 1 a second in the mean of three days", m.Edges)
	}
}

// TestSeriesOfConnectors: classic histograms, no label of virtual nodes, more labels than ours.
func TestSeriesOfConnectors(t *testing.T) {
	w := newWorld(t)
	more := `,job="collector",instance="x"`
	w.rate(`traces_service_graph_request_total{client="a",server="b"`+more+`}`, 2)
	w.rate(`traces_service_graph_request_total{client="a",server="b",job="collector",instance="y"}`, 2)
	w.rate(`traces_service_graph_request_total{client="a",server="pg",connection_type="database"`+more+`}`, 2)
	w.rate(`traces_service_graph_request_total{client="user",server="a",connection_type="virtual_node"`+more+`}`, 2)
	w.rate(`traces_service_graph_request_total{client="a",server="far",connection_type="virtual_node"`+more+`}`, 2)
	for le, n := range map[string]float64{"0.1": 0, "0.2": 2, "+Inf": 2} {
		w.rate(fmt.Sprintf(`traces_service_graph_request_client_seconds_bucket{client="a",server="b",le=%q%s}`, le, more), n)
	}
	want := `service a: 2/s, 0 failed, NaN s
service b: 4/s, 0 failed, NaN s
external far: 2/s, 0 failed, NaN s
database pg: 2/s, 0 failed, NaN s
external user: 0/s, 0 failed, NaN s
a -> b : 4/s, 0 failed, 0.195 s
a -> far virtual_node: 2/s, 0 failed, NaN s
a -> pg database: 2/s, 0 failed, NaN s
user -> a virtual_node: 2/s, 0 failed, NaN s
`
	if got := said(w.of(time.Hour)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNothing(t *testing.T) {
	w := newWorld(t)
	raw, err := json.Marshal(w.of(time.Hour))
	if err != nil || string(raw) != `{"nodes":[],"edges":[],"omitted":0}` {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestBadRanges(t *testing.T) {
	f := func(from, to int64, want string) {
		t.Helper()
		_, err := Of(t.Context(), nil, time.Unix(from, 0), time.Unix(to, 0))
		var kind interface{ Invalid() bool }
		if !errors.As(err, &kind) || !kind.Invalid() || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an invalid request with %q", err, want)
		}
	}
	f(100, 100, "ends at 100")
	f(200, 100, "before it starts at 200")
	f(0, 1e9, "at most")
}

func TestErrorsOfQueriesAreTold(t *testing.T) {
	for fail := range 9 {
		n := 0
		_, err := Of(t.Context(), func(context.Context, string, time.Time) (promql.Vector, error) {
			if n++; n > fail {
				return nil, errors.New("too many samples")
			}
			return promql.Vector{{Metric: labels.FromStrings("service_name", "a", "client", "a", "server", "b"), F: 1}}, nil
		}, time.Unix(0, 0), time.Unix(100, 0))
		if err == nil || !strings.Contains(err.Error(), "too many samples") {
			t.Errorf("query %d failed, and the answer is %v", fail, err)
		}
	}
}

func TestTheBusiestNodesAreKept(t *testing.T) {
	links := map[link]*measured{}
	for i := range MaxNodes + 50 {
		links[link{from: "hub", to: fmt.Sprintf("s%04d", i)}] = &measured{rate: float64(i + 1)}
	}
	links[link{from: userNode, to: "hub", over: "virtual_node"}] = &measured{rate: 1e6}
	m := assemble(map[string]*measured{}, links, nil)
	if len(m.Nodes) != MaxNodes || m.Omitted != 52 || m.Nodes[0].Name != "hub" || m.Nodes[1].Name != "s0051" {
		t.Errorf("%d nodes, %d omitted, first %+v", len(m.Nodes), m.Omitted, m.Nodes[:2])
	}
}
