package intake

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Sockets makes the servers of the protocols that do not come over HTTP. They share its metrics.
type Sockets struct {
	log         *slog.Logger
	connections *prometheus.GaugeVec   // by protocol
	refused     *prometheus.CounterVec // by protocol
	broken      *prometheus.CounterVec // by protocol
	dropped     *prometheus.CounterVec // by protocol
}

// NewSockets returns one without any server.
func NewSockets(log *slog.Logger, reg prometheus.Registerer) *Sockets {
	with := promauto.With(reg)
	protocol := []string{"protocol"}
	return &Sockets{
		log: log,
		connections: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hulotte_logs_connections", Help: "Connections over which logs come in, by protocol.",
		}, protocol),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_connections_refused_total", Help: "Connections that were closed at once because there were too many, by protocol.",
		}, protocol),
		broken: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_connections_failed_total", Help: "Connections that were closed because of what came over them, by protocol.",
		}, protocol),
		dropped: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_datagrams_dropped_total", Help: "Datagrams that were lost because more came than could be kept, by protocol.",
		}, protocol),
	}
}

// ConnLimits bounds the connections of a server. The zero value of each is its default.
type ConnLimits struct {
	MaxConnections int           // at one time (1000); further ones are closed at once
	IdleTimeout    time.Duration // without a byte (1 hour: shippers keep connections open while nothing happens)
	WriteTimeout   time.Duration // that an answer may take (10 seconds)
}

func (l ConnLimits) withDefaults() ConnLimits {
	setDefault(&l.MaxConnections, 1000)
	setDefault(&l.IdleTimeout, time.Hour)
	setDefault(&l.WriteTimeout, 10*time.Second)
	return l
}

// TCP serves a protocol over TCP.
type TCP struct {
	protocol string
	limits   ConnLimits
	listener net.Listener
	sockets  *Sockets
}

// ListenTCP binds the address. With tls connections speak TLS.
func (s *Sockets) ListenTCP(protocol, address string, config *tls.Config, l ConnLimits) (*TCP, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for %s on %s: %w", protocol, address, err)
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	return &TCP{protocol: protocol, limits: l.withDefaults(), listener: listener, sockets: s}, nil
}

// Addr is the address in use.
func (t *TCP) Addr() net.Addr { return t.listener.Addr() }

// Close frees the address of a server that was not served.
func (t *TCP) Close() error { return t.listener.Close() }

// Serve calls handle for each connection, in a goroutine of its own, until ctx ends; then it closes the connections and waits for
// handle. A connection ends when handle returns, whose error is logged.
func (t *TCP) Serve(ctx context.Context, handle func(ctx context.Context, c net.Conn) error) error {
	stop := context.AfterFunc(ctx, func() { t.listener.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	turns := make(chan struct{}, t.limits.MaxConnections)
	for {
		c, err := t.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("cannot go on listening for %s: %w", t.protocol, err)
		case err != nil: // no file descriptors left, say: it passes
			t.sockets.log.Warn("cannot accept a connection", "protocol", t.protocol, "err", err)
			pause(ctx, time.Second)
			continue
		}
		select {
		case turns <- struct{}{}:
			open.Go(func() {
				defer func() { <-turns }()
				t.serve(ctx, c, handle)
			})
		default:
			t.sockets.refused.WithLabelValues(t.protocol).Inc()
			c.Close()
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (t *TCP) serve(ctx context.Context, c net.Conn, handle func(context.Context, net.Conn) error) {
	count := t.sockets.connections.WithLabelValues(t.protocol)
	count.Inc()
	defer count.Dec()
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	err := handle(ctx, &conn{Conn: c, limits: t.limits})
	if err != nil && ctx.Err() == nil {
		t.sockets.broken.WithLabelValues(t.protocol).Inc()
		t.sockets.log.Warn("a connection for logs is closed", "protocol", t.protocol, "from", c.RemoteAddr(), "err", err)
	}
}

// conn gives every read and write its time.
type conn struct {
	net.Conn
	limits ConnLimits
}

func (c *conn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.limits.IdleTimeout))
	return c.Conn.Read(b)
}

func (c *conn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(c.limits.WriteTimeout))
	return c.Conn.Write(b)
}
