// Package tcpserver serves short TCP dialogues (a question, an answer) to peers that may be hostile: who may connect, how many at
// once, and for how long are bounded, and nothing stays when it ends.
//
//	s, err := tcpserver.Listen("nrpe", tcpserver.Options{Address: "127.0.0.1:5666"}, log, registerer)
//	err = s.Serve(ctx, func(ctx context.Context, c net.Conn) error { ... })
package tcpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Options bound a server. Zero values mean the defaults.
type Options struct {
	Address string
	TLS     *tls.Config // nil is none
	// Allowed are the addresses, networks (10.0.0.0/8) and host names that may connect; everyone when empty.
	Allowed []string
	// MaxConns and MaxPerHost bound the connections that are open at once, in all (256) and from one address (64).
	MaxConns, MaxPerHost int
	// Lifetime is how long a connection may take from its start to its end; 30 s.
	Lifetime time.Duration
}

// Server is a bound address.
type Server struct {
	name     string
	o        Options
	listener net.Listener
	nets     []netip.Prefix
	names    []string
	log      *slog.Logger

	accepted prometheus.Counter
	refused  *prometheus.CounterVec
	failed   prometheus.Counter

	mu      sync.Mutex // guards the following
	open    int
	perHost map[netip.Addr]int
	looked  map[string]lookup // by name of Allowed
}

type lookup struct {
	addrs []netip.Addr
	at    time.Time
}

const (
	lookupKeep = time.Minute // how long the addresses of a name are kept
	lookupTime = 3 * time.Second
)

// Listen binds the address.
func Listen(name string, o Options, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	s := &Server{name: name, o: o.withDefaults(), log: log, perHost: map[netip.Addr]int{}, looked: map[string]lookup{}}
	for _, a := range o.Allowed {
		a = strings.TrimSpace(a)
		if p, err := netip.ParsePrefix(a); err == nil {
			s.nets = append(s.nets, p.Masked())
		} else if ip, err := netip.ParseAddr(a); err == nil {
			s.nets = append(s.nets, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
		} else if a == "" || strings.ContainsAny(a, "/ ") {
			return nil, fmt.Errorf("allowed hosts: %q is no address, network (10.0.0.0/8) or name", a)
		} else {
			s.names = append(s.names, a)
		}
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s: %w", name, err)
	}
	s.listener = l
	with := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"server": name}, reg))
	s.accepted = with.NewCounter(prometheus.CounterOpts{
		Name: "hulotte_check_server_connections_total", Help: "Connections that were accepted, by server (nrpe, zabbix, ...).",
	})
	s.refused = with.NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_server_connections_refused_total", Help: "Connections that were closed at once, by server and reason: not_allowed, too_many or too_many_of_host.",
	}, []string{"reason"})
	s.failed = with.NewCounter(prometheus.CounterOpts{
		Name: "hulotte_check_server_dialogues_failed_total", Help: "Dialogues that ended with an error: malformed, too large, too slow or broken off.",
	})
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.MaxConns <= 0 {
		o.MaxConns = 256
	}
	if o.MaxPerHost <= 0 {
		o.MaxPerHost = 64
	}
	if o.Lifetime <= 0 {
		o.Lifetime = 30 * time.Second
	}
	return o
}

// Addr is the address in use.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close unbinds a server that does not serve.
func (s *Server) Close() error { return s.listener.Close() }

// Serve hands every connection to f, in a goroutine of its own, until ctx ends; it returns when all of them have ended. The
// connection's deadline is set, its TLS handshake done; it is closed when f returns.
func (s *Server) Serve(ctx context.Context, f func(context.Context, net.Conn) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() })
	defer stop()
	for {
		c, err := s.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("cannot serve %s: %w", s.name, err)
			}
			s.log.Warn("cannot accept a connection", "server", s.name, "err", err) // out of descriptors: others will end
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		host, reason := s.enter(c)
		if reason != "" {
			s.refused.WithLabelValues(reason).Inc()
			_ = c.Close()
			continue
		}
		wg.Go(func() {
			defer s.leave(c, host)
			s.serve(ctx, c, host, f)
		})
	}
}

func (s *Server) serve(ctx context.Context, c net.Conn, host netip.Addr, f func(context.Context, net.Conn) error) {
	_ = c.SetDeadline(time.Now().Add(s.o.Lifetime))
	ctx, cancel := context.WithTimeout(ctx, s.o.Lifetime)
	defer cancel()
	// Who reads or writes when the server stops ends at once; the deadline above may not come after this one.
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if !s.allowed(ctx, host) {
		s.refused.WithLabelValues("not_allowed").Inc()
		s.log.Warn("a connection is refused: its address is not among the allowed hosts", "server", s.name, "from", host)
		return
	}
	s.accepted.Inc()
	conn := c
	if s.o.TLS != nil {
		t := tls.Server(c, s.o.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			s.fail(host, fmt.Errorf("TLS: %w", err))
			return
		}
		conn = t
		defer func() { _ = t.Close() }()
	}
	if err := f(ctx, conn); err != nil {
		s.fail(host, err)
	}
}

func (s *Server) fail(host netip.Addr, err error) {
	s.failed.Inc()
	level := slog.LevelInfo
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "a dialogue failed", "server", s.name, "from", host, "err", err)
}

// enter counts a connection, or says why it may not stay.
func (s *Server) enter(c net.Conn) (host netip.Addr, reason string) {
	if ap, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil {
		host = ap.Addr().Unmap().WithZone("")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open >= s.o.MaxConns:
		return host, "too_many"
	case s.perHost[host] >= s.o.MaxPerHost:
		return host, "too_many_of_host"
	}
	s.open++
	s.perHost[host]++
	return host, ""
}

func (s *Server) leave(c net.Conn, host netip.Addr) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.perHost[host]--; s.perHost[host] == 0 {
		delete(s.perHost, host)
	}
}

func (s *Server) allowed(ctx context.Context, host netip.Addr) bool {
	if len(s.nets)+len(s.names) == 0 {
		return true
	}
	for _, p := range s.nets {
		if p.Contains(host) {
			return true
		}
	}
	for _, name := range s.names {
		for _, a := range s.lookUp(ctx, name) {
			if a == host {
				return true
			}
		}
	}
	return false
}

// lookUp finds a name's addresses; failures are kept too, so that refused peers cannot make us ask without end.
func (s *Server) lookUp(ctx context.Context, name string) []netip.Addr {
	s.mu.Lock()
	l, ok := s.looked[name]
	s.mu.Unlock()
	if ok && time.Since(l.at) < lookupKeep {
		return l.addrs
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		s.log.Warn("an allowed host cannot be resolved", "server", s.name, "host", name, "err", err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked[name] = lookup{addrs, time.Now()}
	return addrs
}
