// Package httpserver is Hulotte's one HTTP listener: what stands between the network and the handlers. It bounds
// connections, sizes and times, speaks TLS, asks who is there, refuses foreign web sites, catches panics and
// counts requests. It knows nothing of what is served.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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

	CertFile, KeyFile, ClientCAFile string

	// Users are names with bcrypt hashes; none means that nobody is asked.
	Users map[string]string
	// AllowUnauthenticated lets an address off loopback be served without users.
	AllowUnauthenticated bool

	MaxConnections    int           // 2048
	MaxHeaderSize     int64         // 64 KiB
	MaxBodySize       int64         // 64 MiB
	ReadHeaderTimeout time.Duration // 10 s
	ReadTimeout       time.Duration // 1 min, for the body
	IdleTimeout       time.Duration // 2 min
	WriteStallTimeout time.Duration // 30 s
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o Options) withDefaults() Options {
	orDefault(&o.MaxConnections, 2048)
	orDefault(&o.MaxHeaderSize, 64<<10)
	orDefault(&o.MaxBodySize, 64<<20)
	orDefault(&o.ReadHeaderTimeout, 10*time.Second)
	orDefault(&o.ReadTimeout, time.Minute)
	orDefault(&o.IdleTimeout, 2*time.Minute)
	orDefault(&o.WriteStallTimeout, 30*time.Second)
	return o
}

// Server listens from Listen on, and answers from Serve on.
type Server struct {
	options  Options
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
}

// Listen binds the address.
func Listen(o Options, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	o = o.withDefaults()
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", o.Listen, err)
	}
	s := &Server{options: o, log: log, listener: l}
	return s, nil
}

// Addr is the address in use; its port is the real one when Options.Listen asked for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers with h until Shutdown or Close; then it returns nil.
func (s *Server) Serve(h http.Handler) error {
	s.http = &http.Server{
		Handler:           h,
		MaxHeaderBytes:    int(s.options.MaxHeaderSize),
		ReadHeaderTimeout: s.options.ReadHeaderTimeout,
		IdleTimeout:       s.options.IdleTimeout,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops listening, waits for the requests under way until ctx ends, and then breaks them off.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}
