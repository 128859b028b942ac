package api

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/ingest/otlp"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

// newSpansAPI returns the API over some spans of the tenant default.
func newSpansAPI(t testing.TB, groups []model.SpanGroup) http.Handler {
	t.Helper()
	tenants := &spanstest.Tenants{}
	to, err := tenants.SpanWriter("default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.AppendSpans(context.Background(), groups); err != nil {
		t.Fatal(err)
	}
	return newTestAPI(t, emptySeries{}, func(o *Options) {
		o.Spans, o.SpanDecoder = tenants, otlp.SpansOfJSON
		o.Build = BuildInfo{Version: "0.1.0", Revision: "abc"}
	})
}

func attributes(list ...any) (out []model.Attribute) {
	for i := 0; i < len(list); i += 2 {
		a := model.Attribute{Key: list[i].(string)}
		switch v := list[i+1].(type) {
		case string:
			a.Value = model.TextValue(v)
		case int:
			a.Value = model.Int64(int64(v))
		case float64:
			a.Value = model.Float64(v)
		case bool:
			a.Value = model.Boolean(v)
		case model.Value:
			a.Value = v
		}
		out = append(out, a)
	}
	return out
}

func resource(service string, more ...any) *model.Resource {
	return &model.Resource{Attributes: attributes(append([]any{"service.name", service}, more...)...)}
}

// ago is a time before the clock of the tests, in nanoseconds.
func ago(d time.Duration) int64 { return clock.Add(-d).UnixNano() }

// someSpans is four traces: one of three services with everything that a span may have; one that failed; one of Zipkin, whose client and
// server share an id and whose trace id has 64 bits; and an old one.
func someSpans() []model.SpanGroup {
	buy, failed, shared, old := model.TraceID{0: 0xab, 15: 1}, model.TraceID{0: 0xab, 15: 2}, model.TraceID{8: 0x5f, 15: 3}, model.TraceID{0: 0xab, 15: 4}
	ms := int64(time.Millisecond)
	list := model.Value{Kind: model.ArrayValue, Nested: []model.Attribute{{Value: model.TextValue("a\"b")}, {Value: model.Int64(1)}, {}}}
	return []model.SpanGroup{
		{
			Resource: resource("shop", "host.name", "web-1"), Scope: &model.Scope{Name: "net/http", Version: "1.2"},
			Spans: []model.Span{
				{
					TraceID: buy, ID: model.SpanID{7: 1}, Name: "POST /buy", Kind: model.SpanServer, Start: ago(time.Minute), Duration: 120*ms + 700, State: "a=b", Flags: 1,
					Attributes: attributes("http.status_code", 200, "ratio", 0.5, "cached", false, "list", list, "id", 1<<60),
					Events: []model.SpanEvent{
						{Time: ago(time.Minute) + 5*ms, Name: "checked out", Attributes: attributes("items", 3)}, {Time: ago(time.Minute) + 6*ms, Name: "plain"},
					},
					Links: []model.SpanLink{{TraceID: old, SpanID: model.SpanID{7: 9}}}, DroppedEvents: 2,
				},
				{TraceID: buy, ID: model.SpanID{7: 2}, Parent: model.SpanID{7: 1}, Name: "cart", Kind: model.SpanClient, Start: ago(time.Minute) + 10*ms, Duration: 80 * ms, Attributes: attributes("peer.service", "cart")},
				{TraceID: failed, ID: model.SpanID{7: 1}, Name: "GET /", Kind: model.SpanServer, Start: ago(10 * time.Minute), Duration: 5 * ms, Status: model.StatusError, Message: "no such page", Attributes: attributes("http.status_code", 500)},
				{TraceID: old, ID: model.SpanID{7: 9}, Name: "GET /", Kind: model.SpanServer, Start: ago(72 * time.Hour), Duration: -3, Status: model.StatusOK},
			},
		},
		{
			Resource: resource("cart"), Scope: &model.Scope{},
			Spans: []model.Span{
				{TraceID: buy, ID: model.SpanID{7: 3}, Parent: model.SpanID{7: 2}, Name: "get", Kind: model.SpanServer, Start: ago(time.Minute) + 12*ms, Duration: 70 * ms},
				{TraceID: buy, ID: model.SpanID{7: 4}, Parent: model.SpanID{7: 3}, Name: "think", Kind: model.SpanInternal, Start: ago(time.Minute) + 13*ms, Duration: 1500, Status: model.StatusError},
			},
		},
		{
			Resource: resource("front"), Scope: &model.Scope{},
			Spans: []model.Span{{TraceID: shared, ID: model.SpanID{7: 7}, Name: "call", Kind: model.SpanClient, Start: ago(2 * time.Minute), Duration: 20 * ms,
				Attributes: attributes("net.peer.ip", "10.0.0.9", "net.peer.port", 8080, "peer.service", "back")}},
		},
		{
			Resource: resource("back"), Scope: &model.Scope{},
			Spans: []model.Span{
				{TraceID: shared, ID: model.SpanID{7: 7}, Name: "call", Kind: model.SpanServer, Start: ago(2*time.Minute) + ms, Duration: 18 * ms, Attributes: attributes("net.host.ip", "10.0.0.9")},
				{TraceID: shared, ID: model.SpanID{7: 8}, Parent: model.SpanID{7: 7}, Name: "write", Kind: model.SpanProducer, Start: ago(2*time.Minute) + 2*ms, Duration: 9 * ms},
			},
		},
	}
}
