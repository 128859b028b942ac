// Package forward sends log records to a server in Loki's push protocol
// (https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs): protocol buffers, compressed with snappy.
//
//	f, err := forward.New(forward.Options{URL: "https://hulotte.example.org/loki/api/v1/push"}, log, registerer)
//	refused, err := f.Push(ctx, streams)
//
// It keeps nothing and tries nothing again: whoever follows files and journals can read them again, and moves on only when Push has
// returned without an error, which is when the server has acknowledged the records. So the files are the queue, and it survives restarts of both
// sides.
package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
)

// Options configures a Forwarder. URL is required; the zero value of every other field is its default.
type Options struct {
	// URL takes the pushes.
	URL string
	// Client sends them: TLS and authentication are its transport's (default http.DefaultClient).
	Client *http.Client
	// Header is added to every request, such as X-Scope-OrgID.
	Header http.Header
	// Labels are sent with every stream that does not have labels of these names.
	Labels map[string]string
	// Timeout bounds one request (30 seconds).
	Timeout time.Duration
}

// Forwarder sends records. It is safe for concurrent use.
type Forwarder struct {
	opts     Options
	labels   []model.Field
	log      *slog.Logger
	buffers  sync.Pool // *buffers
	sent     prometheus.Counter
	requests *prometheus.CounterVec
	bytes    prometheus.Counter
}

// buffers are those of one push.
type buffers struct{ push, stream, entry, packed []byte }

// New returns a Forwarder.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Forwarder, error) {
	if o.URL == "" {
		return nil, errors.New("cannot forward logs: URL is empty")
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	with := promauto.With(reg)
	const prefix = "hulotte_logs_forward_"
	f := &Forwarder{
		opts: o, log: log,
		sent:     with.NewCounter(prometheus.CounterOpts{Name: prefix + "sent_records_total", Help: "Log records that the server has taken."}),
		bytes:    with.NewCounter(prometheus.CounterOpts{Name: prefix + "sent_bytes_total", Help: "Bytes of requests, compressed, that the server has taken."}),
		requests: with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "requests_total", Help: "Requests by outcome: sent, refused in part, failed (and tried again)."}, []string{"outcome"}),
	}
	for name, value := range o.Labels {
		f.labels = append(f.labels, model.Field{Name: name, Value: value})
	}
	f.labels = model.SortFields(f.labels)
	f.buffers.New = func() any { return new(buffers) }
	return f, nil
}

// Push sends the records in one request. Refusals are those that the server has refused for good. The error is of the kind
// Invalid when the server cannot take so much at once, or not what is in it; after any other error the same records may be sent again, and it may have a
// method RetryAfter() time.Duration.
func (f *Forwarder) Push(ctx context.Context, streams []model.Stream) (model.Refusals, error) {
	b := f.buffers.Get().(*buffers)
	defer f.buffers.Put(b)
	records := f.encode(b, streams)
	if records == 0 {
		return nil, nil
	}
	b.packed = snappy.Encode(b.packed[:cap(b.packed)], b.push)
	refused, err := f.send(ctx, b.packed)
	switch {
	case err != nil:
		f.requests.WithLabelValues("failed").Inc()
		return nil, fmt.Errorf("cannot send logs to the server: %w", err)
	case len(refused) > 0:
		f.requests.WithLabelValues("refused").Inc()
	default:
		f.requests.WithLabelValues("sent").Inc()
	}
	f.bytes.Add(float64(len(b.packed)))
	for _, r := range refused {
		records -= r.Count
	}
	f.sent.Add(float64(max(records, 0)))
	return refused, nil
}

func (f *Forwarder) send(ctx context.Context, body []byte) (model.Refusals, error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.opts.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range f.opts.Header {
		req.Header[name] = slices.Clone(values)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("User-Agent", "hulotte-agent")
	res, err := f.opts.Client.Do(req)
	if err != nil {
		return nil, model.NewError(model.Unavailable, err.Error())
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // it only explains the status
	return outcome(res, strings.TrimSpace(string(text)))
}

// maxAnswer is what is read of an answer.
const maxAnswer = 16 << 10

// outcome tells what an answer means.
func outcome(res *http.Response, text string) (model.Refusals, error) {
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil, nil
	case code == http.StatusBadRequest || code == http.StatusUnprocessableEntity: // what is not named was kept
		return model.Refusals{{Reason: refusedByServer, Count: countOf(text), Text: text}}, nil
	case code == http.StatusRequestEntityTooLarge:
		return nil, model.NewError(model.Invalid, "it takes no request of this size: "+text)
	}
	return nil, &retry{model.NewError(model.Unavailable, fmt.Sprintf("it answers %s: %s", res.Status, firstLine(text))), retryAfter(res.Header)}
}

// refusedByServer is the reason of refusals whose own reasons are in their text.
const refusedByServer model.RefusalReason = "refused_by_server"

// partial is how Hulotte says how many records it has refused; Loki does not say it.
var partial = regexp.MustCompile(`^(\d{1,9}) of \d+ entries are refused`)

func countOf(text string) int {
	if m := partial.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // its digits were counted
		return n
	}
	return 1
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// retry is an error after which the server wants some time.
type retry struct {
	error
	after time.Duration
}

func (r *retry) Unwrap() error             { return r.error }
func (r *retry) RetryAfter() time.Duration { return r.after }

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
