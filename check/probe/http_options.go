package probe

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
)

// httpOptions are those of the kind http.
type httpOptions struct {
	targetOptions
	URL      string            `json:"url,omitempty" doc:"whole URL, instead of tls, vhost, port and path; the host's address is then not used, unless address is declared"`
	TLS      bool              `json:"tls,omitempty" doc:"https"`
	Vhost    string            `json:"vhost,omitempty" doc:"name of the site, for the Host header and TLS, when it is not the address"`
	Path     string            `json:"path,omitempty" doc:"path and query; / when nothing is declared"`
	Method   string            `json:"method,omitempty" doc:"GET when nothing is declared, POST with a body"`
	Headers  map[string]string `json:"headers,omitempty" doc:"headers to send"`
	Body     string            `json:"body,omitempty" doc:"body to send"`
	BodyFrom string            `json:"body_file,omitempty" doc:"file with the body to send"`

	Codes         []text            `json:"codes,omitempty" doc:"codes that are good: 200, 2xx or 200-299; 2xx when nothing is declared, and 3xx when redirects are not followed"`
	Redirects     int               `json:"redirects,omitempty" doc:"how many redirects are followed: 10 when nothing is declared, -1 for none"`
	Contains      []string          `json:"contains,omitempty" doc:"texts that the body must contain"`
	NotContains   []string          `json:"not_contains,omitempty" doc:"texts that it must not contain"`
	Matches       []string          `json:"matches,omitempty" doc:"regular expressions that the body must match"`
	NotMatches    []string          `json:"not_matches,omitempty" doc:"regular expressions that it must not match"`
	HeaderMatches map[string]string `json:"header_matches,omitempty" doc:"regular expressions that headers of the answer must match, by header"`
	JSON          []jsonCondition   `json:"json,omitempty" doc:"what values in a JSON body must be"`
	Size          check.Range       `json:"size,omitempty" doc:"how many bytes the body must have: WARNING outside this range"`
	BodyLimit     int64             `json:"body_limit,omitempty" doc:"how many bytes of the body are read; 1048576 when nothing is declared, at most 67108864"`
	Compression   string            `json:"compression,omitempty" doc:"gzip, br, zstd, deflate or none (identity) to ask for; gzip is understood when nothing is declared"`
	HTTPVersion   text              `json:"http_version,omitempty" doc:"1.1 or 2 to ask for that version only"`

	Username     string `json:"username,omitempty" doc:"user for basic authentication"`
	Password     string `json:"password,omitempty" doc:"its password"`
	PasswordFile string `json:"password_file,omitempty" doc:"file with the password"`
	Token        string `json:"bearer_token,omitempty" doc:"bearer token"`
	TokenFile    string `json:"bearer_token_file,omitempty" doc:"file with the bearer token"`
	Proxy        string `json:"proxy,omitempty" doc:"URL of a proxy: http, https or socks5"`
	tlsOptions
}

const (
	usualBodyLimit = 1 << 20
	maxBodyLimit   = 64 << 20
	// maxHeaders is how many bytes of headers are read: some applications set dozens of cookies.
	maxHeaders = 256 << 10
)

// codeRange is codes from first to last.
type codeRange struct{ first, last int }

func parseCodes(texts []text) ([]codeRange, error) {
	var codes []codeRange
	for _, t := range texts {
		text := string(t)
		from, to, isRange := strings.Cut(text, "-")
		if len(text) == 3 && strings.HasSuffix(strings.ToLower(text), "xx") {
			from, to, isRange = text[:1]+"00", text[:1]+"99", true
		}
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || first < 100 || last > 599 || first > last {
			return nil, fmt.Errorf("codes: %q: write 200, 2xx or 200-299", text)
		}
		codes = append(codes, codeRange{first, last})
	}
	return codes, nil
}

func compileAll(option string, texts []string) ([]*regexp.Regexp, error) {
	var all []*regexp.Regexp
	for _, text := range texts {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", option, err)
		}
		all = append(all, re)
	}
	return all, nil
}

func newHTTP(p check.Params, o *httpOptions, shared Options) (check.Prober, error) {
	k := &httpProbe{o: o, agent: shared.UserAgent, limit: o.BodyLimit}
	if k.agent == "" {
		k.agent = "Hulotte"
	}
	steps := []func() error{
		func() error { return k.setURL(p) },
		o.validate,
		k.setLimits,
		k.setConditions,
		k.setAuthentication,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &prober{timeout: p.Timeout, ask: k.ask}, nil
}

// setURL decides what is asked for, and where to connect for it.
func (k *httpProbe) setURL(p check.Params) error {
	o := k.o
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("url: %q: write it like https://example.com/path", o.URL)
		}
		k.url = u
		place := o.targetOptions
		if place.Address == "" {
			place.Address = u.Hostname()
		}
		port := 80
		if u.Scheme == "https" {
			port = 443
		}
		if n, err := strconv.Atoi(u.Port()); err == nil {
			port = n
		}
		if k.at, err = place.target(p, port); err != nil {
			return err
		}
		if site := o.site(); site != "" {
			u.Host = authority(site, port, u.Scheme)
		}
		return nil
	}
	port, scheme := 80, "http"
	if o.TLS {
		port, scheme = 443, "https"
	}
	t, err := o.target(p, port)
	if err != nil {
		return err
	}
	k.at = t
	path := o.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	site := o.site()
	switch {
	case site != "":
	case t.socket != "":
		site = "localhost"
	default:
		site = t.host
	}
	k.url, err = url.Parse(scheme + "://" + authority(site, t.port, scheme) + path)
	if err != nil {
		return fmt.Errorf("path: %w", err)
	}
	return nil
}

// site is the declared name of the site: what the Host header and TLS name.
func (o *httpOptions) site() string {
	for name, value := range o.Headers {
		if o.Vhost == "" && strings.EqualFold(name, "Host") {
			return value
		}
	}
	return o.Vhost
}

// authority is host:port, without the port when it is the scheme's own.
func authority(host string, port int, scheme string) string {
	if strings.Contains(host, ":") {
		if _, _, err := net.SplitHostPort(host); err == nil {
			return host
		}
		host = "[" + strings.Trim(host, "[]") + "]"
	}
	if port == 0 || port == 80 && scheme == "http" || port == 443 && scheme == "https" {
		return host
	}
	return fmt.Sprintf("%s:%d", host, port)
}

func (k *httpProbe) setLimits() error {
	o := k.o
	if k.limit == 0 {
		k.limit = usualBodyLimit
	}
	if k.limit < 0 || k.limit > maxBodyLimit {
		return fmt.Errorf("body_limit: %d: write a number from 1 to %d", o.BodyLimit, maxBodyLimit)
	}
	switch {
	case o.Redirects == 0:
		k.redirects = 10
	case o.Redirects > 0:
		k.redirects = o.Redirects
	}
	if !slices.Contains([]string{"", "gzip", "br", "zstd", "deflate", "none", "identity"}, o.Compression) {
		return fmt.Errorf("compression: %q: write gzip, br, zstd, deflate or none", o.Compression)
	}
	if !slices.Contains([]text{"", "1.1", "2"}, o.HTTPVersion) {
		return fmt.Errorf("http_version: %q: write 1.1 or 2", o.HTTPVersion)
	}
	k.method = o.Method
	if k.method == "" {
		k.method = http.MethodGet
		if o.Body != "" || o.BodyFrom != "" {
			k.method = http.MethodPost
		}
	}
	if _, err := http.NewRequest(k.method, k.url.String(), http.NoBody); err != nil {
		return fmt.Errorf("method: %w", err)
	}
	if o.Body != "" && o.BodyFrom != "" {
		return errors.New("body and body_file: declare one of them")
	}
	return nil
}

func (k *httpProbe) setConditions() error {
	o := k.o
	var err error
	if k.codes, err = parseCodes(o.Codes); err != nil {
		return err
	}
	if len(k.codes) == 0 {
		k.codes = []codeRange{{200, 299}}
		if k.redirects == 0 {
			k.codes = []codeRange{{200, 399}}
		}
	}
	if k.matches, err = compileAll("matches", o.Matches); err != nil {
		return err
	}
	if k.notMatches, err = compileAll("not_matches", o.NotMatches); err != nil {
		return err
	}
	k.headers = map[string]*regexp.Regexp{}
	for name, text := range o.HeaderMatches {
		re, err := regexp.Compile(text)
		if err != nil {
			return fmt.Errorf("header_matches: %s: %w", name, err)
		}
		k.headers[name] = re
	}
	for i := range o.JSON {
		if err := o.JSON[i].prepare(); err != nil {
			return fmt.Errorf("json[%d]: %w", i, err)
		}
	}
	return nil
}

func (k *httpProbe) setAuthentication() error {
	o := k.o
	basic, bearer := o.Username != "", o.Token != "" || o.TokenFile != ""
	switch {
	case basic && bearer:
		return errors.New("username and bearer_token: declare one of them")
	case !basic && (o.Password != "" || o.PasswordFile != ""):
		return errors.New("username: declare it with the password")
	case o.Password != "" && o.PasswordFile != "" || o.Token != "" && o.TokenFile != "":
		return errors.New("a secret: declare it, or its file, not both")
	}
	if o.Proxy != "" {
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return errors.New("proxy: write it like http://proxy:3128 or socks5://proxy:1080")
		}
		k.proxy = u
	}
	return nil
}

// secret is the declared text, or the first line of the file. A file is read each time, so that a rotated secret counts.
func secret(text, file, option string) (string, error) {
	if file == "" {
		return text, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", notAsked("%s: %w", option, err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimRight(line, "\r"), nil
}
