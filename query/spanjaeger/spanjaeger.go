// Package spanjaeger turns traces into Jaeger's model, as OpenTelemetry's specification maps what Jaeger has no field for
// (https://opentelemetry.io/docs/specs/otel/compatibility/opentracing, /trace/sdk_exporters/jaeger and /common/mapping-to-non-otlp): kind,
// status, scope and trace state become tags, events become logs, the parent and links become references. Trace.AppendJSON writes what
// Jaeger's pages and Grafana read, Trace.AppendProto the spans of jaeger.api_v2.
package spanjaeger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// NoService is the name of the service of spans whose resource has none, as the collector of OpenTelemetry calls it.
const NoService = "OTLPResourceNoServiceName"

// Trace is a trace as Jaeger has it.
type Trace struct {
	ID        model.TraceID
	Spans     []Span
	Processes []Process
	Warnings  []string
}

// Span is a span as Jaeger has it. Its tags are attributes, whose lists and maps are written as JSON text.
type Span struct {
	TraceID    model.TraceID
	ID         model.SpanID
	References []Reference
	Flags      uint32
	Operation  string
	Start      int64 // nanoseconds since the epoch
	Duration   int64 // nanoseconds, not negative
	Tags       []model.Attribute
	Logs       []Log
	Process    int // index of Trace.Processes
	Warnings   []string
}

// Reference is another span that a span belongs to.
type Reference struct {
	Follows bool // FOLLOWS_FROM, else CHILD_OF
	TraceID model.TraceID
	SpanID  model.SpanID
}

// Process is what made spans.
type Process struct {
	Service string
	Tags    []model.Attribute
}

// Log is something that happened during a span.
type Log struct {
	Time   int64 // nanoseconds since the epoch
	Fields []model.Attribute
}

// From returns the trace in Jaeger's model. Unless raw is set, server spans that share their id with a client span, as Zipkin's
// do, get ids of their own, because Jaeger's pages know spans by their ids. It shares memory with t.
func From(t model.Trace, raw bool) Trace {
	out := Trace{ID: t.ID, Spans: make([]Span, 0, t.Len())}
	known := map[*model.Resource]int{}
	var renamed map[model.SpanID]model.SpanID
	if !raw {
		renamed = ownIDs(t.Groups)
	}
	for i := range t.Groups {
		g := &t.Groups[i]
		process := out.process(g.Resource, known)
		for k := range g.Spans {
			out.Spans = append(out.Spans, fromSpan(g.Scope, &g.Spans[k], process, renamed))
		}
	}
	if t.Truncated > 0 {
		out.Warnings = []string{fmt.Sprintf("the trace has %d more spans, which are left out: at most %d are shown", t.Truncated, len(out.Spans))}
	}
	return out
}

// process returns the number of a resource's process, and adds it when it is new.
func (t *Trace) process(r *model.Resource, known map[*model.Resource]int) int {
	if i, ok := known[r]; ok {
		return i
	}
	p := Process{Service: NoService}
	for _, a := range r.Attributes {
		if a.Key == "service.name" {
			p.Service = Text(a.Value)
			continue
		}
		p.Tags = append(p.Tags, a)
	}
	p.Tags = appendDropped(p.Tags, "otel.dropped_attributes_count", r.Dropped)
	i := slices.IndexFunc(t.Processes, func(x Process) bool { return x.Service == p.Service && sameTags(x.Tags, p.Tags) })
	if i < 0 {
		i = len(t.Processes)
		t.Processes = append(t.Processes, p)
	}
	known[r] = i
	return i
}

func sameTags(a, b []model.Attribute) bool {
	return slices.EqualFunc(a, b, func(a, b model.Attribute) bool { return a.Key == b.Key && a.Value.Equal(b.Value) })
}

func fromSpan(scope *model.Scope, s *model.Span, process int, renamed map[model.SpanID]model.SpanID) Span {
	out := Span{TraceID: s.TraceID, ID: s.ID, Flags: s.Flags, Operation: s.Name, Start: s.Start, Duration: s.Duration, Tags: tags(scope, s), Process: process}
	if s.Duration < 0 {
		out.Duration = 0
		out.Warnings = []string{fmt.Sprintf("the span ends %d ns before it begins", -s.Duration)}
	}
	parent := s.Parent
	if id, ok := renamed[s.ID]; ok && s.Kind == model.SpanServer {
		parent, out.ID = s.ID, id
	} else if id, ok := renamed[s.Parent]; ok {
		parent = id
	}
	if !parent.IsZero() {
		out.References = append(out.References, Reference{TraceID: s.TraceID, SpanID: parent})
	}
	for i := range s.Links {
		l := &s.Links[i]
		child := slices.ContainsFunc(l.Attributes, func(a model.Attribute) bool {
			return a.Key == "opentracing.ref_type" && a.Value.Text == "child_of"
		})
		out.References = append(out.References, Reference{Follows: !child, TraceID: l.TraceID, SpanID: l.SpanID})
	}
	for i := range s.Events {
		out.Logs = append(out.Logs, fromEvent(&s.Events[i]))
	}
	return out
}

// tags returns the attributes of a span between the tags that tell of its scope and those of its other fields, in the order of
// OpenTelemetry's collector.
func tags(scope *model.Scope, s *model.Span) []model.Attribute {
	out := make([]model.Attribute, 0, len(s.Attributes)+6)
	text := func(key, value string) {
		if value != "" {
			out = append(out, model.Attribute{Key: key, Value: model.TextValue(value)})
		}
	}
	text("otel.scope.name", scope.Name)
	text("otel.scope.version", scope.Version)
	out = append(out, scope.Attributes...)
	out = append(out, s.Attributes...)
	if s.Kind != model.SpanUnspecified {
		if kind := s.Kind.String(); kind != "unspecified" {
			text("span.kind", kind)
		}
	}
	switch s.Status {
	case model.StatusOK:
		text("otel.status_code", "OK")
	case model.StatusError:
		text("otel.status_code", "ERROR")
		if !slices.ContainsFunc(out, func(a model.Attribute) bool { return a.Key == "error" }) {
			out = append(out, model.Attribute{Key: "error", Value: model.Boolean(true)})
		}
	}
	text("otel.status_description", s.Message)
	text("w3c.tracestate", s.State)
	out = appendDropped(out, "otel.dropped_attributes_count", s.DroppedAttributes)
	out = appendDropped(out, "otel.dropped_events_count", s.DroppedEvents)
	return appendDropped(out, "otel.dropped_links_count", s.DroppedLinks)
}

func appendDropped(dst []model.Attribute, key string, n uint32) []model.Attribute {
	if n == 0 {
		return dst
	}
	return append(dst, model.Attribute{Key: key, Value: model.Int64(int64(n))})
}

func fromEvent(e *model.SpanEvent) Log {
	out := Log{Time: e.Time}
	if e.Name != "" && !slices.ContainsFunc(e.Attributes, func(a model.Attribute) bool { return a.Key == "event" }) {
		out.Fields = append(out.Fields, model.Attribute{Key: "event", Value: model.TextValue(e.Name)})
	}
	out.Fields = append(out.Fields, e.Attributes...)
	out.Fields = appendDropped(out.Fields, "otel.dropped_attributes_count", e.Dropped)
	return out
}

// ownIDs returns new ids for those that a client and a server span share; nil when there are none.
func ownIDs(groups []model.SpanGroup) map[model.SpanID]model.SpanID {
	clients, used := map[model.SpanID]bool{}, map[model.SpanID]bool{}
	for i := range groups {
		for k := range groups[i].Spans {
			s := &groups[i].Spans[k]
			used[s.ID] = true
			if s.Kind == model.SpanClient {
				clients[s.ID] = true
			}
		}
	}
	var out map[model.SpanID]model.SpanID
	next := uint64(1)
	for i := range groups {
		for k := range groups[i].Spans {
			s := &groups[i].Spans[k]
			if s.Kind != model.SpanServer || !clients[s.ID] || out[s.ID] != (model.SpanID{}) {
				continue
			}
			var id model.SpanID
			for binary.BigEndian.PutUint64(id[:], next); used[id]; binary.BigEndian.PutUint64(id[:], next) {
				next++
			}
			next++
			if out == nil {
				out = map[model.SpanID]model.SpanID{}
			}
			out[s.ID] = id
		}
	}
	return out
}

// Text is a value as text: lists and maps are JSON, bytes are base64.
func Text(v model.Value) string {
	if v.Kind == model.StringValue {
		return v.Text
	}
	return strings.Trim(string(appendPlain(nil, &v, 0)), `"`)
}

// TraceIDText writes an id as Jaeger and Zipkin do: 16 digits when the upper half is zeros, as it is of ids of 64 bits.
func TraceIDText(id model.TraceID) string {
	if bytes.Equal(id[:8], make([]byte, 8)) {
		return id.String()[16:]
	}
	return id.String()
}
