package probe

import (
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// site is a web server for tests.
func site(t testing.TB) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Last-Modified", "Tue, 10 Nov 2009 23:00:00 GMT")
		fmt.Fprintf(w, "Hello, %s!", r.Host)
	})
	mux.HandleFunc("/code/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
	})
	mux.HandleFunc("/to/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.PathValue("n"), &n)
		if n == 0 {
			fmt.Fprint(w, "arrived")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/to/%d", n-1), http.StatusFound)
	})
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"ok","queue":17,"nodes":[{"name":"a","up":true},{"name":"b","up":true}],"odd.name":null}`)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %q %q %q", r.Method, r.Host, body, r.Header.Get("X-Test"), r.Header.Get("Authorization"), r.UserAgent())
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			http.Error(w, "not asked for", http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, "was compressed")
		z.Close()
	})
	mux.HandleFunc("/zeros", func(w http.ResponseWriter, _ *http.Request) {
		zeros := make([]byte, 1<<20)
		for range 3 {
			w.Write(zeros)
		}
	})
	s := httptest.NewUnstartedServer(mux)
	t.Cleanup(s.Close)
	return s
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestHTTP(t *testing.T) {
	s := site(t)
	s.Start()
	f := func(options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "http", address(s), options), status, output)
	}
	f(``, model.OK, "HTTP 200 OK, 23 B in ")
	f(`{"path":"/code/404"}`, model.Critical, "code 404 is not good here; HTTP 404 Not Found")
	f(`{"path":"/code/404","codes":["404"]}`, model.OK, "HTTP 404 Not Found")
	f(`{"path":"/code/503","codes":["2xx","500-510"]}`, model.OK, "HTTP 503")
	f(`{"path":"/to/3","contains":["arrived"]}`, model.OK, "HTTP 200 OK, 7 B in ")
	f(`{"path":"/to/3","redirects":3}`, model.OK, "HTTP 200 OK")
	f(`{"path":"/to/3","redirects":2}`, model.Critical, "more than 2 redirects, the last to http://"+address(s)+"/to/0")
	f(`{"path":"/to/3","redirects":-1}`, model.OK, "HTTP 302 Found")
	f(`{"path":"/to/3","redirects":-1,"codes":["200"]}`, model.Critical, "code 302 is not good here")
	f(`{"contains":["Hello"],"not_contains":["error"],"matches":["^Hel+o"],"not_matches":["(?i)fatal"]}`, model.OK, "HTTP 200")
	f(`{"contains":["Bye"]}`, model.Critical, `body does not contain "Bye"`)
	f(`{"not_contains":["Hello"]}`, model.Critical, `body contains "Hello"`)
	f(`{"matches":["^Bye"]}`, model.Critical, `body does not match "^Bye"`)
	f(`{"not_matches":["Hel+o"]}`, model.Critical, `body matches "Hel+o"`)
	f(`{"header_matches":{"Last-Modified":"2009"}}`, model.OK, "HTTP 200")
	f(`{"header_matches":{"X-Missing":"."}}`, model.Critical, `header X-Missing is "", which does not match "."`)
	f(`{"vhost":"example.com"}`, model.OK, "HTTP 200")
	f(`{"vhost":"example.com","contains":["Hello, example.com:"]}`, model.OK, "HTTP 200")
	f(`{"headers":{"host":"example.org:99"},"contains":["Hello, example.org:99!"]}`, model.OK, "HTTP 200")
	f(`{"url":"http://example.net/echo","address":"`+address(s)+`","contains":["GET example.net "]}`, model.OK, "HTTP 200")
	f(`{"url":"`+s.URL+`/echo","contains":["GET 127.0.0.1:"]}`, model.OK, "HTTP 200")
	f(`{"path":"/echo","body":"a=1","headers":{"X-Test":"yes"},"contains":["POST ","a=1","\"yes\"","\"Hulotte\""]}`, model.OK, "HTTP 200")
	f(`{"path":"/echo","method":"PUT","contains":["PUT "]}`, model.OK, "HTTP 200")
	f(`{"path":"/echo","username":"joe","password":"secret","contains":["Basic am9lOnNlY3JldA=="]}`, model.OK, "HTTP 200")
	f(`{"path":"/echo","bearer_token":"tok","contains":["Bearer tok"]}`, model.OK, "HTTP 200")
	f(`{"path":"/echo","bearer_token_file":"/nowhere"}`, model.Unknown, "bearer_token_file: open /nowhere")
	f(`{"path":"/gzip","contains":["was compressed"]}`, model.OK, "HTTP 200")
	f(`{"path":"/gzip","compression":"gzip","contains":["was compressed"]}`, model.OK, "HTTP 200")
	f(`{"path":"/gzip","compression":"none"}`, model.Critical, "code 406")
	f(`{"path":"/zeros"}`, model.OK, "HTTP 200 OK, more than 1.05 MB in ")
	f(`{"path":"/zeros","body_limit":4194304}`, model.OK, "HTTP 200 OK, 3.15 MB in ")
	f(`{"path":"/zeros","contains":["x"]}`, model.Critical, `body's first 1.05 MB does not contain "x"`)
	f(`{"size":"100:"}`, model.Warning, "body has 23 B (warning 100:)")
	f(`{"http_version":"2"}`, model.Critical, "")
	f(`{"tls":true}`, model.Critical, "the other side does not speak TLS")
}

func TestHTTPJSON(t *testing.T) {
	s := site(t)
	s.Start()
	f := func(conditions string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "http", address(s), `{"path":"/json","json":[`+conditions+`]}`), status, output)
	}
	f(`{"path":"$.status","equals":"ok"},{"path":"$.nodes[*].up","equals":true},{"path":"$.nodes[-1].name","matches":"^b$"},{"path":"$['odd.name']","equals":null},{"path":"$.nodes.length()","equals":2}`, model.OK, "HTTP 200")
	f(`{"path":"$.status","equals":"fine"}`, model.Critical, `$.status is "ok", not "fine"`)
	f(`{"path":"$.status","not_equals":"ok"}`, model.Critical, `$.status is "ok"`)
	f(`{"path":"$.nothing"}`, model.Critical, "there is no $.nothing in the answer")
	f(`{"path":"$.status","absent":true}`, model.Critical, "though it should not be there")
	f(`{"path":"$.queue","warn":10,"crit":20}`, model.Warning, "$.queue is 17 (warning 10)")
	f(`{"path":"$.queue","warn":5,"crit":10}`, model.Critical, "$.queue is 17 (critical 10)")
	f(`{"path":"$.status","warn":5}`, model.Critical, `$.status is "ok", which is no number`)
	want(t, ask(t, "http", address(s), `{"json":[{"path":"$.a"}]}`), model.Critical, "body is no JSON")
	refuses(t, "http", `{"json":[{"path":"status"}]}`, "json[0]: path: ")
	refuses(t, "http", `{"json":[{"path":"$.a..b"}]}`, "json[0]: path: ")
	refuses(t, "http", `{"json":[{"path":"$[x]"}]}`, "json[0]: path: ")
}

func TestHTTPOptions(t *testing.T) {
	f := func(options, why string) { t.Helper(); refuses(t, "http", options, why) }
	f(`{"url":"ftp://x"}`, "url: ")
	f(`{"codes":["9"]}`, `codes: "9"`)
	f(`{"matches":["("]}`, "matches: ")
	f(`{"not_matches":["("]}`, "not_matches: ")
	f(`{"header_matches":{"A":"("}}`, "header_matches: A: ")
	f(`{"method":"G T"}`, "method: ")
	f(`{"body":"a","body_file":"b"}`, "body and body_file")
	f(`{"body_limit":1000000000}`, "body_limit: ")
	f(`{"compression":"lzma"}`, "compression: ")
	f(`{"http_version":"3"}`, "http_version: ")
	f(`{"username":"a","bearer_token":"b"}`, "username and bearer_token")
	f(`{"password":"a"}`, "username: declare it")
	f(`{"proxy":"x"}`, "proxy: ")
	f(`{"path":"/%zz"}`, "path: ")
}

func TestHTTPMetrics(t *testing.T) {
	s := site(t)
	s.EnableHTTP2 = true
	s.StartTLS()
	r := ask(t, "http", address(s), `{"tls":true,"insecure_skip_verify":true,"path":"/to/2"}`)
	want(t, r, model.OK, "; certificate ends in ")
	for name, value := range map[string]float64{"probe_http_status_code": 200, "probe_http_redirects": 2, "probe_http_ssl": 1, "probe_http_version": 2,
		"probe_http_content_length": 7, "probe_http_uncompressed_body_length": 7, "probe_failed_due_to_regex": 0, "probe_success": 1, "probe_ip_protocol": 4} {
		if got := sample(t, r, name); got != value {
			t.Errorf("%s is %v, not %v", name, got, value)
		}
	}
	for _, phase := range []string{"connect", "tls", "processing", "transfer"} {
		if sample(t, r, "probe_http_duration_seconds", "phase="+phase) <= 0 {
			t.Errorf("phase %s took no time", phase)
		}
	}
	sample(t, r, "probe_ssl_earliest_cert_expiry")
	sample(t, r, "probe_tls_version_info", "version=TLS 1.3")
	if !strings.Contains(r.Long, "certificate 1: ") {
		t.Errorf("long output is %q", r.Long)
	}
	seen := map[string]bool{}
	for _, m := range r.Metrics {
		key := m.Name + model.FormatLabels(m.Labels)
		if seen[key] || m.Help == "" {
			t.Errorf("%s is there twice, or has no help", key)
		}
		seen[key] = true
	}
}

func TestHTTPCertificates(t *testing.T) {
	ca := newAuthority(t)
	day := 24 * time.Hour
	start := func(c tls.Certificate) string {
		s := site(t)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		s.StartTLS()
		return address(s)
	}
	f := func(server, options string, status model.Status, output string) {
		t.Helper()
		want(t, ask(t, "http", server, `{"tls":true,"ca_file":"`+ca.file+`"`+options+`}`), status, output)
	}
	now := time.Now()
	good := start(ca.issue(t, "127.0.0.1", "www.example.com"))
	f(good, ``, model.OK, "certificate ends in 89 days")
	f(good, `,"vhost":"www.example.com"`, model.OK, "certificate ends in 89 days")
	f(good, `,"server_name":"www.example.com"`, model.OK, "certificate ends in 89 days")
	f(good, `,"server_name":"other.example.com"`, model.Critical, "certificate is for another name: ")
	f(good, `,"server_name":"other.example.com","insecure_skip_verify":true`, model.OK, "HTTP 200")
	f(good, `,"warn_days":100`, model.Warning, "certificate of 127.0.0.1 ends in 89 days")
	f(good, `,"crit_days":100`, model.Critical, "certificate of 127.0.0.1 ends in 89 days")
	soon := start(ca.issueFor(t, now.Add(-80*day), now.Add(10*day+time.Hour), "127.0.0.1"))
	f(soon, ``, model.Warning, "ends in 10 days")
	f(soon, `,"warn_days":-1`, model.OK, "HTTP 200")
	short := start(ca.issueFor(t, now.Add(-2*day), now.Add(4*day), "127.0.0.1"))
	f(short, ``, model.OK, "certificate ends in")
	over := start(ca.issueFor(t, now.Add(-80*day), now.Add(-3*day), "127.0.0.1"))
	f(over, ``, model.Critical, "certificate of 127.0.0.1 ended 3 days ago")
	f(over, `,"insecure_skip_verify":true`, model.Critical, "certificate of 127.0.0.1 ended 3 days ago")
	want(t, ask(t, "http", good, `{"tls":true}`), model.Critical, "authority that is not known here")
	want(t, ask(t, "http", good, `{"tls":true,"ca_file":"/nowhere"}`), model.Unknown, "ca_file: ")
}

func TestHTTPClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	s := site(t)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	s.StartTLS()
	cert, key := write(t, ca.issue(t, "client"))
	want(t, ask(t, "http", address(s), `{"tls":true,"ca_file":"`+ca.file+`","cert_file":"`+cert+`","key_file":"`+key+`"}`), model.OK, "HTTP 200")
	want(t, ask(t, "http", address(s), `{"tls":true,"ca_file":"`+ca.file+`"}`), model.Critical, "certificate")
	want(t, ask(t, "http", address(s), `{"tls":true,"ca_file":"`+ca.file+`","min_tls_version":"1.3"}`), model.Critical, "protocol version")
}

func TestHTTPProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "proxied %s", r.URL) }))
	t.Cleanup(proxy.Close)
	want(t, ask(t, "http", "example.com", `{"proxy":"`+proxy.URL+`","contains":["proxied http://example.com/"]}`), model.OK, "HTTP 200")
}

func TestHTTPSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := site(t)
	s.Listener.Close()
	var err error
	if s.Listener, err = listenUnix(path); err != nil {
		t.Fatal(err)
	}
	s.Start()
	want(t, ask(t, "http", "unix:"+path, `{"contains":["Hello, localhost!"]}`), model.OK, "HTTP 200")
}

func TestSecretFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("tok\nmore"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := site(t)
	s.Start()
	want(t, ask(t, "http", address(s), `{"path":"/echo","bearer_token_file":"`+file+`","contains":["Bearer tok\""]}`), model.OK, "HTTP 200")
}

func FuzzJSONPath(f *testing.F) {
	for _, s := range []string{"$.a", "$[0]['b'].length()", "$.*[*]", "$[-1]"} {
		f.Add(s)
	}
	document := map[string]any{"a": []any{1.0, "x", map[string]any{"b": nil}}}
	f.Fuzz(func(_ *testing.T, path string) {
		if steps, err := parsePath(path); err == nil {
			follow(document, steps)
		}
	})
}
