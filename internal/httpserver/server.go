// Package httpserver is Hulotte's one HTTP listener: what stands between the network and the handlers. It bounds
// connections, sizes and times, speaks TLS, asks who is there, keeps foreign web sites out, catches panics and
// counts requests. It knows nothing of what is served.
//
// No answer is ever ended for its length, so that live streams may go on for days; a client that takes nothing of
// what is sent to it is let go.
package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options say how to listen. Limits that are zero get the default that stands beside them.
type Options struct {
	Listen string // host:port
	// Prefix is the path under which everything is served, "" or "/path".
	Prefix string
	// ExternalURL is where people reach the server, when that is not Listen.
	ExternalURL string
	// AllowedHosts are further names that a Host header may have.
	AllowedHosts []string
	// AllowedOrigins are origins (scheme://host:port) whose pages may send requests that change something.
	AllowedOrigins []string

	CertFile, KeyFile, ClientCAFile string

	// PlainHTTP2 takes HTTP/2 without TLS too, from clients that begin with it, as gRPC's do.
	PlainHTTP2 bool

	// Users are names with bcrypt hashes; none means that nobody is asked.
	Users map[string]string
	// AllowUnauthenticated lets an address off loopback be served without users.
	AllowUnauthenticated bool
	// Open tells for a path (without the prefix) that nobody is asked who they are: probes.
	Open func(path string) bool

	MaxConnections    int           // 2048
	MaxHeaderSize     int64         // 64 KiB
	MaxBodySize       int64         // 64 MiB
	ReadHeaderTimeout time.Duration // 10 s
	ReadTimeout       time.Duration // 1 min, for the body
	IdleTimeout       time.Duration // 2 min
	WriteStallTimeout time.Duration // 30 s
}

func (o Options) withDefaults() Options {
	orDefault(&o.MaxConnections, 2048)
	orDefault(&o.MaxHeaderSize, 64<<10)
	orDefault(&o.MaxBodySize, 64<<20)
	orDefault(&o.ReadHeaderTimeout, 10*time.Second)
	orDefault(&o.ReadTimeout, time.Minute)
	orDefault(&o.IdleTimeout, 2*time.Minute)
	orDefault(&o.WriteStallTimeout, 30*time.Second)
	if o.Open == nil {
		o.Open = func(string) bool { return false }
	}
	return o
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Server listens from Listen on, and answers from Serve on.
type Server struct {
	options  Options
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	auth     *auth
	metrics  *metrics
	cert     *certificate // nil without TLS

	inFlight atomic.Int64 // requests being answered

	// streams ends when the answers that have no end of their own must end.
	streams    context.Context
	endStreams context.CancelFunc
}

// Listen binds the address. It refuses one that other machines reach while nobody has to say who they are.
func Listen(o Options, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	o = o.withDefaults()
	cert, err := newCertificate(o, log)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", o.Listen, err)
	}
	if !isLoopback(l.Addr()) && len(o.Users) == 0 && o.ClientCAFile == "" && !o.AllowUnauthenticated {
		l.Close()
		return nil, fmt.Errorf("cannot serve %s: other machines can reach it, and nobody has to log in: add server.users, "+
			"or listen on 127.0.0.1, or set server.allow_unauthenticated: true when something else decides who gets through", l.Addr())
	}
	s := &Server{options: o, log: log, listener: l, auth: newAuth(o.Users), cert: cert}
	s.metrics = newMetrics(reg, cert, &s.inFlight)
	s.http = newHTTPServer(o, log)
	s.streams, s.endStreams = context.WithCancel(context.Background())
	return s, nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Addr is the address in use; its port is the real one when Options.Listen asked for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// TLS returns how to show the server's certificate, also its later ones, on other ports; nil when it has none.
func (s *Server) TLS() *tls.Config {
	if s.cert == nil {
		return nil
	}
	return s.cert.config()
}

// SetUsers replaces the users; requests under way are not touched.
func (s *Server) SetUsers(users map[string]string) { s.auth.set(users) }

func newHTTPServer(o Options, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(o.PlainHTTP2)
	return &http.Server{
		MaxHeaderBytes:    int(o.MaxHeaderSize),
		ReadHeaderTimeout: o.ReadHeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100, WriteByteTimeout: o.WriteStallTimeout, SendPingTimeout: o.WriteStallTimeout},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // what clients do wrong is no error of ours
	}
}

// Serve answers with h until Shutdown; then it returns nil. It is called once.
func (s *Server) Serve(h http.Handler) error {
	s.http.Handler = s.chain(h)
	l := net.Listener(&limitedListener{Listener: s.listener, most: int64(s.options.MaxConnections), metrics: s.metrics})
	if s.cert != nil {
		l = tls.NewListener(l, s.cert.config())
	}
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// chain is everything that a request passes, in this order.
func (s *Server) chain(h http.Handler) http.Handler {
	h = s.limitBodies(h)
	h = s.auth.require(s.options.Open, s.metrics, h)
	h = refuseCrossOrigin(s.options.ExternalURL, s.options.AllowedOrigins, h)
	h = s.checkHost(h)
	h = s.catchPanics(h)
	h = s.observe(h)
	return underPrefix(s.options.Prefix, h)
}

// EndStreams ends the contexts of the requests that are answered by an event stream, which would go on for ever.
func (s *Server) EndStreams() { s.endStreams() }

// Shutdown stops listening, waits for the requests under way until ctx ends, and then breaks them off. A Serve that is
// called after it returns at once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.endStreams()
	defer s.listener.Close() // net/http closes those that it serves
	if s.shutdownQuietly(ctx) {
		return nil
	}
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// quietGrace is how long connections on which nothing was asked may hold up the end. net/http waits 5 s for those that
// are new, and clients open more of them than they need.
const quietGrace = 500 * time.Millisecond

// shutdownQuietly shuts down and tells whether it is done; it is not while requests are being answered.
func (s *Server) shutdownQuietly(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, quietGrace)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return true
	}
	return s.inFlight.Load() == 0 && s.http.Close() == nil
}
