package spanstest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Random returns spans of some traces that start within an hour of base, with everything that a span may have, and some of it odd: attributes
// twice, of several kinds, nested and empty, durations below zero, parents that are away, ids that come again.
func Random(r *rand.Rand, base int64, spans int) []model.SpanGroup {
	traces := make([]model.TraceID, 1+spans/6)
	for i := range traces {
		traces[i] = model.TraceID{0: byte(r.IntN(4)), 1: byte(i), 2: byte(i >> 8), 15: byte(r.Uint32())}
		traces[i][8] = 1
	}
	groups := make([]model.SpanGroup, 1+r.IntN(6))
	for i := range groups {
		groups[i] = model.SpanGroup{
			Resource: &model.Resource{Attributes: append([]model.Attribute{{Key: "service.name", Value: model.TextValue(fmt.Sprintf("service-%d", r.IntN(4)))}}, randomAttributes(r, 2)...), Dropped: r.Uint32N(2), SchemaURL: pick(r, "", "https://example.com/1")},
			Scope:    &model.Scope{Name: pick(r, "", "http"), Version: pick(r, "", "1.2"), Attributes: randomAttributes(r, 1), Dropped: r.Uint32N(2)},
		}
	}
	for range spans {
		g := &groups[r.IntN(len(groups))]
		g.Spans = append(g.Spans, randomSpan(r, traces[r.IntN(len(traces))], base))
	}
	return groups
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomSpan(r *rand.Rand, trace model.TraceID, base int64) model.Span {
	s := model.Span{
		TraceID: trace, ID: model.SpanID{0: 1, 7: byte(r.IntN(40))}, Name: pick(r, "GET /", "POST /cart", "SELECT", ""), Kind: model.SpanKind(r.IntN(7)), Status: model.SpanStatus(r.IntN(4)),
		Start: base + r.Int64N(3600e9), Duration: r.Int64N(1e9) - 1e7, Attributes: randomAttributes(r, 5),
	}
	if r.IntN(4) > 0 {
		s.Parent = model.SpanID{0: 1, 7: byte(r.IntN(40))}
	}
	if r.IntN(5) == 0 {
		s.State, s.Flags, s.Message = pick(r, "", "a=b"), r.Uint32N(3), pick(r, "", "it failed")
		s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks = r.Uint32N(3), r.Uint32N(3), r.Uint32N(3)
	}
	for range r.IntN(3) / 2 * (1 + r.IntN(2)) {
		s.Events = append(s.Events, model.SpanEvent{Time: s.Start + r.Int64N(1e9) - 1e8, Name: pick(r, "exception", "retry"), Attributes: randomAttributes(r, 2), Dropped: r.Uint32N(2)})
	}
	for range r.IntN(4) / 3 {
		s.Links = append(s.Links, model.SpanLink{TraceID: trace, SpanID: model.SpanID{0: 2}, State: pick(r, "", "x=y"), Flags: r.Uint32N(2), Attributes: randomAttributes(r, 1), Dropped: r.Uint32N(2)})
	}
	return s
}

var randomKeys = []string{"http.status_code", "http.url", "ratio", "retry", "id", "odd"}

func randomAttributes(r *rand.Rand, most int) []model.Attribute {
	var out []model.Attribute
	for range r.IntN(most + 1) {
		key := pick(r, randomKeys...)
		out = append(out, model.Attribute{Key: key, Value: randomValue(r, key, 2)})
	}
	return out
}

func randomValue(r *rand.Rand, key string, depth int) model.Value {
	switch key {
	case "http.status_code":
		return model.Int64(pick[int64](r, 200, 404, 500))
	case "http.url":
		return model.TextValue(fmt.Sprintf("/item/%d", r.IntN(2000)))
	case "ratio":
		return pick(r, model.Float64(r.Float64()), model.Float64(math.NaN()), model.Float64(math.Inf(1)), model.Float64(0))
	case "retry":
		return model.Boolean(r.IntN(2) == 0)
	case "id":
		return model.Int64(int64(r.Uint64()))
	}
	switch r.IntN(7) {
	case 0:
		return model.Value{}
	case 1:
		return model.Value{Kind: model.BytesValue, Text: pick(r, "", "\x00\xff")}
	case 2, 3:
		v := model.Value{Kind: pick(r, model.ArrayValue, model.MapValue)}
		for range r.IntN(3) * min(depth, 1) {
			a := model.Attribute{Value: randomValue(r, pick(r, randomKeys...), depth-1)}
			if v.Kind == model.MapValue {
				a.Key = pick(r, "a", "b")
			}
			v.Nested = append(v.Nested, a)
		}
		return v
	case 4:
		return model.Int64(r.Int64N(5))
	}
	return model.TextValue(pick(r, "x", "y", ""))
}

// Fields are those of which RandomFilter makes conditions.
func Fields() []store.SpanField {
	out := []store.SpanField{}
	for _, name := range []string{
		store.IntrinsicName, store.IntrinsicKind, store.IntrinsicStatus, store.IntrinsicStatusMessage, store.IntrinsicDuration, store.IntrinsicStart, store.IntrinsicEvent, store.IntrinsicEventSince,
		store.IntrinsicLinkTrace, store.IntrinsicLinkSpan, store.IntrinsicScopeName, store.IntrinsicScopeVersion, store.IntrinsicTraceID, store.IntrinsicSpanID, store.IntrinsicParentID,
	} {
		out = append(out, store.SpanField{Scope: store.IntrinsicScope, Name: name})
	}
	for _, scope := range []store.SpanScope{store.AnyScope, store.OnSpan, store.OnResource, store.OnEvent, store.OnLink, store.OnScope} {
		for _, key := range append(randomKeys, "service.name", "nobody.has.it") {
			out = append(out, store.SpanField{Scope: scope, Name: key})
		}
	}
	return out
}

// RandomFilter returns a condition on what Random makes.
func RandomFilter(r *rand.Rand, depth int) *store.SpanFilter {
	if depth > 0 {
		switch r.IntN(5) {
		case 0:
			return &store.SpanFilter{All: []*store.SpanFilter{RandomFilter(r, depth-1), RandomFilter(r, depth-1)}}
		case 1:
			return &store.SpanFilter{Any: []*store.SpanFilter{RandomFilter(r, depth-1), RandomFilter(r, depth-1)}}
		case 2:
			return &store.SpanFilter{Not: RandomFilter(r, depth-1)}
		}
	}
	f := &store.SpanFilter{Field: pick(r, Fields()...), Op: store.SpanOp(r.IntN(int(store.Absent) + 1))}
	switch f.Op {
	case store.Matches, store.NotMatches:
		f.Pattern = regexp.MustCompile(pick(r, "^(?:GET.*)$", "^(?:service-[01])$", "^(?:x|y)$", "^(?:/item/1.*)$"))
	case store.Present, store.Absent:
	default:
		f.Value = randomOperand(r, f.Field)
	}
	return f
}

func randomOperand(r *rand.Rand, f store.SpanField) model.Value {
	switch f.Name {
	case store.IntrinsicName:
		return model.TextValue(pick(r, "GET /", "POST /cart", "none"))
	case store.IntrinsicKind, store.IntrinsicStatus:
		return model.Int64(r.Int64N(7))
	case store.IntrinsicDuration, store.IntrinsicEventSince:
		return pick(r, model.Int64(r.Int64N(1e9)), model.Float64(5e8))
	case "service.name":
		return model.TextValue(fmt.Sprintf("service-%d", r.IntN(5)))
	}
	return randomValue(r, pick(r, append(randomKeys, f.Name)...), 1)
}
