package spanotlp

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/hulotte-dev/hulotte/internal/jsontext"
	"github.com/hulotte-dev/hulotte/model"
)

// AppendJSON appends the groups to dst as OTLP/JSON: {"resourceSpans":[…]}. Ids are hexadecimal, numbers of 64 bits are strings, enums are
// numbers, bytes are base64 (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding); what is empty is left out, but for the
// name, kind and status of a span, which readers of JSON look for. Neighbours of one and the same resource share an element.
func AppendJSON(dst []byte, groups []model.SpanGroup) []byte {
	dst = append(dst, `{"resourceSpans":[`...)
	return append(AppendJSONList(dst, groups), `]}`...)
}

// AppendJSONList appends the elements of resourceSpans with commas between them, for whoever writes several traces into one list.
func AppendJSONList(dst []byte, groups []model.SpanGroup) []byte {
	for first := true; len(groups) > 0; first = false {
		if !first {
			dst = append(dst, ',')
		}
		n := ofOneResource(groups)
		dst = jsonResourceSpans(dst, groups[:n])
		groups = groups[n:]
	}
	return dst
}

func jsonResourceSpans(dst []byte, groups []model.SpanGroup) []byte {
	r := groups[0].Resource
	dst = append(dst, `{"resource":{"attributes":`...)
	dst = AppendJSONAttributes(dst, r.Attributes)
	dst = jsonDropped(dst, `,"droppedAttributesCount":`, r.Dropped)
	dst = append(dst, `},"scopeSpans":[`...)
	for i := range groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonScopeSpans(dst, &groups[i])
	}
	dst = append(dst, ']')
	dst = jsonText(dst, `,"schemaUrl":`, r.SchemaURL)
	return append(dst, '}')
}

func jsonScopeSpans(dst []byte, g *model.SpanGroup) []byte {
	dst = append(dst, `{"scope":{"name":`...)
	dst = jsontext.Append(dst, g.Scope.Name)
	dst = jsonText(dst, `,"version":`, g.Scope.Version)
	dst = jsonList(dst, `,"attributes":`, g.Scope.Attributes)
	dst = jsonDropped(dst, `,"droppedAttributesCount":`, g.Scope.Dropped)
	dst = append(dst, `},"spans":[`...)
	for i := range g.Spans {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonSpan(dst, &g.Spans[i])
	}
	dst = append(dst, ']')
	dst = jsonText(dst, `,"schemaUrl":`, g.Scope.SchemaURL)
	return append(dst, '}')
}

func jsonSpan(dst []byte, s *model.Span) []byte {
	dst = jsonIDs(dst, `{`, s.TraceID, s.ID)
	dst = jsonText(dst, `,"traceState":`, s.State)
	if !s.Parent.IsZero() {
		dst = append(dst, `,"parentSpanId":"`...)
		dst = append(hex.AppendEncode(dst, s.Parent[:]), '"')
	}
	dst = jsonDropped(dst, `,"flags":`, s.Flags)
	dst = jsontext.Append(append(dst, `,"name":`...), s.Name)
	dst = strconv.AppendInt(append(dst, `,"kind":`...), int64(s.Kind), 10)
	dst = jsonTime(append(dst, `,"startTimeUnixNano":`...), s.Start)
	dst = jsonTime(append(dst, `,"endTimeUnixNano":`...), s.Start+s.Duration)
	dst = jsonList(dst, `,"attributes":`, s.Attributes)
	dst = jsonDropped(dst, `,"droppedAttributesCount":`, s.DroppedAttributes)
	for i := range s.Events {
		dst = append(dst, listStart(i, `,"events":[`)...)
		dst = jsonEvent(dst, &s.Events[i])
	}
	dst = listEnd(dst, len(s.Events))
	dst = jsonDropped(dst, `,"droppedEventsCount":`, s.DroppedEvents)
	for i := range s.Links {
		dst = append(dst, listStart(i, `,"links":[`)...)
		dst = jsonLink(dst, &s.Links[i])
	}
	dst = listEnd(dst, len(s.Links))
	dst = jsonDropped(dst, `,"droppedLinksCount":`, s.DroppedLinks)
	dst = strconv.AppendInt(append(dst, `,"status":{"code":`...), int64(s.Status), 10)
	dst = jsonText(dst, `,"message":`, s.Message)
	return append(dst, `}}`...)
}

func jsonEvent(dst []byte, e *model.SpanEvent) []byte {
	dst = jsonTime(append(dst, `{"timeUnixNano":`...), e.Time)
	dst = jsontext.Append(append(dst, `,"name":`...), e.Name)
	dst = jsonList(dst, `,"attributes":`, e.Attributes)
	dst = jsonDropped(dst, `,"droppedAttributesCount":`, e.Dropped)
	return append(dst, '}')
}

func jsonLink(dst []byte, l *model.SpanLink) []byte {
	dst = jsonIDs(dst, `{`, l.TraceID, l.SpanID)
	dst = jsonText(dst, `,"traceState":`, l.State)
	dst = jsonList(dst, `,"attributes":`, l.Attributes)
	dst = jsonDropped(dst, `,"droppedAttributesCount":`, l.Dropped)
	dst = jsonDropped(dst, `,"flags":`, l.Flags)
	return append(dst, '}')
}

func jsonIDs(dst []byte, before string, trace model.TraceID, span model.SpanID) []byte {
	dst = append(append(dst, before...), `"traceId":"`...)
	dst = append(hex.AppendEncode(dst, trace[:]), `","spanId":"`...)
	return append(hex.AppendEncode(dst, span[:]), '"')
}

// jsonTime writes a fixed64, which is not negative in OTLP.
func jsonTime(dst []byte, ns int64) []byte {
	dst = strconv.AppendUint(append(dst, '"'), uint64(ns), 10) //nolint:gosec // two's complement, as in protocol buffers
	return append(dst, '"')
}

func jsonText(dst []byte, field, s string) []byte {
	if s == "" {
		return dst
	}
	return jsontext.Append(append(dst, field...), s)
}

func jsonDropped(dst []byte, field string, n uint32) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(append(dst, field...), uint64(n), 10)
}

func listStart(i int, field string) string {
	if i == 0 {
		return field
	}
	return `,`
}

func listEnd(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return append(dst, ']')
}

func jsonList(dst []byte, field string, attributes []model.Attribute) []byte {
	if len(attributes) == 0 {
		return dst
	}
	return AppendJSONAttributes(append(dst, field...), attributes)
}

// AppendJSONAttributes appends a list of KeyValue.
func AppendJSONAttributes(dst []byte, attributes []model.Attribute) []byte {
	dst = append(dst, '[')
	for i := range attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.Append(append(dst, `{"key":`...), attributes[i].Key)
		dst = jsonValue(append(dst, `,"value":`...), &attributes[i].Value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func jsonValue(dst []byte, v *model.Value) []byte {
	switch v.Kind {
	case model.StringValue:
		dst = jsontext.Append(append(dst, `{"stringValue":`...), v.Text)
	case model.BoolValue:
		dst = strconv.AppendBool(append(dst, `{"boolValue":`...), v.Bits != 0)
	case model.IntValue:
		dst = strconv.AppendInt(append(dst, `{"intValue":"`...), v.Bits, 10)
		dst = append(dst, '"')
	case model.FloatValue:
		dst = jsonFloat(append(dst, `{"doubleValue":`...), math.Float64frombits(uint64(v.Bits))) //nolint:gosec // its bits
	case model.BytesValue:
		dst = base64.StdEncoding.AppendEncode(append(dst, `{"bytesValue":"`...), []byte(v.Text))
		dst = append(dst, '"')
	case model.MapValue:
		dst = AppendJSONAttributes(append(dst, `{"kvlistValue":{"values":`...), v.Nested)
		dst = append(dst, '}')
	case model.ArrayValue:
		dst = append(dst, `{"arrayValue":{"values":[`...)
		for i := range v.Nested {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonValue(dst, &v.Nested[i].Value)
		}
		dst = append(dst, `]}`...)
	default:
		dst = append(dst, '{')
	}
	return append(dst, '}')
}

// jsonFloat writes what JSON has no number for as protocol buffers' JSON does, by name.
func jsonFloat(dst []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, 64)
}
