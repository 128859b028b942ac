package services

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// webOptions are the options of services that are asked over HTTP.
type webOptions struct {
	URL                string `json:"url" doc:"address of the page, such as http://127.0.0.1:8080/status, when it is not the usual one; a path alone (/status) goes to the service's address"`
	Host               string `json:"host" doc:"Host header to send, when the page belongs to a virtual host"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify" doc:"accept any certificate, such as a self-signed one"`
}

// website asks one server over HTTP. Nothing is kept open between requests, redirects are not followed (the credentials would go with
// them) and environment proxies not used (the service is near).
type website struct {
	client *http.Client
	base   url.URL
	host   string
	creds  Credentials
	hint   string // what to do when the page is missing or refused
}

// newWebsite goes to o.URL, or to path at the target's address.
func newWebsite(t Target, o webOptions, path, hint string) (*website, error) {
	raw := o.URL
	if raw == "" {
		raw = path
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("option url: %w", err)
	}
	network, address := splitAddress(t.Address)
	if u.Host == "" {
		if !strings.HasPrefix(raw, "/") {
			return nil, fmt.Errorf("option url: %q is neither a whole address (http://...) nor a path (/...)", raw)
		}
		u.Scheme, u.Host = "http", address
		if network == "unix" {
			u.Host = "localhost"
		} else if _, port, err := net.SplitHostPort(address); err != nil {
			return nil, fmt.Errorf("address %q: %w", address, err)
		} else if port == "443" || port == "8443" {
			u.Scheme = "https"
		}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("option url: %q has the scheme %q: use http or https", raw, u.Scheme)
	}
	if u.User != nil && t.Credentials == (Credentials{}) {
		t.Credentials.Username = u.User.Username()
		t.Credentials.Password, _ = u.User.Password()
	}
	u.User = nil
	transport := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: o.InsecureSkipVerify}, //nolint:gosec // asked for
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			if network == "unix" && o.URL == "" || network == "unix" && strings.HasPrefix(o.URL, "/") {
				addr = t.Address
			}
			return dialPlain(ctx, addr)
		},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &website{client: client, base: *u, host: o.Host, creds: t.Credentials, hint: hint}, nil
}

// get returns a page: that of the base when ref is empty, else ref ("/x?y", "?y") from there.
func (w *website) get(ctx context.Context, ref string) ([]byte, error) {
	u := w.base
	if ref != "" {
		r, err := url.Parse(ref)
		if err != nil {
			return nil, err
		}
		if path := r.Path; strings.HasPrefix(path, "/") { // beneath what the base says, as behind a proxy
			r.Path = strings.TrimSuffix(u.Path, "/") + path
		}
		u = *u.ResolveReference(r)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return w.do(req)
}

// do sends a request and returns the page.
func (w *website) do(req *http.Request) ([]byte, error) {
	req.Host = w.host
	if w.creds != (Credentials{}) {
		password, err := w.creds.password()
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(w.creds.Username, password)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, unwrapURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &statusError{path: req.URL.RequestURI(), code: resp.StatusCode, hint: w.hint}
	}
	body, err := readAll(resp.Body, maxAnswerBytes)
	if err != nil {
		return nil, fmt.Errorf("page %s: %w", req.URL.RequestURI(), err)
	}
	return body, nil
}

// object reads a page that is a JSON object.
func (w *website) object(ctx context.Context, ref string) (object, error) {
	body, err := w.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	o, err := readObject(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return o, nil
}

// list reads a page that is a JSON list of objects.
func (w *website) list(ctx context.Context, ref string) ([]object, error) {
	body, err := w.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	var items []any
	if err := json.Unmarshal(body, &items); err != nil {
		return nil, fmt.Errorf("%s: the page is not a JSON list: it begins with %s", ref, excerpt(string(body)))
	}
	return objects(items), nil
}

// statusError is an answer that is not the page.
type statusError struct {
	path string
	code int
	hint string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("page %s answers %d %s", e.path, e.code, http.StatusText(e.code))
	if e.hint != "" {
		text += ": " + e.hint
	}
	return text
}

// statusCode returns the HTTP status of an error, 0 when it has none.
func statusCode(err error) int {
	var e *statusError
	if errors.As(err, &e) {
		return e.code
	}
	return 0
}

// unwrapURL takes the address off an error: who reports it says it already, and a URL may hold a secret.
func unwrapURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
