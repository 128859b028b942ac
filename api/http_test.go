package api

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/model"
)

// do sends a request with headers ("Name", "value", ...) and returns the whole response.
func do(t testing.TB, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const formType = "application/x-www-form-urlencoded"

func TestErrorsAreJSON(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) {
		o.Limits = Limits{MaxQueryBytes: 200, MaxSelectors: 3, MaxMatchers: 4, MaxPoints: 10, MaxBodyBytes: 1000}
	})
	f := func(method, target, body string, status int, kind, text string) {
		t.Helper()
		w := do(t, h, method, target, body, "Content-Type", formType)
		want := `{"status":"error","errorType":"` + kind + `","error":"`
		if w.Code != status || !strings.HasPrefix(w.Body.String(), want) || !strings.Contains(w.Body.String(), text) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s, want %d %s… %s", method, target, w.Code, w.Body, status, want, text)
		}
	}
	long := strings.Repeat("x", 201)
	f("GET", "/api/v1/nothing", "", 404, "not_found", "no such endpoint")
	f("GET", "/api/", "", 404, "not_found", "no such endpoint")
	f("DELETE", "/api/v1/query", "", 405, "bad_data", "use GET, POST")
	f("GET", "/api/v1/write", "", 405, "bad_data", "use POST")
	f("POST", "/api/v1/write", "", 404, "not_found", "remote write is not served")
	f("POST", "/api/v1/otlp/v1/metrics", "", 404, "not_found", "/api/v1/write")
	f("GET", "/api/v1/query?query="+long, "", 400, "bad_data", "at most 200 are allowed")
	f("GET", "/api/v1/parse_query?query="+long, "", 400, "bad_data", "at most 200 are allowed")
	f("GET", "/api/v1/query_exemplars?query="+long, "", 400, "bad_data", "at most 200 are allowed")
	f("GET", "/api/v1/series?match[]="+long, "", 400, "bad_data", "at most 200 are allowed")
	f("GET", "/api/v1/labels?match[]=a&match[]=a&match[]=a&match[]=a", "", 400, "bad_data", "at most 3 are allowed")
	f("GET", "/api/v1/labels?match[]="+url.QueryEscape(`{a="1",b="1",c="1",d="1",e="1"}`), "", 400, "bad_data", "at most 4 are allowed")
	f("GET", "/api/v1/query_range?query=1&start=0&end=11&step=1", "", 400, "bad_data", "maximum resolution of 10 points")
	f("GET", "/api/v1/query?query="+strings.Repeat("a", 1100), "", 413, "bad_data", "the URL is larger than 1000 bytes")
	f("POST", "/api/v1/query", "query="+strings.Repeat("a", 1100), 413, "bad_data", "the form in the body is larger than 1000 bytes")
	f("POST", "/api/v1/query", "query=%zz", 400, "bad_data", "error parsing form values")
	f("GET", "/api/v1/query?query=1;2", "", 400, "bad_data", "error parsing form values")
	f("GET", "/api/v1/status/runtimeinfo", "", 404, "not_found", "not served")
	f("GET", "/api/v1/query?query=1&time=1e30", "", 400, "bad_data", "outside of the times")
	f("GET", "/api/v1/query?query=1&time=NaN", "", 400, "bad_data", "cannot parse")
}

func TestEndpointsOutsideOfTheJSONAPI(t *testing.T) {
	reload, ready := error(nil), true
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) {
		o.Reload = func() error { return reload }
		o.Ready = func() bool { return ready }
		o.UI = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	})
	f := func(method, target string, status int, body string) {
		t.Helper()
		if w := do(t, h, method, target, ""); w.Code != status || w.Body.String() != body {
			t.Errorf("%s %s: %d %q, want %d %q", method, target, w.Code, w.Body, status, body)
		}
	}
	f("GET", "/-/healthy", 200, "Hulotte is Healthy.\n")
	f("GET", "/-/ready", 200, "Hulotte is Ready.\n")
	f("POST", "/-/reload", 200, "")
	f("PUT", "/-/reload", 200, "")
	f("GET", "/hosts/a", 200, "page /hosts/a")
	f("GET", "/-/quit", 404, "404 page not found\n")
	ready, reload = false, errors.New("line 3: no such key")
	f("GET", "/-/ready", 503, "Service Unavailable")
	f("POST", "/-/reload", 500, "failed to reload config: line 3: no such key\n")
	if w := do(t, h, "GET", "/-/reload", ""); w.Code != 405 {
		t.Errorf("GET /-/reload: %d", w.Code)
	}
}

func TestTenants(t *testing.T) {
	series := loadSeries(t, threeSeries)
	h := newTestAPI(t, series, func(o *Options) {
		o.Tenants = testTenants{"red": series}
		o.RemoteWrite = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, model.Tenant(r.Context())) })
		o.Rules = someRules{}
	})
	f := func(method, target string, status int, text string, header ...string) {
		t.Helper()
		if w := do(t, h, method, target, "", header...); w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s %v: %d %s, want %d %s", target, header, w.Code, w.Body, status, text)
		}
	}
	const name, query = "X-Scope-OrgID", "/api/v1/query?query=count(up)&time=60"
	f("GET", query, 200, `"result":[{"metric":{},"value":[60,"2"]}]`, name, "red")
	f("GET", query, 200, `"result":[]`)
	f("GET", query, 200, `"result":[]`, name, "blue")
	f("GET", query, 400, "tenant name", name, "../red")
	f("GET", query, 400, "tenant name", name, "")
	f("GET", query, 400, "send one", name, "red", name, "blue")
	f("GET", "/federate?match[]=up", 400, "tenant name", name, "a/b")
	f("POST", "/api/v1/read", 400, "tenant name", name, "a/b")
	f("POST", "/api/v1/write", 400, "tenant name", name, "a/b")
	f("POST", "/api/v1/write", 200, "red", name, "red")
	f("POST", "/api/v1/write", 200, "default")
	f("GET", "/api/v1/rules", 200, "Firing")
	f("GET", "/api/v1/rules", 200, `{"groups":[]}`, name, "red")
	f("GET", "/api/v1/alerts", 200, `{"alerts":[]}`, name, "red")
}

func TestNegotiateEncoding(t *testing.T) {
	f := func(header, want string) {
		t.Helper()
		if got := negotiateEncoding(header); got != want {
			t.Errorf("%q: got %q want %q", header, got, want)
		}
	}
	f("", "")
	f("identity", "")
	f("gzip", "gzip")
	f("GZIP ; q=0.5", "gzip")
	f("gzip, deflate, br, zstd", "zstd")
	f("gzip;q=1, zstd;q=0.9", "gzip")
	f("gzip;q=0", "")
	f("gzip;q=0, zstd", "zstd")
	f("*", "zstd")
	f("*;q=0.1, gzip;q=0.2", "gzip")
	f("*;q=0", "")
	f("zstd;q=0, *", "gzip")
	f("gzip;q=abc", "")
	f("gzip;q=NaN", "")
	f("gzip;q=2", "")
	f(strings.Repeat(",", 1001), "")
}

func decompress(t *testing.T, encoding string, body []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		r, err = zstd.NewReader(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCompression(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), nil)
	const large = "/api/v1/query_range?query=up&start=0&end=600&step=1"
	want := do(t, h, "GET", large, "").Body.String()
	for _, encoding := range []string{"gzip", "zstd"} {
		for range 3 { // the pool gives the same encoder again
			w := do(t, h, "GET", large, "", "Accept-Encoding", encoding)
			if w.Header().Get("Content-Encoding") != encoding || w.Header().Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s: header %v", encoding, w.Header())
			}
			if w.Body.Len() > len(want)/4 || decompress(t, encoding, w.Body.Bytes()) != want {
				t.Errorf("%s: %d bytes for %d", encoding, w.Body.Len(), len(want))
			}
		}
		w := do(t, h, "GET", "/api/v1/query?query=1&time=1", "", "Accept-Encoding", encoding)
		if w.Header().Get("Content-Encoding") != "" || w.Header().Get("Content-Length") == "" || !strings.Contains(w.Body.String(), "scalar") {
			t.Errorf("a small answer: %v %s", w.Header(), w.Body)
		}
		w = do(t, h, "GET", "/api/v1/query?query="+strings.Repeat("(", 3000), "", "Accept-Encoding", encoding)
		if w.Code != 400 {
			t.Errorf("an error: %d", w.Code)
		}
	}
}

func TestEventStreamsAreNotHeldBack(t *testing.T) {
	a := &api{metrics: newMetrics(nil)}
	h := a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		if got := w.(*compressedWriter).ResponseWriter.(*httptest.ResponseRecorder).Body.String(); got != "data: 1\n\n" {
			t.Errorf("after the flush: %q", got)
		}
	}))
	w := do(t, h, "GET", "/", "", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "" || !w.Flushed {
		t.Errorf("header %v, flushed %v", w.Header(), w.Flushed)
	}
}

// An answer that breaks off must not look whole.
func TestPanicLeavesCompressionOpen(t *testing.T) {
	a := &api{metrics: newMetrics(nil)}
	h := a.compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		panic(http.ErrAbortHandler)
	}))
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler { //nolint:errorlint // the value itself
				t.Error("the panic is gone")
			}
		}()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		h.ServeHTTP(w, r)
	}()
	if z, err := gzip.NewReader(w.Body); err == nil {
		if _, err := io.ReadAll(z); err == nil {
			t.Error("the broken answer reads as a whole one")
		}
	}
}

func TestCompressedForms(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) { o.Limits.MaxBodyBytes = 2000 })
	pack := func(encoding, s string) string {
		var b bytes.Buffer
		var w io.WriteCloser = gzip.NewWriter(&b)
		if encoding == "zstd" {
			w, _ = zstd.NewWriter(&b)
		}
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return b.String()
	}
	f := func(encoding, body string, status int, text string) {
		t.Helper()
		w := do(t, h, "POST", "/api/v1/query", body, "Content-Type", formType, "Content-Encoding", encoding)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %s, want %d %s", encoding, w.Code, w.Body, status, text)
		}
	}
	for _, e := range []string{"gzip", "zstd"} {
		f(e, pack(e, "query=1%2B1&time=1"), 200, `[1,"2"]`)
		f(e, pack(e, "query="+strings.Repeat("1", 100_000)), 413, "larger than 2000 bytes")
		f(e, "query=1", 400, "error")
		f(e, pack(e, "query=1%2B1&time=1")[:12], 400, "error")
	}
	f("br", "query=1", 415, "use gzip, zstd or none")
	f("identity", "query=1&time=1", 200, `[1,"1"]`)
}

func TestOrigins(t *testing.T) {
	called := 0
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) {
		o.AllowedOrigins = []string{"https://grafana.example.org"}
		o.Reload = func() error { called++; return nil }
	})
	f := func(origin, allowed string) {
		t.Helper()
		w := do(t, h, "GET", "/api/v1/query?query=1", "", "Origin", origin)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != allowed || w.Code != 200 {
			t.Errorf("%s: allowed %q, code %d", origin, got, w.Code)
		}
		w = do(t, h, "OPTIONS", "/api/v1/query", "", "Origin", origin)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != allowed || w.Code != 204 {
			t.Errorf("preflight of %s: allowed %q, code %d", origin, got, w.Code)
		}
	}
	f("https://grafana.example.org", "https://grafana.example.org")
	f("https://evil.example.org", "")
	if w := do(t, h, "POST", "/-/reload", "", "Origin", "https://evil.example.org", "Sec-Fetch-Site", "cross-site"); w.Code != 403 || called != 0 {
		t.Errorf("another site reloads: %d", w.Code)
	}
	if w := do(t, h, "POST", "/-/reload", "", "Origin", "https://grafana.example.org", "Sec-Fetch-Site", "cross-site"); w.Code != 200 || called != 1 {
		t.Errorf("an allowed site does not reload: %d", w.Code)
	}
	if w := do(t, h, "POST", "/-/reload", ""); w.Code != 200 || called != 2 {
		t.Errorf("curl does not reload: %d", w.Code)
	}
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"0", "1.5", "-1e300", "NaN", "2026-01-01T00:00:00Z", "5m", "1h30m", "9223372036", "-292273086-05-16T16:47:06Z", "1e-9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := parseTime(s); err == nil && (v.Before(minTime()) || v.After(maxTime())) && v.Year() > 0 && v.Year() < 10_000 {
			t.Errorf("%q is %v", s, v)
		}
		_, _ = parseDuration(s)
		_ = negotiateEncoding(s)
		_ = acceptsJSON(s)
	})
}

func FuzzRequests(f *testing.F) {
	h := newTestAPI(f, loadSeries(f, threeSeries), func(o *Options) { o.Limits.MaxPoints = 100 })
	for _, path := range []string{"/api/v1/query", "/api/v1/query_range", "/api/v1/series", "/api/v1/labels", "/api/v1/label/x/values", "/api/v1/rules", "/api/v1/parse_query", "/federate"} {
		f.Add(path, "query=up&match[]=up&start=0&end=60&step=15", "gzip", "red")
	}
	f.Fuzz(func(t *testing.T, path, form, encoding, tenant string) {
		target := &url.URL{Path: path}
		if !strings.HasPrefix(path, "/") || len(form) > 2000 {
			return
		}
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest("GET", "/", strings.NewReader(form))
			r.Method, r.URL = method, target
			r.URL.RawQuery = form
			r.Header.Set("Content-Type", formType)
			r.Header.Set("Accept-Encoding", encoding)
			r.Header.Set("Content-Encoding", encoding)
			r.Header.Set("X-Scope-OrgID", tenant)
			r.Header.Set("Accept", encoding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != 503 {
				t.Errorf("%s %s?%s: %d %s", method, path, form, w.Code, w.Body)
			}
		}
	})
}
