package httpserver

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/bcrypt"
)

// start serves h and returns the server and its root URL.
func start(t *testing.T, o Options, h http.Handler) (*Server, string) {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := Listen(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(h) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, "http://" + s.Addr().String()
}

// newClient never reuses a connection of another test.
func newClient(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do sends a request, changed by edit, and returns status and body.
func do(t *testing.T, method, url string, edit func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	res, err := newClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func ok(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "path ", r.URL.Path) }

func TestOffLoopbackWantsUsers(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		s, err := Listen(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil {
			s.Shutdown(context.Background())
		}
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("Listen(%+v) = %s, want %q", o, got, want)
		}
	}
	f(Options{Listen: ":0"}, "server.users")
	f(Options{Listen: "0.0.0.0:0"}, "allow_unauthenticated")
	f(Options{Listen: "0.0.0.0:0", AllowUnauthenticated: true}, "<nil>")
	f(Options{Listen: "0.0.0.0:0", Users: map[string]string{"a": "x"}}, "<nil>")
	f(Options{Listen: "localhost:0"}, "<nil>")
	f(Options{Listen: "127.0.0.1:99999"}, "cannot listen on 127.0.0.1:99999")
}

func TestHostHeader(t *testing.T) {
	_, url := start(t, Options{ExternalURL: "https://obs.example.org/", AllowedHosts: []string{"Box"}}, http.HandlerFunc(ok))
	f := func(host string, want int) {
		t.Helper()
		if got, body := do(t, "GET", url, func(r *http.Request) { r.Host = host }); got != want {
			t.Errorf("Host %q: %d %s, want %d", host, got, body, want)
		}
	}
	f("127.0.0.1:9070", 200)
	f("localhost", 200)
	f("localhost:9070", 200)
	f("a.localhost", 200)
	f("[::1]:9070", 200)
	f("obs.example.org", 200)
	f("box:1", 200)
	f("evil.example", 421)
	f("localhost.evil.example:9070", 421)
	f("127.0.0.1.evil.example", 421)
}

func TestHostHeaderOffLoopback(t *testing.T) {
	f := func(o Options, host string, want int) {
		t.Helper()
		o.Listen, o.AllowUnauthenticated = "0.0.0.0:0", true
		s, _ := start(t, o, http.HandlerFunc(ok))
		_, port, _ := net.SplitHostPort(s.Addr().String())
		if got, _ := do(t, "GET", "http://127.0.0.1:"+port, func(r *http.Request) { r.Host = host }); got != want {
			t.Errorf("%v, Host %q: %d, want %d", o.AllowedHosts, host, got, want)
		}
	}
	f(Options{}, "any.example", 200)
	f(Options{AllowedHosts: []string{"one.example"}}, "any.example", 421)
	f(Options{AllowedHosts: []string{"one.example"}}, "one.example", 200)
}

func TestForeignSitesChangeNothing(t *testing.T) {
	_, url := start(t, Options{ExternalURL: "https://obs.example.org/", AllowedOrigins: []string{"https://grafana.example.org", "*"}}, http.HandlerFunc(ok))
	f := func(method, origin, site string, want int) {
		t.Helper()
		got, body := do(t, method, url, func(r *http.Request) {
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
		})
		if got != want {
			t.Errorf("%s from %q (%s): %d %s, want %d", method, origin, site, got, body, want)
		}
	}
	f("POST", "", "", 200) // no browser
	f("POST", url, "same-origin", 200)
	f("POST", "https://obs.example.org", "", 200)
	f("POST", "https://grafana.example.org", "cross-site", 200)
	f("POST", "https://evil.example", "cross-site", 403)
	f("PUT", "https://evil.example", "", 403)
	f("POST", "null", "", 403)
	f("GET", "https://evil.example", "cross-site", 200)
}

func hash(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func TestUsers(t *testing.T) {
	s, url := start(t, Options{
		Users: map[string]string{"alice": hash(t, "secret")},
		Open:  func(path string) bool { return path == "/-/ready" },
	}, http.HandlerFunc(ok))
	f := func(path, name, password string, want int) {
		t.Helper()
		got, _ := do(t, "GET", url+path, func(r *http.Request) {
			if name != "" {
				r.SetBasicAuth(name, password)
			}
		})
		if got != want {
			t.Errorf("%s as %q: %d, want %d", path, name, got, want)
		}
	}
	f("/", "", "", 401)
	f("/", "alice", "secret", 200)
	f("/", "alice", "secret", 200) // remembered
	f("/", "alice", "wrong", 401)
	f("/", "bob", "secret", 401)
	f("/-/ready", "", "", 200)
	f("/-/ready/x", "", "", 401)

	s.SetUsers(map[string]string{"alice": hash(t, "changed")})
	f("/", "alice", "secret", 401)
	f("/", "alice", "changed", 200)
}

func TestRightPasswordIsComparedOnce(t *testing.T) {
	a := newAuth(map[string]string{"alice": hash(t, "secret")})
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("alice", "secret")
	if a.check(r) != allowed {
		t.Fatal("refused")
	}
	a.busy <- struct{}{} // a comparison would wait for ever
	if a.check(r) != allowed {
		t.Error("refused the second time")
	}
	<-a.busy
}

func TestFloodOfGuessesIsRefused(t *testing.T) {
	a := newAuth(map[string]string{"alice": hash(t, "secret")})
	for range maxVerifying {
		a.waiting <- struct{}{}
	}
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth("alice", "guess")
	if got := a.check(r); got != overloaded {
		t.Errorf("check = %v, want overloaded", got)
	}
}

func TestPrefix(t *testing.T) {
	_, url := start(t, Options{Prefix: "/obs"}, http.HandlerFunc(ok))
	f := func(path string, want int, body string) {
		t.Helper()
		if got, b := do(t, "GET", url+path, nil); got != want || !strings.Contains(b, body) {
			t.Errorf("%s: %d %q, want %d %q", path, got, b, want, body)
		}
	}
	f("/obs/", 200, "path /")
	f("/obs/a/b", 200, "path /a/b")
	f("/", 302, "/obs/")
	f("/obs", 302, "/obs/")
	f("/other", 404, "/obs/")
	f("/obscure", 404, "/obs/")
}

func TestBodyLimit(t *testing.T) {
	_, url := start(t, Options{MaxBodySize: 10}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			var tooBig *http.MaxBytesError
			if errors.As(err, &tooBig) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return
		}
		fmt.Fprint(w, "read")
	}))
	f := func(body io.Reader, want int) {
		t.Helper()
		res, err := newClient(t).Post(url, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d, want %d", res.StatusCode, want)
		}
	}
	f(strings.NewReader("0123456789"), 200)
	f(strings.NewReader("0123456789x"), 413)
	f(io.MultiReader(strings.NewReader("0123456789x")), 413) // without Content-Length
}

// A client that sends its body slowly is cut off, but the time that the answer takes does not count.
func TestReadTimeoutCountsTheBodyOnly(t *testing.T) {
	const timeout = 200 * time.Millisecond
	_, url := start(t, Options{ReadTimeout: timeout}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "body: "+err.Error(), http.StatusRequestTimeout)
			return
		}
		select {
		case <-time.After(2 * timeout):
			fmt.Fprint(w, "done")
		case <-r.Context().Done():
			t.Error("the context of a slow answer was ended")
		}
	}))
	res, err := newClient(t).Post(url, "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("slow answer: %d", res.StatusCode)
	}

	r, w := io.Pipe()
	defer w.Close()
	if res, err = newClient(t).Post(url, "text/plain", r); err == nil {
		res.Body.Close()
		if res.StatusCode != http.StatusRequestTimeout {
			t.Errorf("slow body: %d", res.StatusCode)
		}
	}
}

func TestClientThatTakesNothingIsLetGo(t *testing.T) {
	ended := make(chan error, 1)
	s, _ := start(t, Options{WriteStallTimeout: 100 * time.Millisecond}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return
			}
		}
	}))
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %v, want a deadline error", err)
	}
}

// An event stream outlives the stall timeout while nothing is sent, and ends with EndStreams.
func TestEventStream(t *testing.T) {
	const stall = 50 * time.Millisecond
	s, url := start(t, Options{WriteStallTimeout: stall}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-time.After(4 * stall):
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "data: 2\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		fmt.Fprint(w, "data: end\n\n")
	}))
	res, err := newClient(t).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		t.Helper()
		for lines.Scan() {
			if lines.Text() != "" {
				return lines.Text()
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if a, b := next(), next(); a != "data: 1" || b != "data: 2" {
		t.Fatalf("got %q, %q", a, b)
	}
	s.EndStreams()
	if got := next(); got != "data: end" {
		t.Errorf("got %q", got)
	}
}

// A WebSocket outlives the time for answers, and ends as an event stream does.
func TestWebSocket(t *testing.T) {
	const stall = 50 * time.Millisecond
	s, url := start(t, Options{WriteStallTimeout: stall}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		<-time.After(4 * stall)
		_ = c.Write(context.Background(), websocket.MessageText, []byte("late"))
		<-r.Context().Done()
		_ = c.Close(websocket.StatusGoingAway, "stops")
	}))
	c, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := c.Read(t.Context()); string(text) != "late" || err != nil {
		t.Fatalf("got %q %v", text, err)
	}
	s.EndStreams()
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	s, _ := start(t, Options{MaxConnections: 2}, http.HandlerFunc(ok))
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ask := func(c net.Conn) string {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.TrimSpace(line)
	}
	a, b := dial(), dial()
	if x, y := ask(a), ask(b); x != "HTTP/1.1 200 OK" || y != x {
		t.Fatalf("got %q, %q", x, y)
	}
	if got := ask(dial()); got != "" {
		t.Errorf("third connection: %q, want it closed", got)
	}
	if got := testutil.ToFloat64(s.metrics.refused); got != 1 {
		t.Errorf("refused = %v, want 1", got)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /before/{x}", func(http.ResponseWriter, *http.Request) { panic("oops") })
	mux.HandleFunc("/after", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		panic("oops")
	})
	s, url := start(t, Options{}, mux)
	if got, body := do(t, "GET", url+"/before/1", nil); got != 500 || strings.Contains(body, "oops") {
		t.Errorf("panic before the answer: %d %s", got, body)
	}
	res, err := newClient(t).Get(url + "/after")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("panic within the answer: the client saw a whole answer")
	}
	if got := testutil.ToFloat64(s.metrics.panics); got != 2 {
		t.Errorf("panics = %v, want 2", got)
	}
	if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues("/before/{x}", "GET", "500")); got != 1 {
		t.Errorf("requests of the pattern = %v, want 1", got)
	}
}

func TestRoutesAreFew(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x/{id}", ok)
	mux.HandleFunc("/named", func(w http.ResponseWriter, r *http.Request) {
		SetRoute(r.Context(), "named")
		ok(w, r)
	})
	s, url := start(t, Options{}, mux)
	do(t, "GET", url+"/x/1", nil)
	do(t, "GET", url+"/x/2", nil)
	do(t, "GET", url+"/none", nil)
	do(t, "BREW", url+"/named", nil)
	f := func(route, method, code string, want float64) {
		t.Helper()
		if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues(route, method, code)); got != want {
			t.Errorf("%s %s %s = %v, want %v", method, route, code, got, want)
		}
	}
	f("/x/{id}", "GET", "200", 2)
	f("none", "GET", "404", 1)
	f("named", "other", "200", 1)
}

func TestShutdownWaitsForTheAnswer(t *testing.T) {
	inside, goOn := make(chan struct{}), make(chan struct{})
	s, err := Listen(Options{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inside)
			<-goOn
			fmt.Fprint(w, "whole")
		})); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if got, body := do(t, "GET", "http://"+s.Addr().String(), nil); got != 200 || body != "whole" {
			t.Errorf("%d %s", got, body)
		}
	})
	<-inside
	wg.Go(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	close(goOn)
	wg.Wait()
}

// A connection on which nothing is asked does not hold up the end.
func TestShutdownDoesNotWaitForSilence(t *testing.T) {
	s, _ := start(t, Options{}, http.HandlerFunc(ok))
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for testutil.ToFloat64(s.metrics.connections) == 0 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // net/http alone would wait 5
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

// keyPair writes a certificate for localhost with a serial number, signed by itself.
func keyPair(t *testing.T, dir string, serial int64, changed time.Time) (certFile, keyFile string, cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(name, kind string, der []byte) {
		t.Helper()
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	write(certFile, "CERTIFICATE", der)
	write(keyFile, "PRIVATE KEY", keyDER)
	cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile, cert
}

// serial connects and returns the serial number of the server's certificate.
func serial(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCertificateChanges(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now().Add(-time.Hour)
	certFile, keyFile, _ := keyPair(t, dir, 1, begin)
	s, _ := start(t, Options{CertFile: certFile, KeyFile: keyFile}, http.HandlerFunc(ok))
	now := time.Now()
	s.cert.mu.Lock()
	s.cert.now = func() time.Time { return now }
	s.cert.mu.Unlock()
	addr := s.Addr().String()
	later := func() {
		s.cert.mu.Lock()
		defer s.cert.mu.Unlock()
		now = now.Add(checkEvery)
	}
	if got := serial(t, addr); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	keyPair(t, dir, 2, begin.Add(time.Second))
	later()
	if got := serial(t, addr); got != 2 {
		t.Errorf("serial %d after a change, want 2", got)
	}
	if err := os.WriteFile(certFile, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	later()
	if got := serial(t, addr); got != 2 {
		t.Errorf("serial %d after a bad change, want the old one, 2", got)
	}
}

func TestHTTP2AndClientCertificates(t *testing.T) {
	certFile, keyFile, cert := keyPair(t, t.TempDir(), 1, time.Now())
	clientFile, clientKey, _ := keyPair(t, t.TempDir(), 2, time.Now())
	s, _ := start(t, Options{CertFile: certFile, KeyFile: keyFile, ClientCAFile: clientFile}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	get := func(certs ...tls.Certificate) (string, error) {
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certs}, ForceAttemptHTTP2: true}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get("https://" + s.Addr().String())
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}
	if _, err := get(); err == nil {
		t.Error("a client without a certificate got in")
	}
	pair, err := tls.LoadX509KeyPair(clientFile, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := get(pair); err != nil || got != "HTTP/2.0" {
		t.Errorf("got %q, %v, want HTTP/2.0", got, err)
	}
}

func TestBadCertificate(t *testing.T) {
	_, err := Listen(Options{Listen: "127.0.0.1:0", CertFile: "none.pem", KeyFile: "none.key"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || !strings.Contains(err.Error(), "server.tls.cert_file") {
		t.Errorf("Listen = %v", err)
	}
}
