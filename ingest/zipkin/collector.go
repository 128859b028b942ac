package zipkin

import (
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
		if name, list, dropped, ok := attributesWithin(a.value); ok {
			e.Name, e.Dropped = name, dropped
			if e.Attributes, err = d.spans.Attributes(list); err != nil {
				return err
			}
		}
		d.events = append(d.events, e)
	}
	slices.SortStableFunc(d.events, func(a, b model.SpanEvent) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	out.Events, err = d.spans.Events(d.events)
	return err
}

// attributesWithin takes the name of an event, its attributes and how many of them were dropped out of what OpenTelemetry's Collector makes of
// an event: name|{"key":"value"}|0.
func attributesWithin(text string) (name string, list []model.Attribute, dropped uint32, ok bool) {
	name, rest, found := strings.Cut(text, "|")
	at := strings.LastIndexByte(rest, '|')
	if !found || at < 0 || !strings.HasPrefix(rest, "{") {
		return "", nil, 0, false
	}
	n, err := strconv.ParseUint(rest[at+1:], 10, 32)
	if err != nil {
		return "", nil, 0, false
	}
	list, ok = parseAttributes(rest[:at])
	return name, list, uint32(n), ok //nolint:gosec // it has 32 bits
}

// maxLinks bounds the links of a span, and maxWithin the attributes that stand as JSON in a link or an annotation.
const (
	maxLinks  = 128
	maxWithin = 128
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
	list, ok := parseAttributes(parts[3][:at])
	if !ok {
		return false
	}
	if l.Attributes, err = d.spans.Attributes(list); err != nil {
		return false // it stays a tag, for which there is no room either
	}
	d.links = append(d.links, l)
	return true
}

// parseAttributes reads a JSON object of single values, or null.
func parseAttributes(text string) (list []model.Attribute, ok bool) {
	s := jsonscan.New(unsafe.Slice(unsafe.StringData(text), len(text))) // it does not write
	if s.Kind() == jsonscan.Null {
		_, err := s.Scalar()
		return nil, err == nil && s.End() == nil
	}
	ok = true
	err := s.Object(func(key string) error {
		v, known, err := value(s)
		ok = ok && known && len(list) < maxWithin
		if ok {
			list = append(list, model.Attribute{Key: key, Value: v})
		}
		return err
	})
	return list, ok && err == nil && s.End() == nil
}

// value reads a single value. What is none is skipped, and false.
func value(s *jsonscan.Scanner) (model.Value, bool, error) {
	switch kind := s.Kind(); kind {
	case jsonscan.Object, jsonscan.Array, jsonscan.Null:
		return model.Value{}, false, s.Skip()
	default:
		text, err := s.Scalar()
		if err != nil {
			return model.Value{}, false, err
		}
		if kind == jsonscan.Bool {
			return model.Boolean(text == "true"), true, nil
		}
		if kind == jsonscan.Number {
			return number(text), true, nil
		}
		return model.TextValue(text), true, nil
	}
}

// number is a whole number, or a float; what is neither stays a text.
func number(text string) model.Value {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return model.Int64(n)
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return model.Float64(x)
	}
	return model.TextValue(text)
}
