// Package intake is what the ways in for logs share: it reads and decompresses the bodies of requests within a budget of
// memory and of requests that are worked on, and says in HTTP's words what went wrong.
//
//	body, err := in.Read(w, r, intake.Plain)
//	if err != nil { ... }
//	defer body.Close()
//	decode(body.Data)
package intake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The defaults of Limits. Shippers send one to five megabytes at a time.
const (
	defaultMaxCompressed    = 16 << 20
	defaultMaxUncompressed  = 64 << 20
	defaultMaxInFlight      = 256 << 20
	defaultReadTimeout      = time.Minute
	concurrencyPerProcessor = 2
)

// Limits bounds what a request may be and what requests together may use. The zero value of each is its default.
type Limits struct {
	// MaxCompressed and MaxUncompressed bound the body of a request in bytes (16 MiB and 64 MiB). Larger ones get 413.
	MaxCompressed   int64
	MaxUncompressed int64
	// MaxInFlight bounds the bytes of all requests at one time, both forms and what is decoded from them counted
	// (256 MiB). Beyond it a request gets 429.
	MaxInFlight int64
	// MaxConcurrent bounds the requests that are decoded and stored at one time (two a processor); the others wait for
	// their turn, within MaxInFlight.
	MaxConcurrent int
	// ReadTimeout bounds the time that a body may take to arrive (1 minute).
	ReadTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.MaxCompressed, defaultMaxCompressed)
	setDefault(&l.MaxUncompressed, defaultMaxUncompressed)
	setDefault(&l.MaxInFlight, defaultMaxInFlight)
	setDefault(&l.MaxConcurrent, concurrencyPerProcessor*runtime.GOMAXPROCS(0))
	setDefault(&l.ReadTimeout, defaultReadTimeout)
	return l
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Intake is a budget that handlers share. It is safe for concurrent use.
type Intake struct {
	limits  Limits
	used    atomic.Int64
	turns   chan struct{} // holds a token for each request that is worked on
	buffers sync.Pool     // *buffers
	gzips   sync.Pool     // *gzip.Reader
	zstds   sync.Pool     // *zstd.Decoder
	busy    prometheus.Counter
}

// buffers are the memory of one request, used again by later ones.
type buffers struct{ body, data []byte }

// maxKept bounds the buffers that are used again, in bytes: a rare large request must not keep its memory.
const maxKept = 8 << 20

// New returns an empty budget.
func New(l Limits, reg prometheus.Registerer) *Intake {
	l = l.withDefaults()
	in := &Intake{limits: l, turns: make(chan struct{}, l.MaxConcurrent)}
	in.buffers.New = func() any { return new(buffers) }
	with := promauto.With(reg)
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hulotte_logs_in_flight_bytes", Help: "Memory of the pushes of logs that are being read and stored.",
	}, func() float64 { return float64(in.used.Load()) })
	in.busy = with.NewCounter(prometheus.CounterOpts{
		Name: "hulotte_logs_pushes_held_back_total", Help: "Pushes of logs that were told to come back later because there were too many bytes at one time.",
	})
	return in
}

// Body is what a request brought. It holds a share of the budget until Close.
type Body struct {
	Data []byte

	in    *Intake
	buf   *buffers
	bytes int64
	turn  bool
}

// Read reads and decompresses the body of a request. When it returns without an error it is the request's turn to be worked
// on. compression is what the body is in when the request has no Content-Encoding.
func (in *Intake) Read(w http.ResponseWriter, r *http.Request, compression Compression) (*Body, error) {
	c, err := compressionOf(r.Header, compression)
	if err != nil {
		return nil, err
	}
	// A body that trickles in must not hold its share of the budget for ever. Not every writer can do it.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(in.limits.ReadTimeout))
	b := in.newBody()
	if err := b.read(r, c); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Take is Read for bytes that are there already: what a gRPC server or a socket has read.
func (in *Intake) Take(ctx context.Context, data []byte) (*Body, error) {
	b := in.newBody()
	b.Data = data
	err := b.Reserve(int64(len(data)))
	if err == nil {
		err = b.wait(ctx)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (in *Intake) newBody() *Body {
	return &Body{in: in, buf: in.buffers.Get().(*buffers)}
}

func (b *Body) read(r *http.Request, c Compression) error {
	if err := b.readBody(r, c); err != nil {
		return err
	}
	if err := b.wait(r.Context()); err != nil {
		return err
	}
	return b.decompress(c, b.buf.body)
}

// Close gives back what the body holds. Data is not valid any more.
func (b *Body) Close() {
	b.in.used.Add(-b.bytes)
	if b.turn {
		<-b.in.turns
	}
	b.bytes, b.turn, b.Data = 0, false, nil
	if cap(b.buf.body)+cap(b.buf.data) <= maxKept {
		b.in.buffers.Put(b.buf)
	}
	b.buf = new(buffers)
}

// Hold takes n bytes of the budget, or fails with ErrBusy: for what is being read and is no Body yet. Release gives them back.
func (in *Intake) Hold(n int64) error {
	if in.used.Add(n) > in.limits.MaxInFlight {
		in.used.Add(-n)
		in.busy.Inc()
		return ErrBusy
	}
	return nil
}

// Release gives back what Hold took.
func (in *Intake) Release(n int64) { in.used.Add(-n) }

// Reserve takes n bytes more of the budget, for what is made of the body, or fails with ErrBusy.
func (b *Body) Reserve(n int64) error {
	if err := b.in.Hold(n); err != nil {
		return err
	}
	b.bytes += n
	return nil
}

func (b *Body) wait(ctx context.Context) error {
	select {
	case b.in.turns <- struct{}{}:
		b.turn = true
		return nil
	case <-ctx.Done():
		return ErrBusy
	}
}

// readStep is by how much the buffer of a body of unknown length grows at least.
const readStep = 64 << 10

// readBody reads the body into buf.body. Its memory is taken of the budget before it is used.
func (b *Body) readBody(r *http.Request, c Compression) error {
	limit := b.in.limits.MaxCompressed
	if c == Plain {
		limit = b.in.limits.MaxUncompressed
	}
	if r.ContentLength > limit {
		return tooLarge("the body of the push has %d bytes, at most %d are taken (ingest.logs.max_compressed_size)", r.ContentLength, limit)
	}
	b.buf.body = b.buf.body[:0]
	for taken := int64(0); ; {
		if int64(len(b.buf.body)) >= taken {
			step := max(readStep, taken) // doubling
			if taken == 0 && r.ContentLength > 0 {
				step = r.ContentLength + 1 // one more, to meet the end without growing
			}
			if err := b.Reserve(step); err != nil {
				return err
			}
			taken += step
			b.buf.body = grow(b.buf.body, taken)
		}
		n, err := r.Body.Read(b.buf.body[len(b.buf.body):taken])
		b.buf.body = b.buf.body[:len(b.buf.body)+n]
		switch {
		case int64(len(b.buf.body)) > limit:
			return tooLarge("the body of the push has more than %d bytes (ingest.logs.max_compressed_size)", limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return readError(err)
		}
	}
}

func readError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tooLarge("the body of the push has more than %d bytes (server.max_body_size)", large.Limit)
	}
	return Errorf(http.StatusBadRequest, "cannot read the body of the push: %w", err)
}

func tooLarge(format string, args ...any) error {
	return Errorf(http.StatusRequestEntityTooLarge, format+": send smaller pushes", args...)
}

// grow returns b with at least the capacity of n bytes.
func grow(b []byte, n int64) []byte {
	if int64(cap(b)) >= n {
		return b
	}
	next := make([]byte, len(b), n)
	copy(next, b)
	return next
}
