package zipkin

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
	"github.com/hulotte-dev/hulotte/model"
)

// takeEvents makes events of the annotations, in the order of time.
func (d *decoder) takeEvents(out *model.Span) (err error) {
	d.events = d.events[:0]
	for i := range d.span.annotations {
		a := &d.span.annotations[i]
		e := model.SpanEvent{Time: a.time * 1000, Name: a.value}
		if name, list, dropped, ok := d.attributesWithin(a.value); ok {
			e.Name, e.Attributes, e.Dropped = name, list, dropped
		}
		d.events = append(d.events, e)
	}
	slices.SortStableFunc(d.events, func(a, b model.SpanEvent) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	out.Events, err = d.spans.Events(d.events)
	return err
}

// attributesWithin takes the name of an event, its attributes and how many of them were dropped out of what OpenTelemetry's Collector makes of
// an event: name|{"key":"value"}|0.
func (d *decoder) attributesWithin(text string) (name string, list []model.Attribute, dropped uint32, ok bool) {
	name, rest, found := strings.Cut(text, "|")
	at := strings.LastIndexByte(rest, '|')
	if !found || at < 0 || !strings.HasPrefix(rest, "{") {
		return "", nil, 0, false
	}
	n, err := strconv.ParseUint(rest[at+1:], 10, 32)
	if err != nil {
		return "", nil, 0, false
	}
	list, ok = d.parseAttributes(rest[:at])
	return name, list, uint32(n), ok //nolint:gosec // it has 32 bits
}

// maxLinks bounds the links of a span, and maxWithin the values that stand as JSON in a link or an annotation.
const (
	maxLinks  = 128
	maxWithin = 1000
)

// link takes a link out of a tag of OpenTelemetry's Collector, otlp.link.N: trace id|span id|trace state|{"key":"value"}|0.
func (d *decoder) link(key, text string) bool {
	if !strings.HasPrefix(key, "otlp.link.") || len(d.links) >= maxLinks {
		return false
	}
	parts := strings.SplitN(text, "|", 4)
	if len(parts) < 4 {
		return false
	}
	at := strings.LastIndexByte(parts[3], '|')
	if at < 0 {
		return false
	}
	var l model.SpanLink
	var err error
	if l.TraceID, err = model.ParseTraceID(parts[0]); err != nil {
		return false
	}
	if l.SpanID, err = model.ParseSpanID(parts[1]); err != nil {
		return false
	}
	l.State = parts[2]
	n, err := strconv.ParseUint(parts[3][at+1:], 10, 32)
	if err != nil {
		return false
	}
	l.Dropped = uint32(n) //nolint:gosec // it has 32 bits
	list, ok := d.parseAttributes(parts[3][:at])
	if !ok {
		return false
	}
	l.Attributes = list
	d.links = append(d.links, l)
	return true
}

// maxDepth bounds how deep values within a link or an annotation are nested.
const maxDepth = 8

// parseAttributes reads a JSON object, or null.
func (d *decoder) parseAttributes(text string) (list []model.Attribute, ok bool) {
	r := valueReader{Scanner: jsonscan.New(unsafe.Slice(unsafe.StringData(text), len(text)))} // it does not write
	v, err := r.value(maxDepth)
	ok = err == nil && r.End() == nil && (v.Kind == model.MapValue || v.Kind == model.NoValue)
	if !ok || d.spans.Reserve(int64(r.count)*attributeMemory) != nil { // what there is no room for stays text, for which there is none either
		return nil, false
	}
	return v.Nested, true
}

// attributeMemory is what an attribute takes in memory, about.
const attributeMemory = 72

// valueReader reads values of JSON, and counts them.
type valueReader struct {
	*jsonscan.Scanner
	count int
}

var errWithin = errors.New("attributes within a text are too many or too deep")

// value reads any value, of at most depth levels; null is model.NoValue.
func (r *valueReader) value(depth int) (v model.Value, err error) {
	kind := r.Kind()
	if r.count++; depth == 0 && (kind == jsonscan.Object || kind == jsonscan.Array) || r.count > maxWithin {
		return v, errWithin
	}
	add := func(key string) error {
		one, err := r.value(depth - 1)
		v.Nested = append(v.Nested, model.Attribute{Key: key, Value: one})
		return err
	}
	switch kind {
	case jsonscan.Object:
		v.Kind = model.MapValue
		err = r.Object(add)
	case jsonscan.Array:
		v.Kind = model.ArrayValue
		err = r.Array(func() error { return add("") })
	default:
		var text string
		if text, err = r.Scalar(); err == nil {
			v = scalar(kind, text)
		}
	}
	return v, err
}

func scalar(kind jsonscan.Kind, text string) model.Value {
	switch kind {
	case jsonscan.Null:
		return model.Value{}
	case jsonscan.Bool:
		return model.Boolean(text == "true")
	case jsonscan.Number:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return model.Int64(n)
		}
		if x, err := strconv.ParseFloat(text, 64); err == nil {
			return model.Float64(x)
		}
	}
	return model.TextValue(text)
}
