package spanjaeger

import (
	"strings"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The types of values of jaeger.api_v2.
const (
	typeBool   = 1
	typeInt    = 2
	typeFloat  = 3
	typeBinary = 4
)

// AppendProto appends the span with its process as the field num of a message: a jaeger.api_v2.Span
// (https://github.com/jaegertracing/jaeger-idl, proto/api_v2/model.proto):
//
//	1 trace id   2 span id   3 operation   4 repeated SpanRef (1 trace id, 2 span id, 3 type)   5 flags   6 start (Timestamp)
//	7 duration   8 repeated KeyValue   9 repeated Log (1 Timestamp, 2 repeated KeyValue)   10 Process (1 service, 2 repeated KeyValue)
//	11 process id   12 repeated warning
func (t *Trace) AppendProto(dst []byte, num uint32, s *Span) []byte {
	dst, span := wire.Begin(dst, num)
	dst = wire.AppendBytes(dst, 1, s.TraceID[:])
	dst = wire.AppendBytes(dst, 2, s.ID[:])
	dst = appendText(dst, 3, s.Operation)
	var m int
	for i := range s.References {
		r := &s.References[i]
		dst, m = wire.Begin(dst, 4)
		dst = wire.AppendBytes(dst, 1, r.TraceID[:])
		dst = wire.AppendBytes(dst, 2, r.SpanID[:])
		if r.Follows {
			dst = wire.AppendVarint(dst, 3, 1)
		}
		dst = wire.End(dst, m)
	}
	if s.Flags != 0 {
		dst = wire.AppendVarint(dst, 5, uint64(s.Flags))
	}
	dst = appendTime(dst, 6, s.Start)
	dst = appendTime(dst, 7, s.Duration)
	dst = appendKeyValues(dst, 8, s.Tags)
	for i := range s.Logs {
		dst, m = wire.Begin(dst, 9)
		dst = appendTime(dst, 1, s.Logs[i].Time)
		dst = wire.End(appendKeyValues(dst, 2, s.Logs[i].Fields), m)
	}
	p := &t.Processes[s.Process]
	dst, m = wire.Begin(dst, 10)
	dst = appendText(dst, 1, p.Service)
	dst = wire.End(appendKeyValues(dst, 2, p.Tags), m)
	for _, w := range s.Warnings {
		dst = appendText(dst, 12, w)
	}
	return wire.End(dst, span)
}

// appendTime appends a Timestamp or a Duration of google.protobuf: 1 seconds, 2 nanoseconds, which go back from the next second in a time before
// 1970.
func appendTime(dst []byte, num uint32, ns int64) []byte {
	seconds, rest := ns/1e9, ns%1e9
	if rest < 0 {
		seconds, rest = seconds-1, rest+1e9
	}
	dst, m := wire.Begin(dst, num)
	if seconds != 0 {
		dst = wire.AppendVarint(dst, 1, uint64(seconds)) //nolint:gosec // two's complement is how a varint holds a negative number
	}
	if rest != 0 {
		dst = wire.AppendVarint(dst, 2, uint64(rest)) //nolint:gosec // not negative
	}
	return wire.End(dst, m)
}

// appendKeyValues appends tags as KeyValues: 1 key, 2 type, 3 text, 4 bool, 5 integer, 6 double, 7 bytes.
func appendKeyValues(dst []byte, num uint32, tags []model.Attribute) []byte {
	for i := range tags {
		v := &tags[i].Value
		var m int
		dst, m = wire.Begin(dst, num)
		dst = appendText(dst, 1, tags[i].Key)
		switch v.Kind {
		case model.BoolValue:
			dst = wire.AppendVarint(wire.AppendVarint(dst, 2, typeBool), 4, uint64(v.Bits)) //nolint:gosec // 0 or 1
		case model.IntValue:
			dst = wire.AppendVarint(wire.AppendVarint(dst, 2, typeInt), 5, uint64(v.Bits)) //nolint:gosec // two's complement, as above
		case model.FloatValue:
			dst = wire.AppendFixed64(wire.AppendVarint(dst, 2, typeFloat), 6, uint64(v.Bits)) //nolint:gosec // its bits
		case model.BytesValue:
			dst = wire.AppendBytes(wire.AppendVarint(dst, 2, typeBinary), 7, []byte(v.Text))
		default:
			dst = appendText(dst, 3, Text(*v))
		}
		dst = wire.End(dst, m)
	}
	return dst
}

// appendText appends a string, which is UTF-8 in protocol buffers, unless it is empty.
func appendText(dst []byte, num uint32, s string) []byte {
	if s == "" {
		return dst
	}
	return wire.AppendBytes(dst, num, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}
