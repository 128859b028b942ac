// Package zipkin receives spans in Zipkin's formats over HTTP (https://zipkin.io/zipkin-api/): version 2 as JSON or protocol buffers, and
// version 1 as JSON or Thrift.
//
//	h := zipkin.New(intake, sink, log, registerer)
//	mux.Handle("POST /api/v2/spans", h.V2())
//	mux.Handle("POST /api/v1/spans", h.V1())
//
// The answer is 202 when everything is kept, as Zipkin's. It is 400 when some spans were refused for good: it names them, and the others are
// kept. When nothing could be kept now it is 429 or 503 with Retry-After.
//
// Spans become OpenTelemetry's as its Zipkin translation has it (see span.go for each field).
package zipkin

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// SpanSink is where spans go. It takes the strings for the length of the call.
type SpanSink interface {
	AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error)
}

// Receiver makes the handlers. The tenant is that of a request's context (see model.Tenant).
type Receiver struct {
	intake   *intake.Intake
	sink     SpanSink
	log      *slog.Logger
	requests *prometheus.CounterVec // by format and code
	refused  *prometheus.CounterVec // by reason
}

// New returns a receiver that writes to sink.
func New(in *intake.Intake, sink SpanSink, log *slog.Logger, reg prometheus.Registerer) *Receiver {
	with := promauto.With(reg)
	return &Receiver{
		intake: in, sink: sink, log: log,
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_zipkin_requests_total", Help: "Posts of spans in Zipkin's formats by format and HTTP status of the answer.",
		}, []string{"format", "code"}),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_zipkin_spans_refused_total", Help: "Spans in Zipkin's formats that the store never saw because they are malformed, by reason.",
		}, []string{"reason"}),
	}
}

// The formats.
const (
	jsonV2     = "json_v2"
	protobufV2 = "protobuf_v2"
	jsonV1     = "json_v1"
	thriftV1   = "thrift_v1"
)

// V2 returns the handler of POST /api/v2/spans. What does not say that it is protocol buffers is JSON, as in Zipkin.
func (r *Receiver) V2() http.Handler { return r.handler(jsonV2, protobufV2, "application/x-protobuf") }

// V1 returns the handler of POST /api/v1/spans. What does not say that it is Thrift is JSON, as in Zipkin.
func (r *Receiver) V1() http.Handler { return r.handler(jsonV1, thriftV1, "application/x-thrift") }

func (r *Receiver) handler(usual, other, otherType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		format := usual
		if media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil && media == otherType {
			format = other
		}
		err := r.take(w, req, format)
		status := http.StatusAccepted
		if err != nil {
			status = intake.Status(err)
		}
		r.requests.WithLabelValues(format, strconv.Itoa(status)).Inc()
		if err == nil {
			w.WriteHeader(status)
			return
		}
		if status == http.StatusInternalServerError {
			r.log.Error("cannot keep spans in Zipkin's format", "tenant", model.Tenant(req.Context()), "from", req.RemoteAddr, "err", err)
		}
		intake.SetRetryAfter(w.Header(), status, err)
		http.Error(w, err.Error(), status)
	})
}

// take decodes a request and hands it on.
func (r *Receiver) take(w http.ResponseWriter, req *http.Request, format string) error {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return intake.Errorf(http.StatusMethodNotAllowed, "spans are sent with POST")
	}
	body, err := r.intake.Read(w, req, intake.Plain)
	if err != nil {
		return err
	}
	defer body.Close()
	d := newDecoder(body.Reserve)
	if err := d.decode(format, body.Data); err != nil {
		return intake.Malformed(err)
	}
	refused := d.spans.Refused()
	for _, f := range refused {
		r.refused.WithLabelValues(string(f.Reason)).Add(float64(f.Count))
	}
	if groups := d.spans.Groups(); len(groups) > 0 {
		more, err := r.sink.AppendSpans(req.Context(), groups)
		if err != nil {
			return err
		}
		refused = append(refused, more...)
	}
	if len(refused) > 0 {
		return intake.Errorf(http.StatusBadRequest, "%s", intake.RefusedSpans(refused, d.spans.Len()))
	}
	return nil
}

func (d *decoder) decode(format string, data []byte) error {
	switch format {
	case jsonV2:
		return d.json(data, d.spanV2, func() {})
	case protobufV2:
		return d.protobuf(data)
	case jsonV1:
		return d.json(data, d.spanV1, d.fromV1)
	case thriftV1:
		return d.thrift(data)
	}
	return errors.New("BUG: there is no format " + format)
}
