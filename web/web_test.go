package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

const script = "export const a = 1;"

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func testFiles(t *testing.T) fstest.MapFS {
	t.Helper()
	return fstest.MapFS{
		"README":                {Data: []byte("how to build")},
		"index.html":            {Data: []byte("<!doctype html><html><head><title>Hulotte</title></head></html>")},
		"wall.html":             {Data: []byte("<!doctype html><html><head><title>Wall</title></head></html>")},
		"status.html":           {Data: []byte("<!doctype html><html><head><title>Status</title></head></html>")},
		"theme.js.br":           {Data: []byte("brotli of theme")},
		"theme.js.gz":           {Data: packed(t, "theme")},
		"assets/app-1a2b.js.br": {Data: []byte("brotli of app")},
		"assets/app-1a2b.js.gz": {Data: packed(t, script)},
		"assets/inter.woff2":    {Data: []byte("font")},
	}
}

func serve(t *testing.T, o Options, method, target string, header map[string]string) *http.Response {
	t.Helper()
	h, err := newHandler(testFiles(t), o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPathsAnswer(t *testing.T) {
	f := func(base, target string, status int, contentType string) {
		t.Helper()
		r := serve(t, Options{BasePath: base}, "GET", target, nil)
		if r.StatusCode != status {
			t.Errorf("base %q, GET %s: status %d, want %d", base, target, r.StatusCode, status)
		}
		if got := r.Header.Get("Content-Type"); got != contentType {
			t.Errorf("base %q, GET %s: type %q, want %q", base, target, got, contentType)
		}
	}
	const js, text = "text/javascript; charset=utf-8", "text/plain; charset=utf-8"
	f("", "/", 200, htmlType)
	f("", "/index.html", 200, htmlType)
	f("", "/explore/metrics?g0.expr=up", 200, htmlType)
	f("", "/hosts/web-1.example.com", 200, htmlType)
	f("", "/theme.js", 200, js)
	f("", "/assets/app-1a2b.js", 200, js)
	f("", "/assets/inter.woff2", 200, "font/woff2")
	f("", "/assets/app-old.js", 404, text)
	f("", "/assets/app-1a2b.js.gz", 404, text)
	f("", "/assets/", 200, htmlType) // no folder, no file: a path like any other
	f("", "/api", 404, text)
	f("", "/api/v1/unknown", 404, text)
	f("", "/README", 200, htmlType)
	f("", "/a/../assets/app-1a2b.js", 200, js)
	f("/obs", "/obs", 200, htmlType)
	f("/obs", "/obs/", 200, htmlType)
	f("/obs", "/obs/targets", 200, htmlType)
	f("/obs", "/obs/assets/app-1a2b.js", 200, js)
	f("/obs", "/obs/assets/gone.js", 404, text)
	f("/obs", "/assets/app-1a2b.js", 200, js) // a proxy that strips the prefix
	f("/obs", "/observatory", 200, htmlType)
	f("obs/", "/obs/theme.js", 200, js)
}

func TestPageCarriesItsBase(t *testing.T) {
	f := func(base, want string) {
		t.Helper()
		got := bodyOf(t, serve(t, Options{BasePath: base}, "GET", "/x", nil))
		if !strings.Contains(got, "<head>"+want+"<title>") {
			t.Errorf("base %q: page %q has no %q right after <head>", base, got, want)
		}
	}
	f("", `<base href="/">`)
	f("/", `<base href="/">`)
	f("/obs", `<base href="/obs/">`)
	f("/a/b/", `<base href="/a/b/">`)
	f("/it's&more", `<base href="/it&#39;s&amp;more/">`)
}

func TestPagesWithoutTheFrame(t *testing.T) {
	f := func(path, title string) {
		t.Helper()
		got := bodyOf(t, serve(t, Options{BasePath: "/obs"}, "GET", path, nil))
		if !strings.Contains(got, "<title>"+title+"</title>") || !strings.Contains(got, `<base href="/obs/">`) {
			t.Errorf("%s: got %q, want the page %q with its base", path, got, title)
		}
	}
	f("/obs/wall", "Wall")
	f("/wall", "Wall")
	f("/obs/wall/noc", "Wall")
	f("/obs/status/shop", "Status")
	f("/obs/status", "Hulotte") // no page without a name
	f("/obs/wallet", "Hulotte")
	f("/obs/wall.html", "Hulotte") // a page has one address
}

func TestBadOptionsAreRefused(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := newHandler(testFiles(t), o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", o, err, want)
		}
	}
	f(Options{BasePath: `/a"><script>`}, "base path")
	f(Options{BasePath: "/a b"}, "base path")
	f(Options{BasePath: "//evil.example"}, "base path")
	f(Options{FrameAncestors: []string{"portal; script-src *"}}, "frame ancestor")
	f(Options{FrameAncestors: []string{"portal"}}, "frame ancestor")
}

func TestEncodingIsNegotiated(t *testing.T) {
	f := func(accept, wantEncoding, wantBody string) {
		t.Helper()
		r := serve(t, Options{}, "GET", "/assets/app-1a2b.js", map[string]string{"Accept-Encoding": accept})
		if got := r.Header.Get("Content-Encoding"); got != wantEncoding {
			t.Errorf("Accept-Encoding %q: got encoding %q, want %q", accept, got, wantEncoding)
		}
		if got := r.Header.Get("Vary"); got != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: Vary %q", accept, got)
		}
		if got := bodyOf(t, r); got != wantBody {
			t.Errorf("Accept-Encoding %q: body %q, want %q", accept, got, wantBody)
		}
	}
	gz := string(packed(t, script))
	f("gzip, deflate, br, zstd", "br", "brotli of app")
	f("gzip, br;q=0", "gzip", gz)
	f("BR", "br", "brotli of app")
	f("gzip;q=0.5", "gzip", gz)
	f("*", "br", "brotli of app")
	f("*;q=0", "", script)
	f("*, br;q=0", "gzip", gz)
	f("br;q=nonsense", "", script)
	f("identity", "", script)
	f("", "", script)
}

func TestCaching(t *testing.T) {
	f := func(target, wantCache string) {
		t.Helper()
		first := serve(t, Options{}, "GET", target, map[string]string{"Accept-Encoding": "br"})
		if got := first.Header.Get("Cache-Control"); got != wantCache {
			t.Errorf("%s: Cache-Control %q, want %q", target, got, wantCache)
		}
		tag := first.Header.Get("ETag")
		for _, condition := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			r := serve(t, Options{}, "GET", target, map[string]string{"Accept-Encoding": "br", "If-None-Match": condition})
			if r.StatusCode != http.StatusNotModified || bodyOf(t, r) != "" {
				t.Errorf("%s: If-None-Match %s answered %d", target, condition, r.StatusCode)
			}
		}
		if r := serve(t, Options{}, "GET", target, map[string]string{"If-None-Match": `"other"`}); r.StatusCode != 200 {
			t.Errorf("%s: another tag answered %d", target, r.StatusCode)
		}
	}
	f("/assets/app-1a2b.js", "public, max-age=31536000, immutable")
	f("/assets/inter.woff2", "public, max-age=31536000, immutable")
	f("/theme.js", "no-cache")
	f("/targets", "no-cache")

	br := serve(t, Options{}, "GET", "/theme.js", map[string]string{"Accept-Encoding": "br"}).Header.Get("ETag")
	gz := serve(t, Options{}, "GET", "/theme.js", map[string]string{"Accept-Encoding": "gzip"}).Header.Get("ETag")
	if br == gz {
		t.Errorf("two encodings share the tag %s", br)
	}
}

func TestPolicyIsStrict(t *testing.T) {
	page := serve(t, Options{}, "GET", "/", nil).Header
	policy := page.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	for _, never := range []string{"unsafe", "nonce-", "*", "http:", "https:"} {
		if strings.Contains(policy, never) {
			t.Errorf("policy %q has %q", policy, never)
		}
	}
	if got := serve(t, Options{FrameAncestors: []string{"'self'", "https://portal.example.com"}}, "GET", "/", nil).Header.Get("Content-Security-Policy"); !strings.Contains(got, "frame-ancestors 'self' https://portal.example.com;") {
		t.Errorf("policy %q does not name the frame ancestors", got)
	}
	for _, target := range []string{"/", "/theme.js", "/assets/none.js", "/api/x"} {
		if got := serve(t, Options{}, "GET", target, nil).Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options %q", target, got)
		}
	}
}

func TestMethods(t *testing.T) {
	head := serve(t, Options{}, "HEAD", "/assets/app-1a2b.js", map[string]string{"Accept-Encoding": "br"})
	if head.StatusCode != 200 || head.Header.Get("Content-Length") != "13" || bodyOf(t, head) != "" {
		t.Errorf("HEAD answered %d, length %s", head.StatusCode, head.Header.Get("Content-Length"))
	}
	post := serve(t, Options{}, "POST", "/", nil)
	if post.StatusCode != http.StatusMethodNotAllowed || post.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST answered %d, Allow %q", post.StatusCode, post.Header.Get("Allow"))
	}
}

func TestWithoutABuild(t *testing.T) {
	h, err := newHandler(fstest.MapFS{"README": {Data: []byte("how to build")}}, Options{BasePath: "/obs"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/obs/targets", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "make web") {
		t.Errorf("answered %d %q, want a page that says `make web`", w.Code, w.Body)
	}
}

func TestEmbeddedFilesLoad(t *testing.T) {
	if _, err := Handler(Options{BasePath: "/obs"}); err != nil {
		t.Fatal(err)
	}
}
