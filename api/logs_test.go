package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
)

func TestLogHistogram(t *testing.T) {
	h := newLogsAPI(t, nil, someLines...)
	f := func(params string, want ...string) {
		t.Helper()
		code, body := get(t, h, "/api/hulotte/v1/logs/histogram?"+params)
		if code != 200 {
			t.Fatalf("%s: %d %s", params, code, body)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: no %s in %s", params, w, body)
			}
		}
	}
	all := "query=" + url.QueryEscape(`{}`)
	f(all+"&since=1m&step=15", `"start":1767225540,"end":1767225600,"step":15,"by":"detected_level"`,
		`"series":[{"value":"error","counts":[0,1,0,0]},{"value":"warn","counts":[0,0,1,0]},{"value":"info","counts":[1,0,0,1]},{"value":"unknown","counts":[0,0,1,0]}],"total":5`)
	f(all+"&since=1m&step=15&by=app", `"series":[{"value":"web","counts":[1,1,1,1]},{"value":"db","counts":[0,0,1,0]}]`)
	f(all+"&since=1m&buckets=7", `"step":10,`)
	f("query="+url.QueryEscape(`{app="web"} |= "/b"`)+"&since=1m&step=30", `"series":[{"value":"error","counts":[1,0]}],"total":1`)
	// A record at the very start or end of a step belongs to the later one.
	f(all+"&start=1767225550&end=1767225560&step=10", `"total":1`, `"counts":[1]`)
	f(all+"&start=1767225555&end=1767225565&step=10", `"start":1767225550,"end":1767225570`)
}

func TestLogHistogramErrors(t *testing.T) {
	h := newLogsAPI(t, nil)
	f := func(params, want string) {
		t.Helper()
		if code, body := get(t, h, "/api/hulotte/v1/logs/histogram?"+params); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", params, code, body)
		}
	}
	f("query={", `"error":"parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER"`)
	f("query=vector(1)%2Bvector(1)", "only log queries")
	f("query={}&step=1ms", "3600000 steps: at most 2000")
	f("query={}&step=1us", "at least 1ms")
	f("query={}&by=a)b", "a name has letters")
	f("query={}&buckets=9999", "buckets")
}

func TestRoundStep(t *testing.T) {
	f := func(in, want time.Duration) {
		t.Helper()
		if got := roundStep(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	f(0, time.Millisecond)
	f(time.Second, time.Second)
	f(36*time.Second, time.Minute)
	f(31*24*time.Hour, 60*24*time.Hour)
}

// many is records of a small shop: every 10 s a request of each kind, and in the last minute something new.
func many() []line {
	var out []line
	for i := range 600 {
		ago := time.Duration(i) * 12 * time.Second // two hours
		out = append(out,
			line{"app=web", ago, fmt.Sprintf(`{"level":"info","msg":"request done","path":"/a/%d","status":200,"took":"%dms"}`, i, i%50), "detected_level=info,trace_id=" + fmt.Sprintf("%032x", i)},
			line{"app=db", ago + 1, fmt.Sprintf(`checkpoint %d complete: wrote %d buffers`, i, i*7), "detected_level=info"})
	}
	return append(out, line{"app=db", 5 * time.Second, "disk /dev/sda1 failed", "detected_level=error"}, line{"app=db", 4 * time.Second, "disk /dev/sdb7 failed", "detected_level=error"})
}

func TestLogAnswersGolden(t *testing.T) {
	h := newLogsAPI(t, nil, append(many(), someLines...)...)
	var out bytes.Buffer
	q := url.QueryEscape
	for _, target := range []string{
		"/api/hulotte/v1/logs/patterns?step=20m&query=" + q(`{app=~"web|db"}`),
		"/api/hulotte/v1/logs/patterns?step=30m&compare=false&limit=1&lines=100&query=" + q(`{app="db"}`),
		"/loki/api/v1/patterns?step=1200&query=" + q(`{app="db"}`),
		"/loki/api/v1/detected_fields?query=" + q(`{app="web"}`), "/loki/api/v1/detected_fields?limit=1&line_limit=10&query=" + q(`{app="web"}`),
		"/loki/api/v1/detected_field/status/values?query=" + q(`{app="web"}`), "/loki/api/v1/detected_field/took/values?limit=3&query=" + q(`{app="web"}`),
		"/api/hulotte/v1/logs/facets?limit=2&query=" + q(`{}`), "/api/hulotte/v1/logs/facets?field=status&query=" + q(`{}`),
		"/api/hulotte/v1/logs/facets?limit=1&fields=3&lines=32&query=" + q(`{app="db"}`), "/api/hulotte/v1/logs/facets?field=took&search=4m&query=" + q(`{}`),
	} {
		code, body := get(t, h, target)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(body), "", " "); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v %s", target, code, err, body)
		}
		text, _ := url.QueryUnescape(target)
		out.WriteString("GET " + text + "\n" + pretty.String() + "\n\n")
	}
	golden(t, "logs.txt", withoutTimes(out.String()))
}

// A pattern that was there before, but that the sample of that window missed, is not new.
func TestPatternNewIsAsked(t *testing.T) {
	lines := many()
	lines = append(lines, line{"app=db", 90 * time.Minute, "disk /dev/sdc1 failed", "detected_level=error"})
	asked := ""
	h := newLogsAPI(t, func(o *Options) { o.Logs.LogQL = spyScan{o.Logs.LogQL, &asked} }, lines...)
	_, body := get(t, h, "/api/hulotte/v1/logs/patterns?lines=40&query="+url.QueryEscape(`{app="db"}`))
	if want := "{app=\"db\"}\n|> `disk <_> failed`"; asked != want || strings.Contains(body, `"isNew":true`) {
		t.Errorf("asked %q, want %q: %s", asked, want, body)
	}
}

// spyScan answers questions about patterns with yes.
type spyScan struct {
	LogQL
	asked *string
}

func (s spyScan) Scan(ctx context.Context, q logql.Request, f func(labels.Labels, logql.Entry) error) (logql.Stats, error) {
	if strings.Contains(q.Query, "|>") {
		*s.asked = q.Query
		return logql.Stats{}, f(labels.EmptyLabels(), logql.Entry{})
	}
	return s.LogQL.Scan(ctx, q, f)
}

func TestLogContext(t *testing.T) {
	var lines []line
	for i := range 50 {
		lines = append(lines, line{"app=a", time.Duration(50-i) * time.Second, fmt.Sprint("line ", i), fmt.Sprint("n=", i)},
			line{"app=a,more=b", time.Duration(50-i) * time.Second, "another stream", ""})
	}
	lines = append(lines, line{"app=a", 0, "same", "n=a"}, line{"app=a", 0, "other", ""}, line{"app=a", 0, "same", "n=b"})
	h := newLogsAPI(t, nil, lines...)
	f := func(params, want string) {
		t.Helper()
		code, body := get(t, h, "/api/hulotte/v1/logs/context?stream="+url.QueryEscape(`{app="a"}`)+"&"+params)
		var got struct{ Data contextJSON }
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("%s: %d %s", params, code, body)
		}
		text := func(list []entryJSON) string {
			var out []string
			for _, e := range list {
				out = append(out, fmt.Sprint(e.Line, "#", e.N, e.Metadata["n"]))
			}
			return strings.Join(out, ",")
		}
		at := "nothing"
		if got.Data.At != nil {
			at = text([]entryJSON{*got.Data.At})
		}
		if is := fmt.Sprintf("%s [%s] %s %v %v", text(got.Data.Before), at, text(got.Data.After), got.Data.MoreBefore, got.Data.MoreAfter); is != want {
			t.Errorf("%s\n got %s\nwant %s", params, is, want)
		}
	}
	ns := func(ago time.Duration) string { return fmt.Sprint("time=", clock.Add(-ago).UnixNano()) }
	f(ns(25*time.Second)+"&before=2&after=2", "line 23#023,line 24#024 [line 25#025] line 26#026,line 27#027 true true")
	f(ns(50*time.Second)+"&before=2&after=1", " [line 0#00] line 1#01 false true")
	f(ns(0)+"&before=1&after=5&line=same", "line 49#049 [same#0a] other#0,same#1b true false")
	f(ns(0)+"&before=2&after=5&line=same&n=1", "same#0a,other#0 [same#1b]  true false")
	f(ns(0)+"&before=1&after=1&line=gone", "same#1b [nothing]  true false")
	f(ns(24500*time.Millisecond)+"&before=1&after=1", "line 25#025 [nothing] line 26#026 true true")
	f(ns(25*time.Second)+"&before=0&after=0", " [line 25#025]  true true")
	for params, want := range map[string]string{"stream={app=~\"a\"}&time=1": "with = only", "stream={}": "parameter \\\"time\\\"", "time=1&before=-1": "too small"} {
		if code, body := get(t, h, "/api/hulotte/v1/logs/context?"+params); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", params, code, body)
		}
	}
}

func TestLogDownload(t *testing.T) {
	h := newLogsAPI(t, nil, append([]line{{"app=x", time.Second, "=1+1", "v=-5"}}, someLines...)...)
	f := func(params, kind, want string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/api/hulotte/v1/logs/download?since=1m&"+params, nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.String() != want {
			t.Errorf("%s: %d %s\n got %q\nwant %q", params, w.Code, w.Header(), w.Body, want)
		}
	}
	q := "query=" + url.QueryEscape(`{app="x"}`)
	f(q, "application/x-ndjson", `{"time":"2025-12-31T23:59:59.000000000Z","line":"=1+1","stream":{"app":"x"},"metadata":{"v":"-5"},"parsed":{}}`+"\n")
	f(q+"&format=csv", "text/csv", "time,line,app\n2025-12-31T23:59:59.000000000Z,'=1+1,x\n")
	f(q+"&format=csv&fields=v,nothing", "text/csv", "time,line,v,nothing\n2025-12-31T23:59:59.000000000Z,'=1+1,-5,\n")
	f(q+"&format=text&timestamps=1", "text/plain", "2025-12-31T23:59:59.000000000Z =1+1\n")
	q = "query=" + url.QueryEscape(`{app="web"}`)
	f(q+"&format=text", "text/plain", "GET /a 200\nGET /b 500 \"x\"\ntwo\nlines \xff\nGET /c 200\n")
	f(q+"&format=text&direction=backward&limit=1", "text/plain", "GET /c 200\n")
	for params, want := range map[string]string{"format=xls&" + q: "use ndjson, text or csv", "query={": "parse error", q + "&limit=99999999": "limit"} {
		if code, body := get(t, h, "/api/hulotte/v1/logs/download?"+params); code != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", params, code, body)
		}
	}
}

// A download that fails on its way breaks off; one that fails before says why.
func TestLogDownloadFails(t *testing.T) {
	for _, lines := range []int{0, 5000} {
		h := newLogsAPI(t, func(o *Options) { o.Logs.LogQL = brokenScan{o.Logs.LogQL, lines} })
		w := httptest.NewRecorder()
		broke := func() (broke bool) {
			defer func() { broke = recover() == http.ErrAbortHandler }() //nolint:errorlint // a panic's value
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/hulotte/v1/logs/download?query={}", nil))
			return false
		}()
		if broke != (lines > 0) || lines == 0 && (w.Code != 500 || !strings.Contains(w.Body.String(), "block 7")) {
			t.Errorf("%d lines: %v %d %s", lines, broke, w.Code, cutText(w.Body.String(), 300))
		}
	}
}

type brokenScan struct {
	LogQL
	lines int
}

func (s brokenScan) Scan(_ context.Context, _ logql.Request, f func(labels.Labels, logql.Entry) error) (logql.Stats, error) {
	for range s.lines {
		if err := f(labels.EmptyLabels(), logql.Entry{Line: "some text that is long enough"}); err != nil {
			return logql.Stats{}, err
		}
	}
	return logql.Stats{}, model.NewError(model.Corrupt, "block 7 cannot be read")
}
