package loki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// recorder writes down what is pushed.
type recorder struct {
	got     []string
	refuse  model.Refusals
	failure error
}

func (r *recorder) Push(_ context.Context, streams []model.Stream) (model.Refusals, error) {
	for _, s := range streams {
		for _, x := range s.Records {
			r.got = append(r.got, fmt.Sprintf("%s %d %q %s", model.FormatLabels(s.Labels), x.Time, x.Line, model.FormatLabels(x.Fields)))
		}
	}
	return r.refuse, r.failure
}

func newTestHandler(to Sink, l intake.Limits) *Handler {
	reg := prometheus.NewRegistry()
	return New(intake.New(l, reg), to, slog.New(slog.DiscardHandler), reg)
}

func post(h http.Handler, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The encoder of the tests.
func entryOf(t int64, line string, fields ...string) []byte {
	stamp := wire.AppendVarint(nil, 1, uint64(t/1e9))
	stamp = wire.AppendVarint(stamp, 2, uint64(t%1e9))
	e := wire.AppendBytes(nil, 1, stamp)
	e = wire.AppendBytes(e, 2, []byte(line))
	for i := 0; i < len(fields); i += 2 {
		e = wire.AppendBytes(e, 3, wire.AppendBytes(wire.AppendBytes(nil, 1, []byte(fields[i])), 2, []byte(fields[i+1])))
	}
	return e
}

func streamOf(labels string, entries ...[]byte) []byte {
	s := wire.AppendBytes(nil, 1, []byte(labels))
	for _, e := range entries {
		s = wire.AppendBytes(s, 2, e)
	}
	return wire.AppendVarint(s, 3, 12345) // the hash
}

func pushOf(streams ...[]byte) []byte {
	var p []byte
	for _, s := range streams {
		p = wire.AppendBytes(p, 1, s)
	}
	return p
}

func TestPush(t *testing.T) {
	f := func(contentType string, body []byte, want ...string) {
		t.Helper()
		to := &recorder{}
		h := newTestHandler(to, intake.Limits{})
		for range 2 { // with fresh memory and with used
			to.got = nil
			if w := post(h, contentType, body); w.Code != http.StatusNoContent {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if strings.Join(to.got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got  %s\nwant %s", to.got, want)
			}
		}
	}
	proto := snappy.Encode(nil, pushOf(
		streamOf(`{b="2", a="1"}`, entryOf(1_700_000_000_123_456_789, "one"), entryOf(2, "two\xff", "trace_id", "abc", "z", "")),
		streamOf("{job=`x`}", entryOf(3, "")),
	))
	want := []string{
		`{a="1", b="2"} 1700000000123456789 "one" {}`,
		`{a="1", b="2"} 2 "two\xff" {trace_id="abc", z=""}`,
		`{job="x"} 3 "" {}`,
	}
	f("application/x-protobuf", proto, want...)
	f("", proto, want...)
	f("application/json", []byte(`{"streams":[{"stream":{"a":"1"},"values":[["1700000000123456789","one"],[5,"t\nwo",{"trace_id":"abc","n":1.5,"o":{"x":[1]}}]]},
		{"stream":{"b":"2"},"values":[]},{"stream":{"c":"3"},"values":[["1.7e18","three"]]}],"more":{"x":[1]}}`),
		`{a="1"} 1700000000123456789 "one" {}`, `{a="1"} 5 "t\nwo" {trace_id="abc", n="1.5", o="{\"x\":[1]}"}`, `{c="3"} 1700000000000000000 "three" {}`)
	f("application/json; charset=utf-8", []byte(`{"streams":[{"labels":"{a=\"1\"}","entries":[{"ts":"2023-11-14T22:13:20.5Z","line":"one"}]}]}`),
		`{a="1"} 1700000000500000000 "one" {}`)
}

func TestPushCompressed(t *testing.T) {
	to := &recorder{}
	h := newTestHandler(to, intake.Limits{})
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(`{"streams":[{"stream":{"a":"1"},"values":[["5","one"]]}]}`))
	_ = z.Close()
	r := httptest.NewRequest(http.MethodPost, "/", &b)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusNoContent || len(to.got) != 1 {
		t.Errorf("%d %s: %s", w.Code, w.Body, to.got)
	}
}

func TestPushKeepsTheRestOfWhatItRefuses(t *testing.T) {
	f := func(contentType string, body []byte) {
		t.Helper()
		to := &recorder{refuse: model.Refusals{{Reason: model.LineTooLong, Stream: `{a="1"}`, Count: 1, Text: "too long"}}}
		w := post(newTestHandler(to, intake.Limits{}), contentType, body)
		want := "3 of 4 entries are refused, the others are kept:\n2 for stream {a: invalid_labels: the labels are not as in"
		if contentType == "application/json" {
			want = "3 of 4 entries are refused, the others are kept:\n2 for stream : invalid_labels: the label name \"a-b\" is not allowed"
		}
		if w.Code != http.StatusBadRequest || !strings.HasPrefix(w.Body.String(), want) || !strings.Contains(w.Body.String(), `1 for stream {a="1"}: line_too_long: too long`) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if len(to.got) != 2 {
			t.Errorf("kept %s", to.got)
		}
	}
	f("application/x-protobuf", snappy.Encode(nil, pushOf(streamOf("{a", entryOf(1, "x"), entryOf(1, "x")), streamOf(`{a="1"}`, entryOf(1, "x"), entryOf(1, "y")))))
	f("application/json", []byte(`{"streams":[{"stream":{"a-b":"1"},"values":[["1","x"],["1","y"]]},{"stream":{"a":"1"},"values":[["1","x"],["1","y"]]}]}`))
}

func TestPushRefuses(t *testing.T) {
	f := func(contentType, body string, failure error, status int, text string) {
		t.Helper()
		w := post(newTestHandler(&recorder{failure: failure}, intake.Limits{MaxUncompressed: 1000}), contentType, []byte(body))
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if again := status == 429 || status == 503; (w.Header().Get("Retry-After") != "") != again {
			t.Errorf("Retry-After is %q with %d", w.Header().Get("Retry-After"), status)
		}
	}
	const js = "application/json"
	ok := `{"streams":[{"stream":{"a":"1"},"values":[["1","x"]]}]}`
	f("text/plain", "x", nil, 415, "application/x-protobuf with snappy")
	f("application/x-www-form-urlencoded", ok, nil, 415, "application/json")
	f("", "not snappy", nil, 400, "cannot decode the push")
	f("", string(snappy.Encode(nil, []byte("\x0a\x05ab"))), nil, 400, "middle of a field")
	f("", string(snappy.Encode(nil, pushOf(streamOf(`{a="b"}`, []byte("\x0a\x09\x10\xff\xff\xff\xff\xff\xff\xff\x7f"))))), nil, 400, "beyond a second")
	f("", string(snappy.Encode(nil, make([]byte, 1001))), nil, 413, "1001 bytes")
	f(js, strings.Repeat(" ", 1001), nil, 413, "send smaller")
	f(js, `{"streams":[]}`, nil, 422, "at least one valid stream")
	f(js, `{}`, nil, 422, "at least one valid stream")
	f(js, `{"streams":[{"stream":{"a":"1"},"values":[]}]}`, nil, 422, "at least one valid stream")
	f(js, `{"streams":[{"stream":{"a":"1"},"values":[["1"]]}]}`, nil, 400, "needs a time and a line")
	f(js, `{"streams":[{"stream":{"a":"1"},"values":[["1","x",{},1]]}]}`, nil, 400, "more than a time")
	f(js, `{"streams":[{"stream":{"a":"1"},"values":[["now","x"]]}]}`, nil, 400, `"now" is not a time`)
	f(js, `{"streams":[{"stream":{"a":"1"},"values":[["1",5]]}]}`, nil, 400, "here is a number, not a text")
	f(js, ok+"x", nil, 400, "after the end")
	f(js, ok, model.NewError(model.Limit, "too fast"), 429, "too fast")
	f(js, ok, model.NewError(model.Unavailable, "busy"), 503, "busy")
	f(js, ok, errors.New("broken"), 500, "broken")
}

func TestPushIsBounded(t *testing.T) {
	// Empty entries: two bytes each in the push, 56 in memory.
	var s []byte
	for range 200_000 {
		s = append(s, 2<<3|wire.Bytes, 0)
	}
	h := newTestHandler(&recorder{}, intake.Limits{MaxInFlight: 4 << 20})
	if w := post(h, "", snappy.Encode(nil, pushOf(append(streamOf(`{a="b"}`), s...)))); w.Code != http.StatusTooManyRequests {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestParseLabels(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got, err := parseLabels(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if s := model.FormatLabels(got); s != want {
			t.Errorf("%s: got %s, want %s", in, s, want)
		}
	}
	f(`{}`, `{}`)
	f(` { a = "b" , } `, `{a="b"}`)
	f("{_b1=\"x\\n\\\"\\u00e9\",a=`c:\\d`}", "{_b1=\"x\\n\\\"é\", a=\"c:\\\\d\"}")
	f(`{a="1",a="2",b=""}`, `{a="2"}`)
	bad := func(in, want string) {
		t.Helper()
		if got, err := parseLabels(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	bad(``, "do not begin with {")
	bad(`a="b"`, "do not begin with {")
	bad(`{a="b"`, "no comma")
	bad(`{a="b" c="d"}`, "no comma")
	bad(`{a="b"} x`, "more after }")
	bad(`{a}`, "no =")
	bad(`{a=b}`, "not in quotes")
	bad(`{a='b'}`, "not in quotes")
	bad(`{a="b}`, "not in quotes")
	bad(`{1a="b"}`, "not allowed")
	bad(`{,}`, "not allowed")
	bad(strings.Repeat(" ", maxLabelText+1), "at most")
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache(100_000)
	for i := range 100_000 {
		if _, err := c.labels(fmt.Sprintf(`{a="%d"}`, i)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.labels(`{a="kept"}`); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.young) + len(c.old); n > 1000 {
		t.Errorf("%d entries", n)
	}
	if n := c.misses.Load(); n != 100_001 {
		t.Errorf("%d misses: what is in use was dropped", n)
	}
}

func TestPushIsOneUseOfMemory(t *testing.T) {
	body := pushOf(streamOf(`{a="b"}`, entryOf(time.Now().UnixNano(), "hello", "f", "g")))
	for range 10 {
		body = append(body, body...)
	}
	d := newDecoder(newCache(1 << 20))
	n := testing.AllocsPerRun(20, func() {
		d.begin(func(int64) error { return nil })
		if err := d.protobuf(body); err != nil || len(d.streams) != 1024 {
			t.Fatal(err, len(d.streams))
		}
		d.end()
	})
	if n > 1 {
		t.Errorf("%v allocations for 1024 records", n)
	}
}
