// Package remotewrite receives samples in Prometheus' remote write protocol, 1.0 and 2.0, over HTTP.
//
//	h := remotewrite.New(remotewrite.Options{}, sink, log, registerer)
//	mux.Handle("/api/v1/write", h)
//
// A request is acknowledged (204) only after its transaction is committed. When some of its samples are refused for
// good, the others are stored, and the answer is 400 and says which and why: the sender must not send it again. When
// it cannot be stored now, nothing of it is stored and the answer is 5xx or 429: the sender should try again.
//
// The decoder walks the bytes of the request without building objects, and finds a series by its labels as they
// were sent (see cache), so that labels are parsed once and not with every sample.
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// Sink returns where the samples of a tenant go. Its error's model.Kind decides the answer.
type Sink func(tenant string) (storage.AppendableV2, error)

// Options configures the handler; the zero value works.
type Options struct {
	Limits Limits
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Handler serves remote write requests. The tenant is that of the request's context (see model.Tenant).
type Handler struct {
	limits  Limits
	now     func() time.Time
	sink    Sink
	log     *slog.Logger
	cache   *cache
	budget  *budget
	buffers sync.Pool // *buffers
	metrics *metrics
}

// buffers are the memory of one request, used again by later ones.
type buffers struct{ body, data, scratch []byte }

// maxKept bounds the buffers that are used again, in bytes: a rare large request must not keep its memory.
const maxKept = 4 << 20

// New returns a handler that writes to sink.
func New(opts Options, sink Sink, log *slog.Logger, reg prometheus.Registerer) *Handler {
	limits := opts.Limits.withDefaults()
	h := &Handler{
		limits: limits,
		now:    opts.Now,
		sink:   sink,
		log:    log,
		cache:  newCache(limits.CacheBytes),
		budget: newBudget(limits.MaxInFlight, limits.MaxConcurrent),
	}
	if h.now == nil {
		h.now = time.Now
	}
	h.buffers.New = func() any { return new(buffers) }
	h.metrics = newMetrics(h, reg)
	return h
}

// ServeHTTP takes one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	version, err := protocol(r)
	var b *batch
	if err == nil {
		b, err = h.take(w, r, version)
	}
	status := h.answer(w, version, b, err)
	h.metrics.note(version, status, b, time.Since(begin))
	if err != nil && status >= http.StatusInternalServerError && !errors.Is(err, errBusy) {
		h.log.Error("cannot store a remote write request", "tenant", model.Tenant(r.Context()), "from", r.RemoteAddr, "err", err)
	}
}

// protocol returns the version of the protocol that the request is in, 1 or 2, by its headers.
func protocol(r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		return 0, &answer{http.StatusMethodNotAllowed, errors.New("remote write requests are sent with POST")}
	}
	version, err := messageVersion(r.Header.Get("Content-Type"))
	if err != nil {
		return 0, err
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "snappy", "": // the specification wants the header, and knows no other compression
		return version, nil
	default:
		return version, &answer{http.StatusUnsupportedMediaType, fmt.Errorf("the content encoding %q is not taken: use snappy", enc)}
	}
}

// take stores the request. The batch says what was taken and refused, also beside an error.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, version int) (*batch, error) {
	l := &lease{from: h.budget}
	defer l.giveBack()
	buf := h.buffers.Get().(*buffers)
	defer h.release(buf)

	data, err := h.read(w, r, l, buf)
	if err != nil {
		return nil, err
	}
	if err := l.wait(r.Context()); err != nil {
		return nil, err
	}
	return h.store(r.Context(), version, data, l, buf)
}

func (h *Handler) release(buf *buffers) {
	if cap(buf.body)+cap(buf.data)+cap(buf.scratch) <= maxKept {
		h.buffers.Put(buf)
	}
}

// read reads and decompresses the body. The result is in buf.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, l *lease, buf *buffers) ([]byte, error) {
	// A body that trickles in must not hold its share of the budget for ever. Not every writer can do it.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.limits.ReadTimeout))
	if err := h.readBody(r, l, buf); err != nil {
		return nil, err
	}
	h.metrics.bytes.WithLabelValues("compressed").Add(float64(len(buf.body)))
	n, err := snappy.DecodedLen(buf.body)
	switch {
	case err != nil:
		return nil, malformed(err)
	case int64(n) > h.limits.MaxUncompressed:
		return nil, tooLarge(fmt.Sprintf("the request has %d bytes uncompressed, at most %d are allowed", n, h.limits.MaxUncompressed))
	}
	if err := l.take(int64(n)); err != nil {
		return nil, err
	}
	if cap(buf.data) < n {
		buf.data = make([]byte, n)
	}
	data, err := snappy.Decode(buf.data[:cap(buf.data)], buf.body)
	if err != nil {
		return nil, malformed(err)
	}
	h.metrics.bytes.WithLabelValues("uncompressed").Add(float64(n))
	return data, nil
}

// readStep is by how much the buffer of a body of unknown length grows.
const readStep = 64 << 10

// readBody reads the body into buf.body. Its memory is taken of the budget before it is used.
func (h *Handler) readBody(r *http.Request, l *lease, buf *buffers) error {
	limit := h.limits.MaxCompressed
	tooMuch := tooLarge(fmt.Sprintf("the request has more than %d bytes", limit))
	if r.ContentLength > limit {
		return tooMuch
	}
	buf.body = buf.body[:0]
	for taken := int64(0); ; {
		if int64(len(buf.body)) >= taken {
			step := int64(readStep)
			if taken == 0 && r.ContentLength > 0 {
				step = r.ContentLength + 1 // one more, to meet the end without growing
			}
			if err := l.take(step); err != nil {
				return err
			}
			taken += step
			buf.body = grow(buf.body, taken)
		}
		n, err := r.Body.Read(buf.body[len(buf.body):taken])
		buf.body = buf.body[:len(buf.body)+n]
		switch {
		case int64(len(buf.body)) > limit:
			return tooMuch
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &answer{http.StatusBadRequest, fmt.Errorf("cannot read the request: %w", err)}
		}
	}
}

// grow returns b with at least the capacity of n bytes.
func grow(b []byte, n int64) []byte {
	if int64(cap(b)) >= n {
		return b
	}
	next := make([]byte, len(b), max(n, 2*int64(cap(b))))
	copy(next, b)
	return next
}

// store appends the decompressed request and commits it.
func (h *Handler) store(ctx context.Context, version int, data []byte, l *lease, buf *buffers) (*batch, error) {
	tenant := model.Tenant(ctx)
	to, err := h.sink(tenant)
	if err != nil {
		return nil, err
	}
	app := to.AppenderV2(ctx)
	b := &batch{
		limits: &h.limits, cache: h.cache, budget: l, tenant: tenant,
		maxTime: h.now().Add(h.limits.MaxAhead).UnixMilli(),
		app:     app, scratch: buf.scratch,
	}
	b.examples, _ = app.(storage.ExemplarAppenderV2)
	b.meta, _ = to.(metadataAppender)
	if version == 2 {
		err = b.v2(data)
	} else {
		err = b.v1(data)
	}
	buf.scratch = b.scratch
	if err != nil {
		return b.nothing(), errors.Join(err, app.Rollback())
	}
	if err := app.Commit(); err != nil {
		return b.nothing(), err
	}
	return b, nil
}

// nothing says that the batch was rolled back.
func (b *batch) nothing() *batch {
	b.samples, b.histograms, b.exemplars = 0, 0, 0
	return b
}

// answer writes the answer and returns its status.
func (h *Handler) answer(w http.ResponseWriter, version int, b *batch, err error) int {
	if version == 2 && b != nil {
		w.Header().Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(b.samples))
		w.Header().Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(b.histograms))
		w.Header().Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(b.exemplars))
	}
	switch {
	case err != nil:
		status := statusOf(err)
		if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", retryAfter)
		}
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		http.Error(w, err.Error(), status)
		return status
	case b.refused.total > 0:
		http.Error(w, b.refused.report(b.samples+b.histograms), http.StatusBadRequest)
		return http.StatusBadRequest
	}
	w.WriteHeader(http.StatusNoContent)
	return http.StatusNoContent
}

// retryAfter is the seconds after which a sender should try again: long enough for a request to be worked off, short
// enough not to let the sender's queue fill up.
const retryAfter = "2"
