package api

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// What Zipkin's pages and Grafana's data source ask, as they write it.
func TestZipkinGolden(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	q := url.QueryEscape
	golden(t, "zipkin.txt", pretty(t, h,
		"/api/v2/services", "/api/v2/spans?serviceName=shop", "/api/v2/remoteServices?serviceName=front", "/api/v2/remoteServices?serviceName=none",
		"/zipkin/api/v2/traces?serviceName=shop&spanName=all&annotationQuery="+q("http.status_code=500 and error")+"&endTs=1767225600000&lookback=900000&limit=10",
		"/api/v2/trace/5f00000000000003", "/zipkin/api/v2/trace/ab000000000000000000000000000001", "/api/v2/trace/ab000000000000000000000000000004",
		"/api/v2/traceMany?traceIds=5f00000000000003,ab000000000000000000000000000002,77",
		"/api/v2/dependencies?endTs=1767225600000&lookback=3600000", "/zipkin/api/v2/dependencies?endTs=1767225600000",
		"/api/v2/autocompleteKeys", "/api/v2/autocompleteValues?key=http.status_code", "/api/v2/autocompleteValues?key=none",
		"/zipkin/config.json", "/zipkin/info", "/zipkin/health",
	))
}

func TestZipkinSearch(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	f := func(query, want string) {
		t.Helper()
		code, body := get(t, h, "/api/v2/traces?"+query)
		var traces [][]struct{ TraceID string }
		if err := json.Unmarshal([]byte(body), &traces); err != nil {
			t.Fatal(code, err, body)
		}
		got := ""
		for _, spans := range traces {
			got += spans[0].TraceID[len(spans[0].TraceID)-1:]
		}
		if got != want {
			t.Errorf("%s: found %q, want %q", query, got, want)
		}
	}
	q := url.QueryEscape
	f("", "132")
	f("limit=2", "13")
	f("serviceName=shop", "12")
	f("serviceName=shop&lookback=864000000", "124")
	f("serviceName=shop&lookback=60000", "1")
	f("serviceName=shop&lookback=59999", "1") // a span 10 ms later is of it too
	f("endTs=1767225000000", "2")             // that millisecond is within
	f("endTs=1767224999999", "")
	f("serviceName=shop&spanName="+q("GET /"), "2")
	f("serviceName=shop&spanName=get", "")
	f("remoteServiceName=back", "3")
	f("serviceName=front&remoteServiceName=back", "3")
	f("serviceName=shop&remoteServiceName=back", "")
	f("annotationQuery=error", "12")
	f("annotationQuery="+q("http.status_code=500 and error"), "2")
	f("annotationQuery=plain", "1")
	f("annotationQuery=http.status_code", "12")
	f("annotationQuery="+q("cached=false"), "1")
	f("minDuration=5000&maxDuration=5000", "2")
	f("minDuration=120000", "1")
	f("minDuration=120001", "")
	f("maxDuration=1", "1")
}

func TestZipkinErrors(t *testing.T) {
	h := newSpansAPI(t, someSpans())
	f := func(target string, code int, want string) {
		t.Helper()
		if got, body := get(t, h, "/api/v2/"+target); got != code || body != want {
			t.Errorf("%s\n got %d %s\nwant %d %s", target, got, body, code, want)
		}
	}
	f("spans", 400, "serviceName is required")
	f("remoteServices", 400, "serviceName is required")
	f("trace/77", 404, "77 not found")
	f("trace/g", 400, `"g" is no trace id: it has other characters than hexadecimal digits`)
	f("traceMany", 400, "traceIds parameter is empty")
	f("traceMany?traceIds=7,07", 400, "redundant traceId: 0000000000000007")
	f("traceMany?traceIds=7", 400, "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace")
	f("traces?limit=2000", 400, "unable to parse param 'limit': 2000 is too much, at most 1500 are allowed")
	f("traces?minDuration=2&maxDuration=1", 400, "maxDuration < minDuration")
	f("traces?minDuration=1s", 400, `unable to parse param 'minDuration': "1s" is not a whole number`)
	f("traces?annotationQuery=%3D5", 400, `annotationQuery has a condition without a name: "=5"`)
	f("traces?annotationQuery="+url.QueryEscape(strings.Repeat("a and ", 100)+"a"), 400, "annotationQuery has 101 conditions: at most 100 are allowed")
	f("dependencies", 400, "endTs is required: milliseconds since the epoch")
	f("dependencies?endTs=x", 400, `unable to parse param 'endTs': "x" is not a whole number`)
	f("autocompleteValues", 400, "key is required")
}

func FuzzZipkinRequests(f *testing.F) {
	h := newSpansAPI(f, someSpans())
	for path, form := range map[string]string{
		"services": "", "spans": "serviceName=shop", "remoteServices": "serviceName=front", "trace/5f00000000000003": "", "traceMany": "traceIds=1,2",
		"traces":       "serviceName=shop&spanName=all&remoteServiceName=x&annotationQuery=a%20and%20b%3Dc&minDuration=1&maxDuration=5&endTs=1767225600000&lookback=100000&limit=3",
		"dependencies": "endTs=1767225600000&lookback=1", "autocompleteKeys": "", "autocompleteValues": "key=error",
	} {
		f.Add("/api/v2/"+path, form)
	}
	fuzzGets(f, h)
}
