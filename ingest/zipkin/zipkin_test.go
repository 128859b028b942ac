package zipkin

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

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/thrift/thrifttest"
	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// recorder writes down what it is given.
type recorder struct {
	text    string
	refuse  model.Refusals
	failure error
}

func (r *recorder) AppendSpans(_ context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	r.text += spanstest.Text(groups)
	return r.refuse, r.failure
}

func newTestReceiver(l intake.Limits) (*Receiver, *recorder) {
	reg, sink := prometheus.NewRegistry(), &recorder{}
	return New(intake.New(l, reg), sink, slog.New(slog.DiscardHandler), reg), sink
}

func post(h http.Handler, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/api/v2/spans", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", encoding)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// receive decodes what comes at second 7.
func receive(t *testing.T, format string, body []byte) (text string, spans *intake.Spans) {
	t.Helper()
	d := newDecoder(func(int64) error { return nil })
	d.now = 7e9
	if err := d.decode(format, body); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return spanstest.Text(d.spans.Groups()), d.spans
}

const web = `resource {service.name="web"}` + "\n"

// ids are those that stand first in a line of most tests.
const ids = "  00000000000000000000000000000001/0000000000000002 "

func TestV2(t *testing.T) {
	f := func(span, want string) {
		t.Helper()
		if got, s := receive(t, jsonV2, []byte("["+span+"]")); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s%v", span, got, want, s.Refused())
		}
	}
	// of Zipkin's own documentation (https://zipkin.io/pages/data_model.html)
	f(`{
    "traceId": "5982fe77008310cc80f1da5e10147517", "parentId": "90394f6bcffb5d13", "id": "67fae42571535f60", "kind": "SERVER",
    "name": "/m/n/2.6.1", "timestamp": 1516781775726000, "duration": 26000,
    "localEndpoint": {"serviceName": "api", "ipv4": "172.19.0.2", "port": 8080},
    "remoteEndpoint": {"serviceName": "web", "ipv6": "2001:db8::c001", "port": 443},
    "annotations": [{"timestamp": 1516781775726000, "value": "second"}, {"timestamp": 1516781775725000, "value": "first"}],
    "tags": {"http.path": "/api", "empty": ""}}`,
		`resource {service.name="api"}
  5982fe77008310cc80f1da5e10147517/67fae42571535f60 <90394f6bcffb5d13 "/m/n/2.6.1" server 1516781775726000000+26000000 `+
			`{http.path="/api", empty="", net.host.ip="172.19.0.2", net.host.port=8080, peer.service="web", net.peer.ip="2001:db8::c001", net.peer.port=443}
    event 1516781775725000000 "first" {}
    event 1516781775726000000 "second" {}
`)
	span := func(rest string) string {
		return `{"traceId":"1","id":"2","timestamp":5,"localEndpoint":{"serviceName":"web"}` + rest + `}`
	}
	line := func(rest string) string { return web + ids + rest + "\n" }
	f(span(``), line(`"" unspecified 5000+0 {}`))
	f(span(`,"parentId":"2"`), line(`"" unspecified 5000+0 {}`)) // its own parent
	f(span(`,"parentId":null,"kind":null,"tags":null,"annotations":null,"remoteEndpoint":null,"name":null,"debug":null`), line(`"" unspecified 5000+0 {}`))
	f(span(`,"kind":"CLIENT"`), line(`"" client 5000+0 {}`))
	f(span(`,"kind":"PRODUCER"`), line(`"" producer 5000+0 {}`))
	f(span(`,"kind":"CONSUMER","later":{"a":[1]}`), line(`"" consumer 5000+0 {}`))
	f(span(`,"tags":{"span.kind":"internal"}`), line(`"" internal 5000+0 {}`))
	f(span(`,"kind":"SERVER","shared":true,"debug":true`), line(`"" server 5000+0 {zipkin.debug=true, zipkin.shared=true}`))
	f(span(`,"duration":1.5`), line(`"" unspecified 5000+1000 {}`))
	f(span(`,"tags":{"error":""}`), line(`"" unspecified 5000+0 error "" {}`))
	f(span(`,"tags":{"error":"true"}`), line(`"" unspecified 5000+0 error "" {}`))
	f(span(`,"tags":{"error":"out of \"luck\""}`), line(`"" unspecified 5000+0 error "out of \"luck\"" {}`))
	f(span(`,"tags":{"error":"false"}`), line(`"" unspecified 5000+0 {}`))
	f(span(`,"tags":{"otel.status_code":"ERROR","error":"broken"}`), line(`"" unspecified 5000+0 error "broken" {}`))
	f(span(`,"tags":{"otel.status_code":"OK"}`), line(`"" unspecified 5000+0 ok "" {}`))
	f(span(`,"tags":{"otel.status_code":"STATUS_CODE_ERROR","otel.status_description":"why","error":"true"}`), line(`"" unspecified 5000+0 error "why" {}`))
	f(span(`,"tags":{"w3c.tracestate":"a=b"}`), line(`"" unspecified 5000+0 state="a=b" {}`))
	f(span(`,"tags":{"peer.service":"told"},"remoteEndpoint":{"serviceName":"db","port":99999}`), line(`"" unspecified 5000+0 {peer.service="told"}`))
	f(span(`,"tags":{"host.name":"h1","service.version":"2","otel.library.name":"lib","otel.scope.version":"3"}`),
		`resource {service.name="web", host.name="h1", service.version="2"} scope "lib" "3"`+"\n"+ids+`"" unspecified 5000+0 {}`+"\n")
	f(span(`,"tags":{"otlp.link.0":"0a|0b|k=v|{\"x\":true,\"n\":1.5}|0","otlp.link.1":"no link"}`),
		line(`"" unspecified 5000+0 {otlp.link.1="no link"}`)+`    link 0000000000000000000000000000000a/000000000000000b {x=true, n=1.5e+00} state="k=v"`+"\n")
	f(span(`,"annotations":[{"timestamp":6,"value":"ev|{\"a\":\"b|c\",\"n\":3}|2"},{"timestamp":7,"value":"a|b|c"},{"timestamp":8,"value":"x|{\"a\":[1}|0"}]`),
		line(`"" unspecified 5000+0 {}`)+`    event 6000 "ev" {a="b|c", n=3} dropped=2`+"\n    event 7000 \"a|b|c\" {}\n    event 8000 \"x|{\\\"a\\\":[1}|0\" {}\n")
	f(`{"traceId":"1","id":"2"}`, "resource {}\n"+ids+`"" unspecified 7000000000+0 {otel.zipkin.absentField.startTime=true}`+"\n")
	f(`{"traceId":"1","id":"2","annotations":[{"timestamp":9,"value":"x"},{"timestamp":8,"value":"y"}]}`,
		"resource {}\n"+ids+`"" unspecified 8000+0 {otel.zipkin.absentField.startTime=true}`+"\n    event 8000 \"y\" {}\n    event 9000 \"x\" {}\n")
	f("", "")
}

// A client's span and the server's that shares its id are both there, and spans of one service are one group.
func TestGroups(t *testing.T) {
	got, _ := receive(t, jsonV2, []byte(`[
		{"traceId":"1","id":"2","timestamp":5,"kind":"CLIENT","localEndpoint":{"serviceName":"web"}},
		{"traceId":"1","id":"2","timestamp":6,"kind":"SERVER","shared":true,"localEndpoint":{"serviceName":"api"}},
		{"traceId":"1","id":"3","timestamp":7,"parentId":"2","localEndpoint":{"serviceName":"web"}}]`))
	want := web + ids + `"" client 5000+0 {}` + "\n  00000000000000000000000000000001/0000000000000003 <0000000000000002 \"\" unspecified 7000+0 {}\n" +
		`resource {service.name="api"}` + "\n" + ids + `"" server 6000+0 {zipkin.shared=true}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// One span that is wrong does not keep the others from being taken.
func TestRefused(t *testing.T) {
	f := func(span string, reason model.RefusalReason, part string) {
		t.Helper()
		got, s := receive(t, jsonV2, []byte(`[`+span+`,{"traceId":"1","id":"2","timestamp":5,"localEndpoint":{"serviceName":"web"}}]`))
		if got != web+ids+"\"\" unspecified 5000+0 {}\n" {
			t.Errorf("%s: the other is not taken: %s", span, got)
		}
		if r := s.Refused(); len(r) != 1 || r[0].Reason != reason || r[0].Count != 1 || !strings.Contains(r[0].Text, part) || s.Len() != 2 {
			t.Errorf("%s: got %v", span, r)
		}
	}
	f(`{}`, model.BadIDs, "no traceId")
	f(`{"traceId":"0","id":"2"}`, model.BadIDs, "no traceId")
	f(`{"traceId":"x","id":"2"}`, model.BadIDs, `the traceId of a span: "x" is no trace id`)
	f(`{"traceId":"1","id":"00000000000000002"}`, model.BadIDs, `the id of a span`)
	f(`{"traceId":"1","id":"2","parentId":"ü"}`, model.BadIDs, `the parentId of a span`)
	f(`{"traceId":"1","id":"2","timestamp":-1}`, model.BadTime, `the timestamp of a span: -1: it is not in microseconds`)
	f(`{"traceId":"1","id":"2","timestamp":"soon"}`, model.BadTime, `"soon"`)
	f(`{"traceId":"1","id":"2","timestamp":1e300}`, model.BadTime, `1e300`)
	f(`{"traceId":"1","id":"2","timestamp":9223372036854776}`, model.BadTime, `9223372036854776`)
	f(`{"traceId":"1","id":"2","duration":9223372036854775808}`, model.BadTime, `duration`)
	f(`{"traceId":"1","id":"2","annotations":[{"timestamp":"x"}]}`, model.BadTime, `annotation`)
	f(`{"traceId":"1","id":"2","tags":{`+strings.Repeat(`"a":"",`, maxItems)+`"a":""}}`, model.SpanTooLarge, "10000 tags")
	f(`{"traceId":"1","id":"2","annotations":[`+strings.Repeat(`{},`, maxItems)+`{}]}`, model.SpanTooLarge, "10000 annotations")
}

func TestV1(t *testing.T) {
	f := func(span, want string) {
		t.Helper()
		if got, s := receive(t, jsonV1, []byte("["+span+"]")); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s%v", span, got, want, s.Refused())
		}
	}
	const host, db = `"endpoint":{"serviceName":"web","ipv4":"10.0.0.1","port":80}`, `"endpoint":{"serviceName":"db","ipv4":"10.0.0.2"}`
	f(`{"traceId":"1","id":"2","name":"get","timestamp":5,"duration":4,"debug":true,
	    "annotations":[{"timestamp":5,"value":"cs",`+host+`},{"timestamp":6,"value":"ws",`+host+`},{"timestamp":9,"value":"cr",`+host+`}],
	    "binaryAnnotations":[{"key":"sa","value":true,`+db+`},{"key":"http.path","value":"/","type":"STRING",`+host+`},{"key":"n","value":12}]}`,
		web+ids+`"get" client 5000+4000 {http.path="/", n=12, net.host.ip="10.0.0.1", net.host.port=80, peer.service="db", net.peer.ip="10.0.0.2", zipkin.debug=true}`+
			"\n    event 6000 \"ws\" {}\n")
	f(`{"traceId":"1","id":"2","annotations":[{"timestamp":9,"value":"ss",`+host+`},{"timestamp":5,"value":"sr",`+host+`}],
	    "binaryAnnotations":[{"key":"ca","value":true,`+db+`},{"key":"error","value":"broken"}]}`,
		web+ids+`"" server 5000+4000 error "broken" {net.host.ip="10.0.0.1", net.host.port=80, peer.service="db", net.peer.ip="10.0.0.2", zipkin.shared=true}`+"\n")
	f(`{"traceId":"1","id":"2","timestamp":5,"annotations":[{"timestamp":5,"value":"ms",`+host+`}]}`,
		web+ids+`"" producer 5000+0 {net.host.ip="10.0.0.1", net.host.port=80}`+"\n")
	f(`{"traceId":"1","id":"2","timestamp":5,"binaryAnnotations":[{"key":"lc","value":"worker","endpoint":{"serviceName":"web"}}]}`,
		web+ids+`"" unspecified 5000+0 {component="worker"}`+"\n")
	f(`{"traceId":"1","id":"2","timestamp":5,"annotations":[{"timestamp":6,"value":"x","endpoint":{"serviceName":"web"}}]}`,
		web+ids+"\"\" unspecified 5000+0 {}\n    event 6000 \"x\" {}\n")
}

func endpointThrift(service string, last int32) thrifttest.Struct {
	return thrifttest.Struct{1, 10<<24 | last, 2, int16(-1), 3, service, 4, "\x20\x01" + strings.Repeat("\x00", 13) + "\x01"}
}

func spanThrift() thrifttest.Struct {
	host, db := endpointThrift("web", 1), endpointThrift("db", 2)
	tag := func(key, value string, kind int32, host thrifttest.Struct) thrifttest.Struct {
		return thrifttest.Struct{1, key, 2, value, 3, kind, 4, host}
	}
	annotation := func(time int64, value string, host thrifttest.Struct) thrifttest.Struct {
		return thrifttest.Struct{1, time, 2, value, 3, host}
	}
	return thrifttest.Struct{
		1, int64(1), 3, "get", 4, int64(2), 5, int64(-1),
		6, thrifttest.List{annotation(5, "cs", host), annotation(6, "ws", nil), annotation(9, "cr", host)},
		8, thrifttest.List{
			tag("sa", "\x01", typeBool, db), tag("text", "x", typeText, host), tag("bool", "\x01", typeBool, host), tag("i16", "\xff\xff", typeI16, host),
			tag("i32", "\x00\x00\x00\x02", typeI32, host), tag("i64", "\x00\x00\x00\x00\x00\x00\x00\x03", typeI64, host),
			tag("double", "\x3f\xf8\x00\x00\x00\x00\x00\x00", typeDouble, host), tag("bytes", "\xff", typeBytes, host), tag("short", "\x01", typeI64, host)},
		9, true, 10, int64(5), 11, int64(4), 12, int64(16), 99, "later",
	}
}

func TestThrift(t *testing.T) {
	got, _ := receive(t, thriftV1, thrifttest.Binary(thrifttest.List{spanThrift()}))
	want := web + `  00000000000000100000000000000001/0000000000000002 <ffffffffffffffff "get" client 5000+4000 ` +
		`{text="x", bool=true, i16=-1, i32=2, i64=3, double=1.5e+00, bytes="/w==", short="AQ==", net.host.ip="10.0.0.1", net.host.port=65535, ` +
		`peer.service="db", net.peer.ip="10.0.0.2", net.peer.port=65535, zipkin.debug=true}` + "\n    event 6000 \"ws\" {}\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, s := receive(t, thriftV1, thrifttest.Binary(thrifttest.List{thrifttest.Struct{1, int64(1), 4, int64(2), 10, int64(-5)}}))
	if r := s.Refused(); len(r) != 1 || r[0].Reason != model.BadTime {
		t.Errorf("got %v", r)
	}
}

// listOfSpans is a ListOfSpans with one span that has everything.
func listOfSpans() []byte {
	endpoint := func(service string, last byte) []byte {
		b := wire.AppendBytes(nil, endpointService, []byte(service))
		b = wire.AppendBytes(b, endpointIPv4, []byte{10, 0, 0, last})
		b = wire.AppendBytes(b, endpointIPv6, make([]byte, 16))
		return wire.AppendVarint(b, endpointPort, 80)
	}
	tag := wire.AppendBytes(wire.AppendBytes(nil, tagKey, []byte("k")), tagValue, []byte("v"))
	var b []byte
	b = wire.AppendBytes(b, spanTrace, []byte{0, 0, 0, 0, 0, 0, 0, 1})
	b = wire.AppendBytes(b, spanParent, []byte{0, 0, 0, 0, 0, 0, 0, 3})
	b = wire.AppendBytes(b, spanID, []byte{0, 0, 0, 0, 0, 0, 0, 2})
	b = wire.AppendVarint(b, spanKind, 1)
	b = wire.AppendBytes(b, spanName, []byte("get"))
	b = wire.AppendFixed64(b, spanTime, 5)
	b = wire.AppendVarint(b, spanDuration, 4)
	b = wire.AppendBytes(b, spanLocal, endpoint("web", 1))
	b = wire.AppendBytes(b, spanRemote, endpoint("db", 2))
	b = wire.AppendBytes(b, spanAnnotations, wire.AppendBytes(wire.AppendFixed64(nil, annotationTime, 6), annotationValue, []byte("ws")))
	b = wire.AppendBytes(b, spanTags, tag)
	b = wire.AppendVarint(b, spanDebug, 1)
	b = wire.AppendVarint(b, spanShared, 1)
	return wire.AppendBytes(nil, listSpans, b)
}

func TestProtobuf(t *testing.T) {
	wrong := wire.AppendBytes(nil, listSpans, wire.AppendBytes(wire.AppendBytes(nil, spanTrace, make([]byte, 16)), spanID, []byte("short")))
	got, s := receive(t, protobufV2, append(wrong, listOfSpans()...))
	want := web + strings.TrimSuffix(ids, " ") + ` <0000000000000003 "get" client 5000+4000 ` +
		`{k="v", net.host.ip="10.0.0.1", net.host.port=80, peer.service="db", net.peer.ip="10.0.0.2", net.peer.port=80, zipkin.debug=true, zipkin.shared=true}` +
		"\n    event 6000 \"ws\" {}\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := s.Refused(); len(r) != 1 || r[0].Reason != model.BadIDs || !strings.Contains(r[0].Text, "73686f7274 has 5 bytes: 8 are expected") {
		t.Errorf("got %v", r)
	}
}

const oneSpan = `{"traceId":"1","id":"2","timestamp":5,"localEndpoint":{"serviceName":"web"}}`

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHTTP(t *testing.T) {
	r, sink := newTestReceiver(intake.Limits{})
	f := func(h http.Handler, contentType, encoding string, body []byte, code int, part string) {
		t.Helper()
		w := post(h, contentType, encoding, body)
		if w.Code != code || !strings.Contains(w.Body.String(), part) || code == http.StatusAccepted && w.Body.Len() > 0 {
			t.Errorf("%.100q: got %d %q, want %d %q", body, w.Code, w.Body, code, part)
		}
	}
	json := []byte("[" + oneSpan + "]")
	f(r.V2(), "application/json", "", json, 202, "")
	f(r.V2(), "application/json; charset=utf-8", "gzip", gzipped(t, json), 202, "")
	f(r.V2(), "", "", json, 202, "")
	f(r.V2(), "application/x-protobuf", "", listOfSpans(), 202, "")
	f(r.V1(), "application/json", "", []byte(`[{"traceId":"1","id":"2","annotations":[{"timestamp":5,"value":"sr","endpoint":{"serviceName":"web"}}]}]`), 202, "")
	f(r.V1(), "application/x-thrift", "", thrifttest.Binary(thrifttest.List{spanThrift()}), 202, "")
	if n := strings.Count(sink.text, `resource {service.name="web"}`); n != 6 {
		t.Errorf("%d spans came through: %s", n, sink.text)
	}
	f(r.V2(), "application/json", "", []byte("[]"), 202, "") // by which reporters check
	f(r.V2(), "application/json", "", []byte(`{`), 400, "cannot decode the push")
	f(r.V2(), "application/json", "", []byte(`[`+oneSpan), 400, "cannot decode the push")
	f(r.V2(), "application/json", "", []byte(`[`+oneSpan+`] x`), 400, "there is more")
	f(r.V2(), "application/json", "", []byte(`[1]`), 400, "a number, not an object")
	f(r.V2(), "application/x-protobuf", "", []byte{0x0a, 0x7f}, 400, "ends in the middle")
	f(r.V1(), "application/x-thrift", "", []byte{12, 0x7f, 0xff, 0xff, 0xff}, 400, "more elements")
	f(r.V1(), "application/x-thrift", "", []byte{10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 400, "other things than spans")
	f(r.V1(), "application/x-thrift", "", []byte{12, 0, 0, 0, 0, 0}, 400, "there is more")
	f(r.V2(), "application/json", "br", nil, 415, "br")
	f(r.V2(), "application/json", "gzip", []byte("x"), 400, "cannot decode")
	f(r.V2(), "", "", []byte(`[{"id":"1"},`+oneSpan+`]`), 400, "1 of 2 spans are refused, the others are kept:\n1 of service \"\": invalid_ids: ")
	if n := testutil.ToFloat64(r.refused.WithLabelValues("invalid_ids")); n != 1 {
		t.Errorf("%v refused", n)
	}
	if n := testutil.ToFloat64(r.requests.WithLabelValues("json_v2", "202")); n != 4 {
		t.Errorf("%v requests", n)
	}
	sink.refuse = model.Refusals{{Reason: model.TooOld, Stream: "web", Count: 1, Text: "old"}}
	f(r.V2(), "", "", json, 400, "1 of 1 spans are refused, the others are kept:\n1 of service \"web\": greater_than_max_sample_age: old")
	sink.failure = model.NewError(model.Unavailable, "no medium")
	w := post(r.V2(), "", "", json)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %d", w.Code)
	}
	sink.failure = errors.New("broken")
	f(r.V2(), "", "", json, 500, "broken")
	get := httptest.NewRecorder()
	r.V2().ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/api/v2/spans", nil))
	if get.Code != 405 || get.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", get.Code)
	}
}

// What grows when it is unpacked or decoded is refused within the budget.
func TestHostile(t *testing.T) {
	r, sink := newTestReceiver(intake.Limits{MaxUncompressed: 11 << 20, MaxInFlight: 64 << 20})
	f := func(h http.Handler, contentType, encoding string, body []byte, code int) {
		t.Helper()
		if w := post(h, contentType, encoding, body); w.Code != code {
			t.Errorf("%.60q: got %d %.200q, want %d", body, w.Code, w.Body, code)
		}
	}
	f(r.V2(), "", "gzip", gzipped(t, make([]byte, 12<<20)), 413)
	f(r.V2(), "", "", []byte(strings.Repeat("[", 1<<17)), 400)
	f(r.V2(), "", "", []byte(`[{"tags":`+strings.Repeat(`{"a":`, 1<<17)), 400)
	f(r.V2(), "", "", []byte(`[{"x":`+strings.Repeat(`[`, 1<<17)), 400)
	f(r.V1(), "application/x-thrift", "", bytes.Repeat([]byte{12, 0, 0, 0, 1}, 1<<17), 400)
	f(r.V2(), "application/x-protobuf", "", bytes.Repeat([]byte{0x0a, 0}, 1<<17), 400) // a million spans of nothing are refused one by one
	if sink.text != "" {
		t.Errorf("got %.100s", sink.text)
	}
	f(r.V2(), "", "", []byte(`[{"traceId":"1","id":"2","timestamp":5,"tags":{"big":"`+strings.Repeat("x", 10<<20)+`"}}]`), 202) // the store decides
	sink.text = ""
	many := wire.AppendBytes(nil, listSpans, wire.AppendBytes(wire.AppendBytes(nil, spanTrace, []byte("12345678")), spanID, []byte("12345678")))
	f(r.V2(), "application/x-protobuf", "", bytes.Repeat(many, 120_000), 429) // of 22 bytes each, of 512 in memory
}

func TestBudget(t *testing.T) {
	for _, format := range []string{jsonV2, jsonV1} {
		reserved := int64(0)
		d := newDecoder(func(n int64) error { reserved += n; return nil })
		tags, annotations := `"tags":{"a":"b","c":"d"}`, `"annotations":[{"timestamp":1,"value":"\u0061"}]`
		if err := d.decode(format, fmt.Appendf(nil, `[{"traceId":"1","id":"2",%s,%s,"binaryAnnotations":[{"key":"x","value":"y"}]}]`, tags, annotations)); err != nil {
			t.Fatal(err)
		}
		if reserved < 512+64*72 {
			t.Errorf("%s: %d bytes are taken of the budget", format, reserved)
		}
	}
}

// Nothing that comes makes it fail, and what is taken has ids and times.
func FuzzDecode(f *testing.F) {
	f.Add(byte(0), []byte("["+oneSpan+"]"))
	f.Add(byte(0), []byte(`[{"traceId":"1","id":"2","tags":{"otlp.link.0":"0a|0b|k=v|{\"x\":true,\"n\":1.5}|0"},"annotations":[{"timestamp":6,"value":"ev|{\"a\":\"b|c\",\"n\":3}|2"}]}]`))
	f.Add(byte(1), listOfSpans())
	f.Add(byte(2), []byte(`[{"traceId":"1","id":"2","annotations":[{"timestamp":9,"value":"ss","endpoint":{"serviceName":"x"}}],"binaryAnnotations":[{"key":"ca","value":true}]}]`))
	f.Add(byte(3), thrifttest.Binary(thrifttest.List{spanThrift()}))
	f.Fuzz(func(t *testing.T, format byte, data []byte) {
		d := newDecoder(func(int64) error { return nil })
		if err := d.decode([]string{jsonV2, protobufV2, jsonV1, thriftV1}[format%4], bytes.Clone(data)); err != nil {
			return
		}
		n := 0
		for _, g := range d.spans.Groups() {
			for i := range g.Spans {
				s := &g.Spans[i]
				if n++; s.TraceID.IsZero() || s.ID.IsZero() || s.Start < 0 || s.Duration < 0 || s.Parent == s.ID {
					t.Errorf("got %+v", s)
				}
			}
		}
		if n+intake.CountRefused(d.spans.Refused()) != d.spans.Len() {
			t.Errorf("%d spans of %d", n, d.spans.Len())
		}
	})
}
