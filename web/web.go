// Package web serves the user interface: a single-page application that `npm run build` writes to dist, and that the binary embeds.
//
// Everything comes from our own origin and nothing is evaluated from text, so the content security policy is static and strict, and
// answers can be cached: assets carry a hash in their name and are immutable, the page itself is revalidated on each visit.
// What compresses is embedded as Brotli and gzip only; a client that takes neither gets the gzip unpacked.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed all:dist
var dist embed.FS

// Options of Handler. The zero value serves at the root of the host.
type Options struct {
	// BasePath is the path that the application lives under as browsers see it ("/obs"), usually the path of the external URL. Requests
	// may arrive with or without it, since some proxies strip it.
	BasePath string
	// FrameAncestors are the origins that may show pages in a frame, as in the Content-Security-Policy directive of that name
	// ("https://portal.example.com"). None may by default.
	FrameAncestors []string
}

// Handler serves the embedded user interface. Paths that belong to no file answer the application's page, which routes in the browser;
// missing files below assets/ and everything below api/ answer 404, so that a browser never takes a page for a script.
// Without a build in dist it answers a page that says how to make one.
func Handler(o Options) (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("cannot open the embedded user interface: %w", err)
	}
	return newHandler(files, o)
}

// Built reports whether the binary contains the user interface.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}

type handler struct {
	base   string // "" or "/obs"
	assets map[string]*asset
	index  *asset
	alone  map[string]*asset // pages without the application's frame, by the first element of their path
	header http.Header       // on every answer
	page   http.Header       // besides, on the page
}

func newHandler(files fs.FS, o Options) (*handler, error) {
	base, err := cleanBase(o.BasePath)
	if err != nil {
		return nil, err
	}
	ancestors, err := frameAncestors(o.FrameAncestors)
	if err != nil {
		return nil, err
	}
	h := &handler{base: base, assets: map[string]*asset{}, alone: map[string]*asset{}, header: commonHeader(), page: pageHeader(ancestors)}
	if err := h.load(files); err != nil {
		return nil, fmt.Errorf("cannot read the embedded user interface: %w", err)
	}
	return h, nil
}

// cleanBase brings a base path into the form "" or "/obs".
func cleanBase(p string) (string, error) {
	if p == "" || p == "/" {
		return "", nil
	}
	if strings.ContainsAny(p, "\"<>?#\\ \t\r\n") || strings.Contains(p, "//") {
		return "", fmt.Errorf("base path %q: want a plain path such as /hulotte", p)
	}
	clean := path.Clean("/" + p)
	if clean == "/" {
		return "", nil
	}
	return clean, nil
}

func frameAncestors(origins []string) (string, error) {
	if len(origins) == 0 {
		return "'none'", nil
	}
	for _, o := range origins {
		if o == "'self'" || o == "'none'" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || strings.ContainsAny(o, ";, \t\r\n") {
			return "", fmt.Errorf("frame ancestor %q: want an origin such as https://portal.example.com, or 'self'", o)
		}
	}
	return strings.Join(origins, " "), nil
}

func (h *handler) load(files fs.FS) error {
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || name == "README" {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		h.add(name, body)
		return nil
	})
	if err != nil {
		return err
	}
	if h.index = h.takePage("index.html"); h.index == nil {
		h.index = &asset{contentType: htmlType, plain: newBody([]byte(stubPage))}
	}
	for _, name := range []string{"wall", "status"} {
		if p := h.takePage(name + ".html"); p != nil {
			h.alone[name] = p
		}
	}
	return nil
}

// takePage makes a page of a file, which is served under its own name no more; nil without the file.
func (h *handler) takePage(name string) *asset {
	p := h.assets[name]
	if p == nil {
		return nil
	}
	delete(h.assets, name)
	// The browser resolves every address of the page against <base>: scripts and styles in the build, links and requests while it runs.
	tag := `<head><base href="` + html.EscapeString(h.base+"/") + `">`
	p.plain = newBody(bytes.Replace(p.plain.bytes, []byte("<head>"), []byte(tag), 1))
	return p
}

// pageFor is the page that a path belongs to: the wall, a public status page, or the application.
func (h *handler) pageFor(name string) *asset {
	first, rest, _ := strings.Cut(name, "/")
	if p, ok := h.alone[first]; ok && (first != "status" || rest != "") {
		return p
	}
	return h.index
}

// add takes a file in one of its forms: app.js, app.js.br or app.js.gz.
func (h *handler) add(name string, content []byte) {
	real, form := name, path.Ext(name)
	if form == ".br" || form == ".gz" {
		real = strings.TrimSuffix(name, form)
	}
	a := h.assets[real]
	if a == nil {
		a = &asset{contentType: contentType(real), immutable: strings.HasPrefix(real, "assets/")}
		h.assets[real] = a
	}
	switch form {
	case ".br":
		a.br = newBody(content)
	case ".gz":
		a.gz = newBody(content)
	default:
		a.plain = newBody(content)
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setAll(w.Header(), h.header)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := h.name(r.URL.Path)
	if a, ok := h.assets[name]; ok {
		h.serve(w, r, a)
		return
	}
	if strings.HasPrefix(name, "assets/") || name == "api" || strings.HasPrefix(name, "api/") {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "404 not found", http.StatusNotFound)
		return
	}
	setAll(w.Header(), h.page)
	h.serve(w, r, h.pageFor(name))
}

// name is the path within the application: no base path, no leading slash, cleaned of dots.
func (h *handler) name(p string) string {
	p = path.Clean("/" + p)
	if rest, ok := strings.CutPrefix(p, h.base); ok && (rest == "" || rest[0] == '/') {
		p = rest
	}
	return strings.TrimPrefix(p, "/")
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, a *asset) {
	b, encoding, err := a.negotiate(r.Header.Values("Accept-Encoding"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	head := w.Header()
	head.Set("Content-Type", a.contentType)
	head.Set("ETag", b.etag)
	head.Set("Cache-Control", "no-cache")
	if a.immutable {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if a.br != nil || a.gz != nil {
		head.Set("Vary", "Accept-Encoding")
	}
	if matches(r.Header.Get("If-None-Match"), b.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if encoding != "" {
		head.Set("Content-Encoding", encoding)
	}
	head.Set("Content-Length", strconv.Itoa(len(b.bytes)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(b.bytes) // the client went away: nobody to tell
}

// matches reports whether an If-None-Match header names the tag (RFC 9110 section 13.1.2: weak comparison, a list or *).
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}

// asset is one file in the forms that it is stored in.
type asset struct {
	contentType   string
	immutable     bool
	plain, br, gz *body

	unpack sync.Once
	err    error
}

// body is what is sent, with its own strong tag: each form of a file is a representation of its own (RFC 9110 section 8.8.3.3).
type body struct {
	bytes []byte
	etag  string
}

func newBody(b []byte) *body {
	sum := sha256.Sum256(b)
	return &body{bytes: b, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

// negotiate picks the smallest form that the client takes.
func (a *asset) negotiate(acceptEncoding []string) (*body, string, error) {
	if a.br != nil && accepts(acceptEncoding, "br") {
		return a.br, "br", nil
	}
	if a.gz != nil && accepts(acceptEncoding, "gzip") {
		return a.gz, "gzip", nil
	}
	a.unpack.Do(func() {
		if a.plain == nil {
			a.plain, a.err = unpacked(a.gz)
		}
	})
	return a.plain, "", a.err
}

func unpacked(gz *body) (*body, error) {
	if gz == nil {
		return nil, errors.New("web: a file is embedded as Brotli alone")
	}
	r, err := gzip.NewReader(bytes.NewReader(gz.bytes))
	if err != nil {
		return nil, fmt.Errorf("cannot unpack an embedded file: %w", err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("cannot unpack an embedded file: %w", err)
	}
	return newBody(b), nil
}

// accepts reports whether Accept-Encoding allows a coding: named, or by *, with a weight above zero (RFC 9110 section 12.5.3).
func accepts(headers []string, coding string) bool {
	star := false
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			name, params, _ := strings.Cut(strings.TrimSpace(item), ";")
			name = strings.TrimSpace(name)
			if strings.EqualFold(name, coding) {
				return weight(params) > 0
			}
			if name == "*" {
				star = weight(params) > 0
			}
		}
	}
	return star
}

func weight(params string) float64 {
	key, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(key), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return 0
	}
	return q
}

func setAll(to, from http.Header) {
	for k, v := range from {
		to[k] = v
	}
}
