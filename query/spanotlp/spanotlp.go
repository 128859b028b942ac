// Package spanotlp writes spans as OpenTelemetry's TracesData, in protocol buffers and in OTLP/JSON
// (https://opentelemetry.io/docs/specs/otlp, opentelemetry/proto/trace/v1/trace.proto): what every API that gives whole
// traces away is made of.
package spanotlp

import (
	"strings"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// AppendProto appends the groups to dst as a message TracesData:
//
//	TracesData     1 repeated ResourceSpans
//	ResourceSpans  1 Resource   2 repeated ScopeSpans   3 schema URL
//	Resource       1 repeated KeyValue   2 dropped attributes
//	ScopeSpans     1 InstrumentationScope   2 repeated Span   3 schema URL
//	InstrumentationScope  1 name   2 version   3 repeated KeyValue   4 dropped attributes
//
// Neighbours of one and the same resource share a ResourceSpans. Text that is not UTF-8, which a string of protocol buffers must be, has
// U+FFFD where it is not.
func AppendProto(dst []byte, groups []model.SpanGroup) []byte {
	for len(groups) > 0 {
		n := ofOneResource(groups)
		var m int
		dst, m = wire.Begin(dst, 1)
		dst = appendResourceSpans(dst, groups[:n])
		dst = wire.End(dst, m)
		groups = groups[n:]
	}
	return dst
}

// ofOneResource counts the groups at the front that have the resource of the first.
func ofOneResource(groups []model.SpanGroup) int {
	n := 1
	for n < len(groups) && groups[n].Resource == groups[0].Resource {
		n++
	}
	return n
}

func appendResourceSpans(dst []byte, groups []model.SpanGroup) []byte {
	r := groups[0].Resource
	dst, m := wire.Begin(dst, 1)
	dst = appendAttributes(dst, 1, r.Attributes)
	dst = appendCount(dst, 2, r.Dropped)
	dst = wire.End(dst, m)
	for i := range groups {
		dst, m = wire.Begin(dst, 2)
		dst = appendScopeSpans(dst, &groups[i])
		dst = wire.End(dst, m)
	}
	return appendText(dst, 3, r.SchemaURL)
}

func appendScopeSpans(dst []byte, g *model.SpanGroup) []byte {
	dst, m := wire.Begin(dst, 1)
	dst = appendText(dst, 1, g.Scope.Name)
	dst = appendText(dst, 2, g.Scope.Version)
	dst = appendAttributes(dst, 3, g.Scope.Attributes)
	dst = appendCount(dst, 4, g.Scope.Dropped)
	dst = wire.End(dst, m)
	for i := range g.Spans {
		dst, m = wire.Begin(dst, 2)
		dst = appendSpan(dst, &g.Spans[i])
		dst = wire.End(dst, m)
	}
	return appendText(dst, 3, g.Scope.SchemaURL)
}

// appendSpan appends
//
//	1 trace id   2 span id   3 trace state   4 parent   5 name   6 kind   7 start (fixed64, ns)   8 end (fixed64, ns)
//	9 repeated KeyValue   10 dropped attributes   11 repeated Event   12 dropped events   13 repeated Link
//	14 dropped links   15 Status (2 message, 3 code)   16 flags (fixed32)
func appendSpan(dst []byte, s *model.Span) []byte {
	dst = wire.AppendBytes(dst, 1, s.TraceID[:])
	dst = wire.AppendBytes(dst, 2, s.ID[:])
	dst = appendText(dst, 3, s.State)
	if !s.Parent.IsZero() {
		dst = wire.AppendBytes(dst, 4, s.Parent[:])
	}
	dst = appendText(dst, 5, s.Name)
	dst = appendCount(dst, 6, uint32(s.Kind))                    //nolint:gosec // an enum of 8 bits, not negative
	dst = wire.AppendFixed64(dst, 7, uint64(s.Start))            //nolint:gosec // two's complement, as it came
	dst = wire.AppendFixed64(dst, 8, uint64(s.Start+s.Duration)) //nolint:gosec // as above
	dst = appendAttributes(dst, 9, s.Attributes)
	dst = appendCount(dst, 10, s.DroppedAttributes)
	var m int
	for i := range s.Events {
		dst, m = wire.Begin(dst, 11)
		dst = appendEvent(dst, &s.Events[i])
		dst = wire.End(dst, m)
	}
	dst = appendCount(dst, 12, s.DroppedEvents)
	for i := range s.Links {
		dst, m = wire.Begin(dst, 13)
		dst = appendLink(dst, &s.Links[i])
		dst = wire.End(dst, m)
	}
	dst = appendCount(dst, 14, s.DroppedLinks)
	dst, m = wire.Begin(dst, 15)
	dst = appendText(dst, 2, s.Message)
	dst = appendCount(dst, 3, uint32(s.Status)) //nolint:gosec // as the kind
	dst = wire.End(dst, m)
	return appendFlags(dst, 16, s.Flags)
}

// appendEvent appends 1 time (fixed64, ns), 2 name, 3 repeated KeyValue, 4 dropped attributes.
func appendEvent(dst []byte, e *model.SpanEvent) []byte {
	dst = wire.AppendFixed64(dst, 1, uint64(e.Time)) //nolint:gosec // two's complement, as it came
	dst = appendText(dst, 2, e.Name)
	dst = appendAttributes(dst, 3, e.Attributes)
	return appendCount(dst, 4, e.Dropped)
}

// appendLink appends 1 trace id, 2 span id, 3 trace state, 4 repeated KeyValue, 5 dropped attributes, 6 flags (fixed32).
func appendLink(dst []byte, l *model.SpanLink) []byte {
	dst = wire.AppendBytes(dst, 1, l.TraceID[:])
	dst = wire.AppendBytes(dst, 2, l.SpanID[:])
	dst = appendText(dst, 3, l.State)
	dst = appendAttributes(dst, 4, l.Attributes)
	dst = appendCount(dst, 5, l.Dropped)
	return appendFlags(dst, 6, l.Flags)
}

// appendAttributes appends each attribute as the field num: a KeyValue (1 key, 2 AnyValue).
func appendAttributes(dst []byte, num uint32, attributes []model.Attribute) []byte {
	for i := range attributes {
		var entry, value int
		dst, entry = wire.Begin(dst, num)
		dst = appendText(dst, 1, attributes[i].Key)
		dst, value = wire.Begin(dst, 2)
		dst = appendValue(dst, &attributes[i].Value)
		dst = wire.End(wire.End(dst, value), entry)
	}
	return dst
}

// appendValue appends an AnyValue (opentelemetry/proto/common/v1/common.proto):
//
//	1 string   2 bool   3 int (varint)   4 double   5 ArrayValue (1 repeated AnyValue)   6 KeyValueList (1 repeated KeyValue)   7 bytes
func appendValue(dst []byte, v *model.Value) []byte {
	var m int
	switch v.Kind {
	case model.StringValue:
		return wire.AppendBytes(dst, 1, []byte(valid(v.Text)))
	case model.BoolValue:
		return wire.AppendVarint(dst, 2, uint64(v.Bits)) //nolint:gosec // 0 or 1
	case model.IntValue:
		return wire.AppendVarint(dst, 3, uint64(v.Bits)) //nolint:gosec // two's complement is how a varint holds a negative number
	case model.FloatValue:
		return wire.AppendFixed64(dst, 4, uint64(v.Bits)) //nolint:gosec // its bits
	case model.BytesValue:
		return wire.AppendBytes(dst, 7, []byte(v.Text))
	case model.MapValue:
		dst, m = wire.Begin(dst, 6)
		return wire.End(appendAttributes(dst, 1, v.Nested), m)
	case model.ArrayValue:
		dst, m = wire.Begin(dst, 5)
		for i := range v.Nested {
			var element int
			dst, element = wire.Begin(dst, 1)
			dst = wire.End(appendValue(dst, &v.Nested[i].Value), element)
		}
		return wire.End(dst, m)
	}
	return dst
}

// appendText appends a string unless it is empty, which is what a field that is not there means.
func appendText(dst []byte, num uint32, s string) []byte {
	if s == "" {
		return dst
	}
	return wire.AppendBytes(dst, num, []byte(valid(s)))
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func appendCount(dst []byte, num, n uint32) []byte {
	if n == 0 {
		return dst
	}
	return wire.AppendVarint(dst, num, uint64(n))
}

func appendFlags(dst []byte, num, flags uint32) []byte {
	if flags == 0 {
		return dst
	}
	return wire.AppendFixed32(dst, num, flags)
}
