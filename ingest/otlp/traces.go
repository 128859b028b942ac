package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hulotte-dev/hulotte/ingest/intake"
	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// The numbers of the fields of opentelemetry.proto.trace.v1; resources, scopes and the lists of both are those of logs.
//
//	ResourceSpans  1 Resource   2 repeated ScopeSpans   3 schema URL
//	Resource       1 repeated KeyValue   2 dropped attributes
//	ScopeSpans     1 InstrumentationScope   2 repeated Span   3 schema URL
//	InstrumentationScope  … 4 dropped attributes
//	Span           1 trace id   2 span id   3 trace state   4 parent   5 name   6 kind   7 start (fixed64, ns)   8 end (fixed64, ns)
//	               9 repeated KeyValue   10 dropped attributes   11 repeated Event   12 dropped events   13 repeated Link
//	               14 dropped links   15 Status   16 flags (fixed32)
//	Event          1 time (fixed64, ns)   2 name   3 repeated KeyValue   4 dropped attributes
//	Link           1 trace id   2 span id   3 trace state   4 repeated KeyValue   5 dropped attributes   6 flags (fixed32)
//	Status         2 message   3 code
const (
	groupSchema     = 3
	resourceDropped = 2
	scopeDropped    = 4

	spanTraceID           = 1
	spanID                = 2
	spanState             = 3
	spanParent            = 4
	spanName              = 5
	spanKind              = 6
	spanStart             = 7
	spanEnd               = 8
	spanAttributes        = 9
	spanDroppedAttributes = 10
	spanEvents            = 11
	spanDroppedEvents     = 12
	spanLinks             = 13
	spanDroppedLinks      = 14
	spanStatus            = 15
	spanFlags             = 16

	eventTime       = 1
	eventName       = 2
	eventAttributes = 3
	eventDropped    = 4

	linkTraceID    = 1
	linkSpanID     = 2
	linkState      = 3
	linkAttributes = 4
	linkDropped    = 5
	linkFlags      = 6

	statusText = 2
	statusCode = 3
)

// TracesService is the path of the call that exports spans.
const TracesService = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// SpanSink is where spans go. It takes the strings for the length of the call.
type SpanSink interface {
	AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error)
}

// Traces returns the handler of POST /v1/traces.
func (r *Receiver) Traces(to SpanSink) http.Handler {
	return r.http("traces", r.exportTraces(to), jsonExportTraces)
}

// TracesGRPC returns the handler of TracesService.
func (r *Receiver) TracesGRPC(to SpanSink) http.Handler {
	return r.grpc("traces", r.exportTraces(to))
}

// exportTraces takes an ExportTraceServiceRequest and returns the ExportTraceServiceResponse, which is that of logs.
func (r *Receiver) exportTraces(to SpanSink) exporter {
	return func(ctx context.Context, body *intake.Body, message []byte) ([]byte, error) {
		d := spanDecoder{reserve: body.Reserve}
		if err := each(message, requestResources, d.resource); err != nil {
			return nil, intake.Malformed(err)
		}
		if len(d.groups) == 0 {
			return nil, nil
		}
		refused, err := to.AppendSpans(ctx, d.groups)
		if err != nil {
			return nil, err
		}
		return partialSuccess(append(d.refused, refused...)), nil
	}
}

// spanDecoder makes groups of spans of one export. The strings lie in the export.
type spanDecoder struct {
	reserve func(bytes int64) error
	groups  []model.SpanGroup
	refused model.Refusals
	free    []model.Attribute // what lists of attributes are taken out of
}

// What spans take in memory, about, beside the bytes of the export.
const (
	spanMemory      = 256
	attributeMemory = 72
)

func (d *spanDecoder) resource(raw []byte) error {
	r := &model.Resource{}
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(groupSchema, wire.Bytes):
			r.SchemaURL = f.Text()
		case f.Is(resourceSelf, wire.Bytes):
			if err := d.resourceSelf(r, f.Bytes); err != nil {
				return err
			}
		}
	}
	if f.Err != nil {
		return f.Err
	}
	return each(raw, resourceScopes, func(scope []byte) error { return d.scope(r, scope) })
}

func (d *spanDecoder) resourceSelf(r *model.Resource, raw []byte) error {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		if f.Is(resourceDropped, wire.Varint) {
			r.Dropped = uint32(f.Value) //nolint:gosec // the field has 32 bits
		}
	}
	var err error
	if r.Attributes, err = d.attributes(raw, resourceAttributes, 0); err != nil {
		return err
	}
	return f.Err
}

func (d *spanDecoder) scope(r *model.Resource, raw []byte) error {
	s := &model.Scope{}
	g := model.SpanGroup{Resource: r, Scope: s}
	f := wire.Fields{Rest: raw}
	spans := 0
	for f.Next() {
		switch {
		case f.Is(groupSchema, wire.Bytes):
			s.SchemaURL = f.Text()
		case f.Is(scopeSelf, wire.Bytes):
			if err := d.scopeSelf(s, f.Bytes); err != nil {
				return err
			}
		case f.Is(scopeRecords, wire.Bytes):
			spans++
		}
	}
	if f.Err != nil || spans == 0 {
		return f.Err
	}
	if err := d.reserve(int64(spans) * spanMemory); err != nil {
		return err
	}
	g.Spans = make([]model.Span, 0, spans)
	err := each(raw, scopeRecords, func(raw []byte) error {
		var span model.Span
		if err := d.span(&span, raw); errors.Is(err, errBadID) {
			d.refuse(r, err)
			return nil
		} else if err != nil {
			return err
		}
		g.Spans = append(g.Spans, span)
		return nil
	})
	d.groups = append(d.groups, g)
	return err
}

func (d *spanDecoder) scopeSelf(s *model.Scope, raw []byte) error {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(scopeName, wire.Bytes):
			s.Name = f.Text()
		case f.Is(scopeVersion, wire.Bytes):
			s.Version = f.Text()
		case f.Is(scopeDropped, wire.Varint):
			s.Dropped = uint32(f.Value) //nolint:gosec // the field has 32 bits
		}
	}
	var err error
	if s.Attributes, err = d.attributes(raw, scopeAttributes, 0); err != nil {
		return err
	}
	return f.Err
}

// errBadID is of a span whose ids are not as long as ids are: it is refused, and the others are taken.
var errBadID = errors.New("an id of the wrong length")

func (d *spanDecoder) refuse(r *model.Resource, err error) {
	if len(d.refused) > 0 {
		d.refused[0].Count++
		return
	}
	d.refused = model.Refusals{{Reason: model.BadIDs, Stream: r.ServiceName(), Count: 1, Text: err.Error()}}
}

// setID copies an id. An empty one leaves what is there: no id.
func setID(dst, src []byte, what string) error {
	if len(src) != 0 && len(src) != len(dst) {
		return fmt.Errorf("%w: the %s of a span has %d bytes: %d are expected", errBadID, what, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func (d *spanDecoder) span(s *model.Span, raw []byte) error {
	var end uint64
	var bad error
	var events, links int
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(spanTraceID, wire.Bytes):
			bad = errors.Join(bad, setID(s.TraceID[:], f.Bytes, "trace id"))
		case f.Is(spanID, wire.Bytes):
			bad = errors.Join(bad, setID(s.ID[:], f.Bytes, "span id"))
		case f.Is(spanParent, wire.Bytes):
			bad = errors.Join(bad, setID(s.Parent[:], f.Bytes, "parent span id"))
		case f.Is(spanState, wire.Bytes):
			s.State = f.Text()
		case f.Is(spanName, wire.Bytes):
			s.Name = f.Text()
		case f.Is(spanKind, wire.Varint):
			s.Kind = model.SpanKind(f.Value & 0x7f) //nolint:gosec // what OpenTelemetry does not know is kept as a small number
		case f.Is(spanStart, wire.Fixed64):
			s.Start = int64(f.Value) //nolint:gosec // what is out of range is refused by the store
		case f.Is(spanEnd, wire.Fixed64):
			end = f.Value
		case f.Is(spanDroppedAttributes, wire.Varint):
			s.DroppedAttributes = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(spanDroppedEvents, wire.Varint):
			s.DroppedEvents = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(spanDroppedLinks, wire.Varint):
			s.DroppedLinks = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(spanFlags, wire.Fixed32):
			s.Flags = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(spanEvents, wire.Bytes):
			events++
		case f.Is(spanLinks, wire.Bytes):
			links++
		case f.Is(spanStatus, wire.Bytes):
			if err := setStatus(s, f.Bytes); err != nil {
				return err
			}
		}
	}
	if f.Err != nil {
		return f.Err
	}
	s.Duration = int64(end) - s.Start //nolint:gosec // two's complement: an end before the start is below zero
	if err := d.details(s, raw, events, links); err != nil {
		return err
	}
	return bad
}

func setStatus(s *model.Span, raw []byte) error {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(statusText, wire.Bytes):
			s.Message = f.Text()
		case f.Is(statusCode, wire.Varint):
			s.Status = model.SpanStatus(f.Value & 0x7f) //nolint:gosec // as for the kind
		}
	}
	return f.Err
}

// details reads the lists of a span.
func (d *spanDecoder) details(s *model.Span, raw []byte, events, links int) (err error) {
	if s.Attributes, err = d.attributes(raw, spanAttributes, 0); err != nil {
		return err
	}
	if events+links == 0 {
		return nil
	}
	if err := d.reserve(int64(events+links) * 128); err != nil {
		return err
	}
	if events > 0 {
		s.Events = make([]model.SpanEvent, 0, events)
	}
	if links > 0 {
		s.Links = make([]model.SpanLink, 0, links)
	}
	if err := each(raw, spanEvents, func(b []byte) error { return d.event(s, b) }); err != nil {
		return err
	}
	return each(raw, spanLinks, func(b []byte) error { return d.link(s, b) })
}

func (d *spanDecoder) event(s *model.Span, raw []byte) (err error) {
	var e model.SpanEvent
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(eventTime, wire.Fixed64):
			e.Time = int64(f.Value) //nolint:gosec // two's complement, as it came
		case f.Is(eventName, wire.Bytes):
			e.Name = f.Text()
		case f.Is(eventDropped, wire.Varint):
			e.Dropped = uint32(f.Value) //nolint:gosec // the field has 32 bits
		}
	}
	if f.Err != nil {
		return f.Err
	}
	e.Attributes, err = d.attributes(raw, eventAttributes, 0)
	s.Events = append(s.Events, e)
	return err
}

func (d *spanDecoder) link(s *model.Span, raw []byte) error {
	var l model.SpanLink
	var bad error
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch {
		case f.Is(linkTraceID, wire.Bytes):
			bad = errors.Join(bad, setID(l.TraceID[:], f.Bytes, "trace id of a link"))
		case f.Is(linkSpanID, wire.Bytes):
			bad = errors.Join(bad, setID(l.SpanID[:], f.Bytes, "span id of a link"))
		case f.Is(linkState, wire.Bytes):
			l.State = f.Text()
		case f.Is(linkDropped, wire.Varint):
			l.Dropped = uint32(f.Value) //nolint:gosec // the field has 32 bits
		case f.Is(linkFlags, wire.Fixed32):
			l.Flags = uint32(f.Value) //nolint:gosec // the field has 32 bits
		}
	}
	if f.Err != nil {
		return f.Err
	}
	var err error
	l.Attributes, err = d.attributes(raw, linkAttributes, 0)
	s.Links = append(s.Links, l)
	return errors.Join(err, bad)
}

// attributes reads the field num of a message, which is KeyValues; nil when there are none.
func (d *spanDecoder) attributes(raw []byte, num uint32, depth int) ([]model.Attribute, error) {
	n := 0
	if err := each(raw, num, func([]byte) error { n++; return nil }); err != nil || n == 0 {
		return nil, err
	}
	out, err := d.room(n)
	if err != nil {
		return nil, err
	}
	i := 0
	err = each(raw, num, func(keyValue []byte) error {
		key, value, err := splitKeyValue(keyValue)
		if err != nil {
			return err
		}
		out[i].Key = key
		err = d.value(&out[i].Value, value, depth)
		i++
		return err
	})
	return out, err
}

// room takes n attributes out of a piece of memory for many.
func (d *spanDecoder) room(n int) ([]model.Attribute, error) {
	if len(d.free) < n {
		size := max(n, 256)
		if err := d.reserve(int64(size) * attributeMemory); err != nil {
			return nil, err
		}
		d.free = make([]model.Attribute, size)
	}
	out := d.free[:n:n]
	d.free = d.free[n:]
	return out, nil
}

func (d *spanDecoder) value(to *model.Value, raw []byte, depth int) error {
	v, err := parseValue(raw)
	if err != nil {
		return err
	}
	switch v.kind {
	case kindString:
		*to = model.TextValue(text(v.bytes))
	case kindBytes:
		*to = model.Value{Kind: model.BytesValue, Text: text(v.bytes)}
	case kindBool:
		*to = model.Boolean(v.bits != 0)
	case kindInt:
		*to = model.Int64(int64(v.bits)) //nolint:gosec // two's complement is how a varint holds a negative number
	case kindDouble:
		*to = model.Value{Kind: model.FloatValue, Bits: int64(v.bits)} //nolint:gosec // its bits
	case kindMap:
		to.Kind = model.MapValue
		if depth++; depth >= maxDepth {
			return wire.ErrDepth
		}
		to.Nested, err = d.attributes(v.bytes, listValues, depth)
	case kindArray:
		to.Kind = model.ArrayValue
		if depth++; depth >= maxDepth {
			return wire.ErrDepth
		}
		to.Nested, err = d.list(v.bytes, depth)
	}
	return err
}

// list reads an ArrayValue.
func (d *spanDecoder) list(raw []byte, depth int) ([]model.Attribute, error) {
	n := 0
	if err := each(raw, listValues, func([]byte) error { n++; return nil }); err != nil || n == 0 {
		return nil, err
	}
	out, err := d.room(n)
	if err != nil {
		return nil, err
	}
	i := 0
	err = each(raw, listValues, func(value []byte) error {
		i++
		return d.value(&out[i-1].Value, value, depth)
	})
	return out, err
}
