package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

// newLogsAPI returns the API over some log records.
func newLogsAPI(t testing.TB, change func(*Options), lines ...line) http.Handler {
	t.Helper()
	tenants := &eventstest.Tenants{}
	fill(t, tenants.Tenant("default"), lines...)
	return newTestAPI(t, emptySeries{}, func(o *Options) {
		o.Logs = Logs{Events: tenants, LogQL: newLogQL(tenants)}
		o.Build = BuildInfo{Version: "0.1.0", Revision: "abc", GoVersion: "go1.26"}
		if change != nil {
			change(o)
		}
	})
}

var someLines = []line{
	{"app=web,env=prod", 50 * time.Second, `GET /a 200`, "detected_level=info"},
	{"app=web,env=prod", 40 * time.Second, `GET /b 500 "x"`, "detected_level=error,trace_id=abc"},
	{"app=web,env=dev", 30 * time.Second, "two\nlines \xff", ""},
	{"app=db,env=prod", 20 * time.Second, `slow query`, "detected_level=warn"},
	{"app=web,env=prod", 10 * time.Second, `GET /c 200`, "detected_level=info"},
	{"app=web,env=prod", 2 * time.Hour, `GET /old 200`, "detected_level=info"},
}

func getWith(t testing.TB, h http.Handler, target, header, value string) (int, http.Header, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set(header, value)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

var measured = regexp.MustCompile(`"(execTime|queueTime|seconds|bytesProcessedPerSecond|linesProcessedPerSecond)": ?[0-9.e-]+`)

// withoutTimes makes what was measured comparable.
func withoutTimes(text string) string { return measured.ReplaceAllString(text, `"$1": 0`) }

func TestLokiGolden(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	var out bytes.Buffer
	q := url.QueryEscape
	for _, target := range []string{
		"/loki/api/v1/query_range?query=" + q(`{app="web"}`),
		"/loki/api/v1/query_range?query=" + q(`{app="web"}`) + "&direction=forward&limit=2&start=2025-12-31T20:00:00Z",
		"/loki/api/v1/query_range?encoding_flags=categorize-labels&query=" + q(`{app="web"}`),
		"/loki/api/v1/query_range?query=" + q(`{app="web"} |= "GET /b"`),
		"/loki/api/v1/query_range?query=" + q(`{app="none"}`),
		"/loki/api/v1/query_range?query=" + q(`vector(1)+vector(1)`) + "&step=1200", "/loki/api/v1/query_range?query=" + q(`1+1`) + "&start=1767225600&end=1767225600",
		"/loki/api/v1/query?query=" + q(`vector(1)+vector(1)`) + "&time=4000000000",
		"/loki/api/v1/query?query=" + q(`{app="db"}`),
		"/loki/api/v1/labels", "/loki/api/v1/label?query=" + q(`{app="none"}`),
		"/loki/api/v1/label/app/values", "/loki/api/v1/label/app/values?query=" + q(`{env="dev"}`), "/loki/api/v1/label/none/values",
		"/loki/api/v1/label/env/values?start=1767225575000000000", "/api/prom/label", "/api/prom/label/env/values?since=25s",
		"/loki/api/v1/series?match[]=" + q(`{app="web"}`) + "&match[]=" + q(`{env="prod"}`), "/loki/api/v1/series", "/loki/api/v1/series?match=" + q(`{app="db"}`),
		"/loki/api/v1/index/stats?query=" + q(`{app="web"}`), "/loki/api/v1/index/stats?query=" + q(`{}`) + "&start=1767218300&end=1767218400",
		"/loki/api/v1/index/volume?query=" + q(`{env=~".+"}`), "/loki/api/v1/index/volume?query=" + q(`{}`) + "&limit=1",
		"/loki/api/v1/index/volume?query=" + q(`{app="web"}`) + "&targetLabels=env,app", "/loki/api/v1/index/volume?query=" + q(`{app=~".+"}`) + "&aggregateBy=labels&targetLabels=env",
		"/loki/api/v1/index/volume?query=&aggregateBy=labels",
		"/loki/api/v1/index/volume_range?query=" + q(`{app=~".+"}`) + "&start=1767225540&end=1767225600&step=15",
		"/loki/api/v1/detected_labels?query=" + q(`{app="web"}`),
		"/loki/api/v1/format_query?query=" + q(`vector(1)+vector(1)`),
		"/loki/api/v1/status/buildinfo", "/loki/api/v1/drilldown-limits",
	} {
		code, body := get(t, h, target)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(body), "", " "); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v %s", target, code, err, body)
		}
		text, _ := url.QueryUnescape(target)
		out.WriteString("GET " + text + "\n" + pretty.String() + "\n\n")
	}
	golden(t, "loki.txt", withoutTimes(out.String()))
}

// Both ways of sending parameters are the same.
func TestLokiPost(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	for _, path := range []string{"query_range", "index/stats", "index/volume", "labels", "series"} {
		form := "query=" + url.QueryEscape(`{app="web"}`) + "&match[]=" + url.QueryEscape(`{app="web"}`)
		_, one := get(t, h, "/loki/api/v1/"+path+"?"+form)
		code, other := post(t, h, "/loki/api/v1/"+path, form)
		if code != 200 || withoutTimes(one) != withoutTimes(other) {
			t.Errorf("%s: %d %s\nGET  %s", path, code, other, one)
		}
	}
}

func TestLokiTenant(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	f := func(tenant string, wantCode int, want string) {
		t.Helper()
		if code, _, body := getWith(t, h, "/loki/api/v1/labels", model.TenantHeader, tenant); code != wantCode || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", tenant, code, body)
		}
	}
	f("default", 200, `["app","env"]`)
	f("other", 200, `"data":[]`)
	f("a/b", 400, `tenant name "a/b" has the character '/'`)
}

func TestLokiErrors(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	sel := url.QueryEscape(`{app="web"}`)
	f := func(target string, wantCode int, want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/loki/api/v1/"+target, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != wantCode || w.Body.String() != want+"\n" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
			t.Errorf("%s\n got %d %q %s\nwant %d %s", target, w.Code, w.Header().Get("Content-Type"), w.Body, wantCode, want)
		}
	}
	f("query_range?query={", 400, "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER")
	f("query_range", 400, `invalid parameter "query": it is missing or empty`)
	f("query_range?start=x&query="+sel, 400, `invalid parameter "start": cannot parse "x" as a time: use nanoseconds, seconds with a fraction or RFC 3339`)
	f("query_range?start=2500-01-01T00:00:00Z&query="+sel, 400, `invalid parameter "start": the time "2500-01-01T00:00:00Z" is outside of the years 1678 to 2261`)
	f("query_range?start=2&end=1&query="+sel, 400, `end timestamp must not be before or equal to start time`)
	f("query_range?start=2&end=2&query="+sel, 400, `end timestamp must not be before or equal to start time`)
	f("query_range?start=0&query="+sel, 400, `the query time range exceeds the limit (query length: 490896h0m0s, limit: 87840h0m0s)`)
	f("query_range?limit=5001&query="+sel, 400, `max entries limit per query exceeded, limit > max_entries_limit_per_query (5001 > 5000)`)
	f("query_range?limit=0&query="+sel, 400, `invalid parameter "limit": 0 is too small: at least 1`)
	f("query_range?limit=x&query="+sel, 400, `invalid parameter "limit": "x" is not a whole number`)
	f("query_range?direction=up&query="+sel, 400, `invalid parameter "direction": "up": use forward or backward`)
	f("query_range?interval=-1&query="+sel, 400, `invalid parameter "interval": it must not be negative`)
	f("query_range?step=0&query=vector(1)%2Bvector(1)", 400, `zero or negative query resolution step widths are not accepted. Try a positive integer`)
	f("query_range?step=1ms&query=vector(1)%2Bvector(1)", 400, `exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter`)
	f("index/volume?aggregateBy=x&query="+sel, 400, `invalid parameter "aggregateBy": use series or labels`)
	f("index/stats?query=vector(1)%2Bvector(1)", 400, `only label matchers are supported, such as {job="web"}: this is a metric query`)
	f("format_query?query={", 400, "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER")
	f("series?match[]={", 400, "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER")
	h = newLogsAPI(t, func(o *Options) { o.Logs = Logs{} })
	f("labels", 404, "this process keeps no logs")
}

func TestLokiEngineErrors(t *testing.T) {
	f := func(err error, wantCode int, want string) {
		t.Helper()
		h := newLogsAPI(t, func(o *Options) { o.Logs.LogQL = failing{o.Logs.LogQL, err} })
		code, body := get(t, h, "/loki/api/v1/query_range?query="+url.QueryEscape(`{a="b"}`))
		if code != wantCode || !strings.HasPrefix(body, want) {
			t.Errorf("%v: got %d %s, want %d %s", err, code, body, wantCode, want)
		}
	}
	f(fmt.Errorf("cannot wait: %w", context.DeadlineExceeded), 504, "Request timed out, decrease the duration")
	f(model.NewError(model.Limit, "maximum of series (500) reached for a single query"), 400, "maximum of series")
	f(busyError{errTest}, 429, "too many queries wait")
	f(model.NewError(model.Unavailable, "the medium is away"), 503, "the medium is away")
	f(model.NewError(model.Corrupt, "block 7 cannot be read"), 500, "block 7")
	f(errTest, 500, "too many queries wait")
}

func TestLokiCancelled(t *testing.T) {
	h := newLogsAPI(t, func(o *Options) { o.Logs.LogQL = failing{o.Logs.LogQL, context.Canceled} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/loki/api/v1/query_range?query="+url.QueryEscape(`{a="b"}`), nil))
	if w.Code != 499 || w.Body.String() != "The request was cancelled by the client.\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestLokiTimes(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, err := lokiTime(in)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v %v, want %s", in, got, err, want)
		}
	}
	f("1767225600", "2026-01-01T00:00:00Z")
	f("1767225600000000001", "2026-01-01T00:00:00.000000001Z")
	f("1767225600.123456", "2026-01-01T00:00:00.123456Z")
	f("1.7672256e9", "2026-01-01T00:00:00Z")
	f("2026-01-01T00:00:00.123456789+01:00", "2025-12-31T23:00:00.123456789Z")
	f("-1", "1969-12-31T23:59:59Z")
	for _, bad := range []string{"", "x", "NaN", "1e30", "-1e300", "2026-01-01", "0001-01-01T00:00:00Z", "99999999999999999999999"} {
		if got, err := lokiTime(bad); err == nil {
			t.Errorf("%s: no error but %v", bad, got)
		}
	}
}

// Entries that differ in what is stored with them, or what the query made, are streams of their own; equal ones are
// one stream even when they come from two.
func TestMergedStreams(t *testing.T) {
	streams := []logql.Stream{
		{Labels: labelsOf("a=1"), Entries: []logql.Entry{
			{Time: 4, Line: "d", Structured: labelsOf("m=1")}, {Time: 3, Line: "c", Structured: labelsOf("m=2")}, {Time: 2, Line: "b", Structured: labelsOf("m=1")}, {Time: 1, Line: "a"},
		}},
		{Labels: labelsOf("a=2"), Entries: []logql.Entry{{Time: 5, Line: "e", Parsed: labelsOf("a=1")}, {Time: 0, Line: "z", Structured: labelsOf("b=x"), Parsed: labelsOf("b=y")}}},
	}
	var got strings.Builder
	for _, s := range mergedStreams(streams) {
		fmt.Fprint(&got, s.Labels, " ")
		for _, e := range s.Entries {
			got.WriteString(e.Line)
		}
		got.WriteString("\n")
	}
	want := `{a="1"} ae` + "\n" + `{a="1", m="1"} db` + "\n" + `{a="1", m="2"} c` + "\n" + `{a="2", b="y"} z` + "\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}
