// Package fluent receives log records in Fluentd's forward protocol, version 1
// (https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1), which Fluentd, Fluent Bit, Docker's fluentd
// driver and Fluent's loggers speak: over TCP, in all four modes (message, forward, packed and compressed packed forward),
// with acknowledgements and the shared key.
//
//	s, err := fluent.Listen(fluent.Options{Address: "127.0.0.1:24224"}, sockets, intake, sink, log, registerer)
//	err = s.Serve(ctx)
//
// A message that asks for it is acknowledged once its records are kept. When no more can be taken, nothing is read:
// the sender's buffer fills, as it is made to.
package fluent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/tinylib/msgp/msgp"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink is where records go. It takes the strings for the length of the call, and may change streams and records in place,
// but not labels and fields.
type Sink interface {
	Push(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// Options configures a Server.
type Options struct {
	Address string
	TLS     *tls.Config // nil is none
	// SharedKey, when there is one, is what senders must know.
	SharedKey string
	// Hostname is how this machine names itself in the handshake; "" is its name.
	Hostname string
	// LineKeys are the keys of a record of which the first that it has is the line; nil is LineKeys. A record with none of them
	// becomes a line of JSON.
	LineKeys []string
	// Labels are the fields that become labels, besides job, which is the tag; nil is Labels.
	Labels     []string
	MaxMessage int // bytes of a message as it is sent; 0 is 16 MiB
	Connection intake.ConnLimits
	// Patience is how long a message waits while too much comes, before its connection is closed; 0 is 30 seconds.
	Patience time.Duration
}

// LineKeys returns the keys that hold the text of a record: Fluent Bit's and Docker's, Fluentd's, and those of programs.
func LineKeys() []string { return []string{"log", "message", "msg"} }

// Labels returns the fields that become labels: those that Docker's driver and the filters for Kubernetes add and that tell
// where a record is from.
func Labels() []string {
	return []string{
		"host", "hostname", "container_name", "service", "service_name",
		"kubernetes_namespace_name", "kubernetes_pod_name", "kubernetes_container_name",
	}
}

// Server serves the protocol.
type Server struct {
	options  Options
	tcp      *intake.TCP
	intake   *intake.Intake
	sink     Sink
	log      *slog.Logger
	messages *prometheus.CounterVec // by mode
	failed   *prometheus.CounterVec // by reason
}

// Listen binds the address.
func Listen(o Options, sockets *intake.Sockets, in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	tcp, err := sockets.ListenTCP("fluent", o.Address, o.TLS, o.Connection)
	if err != nil {
		return nil, err
	}
	with := promauto.With(reg)
	return &Server{
		options: o.withDefaults(), tcp: tcp, intake: in, sink: sink, log: log,
		messages: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_fluent_messages_total", Help: "Messages in Fluentd's forward protocol by mode.",
		}, []string{"mode"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_fluent_messages_failed_total",
			Help: "Messages in Fluentd's forward protocol that were not kept, by reason: malformed, refused or busy. Those that came while it was busy are sent again by senders that ask for acknowledgements.",
		}, []string{"reason"}),
	}, nil
}

func (o Options) withDefaults() Options {
	if o.LineKeys == nil {
		o.LineKeys = LineKeys()
	}
	if o.Labels == nil {
		o.Labels = Labels()
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 16 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // without a name the handshake has an empty one
	}
	return o
}

// Addr is the address in use.
func (s *Server) Addr() net.Addr { return s.tcp.Addr() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error { return s.tcp.Serve(ctx, s.serve) }

func (s *Server) serve(ctx context.Context, c net.Conn) error {
	r := newFrames(c, s.options.MaxMessage, s.intake, s.options.Patience)
	defer r.close()
	if s.options.SharedKey != "" {
		if err := s.handshake(ctx, c, r); err != nil {
			return fmt.Errorf("in the handshake: %w", err)
		}
	}
	d := newDecoder(s.options.LineKeys, s.options.Labels)
	for {
		frame, err := r.next(ctx)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		if len(frame) == 1 && msgp.NextType(frame) == msgp.NilType {
			continue // a heartbeat
		}
		if err := s.take(ctx, c, d, frame); err != nil {
			return err
		}
	}
}

// take keeps the records of a message and acknowledges it.
func (s *Server) take(ctx context.Context, c net.Conn, d *decoder, frame []byte) error {
	m, err := parseMessage(frame)
	if err != nil {
		s.failed.WithLabelValues("malformed").Inc()
		return err
	}
	s.messages.WithLabelValues(m.mode).Inc()
	err = intake.Retry(ctx, s.options.Patience, func() error { return s.push(ctx, d, m) })
	switch {
	case err == nil:
	case intake.Again(intake.Status(err)):
		s.failed.WithLabelValues("busy").Inc()
		return err
	case errors.Is(err, errMalformed):
		s.failed.WithLabelValues("malformed").Inc()
		return err
	default: // sending it again would not help: it is acknowledged so that what follows gets through
		s.failed.WithLabelValues("refused").Inc()
		s.log.Error("records in Fluentd's protocol are refused", "from", c.RemoteAddr(), "tag", m.tag, "err", err)
	}
	if m.chunk == "" {
		return nil
	}
	_, err = c.Write(msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "ack"), m.chunk))
	return err
}

func (s *Server) push(ctx context.Context, d *decoder, m message) error {
	if !m.logs {
		return nil
	}
	body, err := s.intake.Take(ctx, m.entries)
	if err != nil {
		return err
	}
	defer body.Close()
	if m.compression != "" {
		if err := body.Unpack(m.compression, m.entries); err != nil {
			return err
		}
	}
	if err := body.Reserve(2 * int64(len(body.Data))); err != nil { // records and fields
		return err
	}
	streams, err := d.streams(m, body.Data, time.Now())
	if err != nil || len(streams) == 0 {
		return err
	}
	refused, err := s.sink.Push(ctx, streams)
	if text := intake.Refused(refused, d.out.Len()); text != "" {
		s.log.Warn("records in Fluentd's protocol are refused", "tag", m.tag, "why", text)
	}
	return err
}
