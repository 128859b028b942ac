package spanotlp

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// OpenTelemetry's own types read from both encodings what was written.
func TestOfficialTypesReadTheSame(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		groups := spanstest.Random(r, 1767225600e9, r.IntN(60))
		if len(groups) > 2 {
			groups[1].Resource = groups[0].Resource
		}
		var fromProto, fromJSON tracev1.TracesData
		if err := proto.Unmarshal(AppendProto(nil, groups), &fromProto); err != nil {
			t.Fatal(err)
		}
		spanstest.Same(t, groupsOf(t, &fromProto), groups)
		text := AppendJSON(nil, groups)
		if err := protojson.Unmarshal(text, &fromJSON); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		eachSpan(&fromJSON, fixIDs)
		if !proto.Equal(&fromProto, &fromJSON) {
			t.Fatalf("seed %d: JSON says otherwise than protocol buffers:\n%v\n%v", seed, &fromJSON, &fromProto)
		}
	}
}

// Whoever has one message made by the other's marshaller gets the same bytes, whatever was in dst.
func TestAppendsBehind(t *testing.T) {
	groups := spanstest.Random(rand.New(rand.NewPCG(7, 7)), 0, 20)
	for _, f := range []func([]byte, []model.SpanGroup) []byte{AppendProto, AppendJSON} {
		alone, behind := string(f(nil, groups)), string(f([]byte("before"), groups))
		if behind != "before"+alone {
			t.Error("what is appended depends on what is there")
		}
	}
}

// Lengths of one, two and three bytes, at every level.
func TestLongTexts(t *testing.T) {
	for _, n := range []int{0, 1, 100, 127, 128, 16383, 16384, 300000} {
		s := model.Span{ID: model.SpanID{1}, Name: strings.Repeat("x", n), Events: []model.SpanEvent{{Name: strings.Repeat("y", n)}}}
		s.Attributes = []model.Attribute{{Key: "k", Value: model.Value{Kind: model.MapValue, Nested: []model.Attribute{{Key: "in", Value: model.TextValue(s.Name)}}}}}
		groups := []model.SpanGroup{{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: []model.Span{s}}}
		var data tracev1.TracesData
		if err := proto.Unmarshal(AppendProto(nil, groups), &data); err != nil {
			t.Fatal(err)
		}
		spanstest.Same(t, groupsOf(t, &data), groups)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	groups := []model.SpanGroup{{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: []model.Span{{Name: "a\xff\"\\\n\u2028b", State: "\xfe"}}}}
	var data tracev1.TracesData
	if err := proto.Unmarshal(AppendProto(nil, groups), &data); err != nil {
		t.Fatal(err)
	}
	if got := data.ResourceSpans[0].ScopeSpans[0].Spans[0].Name; got != "a\uFFFD\"\\\n\u2028b" {
		t.Errorf("%q", got)
	}
	if err := protojson.Unmarshal(AppendJSON(nil, groups), &data); err != nil {
		t.Fatal(err)
	}
	if got := data.ResourceSpans[0].ScopeSpans[0].Spans[0].Name; got != "a\uFFFD\"\\\n\u2028b" {
		t.Errorf("%q", got)
	}
}

func ExampleAppendJSON() {
	shop := &model.Resource{Attributes: []model.Attribute{{Key: "service.name", Value: model.TextValue("shop")}}}
	fmt.Println(string(AppendJSON(nil, []model.SpanGroup{{Resource: shop, Scope: &model.Scope{Name: "http"}, Spans: []model.Span{{
		TraceID: model.TraceID{15: 1}, ID: model.SpanID{7: 2}, Name: "GET /", Kind: model.SpanServer, Start: 1e18, Duration: 5,
		Attributes: []model.Attribute{{Key: "n", Value: model.Int64(200)}},
	}}}})))
	// Output: {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"scope":{"name":"http"},"spans":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002","name":"GET /","kind":2,"startTimeUnixNano":"1000000000000000000","endTimeUnixNano":"1000000000000000005","attributes":[{"key":"n","value":{"intValue":"200"}}],"status":{"code":0}}]}]}]}
}

func eachSpan(data *tracev1.TracesData, f func(*tracev1.Span)) {
	for _, r := range data.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				f(span)
			}
		}
	}
}

// fixIDs reads ids as OTLP/JSON means them: protojson takes every field of bytes for base64.
func fixIDs(s *tracev1.Span) {
	fix := func(id *[]byte) { *id, _ = hex.DecodeString(base64.StdEncoding.EncodeToString(*id)) }
	fix(&s.TraceId)
	fix(&s.SpanId)
	if len(s.ParentSpanId) > 0 {
		fix(&s.ParentSpanId)
	}
	for _, l := range s.Links {
		fix(&l.TraceId)
		fix(&l.SpanId)
	}
}

func groupsOf(t *testing.T, data *tracev1.TracesData) (out []model.SpanGroup) {
	for _, r := range data.ResourceSpans {
		resource := &model.Resource{Attributes: attributesOf(r.Resource.Attributes), Dropped: r.Resource.DroppedAttributesCount, SchemaURL: r.SchemaUrl}
		for _, s := range r.ScopeSpans {
			g := model.SpanGroup{Resource: resource, Scope: &model.Scope{
				Name: s.Scope.Name, Version: s.Scope.Version, Attributes: attributesOf(s.Scope.Attributes), Dropped: s.Scope.DroppedAttributesCount, SchemaURL: s.SchemaUrl,
			}}
			for _, span := range s.Spans {
				g.Spans = append(g.Spans, spanOf(t, span))
			}
			out = append(out, g)
		}
	}
	return out
}

func spanOf(t *testing.T, s *tracev1.Span) model.Span {
	t.Helper()
	if len(s.TraceId) != 16 || len(s.SpanId) != 8 || len(s.ParentSpanId) != 0 && len(s.ParentSpanId) != 8 {
		t.Fatalf("ids of the wrong length: %v", s)
	}
	out := model.Span{
		TraceID: model.TraceID(s.TraceId), ID: model.SpanID(s.SpanId), State: s.TraceState, Flags: s.Flags, Name: s.Name, Kind: model.SpanKind(s.Kind),
		Start: int64(s.StartTimeUnixNano), Duration: int64(s.EndTimeUnixNano - s.StartTimeUnixNano), Status: model.SpanStatus(s.Status.Code), Message: s.Status.Message,
		Attributes: attributesOf(s.Attributes), DroppedAttributes: s.DroppedAttributesCount, DroppedEvents: s.DroppedEventsCount, DroppedLinks: s.DroppedLinksCount,
	}
	copy(out.Parent[:], s.ParentSpanId)
	for _, e := range s.Events {
		out.Events = append(out.Events, model.SpanEvent{Time: int64(e.TimeUnixNano), Name: e.Name, Attributes: attributesOf(e.Attributes), Dropped: e.DroppedAttributesCount})
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, model.SpanLink{
			TraceID: model.TraceID(l.TraceId), SpanID: model.SpanID(l.SpanId), State: l.TraceState, Flags: l.Flags, Attributes: attributesOf(l.Attributes), Dropped: l.DroppedAttributesCount,
		})
	}
	return out
}

func attributesOf(list []*commonv1.KeyValue) (out []model.Attribute) {
	for _, a := range list {
		out = append(out, model.Attribute{Key: a.Key, Value: valueOf(a.Value)})
	}
	return out
}

func valueOf(v *commonv1.AnyValue) model.Value {
	switch x := v.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return model.TextValue(x.StringValue)
	case *commonv1.AnyValue_BoolValue:
		return model.Boolean(x.BoolValue)
	case *commonv1.AnyValue_IntValue:
		return model.Int64(x.IntValue)
	case *commonv1.AnyValue_DoubleValue:
		return model.Float64(x.DoubleValue)
	case *commonv1.AnyValue_BytesValue:
		return model.Value{Kind: model.BytesValue, Text: string(x.BytesValue)}
	case *commonv1.AnyValue_KvlistValue:
		return model.Value{Kind: model.MapValue, Nested: attributesOf(x.KvlistValue.Values)}
	case *commonv1.AnyValue_ArrayValue:
		out := model.Value{Kind: model.ArrayValue}
		for _, e := range x.ArrayValue.Values {
			out.Nested = append(out.Nested, model.Attribute{Value: valueOf(e)})
		}
		return out
	}
	return model.Value{}
}
