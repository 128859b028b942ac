package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"
	"golang.org/x/net/publicsuffix"
)

// probe is the prober http. The client is Prometheus' own, with all that its configuration knows (OAuth 2, proxies, ...).
func (m *ModuleHTTP) probe(ctx context.Context, target string, rep *report) bool {
	run := &moduleRun{m: m, rep: rep}
	defer run.report()
	if lower := strings.ToLower(target); !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return run.failed("Could not parse target URL", err)
	}
	where := ""
	proxied := m.Client.ProxyURL.URL != nil || m.Client.ProxyFromEnvironment
	if !m.SkipResolveWithProxy || !proxied {
		ip, took, err := choose(ctx, m.IPProtocol, m.IPProtocolFallback, u.Hostname(), rep)
		run.phases[0] = took
		if err != nil {
			return run.failed("Error resolving address", err)
		}
		where = ip.String()
	}
	run.asked = true
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := run.do(ctx, u, where)
	if resp == nil {
		return run.failed("Error for HTTP request", err)
	}
	defer resp.Body.Close()
	return run.judge(resp, err)
}

// moduleRun is one probe.
type moduleRun struct {
	m         *ModuleHTTP
	rep       *report
	resp      *http.Response
	asked     bool
	redirects int
	read      int64
	regex     float64
	phases    [5]time.Duration // resolve, connect, tls, processing, transfer

	mu    sync.Mutex // the transport calls from goroutines of its own
	over  bool
	start time.Time // of the phase that is under way
}

func (r *moduleRun) failed(what string, err error) bool {
	r.rep.log.Error(what, "err", err)
	return false
}

// note ends a phase, and begins the next.
func (r *moduleRun) note(phase int) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	if phase >= 0 {
		r.phases[phase] += now.Sub(r.start)
	}
	r.start = now
}

func (r *moduleRun) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { r.note(-1) },
		DNSDone:              func(httptrace.DNSDoneInfo) { r.note(0) },
		ConnectStart:         func(string, string) { r.note(-1) },
		ConnectDone:          func(string, string, error) { r.note(1) },
		TLSHandshakeStart:    func() { r.note(-1) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { r.note(2) },
		GotConn:              func(httptrace.GotConnInfo) { r.note(-1) },
		GotFirstResponseByte: func() { r.note(3) },
	}
}

// do asks, and follows redirects. There may be both a response and an error, for a redirect that is not followed.
func (r *moduleRun) do(ctx context.Context, u *url.URL, ip string) (*http.Response, error) {
	client := r.m.Client
	if client.TLSConfig.ServerName == "" {
		client.TLSConfig.ServerName = u.Hostname()
		for name, v := range r.m.Headers {
			if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
				client.TLSConfig.ServerName = v
			}
		}
	}
	until, _ := ctx.Deadline()
	dial := config.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		_ = c.SetDeadline(until) // besides the context, which not every state of a connection knows
		return newSpeaksFirst(c), nil
	})
	named, err := config.NewRoundTripperFromConfigWithContext(ctx, client, "probe", config.WithKeepAlivesDisabled(), dial)
	if err != nil {
		return nil, err
	}
	client.TLSConfig.ServerName = ""
	nameless, err := config.NewRoundTripperFromConfigWithContext(ctx, client, "probe", config.WithKeepAlivesDisabled(), dial)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, err
	}
	req, err := r.request(ctx, u, ip)
	if err != nil {
		return nil, err
	}
	first := req.URL.Host
	c := http.Client{Jar: jar, Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
		r.rep.log.Info("Making HTTP request", "url", req.URL.Redacted(), "host", req.Host)
		if req.URL.Host != first { // a redirect elsewhere: the name is not that of the target
			return nameless.RoundTrip(req)
		}
		return named.RoundTrip(req)
	}), CheckRedirect: func(req *http.Request, via []*http.Request) error {
		r.redirects = len(via)
		r.rep.log.Info("Received redirect", "location", req.Response.Header.Get("Location"))
		if r.redirects > 10 || !r.m.Client.FollowRedirects {
			return errors.New("don't follow redirects")
		}
		return nil
	}}
	return c.Do(req)
}

func (r *moduleRun) request(ctx context.Context, u *url.URL, ip string) (*http.Request, error) {
	host := u.Host
	if ip != "" {
		u.Host = authority(ip, 0, "")
		if p := port(host); p != "" {
			u.Host = net.JoinHostPort(ip, p)
		}
	}
	method := r.m.Method
	if method == "" {
		method = http.MethodGet
	}
	body := []byte(r.m.Body)
	if r.m.BodyFile != "" {
		var err error
		if body, err = os.ReadFile(r.m.BodyFile); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, r.trace()), method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Host = host
	for name, v := range r.m.Headers {
		if textproto.CanonicalMIMEHeaderKey(name) == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(name, v)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "Hulotte")
	}
	if r.m.Compression != "" && req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", r.m.Compression)
	}
	return req, nil
}

func port(host string) string {
	_, p, err := net.SplitHostPort(host)
	if err != nil {
		return ""
	}
	return p
}

func (r *moduleRun) judge(resp *http.Response, requestErr error) bool {
	r.resp = resp
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	if len(r.m.ValidStatusCodes) > 0 {
		ok = slices.Contains(r.m.ValidStatusCodes, resp.StatusCode)
	}
	if !ok {
		r.rep.log.Error("Invalid HTTP response status code", "status_code", resp.StatusCode, "valid_status_codes", fmt.Sprint(r.m.ValidStatusCodes))
	}
	if ok && len(r.m.FailIfHeaderMatches)+len(r.m.FailIfHeaderNotMatches) > 0 {
		ok = r.check(r.headersHold(resp.Header))
	}
	if requestErr == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		ok = r.judgeBody(resp, ok)
	}
	r.note(4)
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	if len(r.m.ValidHTTPVersions) > 0 && !slices.Contains(r.m.ValidHTTPVersions, resp.Proto) {
		r.rep.log.Error("Invalid HTTP version number", "version", resp.Proto)
		ok = false
	}
	if resp.TLS != nil && r.m.FailIfSSL {
		r.rep.log.Error("Final request was over SSL")
		ok = false
	}
	if resp.TLS == nil && r.m.FailIfNotSSL && ok {
		r.rep.log.Error("Final request was not over SSL")
		ok = false
	}
	return ok
}

// check notes that a pattern was the reason.
func (r *moduleRun) check(holds bool) bool {
	r.regex = 0
	if !holds {
		r.regex = 1
	}
	return holds
}

func (r *moduleRun) headersHold(header http.Header) bool {
	holds := func(p HeaderPattern, want bool) bool {
		values := header.Values(p.Header)
		if len(values) == 0 {
			if !p.AllowMissing {
				r.rep.log.Error("Missing required header", "header", p.Header)
			}
			return p.AllowMissing
		}
		if slices.ContainsFunc(values, p.Regexp.MatchString) != want {
			r.rep.log.Error("Header matched or did not match regular expression", "header", p.Header, "regexp", p.Regexp.String())
			return false
		}
		return true
	}
	for _, p := range r.m.FailIfHeaderMatches {
		if !holds(p, false) {
			return false
		}
	}
	for _, p := range r.m.FailIfHeaderNotMatches {
		if !holds(p, true) {
			return false
		}
	}
	return true
}

// judgeBody reads the body to its end; it is kept, up to a limit, only when patterns ask about it.
func (r *moduleRun) judgeBody(resp *http.Response, ok bool) bool {
	in, err := decompressor(strings.ToLower(r.m.Compression), resp.Body) // as it is without one
	if err != nil {
		return r.failed("Failed to get decompressor for HTTP response body", err)
	}
	if limit := int64(r.m.BodySizeLimit); limit > 0 {
		in = &limited{in: in, left: limit}
	}
	counted := &counting{in: in}
	if patterns := len(r.m.FailIfBodyMatches) + len(r.m.FailIfBodyNotMatches); ok && patterns > 0 {
		body, err := io.ReadAll(&limited{in: counted, left: maxBodyLimit})
		if err != nil {
			r.rep.log.Error("Error reading HTTP body", "err", err)
		}
		ok = r.check(err == nil && r.bodyHolds(body))
	}
	if _, err := io.Copy(io.Discard, counted); err != nil {
		r.rep.log.Error("Failed to read HTTP response body", "err", err)
		ok = false
	}
	r.read = counted.n
	return ok
}

func (r *moduleRun) bodyHolds(body []byte) bool {
	for _, re := range r.m.FailIfBodyMatches {
		if re.Match(body) {
			r.rep.log.Error("Body matched regular expression", "regexp", re.String())
			return false
		}
	}
	for _, re := range r.m.FailIfBodyNotMatches {
		if !re.Match(body) {
			r.rep.log.Error("Body did not match regular expression", "regexp", re.String())
			return false
		}
	}
	return true
}

// limited is an error after so many bytes.
type limited struct {
	in   io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.in.Read(p[:min(int64(len(p)), l.left+1)])
	if int64(n) > l.left {
		n = int(l.left)
		err = errors.New("body is larger than allowed")
	}
	l.left -= int64(n)
	return n, err
}

type counting struct {
	in io.Reader
	n  int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

// report gives the series, whether there was an answer or not.
func (r *moduleRun) report() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	rep := r.rep
	names := []string{"resolve", "connect", "tls", "processing", "transfer"}
	if !r.asked {
		names = names[:1]
	}
	for i, name := range names {
		rep.metric("probe_http_duration_seconds", helpHTTPDuration, r.phases[i].Seconds(), "phase", name)
	}
	var code, length, version, secured float64
	if resp := r.resp; resp != nil {
		code, length = float64(resp.StatusCode), float64(resp.ContentLength)
		version, _ = strconv.ParseFloat(strings.TrimPrefix(resp.Proto, "HTTP/"), 64)
		if at, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
			rep.metric("probe_http_last_modified_timestamp_seconds", "Returns the Last-Modified HTTP response header in unixtime", float64(at.Unix()))
		}
		if resp.TLS != nil {
			secured = 1
			reportTLS(rep, resp.TLS, resp.TLS.VerifiedChains)
		}
	}
	rep.metric("probe_http_status_code", "Response HTTP status code", code)
	rep.metric("probe_http_content_length", "Length of http content response", length)
	rep.metric("probe_http_uncompressed_body_length", "Length of uncompressed response body", float64(r.read))
	rep.metric("probe_http_redirects", "The number of redirects", float64(r.redirects))
	rep.metric("probe_http_version", "Returns the version of HTTP of the probe response", version)
	rep.metric("probe_http_ssl", "Indicates if SSL was used for the final redirect", secured)
	rep.metric("probe_failed_due_to_regex", helpRegex, r.regex)
}
