package model

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
)

// TraceID names a trace. The zero value is no trace.
type TraceID [16]byte

// String returns 32 lower-case hexadecimal digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// IsZero says whether it names no trace.
func (id TraceID) IsZero() bool { return id == TraceID{} }

// Compare orders ids by their bytes.
func (id TraceID) Compare(other TraceID) int { return bytes.Compare(id[:], other[:]) }

// ParseTraceID reads 1 to 32 hexadecimal digits; a shorter id is the lower part, as Jaeger and Zipkin have it.
func ParseTraceID(text string) (id TraceID, err error) {
	if err := parseHex(id[:], text); err != nil {
		return TraceID{}, fmt.Errorf("%q is no trace id: %w", shorten(text), err)
	}
	return id, nil
}

// SpanID names a span within its trace. The zero value is no span.
type SpanID [8]byte

// String returns 16 lower-case hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// IsZero says whether it names no span.
func (id SpanID) IsZero() bool { return id == SpanID{} }

// ParseSpanID reads 1 to 16 hexadecimal digits.
func ParseSpanID(text string) (id SpanID, err error) {
	if err := parseHex(id[:], text); err != nil {
		return SpanID{}, fmt.Errorf("%q is no span id: %w", shorten(text), err)
	}
	return id, nil
}

// parseHex reads digits into the lower end of dst.
func parseHex(dst []byte, text string) error {
	if text == "" || len(text) > 2*len(dst) {
		return fmt.Errorf("it has %d characters: 1 to %d hexadecimal digits are expected", len(text), 2*len(dst))
	}
	if len(text)%2 == 1 {
		text = "0" + text
	}
	if _, err := hex.Decode(dst[len(dst)-len(text)/2:], []byte(text)); err != nil {
		return fmt.Errorf("it has other characters than hexadecimal digits")
	}
	return nil
}

func shorten(text string) string {
	if len(text) > 64 {
		return text[:64] + "…"
	}
	return text
}

// SpanKind is what a span is to the one at the other end; the numbers are OpenTelemetry's.
type SpanKind int8

// The kinds.
const (
	SpanUnspecified SpanKind = iota
	SpanInternal
	SpanServer
	SpanClient
	SpanProducer
	SpanConsumer
)

var spanKinds = [...]string{"unspecified", "internal", "server", "client", "producer", "consumer"}

// String returns the kind as TraceQL writes it; a number that OpenTelemetry does not know is "unspecified".
func (k SpanKind) String() string {
	if k < 0 || int(k) >= len(spanKinds) {
		return spanKinds[0]
	}
	return spanKinds[k]
}

// ParseSpanKind is the inverse of String.
func ParseSpanKind(text string) (SpanKind, bool) {
	i := slices.Index(spanKinds[:], text)
	return SpanKind(max(i, 0)), i >= 0
}

// SpanStatus is how an operation ended; the numbers are OpenTelemetry's.
type SpanStatus int8

// The statuses.
const (
	StatusUnset SpanStatus = iota
	StatusOK
	StatusError
)

var spanStatuses = [...]string{"unset", "ok", "error"}

// String returns the status as TraceQL writes it.
func (s SpanStatus) String() string {
	if s < 0 || int(s) >= len(spanStatuses) {
		return spanStatuses[0]
	}
	return spanStatuses[s]
}

// ParseSpanStatus is the inverse of String.
func ParseSpanStatus(text string) (SpanStatus, bool) {
	i := slices.Index(spanStatuses[:], text)
	return SpanStatus(max(i, 0)), i >= 0
}

// ValueKind is the type of a Value; the order is that of OpenTelemetry's AnyValue.
type ValueKind int8

// The kinds of values.
const (
	NoValue ValueKind = iota // an AnyValue in which nothing is set
	StringValue
	BoolValue
	IntValue
	FloatValue
	ArrayValue
	MapValue
	BytesValue
)

// Value is an attribute's value (OpenTelemetry's AnyValue).
type Value struct {
	Kind ValueKind
	// Bits is an IntValue, the bits of a FloatValue, or 1 for a BoolValue that is true.
	Bits int64
	// Text is a StringValue, or the bytes of a BytesValue.
	Text string
	// Nested is the elements of an ArrayValue, whose keys are empty, or the entries of a MapValue, in the order in which they came.
	Nested []Attribute
}

// Attribute is a key with its value.
type Attribute struct {
	Key   string
	Value Value
}

// TextValue returns a StringValue.
func TextValue(s string) Value { return Value{Kind: StringValue, Text: s} }

// Int64 returns an IntValue.
func Int64(n int64) Value { return Value{Kind: IntValue, Bits: n} }

// Float64 returns a FloatValue.
func Float64(x float64) Value { return Value{Kind: FloatValue, Bits: int64(math.Float64bits(x))} }

// Boolean returns a BoolValue.
func Boolean(b bool) Value {
	if b {
		return Value{Kind: BoolValue, Bits: 1}
	}
	return Value{Kind: BoolValue}
}

// Float returns a FloatValue's number, or an IntValue's, or false.
func (v Value) Float() (float64, bool) {
	switch v.Kind {
	case FloatValue:
		return math.Float64frombits(uint64(v.Bits)), true
	case IntValue:
		return float64(v.Bits), true
	}
	return 0, false
}

// Equal says whether both are of one kind and hold the same; NaN equals the same NaN.
func (v Value) Equal(other Value) bool {
	return v.Kind == other.Kind && v.Bits == other.Bits && v.Text == other.Text &&
		slices.EqualFunc(v.Nested, other.Nested, func(a, b Attribute) bool { return a.Key == b.Key && a.Value.Equal(b.Value) })
}

// Compare orders values by kind, then by what they hold; lists by their elements.
func (v Value) Compare(other Value) int {
	if v.Kind == FloatValue && other.Kind == FloatValue {
		a, _ := v.Float()
		b, _ := other.Float()
		return cmp.Or(cmp.Compare(a, b), cmp.Compare(v.Bits, other.Bits))
	}
	return cmp.Or(cmp.Compare(v.Kind, other.Kind), cmp.Compare(v.Bits, other.Bits), strings.Compare(v.Text, other.Text),
		slices.CompareFunc(v.Nested, other.Nested, func(a, b Attribute) int {
			return cmp.Or(strings.Compare(a.Key, b.Key), a.Value.Compare(b.Value))
		}))
}

// Resource is what made spans.
type Resource struct {
	Attributes []Attribute // in the order in which they came
	Dropped    uint32      // attributes that whoever sent it left out
	SchemaURL  string
}

// ServiceName is the attribute service.name, or "".
func (r *Resource) ServiceName() string {
	if r == nil {
		return ""
	}
	for i := range r.Attributes {
		if a := &r.Attributes[i]; a.Key == "service.name" && a.Value.Kind == StringValue {
			return a.Value.Text
		}
	}
	return ""
}

// Scope is the library that made spans.
type Scope struct {
	Name, Version string
	Attributes    []Attribute
	Dropped       uint32
	SchemaURL     string
}

// Span is one operation of a trace: OpenTelemetry's span, whole. Its strings may lie in a buffer of whoever made it: whoever keeps it copies them.
type Span struct {
	TraceID  TraceID
	ID       SpanID
	Parent   SpanID // zero: none
	State    string // tracestate, W3C Trace Context
	Flags    uint32
	Name     string
	Kind     SpanKind
	Start    int64 // nanoseconds since the epoch
	Duration int64 // nanoseconds; less than 0 where it ended before it began, as clocks may tell
	Status   SpanStatus
	Message  string // of the status

	Attributes []Attribute // in the order in which they came
	Events     []SpanEvent
	Links      []SpanLink
	// What whoever sent it left out.
	DroppedAttributes, DroppedEvents, DroppedLinks uint32
}

// SpanEvent is something that happened during a span.
type SpanEvent struct {
	Time       int64 // nanoseconds since the epoch
	Name       string
	Attributes []Attribute
	Dropped    uint32 // attributes that whoever sent it left out
}

// SpanLink points to another span.
type SpanLink struct {
	TraceID    TraceID
	SpanID     SpanID
	State      string
	Flags      uint32
	Attributes []Attribute
	Dropped    uint32
}

// SpanGroup is spans of one resource and one scope, which are never nil.
type SpanGroup struct {
	Resource *Resource
	Scope    *Scope
	Spans    []Span
}

// Trace is what is known of a trace. Spans of groups ascend in their start; no two groups have the same resource and scope.
type Trace struct {
	ID     TraceID
	Groups []SpanGroup
	// Truncated counts the spans that are left out because there are more than were asked for.
	Truncated int
}

// Len is the number of spans.
func (t *Trace) Len() (n int) {
	for i := range t.Groups {
		n += len(t.Groups[i].Spans)
	}
	return n
}
