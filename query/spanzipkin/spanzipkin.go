// Package spanzipkin writes spans as Zipkin's JSON of version 2 (https://zipkin.io/zipkin-api/), as OpenTelemetry's specification and its
// Collector map what Zipkin has no field for (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin). What came in as
// Zipkin's comes out the same:
//
//	localEndpoint    service.name of the resource, net.host.ip, net.host.port
//	remoteEndpoint   peer.service, net.peer.ip, net.peer.port; of clients without a peer.service the server.address or net.peer.name
//	tags             the other attributes of the span and its resource, as text; scope, status, trace state and links
//	annotations      events; those with attributes as “name|{attributes}|dropped”
//	debug, shared    zipkin.debug, zipkin.shared; a server that has its client's id is shared too
package spanzipkin

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/jsontext"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanjaeger"
)

// RemoteNames are the attributes that name the other end of a call, the first that is there; but the first they count for clients and producers alone.
var RemoteNames = []string{"peer.service", "server.address", "net.peer.name"}

// Writer writes the spans of one trace after another. Its zero value is ready for use, by one goroutine.
type Writer struct {
	clients map[model.SpanID]bool // of the trace
	seen    map[string]bool       // tags of the span
	first   bool
}

// Begin takes notice of a trace. It is called before AppendSpan is called with its spans.
func (w *Writer) Begin(t *model.Trace) {
	w.clients = map[model.SpanID]bool{}
	for i := range t.Groups {
		for k := range t.Groups[i].Spans {
			if s := &t.Groups[i].Spans[k]; s.Kind == model.SpanClient {
				w.clients[s.ID] = true
			}
		}
	}
}

// endpoint is one end of a call.
type endpoint struct{ service, ip, port string }

// AppendSpan appends a span of a group of the trace. Times and durations are microseconds.
func (w *Writer) AppendSpan(dst []byte, g *model.SpanGroup, s *model.Span) []byte {
	dst = append(append(dst, `{"traceId":"`...), spanjaeger.TraceIDText(s.TraceID)...)
	if !s.Parent.IsZero() {
		dst = hex.AppendEncode(append(dst, `","parentId":"`...), s.Parent[:])
	}
	dst = hex.AppendEncode(append(dst, `","id":"`...), s.ID[:])
	dst = append(dst, '"')
	switch s.Kind {
	case model.SpanClient, model.SpanServer, model.SpanProducer, model.SpanConsumer:
		dst = append(append(append(dst, `,"kind":"`...), strings.ToUpper(s.Kind.String())...), '"')
	}
	dst = jsontext.Append(append(dst, `,"name":`...), s.Name)
	local, remote := endpoint{service: g.Resource.ServiceName()}, endpoint{}
	debug, shared, timed := false, s.Kind == model.SpanServer && w.clients[s.ID], true
	for i := range s.Attributes {
		switch a := &s.Attributes[i]; a.Key {
		case "net.host.ip":
			local.ip = spanjaeger.Text(a.Value)
		case "net.host.port":
			local.port = spanjaeger.Text(a.Value)
		case "peer.service":
			remote.service = spanjaeger.Text(a.Value)
		case "net.peer.ip":
			remote.ip = spanjaeger.Text(a.Value)
		case "net.peer.port":
			remote.port = spanjaeger.Text(a.Value)
		case "zipkin.debug":
			debug = isTrue(&a.Value)
		case "zipkin.shared":
			shared = isTrue(&a.Value)
		case "otel.zipkin.absentField.startTime":
			timed = false
		}
	}
	if remote.service == "" && (s.Kind == model.SpanClient || s.Kind == model.SpanProducer) {
		remote.service = nameOf(s.Attributes)
	}
	if timed && s.Start >= 1000 {
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), s.Start/1000, 10)
	}
	if s.Duration > 0 {
		dst = strconv.AppendInt(append(dst, `,"duration":`...), max(s.Duration/1000, 1), 10)
	}
	dst = appendEndpoint(dst, `,"localEndpoint":{`, local)
	dst = appendEndpoint(dst, `,"remoteEndpoint":{`, remote)
	for i := range s.Events {
		dst = append(dst, listStart(i)...)
		dst = strconv.AppendInt(append(dst, `{"timestamp":`...), s.Events[i].Time/1000, 10)
		dst = jsontext.Append(append(dst, `,"value":`...), annotation(&s.Events[i]))
		dst = append(dst, '}')
	}
	if len(s.Events) > 0 {
		dst = append(dst, ']')
	}
	dst = w.appendTags(dst, g, s)
	if debug {
		dst = append(dst, `,"debug":true`...)
	}
	if shared {
		dst = append(dst, `,"shared":true`...)
	}
	return append(dst, '}')
}

func listStart(i int) string {
	if i == 0 {
		return `,"annotations":[`
	}
	return `,`
}

func isTrue(v *model.Value) bool { return v.Kind == model.BoolValue && v.Bits != 0 || v.Text == "true" }

func nameOf(attributes []model.Attribute) string {
	for _, name := range RemoteNames[1:] {
		for i := range attributes {
			if attributes[i].Key == name {
				return spanjaeger.Text(attributes[i].Value)
			}
		}
	}
	return ""
}

// appendEndpoint appends an endpoint, or nothing when nothing is known of it.
func appendEndpoint(dst []byte, field string, e endpoint) []byte {
	if e.service == "" && e.ip == "" {
		return dst
	}
	dst = append(dst, field...)
	comma := false
	text := func(name, value string) {
		if value == "" {
			return
		}
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = jsontext.Append(append(dst, name...), value)
	}
	text(`"serviceName":`, e.service)
	if strings.Contains(e.ip, ":") {
		text(`"ipv6":`, e.ip)
	} else {
		text(`"ipv4":`, e.ip)
	}
	if port, err := strconv.ParseUint(e.port, 10, 16); err == nil && port > 0 {
		dst = strconv.AppendUint(append(dst, `,"port":`...), port, 10)
	}
	return append(dst, '}')
}

// annotation is an event as a text, as OpenTelemetry's Collector writes it.
func annotation(e *model.SpanEvent) string {
	if len(e.Attributes) == 0 && e.Dropped == 0 {
		return e.Name
	}
	return e.Name + "|" + object(e.Attributes) + "|" + strconv.FormatUint(uint64(e.Dropped), 10)
}

func object(attributes []model.Attribute) string {
	return spanjaeger.Text(model.Value{Kind: model.MapValue, Nested: attributes})
}

// inField says whether an attribute is one that the other fields of a span tell.
func inField(key string) bool {
	switch key {
	case "net.host.ip", "net.host.port", "peer.service", "net.peer.ip", "net.peer.port", "zipkin.debug", "zipkin.shared", "otel.zipkin.absentField.startTime":
		return true
	}
	return false
}

// appendTags appends what no other field tells. A key is there once: what the span says goes before what its resource says.
func (w *Writer) appendTags(dst []byte, g *model.SpanGroup, s *model.Span) []byte {
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	clear(w.seen)
	w.first = true
	start := len(dst)
	dst = append(dst, `,"tags":{`...)
	dst = w.appendStatus(dst, s)
	for i := range s.Attributes {
		if a := &s.Attributes[i]; !inField(a.Key) && (a.Key != "error" || s.Status == model.StatusError) {
			dst = w.tag(dst, a.Key, spanjaeger.Text(a.Value))
		}
	}
	if s.Kind == model.SpanInternal {
		dst = w.tag(dst, "span.kind", "internal")
	}
	dst = w.known(dst, "w3c.tracestate", s.State)
	dst = w.known(dst, "otel.scope.name", g.Scope.Name)
	dst = w.known(dst, "otel.scope.version", g.Scope.Version)
	dst = w.dropped(dst, "otel.dropped_attributes_count", s.DroppedAttributes)
	dst = w.dropped(dst, "otel.dropped_events_count", s.DroppedEvents)
	dst = w.dropped(dst, "otel.dropped_links_count", s.DroppedLinks)
	for i := range s.Links {
		l := &s.Links[i]
		text := l.TraceID.String() + "|" + l.SpanID.String() + "|" + l.State + "|" + object(l.Attributes) + "|" + strconv.FormatUint(uint64(l.Dropped), 10)
		dst = w.tag(dst, "otlp.link."+strconv.Itoa(i), text)
	}
	for _, list := range [][]model.Attribute{g.Scope.Attributes, g.Resource.Attributes} {
		for i := range list {
			if list[i].Key != "service.name" {
				dst = w.tag(dst, list[i].Key, spanjaeger.Text(list[i].Value))
			}
		}
	}
	if w.first {
		return dst[:start]
	}
	return append(dst, '}')
}

// appendStatus appends the tag error, whose text is what went wrong, and otel.status_code.
func (w *Writer) appendStatus(dst []byte, s *model.Span) []byte {
	switch s.Status {
	case model.StatusError:
		if s.Message != "" {
			dst = w.tag(dst, "error", s.Message)
		} else {
			dst = w.tag(dst, "error", "true")
		}
		return w.tag(dst, "otel.status_code", "ERROR")
	case model.StatusOK:
		dst = w.tag(dst, "otel.status_code", "OK")
	}
	return w.known(dst, "otel.status_description", s.Message)
}

func (w *Writer) tag(dst []byte, key, text string) []byte {
	if w.seen[key] {
		return dst
	}
	w.seen[key] = true
	if !w.first {
		dst = append(dst, ',')
	}
	w.first = false
	dst = append(jsontext.Append(dst, key), ':')
	return jsontext.Append(dst, text)
}

func (w *Writer) known(dst []byte, key, text string) []byte {
	if text == "" {
		return dst
	}
	return w.tag(dst, key, text)
}

func (w *Writer) dropped(dst []byte, key string, n uint32) []byte {
	if n == 0 {
		return dst
	}
	return w.tag(dst, key, strconv.FormatUint(uint64(n), 10))
}
