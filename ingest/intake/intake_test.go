package intake

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
)

func packed(t testing.TB, text string, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packers(t testing.TB, text string) map[string][]byte {
	return map[string][]byte{
		"":                []byte(text),
		"identity":        []byte(text),
		"GZIP":            packed(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"zlib":            packed(t, text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"deflate":         packed(t, text, func(w io.Writer) io.WriteCloser { z, _ := flate.NewWriter(w, 5); return z }),
		"zstd":            packed(t, text, func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }),
		"x-snappy-framed": packed(t, text, func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) }),
		"snappy":          s2.EncodeSnappy(nil, []byte(text)),
	}
}

func request(encoding string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Encoding", encoding)
	return r
}

func TestRead(t *testing.T) {
	in := New(Limits{}, prometheus.NewRegistry())
	for _, text := range []string{"", "hello", strings.Repeat("0123456789", 100_000)} {
		for name, body := range packers(t, text) {
			for range 2 { // the second one finds used buffers
				r := request(name, body)
				if name == "zstd" {
					r.ContentLength = -1
				}
				b, err := in.Read(httptest.NewRecorder(), r, Plain)
				if err != nil || string(b.Data) != text {
					t.Fatalf("%s: %v", name, err)
				}
				b.Close()
			}
		}
	}
	if n := in.used.Load(); n != 0 || len(in.turns) != 0 {
		t.Errorf("%d bytes and %d turns were not given back", n, len(in.turns))
	}
}

func TestReadRefuses(t *testing.T) {
	in := New(Limits{MaxCompressed: 1000, MaxUncompressed: 2000, MaxInFlight: 1 << 20}, prometheus.NewRegistry())
	f := func(r *http.Request, status int, text string) {
		t.Helper()
		_, err := in.Read(httptest.NewRecorder(), r, Plain)
		if err == nil || Status(err) != status || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v with status %d", err, Status(err))
		}
		if n := in.used.Load(); n != 0 || len(in.turns) != 0 {
			t.Errorf("%d bytes and %d turns were not given back", n, len(in.turns))
		}
	}
	for name, body := range packers(t, strings.Repeat("x", 2001)) {
		f(request(name, body), http.StatusRequestEntityTooLarge, "send smaller pushes")
	}
	f(request("gzip", make([]byte, 1001)), http.StatusRequestEntityTooLarge, "1001 bytes")
	trickle := request("gzip", make([]byte, 1001))
	trickle.ContentLength = -1
	f(trickle, http.StatusRequestEntityTooLarge, "more than 1000 bytes")
	for _, name := range []string{"gzip", "deflate", "zstd", "snappy", "x-snappy-framed"} {
		f(request(name, []byte("\xff\xff\xff")), http.StatusBadRequest, "cannot decode")
	}
	f(request("br", nil), http.StatusUnsupportedMediaType, `"br"`)
	limited := request("", make([]byte, 100))
	limited.Body = http.MaxBytesReader(httptest.NewRecorder(), limited.Body, 10)
	limited.ContentLength = -1
	f(limited, http.StatusRequestEntityTooLarge, "server.max_body_size")
}

func TestBudget(t *testing.T) {
	in := New(Limits{MaxInFlight: 100, MaxConcurrent: 1}, prometheus.NewRegistry())
	a, err := in.Take(t.Context(), make([]byte, 60))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Take(t.Context(), make([]byte, 60)); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	if err := a.Reserve(41); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Take(ended, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	a.Close()
	b, err := in.Take(t.Context(), make([]byte, 100))
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if in.used.Load() != 0 {
		t.Error("bytes were not given back")
	}
}

type later struct{}

func (later) Error() string             { return "later" }
func (later) RetryAfter() time.Duration { return 2100 * time.Millisecond }

func TestStatus(t *testing.T) {
	f := func(err error, status int, after string) {
		t.Helper()
		if got := Status(err); got != status {
			t.Errorf("%v: got %d, want %d", err, got, status)
		}
		h := http.Header{}
		SetRetryAfter(h, status, err)
		if got := h.Get("Retry-After"); got != after {
			t.Errorf("%v: got %q, want %q", err, got, after)
		}
	}
	f(model.NewError(model.Invalid, ""), 400, "")
	f(model.NewError(model.Limit, ""), 429, "2")
	f(errors.Join(later{}, model.NewError(model.Limit, "")), 429, "3")
	f(model.NewError(model.Unavailable, ""), 503, "2")
	f(context.Canceled, 503, "2")
	f(errors.New("x"), 500, "")
	f(ErrBusy, 429, "2")
	f(Malformed(errors.New("x")), 400, "")
	f(Malformed(ErrBusy), 429, "2")
}

func TestRefused(t *testing.T) {
	refused := model.Refusals{{Reason: model.LineTooLong, Stream: `{a="b"}`, Count: 2, Text: "long"}}
	want := "2 of 5 entries are refused, the others are kept:\n2 for stream {a=\"b\"}: line_too_long: long"
	if got := Refused(refused, 5); got != want {
		t.Errorf("got %q", got)
	}
	for range 20 {
		refused = append(refused, refused[0])
	}
	if got := Refused(refused, 5); strings.Count(got, "\n") != maxTold+1 || !strings.HasSuffix(got, "and 11 more reasons") {
		t.Errorf("got %q", got)
	}
}

// FuzzRead checks that no body makes the budget leak.
func FuzzRead(f *testing.F) {
	for name, body := range packers(f, "hello hello hello hello") {
		f.Add(name, body)
	}
	in := New(Limits{MaxUncompressed: 1 << 20}, prometheus.NewRegistry())
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		b, err := in.Read(httptest.NewRecorder(), request(encoding, body), Plain)
		if err == nil {
			b.Close()
		}
		if in.used.Load() != 0 || len(in.turns) != 0 {
			t.Fatal("the budget leaks")
		}
	})
}
