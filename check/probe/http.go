package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

func httpKind(shared Options) check.Kind {
	return newKind("http", "Asks a web server: code, body, headers, JSON values, time by phase, certificate.",
		func(p check.Params, o *httpOptions) (check.Prober, error) { return newHTTP(p, o, shared) })
}

type httpProbe struct {
	o                   *httpOptions
	agent               string
	url                 *url.URL
	at                  target // of the first request
	method              string
	limit               int64
	redirects           int
	codes               []codeRange
	matches, notMatches []*regexp.Regexp
	headers             map[string]*regexp.Regexp
	proxy               *url.URL
}

// ask is one probe: it follows redirects, reads the body, and judges.
func (k *httpProbe) ask(ctx context.Context, rep *report) {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	trip := &httpTrip{k: k, rep: rep}
	resp, err := trip.run(ctx)
	var body []byte
	var whole bool
	if resp != nil {
		body, whole, err = k.readBody(resp)
	}
	cancel() // whatever the transport left connecting
	trip.done()
	took := time.Since(start)
	trip.report(resp, len(body))
	if err != nil {
		rep.failed(err)
		return
	}
	k.judge(rep, resp, body, whole)
	rep.facts = append([]string{k.summary(resp, body, whole, took)}, rep.facts...)
	rep.duration("time", took, k.o.WarnTime, k.o.CritTime, "answer took %s")
	zero := 0.0
	rep.perf = append(rep.perf, model.Perf{Label: "size", Value: float64(len(body)), Unit: "B", Warn: k.o.Size.String(), Min: &zero})
	if whole && k.o.Size.Bad(float64(len(body))) {
		rep.problem(model.Warning, "body has %s (warning %s)", size(int64(len(body))), k.o.Size)
	}
	trip.perf()
}

func (k *httpProbe) summary(resp *http.Response, body []byte, whole bool, took time.Duration) string {
	text := resp.Proto
	if i := strings.IndexByte(text, '/'); i > 0 {
		text = text[:i]
	}
	length := size(int64(len(body)))
	if !whole {
		length = "more than " + length
	}
	return sentence("%s %s, %s in %s", text, strings.TrimSpace(resp.Status), length, duration(took))
}

// readBody reads at most the limit. A body that is longer is no error: whole is then false.
func (k *httpProbe) readBody(resp *http.Response) (body []byte, whole bool, err error) {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols { // what follows is no body, and knows no context
		return nil, true, nil
	}
	in, err := decompressed(resp)
	if err != nil {
		return nil, false, fmt.Errorf("body: %w", err)
	}
	body, err = io.ReadAll(io.LimitReader(in, k.limit+1))
	if int64(len(body)) > k.limit {
		return body[:k.limit], false, nil
	}
	if err != nil {
		return body, false, fmt.Errorf("body ended after %s: %w", size(int64(len(body))), err)
	}
	return body, true, nil
}

func (k *httpProbe) judge(rep *report, resp *http.Response, body []byte, whole bool) {
	if !slices.ContainsFunc(k.codes, func(c codeRange) bool { return resp.StatusCode >= c.first && resp.StatusCode <= c.last }) {
		rep.problem(model.Critical, "code %d is not good here", resp.StatusCode)
	}
	before := len(rep.problems)
	for name, re := range k.headers {
		if values := resp.Header.Values(name); !slices.ContainsFunc(values, re.MatchString) {
			rep.problem(model.Critical, "header %s is %q, which does not match %q", name, strings.Join(values, ", "), re)
		}
	}
	missing := "body"
	if !whole {
		missing = fmt.Sprintf("body's first %s", size(k.limit))
	}
	for _, text := range k.o.Contains {
		if !bytes.Contains(body, []byte(text)) {
			rep.problem(model.Critical, "%s does not contain %q", missing, text)
		}
	}
	for _, text := range k.o.NotContains {
		if bytes.Contains(body, []byte(text)) {
			rep.problem(model.Critical, "body contains %q", text)
		}
	}
	for _, re := range k.matches {
		if !re.Match(body) {
			rep.problem(model.Critical, "%s does not match %q", missing, re)
		}
	}
	for _, re := range k.notMatches {
		if re.Match(body) {
			rep.problem(model.Critical, "body matches %q", re)
		}
	}
	failed := 0.0
	if len(rep.problems) > before {
		failed = 1
	}
	rep.metric("probe_failed_due_to_regex", helpRegex, failed)
	k.judgeJSON(rep, body, whole)
}

func (k *httpProbe) judgeJSON(rep *report, body []byte, whole bool) {
	if len(k.o.JSON) == 0 {
		return
	}
	var document any
	if err := json.Unmarshal(body, &document); err != nil {
		if !whole {
			err = fmt.Errorf("it is longer than %s: declare body_limit", size(k.limit))
		}
		rep.problem(model.Critical, "body is no JSON that can be read: %v", err)
		return
	}
	for i := range k.o.JSON {
		k.o.JSON[i].judge(document, rep)
	}
}

// httpTrip is one probe's requests, the first and the redirects.
type httpTrip struct {
	k    *httpProbe
	rep  *report
	legs []*httpLeg
}

// httpLeg is one request, and when its phases ended.
type httpLeg struct {
	trip  *httpTrip
	first bool
	url   *url.URL
	until time.Time // when all must be over
	rep   *report   // of the first one; later ones have one that nobody reads

	mu         sync.Mutex // the transport calls from goroutines of its own
	over       bool       // what still comes is not written
	hs         handshakeState
	resolve    time.Duration
	connect    time.Duration
	tls        time.Duration
	tlsStart   time.Time
	got        time.Time
	answer     time.Time
	processing time.Duration
	transfer   time.Duration
}

// run asks. There is a response or an error.
func (t *httpTrip) run(ctx context.Context) (*http.Response, error) {
	k := t.k
	req, err := k.request(ctx)
	if err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: roundTripFunc(t.roundTrip), Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if k.redirects == 0 {
			return http.ErrUseLastResponse
		}
		if len(via) > k.redirects {
			return fmt.Errorf("more than %d redirects, the last to %s", k.redirects, printable(r.URL.Redacted(), 200))
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err == nil {
		return resp, nil
	}
	if resp != nil {
		resp.Body.Close()
	}
	return nil, t.cause(err)
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// cause is the error without the words of net/http.
func (t *httpTrip) cause(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if len(t.legs) == 0 {
		return err
	}
	last := t.legs[len(t.legs)-1]
	last.mu.Lock()
	defer last.mu.Unlock()
	if last.hs.err != nil && !t.k.o.SkipVerify {
		return errCertificate{last.hs.err}
	}
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return errors.New("the other side does not speak TLS, but plain HTTP")
	}
	if !last.got.IsZero() && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return fmt.Errorf("no whole answer: %w", err)
	}
	return err
}

func (k *httpProbe) request(ctx context.Context) (*http.Request, error) {
	var body io.Reader = http.NoBody
	switch {
	case k.o.Body != "":
		body = strings.NewReader(k.o.Body)
	case k.o.BodyFrom != "":
		data, err := os.ReadFile(k.o.BodyFrom)
		if err != nil {
			return nil, notAsked("body_file: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, k.url.String(), body)
	if err != nil {
		return nil, notAsked("%w", err)
	}
	req.Header.Set("User-Agent", k.agent)
	if c := k.o.Compression; c != "" {
		req.Header.Set("Accept-Encoding", strings.Replace(c, "none", "identity", 1))
	}
	for name, value := range k.o.Headers {
		if !strings.EqualFold(name, "Host") { // that is the site
			req.Header.Set(name, value)
		}
	}
	return req, k.authenticate(req)
}

func (k *httpProbe) authenticate(req *http.Request) error {
	o := k.o
	if o.Username != "" {
		password, err := secret(o.Password, o.PasswordFile, "password_file")
		if err != nil {
			return err
		}
		req.SetBasicAuth(o.Username, password)
	}
	if o.Token != "" || o.TokenFile != "" {
		token, err := secret(o.Token, o.TokenFile, "bearer_token_file")
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// roundTrip is one leg, with a transport of its own: it keeps nothing, and knows whom it talks to.
func (t *httpTrip) roundTrip(r *http.Request) (*http.Response, error) {
	leg := &httpLeg{trip: t, first: len(t.legs) == 0, url: r.URL, rep: newReport()}
	leg.until, _ = r.Context().Deadline()
	if leg.first {
		leg.rep = t.rep
	} else {
		t.legs[len(t.legs)-1].done(time.Now())
	}
	t.legs = append(t.legs, leg)
	transport, err := leg.transport()
	if err != nil {
		return nil, err
	}
	t.rep.log.Debug("Making HTTP request", "url", r.URL.Redacted(), "host", r.Host)
	return transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		TLSHandshakeStart:    func() { leg.stamp(func(now time.Time) { leg.tlsStart = now }) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { leg.stamp(func(now time.Time) { leg.tls = now.Sub(leg.tlsStart) }) },
		GotConn:              func(httptrace.GotConnInfo) { leg.stamp(func(now time.Time) { leg.got = now }) },
		GotFirstResponseByte: func() { leg.stamp(func(now time.Time) { leg.answer, leg.processing = now, now.Sub(leg.got) }) },
	})))
}

// stamp notes a time, unless the leg is over.
func (l *httpLeg) stamp(note func(now time.Time)) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		note(now)
	}
}

func (l *httpLeg) done(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if !l.answer.IsZero() {
		l.transfer = now.Sub(l.answer)
	}
}

func (l *httpLeg) transport() (*http.Transport, error) {
	k := l.trip.k
	config, err := l.tlsConfig()
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{
		DialContext: l.dial, TLSClientConfig: config, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHeaders,
		ForceAttemptHTTP2: k.o.HTTPVersion != "1.1", DisableCompression: k.o.Compression != "",
	}
	if k.o.HTTPVersion == "2" {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetHTTP2(true)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	if k.proxy != nil {
		tr.Proxy = http.ProxyURL(k.proxy)
	}
	return tr, nil
}

// home says whether the leg goes to the site that was declared, to which the declared address and name belong.
func (l *httpLeg) home() bool {
	return l.url.Host == l.trip.k.url.Host && l.url.Scheme == l.trip.k.url.Scheme
}

func (l *httpLeg) tlsConfig() (*tls.Config, error) {
	o := l.trip.k.o
	name := l.url.Hostname()
	if l.home() && o.ServerName != "" {
		name = o.ServerName
	}
	var hs handshakeState
	config, err := o.config(name, &hs)
	if err != nil {
		return nil, err
	}
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		err := verify(state)
		if !l.over {
			l.hs = hs
		}
		return err
	}
	return config, nil
}

// dial connects to the declared address for the declared site, else to whatever a redirect or a proxy names.
func (l *httpLeg) dial(ctx context.Context, _, address string) (net.Conn, error) {
	k := l.trip.k
	t := k.at
	if k.proxy != nil || !l.home() {
		t = target{ip: k.at.ip, source: k.at.source}
		if err := t.setAddress(address); err != nil {
			return nil, err
		}
	}
	rep := newReport()
	c, took, err := t.dialTimed(ctx, rep)
	if err == nil {
		_ = c.SetDeadline(l.until) // besides the context, which not every state of a connection knows
		c = newSpeaksFirst(c)
	}
	l.stamp(func(time.Time) {
		l.resolve, l.connect = took.resolve, took.connect
		l.rep.metrics = append(l.rep.metrics, rep.metrics...)
	})
	return c, err
}

// done ends the newest leg: nothing is written to it any more.
func (t *httpTrip) done() {
	if n := len(t.legs); n > 0 {
		t.legs[n-1].done(time.Now())
	}
}

const helpHTTPDuration = "Duration of http request by phase, summed over all redirects"

// phases are the parts of an HTTP request, in order.
func (t *httpTrip) phases() []httpPhase {
	all := []httpPhase{{name: "resolve"}, {name: "connect"}, {name: "tls"}, {name: "processing"}, {name: "transfer"}}
	for _, l := range t.legs {
		for i, d := range []time.Duration{l.resolve, l.connect, l.tls, l.processing, l.transfer} {
			all[i].took += d
		}
	}
	return all
}

type httpPhase struct {
	name string
	took time.Duration
}

// report gives blackbox_exporter's series. The trip is done.
func (t *httpTrip) report(resp *http.Response, read int) {
	for _, p := range t.phases() {
		t.rep.metric("probe_http_duration_seconds", helpHTTPDuration, p.took.Seconds(), "phase", p.name)
	}
	var code, length, version, secured float64
	if resp != nil {
		code, length = float64(resp.StatusCode), float64(resp.ContentLength)
		version = float64(resp.ProtoMajor) + float64(resp.ProtoMinor)/10
		if at, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
			t.rep.metric("probe_http_last_modified_timestamp_seconds", "Returns the Last-Modified HTTP response header in unixtime", float64(at.Unix()))
		}
	}
	if n := len(t.legs); n > 0 && t.legs[n-1].hs.seen {
		secured = 1
		t.k.o.report(t.rep, &t.legs[n-1].hs)
	}
	t.rep.metric("probe_http_status_code", "Response HTTP status code", code)
	t.rep.metric("probe_http_content_length", "Length of http content response", length)
	t.rep.metric("probe_http_uncompressed_body_length", "Length of uncompressed response body", float64(read))
	t.rep.metric("probe_http_redirects", "The number of redirects", float64(max(len(t.legs)-1, 0)))
	t.rep.metric("probe_http_version", "Returns the version of HTTP of the probe response", version)
	t.rep.metric("probe_http_ssl", "Indicates if SSL was used for the final redirect", secured)
}

// perf gives the phases as performance data.
func (t *httpTrip) perf() {
	zero := 0.0
	for _, p := range t.phases() {
		t.rep.perf = append(t.rep.perf, model.Perf{Label: "time_" + p.name, Value: round(p.took.Seconds()), Unit: "s", Min: &zero})
	}
}
