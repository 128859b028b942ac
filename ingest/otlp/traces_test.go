package otlp

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// spanRecorder keeps what is appended.
type spanRecorder struct {
	spanstest.Memory
	got     []model.SpanGroup
	refuse  model.Refusals
	failure error
}

func (r *spanRecorder) AppendSpans(_ context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	for _, g := range groups {
		spans := make([]model.Span, 0, len(g.Spans))
		for _, s := range g.Spans {
			spans = append(spans, spanstest.CloneSpan(s))
		}
		g.Spans = spans
		r.got = append(r.got, g)
	}
	return r.refuse, r.failure
}

// tracesOf makes of spans what OpenTelemetry's own package sends.
func tracesOf(groups []model.SpanGroup) ptraceotlp.ExportRequest {
	out := ptrace.NewTraces()
	for _, g := range groups {
		rs := out.ResourceSpans().AppendEmpty()
		rs.SetSchemaUrl(g.Resource.SchemaURL)
		rs.Resource().SetDroppedAttributesCount(g.Resource.Dropped)
		putAll(rs.Resource().Attributes(), g.Resource.Attributes)
		ss := rs.ScopeSpans().AppendEmpty()
		ss.SetSchemaUrl(g.Scope.SchemaURL)
		ss.Scope().SetName(g.Scope.Name)
		ss.Scope().SetVersion(g.Scope.Version)
		ss.Scope().SetDroppedAttributesCount(g.Scope.Dropped)
		putAll(ss.Scope().Attributes(), g.Scope.Attributes)
		for _, s := range g.Spans {
			putSpan(ss.Spans().AppendEmpty(), s)
		}
	}
	return ptraceotlp.NewExportRequestFromTraces(out)
}

func putSpan(to ptrace.Span, s model.Span) {
	to.SetTraceID(pcommon.TraceID(s.TraceID))
	to.SetSpanID(pcommon.SpanID(s.ID))
	to.SetParentSpanID(pcommon.SpanID(s.Parent))
	to.TraceState().FromRaw(s.State)
	to.SetFlags(s.Flags)
	to.SetName(s.Name)
	to.SetKind(ptrace.SpanKind(s.Kind))
	to.SetStartTimestamp(pcommon.Timestamp(s.Start))
	to.SetEndTimestamp(pcommon.Timestamp(s.Start + s.Duration))
	to.Status().SetCode(ptrace.StatusCode(s.Status))
	to.Status().SetMessage(s.Message)
	putAll(to.Attributes(), s.Attributes)
	to.SetDroppedAttributesCount(s.DroppedAttributes)
	to.SetDroppedEventsCount(s.DroppedEvents)
	to.SetDroppedLinksCount(s.DroppedLinks)
	for _, e := range s.Events {
		x := to.Events().AppendEmpty()
		x.SetTimestamp(pcommon.Timestamp(e.Time))
		x.SetName(e.Name)
		x.SetDroppedAttributesCount(e.Dropped)
		putAll(x.Attributes(), e.Attributes)
	}
	for _, l := range s.Links {
		x := to.Links().AppendEmpty()
		x.SetTraceID(pcommon.TraceID(l.TraceID))
		x.SetSpanID(pcommon.SpanID(l.SpanID))
		x.TraceState().FromRaw(l.State)
		x.SetFlags(l.Flags)
		x.SetDroppedAttributesCount(l.Dropped)
		putAll(x.Attributes(), l.Attributes)
	}
}

func putAll(to pcommon.Map, attributes []model.Attribute) {
	for _, a := range attributes {
		v, _ := to.GetOrPutEmpty(a.Key)
		putValue(v, a.Value)
	}
}

func putValue(to pcommon.Value, v model.Value) {
	switch v.Kind {
	case model.StringValue:
		to.SetStr(v.Text)
	case model.BytesValue:
		to.SetEmptyBytes().FromRaw([]byte(v.Text))
	case model.BoolValue:
		to.SetBool(v.Bits != 0)
	case model.IntValue:
		to.SetInt(v.Bits)
	case model.FloatValue:
		x, _ := v.Float()
		to.SetDouble(x)
	case model.ArrayValue:
		list := to.SetEmptySlice()
		for _, a := range v.Nested {
			putValue(list.AppendEmpty(), a.Value)
		}
	case model.MapValue:
		putAll(to.SetEmptyMap(), v.Nested)
	}
}

// once leaves out attributes whose key was there before, which OpenTelemetry's own package cannot send.
func once(in []model.Attribute) (out []model.Attribute) {
	for _, a := range in {
		if !slices.ContainsFunc(out, func(x model.Attribute) bool { return x.Key == a.Key }) {
			a.Value.Nested = onceNested(a.Value)
			out = append(out, a)
		}
	}
	return out
}

func onceNested(v model.Value) []model.Attribute {
	if v.Kind == model.MapValue {
		return once(v.Nested)
	}
	for i := range v.Nested {
		v.Nested[i].Value.Nested = onceNested(v.Nested[i].Value)
	}
	return v.Nested
}

func randomSpans(seed uint64, n int) []model.SpanGroup {
	groups := spanstest.Random(rand.New(rand.NewPCG(seed, 7)), 1_700_000_000_000_000_000, n)
	for i := range groups {
		groups[i].Resource.Attributes = once(groups[i].Resource.Attributes)
		groups[i].Scope.Attributes = once(groups[i].Scope.Attributes)
		for j := range groups[i].Spans {
			s := &groups[i].Spans[j]
			s.Attributes = once(s.Attributes)
			for k := range s.Events {
				s.Events[k].Attributes = once(s.Events[k].Attributes)
			}
			for k := range s.Links {
				s.Links[k].Attributes = once(s.Links[k].Attributes)
			}
		}
	}
	return groups
}

func newTraceReceiver() *Receiver {
	reg := prometheus.NewRegistry()
	return New(Options{}, intake.New(intake.Limits{}, reg), nil, slog.New(slog.DiscardHandler), reg)
}

// TestSpansComeAsTheyAre sends random spans by OpenTelemetry's own encoders, as protocol buffers and as JSON.
func TestSpansComeAsTheyAre(t *testing.T) {
	for seed := range uint64(30) {
		want := randomSpans(seed, 200)
		export := tracesOf(want)
		raw, err := export.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		text, err := export.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for contentType, body := range map[string][]byte{typeProtobuf: raw, typeJSON: text} {
			to := &spanRecorder{}
			if w := post(newTraceReceiver().Traces(to), contentType, body); w.Code != 200 {
				t.Fatalf("%s: %d %s", contentType, w.Code, w.Body)
			}
			spanstest.Same(t, to.got, want)
			if t.Failed() {
				t.Fatalf("%s, seed %d", contentType, seed)
			}
		}
	}
}

func TestSpansThatAreRefused(t *testing.T) {
	export := func(span string) string {
		return `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[` + span + `]}]}]}`
	}
	const good = `{"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"0001020304050607","name":"a","kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"},"startTimeUnixNano":"5","endTimeUnixNano":7}`
	f := func(span string, to *spanRecorder, status, taken int, text string) {
		t.Helper()
		w := post(newTraceReceiver().Traces(to), typeJSON, []byte(export(span)))
		if n := len(spanstest.Flat(to.got)); w.Code != status || n != taken || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%d, %d taken, %s", w.Code, n, w.Body)
		}
	}
	to := &spanRecorder{}
	f(good, to, 200, 1, `{}`)
	if s := to.got[0].Spans[0]; s.Kind != model.SpanServer || s.Status != model.StatusError || s.Duration != 2 {
		t.Errorf("got %+v", s)
	}
	f(good+`,{"traceId":"0001","spanId":"0001020304050607"}`, &spanRecorder{}, 200, 1, `"rejectedSpans":1`)
	f(good+`,{"traceId":"0001","spanId":"0001020304050607"}`, &spanRecorder{}, 200, 1, `trace id of a span has 2 bytes: 16 are expected`)
	f(good+`,{"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"00"}`, &spanRecorder{}, 200, 1, `span id of a span has 1 bytes: 8 are expected`)
	f(`{"traceId":"zz"}`, &spanRecorder{}, 400, 0, "traceId is")
	f(good, &spanRecorder{refuse: model.Refusals{{Reason: model.BadIDs, Count: 1, Text: "no id"}}}, 200, 1, "no id")
	f(good, &spanRecorder{failure: model.NewError(model.Unavailable, "busy")}, 503, 1, "busy")
	f(good, &spanRecorder{failure: model.NewError(model.Limit, "too fast")}, 429, 1, "too fast")
}

// deepSpan is an export of a span with an attribute that is a list within a list, n times.
func deepSpan(n int) []byte {
	out := ptrace.NewTraces()
	s := out.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	v := s.Attributes().PutEmpty("deep")
	for range n {
		v = v.SetEmptySlice().AppendEmpty()
	}
	raw, err := ptraceotlp.NewExportRequestFromTraces(out).MarshalProto()
	if err != nil {
		panic(err)
	}
	return raw
}

func TestHostileSpans(t *testing.T) {
	f := func(body []byte, status int, text string) {
		t.Helper()
		w := post(newTraceReceiver().Traces(&spanRecorder{}), typeProtobuf, body)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	f(deepSpan(1000), 400, "nested too deeply")
	f([]byte("\x0a\x7fab"), 400, "middle of a field")
	// A million events of no bytes would take a hundred times the export in memory: what it takes is held against the limit.
	span := slices.Repeat([]byte{0x5a, 0}, 8<<20)
	body := lengthDelimited(0x0a, lengthDelimited(0x12, lengthDelimited(0x12, span)))
	f(body, 429, "too many pushes at one time")
}

func lengthDelimited(tag byte, b []byte) []byte {
	out := []byte{tag}
	n := len(b)
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(append(out, byte(n)), b...)
}

func TestSpansByGRPC(t *testing.T) {
	to := &spanRecorder{refuse: model.Refusals{{Reason: model.BadIDs, Count: 2, Text: "too odd"}}}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	mux := http.NewServeMux()
	mux.Handle(TracesService, newTraceReceiver().TracesGRPC(to))
	s := &http.Server{Handler: mux, Protocols: protocols}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	want := randomSpans(1, 50)
	answer, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), tracesOf(want))
	if err != nil || answer.PartialSuccess().RejectedSpans() != 2 || !strings.Contains(answer.PartialSuccess().ErrorMessage(), "too odd") {
		t.Fatal(answer, err)
	}
	spanstest.Same(t, to.got, want)
}

// FuzzSpans checks that whatever OpenTelemetry's own package reads is read here, and nothing panics.
func FuzzSpans(f *testing.F) {
	export := tracesOf(randomSpans(1, 5))
	raw, _ := export.MarshalProto()
	text, _ := export.MarshalJSON()
	f.Add(raw, false)
	f.Add(text, true)
	f.Add(deepSpan(50), false)
	f.Fuzz(func(t *testing.T, body []byte, isJSON bool) {
		to := &spanRecorder{}
		contentType := typeProtobuf
		if isJSON {
			contentType = typeJSON
		}
		w := post(newTraceReceiver().Traces(to), contentType, body)
		if w.Code != 200 && w.Code != 400 && w.Code != 429 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if isJSON || w.Code != 200 || strings.Contains(w.Body.String(), "wrong length") {
			return
		}
		theirs := ptraceotlp.NewExportRequest()
		if theirs.UnmarshalProto(body) == nil && theirs.Traces().SpanCount() != len(spanstest.Flat(to.got)) {
			t.Fatalf("%d spans, theirs are %d", len(spanstest.Flat(to.got)), theirs.Traces().SpanCount())
		}
	})
}
