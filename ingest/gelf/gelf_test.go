package gelf

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
)

// recorder keeps what it is given as text, one line a record.
type recorder struct {
	mu   sync.Mutex
	text []string
	fail []error // what the next calls answer
}

func (r *recorder) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fail) > 0 {
		err := r.fail[0]
		r.fail = r.fail[1:]
		clear(streams[0].Records) // whoever is called may change it
		return nil, err
	}
	for _, s := range streams {
		for _, rec := range s.Records {
			r.text = append(r.text, strings.Clone(fmt.Sprintf("%s %d %q %v", model.FormatLabels(s.Labels), rec.Time, rec.Line, rec.Fields)))
		}
	}
	return nil, nil
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.text, "\n")
}

func newTestServer(o Options) (*Server, *recorder) {
	reg, sink := prometheus.NewRegistry(), &recorder{}
	return New(o, intake.New(intake.Limits{}, reg), sink, slog.New(slog.DiscardHandler), reg), sink
}

var testTime = time.Unix(9, 0)

func TestMessage(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		s, sink := newTestServer(Options{})
		b := newBatch(s.labels)
		if err := b.add([]byte(text), testTime); err != nil {
			t.Fatal(err)
		}
		if err := s.push(context.Background(), b, "test"); err != nil {
			t.Fatal(err)
		}
		if got := sink.all(); got != want {
			t.Errorf("got\n%s\nnot\n%s", got, want)
		}
	}
	// The example of the specification.
	f(`{"version": "1.1", "host": "example.org", "short_message": "A short message that helps you identify what is going on",
		"full_message": "Backtrace here\n\nmore stuff", "timestamp": 1385053862.3072, "level": 1, "_user_id": 9001, "_some_info": "foo", "_some_env_var": "bar"}`,
		`{host="example.org", job="gelf"} 1385053862307200000 "Backtrace here\n\nmore stuff" [{level 1} {short_message A short message that helps you identify what is going on} {some_env_var bar} {some_info foo} {user_id 9001}]`)
	f(`{"host":"h","short_message":"a","full_message":"a\nb"}`, `{host="h", job="gelf"} 9000000000 "a\nb" []`)
	// Docker's driver.
	f(`{"version":"1.1","host":"h","short_message":"x","timestamp":1385053862.307,"level":6,"_command":"c","_container_name":"web","_created":"2020"}`,
		`{container_name="web", host="h", job="gelf"} 1385053862307000000 "x" [{command c} {created 2020} {level 6}]`)
	f(`{"short_message":"x","timestamp":"5.000000001","_o":{"a":[1, "b"]},"_n":null,"_t":true,"_e":"","_":"no name"}`,
		`{job="gelf"} 5000000001 "x" [{o {"a":[1, "b"]}} {t true}]`)
	f(`{"short_message":"x","timestamp":1.385053862e9}`, `{job="gelf"} 1385053862000000000 "x" []`)
	f(`{"short_message":"x","timestamp":null}
{"short_message":"y","timestamp":7}`, "{job=\"gelf\"} 9000000000 \"x\" []\n{job=\"gelf\"} 7000000000 \"y\" []")
}

func TestMalformed(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		err := newBatch(nil).add([]byte(text), testTime)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", text, err, want)
		}
	}
	f(`x`, "here is no value, not an object")
	f(`{}`, "neither short_message nor full_message")
	f(`{"short_message":"x"`, "the text ends")
	f(`{"short_message":"x","timestamp":"now"}`, `the timestamp "now"`)
	f(`{"short_message":"x","timestamp":-1}`, "the timestamp")
	f(`{"short_message":"x","timestamp":1e99}`, "the timestamp")
	f(`{"short_message":"x","timestamp":1.5x}`, "here is")
	f(`{"short_message":"x","a":`+strings.Repeat("[", 1000)+"}", "nested")
}

// chunked cuts a message into chunks of n bytes.
func chunked(id byte, data []byte, n int) (out [][]byte) {
	count := (len(data) + n - 1) / n
	for i := range count {
		head := append([]byte{0x1e, 0x0f, id, 0, 0, 0, 0, 0, 0, 0}, byte(i), byte(count))
		out = append(out, append(head, data[i*n:min(len(data), (i+1)*n)]...))
	}
	return out
}

func packed(w io.WriteCloser, b *bytes.Buffer, text string) []byte {
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func TestDatagrams(t *testing.T) {
	s, sink := newTestServer(Options{MaxMessage: 1000})
	from := netip.MustParseAddrPort("127.0.0.1:1")
	send := func(at time.Time, packets ...[]byte) {
		var batch []intake.Datagram
		for _, p := range packets {
			batch = append(batch, intake.Datagram{From: from, Received: at, Data: p})
		}
		s.Datagrams(context.Background(), batch)
	}
	f := func(want string, packets ...[]byte) {
		t.Helper()
		sink.text = nil
		send(testTime, packets...)
		if got := sink.all(); got != want {
			t.Errorf("got\n%s\nnot\n%s", got, want)
		}
	}
	const x = `{"short_message":"x"}`
	const want = `{job="gelf"} 9000000000 "x" []`
	var b1, b2, b3 bytes.Buffer
	f(want, []byte(x))
	f(want, packed(gzip.NewWriter(&b1), &b1, x))
	f(want, packed(zlib.NewWriter(&b2), &b2, x))
	// Chunks, in any order, twice, with others between; of a compressed message too.
	parts := chunked(1, []byte(x), 5)
	f(want, parts[4], parts[0], parts[1], parts[1], chunked(2, []byte(x), 4)[0], parts[3], parts[2])
	f(want, chunked(3, packed(gzip.NewWriter(&b3), &b3, x), 7)...)
	f("", []byte("{"), nil, []byte{0x1e, 0x0f}, append([]byte{0x1e, 0x0f}, make([]byte, 10)...), chunked(4, []byte(x), 10)[1])
	var bomb bytes.Buffer
	f("", packed(gzip.NewWriter(&bomb), &bomb, `{"short_message":"`+strings.Repeat("x", 10_000)+`"}`))
	// What is incomplete goes after five seconds.
	parts = chunked(5, []byte(x), 15)
	f("", parts[0])
	sink.text = nil
	send(testTime.Add(6*time.Second), parts[1])
	if got := sink.all(); got != "" {
		t.Error(got)
	}
	if s.chunks.order.Len() != 1 {
		t.Errorf("%d messages wait", s.chunks.order.Len())
	}
	// Many that never become whole are bounded.
	for i := range 3 * mostWaiting {
		p := append([]byte{0x1e, 0x0f, byte(i), byte(i >> 8), 9, 9, 9, 9, 9, 9, 0, 2}, make([]byte, 20_000)...)
		send(testTime.Add(6*time.Second), p)
	}
	if c := s.chunks; c.order.Len() > mostWaiting || c.bytes > mostWaitingBytes || len(c.byKey) != c.order.Len() {
		t.Errorf("%d messages with %d bytes wait, %d known", c.order.Len(), c.bytes, len(c.byKey))
	}
	if n := testutil.ToFloat64(s.failed.WithLabelValues("udp", "incomplete")); n < mostWaiting {
		t.Errorf("%v are counted as incomplete", n)
	}
	if n := testutil.ToFloat64(s.failed.WithLabelValues("udp", "malformed")); n != 2 {
		t.Errorf("%v are counted as malformed", n)
	}
}

func TestConnection(t *testing.T) {
	f := func(o Options, want string, fail []error, pieces ...string) *Server {
		t.Helper()
		s, sink := newTestServer(o)
		sink.fail = fail
		us, them := net.Pipe()
		done := make(chan error, 1)
		go func() {
			done <- s.Connection(context.Background(), us)
			us.Close()
		}()
		for _, p := range pieces {
			if _, err := io.WriteString(them, p); err != nil {
				break
			}
		}
		them.Close()
		err := <-done
		if got := sink.all(); got != want {
			t.Errorf("got\n%s\nnot\n%s: %v", got, want, err)
		}
		if (err != nil) != (want == "") {
			t.Error(err)
		}
		return s
	}
	const x = `{"short_message":"x"}`
	line := `{job="gelf"} 7000000000 "x" []`
	y := `{"short_message":"x","timestamp":7}`
	f(Options{}, line, nil, y+"\x00")
	f(Options{}, line+"\n"+line, nil, y+"\x00"+y[:10], y[10:]+"\x00\n\x00")
	f(Options{}, line, nil, y) // without its end
	f(Options{}, line, nil, x[:5]+"\x00{}\x00"+y+"\x00")
	long := strings.Repeat("x", 100_000)
	f(Options{}, fmt.Sprintf(`{job="gelf"} 7000000000 %q []`, long), nil, `{"timestamp":7,"short_message":"`+long+"\"}\x00")
	f(Options{MaxMessage: 50_000}, "", nil, `{"timestamp":7,"short_message":"`+long+"\"}\x00")
	f(Options{}, line, []error{intake.ErrBusy, intake.ErrBusy}, y+"\x00")
	s := f(Options{Patience: time.Millisecond}, "", []error{intake.ErrBusy, intake.ErrBusy}, y+"\x00")
	if n := testutil.ToFloat64(s.failed.WithLabelValues("tcp", "busy")); n != 1 {
		t.Errorf("%v are counted as busy", n)
	}
}

func TestHTTP(t *testing.T) {
	encoding := ""
	f := func(body string, fail []error, status int, want string) {
		t.Helper()
		s, sink := newTestServer(Options{})
		sink.fail = fail
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/gelf", strings.NewReader(body))
		r.Header.Set("Content-Encoding", encoding)
		s.HTTP().ServeHTTP(w, r)
		if w.Code != status || sink.all() != want {
			t.Errorf("%d %s\n%s", w.Code, w.Body, sink.all())
		}
	}
	line := `{job="gelf"} 7000000000 "x" []`
	y := `{"short_message":"x","timestamp":7}`
	f(y, nil, 202, line)
	f(y+"\n"+y, nil, 202, line+"\n"+line)
	f(y+"x", nil, 400, "")
	f("", nil, 400, "")
	f(y, []error{intake.ErrBusy}, 429, "")
	// Senders do not always name the compression that they use.
	var packed, zipped bytes.Buffer
	for to, w := range map[*bytes.Buffer]io.WriteCloser{&packed: zlib.NewWriter(&packed), &zipped: gzip.NewWriter(&zipped)} {
		if _, err := io.WriteString(w, y); err != nil || w.Close() != nil {
			t.Fatal(to, err)
		}
	}
	for _, encoding = range []string{"", "gzip,deflate"} {
		f(packed.String(), nil, 202, line)
		f(zipped.String(), nil, 202, line)
		f(y, nil, 202, line)
		f(packed.String()[:9], nil, 400, "")
	}
	encoding = "deflate"
	f(packed.String(), nil, 202, line)
	f(zipped.String(), nil, 400, "")
	var twice bytes.Buffer
	w := zlib.NewWriter(&twice)
	if _, err := w.Write(packed.Bytes()); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	f(twice.String(), nil, 400, "")
}

// What a sender has sent is kept, although it does not wait for the answer.
func TestHTTPSenderGoesAway(t *testing.T) {
	s, sink := newTestServer(Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/gelf", strings.NewReader(`{"short_message":"x","timestamp":7}`))
	s.HTTP().ServeHTTP(httptest.NewRecorder(), r)
	if got, want := sink.all(), `{job="gelf"} 7000000000 "x" []`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"short_message":"x","timestamp":1.5,"_a":{"b":[1]},"host":"h"}`))
	f.Add([]byte(`{"full_message":"\u0000"}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBatch(map[string]bool{"a": true})
		_ = b.add(data, testTime)
		n := 0
		for _, s := range b.List() {
			for _, r := range s.Records {
				n++
				if r.Line == "" || r.Time < 0 {
					t.Errorf("%v", r)
				}
			}
		}
		if n != b.Len() {
			t.Errorf("%d records, not %d", n, b.Len())
		}
	})
}

func FuzzDatagrams(f *testing.F) {
	f.Add([]byte(`{"short_message":"x"}`), byte(3))
	f.Add([]byte{0x1f, 0x8b, 8}, byte(1))
	f.Fuzz(func(_ *testing.T, data []byte, n byte) {
		s, _ := newTestServer(Options{MaxMessage: 10_000})
		for _, p := range append(chunked(1, data, int(n)+1), data) {
			s.Datagrams(context.Background(), []intake.Datagram{{Received: testTime, Data: p}})
		}
	})
}
