// Package jaeger receives spans in Jaeger's own protocols: Thrift over HTTP, as its collector takes it, Thrift over UDP in both encodings, as its agent does,
// and protocol buffers over gRPC (https://www.jaegertracing.io/docs/1.76/architecture/apis/).
//
//	s := jaeger.New(jaeger.Options{}, intake, sink, log, registerer)
//	mux.Handle("POST /api/traces", s.HTTP())
//	mux.Handle(jaeger.PostSpans, s.GRPC())
//	err = udp.Serve(ctx, s.CompactDatagrams)     // of intake.Sockets
//
// Spans become OpenTelemetry's as its Jaeger translation has it (see span.go for each field).
package jaeger

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/model"
)

// SpanSink is where spans go. It takes the strings for the length of the call.
type SpanSink interface {
	AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error)
}

// Options configures a Server; the zero value works.
type Options struct {
	// Patience is how long what came by UDP waits while too much comes; then it is lost, and counted. 0 is 30 seconds.
	Patience time.Duration
}

// Server takes batches of spans.
type Server struct {
	options Options
	intake  *intake.Intake
	sink    SpanSink
	log     *slog.Logger
	batches *prometheus.CounterVec // by transport
	failed  *prometheus.CounterVec // by transport and reason
	refused *prometheus.CounterVec // by reason
}

// The transports.
const (
	overHTTP   = "http"
	overGRPC   = "grpc"
	udpCompact = "udp_compact"
	udpBinary  = "udp_binary"
)

// New returns a server that writes to sink.
func New(o Options, in *intake.Intake, sink SpanSink, log *slog.Logger, reg prometheus.Registerer) *Server {
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	with := promauto.With(reg)
	return &Server{
		options: o, intake: in, sink: sink, log: log,
		batches: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_jaeger_batches_total", Help: "Batches of spans in Jaeger's protocols, kept or not, by transport.",
		}, []string{"transport"}),
		failed: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_jaeger_batches_failed_total",
			Help: "Batches of spans in Jaeger's protocols that were not kept, or not whole, by transport and reason: malformed, busy or failed.",
		}, []string{"transport", "reason"}),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_jaeger_spans_refused_total", Help: "Spans in Jaeger's protocols that the store never saw because they are malformed, by reason.",
		}, []string{"reason"}),
	}
}

// HTTP returns the handler of POST /api/traces: one batch in Thrift's binary encoding. The answer is 202, as that of Jaeger's collector. It is 400 when some spans
// were refused for good: it names them, and the others are kept. When nothing could be kept now it is 429 or 503 with Retry-After.
func (s *Server) HTTP() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := s.post(w, r)
		s.count(overHTTP, r, err)
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
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return intake.Errorf(http.StatusMethodNotAllowed, "spans are sent with POST")
	}
	if err := isThrift(r); err != nil {
		return err
	}
	body, err := s.intake.Read(w, r, intake.Plain)
	if err != nil {
		return err
	}
	defer body.Close()
	return s.take(r.Context(), body, func(d *decoder) error { return d.thriftBatch(thrift.Binary(body.Data)) })
}

// isThrift checks what a request says that it holds. One that says nothing is taken for Thrift.
func isThrift(r *http.Request) error {
	if format := r.URL.Query().Get("format"); format != "" && format != "jaeger.thrift" {
		return intake.Errorf(http.StatusBadRequest, "the format %.60q is not taken: use jaeger.thrift", format)
	}
	contentType := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "", err == nil && (media == "application/x-thrift" || media == "application/vnd.apache.thrift.binary"):
		return nil
	}
	return intake.Errorf(http.StatusUnsupportedMediaType, "the content type %.100q is not taken: use application/x-thrift", contentType)
}

// PostSpans is the path of the call of jaeger.api_v2.CollectorService.
const PostSpans = "/jaeger.api_v2.CollectorService/PostSpans"

// GRPC returns the handler of PostSpans.
func (s *Server) GRPC() http.Handler {
	return s.intake.GRPC(func(ctx context.Context, body *intake.Body, message []byte) ([]byte, error) {
		return nil, s.take(ctx, body, func(d *decoder) error { return d.protobuf(message) }) // the answer has no fields
	}, func(req *http.Request, _ int, err error) { s.count(overGRPC, req, err) })
}

// count counts a request, and logs what is wrong with us, not with the sender.
func (s *Server) count(transport string, r *http.Request, err error) {
	s.batches.WithLabelValues(transport).Inc()
	if err == nil || errors.As(err, new(*refusedError)) {
		return
	}
	why := reasonOf(err)
	s.failed.WithLabelValues(transport, why).Inc()
	if why == "failed" {
		s.log.Error("cannot keep spans of Jaeger", "tenant", model.Tenant(r.Context()), "from", r.RemoteAddr, "err", err)
	}
}

// take decodes a batch and hands it on.
func (s *Server) take(ctx context.Context, body *intake.Body, decode func(*decoder) error) error {
	d := newDecoder(body.Reserve)
	if err := decode(d); err != nil {
		return intake.Malformed(err)
	}
	return s.push(ctx, d)
}

func reasonOf(err error) string {
	switch status := intake.Status(err); {
	case intake.Again(status):
		return "busy"
	case status < 500:
		return "malformed"
	}
	return "failed"
}

// refusedError is that some spans were refused, while the others were kept.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// push keeps the spans.
func (s *Server) push(ctx context.Context, d *decoder) error {
	refused := d.spans.Refused()
	if groups := d.spans.Groups(); len(groups) > 0 {
		more, err := s.sink.AppendSpans(ctx, groups)
		if err != nil {
			return err
		}
		refused = append(refused, more...)
	}
	for _, r := range d.spans.Refused() {
		s.refused.WithLabelValues(string(r.Reason)).Add(float64(r.Count))
	}
	if len(refused) == 0 {
		return nil
	}
	return &refusedError{intake.Errorf(http.StatusBadRequest, "%s", intake.RefusedSpans(refused, d.spans.Len()))}
}

// CompactDatagrams takes packets with a batch each in Thrift's compact encoding, as clients send them to port 6831 of an agent.
func (s *Server) CompactDatagrams(ctx context.Context, packets []intake.Datagram) {
	s.datagrams(ctx, udpCompact, packets, thrift.Compact)
}

// BinaryDatagrams takes packets with a batch each in Thrift's binary encoding, as clients send them to port 6832 of an agent.
func (s *Server) BinaryDatagrams(ctx context.Context, packets []intake.Datagram) {
	s.datagrams(ctx, udpBinary, packets, thrift.Binary)
}

func (s *Server) datagrams(ctx context.Context, transport string, packets []intake.Datagram, read func([]byte) *thrift.Reader) {
	s.batches.WithLabelValues(transport).Add(float64(len(packets)))
	var body *intake.Body
	err := intake.Retry(ctx, s.options.Patience, func() (err error) {
		body, err = s.intake.Take(ctx, nil)
		return err
	})
	if err != nil {
		s.failed.WithLabelValues(transport, reasonOf(err)).Add(float64(len(packets)))
		return
	}
	defer body.Close()
	d := newDecoder(body.Reserve)
	taken := 0
	for _, p := range packets {
		if err := intake.Malformed(d.emitBatch(read(p.Data))); err != nil {
			s.failed.WithLabelValues(transport, reasonOf(err)).Inc()
			s.log.Debug("a batch of Jaeger is not taken", "transport", transport, "from", p.From, "err", err)
			continue
		}
		taken++
	}
	s.pushAll(ctx, transport, d, taken)
}

// pushAll keeps the spans of as many batches, and waits while too much comes. Nobody waits for an answer.
func (s *Server) pushAll(ctx context.Context, transport string, d *decoder, batches int) {
	err := intake.Retry(ctx, s.options.Patience, func() error { return s.push(ctx, d) })
	switch {
	case err == nil:
	case errors.As(err, new(*refusedError)):
		s.log.Warn("spans of Jaeger are refused", "transport", transport, "why", strconv.Quote(err.Error()))
	default:
		s.failed.WithLabelValues(transport, reasonOf(err)).Add(float64(batches))
		if reasonOf(err) == "failed" {
			s.log.Error("cannot keep spans of Jaeger", "transport", transport, "err", err)
		}
	}
}
