// Package gelf receives log records in the Graylog Extended Log Format, version 1.1
// (https://go2docs.graylog.org/current/getting_in_log_data/gelf.html): over UDP, also in chunks and compressed, over TCP with a zero
// byte behind each message, and over HTTP.
//
//	s := gelf.New(gelf.Options{}, intake, sink, log, registerer)
//	err = udp.Serve(ctx, s.Datagrams)     // of intake.Sockets
//	err = tcp.Serve(ctx, s.Connection)
//	mux.Handle("POST /gelf", s.HTTP())
//
// The line is full_message, or short_message when there is none; further fields lose the underscore that GELF writes before
// their names. The label job is "gelf", host the message's; others are chosen by Options.Labels.
package gelf

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink is where records go. It takes the strings for the length of the call, and may change streams and records in place,
// but not labels and fields.
type Sink interface {
	Push(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// Options configures a Server; the zero value works.
type Options struct {
	// Labels are the fields that become labels, as they are named without the underscore; nil is Labels.
	Labels     []string
	MaxMessage int // bytes of a message when it is unpacked; 0 is 2 MiB
	// Patience is how long a message waits while too much comes: then a connection is closed, and what came by UDP is lost. 0 is
	// 30 seconds.
	Patience time.Duration
}

// Labels returns the fields that become labels: those of Docker's driver and of usual loggers that tell where a record is from.
func Labels() []string {
	return []string{"container_name", "image_name", "tag", "facility", "service", "service_name", "app", "application", "application_name", "environment"}
}

// Server takes messages.
type Server struct {
	options  Options
	labels   map[string]bool
	intake   *intake.Intake
	sink     Sink
	log      *slog.Logger
	chunks   *chunks
	messages *prometheus.CounterVec // by transport
	failed   *prometheus.CounterVec // by transport and reason
}

// New returns a server that writes to sink.
func New(o Options, in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Server {
	if o.Labels == nil {
		o.Labels = Labels()
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 2 << 20
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	with := promauto.With(reg)
	s := &Server{
		options: o, labels: map[string]bool{}, intake: in, sink: sink, log: log,
		messages: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_gelf_messages_total", Help: "Messages in the Graylog Extended Log Format, kept or not, by transport.",
		}, []string{"transport"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_gelf_messages_failed_total",
			Help: "Messages in the Graylog Extended Log Format that were not kept, by transport and reason: malformed, incomplete (chunks are missing), refused or busy.",
		}, []string{"transport", "reason"}),
	}
	s.chunks = newChunks(s.failed.WithLabelValues("udp", "incomplete"))
	for _, l := range o.Labels {
		s.labels[l] = true
	}
	return s
}

// Datagrams takes packets.
func (s *Server) Datagrams(ctx context.Context, packets []intake.Datagram) {
	b := newBatch(s.labels)
	for _, p := range packets {
		data := s.chunks.whole(p)
		if data == nil {
			continue
		}
		s.messages.WithLabelValues("udp").Inc()
		data, err := unpack(data, s.options.MaxMessage)
		if err == nil {
			err = b.add(data, p.Received)
		}
		if err != nil {
			s.failed.WithLabelValues("udp", "malformed").Inc()
			s.log.Debug("a message of GELF is malformed", "from", p.From, "err", err)
		}
	}
	_ = s.push(ctx, b, "udp") // it is counted, and nobody waits for an answer
}

// push keeps what is in the batch, and waits while too much comes.
func (s *Server) push(ctx context.Context, b *batch, transport string) error {
	if b.Len() == 0 {
		return nil
	}
	var refused model.Refusals
	err := intake.Retry(ctx, s.options.Patience, func() (err error) {
		refused, err = s.sink.Push(ctx, b.List())
		return err
	})
	switch {
	case err == nil && len(refused) == 0:
	case err == nil:
		s.failed.WithLabelValues(transport, "refused").Add(float64(intake.CountRefused(refused)))
		s.log.Warn("messages of GELF are refused", "transport", transport, "why", intake.Refused(refused, b.Len()))
	case intake.Again(intake.Status(err)):
		s.failed.WithLabelValues(transport, "busy").Add(float64(b.Len()))
	default:
		s.failed.WithLabelValues(transport, "refused").Add(float64(b.Len()))
		s.log.Error("messages of GELF cannot be kept", "transport", transport, "err", err)
	}
	return err
}

// HTTP returns the handler of messages that are posted: one, or several one behind the other. The answer is 202, as Graylog's.
func (s *Server) HTTP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.post(w, r)
		if err == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		status := intake.Status(err)
		intake.SetRetryAfter(w.Header(), status, err)
		http.Error(w, err.Error(), status)
	})
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) error {
	// Senders such as Python's graypy close the connection without waiting for the answer, which ends the request's context.
	r = r.Clone(context.WithoutCancel(r.Context()))
	// Senders name all compressions that they know ("gzip,deflate") and use one, or name none: Graylog looks at the first bytes.
	named := r.Header.Get("Content-Encoding")
	unnamed := named == "" || strings.Contains(named, ",")
	if unnamed {
		r.Header.Del("Content-Encoding")
	}
	body, err := s.intake.Read(w, r, intake.Plain)
	if err != nil {
		return err
	}
	defer body.Close()
	if c := compressionOf(body.Data); unnamed && c != intake.Plain {
		if err := body.Unpack(string(c), body.Data); err != nil {
			return err
		}
	}
	if err := body.Reserve(2 * int64(len(body.Data))); err != nil { // records and fields
		return err
	}
	b := newBatch(s.labels)
	err = b.add(body.Data, time.Now())
	if err == nil && b.Len() == 0 {
		err = errors.New("there is no message")
	}
	s.messages.WithLabelValues("http").Add(float64(b.Len()))
	if err != nil {
		s.failed.WithLabelValues("http", "malformed").Inc()
		return intake.Malformed(err)
	}
	refused, err := s.sink.Push(r.Context(), b.List())
	if err == nil && len(refused) > 0 {
		s.failed.WithLabelValues("http", "refused").Add(float64(intake.CountRefused(refused)))
		err = intake.Errorf(http.StatusBadRequest, "%s", intake.Refused(refused, b.Len()))
	}
	return err
}
