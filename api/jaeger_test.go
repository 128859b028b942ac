package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanotlp"
)

// pretty asks for everything and returns the answers, indented.
func pretty(t *testing.T, h http.Handler, targets ...string) string {
	t.Helper()
	var out bytes.Buffer
	for _, target := range targets {
		code, body := get(t, h, target)
		var indented bytes.Buffer
		if err := json.Indent(&indented, []byte(body), "", " "); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v %s", target, code, err, body)
		}
		text, _ := url.QueryUnescape(target)
		out.WriteString("GET " + text + "\n" + indented.String() + "\n\n")
	}
	return out.String()
}

// What Jaeger's page (1.x and 2.x) and Grafana's data source ask, as they write it.
func TestJaegerGolden(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	q := url.QueryEscape
	end := "&start=1767222000000000&end=1767225600000000"
	golden(t, "jaeger.txt", pretty(t, h,
		"/api/services", "/api/services/shop/operations", "/api/services/none/operations", "/api/operations?service=shop", "/api/operations?service=shop&spanKind=client", "/jaeger/api/operations?service=cart",
		"/api/traces?service=shop&limit=20&lookback=1h&maxDuration&minDuration"+end,
		"/api/traces?service=cart&operation=think&limit=20&tags="+q(`{"error":"true"}`)+end,
		"/api/traces/ab000000000000000000000000000001", "/api/traces/5f00000000000003", "/api/traces/5f00000000000003?raw=true", "/jaeger/api/traces/ab000000000000000000000000000004",
		"/api/traces?traceID=ab000000000000000000000000000002&traceID=77",
		"/api/dependencies?endTs=1767225600000&lookback=3600000", "/api/dependencies?service=shop",
		"/api/v3/services", "/api/v3/operations?service=cart", "/api/v3/operations?service=cart&span_kind=server",
		"/api/v3/traces?query.service_name=shop&query.operation_name="+q("GET /")+"&query.start_time_min=2025-12-31T23:00:00Z&query.start_time_max=2026-01-01T00:00:00.000001Z&query.num_traces=5",
		"/api/v3/traces/5f00000000000003", "/jaeger/api/v3/traces/ab000000000000000000000000000002?startTime=2025-12-31T00:00:00Z&endTime=2026-01-01T00:00:00Z",
		"/api/v3/trace-summaries?query.startTimeMin=2025-12-31T23:00:00Z&query.startTimeMax=2026-01-01T00:00:00Z&query.searchDepth=20",
		"/api/v3/dependencies?startTime=2025-12-31T23:00:00Z&endTime=2026-01-01T00:00:00Z",
	))
}

// ids returns the traces of an answer by the last digit of their ids.
func ids(t *testing.T, body string) (out string) {
	t.Helper()
	var answer struct {
		Data []struct{ TraceID string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err, body)
	}
	for _, trace := range answer.Data {
		out += trace.TraceID[len(trace.TraceID)-1:]
	}
	return out
}

func TestJaegerSearch(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	f := func(query, want string) {
		t.Helper()
		code, body := get(t, h, "/api/traces?"+query)
		if code != 200 {
			t.Fatalf("%s: %d %s", query, code, body)
		}
		if got := ids(t, body); got != want {
			t.Errorf("%s: found %q, want %q", query, got, want)
		}
	}
	q := url.QueryEscape
	f("service=shop", "12") // the old one is three days old
	f("service=shop&lookback=5m", "1")
	f("service=shop&lookback=10d", "124")
	f("service=shop&start=0", "124")
	f("service=shop&start=0&limit=2", "12")
	f("service=shop&start=0&limit=1", "1")
	f("", "132")
	f("service=none", "")
	f("service=shop&operation=think", "") // one span has to pass as a whole
	f("service=cart&operation=think", "1")
	f("service=shop&tag=http.status_code:500", "2")
	f("service=shop&tag=http.status_code:200&tag=ratio:0.5&tag=cached:false", "1")
	f("service=shop&tag=http.status_code:200&tag=ratio:0.6", "")
	f("service=shop&tags="+q(`{"http.status_code":"500","error":"true"}`), "2")
	f("service=shop&tags="+q(`{"http.status_code":500,"cached":"x"}`), "")
	f("service=shop&tags="+q(`{"error":"false"}`), "1")
	f("tag=error:true", "12")
	f("tag=span.kind:producer", "3")
	f("tag=otel.status_code:ERROR", "12")
	f("tag=host.name:web-1", "12")
	f("tag=otel.scope.name:"+q("net/http"), "12")
	f("tag=event:plain", "1")
	f("tag=items:3", "1")
	f("tag=nothing:1", "")
	f("service=shop&minDuration=100ms", "1")
	f("service=shop&minDuration=1ms&maxDuration=6ms", "2")
	f("service=shop&maxDuration=100ns&start=0", "4")
	f("start=1767225000000000&end=1767225000000001", "2")
	f("traceID=1&traceID=5f00000000000003&traceID=5f00000000000003", "3")
}

func TestJaegerErrors(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	f := func(target string, code int, want string) {
		t.Helper()
		got, body := get(t, h, target)
		envelope := fmt.Sprintf(`{"data":null,"total":0,"limit":0,"offset":0,"errors":[{"code":%d,"msg":"%s"}]}`, code, want)
		if strings.Contains(target, "/v3/") {
			envelope = fmt.Sprintf(`{"error":{"httpCode":%d,"message":"%s"}}`, code, want)
		}
		if got != code || body != envelope {
			t.Errorf("%s\n got %d %s\nwant %d %s", target, got, body, code, envelope)
		}
	}
	f("/api/traces/77", 404, "trace not found")
	f("/api/traces/xyz", 400, `\"xyz\" is no trace id: it has other characters than hexadecimal digits`)
	f("/api/traces/7?raw=perhaps", 400, `unable to parse param 'raw': \"perhaps\" is neither true nor false`)
	f("/api/traces?traceID=q", 400, `unable to parse param 'traceID': \"q\" is no trace id: it has other characters than hexadecimal digits`)
	f("/api/traces?limit=1501", 400, "unable to parse param 'limit': 1501 is too much, at most 1500 are allowed")
	f("/api/traces?limit=x", 400, `unable to parse param 'limit': \"x\" is not a whole number`)
	f("/api/traces?limit=-1", 400, `unable to parse param 'limit': -1 is less than 0`)
	f("/api/traces?start=2&end=1", 400, "'end' should not be before 'start'")
	f("/api/traces?start=-1", 400, "unable to parse param 'start': -1 is outside of 0 to 4611686018427387")
	f("/api/traces?end=9223372036854775807", 400, "unable to parse param 'end': 9223372036854775807 is outside of 0 to 4611686018427387")
	f("/api/traces?lookback=long", 400, `unable to parse param 'lookback': \"long\" is no duration such as 1h`)
	f("/api/traces?minDuration=5", 400, `unable to parse param 'minDuration': \"5\" is no duration such as 1.5s or 200ms`)
	f("/api/traces?minDuration=5s&maxDuration=1s", 400, "'maxDuration' should be greater than 'minDuration'")
	f("/api/traces?tag=error", 400, "malformed 'tag' parameter, expecting key:value, received: error")
	f("/api/traces?tags={", 400, "malformed 'tags' parameter, cannot unmarshal JSON: unexpected end of JSON input")
	f(`/api/traces?tags={"a":{}}`, 400, `malformed 'tags' parameter, cannot unmarshal JSON: the value of \"a\" is no text`)
	f("/api/operations", 400, "parameter 'service' is required")
	f("/api/v3/operations", 400, "parameter 'service' is required")
	f("/api/v3/traces", 400, "query.startTimeMin and query.startTimeMax are required")
	const day = "query.startTimeMin=2025-12-31T00:00:00Z&query.startTimeMax=2026-01-01T00:00:00Z"
	f("/api/v3/traces?query.serviceName=none&"+day, 404, "No traces found")
	f("/api/v3/traces?query.filter=x&"+day, 400, "query.filter is not supported: use query.serviceName, query.operationName, query.attributes and durations")
	f("/api/v3/traces?query.num_traces=5000&"+day, 400, "unable to parse param 'query.num_traces': 5000 is too much, at most 1500 are allowed")
	f("/api/v3/traces?query.start_time_min=5&query.start_time_max=6", 400, `malformed parameter query.start_time_min: \"5\" is no time such as 2026-01-02T15:04:05Z`)
	f("/api/v3/traces/77", 404, "trace not found")
	none := newTestAPI(t, emptySeries{}, nil)
	if code, body := get(t, none, "/api/services"); code != 404 || !strings.Contains(body, "this process keeps no traces") {
		t.Errorf("%d %s", code, body)
	}
}

// A path that one part reads and another takes in says both methods.
func TestMethodsOfOnePath(t *testing.T) {
	taken := false
	h := newTestAPI(t, emptySeries{}, func(o *Options) {
		o.Push = []Endpoint{{Methods: "POST", Path: "/api/traces", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { taken = true })}}
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/traces", nil))
	if !taken {
		t.Error("the push did not arrive")
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/api/traces", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "POST, GET" {
		t.Errorf("%d %q", w.Code, w.Header().Get("Allow"))
	}
}

// A trace has 50,000 spans at most, and says what is left out.
func TestJaegerLongTrace(t *testing.T) {
	g := model.SpanGroup{Resource: resource("a"), Scope: &model.Scope{}}
	for i := range maxTraceSpans + 5 {
		g.Spans = append(g.Spans, model.Span{TraceID: model.TraceID{15: 1}, ID: model.SpanID{5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)}, Start: ago(0) - 1e9 + int64(i)})
	}
	_, body := get(t, newSpansAPI(t, []model.SpanGroup{g}), "/api/traces/1")
	var answer struct {
		Data []struct {
			Spans    []struct{ SpanID string }
			Warnings []string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if got := answer.Data[0]; len(got.Spans) != maxTraceSpans || len(got.Warnings) != 1 || got.Warnings[0] != "the trace has 5 more spans, which are left out: at most 50000 are shown" {
		t.Errorf("%d spans, warnings %q", len(got.Spans), got.Warnings)
	}
}

func postBody(h http.Handler, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A file of OTLP/JSON is shown as the same spans are that were taken in.
func TestJaegerTransform(t *testing.T) {
	spans := someSpans()
	h := newSpansAPI(t, spans)
	w := postBody(h, "/api/transform", string(spanotlp.AppendJSON(nil, spans)))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if got := ids(t, w.Body.String()); got != "1243" {
		t.Errorf("traces %q", got)
	}
	_, one := get(t, h, "/api/traces/ab000000000000000000000000000001")
	var stored, shown struct{ Data []json.RawMessage }
	_ = json.Unmarshal([]byte(one), &stored)
	_ = json.Unmarshal(w.Body.Bytes(), &shown)
	if !bytes.Equal(stored.Data[0], shown.Data[0]) {
		t.Errorf("shown\n%s\nstored\n%s", shown.Data[0], stored.Data[0])
	}
	for body, want := range map[string]string{
		"": "cannot unmarshal OTLP", "{}": `{"data":[]`, "[": "cannot unmarshal OTLP",
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"12"}]}]}]}`: "1 spans are not taken",
	} {
		if w := postBody(h, "/api/transform", body); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// Whatever is asked is answered: with JSON, or with an error that says so.
func FuzzJaegerRequests(f *testing.F) {
	h := newSpansAPI(f, someSpans())
	common := "service=shop&operation=get&tag=a:b&tags=" + url.QueryEscape(`{"error":"true","n":5}`) + "&minDuration=1ms&maxDuration=5s&start=1&end=1767225600000000&lookback=1h&limit=10&raw=true"
	v3 := "query.serviceName=shop&query.operation_name=get&query.attributes=" + url.QueryEscape(`{"a":"b"}`) + "&query.startTimeMin=2025-12-31T00:00:00Z&query.startTimeMax=2026-01-01T00:00:00Z&query.durationMin=1ms&query.searchDepth=3"
	for path, form := range map[string]string{
		"services": "", "services/shop/operations": "", "operations": "service=shop&spanKind=server", "traces": common, "traces/1": "start=1&end=2", "dependencies": "endTs=5&lookback=6",
		"v3/services": "", "v3/operations": "service=cart", "v3/traces": v3, "v3/trace-summaries": v3, "v3/traces/7": "startTime=2025-12-31T00:00:00Z", "v3/dependencies": "startTime=2025-12-31T00:00:00Z&endTime=2026-01-01T00:00:00Z",
	} {
		f.Add("/api/"+path, form)
	}
	fuzzGets(f, h)
}

func fuzzGets(f *testing.F, h http.Handler) {
	f.Fuzz(func(t *testing.T, path, form string) {
		if !strings.HasPrefix(path, "/") || len(form) > 2000 {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: path, RawQuery: form}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != 503 {
			t.Errorf("%s?%s: %d %s", path, form, w.Code, w.Body)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s?%s: no JSON: %s", path, form, w.Body)
		}
	})
}

func FuzzJaegerTransform(f *testing.F) {
	spans := someSpans()
	h := newSpansAPI(f, nil)
	f.Add(string(spanotlp.AppendJSON(nil, spans)))
	f.Add(`{"resourceSpans":[{},{"scopeSpans":[{},{"spans":[{}]}]}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		w := postBody(h, "/api/transform", body)
		if w.Code != 200 && w.Code != 400 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
