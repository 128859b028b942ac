package remotewrite

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

var testNow = time.UnixMilli(1_700_000_000_000)

func newTestHandler(opts Options, to storage.AppendableV2) *Handler {
	opts.Now = func() time.Time { return testNow }
	sink := func(string) (storage.AppendableV2, error) { return to, nil }
	return New(opts, sink, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// post sends a message and returns the status and the answer.
func post(h http.Handler, contentType string, message []byte) (int, string, http.Header) {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", strings.NewReader(string(snappy.Encode(nil, message))))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	body, _ := io.ReadAll(res.Body)
	return res.Code, strings.TrimSpace(string(body)), res.Header()
}

// random makes requests that a sender could send, and some that it should not.
type random struct{ *rand.Rand }

func (r random) labels() []prompb.Label {
	ls := []prompb.Label{{Name: "__name__", Value: fmt.Sprintf("metric_%d", r.IntN(5))}}
	for i := range r.IntN(4) {
		ls = append(ls, prompb.Label{Name: fmt.Sprintf("label_%d", i), Value: fmt.Sprintf("value %d", r.IntN(3))})
	}
	switch r.IntN(30) {
	case 0:
		ls = ls[1:] // no metric name
	case 1:
		ls = append(ls, prompb.Label{Name: "label_0", Value: "again"}, prompb.Label{Name: "label_0", Value: "and again"})
	case 2:
		ls = append(ls, prompb.Label{Name: "empty"}, prompb.Label{Name: "a", Value: "\xff"})
	case 3:
		ls = append(ls, prompb.Label{Name: "empty"})
	case 4:
		ls = append(ls, prompb.Label{Name: "Ünïcode label", Value: strings.Repeat("x", 200)})
	case 5:
		slices.Reverse(ls)
	case 6:
		for i := range 120 {
			ls = append(ls, prompb.Label{Name: fmt.Sprintf("many_%03d", i), Value: "x"})
		}
	}
	return ls
}

func (r random) time() int64 {
	if r.IntN(40) == 0 {
		return testNow.Add(time.Hour).UnixMilli()
	}
	return testNow.UnixMilli() - r.Int64N(1000)
}

func (r random) value() float64 {
	switch r.IntN(10) {
	case 0:
		return math.Float64frombits(value.StaleNaN)
	case 1:
		return math.Inf(-1)
	}
	return r.NormFloat64()
}

func (r random) histogram() prompb.Histogram {
	n, t := r.Int64N(20), r.time()
	switch r.IntN(5) {
	case 0:
		return prompb.FromFloatHistogram(t, tsdbutil.GenerateTestFloatHistogram(n))
	case 1:
		return prompb.FromIntHistogram(t, tsdbutil.GenerateTestCustomBucketsHistogram(n))
	case 2:
		return prompb.FromFloatHistogram(t, tsdbutil.GenerateTestCustomBucketsFloatHistogram(n))
	case 3:
		h := prompb.FromIntHistogram(t, tsdbutil.GenerateTestHistogram(n))
		h.Schema = []int32{9, 12, 60, -5}[r.IntN(4)] // too fine, or unknown
		return h
	}
	h := prompb.FromIntHistogram(t, tsdbutil.GenerateTestHistogram(n))
	if r.IntN(4) == 0 {
		h.PositiveDeltas = h.PositiveDeltas[:1] // fewer buckets than its spans say
	}
	return h
}

func (r random) v1() *prompb.WriteRequest {
	req := &prompb.WriteRequest{}
	for range r.IntN(20) {
		ts := prompb.TimeSeries{Labels: r.labels()}
		for range r.IntN(3) {
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: r.time(), Value: r.value()})
		}
		if r.IntN(4) == 0 {
			ts.Histograms = append(ts.Histograms, r.histogram())
		}
		if r.IntN(4) == 0 {
			ts.Exemplars = append(ts.Exemplars, prompb.Exemplar{
				Labels: []prompb.Label{{Name: "trace_id", Value: fmt.Sprint(r.Uint32())}}, Value: r.value(), Timestamp: r.time(),
			})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	if r.IntN(3) == 0 {
		req.Metadata = append(req.Metadata, prompb.MetricMetadata{Type: prompb.MetricMetadata_COUNTER, MetricFamilyName: "metric_1", Help: "Helps."})
	}
	return req
}

// toV2 says the same in remote write 2.0.
func (r random) toV2(from *prompb.WriteRequest) *writev2.Request {
	table := writev2.NewSymbolTable()
	ref := func(ls []prompb.Label) (refs []uint32) {
		for _, l := range ls {
			refs = append(refs, table.Symbolize(l.Name), table.Symbolize(l.Value))
		}
		return refs
	}
	req := &writev2.Request{}
	for _, ts := range from.Timeseries {
		to := writev2.TimeSeries{LabelsRefs: ref(ts.Labels)}
		switch r.IntN(30) {
		case 0:
			to.LabelsRefs = append(to.LabelsRefs, 1)
		case 1:
			to.LabelsRefs = append(to.LabelsRefs, 1, 1<<31)
		}
		for _, s := range ts.Samples {
			to.Samples = append(to.Samples, writev2.Sample{Value: s.Value, Timestamp: s.Timestamp, StartTimestamp: s.Timestamp - 5})
		}
		for _, h := range ts.Histograms {
			raw, _ := h.Marshal()
			var same writev2.Histogram
			if err := same.Unmarshal(raw); err != nil {
				panic(err)
			}
			same.StartTimestamp = h.Timestamp - 7
			to.Histograms = append(to.Histograms, same)
		}
		for _, e := range ts.Exemplars {
			to.Exemplars = append(to.Exemplars, writev2.Exemplar{LabelsRefs: ref(e.Labels), Value: e.Value, Timestamp: e.Timestamp})
		}
		req.Timeseries = append(req.Timeseries, to)
	}
	req.Symbols = table.Symbols()
	return req
}

func compare(t *testing.T, got *recorder, want *slow) {
	t.Helper()
	slices.Sort(want.lines)
	if !slices.Equal(got.sorted(), want.lines) {
		t.Fatalf("stored:\n%s\nwant:\n%s", strings.Join(got.sorted(), "\n"), strings.Join(want.lines, "\n"))
	}
}

// The fast decoder stores what the naive one stores, request after request, with the same cache, through refs that
// go stale.
func TestFastPathEqualsSlowPath(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	to := newRecorder()
	h := newTestHandler(Options{Limits: Limits{CacheBytes: 20_000}}, to) // so small that generations turn
	for i := range 600 {
		v1 := r.v1()
		want := newSlow(testNow.Add(10 * time.Minute).UnixMilli())
		contentType := typeV1
		var raw []byte
		if i%2 == 0 {
			raw, _ = v1.Marshal() // before the slow path, which lowers resolutions in place
			want.v1(v1)
		} else {
			v2 := r.toV2(v1)
			raw, _ = v2.Marshal()
			want.v2(v2)
			contentType = typeV2
		}
		if r.IntN(10) == 0 {
			to.forget()
		}
		to.lines = nil
		status, text, _ := post(h, contentType, raw)
		compare(t, to, want)
		if refused := status == http.StatusBadRequest; refused != (want.refused > 0) || !refused && status != http.StatusNoContent {
			t.Fatalf("status %d with %d samples refused: %s", status, want.refused, text)
		}
		if want.refused > 0 && !strings.HasPrefix(text, fmt.Sprintf("%d of ", want.refused)) {
			t.Fatalf("%d samples should be refused, the answer is %q", want.refused, text)
		}
	}
	if h.cache.gen.Load() == 0 {
		t.Error("the cache never turned: the test does not test that")
	}
}
