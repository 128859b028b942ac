package spanzipkin

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// Whatever a span is, it is JSON with its ids, every key of a tag once.
func TestJSONOfAnything(t *testing.T) {
	var w Writer
	for seed := range uint64(100) {
		trace := model.Trace{Groups: spanstest.Random(rand.New(rand.NewPCG(seed, 5)), 1767225600e9, 40)}
		w.Begin(&trace)
		for i := range trace.Groups {
			for k := range trace.Groups[i].Spans {
				s := &trace.Groups[i].Spans[k]
				text := w.AppendSpan(nil, &trace.Groups[i], s)
				var back struct {
					ID        string
					Timestamp int64
					Tags      map[string]string
				}
				if err := json.Unmarshal(text, &back); err != nil || back.ID != s.ID.String() || back.Timestamp != s.Start/1000 {
					t.Fatalf("%v: %s", err, text)
				}
				if _, failed := back.Tags["error"]; failed != (s.Status == model.StatusError) {
					t.Fatalf("the tag error says otherwise than the status: %s", text)
				}
			}
		}
	}
}

func TestSpans(t *testing.T) {
	text := func(key, value string) model.Attribute {
		return model.Attribute{Key: key, Value: model.TextValue(value)}
	}
	f := func(resource []model.Attribute, s model.Span, want string) {
		t.Helper()
		s.TraceID, s.ID = model.TraceID{15: 1}, model.SpanID{7: 2}
		g := model.SpanGroup{Resource: &model.Resource{Attributes: resource}, Scope: &model.Scope{}, Spans: []model.Span{s}}
		trace := model.Trace{Groups: []model.SpanGroup{g}}
		var w Writer
		w.Begin(&trace)
		want = `{"traceId":"0000000000000001","id":"0000000000000002"` + want + `}`
		if got := string(w.AppendSpan(nil, &g, &s)); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	shop := []model.Attribute{text("service.name", "shop"), text("host.name", "web")}
	f(nil, model.Span{}, `,"name":""`)
	f(nil, model.Span{Start: 5000, Duration: 10, Name: "a"}, `,"name":"a","timestamp":5,"duration":1`)
	f(nil, model.Span{Start: 5000, Duration: -10}, `,"name":"","timestamp":5`)
	f(shop, model.Span{Kind: model.SpanServer, Attributes: []model.Attribute{text("host.name", "own"), text("net.host.ip", "::1"), {Key: "net.host.port", Value: model.Int64(80)}}},
		`,"kind":"SERVER","name":"","localEndpoint":{"serviceName":"shop","ipv6":"::1","port":80},"tags":{"host.name":"own"}`)
	f(nil, model.Span{Kind: model.SpanClient, Attributes: []model.Attribute{text("server.address", "db"), text("net.peer.ip", "10.0.0.1")}},
		`,"kind":"CLIENT","name":"","remoteEndpoint":{"serviceName":"db","ipv4":"10.0.0.1"},"tags":{"server.address":"db"}`)
	f(nil, model.Span{Kind: model.SpanServer, Attributes: []model.Attribute{text("server.address", "me")}}, `,"kind":"SERVER","name":"","tags":{"server.address":"me"}`)
	f(nil, model.Span{Kind: model.SpanInternal, Status: model.StatusError}, `,"name":"","tags":{"error":"true","otel.status_code":"ERROR","span.kind":"internal"}`)
	f(nil, model.Span{Status: model.StatusError, Message: "boom", Attributes: []model.Attribute{text("error", "other")}}, `,"name":"","tags":{"error":"boom","otel.status_code":"ERROR"}`)
	f(nil, model.Span{Status: model.StatusOK, Attributes: []model.Attribute{text("error", "false")}}, `,"name":"","tags":{"otel.status_code":"OK"}`)
	f(nil, model.Span{Start: 7000, Attributes: []model.Attribute{{Key: "zipkin.debug", Value: model.Boolean(true)}, {Key: "zipkin.shared", Value: model.Boolean(true)},
		{Key: "otel.zipkin.absentField.startTime", Value: model.Boolean(true)}}}, `,"name":"","debug":true,"shared":true`)
	f(nil, model.Span{Events: []model.SpanEvent{{Time: 9000, Name: "ws"}, {Name: "x", Dropped: 1, Attributes: []model.Attribute{{Key: "n", Value: model.Int64(1)}}}}},
		`,"name":"","annotations":[{"timestamp":9,"value":"ws"},{"timestamp":0,"value":"x|{\"n\":1}|1"}]`)
	f(nil, model.Span{Links: []model.SpanLink{{TraceID: model.TraceID{15: 3}, SpanID: model.SpanID{7: 4}, State: "a=b"}}},
		`,"name":"","tags":{"otlp.link.0":"00000000000000000000000000000003|0000000000000004|a=b|{}|0"}`)
}
