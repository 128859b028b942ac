// Package loki receives log records in Loki's push protocol over HTTP
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs): protocol buffers compressed with snappy, and
// JSON.
//
//	h := loki.New(intake, sink, log, registerer)
//	mux.Handle("POST /loki/api/v1/push", h)
//	mux.Handle("POST /api/prom/push", h)
//
// The answer is 204 when everything is kept. It is 400 when some records were refused for good: it names them, and the
// others are kept. When nothing could be kept now it is 429 or 503 with Retry-After, and the sender should try again.
//
// The decoder walks the bytes of the push without building objects; labels are parsed once (see cache).
package loki

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"
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

// Handler serves push requests. The tenant is that of the request's context (see model.Tenant).
type Handler struct {
	intake   *intake.Intake
	sink     Sink
	log      *slog.Logger
	cache    *cache
	decoders sync.Pool              // *decoder
	requests *prometheus.CounterVec // by format and code
}

// cacheBytes bounds the memory of label sets as they are sent: some 50,000 of them.
const cacheBytes = 32 << 20

// New returns a handler that writes to sink.
func New(in *intake.Intake, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Handler {
	with := promauto.With(reg)
	h := &Handler{
		intake: in, sink: sink, log: log, cache: newCache(cacheBytes),
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_ingest_loki_requests_total", Help: "Pushes in Loki's protocol by format and HTTP status of the answer.",
		}, []string{"format", "code"}),
	}
	with.NewCounterFunc(prometheus.CounterOpts{
		Name: "hulotte_ingest_loki_label_cache_misses_total", Help: "Label sets that had to be parsed.",
	}, func() float64 { return float64(h.cache.misses.Load()) })
	h.decoders.New = func() any { return newDecoder(h.cache) }
	return h
}

// ServeHTTP takes one push.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format, err := formatOf(r)
	var refused model.Refusals
	total := 0
	if err == nil {
		refused, total, err = h.take(w, r, format)
	}
	status, text := http.StatusNoContent, ""
	switch {
	case err != nil:
		status, text = intake.Status(err), err.Error()
	case len(refused) > 0:
		status, text = http.StatusBadRequest, intake.Refused(refused, total)
	}
	h.requests.WithLabelValues(format, strconv.Itoa(status)).Inc()
	if status == http.StatusInternalServerError {
		h.log.Error("cannot keep a push of logs", "tenant", model.Tenant(r.Context()), "from", r.RemoteAddr, "err", err)
	}
	if text == "" {
		w.WriteHeader(status)
		return
	}
	intake.SetRetryAfter(w.Header(), status, err)
	http.Error(w, text, status)
}

// The formats of a push.
const (
	protobufFormat = "protobuf"
	jsonFormat     = "json"
)

// formatOf returns the format of a request by its content type. One without is protocol buffers, as Loki documents it.
func formatOf(r *http.Request) (string, error) {
	contentType := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case contentType == "", err == nil && (media == "application/x-protobuf" || media == "application/octet-stream"):
		return protobufFormat, nil
	case err == nil && media == "application/json":
		return jsonFormat, nil
	}
	return "other", intake.Errorf(http.StatusUnsupportedMediaType, "the content type %.100q is not taken: use application/json, or application/x-protobuf with snappy", contentType)
}

var errNoStreams = intake.Errorf(http.StatusUnprocessableEntity, "error at least one valid stream is required for ingestion")

// take decodes the push and hands it on. It returns how many records there were.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, format string) (model.Refusals, int, error) {
	compression := intake.Plain
	if format == protobufFormat {
		compression = intake.SnappyBlock
	}
	body, err := h.intake.Read(w, r, compression)
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	d := h.decoders.Get().(*decoder)
	defer h.release(d)
	d.begin(body.Reserve)
	if format == jsonFormat {
		err = d.json(body.Data)
	} else {
		err = d.protobuf(body.Data)
	}
	switch {
	case err != nil:
		return nil, 0, intake.Malformed(err)
	case len(d.streams) == 0 && len(d.refused) == 0:
		return nil, 0, errNoStreams
	}
	total := d.records()
	refused, err := h.sink.Push(r.Context(), d.streams)
	return append(d.refused, refused...), total, err
}

func (h *Handler) release(d *decoder) {
	if d.end() {
		h.decoders.Put(d)
	}
}

// timeOf returns nanoseconds since the epoch, at the ends of what they can be when the time is beyond them.
func timeOf(seconds, nanos int64) (int64, error) {
	const most = int64(1<<63-1) / int64(time.Second)
	if seconds > most || seconds < -most || nanos < 0 || nanos >= int64(time.Second) {
		return 0, errTime
	}
	return seconds*int64(time.Second) + nanos, nil
}

var errTime = errors.New("a time is beyond what 64 bits of nanoseconds hold")
