package remotewrite_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/hulotte-dev/hulotte/ingest/remotewrite"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/series"
)

func openStore(t *testing.T, opts series.Options) (*series.DB, http.Handler) {
	t.Helper()
	opts.Dir = t.TempDir()
	db, err := series.Open(opts, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	sink := func(tenant string) (storage.AppendableV2, error) { return db.Writer(tenant) }
	return db, remotewrite.New(remotewrite.Options{}, sink, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func send(t *testing.T, h http.Handler, tenant string, m *prompb.WriteRequest) (int, string) {
	t.Helper()
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	ctx := model.WithTenant(t.Context(), tenant)
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	req.Header.Set("Content-Encoding", "snappy")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	return res.Code, res.Body.String()
}

// each calls f for every sample of the series with the name.
func each(t *testing.T, db *series.DB, tenant, name string, f func(chunkenc.ValueType, chunkenc.Iterator)) {
	t.Helper()
	r, err := db.Reader(tenant)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", name))
	for set.Next() {
		it := set.At().Iterator(nil)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			f(typ, it)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
}

func named(name string) []prompb.Label { return []prompb.Label{{Name: "__name__", Value: name}} }

func TestEveryKindOfSampleReachesTheStore(t *testing.T) {
	db, h := openStore(t, series.Options{})
	at := time.Now().UnixMilli()
	custom, floats := tsdbutil.GenerateTestCustomBucketsHistogram(3), tsdbutil.GenerateTestFloatHistogram(4)
	status, text := send(t, h, "default", &prompb.WriteRequest{
		Timeseries: []prompb.TimeSeries{
			{
				Labels:    named("floats"),
				Samples:   []prompb.Sample{{Timestamp: at, Value: 1.5}, {Timestamp: at + 1, Value: math.Float64frombits(value.StaleNaN)}},
				Exemplars: []prompb.Exemplar{{Labels: []prompb.Label{{Name: "trace_id", Value: "abc"}}, Value: 7, Timestamp: at}},
			},
			{Labels: named("ints"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at, tsdbutil.GenerateTestHistogram(2))}},
			{Labels: named("customs"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at, custom)}},
			{Labels: named("float_histograms"), Histograms: []prompb.Histogram{prompb.FromFloatHistogram(at, floats)}},
		},
		Metadata: []prompb.MetricMetadata{{Type: prompb.MetricMetadata_GAUGE, MetricFamilyName: "floats", Help: "Floats."}},
	})
	if status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	var got []float64
	each(t, db, "default", "floats", func(_ chunkenc.ValueType, it chunkenc.Iterator) {
		_, v := it.At()
		got = append(got, v)
	})
	if len(got) != 2 || got[0] != 1.5 || !value.IsStaleNaN(got[1]) {
		t.Errorf("floats = %v, want 1.5 and a stale marker", got)
	}
	count := 0
	each(t, db, "default", "customs", func(_ chunkenc.ValueType, it chunkenc.Iterator) {
		_, h := it.AtHistogram(nil)
		count++
		if !h.Equals(custom) || h.Schema != histogram.CustomBucketsSchema {
			t.Errorf("customs = %v, want %v", h, custom)
		}
	})
	each(t, db, "default", "float_histograms", func(_ chunkenc.ValueType, it chunkenc.Iterator) {
		_, h := it.AtFloatHistogram(nil)
		count++
		if !h.Equals(floats) {
			t.Errorf("float_histograms = %v, want %v", h, floats)
		}
	})
	each(t, db, "default", "ints", func(chunkenc.ValueType, chunkenc.Iterator) { count++ })
	if count != 3 {
		t.Errorf("%d histograms stored, want 3", count)
	}
	checkExemplarAndMetadata(t, db, at)
}

func checkExemplarAndMetadata(t *testing.T, db *series.DB, at int64) {
	t.Helper()
	r, err := db.Reader("default")
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	es, err := q.Select(at, at, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "floats")})
	if err != nil || len(es) != 1 || len(es[0].Exemplars) != 1 || es[0].Exemplars[0].Labels.Get("trace_id") != "abc" {
		t.Errorf("exemplars = %v, %v", es, err)
	}
	if got := r.(store.MetadataReader).Metadata("floats", 0, 0); len(got) != 1 || got[0].Help != "Floats." {
		t.Errorf("metadata = %v", got)
	}
}

func TestWhatTheStoreRefusesIsSaidAndTheRestKept(t *testing.T) {
	db, h := openStore(t, series.Options{MaxSeries: 2, OutOfOrderWindow: 10 * time.Minute})
	at := time.Now().UnixMilli()
	sample := func(name string, t int64, v float64) prompb.TimeSeries {
		return prompb.TimeSeries{Labels: named(name), Samples: []prompb.Sample{{Timestamp: t, Value: v}}}
	}
	if status, text := send(t, h, "default", &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{sample("a", at, 1), sample("b", at, 1)}}); status != 204 {
		t.Fatal(status, text)
	}
	status, text := send(t, h, "default", &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		sample("a", at, 2),                             // another value
		sample("a", at, 1),                             // the same value: taken as said again
		sample("b", at-time.Hour.Milliseconds(), 1),    // too old
		sample("c", at, 1),                             // one series too many
		sample("a", at+24*time.Hour.Milliseconds(), 1), // in the future
		sample("b", at+1, 5),
	}})
	for _, want := range []string{"4 of 6", "1 another value", "1 older than the out-of-order window", "1 more series than", "1 too far in the future"} {
		if status != 400 || !strings.Contains(text, want) {
			t.Errorf("answer %d %s lacks %q", status, text, want)
		}
	}
	var got []float64
	each(t, db, "default", "b", func(_ chunkenc.ValueType, it chunkenc.Iterator) {
		_, v := it.At()
		got = append(got, v)
	})
	if len(got) != 2 || got[1] != 5 {
		t.Errorf("b = %v, want 1 and 5", got)
	}
}

func TestTenantsOverRemoteWrite(t *testing.T) {
	db, h := openStore(t, series.Options{MaxTenants: 2})
	m := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: named("a"), Samples: []prompb.Sample{{Timestamp: time.Now().UnixMilli(), Value: 1}}}}}
	for tenant, want := range map[string]int{"default": 204, "team": 204} {
		if status, text := send(t, h, tenant, m); status != want {
			t.Errorf("tenant %s: %d %s, want %d", tenant, status, text, want)
		}
	}
	if status, text := send(t, h, "third", m); status != 429 || !strings.Contains(text, "limit is 2") {
		t.Errorf("third tenant: %d %s, want 429", status, text)
	}
	for _, tenant := range []string{"default", "team"} {
		n := 0
		each(t, db, tenant, "a", func(chunkenc.ValueType, chunkenc.Iterator) { n++ })
		if n != 1 {
			t.Errorf("tenant %s has %d samples, want 1", tenant, n)
		}
	}
}

// The link between an agent and its server was down for most of a day, while the server went on with others: what the
// agent has kept is taken, all of it and once.
func TestAnAgentCatchesUp(t *testing.T) {
	db, h := openStore(t, series.Options{})
	at := time.Now()
	status, text := send(t, h, "default", &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{Labels: named("other"), Samples: []prompb.Sample{{Timestamp: at.UnixMilli(), Value: 1}}},
	}})
	if status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	agent, err := series.OpenForwarder(series.ForwardOptions{Dir: t.TempDir(), URL: server.URL}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	const n = 1000
	for i := range int64(n) {
		app := agent.AppenderV2(t.Context())
		if _, err := app.Append(0, labels.FromStrings("__name__", "kept"), 0, at.Add(-23*time.Hour).UnixMilli()+i*60_000, float64(i), nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); agent.Pending() > 0 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	next := 0.0
	each(t, db, "default", "kept", func(_ chunkenc.ValueType, it chunkenc.Iterator) {
		if _, v := it.At(); v == next {
			next++
		}
	})
	if next != n {
		t.Errorf("%v of %d samples are there in order", next, n)
	}
}
