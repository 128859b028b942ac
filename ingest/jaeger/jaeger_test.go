package jaeger

import (
	"bytes"

	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/thrift"
	"github.com/hulotte-dev/hulotte/internal/thrift/thrifttest"
	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

type (
	s = thrifttest.Struct
	l = thrifttest.List
)

// recorder writes down what it is given.
type recorder struct {
	mu      sync.Mutex
	text    string
	refuse  model.Refusals
	failure []error // of the next calls
}

func (r *recorder) AppendSpans(_ context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failure) > 0 {
		err := r.failure[0]
		r.failure = r.failure[1:]
		return nil, err
	}
	r.text += spanstest.Text(groups)
	return r.refuse, nil
}

func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.text
	r.text = ""
	return text
}

func newTestServer(limits intake.Limits) (*Server, *recorder) {
	reg, sink := prometheus.NewRegistry(), &recorder{}
	return New(Options{}, intake.New(limits, reg), sink, slog.New(slog.DiscardHandler), reg), sink
}

// The tags of Thrift.
func textTag(key, v string) s           { return s{1, key, 2, int32(0), 3, v} }
func doubleTag(key string, v float64) s { return s{1, key, 2, int32(1), 4, v} }
func boolTag(key string, v bool) s      { return s{1, key, 2, int32(2), 5, v} }
func longTag(key string, v int64) s     { return s{1, key, 2, int32(3), 6, v} }
func binaryTag(key, v string) s         { return s{1, key, 2, int32(4), 7, v} }
func reference(kind, trace, span int) s {
	return s{1, int32(kind), 2, int64(trace), 3, int64(0), 4, int64(span)}
}
func process(service string, tags l) s { return s{1, service, 2, tags} }
func batch(process s, spans ...any) s  { return s{1, process, 2, l(spans)} }
func spanOf(more ...any) s {
	return append(s{1, int64(1), 2, int64(0), 3, int64(2), 4, int64(0), 5, "get", 7, int32(1), 8, int64(5), 9, int64(4)}, more...)
}
func tags(list ...any) s { return spanOf(10, l(list)) }
func decoded(t *testing.T, f func(*decoder) error) (string, *intake.Spans) {
	t.Helper()
	d := newDecoder(func(int64) error { return nil })
	if err := f(d); err != nil {
		t.Fatal(err)
	}
	return spanstest.Text(d.spans.Groups()), d.spans
}

// ids are those that stand first in a line of most tests.
const ids = "  00000000000000000000000000000001/0000000000000002 "

// What Thrift says is the same in both encodings.
func TestThrift(t *testing.T) {
	f := func(b s, want string) {
		t.Helper()
		for name, r := range map[string]*thrift.Reader{"binary": thrift.Binary(thrifttest.Binary(b)), "compact": thrift.Compact(thrifttest.Compact(b))} {
			if got, spans := decoded(t, func(d *decoder) error { return d.thriftBatch(r) }); got != want {
				t.Errorf("%s:\ngot  %s\nwant %s%v", name, got, want, spans.Refused())
			}
		}
	}
	web := process("web", l{})
	line := func(rest string) string { return `resource {service.name="web"}` + "\n" + ids + rest + "\n" }
	f(batch(web), "")
	f(batch(web, spanOf()), line(`"get" unspecified 5000+4000 flags=1 {}`))
	f(s{2, l{spanOf()}, 1, web}, line(`"get" unspecified 5000+4000 flags=1 {}`)) // the process behind the spans
	f(s{2, l{spanOf()}}, "resource {}\n"+ids+"\"get\" unspecified 5000+4000 flags=1 {}\n")
	f(batch(process("OTLPResourceNoServiceName", nil), spanOf()), "resource {}\n"+ids+"\"get\" unspecified 5000+4000 flags=1 {}\n")
	f(batch(process("web", l{textTag("hostname", "h"), textTag("ip", "10.0.0.1"), longTag("pid", 7)}), spanOf()),
		`resource {service.name="web", host.name="h", ip="10.0.0.1", pid=7}`+"\n"+ids+"\"get\" unspecified 5000+4000 flags=1 {}\n")
	f(batch(process("web", l{textTag("hostname", "h"), textTag("host.name", "n")}), spanOf()),
		`resource {service.name="web", hostname="h", host.name="n"}`+"\n"+ids+"\"get\" unspecified 5000+4000 flags=1 {}\n")
	f(batch(web, s{1, int64(-1), 2, int64(16), 3, int64(-2), 4, int64(3), 5, "x", 7, int32(3), 8, int64(5), 9, int64(-4), 12, true, 13, "later"}),
		`resource {service.name="web"}`+"\n  0000000000000010ffffffffffffffff/fffffffffffffffe <0000000000000003 \"x\" unspecified 5000+-4000 flags=1 {jaeger.debug=true}\n")
	f(batch(web, tags(textTag("a", "b"), doubleTag("d", 1.5), boolTag("yes", true), boolTag("no", false), longTag("n", -3), binaryTag("raw", "\x00\xff"), s{1, "x", 2, int32(9), 3, "y"})),
		line(`"get" unspecified 5000+4000 flags=1 {a="b", d=1.5e+00, yes=true, no=false, n=-3, raw=base64:AP8=, x="y"}`))
	for _, kind := range []string{"client", "server", "producer", "consumer", "internal"} {
		f(batch(web, tags(textTag("span.kind", kind))), line(`"get" `+kind+` 5000+4000 flags=1 {}`))
	}
	f(batch(web, tags(textTag("span.kind", "odd"))), line(`"get" unspecified 5000+4000 flags=1 {span.kind="odd"}`))
	f(batch(web, tags(textTag("otel.library.name", "lib"), textTag("otel.scope.version", "2"), textTag("w3c.tracestate", "a=b"))),
		`resource {service.name="web"} scope "lib" "2"`+"\n"+ids+"\"get\" unspecified 5000+4000 flags=1 state=\"a=b\" {}\n")
	f(batch(web, spanOf(11, l{s{1, int64(6), 2, l{textTag("event", "error"), textTag("message", "m")}}, s{1, int64(7), 2, l{longTag("event", 1)}}})),
		line(`"get" unspecified 5000+4000 flags=1 {}`)+"    event 6000 \"error\" {message=\"m\"}\n    event 7000 \"\" {event=1}\n")
}

func TestStatus(t *testing.T) {
	f := func(want string, list ...any) {
		t.Helper()
		data := thrifttest.Binary(batch(process("web", nil), tags(list...)))
		got, _ := decoded(t, func(d *decoder) error { return d.thriftBatch(thrift.Binary(data)) })
		if got = strings.TrimPrefix(got, `resource {service.name="web"}`+"\n"+ids+`"get" `); got != want+"\n" {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(`unspecified 5000+4000 error "" flags=1 {}`, boolTag("error", true))
	f(`unspecified 5000+4000 error "" flags=1 {}`, textTag("error", "true"))
	f(`unspecified 5000+4000 flags=1 {error=false}`, boolTag("error", false))
	f(`unspecified 5000+4000 error "gone" flags=1 {http.status_message="gone"}`, boolTag("error", true), textTag("http.status_message", "gone"))
	f(`unspecified 5000+4000 error "why" flags=1 {}`, textTag("otel.status_code", "ERROR"), textTag("otel.status_description", "why"))
	f(`unspecified 5000+4000 error "why" flags=1 {}`, textTag("otel.status_code", "OK"), textTag("otel.status_description", "why"), boolTag("error", true))
	f(`unspecified 5000+4000 ok "" flags=1 {http.status_code=500}`, textTag("otel.status_code", "Ok"), longTag("http.status_code", 500))
	f(`server 5000+4000 error "broken" flags=1 {http.status_code=500, http.status_message="broken"}`, textTag("span.kind", "server"), longTag("http.status_code", 500), textTag("http.status_message", "broken"))
	f(`server 5000+4000 flags=1 {http.status_code=404}`, textTag("span.kind", "server"), longTag("http.status_code", 404))
	f(`client 5000+4000 error "" flags=1 {http.status_code="404"}`, textTag("http.status_code", "404"), textTag("span.kind", "client"))
	f(`client 5000+4000 flags=1 {http.status_code=200}`, textTag("span.kind", "client"), longTag("http.status_code", 200))
}

func TestReferences(t *testing.T) {
	f := func(parent int, refs l, want string) {
		t.Helper()
		span := s{1, int64(1), 2, int64(0), 3, int64(2), 4, int64(parent), 6, refs, 8, int64(5)}
		data := thrifttest.Compact(batch(process("", nil), span))
		got, _ := decoded(t, func(d *decoder) error { return d.thriftBatch(thrift.Compact(data)) })
		if got = strings.TrimPrefix(got, "resource {}\n"+strings.TrimSuffix(ids, " ")); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	link := func(trace, span int, kind string) string {
		return fmt.Sprintf("    link %032d/%016d {opentracing.ref_type=%q}\n", trace, span, kind)
	}
	f(0, l{}, ` "" unspecified 5000+0 {}`+"\n")
	f(0, l{reference(0, 1, 7)}, ` <0000000000000007 "" unspecified 5000+0 {}`+"\n")
	f(7, l{reference(0, 1, 7)}, ` <0000000000000007 "" unspecified 5000+0 {}`+"\n")
	f(0, l{reference(1, 1, 8), reference(0, 1, 7)}, ` <0000000000000007 "" unspecified 5000+0 {}`+"\n"+link(1, 8, "follows_from"))
	f(0, l{reference(1, 1, 8), reference(1, 1, 9)}, ` <0000000000000008 "" unspecified 5000+0 {}`+"\n"+link(1, 8, "follows_from")+link(1, 9, "follows_from"))
	f(0, l{reference(0, 4, 8)}, ` "" unspecified 5000+0 {}`+"\n"+link(4, 8, "child_of"))
	f(7, l{reference(0, 1, 7), reference(0, 1, 8)}, ` <0000000000000007 "" unspecified 5000+0 {}`+"\n"+link(1, 8, "child_of"))
}

// One span that is wrong does not keep the others from being taken.
func TestRefused(t *testing.T) {
	f := func(span s, reason model.RefusalReason, part string) {
		t.Helper()
		data := thrifttest.Binary(batch(process("web", nil), span, spanOf()))
		got, spans := decoded(t, func(d *decoder) error { return d.thriftBatch(thrift.Binary(data)) })
		if !strings.HasSuffix(got, ids+"\"get\" unspecified 5000+4000 flags=1 {}\n") || strings.Count(got, "\n") != 2 {
			t.Errorf("the other is not taken: %s", got)
		}
		if r := spans.Refused(); len(r) != 1 || r[0].Reason != reason || r[0].Stream != "web" || r[0].Count != 1 || !strings.Contains(r[0].Text, part) || spans.Len() != 2 {
			t.Errorf("got %v, want %s", r, part)
		}
	}
	f(s{}, model.BadIDs, "no trace id or no span id")
	f(s{1, int64(1)}, model.BadIDs, "no trace id or no span id")
	f(s{1, int64(1), 3, int64(2), 8, int64(9223372036854776)}, model.BadTime, "the start of a span, 9223372036854776 microseconds")
	f(s{1, int64(1), 3, int64(2), 9, int64(-9223372036854776)}, model.BadTime, "the duration of a span")
	f(s{1, int64(1), 3, int64(2), 11, l{s{1, int64(1 << 62)}}}, model.BadTime, "the time of a log of a span")
	many := make(l, maxItems+1)
	for i := range many {
		many[i] = s{}
	}
	f(s{1, int64(1), 3, int64(2), 10, many}, model.SpanTooLarge, "10000 tags")
	f(s{1, int64(1), 3, int64(2), 11, many}, model.SpanTooLarge, "10000 logs")
	f(s{1, int64(1), 3, int64(2), 6, many}, model.SpanTooLarge, "10000 references")
}

// message is a protocol buffer of fields: a number and a value in turn.
func message(list ...any) (b []byte) {
	for i := 0; i < len(list); i += 2 {
		num := uint32(list[i].(int)) //nolint:gosec // a test's
		switch v := list[i+1].(type) {
		case int:
			b = wire.AppendVarint(b, num, uint64(v)) //nolint:gosec // two's complement
		case float64:
			b = wire.AppendFixed64(b, num, 0x3ff8000000000000)
		case string:
			b = wire.AppendBytes(b, num, []byte(v))
		case []byte:
			b = wire.AppendBytes(b, num, v)
		}
	}
	return b
}

func id(n byte) []byte { return []byte{0, 0, 0, 0, 0, 0, 0, n} }

func protobufRequest() []byte {
	trace := append(id(0), id(1)...)
	process := message(processService, "web", processTags, message(tagKey, "hostname", tagText, "h"))
	first := message(spanTrace, trace, spanID, id(2), spanName, "get", spanFlags, 1, spanStart, message(timeSeconds, 5, timeNanos, 6), spanDuration, message(timeNanos, 7),
		spanRefs, message(refTrace, trace, refSpan, id(3)), spanRefs, message(refTrace, id(9), refSpan, id(4), refType, 1),
		spanTags, message(tagKey, "t", tagText, "x"), spanTags, message(tagKey, "b", tagType, 1, tagBool, 1), spanTags, message(tagKey, "i", tagType, 2, tagInt, -1),
		spanTags, message(tagKey, "f", tagType, 3, tagFloat, 1.5), spanTags, message(tagKey, "r", tagType, 4, tagBytes, "\xff"), spanTags, message(tagKey, "span.kind", tagText, "server"),
		spanLogs, message(logTime, message(timeSeconds, 6), logFields, message(tagKey, "event", tagText, "e")), 12, "a warning")
	own := message(spanTrace, trace, spanID, id(5), spanName, "own", spanProcess, message(processService, "db"))
	wrong := message(spanTrace, "short", spanID, id(6))
	return message(requestBatch, message(batchSpans, first, batchSpans, own, batchSpans, wrong, batchProcess, process))
}

const protobufText = `resource {service.name="web", host.name="h"}` + "\n" + "  00000000000000000000000000000001/0000000000000002 <0000000000000003 " +
	`"get" server 5000000006+7 flags=1 {t="x", b=true, i=-1, f=1.5e+00, r=base64:/w==}
    event 6000000000 "e" {}
    link 00000000000000000000000000000009/0000000000000004 {opentracing.ref_type="follows_from"}
resource {service.name="db"}
  00000000000000000000000000000001/0000000000000005 "own" unspecified 0+0 {}
`

func TestProtobuf(t *testing.T) {
	got, spans := decoded(t, func(d *decoder) error { return d.protobuf(protobufRequest()) })
	if got != protobufText {
		t.Errorf("got  %s\nwant %s", got, protobufText)
	}
	if r := spans.Refused(); len(r) != 1 || r[0].Reason != model.BadIDs || r[0].Text != "the trace id 73686f7274 of a span has 5 bytes: 16 are expected" {
		t.Errorf("got %v", r)
	}
	late := message(spanTrace, id(1), spanID, id(2), spanStart, message(timeSeconds, 1<<60))
	if _, spans := decoded(t, func(d *decoder) error { return d.protobuf(message(1, message(1, late))) }); len(spans.Refused()) != 1 || spans.Refused()[0].Reason != model.BadTime {
		t.Errorf("got %v", spans.Refused())
	}
}

func post(h http.Handler, query, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/traces"+query, bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(data)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTTP(t *testing.T) {
	srv, sink := newTestServer(intake.Limits{})
	f := func(query, contentType, encoding string, body []byte, code int, part string) {
		t.Helper()
		w := post(srv.HTTP(), query, contentType, encoding, body)
		if w.Code != code || !strings.Contains(w.Body.String(), part) || code == http.StatusAccepted && w.Body.Len() > 0 {
			t.Errorf("%.100q: got %d %q, want %d %q", body, w.Code, w.Body, code, part)
		}
	}
	good := thrifttest.Binary(batch(process("web", nil), spanOf()))
	f("?format=jaeger.thrift", "application/x-thrift", "", good, 202, "")
	f("", "application/vnd.apache.thrift.binary", "", good, 202, "")
	f("", "", "gzip", gzipped(t, good), 202, "")
	if n := strings.Count(sink.take(), "get"); n != 3 {
		t.Errorf("%d spans", n)
	}
	f("?format=zipkin.thrift", "", "", good, 400, "zipkin.thrift")
	f("", "application/json", "", good, 415, "application/json")
	f("", "", "", good[:len(good)-3], 400, "cannot decode the push")
	f("", "", "", thrifttest.Binary(s{2, l{int64(3)}}), 400, "other things than spans")
	f("", "", "", thrifttest.Binary(batch(process("web", nil), s{}, spanOf())), 400, `1 of 2 spans are refused, the others are kept:`+"\n"+`1 of service "web": invalid_ids: `)
	sink.refuse = model.Refusals{{Reason: model.TooOld, Stream: "web", Count: 1, Text: "old"}}
	f("", "", "", good, 400, "old")
	sink.failure = []error{model.NewError(model.Limit, "later"), errors.New("broken")}
	w := post(srv.HTTP(), "", "", "", good)
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d", w.Code)
	}
	f("", "", "", good, 500, "broken")
	get := httptest.NewRecorder()
	srv.HTTP().ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/api/traces", nil))
	if get.Code != 405 || get.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", get.Code)
	}
	want := `
# HELP hulotte_ingest_jaeger_batches_failed_total Batches of spans in Jaeger's protocols that were not kept, or not whole, by transport and reason: malformed, busy or failed.
# TYPE hulotte_ingest_jaeger_batches_failed_total counter
hulotte_ingest_jaeger_batches_failed_total{reason="busy",transport="http"} 1
hulotte_ingest_jaeger_batches_failed_total{reason="failed",transport="http"} 1
hulotte_ingest_jaeger_batches_failed_total{reason="malformed",transport="http"} 5
`
	if err := testutil.CollectAndCompare(srv.failed, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if n, bad := testutil.ToFloat64(srv.batches.WithLabelValues("http")), testutil.ToFloat64(srv.refused.WithLabelValues("invalid_ids")); n != 12 || bad != 1 {
		t.Errorf("%v batches, %v refused", n, bad)
	}
}

// rawCodec sends and takes messages as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func TestGRPC(t *testing.T) {
	srv, sink := newTestServer(intake.Limits{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	mux := http.NewServeMux()
	mux.Handle(PostSpans, srv.GRPC())
	server := &http.Server{Handler: mux, Protocols: &protocols} //nolint:gosec // a test's
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f := func(request []byte, code codes.Code, part string, options ...grpc.CallOption) {
		t.Helper()
		var answer []byte
		err := conn.Invoke(t.Context(), PostSpans, &request, &answer, append(options, grpc.ForceCodecV2(rawCodec{}))...)
		if status.Code(err) != code || !strings.Contains(fmt.Sprint(err), part) || len(answer) > 0 {
			t.Errorf("got %v %q", err, answer)
		}
	}
	f(protobufRequest(), codes.InvalidArgument, "1 of 3 spans are refused, the others are kept")
	if got := sink.take(); got != protobufText {
		t.Errorf("got %s", got)
	}
	f(message(1, message(1, message(spanTrace, id(1), spanID, id(2)))), codes.OK, "")
	f(nil, codes.OK, "")
	f([]byte{0x0a, 0x7f}, codes.InvalidArgument, "cannot decode")
	sink.failure = []error{model.NewError(model.Unavailable, "no medium")}
	f(protobufRequest(), codes.Unavailable, "no medium")
	if n := testutil.ToFloat64(srv.batches.WithLabelValues("grpc")); n != 5 {
		t.Errorf("%v batches", n)
	}
}

// Packets of both encodings are taken; those that are none are counted, and the others kept.
func TestDatagrams(t *testing.T) {
	srv, sink := newTestServer(intake.Limits{})
	args := s{1, batch(process("web", nil), spanOf())}
	f := func(handle func(context.Context, []intake.Datagram), transport string, good ...[]byte) {
		t.Helper()
		sink.failure = []error{model.NewError(model.Limit, "wait a little")}
		packets := []intake.Datagram{{Data: []byte("garbage")}, {Data: nil}}
		for _, b := range good {
			packets = append(packets, intake.Datagram{Data: b}, intake.Datagram{Data: b[:len(b)-4]})
		}
		handle(t.Context(), packets)
		if got, want := sink.take(), "resource {service.name=\"web\"}\n"+strings.Repeat(ids+"\"get\" unspecified 5000+4000 flags=1 {}\n", len(good)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		all, bad := testutil.ToFloat64(srv.batches.WithLabelValues(transport)), testutil.ToFloat64(srv.failed.WithLabelValues(transport, "malformed"))
		if int(all) != len(packets) || int(bad) != 2+len(good) {
			t.Errorf("%s: %v of %v batches are malformed", transport, bad, all)
		}
	}
	f(srv.CompactDatagrams, "udp_compact", thrifttest.CompactMessage("emitBatch", thrift.Oneway, args), thrifttest.CompactMessage("emitBatch", thrift.Call, args))
	f(srv.BinaryDatagrams, "udp_binary", thrifttest.BinaryMessage(true, "emitBatch", thrift.Oneway, args), thrifttest.BinaryMessage(false, "emitBatch", thrift.Oneway, args))
	srv.CompactDatagrams(t.Context(), []intake.Datagram{{Data: thrifttest.CompactMessage("emitZipkinBatch", thrift.Oneway, args)}})
	if got := sink.take(); got != "" {
		t.Errorf("got %s", got)
	}
	sink.failure = []error{errors.New("broken")}
	srv.CompactDatagrams(t.Context(), []intake.Datagram{{Data: thrifttest.CompactMessage("emitBatch", thrift.Oneway, args)}})
	if n := testutil.ToFloat64(srv.failed.WithLabelValues("udp_compact", "failed")); n != 1 {
		t.Errorf("%v failed", n)
	}
}

// What grows when it is unpacked or decoded is refused within the budget.
func TestHostile(t *testing.T) {
	srv, sink := newTestServer(intake.Limits{MaxUncompressed: 11 << 20, MaxInFlight: 24 << 20})
	f := func(encoding string, body []byte, code int) {
		t.Helper()
		if w := post(srv.HTTP(), "", "", encoding, body); w.Code != code {
			t.Errorf("%.60q: got %d %.200q, want %d", body, w.Code, w.Body, code)
		}
	}
	f("gzip", gzipped(t, make([]byte, 12<<20)), 413)
	f("", bytes.Repeat([]byte{12, 0, 1}, 1<<15), 400)                               // nested without end
	f("", []byte{15, 0, 2, 12, 0x7f, 0xff, 0xff, 0xff}, 400)                        // a false count
	f("", []byte{12, 0, 1, 11, 0, 1, 0x7f, 0xff, 0xff, 0xff}, 400)                  // a false length
	f("", append([]byte{15, 0, 2, 12, 0, 0, 16, 0}, make([]byte, 2<<12+1)...), 400) // spans of nothing are refused one by one
	if got := sink.take(); got != "" {
		t.Errorf("got %.100s", got)
	}
	f("", thrifttest.Binary(batch(process("web", nil), tags(textTag("big", strings.Repeat("x", 10<<20))))), 202) // the store decides
	sink.take()
	spans := make([]any, 60_000)
	for i := range spans {
		spans[i] = s{1, int64(1), 3, int64(2)}
	}
	f("", thrifttest.Binary(batch(process("web", nil), spans...)), 429) // of 23 bytes each, of 512 in memory
}

// Nothing that comes makes it fail, and what is taken has ids.
func FuzzDecode(f *testing.F) {
	full := batch(process("web", l{textTag("hostname", "h")}), spanOf(6, l{reference(0, 1, 7)}, 10, l{textTag("a", "b"), boolTag("error", true)}, 11, l{s{1, int64(6), 2, l{textTag("event", "e")}}}))
	f.Add(byte(0), thrifttest.Binary(full))
	f.Add(byte(1), thrifttest.BinaryMessage(true, "emitBatch", thrift.Oneway, s{1, full}))
	f.Add(byte(2), thrifttest.CompactMessage("emitBatch", thrift.Oneway, s{1, full}))
	f.Add(byte(3), protobufRequest())
	f.Fuzz(func(t *testing.T, format byte, data []byte) {
		d := newDecoder(func(int64) error { return nil })
		var err error
		switch format % 4 {
		case 0:
			err = d.thriftBatch(thrift.Binary(data))
		case 1:
			err = d.emitBatch(thrift.Binary(data))
		case 2:
			err = d.emitBatch(thrift.Compact(data))
		case 3:
			err = d.protobuf(data)
		}
		if err != nil {
			return
		}
		n := 0
		for _, g := range d.spans.Groups() {
			for i := range g.Spans {
				if n++; g.Spans[i].TraceID.IsZero() || g.Spans[i].ID.IsZero() {
					t.Errorf("got %+v", g.Spans[i])
				}
			}
		}
		if n+intake.CountRefused(d.spans.Refused()) != d.spans.Len() {
			t.Errorf("%d spans of %d", n, d.spans.Len())
		}
	})
}
