package api

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// minCompressed is the size from which a body is compressed: below about one packet nothing is won.
const minCompressed = 1400

// compressors keeps encoders between requests; each holds some hundred kilobytes of tables.
type compressors struct{ zstd, gzip sync.Pool }

type resetWriter interface {
	io.WriteCloser
	Reset(io.Writer)
	Flush() error
}

func (c *compressors) get(encoding string, w io.Writer) resetWriter {
	if encoding == "zstd" {
		if z, ok := c.zstd.Get().(*zstd.Encoder); ok {
			z.Reset(w)
			return z
		}
		// No error is possible with these options. One goroutine and a window of 256 KiB keep an idle encoder small.
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		return z
	}
	if z, ok := c.gzip.Get().(*gzip.Writer); ok {
		z.Reset(w)
		return z
	}
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
	return z
}

func (c *compressors) put(encoding string, z resetWriter) {
	z.Reset(io.Discard) // lets go of the response
	if encoding == "zstd" {
		c.zstd.Put(z)
		return
	}
	c.gzip.Put(z)
}

// compressed compresses what h answers in the encoding that the client prefers.
func (a *api) compressed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept-Encoding")
		encoding := negotiateEncoding(r.Header.Get("Accept-Encoding"))
		if encoding == "" || r.Method == http.MethodHead {
			h.ServeHTTP(w, r)
			return
		}
		c := &compressedWriter{ResponseWriter: w, pool: a.metrics.compressors, encoding: encoding}
		finished := false
		// After a panic the body is incomplete, and must not end as if it were whole.
		defer func() { c.finish(finished) }()
		h.ServeHTTP(c, r)
		finished = true
	})
}

// compressedWriter holds the start of a body back until it is clear whether compressing pays.
type compressedWriter struct {
	http.ResponseWriter
	pool     *compressors
	encoding string

	status int
	held   []byte      // the start of the body, while undecided
	out    resetWriter // nil when undecided or plain
	plain  bool        // the body goes out as it is
}

// Unwrap lets http.ResponseController reach the connection.
func (c *compressedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *compressedWriter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *compressedWriter) Write(p []byte) (int, error) {
	switch {
	case c.out != nil:
		return c.out.Write(p)
	case c.plain:
		return c.ResponseWriter.Write(p)
	}
	if len(c.held)+len(p) < minCompressed {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	if err := c.decide(compressible(c.Header())); err != nil {
		return 0, err
	}
	return c.Write(p)
}

// Flush sends everything that was written so far.
func (c *compressedWriter) Flush() {
	if c.out == nil && !c.plain {
		if c.decide(compressible(c.Header())) != nil {
			return
		}
	}
	if c.out != nil && c.out.Flush() != nil {
		return
	}
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// decide sends the header and what was held back.
func (c *compressedWriter) decide(compress bool) error {
	if compress {
		c.Header().Del("Content-Length")
		c.Header().Set("Content-Encoding", c.encoding)
		c.out = c.pool.get(c.encoding, c.ResponseWriter)
	} else {
		c.plain = true
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	held := c.held
	c.held = nil
	if len(held) == 0 {
		return nil
	}
	_, err := c.Write(held)
	return err
}

func (c *compressedWriter) finish(whole bool) {
	switch {
	case c.out != nil:
		if whole {
			_ = c.out.Close() // an error means that the client is gone
			c.pool.put(c.encoding, c.out)
		}
	case !c.plain && whole:
		if c.status != http.StatusNoContent && c.Header().Get("Content-Length") == "" {
			c.Header().Set("Content-Length", strconv.Itoa(len(c.held)))
		}
		_ = c.decide(false)
	}
}

// compressible says whether a body of these headers gets smaller: text does, streams of events must not wait.
func compressible(h http.Header) bool {
	if h.Get("Content-Encoding") != "" {
		return false
	}
	ct, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	ct = strings.TrimSpace(ct)
	switch ct {
	case "text/event-stream":
		return false
	case "application/json", "application/x-ndjson", "application/openmetrics-text", "application/vnd.google.protobuf":
		return true
	}
	return strings.HasPrefix(ct, "text/")
}

// negotiateEncoding picks zstd or gzip by the header's quality values, zstd when they are equal; "" means that
// the client wants neither (RFC 9110, section 12.5.3).
func negotiateEncoding(header string) string {
	if len(header) > 1000 {
		return "" // no honest client sends this
	}
	var qZstd, qGzip, qAny float64 = -1, -1, -1
	for clause := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(clause, ";")
		q := quality(params)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "zstd":
			qZstd = q
		case "gzip", "x-gzip":
			qGzip = q
		case "*":
			qAny = q
		}
	}
	if qZstd < 0 {
		qZstd = qAny
	}
	if qGzip < 0 {
		qGzip = qAny
	}
	switch {
	case qZstd <= 0 && qGzip <= 0:
		return ""
	case qZstd >= qGzip:
		return "zstd"
	}
	return "gzip"
}

// quality returns the q parameter of a clause, 1 when there is none and 0 when it is malformed.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, found := strings.Cut(strings.TrimSpace(p), "=")
		if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
