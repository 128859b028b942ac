package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

func contextOf(tenant string) context.Context {
	if tenant == "" {
		return context.Background()
	}
	return model.WithTenant(context.Background(), tenant)
}

func postRaw(h http.Handler, contentType string, body []byte) int {
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	res := httptest.NewRecorder()
	h.ServeHTTP(res, req)
	return res.Code
}

func marshal(t testing.TB, m interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	raw, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// series returns a request with one float sample for each name.
func series(names ...string) *prompb.WriteRequest {
	req := &prompb.WriteRequest{}
	for i, name := range names {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: name}},
			Samples: []prompb.Sample{{Timestamp: testNow.UnixMilli() + int64(i), Value: 1}},
		})
	}
	return req
}

func TestStatuses(t *testing.T) {
	good := snappy.Encode(nil, marshal(t, series("up")))
	f := func(status int, text string, change func(*http.Request)) {
		t.Helper()
		h := newTestHandler(Options{Limits: Limits{MaxCompressed: 1000, MaxUncompressed: 5000, MaxSamples: 100}}, newRecorder())
		req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(good))
		req.Header.Set("Content-Type", typeV1)
		req.Header.Set("Content-Encoding", "snappy")
		change(req)
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if body := res.Body.String(); res.Code != status || !strings.Contains(body, text) {
			t.Errorf("answer %d %q, want %d with %q", res.Code, body, status, text)
		}
		if used := h.budget.used.Load(); used != 0 {
			t.Errorf("%d bytes of the budget were not given back", used)
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	body := func(b []byte) func(*http.Request) {
		return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b)) }
	}
	names := make([]string, 101)
	for i := range names {
		names[i] = "n"
	}

	f(204, "", func(*http.Request) {})
	f(204, "", func(r *http.Request) { r.Header.Del("Content-Encoding"); r.Header.Del("Content-Type") })
	f(204, "", header("Content-Type", "application/x-protobuf; proto=prometheus.WriteRequest"))
	f(204, "", header("X-Prometheus-Remote-Write-Version", "0.1.0"))
	f(204, "", func(r *http.Request) { r.ContentLength = -1 })
	f(405, "POST", func(r *http.Request) { r.Method = http.MethodGet })
	f(415, "application/json", header("Content-Type", "application/json"))
	f(415, "other.Message", header("Content-Type", "application/x-protobuf;proto=other.Message"))
	f(415, "use snappy", header("Content-Encoding", "gzip"))
	f(413, "more than 1000 bytes", body(make([]byte, 1001)))
	f(413, "more than 1000 bytes", func(r *http.Request) { body(make([]byte, 1001))(r); r.ContentLength = -1 })
	f(413, "6000 bytes uncompressed", body(snappy.Encode(nil, make([]byte, 6000))))
	f(413, "more than 100 samples", body(snappy.Encode(nil, marshal(t, series(names...)))))
	f(400, "corrupt", body([]byte("not snappy")))
	f(400, "cannot decode", body(snappy.Encode(nil, []byte("not protobuf"))))
	f(400, "cannot decode", body(snappy.Encode(nil, marshal(t, series("up"))[:20])))
	f(400, "cannot read", func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(brokenReader{}), -1 })
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRefusedSamplesAreReportedAndTheOthersKept(t *testing.T) {
	to := newRecorder()
	at := testNow.UnixMilli()
	to.fail = func(ts int64) error {
		return map[int64]error{
			at + 1: storage.ErrOutOfOrderSample,
			at + 2: storage.ErrTooOldSample,
			at + 3: storage.ErrDuplicateSampleForTimestamp,
			at + 4: model.NewError(model.Limit, "too many series"),
		}[ts]
	}
	h := newTestHandler(Options{}, to)
	status, text, _ := post(h, typeV1, marshal(t, series("a", "b", "c", "d", "e", "f")))
	if status != 400 || len(to.lines) != 2 {
		t.Errorf("status %d, %d samples stored; want 400 and 2", status, len(to.lines))
	}
	for _, want := range []string{
		"4 of 6 samples are refused, the others are stored", "1 out of order", "1 older than the out-of-order window",
		`{__name__="b"} at 2023-11-14T22:13:20.001Z: out of order`, "too many series",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the answer lacks %q: %s", want, text)
		}
	}
}

func TestNothingIsKeptWhenTheStoreFails(t *testing.T) {
	f := func(status int, retry bool, break_ func(*recorder)) {
		t.Helper()
		to := newRecorder()
		break_(to)
		got, _, header := post(newTestHandler(Options{}, to), typeV1, marshal(t, series("a", "b", "c")))
		if got != status || len(to.lines) != 0 || (header.Get("Retry-After") != "") != retry {
			t.Errorf("status %d, %d stored, Retry-After %q; want %d, none, %v", got, len(to.lines), header.Get("Retry-After"), status, retry)
		}
	}
	at := testNow.UnixMilli()
	f(500, false, func(r *recorder) {
		r.fail = func(ts int64) error {
			if ts == at+1 {
				return errors.New("the disk is on fire")
			}
			return nil
		}
	})
	f(500, false, func(r *recorder) { r.failEnd = errors.New("the disk is on fire") })
	f(503, true, func(r *recorder) {
		r.failEnd = fmt.Errorf("cannot write: %w", model.NewError(model.Unavailable, "disk full"))
	})
}

func TestTheSinkDecidesByTenant(t *testing.T) {
	to := newRecorder()
	var asked []string
	h := New(Options{Now: func() time.Time { return testNow }}, func(tenant string) (storage.AppendableV2, error) {
		asked = append(asked, tenant)
		if tenant == "one-too-many" {
			return nil, model.NewError(model.Limit, "too many tenants")
		}
		return to, nil
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	send := func(tenant string) int {
		req := httptest.NewRequestWithContext(contextOf(tenant), http.MethodPost, "/", bytes.NewReader(snappy.Encode(nil, marshal(t, series("up")))))
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		return res.Code
	}
	if got := []int{send(""), send("a"), send("one-too-many")}; !slices.Equal(got, []int{204, 204, 429}) {
		t.Errorf("statuses %v", got)
	}
	if !slices.Equal(asked, []string{"default", "a", "one-too-many"}) {
		t.Errorf("asked for %v", asked)
	}
}

func TestTooMuchAtOneTimeIsRefusedForNow(t *testing.T) {
	h := newTestHandler(Options{Limits: Limits{MaxInFlight: 1000, MaxConcurrent: 1}}, newRecorder())
	other := &lease{from: h.budget}
	if err := other.take(990); err != nil {
		t.Fatal(err)
	}
	message := marshal(t, series("up"))
	if status, _, header := post(h, typeV1, message); status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q; want 503 with it", status, header.Get("Retry-After"))
	}
	other.giveBack()
	if status, text, _ := post(h, typeV1, message); status != 204 {
		t.Errorf("status %d %s once there is room again", status, text)
	}
}

func TestVersion2AnswersWithCountsAndKeepsMetadata(t *testing.T) {
	table := writev2.NewSymbolTable()
	req := &writev2.Request{Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{table.Symbolize("__name__"), table.Symbolize("wait_seconds_count")},
		Samples:    []writev2.Sample{{Timestamp: testNow.UnixMilli(), Value: 1, StartTimestamp: 5}},
		Exemplars:  []writev2.Exemplar{{LabelsRefs: []uint32{table.Symbolize("trace_id"), table.Symbolize("1")}, Timestamp: testNow.UnixMilli()}},
		Metadata: writev2.Metadata{
			Type:    writev2.Metadata_METRIC_TYPE_HISTOGRAM,
			HelpRef: table.Symbolize("Time waited."), UnitRef: table.Symbolize("seconds"),
		},
	}}}
	req.Symbols = table.Symbols()
	to := newRecorder()
	h := newTestHandler(Options{}, to)
	for range 2 {
		status, text, header := post(h, typeV2, marshal(t, req))
		got := []string{
			header.Get("X-Prometheus-Remote-Write-Samples-Written"),
			header.Get("X-Prometheus-Remote-Write-Histograms-Written"),
			header.Get("X-Prometheus-Remote-Write-Exemplars-Written"),
		}
		if status != 204 || !slices.Equal(got, []string{"1", "0", "1"}) {
			t.Errorf("answer %d %q %s", status, got, text)
		}
	}
	if want := []string{`wait_seconds histogram "Time waited." "seconds"`}; !slices.Equal(to.metadata, want) {
		t.Errorf("metadata %q, want %q once", to.metadata, want)
	}
}

func TestVersion1Metadata(t *testing.T) {
	to := newRecorder()
	status, text, _ := post(newTestHandler(Options{}, to), typeV1, marshal(t, &prompb.WriteRequest{Metadata: []prompb.MetricMetadata{
		{Type: prompb.MetricMetadata_GAUGEHISTOGRAM, MetricFamilyName: "size", Help: "How large.", Unit: "bytes"},
	}}))
	if want := []string{`size gaugehistogram "How large." "bytes"`}; status != 204 || !slices.Equal(to.metadata, want) {
		t.Errorf("status %d %s, metadata %q, want %q", status, text, to.metadata, want)
	}
}

// A small message that would become large in memory is refused before it does.
func TestVersion2DoesNotGrow(t *testing.T) {
	refs := make([]uint32, 200)
	for i := range refs {
		refs[i] = uint32(i%2) + 1
	}
	req := &writev2.Request{Symbols: []string{"", "name", strings.Repeat("x", 16<<10)}}
	for range 1000 { // 1,000 series of 100 labels of 16 KiB: 1.6 GB of labels in 200 KB
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: refs, Samples: []writev2.Sample{{Timestamp: 1}}})
	}
	status, text, _ := post(newTestHandler(Options{}, newRecorder()), typeV2, marshal(t, req))
	if status != 413 {
		t.Errorf("status %d %s, want 413", status, text)
	}
	histograms := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels:     []prompb.Label{{Name: "__name__", Value: "h"}},
		Histograms: []prompb.Histogram{{PositiveDeltas: make([]int64, 1<<20)}},
	}}}
	h := newTestHandler(Options{Limits: Limits{MaxInFlight: 4 << 20}}, newRecorder())
	if status, text, _ := post(h, typeV1, marshal(t, histograms)); status != 503 {
		t.Errorf("a histogram of a million buckets: status %d %s, want 503", status, text)
	}
}

// What is stored must not change when the request's memory is used again.
func TestNothingStoredAliasesTheRequest(t *testing.T) {
	to := newRecorder()
	h := newTestHandler(Options{}, to)
	first := marshal(t, series("aaaa"))
	second := bytes.ReplaceAll(first, []byte("aaaa"), []byte("bbbb"))
	for range 3 {
		for _, message := range [][]byte{first, second} {
			if status, text, _ := post(h, typeV1, message); status != 204 {
				t.Fatal(status, text)
			}
		}
	}
	for i, line := range to.lines {
		if want := []string{"aaaa", "bbbb"}[i%2]; !strings.Contains(line, want) {
			t.Errorf("line %d is %q, want %s", i, line, want)
		}
	}
}
