package store_test

import (
	"math"
	"regexp"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

func TestSpanFilter(t *testing.T) {
	g := &model.SpanGroup{
		Resource: &model.Resource{Attributes: []model.Attribute{{Key: "service.name", Value: model.TextValue("cart")}, {Key: "x", Value: model.TextValue("of the resource")}}},
		Scope:    &model.Scope{Name: "lib"},
		Spans: []model.Span{{
			Name: "GET /", Kind: model.SpanServer, Duration: 5,
			Attributes: []model.Attribute{{Key: "code", Value: model.Int64(500)}, {Key: "x", Value: model.TextValue("of the span")}, {Key: "nan", Value: model.Float64(math.NaN())}},
			Events:     []model.SpanEvent{{Name: "a"}, {Name: "b"}},
		}},
	}
	field := func(scope store.SpanScope, name string) store.SpanField {
		return store.SpanField{Scope: scope, Name: name}
	}
	f := func(filter *store.SpanFilter, want bool) {
		t.Helper()
		if got := filter.Passes(g, &g.Spans[0]); got != want {
			t.Errorf("%+v: %t", filter, got)
		}
	}
	f(nil, true)
	f(&store.SpanFilter{}, true)
	f(&store.SpanFilter{Field: field(store.OnSpan, "code"), Op: store.Greater, Value: model.Float64(499.5)}, true)
	f(&store.SpanFilter{Field: field(store.OnSpan, "code"), Op: store.Equal, Value: model.TextValue("500")}, false)
	f(&store.SpanFilter{Field: field(store.OnSpan, "nothing"), Op: store.NotEqual, Value: model.TextValue("500")}, false)
	f(&store.SpanFilter{Field: field(store.OnSpan, "nothing"), Op: store.Absent}, true)
	f(&store.SpanFilter{Field: field(store.AnyScope, "x"), Value: model.TextValue("of the resource")}, false)
	f(&store.SpanFilter{Field: field(store.AnyScope, "service.name"), Value: model.TextValue("cart")}, true)
	f(&store.SpanFilter{Field: field(store.IntrinsicScope, store.IntrinsicEvent), Value: model.TextValue("b")}, true)
	f(&store.SpanFilter{Field: field(store.IntrinsicScope, store.IntrinsicName), Op: store.Matches, Pattern: regexp.MustCompile(`^(?:GET .*)$`)}, true)
	f(&store.SpanFilter{Field: field(store.OnSpan, "nan"), Op: store.GreaterOrEqual, Value: model.Int64(0)}, false)
	f(&store.SpanFilter{Field: field(store.OnSpan, "nan"), Op: store.NotEqual, Value: model.Int64(0)}, true)
	server := &store.SpanFilter{Field: field(store.IntrinsicScope, store.IntrinsicKind), Value: model.Int64(int64(model.SpanServer))}
	f(&store.SpanFilter{All: []*store.SpanFilter{server, {Not: server}}}, false)
	f(&store.SpanFilter{Any: []*store.SpanFilter{{Not: server}, server}}, true)
}
