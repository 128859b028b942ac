package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/hulotte-dev/hulotte/query/spanotlp"
)

// What Grafana's data source for Tempo and its Traces Drilldown ask, as they write it.
func TestTempoGolden(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	q := url.QueryEscape
	const hour = "&start=1767222000&end=1767225600"
	golden(t, "tempo.txt", pretty(t, h,
		"/api/v2/traces/ab000000000000000000000000000001", "/tempo/api/v2/traces/5f00000000000003?start=1767222000&end=1767225600", "/tempo/api/traces/ab000000000000000000000000000002",
		"/api/search?q="+q(`{}`)+"&limit=20&spss=1"+hour,
		"/api/search?q="+q(`{resource.service.name = "shop" && status = error} | select(span.http.status_code)`)+hour,
		"/api/search?q="+q(`{resource.service.name = "shop"} >> {status = error}`)+"&limit=5"+hour,
		"/api/search?tags="+q(`service.name=shop http.status_code=500`)+"&minDuration=1ms&maxDuration=1s"+hour,
		"/api/search?q="+q(`{name = "nothing"}`)+hour,
		"/api/search/tags", "/tempo/api/v2/search/tags?scope=span"+hour, "/api/v2/search/tags?scope=resource", "/api/v2/search/tags?scope=none&limit=5000",
		"/api/search/tag/service.name/values", "/api/v2/search/tag/resource.service.name/values", "/api/v2/search/tag/.http.status_code/values", "/api/v2/search/tag/status/values",
		"/api/v2/search/tag/kind/values?q="+q(`{resource.service.name = "cart"}`), "/api/v2/search/tag/name/values?q="+q(`{resource.service.name = `),
		"/api/v2/search/tag/rootServiceName/values", "/api/v2/search/tag/span.ratio/values", "/api/v2/search/tag/duration/values?limit=2",
		"/api/metrics/query_range?q="+q(`{} | rate() by (resource.service.name)`)+"&step=1800s"+hour,
		"/api/metrics/query_range?q="+q(`{kind = server} | quantile_over_time(duration, .5, .9) by (resource.service.name)`)+"&step=30m"+hour,
		"/tempo/api/metrics/query_range?q="+q(`{} | histogram_over_time(duration)`)+"&step=3600"+hour,
		"/api/metrics/query_range?q="+q(`{} | count_over_time()`)+"&step=3600&exemplars=1"+hour,
		"/api/metrics/query_range?q="+q(`{} | compare({status = error}, 3)`)+"&step=3600"+hour,
		"/api/metrics/query?q="+q(`{} | count_over_time() by (status)`)+hour,
	))
}

// TestTempoProto asks as Grafana does: for protocol buffers.
func TestTempoProto(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	ask := func(path string) []byte {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Accept", "application/protobuf")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/protobuf" {
			t.Fatalf("%s: %d %s", path, w.Code, w.Header())
		}
		return w.Body.Bytes()
	}
	whole := ask("/tempo/api/traces/ab000000000000000000000000000001")
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(whole)
	if err != nil || traces.SpanCount() != 4 {
		t.Fatal(traces.SpanCount(), err)
	}
	second := ask("/api/v2/traces/ab000000000000000000000000000001")
	if second[0] != 1<<3|2 || !bytes.HasSuffix(second, whole) {
		t.Errorf("got %x", second[:20])
	}
	if want := spanotlp.AppendProto(nil, nil); len(want) != 0 {
		t.Errorf("no spans are %x", want)
	}
}

func TestTempoRefuses(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	f := func(path string, status int, text string) {
		t.Helper()
		code, body := get(t, h, path)
		if code != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	q := url.QueryEscape
	f("/api/v2/traces/xyz", 400, `"xyz" is no trace id`)
	f("/api/v2/traces/77", 404, "trace not found")
	f("/tempo/api/traces/77", 404, "trace not found")
	f("/api/search?q="+q("{status = }"), 400, "q")
	f("/api/search?q="+q("{} | rate()"), 400, "rate() makes series")
	f("/api/metrics/query_range?q="+q("{}"), 400, "makes no series")
	f("/api/metrics/query_range?step=1s&start=0&end=1767225600&q="+q("{} | rate()"), 400, "ask for a longer step")
	f("/api/metrics/query_range?step=x&q="+q("{} | rate()"), 400, "step")
	f("/api/search?limit=many", 400, "limit")
	f("/api/search?limit=100000", 400, "at most 5000")
	f("/api/search?start=20&end=10", 400, "'end' should not be before 'start'")
	f("/api/search?tags=nothing", 400, "no key=value")
	f("/api/search?tags="+q(`a="b`), 400, "no closing quote")
	f("/api/v2/search/tags?scope=moon", 400, "no scope")
	f("/api/v2/search/tag/"+url.PathEscape(`{"`)+"/values", 200, `"tagValues":[]`)
	f("/api/echo", 200, "echo")
	f("/tempo/api/status/buildinfo", 200, "version")
	none := newTestAPI(t, emptySeries{}, nil)
	if code, body := get(t, none, "/api/search?q="+q("{}")); code != 404 || !strings.Contains(body, "keeps no traces") {
		t.Errorf("%d %s", code, body)
	}
}

func FuzzLogfmtPairs(f *testing.F) {
	f.Add(`a=b c="d \" e" error=true n=1e3`)
	f.Add(`a="\x`)
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest(http.MethodGet, "/api/search", nil)
		r.Form = url.Values{"tags": {text}}
		pairs, err := logfmtPairs(text)
		if err != nil {
			return
		}
		// Whatever are pairs is a query.
		if _, err := tempoQueryOf(r); err != nil {
			t.Fatalf("%q: %v (%q)", text, err, pairs)
		}
	})
}
