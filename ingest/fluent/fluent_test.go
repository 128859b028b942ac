package fluent

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/tinylib/msgp/msgp"

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
		return nil, err
	}
	r.text = append(r.text, format(streams)...)
	return nil, nil
}

func (r *recorder) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.text, "\n")
}

func format(streams []model.Stream) (out []string) {
	for _, s := range streams {
		for _, rec := range s.Records {
			out = append(out, strings.Clone(fmt.Sprintf("%s %d %q %v", model.FormatLabels(s.Labels), rec.Time, rec.Line, rec.Fields)))
		}
	}
	return out
}

type testServer struct {
	*Server
	sink *recorder
	stop func()
}

func serve(t *testing.T, o Options) *testServer {
	t.Helper()
	o.Address = "127.0.0.1:0"
	log, reg, sink := slog.New(slog.DiscardHandler), prometheus.NewRegistry(), &recorder{}
	s, err := Listen(o, intake.NewSockets(log, reg), intake.New(intake.Limits{}, reg), sink, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &testServer{Server: s, sink: sink, stop: stop}
}

func (s *testServer) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// The parts of messages.
func list(items ...[]byte) []byte {
	return append(msgp.AppendArrayHeader(nil, uint32(len(items))), bytes.Join(items, nil)...)
}

func str(s string) []byte { return msgp.AppendString(nil, s) }
func num(n int64) []byte  { return msgp.AppendInt64(nil, n) }

// object is a map of keys and values in turn.
func object(items ...[]byte) []byte {
	return append(msgp.AppendMapHeader(nil, uint32(len(items)/2)), bytes.Join(items, nil)...)
}

func eventTime(seconds, nanos byte) []byte {
	return []byte{0xd7, 0, 0, 0, 0, seconds, 0, 0, 0, nanos}
}

func TestModes(t *testing.T) {
	f := func(frame []byte, want ...string) {
		t.Helper()
		m, err := parseMessage(frame)
		if err != nil {
			t.Fatal(err)
		}
		data := m.entries
		if m.compression == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if data, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		streams, err := newDecoder(LineKeys(), Labels()).streams(m, data, time.Unix(9, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(format(streams), "\n"); got != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nnot\n%s", got, strings.Join(want, "\n"))
		}
	}
	hello, other := object(str("log"), str("hello\n")), object(str("message"), str("other"), str("n"), num(1))
	f(list(str("app"), num(5), hello), `{job="app"} 5000000000 "hello" []`)
	f(list(str("app"), eventTime(5, 7), hello, object(str("size"), num(1))), `{job="app"} 5000000007 "hello" []`)
	f(list(str("app"), msgp.AppendNil(nil), hello, msgp.AppendNil(nil)), `{job="app"} 9000000000 "hello" []`)
	f(list(str("app"), list(list(num(1), hello), list(eventTime(2, 3), other)), object(str("chunk"), str("x"))),
		`{job="app"} 1000000000 "hello" []`, `{job="app"} 2000000003 "other" [{n 1}]`)
	packed := append(list(num(1), hello), list([]byte{0xc7, 8, 0, 0, 0, 0, 2, 0, 0, 0, 3}, other)...)
	want := []string{`{job="app"} 1000000000 "hello" []`, `{job="app"} 2000000003 "other" [{n 1}]`}
	f(list(str("app"), msgp.AppendBytes(nil, packed)), want...)
	f(list(str("app"), str(string(packed)), object(str("compressed"), str("text"))), want...)
	var z bytes.Buffer
	for _, half := range [][]byte{packed[:5], packed[5:]} { // members of gzip, one behind the other
		w := gzip.NewWriter(&z)
		_, _ = w.Write(half)
		_ = w.Close()
	}
	f(list(str("app"), msgp.AppendBytes(nil, z.Bytes()), object(str("compressed"), str("gzip"))), want...)
	// Fluent Bit's metadata.
	f(list(str("app"), list(list(list(eventTime(1, 0), object(str("trace"), str("t"))), hello))), `{job="app"} 1000000000 "hello" [{trace t}]`)
}

func TestRecords(t *testing.T) {
	f := func(record []byte, want string) {
		t.Helper()
		m, err := parseMessage(list(str("a"), num(1), record))
		if err != nil {
			t.Fatal(err)
		}
		streams, err := newDecoder(LineKeys(), Labels()).streams(m, m.entries, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(format(streams), "\n"); got != want {
			t.Errorf("got\n%s\nnot\n%s", got, want)
		}
	}
	// The best key is the line, the others are fields.
	f(object(str("msg"), str("c"), str("log"), str("a"), str("message"), str("b")), `{job="a"} 1000000000 "a" [{message b} {msg c}]`)
	// A text that is no text.
	f(object(str("log"), num(1), str("msg"), str("\xff\x00")), `{job="a"} 1000000000 "\xff\x00" [{log 1}]`)
	// Kubernetes.
	f(object(str("log"), str("x"), str("kubernetes"), object(str("pod_name"), str("p"), str("labels"), object(str("tier"), str("t")))),
		`{job="a", kubernetes_pod_name="p"} 1000000000 "x" [{kubernetes_labels_tier t}]`)
	f(object(str("log"), str("x"), str("l"), list(num(1), str("b")), str("f"), msgp.AppendFloat64(nil, 1.5), str("t"), msgp.AppendBool(nil, true), str("nil"), msgp.AppendNil(nil), str("u"), msgp.AppendUint64(nil, 1<<63)),
		`{job="a"} 1000000000 "x" [{f 1.5} {l [1,"b"]} {t true} {u 9223372036854775808}]`)
	// Nothing that is a line.
	f(object(str("a"), num(1), str("host"), str("h"), str("o"), object(str("b"), str("\"")), str("bin"), msgp.AppendBytes(nil, []byte("x"))),
		`{host="h", job="a"} 1000000000 "{\"a\":1,\"host\":\"h\",\"o\":{\"b\":\"\\\"\"},\"bin\":\"eA==\"}" []`)
	f(object(), `{job="a"} 1000000000 "{}" []`)
}

func TestMalformed(t *testing.T) {
	f := func(frame []byte, want string) {
		t.Helper()
		m, err := parseMessage(frame)
		if err == nil {
			_, err = newDecoder(LineKeys(), nil).streams(m, m.entries, time.Now())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	record := object(str("log"), str("x"))
	f(str("x"), "the outer list")
	f(list(str("x")), "1 values, not 2 to 4")
	f(list(num(1), num(1), record), "the tag")
	f(list(str("x"), num(1)), "time or record is missing")
	f(list(str("x"), num(-1), record), "the time -1")
	f(list(str("x"), msgp.AppendFloat64(nil, 1e300), record), "the time 1e+300")
	f(list(str("x"), num(1), record, num(1)), "the option")
	f(list(str("x"), num(1), record, object(), num(1)), "5 values")
	f(list(str("x"), list(num(1))), "entry 0")
	f(list(str("x"), list(list(num(1), record), list(num(1), num(2)))), "entry 1")
	f(list(str("x"), msgp.AppendBytes(nil, list(num(1), record)[:4])), "entry 0")
	f(list(str("x"), msgp.AppendBytes(nil, list(list(num(1)), record))), "its head has 1 values")
	deep := num(1)
	for range maxDepth + 2 {
		deep = object(str("a"), deep)
	}
	f(list(str("x"), num(1), deep), "nested")
	deep = append(bytes.Repeat([]byte{0x91}, 100_000), deep...)
	f(list(str("x"), num(1), object(str("a"), deep)), "nested")
}

func TestRealClient(t *testing.T) {
	s := serve(t, Options{})
	f := func(c fluent.Config) {
		t.Helper()
		addr := s.Addr().(*net.TCPAddr)
		c.FluentHost, c.FluentPort = addr.IP.String(), addr.Port
		c.SubSecondPrecision = true
		client, err := fluent.New(c)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for i := range 100 {
			err := client.PostWithTime("app.web", time.Unix(int64(i), 7), map[string]any{"message": fmt.Sprint("line ", i), "status": 200 + i})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	f(fluent.Config{RequestAck: true}) // so that all are there afterwards
	want := make([]string, 100)
	for i := range want {
		want[i] = fmt.Sprintf(`{job="app.web"} %d "line %d" [{status %d}]`, int64(i)*1e9+7, i, 200+i)
	}
	if got := s.sink.all(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestAckComesWhenKept(t *testing.T) {
	s := serve(t, Options{})
	s.sink.fail = []error{intake.ErrBusy, intake.ErrBusy}
	c := s.dial(t)
	_, _ = c.Write(list(str("a"), list(list(num(1), object(str("log"), str("x")))), object(str("chunk"), str("id"))))
	ack := make([]byte, len(object(str("ack"), str("id"))))
	if _, err := io.ReadFull(c, ack); err != nil || !bytes.Equal(ack, object(str("ack"), str("id"))) {
		t.Fatalf("%q %v", ack, err)
	}
	if got := s.sink.all(); got != `{job="a"} 1000000000 "x" []` {
		t.Error(got)
	}
}

func TestNoAckWhenNotKept(t *testing.T) {
	f := func(o Options, reason string, frame []byte, fail ...error) {
		t.Helper()
		s := serve(t, o)
		s.sink.fail = fail
		c := s.dial(t)
		_, _ = c.Write(frame)
		if got, err := io.ReadAll(c); len(got) > 0 {
			t.Errorf("%q %v", got, err)
		}
		if reason != "" && testutil.ToFloat64(s.failed.WithLabelValues(reason)) != 1 {
			t.Errorf("it is not counted as %s", reason)
		}
		if s.sink.all() != "" {
			t.Error(s.sink.all())
		}
		s.stop()
	}
	option := object(str("chunk"), str("id"))
	good := list(str("a"), list(list(num(1), object(str("log"), str("x")))), option)
	f(Options{Patience: time.Millisecond}, "busy", good, intake.ErrBusy, intake.ErrBusy, intake.ErrBusy)
	f(Options{}, "malformed", list(str("a"), list(num(1)), option))
	f(Options{}, "", []byte("GET / HTTP/1.1\r\n\r\n\xc1"))
	f(Options{MaxMessage: 1000}, "", list(str("a"), str(strings.Repeat("x", 100_000))))
}

func TestSharedKey(t *testing.T) {
	s := serve(t, Options{SharedKey: "secret", Hostname: "us"})
	f := func(key string, want bool) {
		t.Helper()
		c := s.dial(t)
		r := newFrames(c, 1<<20, s.intake, time.Second)
		helo, err := r.next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		v, _, err := msgp.ReadIntfBytes(helo)
		if err != nil {
			t.Fatal(err)
		}
		nonce := string(v.([]any)[1].(map[string]any)["nonce"].([]byte))
		_, _ = c.Write(list(str("PING"), str("them"), str("salt"), str(digest("salt", "them", nonce, key)), str(""), str("")))
		pong, err := r.next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		v, _, _ = msgp.ReadIntfBytes(pong)
		answer := v.([]any)
		if answer[1] != want || answer[3] != "us" {
			t.Errorf("%v", answer)
		}
		if proof := digest("salt", "us", nonce, "secret"); want && answer[4] != proof {
			t.Errorf("we have not shown that we know the key: %v", answer[4])
		}
		_, _ = c.Write(list(str("a"), list(list(num(1), object(str("log"), str("x")))), object(str("chunk"), str("id"))))
		_, err = r.next(context.Background())
		if (err == nil) != want {
			t.Errorf("after the handshake: %v", err)
		}
	}
	f("secret", true)
	f("other", false)
	c := s.dial(t)
	_, _ = c.Write(list(str("a"), num(1), object(str("log"), str("no key"))))
	_, _ = io.ReadAll(c) // until it is closed
	if got := s.sink.all(); got != `{job="a"} 1000000000 "x" []` {
		t.Error(got)
	}
}

func TestDigest(t *testing.T) {
	// printf 'abc' | sha512sum
	const want = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
	if got := digest("a", "b", "c"); got != want {
		t.Error(got)
	}
}

// oneByte reads byte by byte.
type oneByte struct{ io.Reader }

func (r oneByte) Read(b []byte) (int, error) { return r.Reader.Read(b[:min(1, len(b))]) }

func TestFrames(t *testing.T) {
	values := [][]byte{
		num(1), num(-1), num(1 << 40), str("abc"), str(strings.Repeat("x", 40)), str(strings.Repeat("x", 400)), str(strings.Repeat("x", 70_000)),
		msgp.AppendBytes(nil, make([]byte, 300)), msgp.AppendBytes(nil, make([]byte, 70_000)), msgp.AppendFloat32(nil, 1), msgp.AppendFloat64(nil, 1),
		msgp.AppendNil(nil), msgp.AppendBool(nil, true), msgp.AppendUint64(nil, 1<<63), eventTime(1, 2), {0xc7, 3, 9, 1, 2, 3}, {0xc8, 0, 1, 9, 1}, {0xc9, 0, 0, 0, 1, 9, 1},
		{0xd4, 1, 0}, {0xd5, 1, 0, 0}, {0xd6, 1, 0, 0, 0, 0}, append([]byte{0xd8, 1}, make([]byte, 16)...),
		list(), list(list(list(num(1))), object()), object(str("a"), list(num(1)), num(2), object(str("b"), num(3))),
	}
	var many [][]byte
	for range 70_000 {
		many = append(many, num(1))
	}
	values = append(values, list(many[:20]...), list(many...), object(many[:40]...), object(many...))
	in := intake.New(intake.Limits{}, prometheus.NewRegistry())
	for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, func(r io.Reader) io.Reader { return oneByte{r} }} {
		r := newFrames(wrap(bytes.NewReader(bytes.Join(values, nil))), 1<<20, in, 0)
		for i, want := range values {
			got, err := r.next(context.Background())
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("value %d: %d bytes, not %d: %v", i, len(got), len(want), err)
			}
		}
		if _, err := r.next(context.Background()); err != io.EOF { //nolint:errorlint // it is promised
			t.Error(err)
		}
		r.close()
	}
}

func FuzzMessage(f *testing.F) {
	record := object(str("log"), str("x"), str("o"), object(str("a"), list(num(1))))
	f.Add(list(str("a"), num(1), record))
	f.Add(list(str("a"), list(list(eventTime(1, 2), record), list(list(num(1), object()), object(str("a"), num(1)))), object(str("chunk"), str("c"))))
	f.Add(list(str("a"), msgp.AppendBytes(nil, list(num(1), record))))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := scanner{open: 1}
		done, err := s.scan(data)
		if err != nil || !done {
			return
		}
		m, err := parseMessage(data[:s.at])
		if err != nil {
			return
		}
		streams, err := newDecoder(LineKeys(), Labels()).streams(m, m.entries, time.Now())
		if err != nil {
			return
		}
		for _, st := range streams {
			if len(st.Labels) == 0 && m.tag != "" || len(st.Records) == 0 {
				t.Errorf("%v", st)
			}
		}
	})
}
