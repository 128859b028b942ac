package spanjaeger

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/hulotte-dev/hulotte/internal/jsontext"
	"github.com/hulotte-dev/hulotte/model"
)

// AppendJSON appends the trace as Jaeger's HTTP API has it:
//
//	{"traceID":"…","spans":[…],"processes":{"p1":{"serviceName":"…","tags":[…]}},"warnings":null}
//
// Times and durations are microseconds.
func (t *Trace) AppendJSON(dst []byte) []byte {
	dst = t.OpenJSON(dst)
	for i := range t.Spans {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.Spans[i].AppendJSON(dst)
	}
	return t.CloseJSON(dst)
}

// OpenJSON appends what stands before the spans, for whoever writes them one by one.
func (t *Trace) OpenJSON(dst []byte) []byte {
	dst = append(dst, `{"traceID":"`...)
	dst = append(dst, TraceIDText(t.ID)...)
	return append(dst, `","spans":[`...)
}

// CloseJSON appends what stands behind the spans.
func (t *Trace) CloseJSON(dst []byte) []byte {
	dst = append(dst, `],"processes":{`...)
	for i := range t.Processes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `"p`...), int64(i+1), 10)
		dst = jsontext.Append(append(dst, `":{"serviceName":`...), t.Processes[i].Service)
		dst = appendTags(append(dst, `,"tags":`...), t.Processes[i].Tags)
		dst = append(dst, '}')
	}
	dst = appendWarnings(append(dst, `},"warnings":`...), t.Warnings)
	return append(dst, '}')
}

// AppendJSON appends the span.
func (s *Span) AppendJSON(dst []byte) []byte {
	dst = appendIDs(append(dst, '{'), s.TraceID, s.ID)
	if s.Flags != 0 {
		dst = strconv.AppendUint(append(dst, `,"flags":`...), uint64(s.Flags), 10)
	}
	dst = jsontext.Append(append(dst, `,"operationName":`...), s.Operation)
	dst = append(dst, `,"references":[`...)
	for i, r := range s.References {
		if i > 0 {
			dst = append(dst, ',')
		}
		kind := `{"refType":"CHILD_OF",`
		if r.Follows {
			kind = `{"refType":"FOLLOWS_FROM",`
		}
		dst = append(appendIDs(append(dst, kind...), r.TraceID, r.SpanID), '}')
	}
	dst = strconv.AppendInt(append(dst, `],"startTime":`...), s.Start/1000, 10)
	dst = strconv.AppendInt(append(dst, `,"duration":`...), s.Duration/1000, 10)
	dst = appendTags(append(dst, `,"tags":`...), s.Tags)
	dst = append(dst, `,"logs":[`...)
	for i := range s.Logs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"timestamp":`...), s.Logs[i].Time/1000, 10)
		dst = appendTags(append(dst, `,"fields":`...), s.Logs[i].Fields)
		dst = append(dst, '}')
	}
	dst = strconv.AppendInt(append(dst, `],"processID":"p`...), int64(s.Process+1), 10)
	dst = appendWarnings(append(dst, `","warnings":`...), s.Warnings)
	return append(dst, '}')
}

func appendIDs(dst []byte, trace model.TraceID, span model.SpanID) []byte {
	dst = append(append(dst, `"traceID":"`...), TraceIDText(trace)...)
	dst = hex.AppendEncode(append(dst, `","spanID":"`...), span[:])
	return append(dst, '"')
}

func appendWarnings(dst []byte, list []string) []byte {
	if len(list) == 0 {
		return append(dst, `null`...)
	}
	dst = append(dst, '[')
	for i, w := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.Append(dst, w)
	}
	return append(dst, ']')
}

// The integers that JavaScript holds exactly. Jaeger writes others as text.
const maxSafe = 1<<53 - 1

func appendTags(dst []byte, tags []model.Attribute) []byte {
	dst = append(dst, '[')
	for i := range tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.Append(append(dst, `{"key":`...), tags[i].Key)
		dst = append(appendTyped(dst, &tags[i].Value), '}')
	}
	return append(dst, ']')
}

// appendTyped appends ,"type":…,"value":….
func appendTyped(dst []byte, v *model.Value) []byte {
	typed := func(name string) []byte { return append(append(append(dst, `,"type":"`...), name...), `","value":`...) }
	switch v.Kind {
	case model.BoolValue:
		return strconv.AppendBool(typed("bool"), v.Bits != 0)
	case model.IntValue:
		dst = typed("int64")
		if v.Bits > maxSafe || v.Bits < -maxSafe {
			return append(strconv.AppendInt(append(dst, '"'), v.Bits, 10), '"')
		}
		return strconv.AppendInt(dst, v.Bits, 10)
	case model.FloatValue:
		return appendFloat(typed("float64"), v)
	case model.BytesValue:
		dst = base64.StdEncoding.AppendEncode(append(typed("binary"), '"'), []byte(v.Text))
		return append(dst, '"')
	}
	return jsontext.Append(typed("string"), Text(*v))
}

// appendFloat writes what JSON has no number for as text.
func appendFloat(dst []byte, v *model.Value) []byte {
	x, _ := v.Float()
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(strconv.AppendFloat(append(dst, '"'), x, 'g', -1, 64), '"')
	}
	return strconv.AppendFloat(dst, x, 'g', -1, 64)
}

// maxDepth bounds the nesting that is written; the stores take less.
const maxDepth = 100

// appendPlain appends a value as JSON without types; no value is an empty text at the top and null within others.
func appendPlain(dst []byte, v *model.Value, depth int) []byte {
	switch v.Kind {
	case model.StringValue:
		return jsontext.Append(dst, v.Text)
	case model.BoolValue:
		return strconv.AppendBool(dst, v.Bits != 0)
	case model.IntValue:
		return strconv.AppendInt(dst, v.Bits, 10)
	case model.FloatValue:
		return appendFloat(dst, v)
	case model.BytesValue:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), []byte(v.Text))
		return append(dst, '"')
	case model.ArrayValue, model.MapValue:
		if depth < maxDepth {
			return appendNested(dst, v, depth+1)
		}
	}
	if depth == 0 {
		return dst
	}
	return append(dst, `null`...)
}

func appendNested(dst []byte, v *model.Value, depth int) []byte {
	open, end := byte('['), byte(']')
	if v.Kind == model.MapValue {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	for i := range v.Nested {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v.Kind == model.MapValue {
			dst = append(jsontext.Append(dst, v.Nested[i].Key), ':')
		}
		dst = appendPlain(dst, &v.Nested[i].Value, depth)
	}
	return append(dst, end)
}
