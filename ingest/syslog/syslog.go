// Package syslog receives log records as syslog sends them: RFC 5424, RFC 3164 and what devices make of it, over UDP (RFC 5426), TCP with
// both framings (RFC 6587) and TLS (RFC 5425).
//
//	s := syslog.New(syslog.Options{}, intake, sink, log, registerer)
//	err = udp.Serve(ctx, s.Datagrams)     // of intake.Sockets
//	err = tcp.Serve(ctx, s.Connection)
//
// The line is the message; the host and the program are labels, everything else fields. What is in no format is a line too: nothing is
// refused for how it looks.
package syslog

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
	"unsafe"

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
	// Zone is where the clocks of senders that do not say are set; nil is the local one.
	Zone       *time.Location
	MaxMessage int // bytes; a longer one is cut into several. 0 is 64 KiB
	// Patience is how long a message waits while too much comes: then a connection is closed, and what came by UDP is lost. 0 is
	// 30 seconds.
	Patience time.Duration
}

// Server takes messages.
type Server struct {
	options  Options
	parser   parser
	intake   *intake.Intake
	sink     Sink
	log      *slog.Logger
	messages *prometheus.CounterVec // by transport
	failed   *prometheus.CounterVec // by transport and reason
	cut      prometheus.Counter
}

// New returns a server that writes to sink.
func New(o Options, in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Server {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = 64 << 10
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	with := promauto.With(reg)
	return &Server{
		options: o, parser: parser{o.Zone}, intake: in, sink: sink, log: log,
		messages: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_syslog_messages_total", Help: "Messages of syslog, kept or not, by transport.",
		}, []string{"transport"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_syslog_messages_failed_total", Help: "Messages of syslog that were not kept, by transport and reason: refused or busy.",
		}, []string{"transport", "reason"}),
		cut: with.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_ingest_syslog_messages_cut_total", Help: "Messages of syslog that were too long and became several records.",
		}),
	}
}

// Datagrams takes packets: a message each.
func (s *Server) Datagrams(ctx context.Context, packets []intake.Datagram) {
	var out intake.Streams
	for _, p := range packets {
		s.add(&out, trimEnd(p.Data), p.From.Addr(), p.Received)
	}
	_ = s.push(ctx, &out, "udp") // it is counted, and nobody waits for an answer
}

// Connection takes what comes over a connection.
func (s *Server) Connection(ctx context.Context, c net.Conn) error {
	from, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	r := newFrames(c, s.options.MaxMessage, s.intake, s.options.Patience)
	defer r.close()
	for {
		err := r.read(ctx)
		var out intake.Streams
		received := time.Now()
		for {
			frame, cut := r.next(err != nil)
			if frame == nil {
				break
			}
			if cut {
				s.cut.Inc()
			}
			s.add(&out, frame, from.Addr().Unmap(), received)
		}
		if pushErr := s.push(ctx, &out, "tcp"); pushErr != nil && intake.Again(intake.Status(pushErr)) {
			return pushErr // so that the sender notices
		}
		r.drop()
		if err != nil {
			return r.end(err)
		}
	}
}

// trimEnd leaves out the line break or zero that many put behind a message.
func trimEnd(b []byte) []byte {
	b = bytes.TrimRight(b, "\x00")
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// add adds a message.
func (s *Server) add(out *intake.Streams, b []byte, from netip.Addr, received time.Time) {
	if len(b) == 0 {
		return
	}
	m := s.parser.parse(unsafe.String(unsafe.SliceData(b), len(b)), received)
	if m.host == "" && from.IsValid() {
		m.host = from.String()
	}
	if m.time.IsZero() {
		m.time = received
	}
	labels := make([]model.Field, 0, 3)
	for _, l := range []model.Field{{Name: "app", Value: m.app}, {Name: "host", Value: m.host}, {Name: "job", Value: "syslog"}} {
		if l.Value != "" {
			labels = append(labels, l)
		}
	}
	m.fields = append(m.fields,
		model.Field{Name: "facility", Value: facilities[m.facility]}, model.Field{Name: "severity", Value: severities[m.severity]},
		model.Field{Name: "proc_id", Value: m.procID}, model.Field{Name: "msg_id", Value: m.msgID})
	out.Add(labels, model.Record{Time: m.time.UnixNano(), Line: m.line, Fields: model.SortFields(m.fields)})
}

// push keeps the records, and waits while too much comes.
func (s *Server) push(ctx context.Context, out *intake.Streams, transport string) error {
	n := out.Len()
	if n == 0 {
		return nil
	}
	s.messages.WithLabelValues(transport).Add(float64(n))
	var refused model.Refusals
	err := intake.Retry(ctx, s.options.Patience, func() (err error) {
		refused, err = s.sink.Push(ctx, out.List())
		return err
	})
	switch {
	case err == nil && len(refused) == 0:
	case err == nil:
		s.failed.WithLabelValues(transport, "refused").Add(float64(intake.CountRefused(refused)))
		s.log.Warn("messages of syslog are refused", "transport", transport, "why", intake.Refused(refused, n))
	case intake.Again(intake.Status(err)):
		s.failed.WithLabelValues(transport, "busy").Add(float64(n))
	default:
		s.failed.WithLabelValues(transport, "refused").Add(float64(n))
		s.log.Error("messages of syslog cannot be kept", "transport", transport, "err", err)
	}
	return err
}
