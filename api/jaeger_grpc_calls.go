package api

import (
	"net/http"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/spanjaeger"
	"github.com/hulotte-dev/hulotte/query/spanotlp"
	"github.com/hulotte-dev/hulotte/store"
)

// grpcTrace returns the one trace that a request names.
func grpcTrace(r *http.Request, spans store.SpanReader, message []byte, asText bool) (out model.Trace, raw bool, err error) {
	id, start, end, raw, err := readGRPCTrace(message, asText)
	if err != nil {
		return out, false, err
	}
	_, err = spans.Traces(r.Context(), []model.TraceID{id}, start, end, maxTraceSpans, func(t model.Trace) error {
		out = t
		return nil
	})
	if err == nil && len(out.Groups) == 0 {
		err = errNoTrace
	}
	return out, raw, err
}

func (a *api) v2GetTrace(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	trace, raw, err := grpcTrace(r, spans, message, false)
	if err != nil {
		return err
	}
	return sendV2(trace, raw, send)
}

func (a *api) v2FindTraces(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	return eachFound(r, spans, message, func(t model.Trace, raw bool) error { return sendV2(t, raw, send) })
}

// eachFound calls f with the traces that a search finds. A search that finds more spans than an answer has room for ends early: its client
// asked for too many traces, and there is no field to say so in.
func eachFound(r *http.Request, spans store.SpanReader, message []byte, f func(t model.Trace, raw bool) error) error {
	q, raw, err := readGRPCQuery(message)
	if err != nil {
		return err
	}
	found, err := q.find(r.Context(), spans)
	if err != nil {
		return err
	}
	_, err = found.read(r.Context(), spans, func(t model.Trace) error { return f(t, raw) })
	return err
}

// sendV2 sends the spans of a trace as SpansResponseChunks (1 repeated Span).
func sendV2(t model.Trace, raw bool, send func([]byte) error) error {
	trace := spanjaeger.From(t, raw)
	if len(trace.Warnings) > 0 { // a chunk has no place for those of the trace
		trace.Spans[0].Warnings = append(trace.Spans[0].Warnings, trace.Warnings...)
	}
	var out []byte
	for i := range trace.Spans {
		out = trace.AppendProto(out, 1, &trace.Spans[i])
		if len(out) < grpcMessage && i < len(trace.Spans)-1 {
			continue
		}
		if err := send(out); err != nil {
			return err
		}
		out = out[:0]
	}
	return nil
}

func (a *api) v3GetTrace(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	trace, _, err := grpcTrace(r, spans, message, true)
	if err != nil {
		return err
	}
	return sendV3(trace, send)
}

func (a *api) v3FindTraces(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	return eachFound(r, spans, message, func(t model.Trace, _ bool) error { return sendV3(t, send) })
}

// sendV3 sends a trace as TracesData, in pieces when it is long.
func sendV3(t model.Trace, send func([]byte) error) error {
	const piece = 200 // spans; each has some hundred bytes
	var out []byte
	for i := range t.Groups {
		g := t.Groups[i]
		for first := 0; first < len(g.Spans); first += piece {
			part := model.SpanGroup{Resource: g.Resource, Scope: g.Scope, Spans: g.Spans[first:min(first+piece, len(g.Spans))]}
			out = spanotlp.AppendProto(out, []model.SpanGroup{part})
			if len(out) < grpcMessage {
				continue
			}
			if err := send(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	if len(out) == 0 {
		return nil
	}
	return send(out)
}

// grpcServices sends a GetServicesResponse of either version (1 repeated text).
func (a *api) grpcServices(r *http.Request, spans store.SpanReader, _ []byte, send func([]byte) error) error {
	names, err := a.spanNames(r.Context(), spans, fieldService, nil)
	if err != nil {
		return err
	}
	var out []byte
	for _, name := range names {
		out = wire.AppendBytes(out, 1, grpcText(name))
	}
	return send(out)
}

func (a *api) v2Operations(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	return a.grpcOperations(r, spans, message, 2, send)
}

func (a *api) v3Operations(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	return a.grpcOperations(r, spans, message, 1, send)
}

// grpcOperations reads a GetOperationsRequest (1 service, 2 span kind) and sends operations (1 name, 2 span kind) as the field num.
func (a *api) grpcOperations(r *http.Request, spans store.SpanReader, message []byte, num uint32, send func([]byte) error) error {
	var service, kind string
	f := wire.Fields{Rest: message}
	for f.Next() {
		switch {
		case f.Is(1, wire.Bytes):
			service = f.Text()
		case f.Is(2, wire.Bytes):
			kind = f.Text()
		}
	}
	if f.Err != nil {
		return errMessage(f.Err)
	}
	list, err := a.operations(r, spans, service, kind)
	if err != nil {
		return err
	}
	var out []byte
	for _, o := range list {
		var m int
		out, m = wire.Begin(out, num)
		out = wire.AppendBytes(out, 1, grpcText(o.name))
		out = wire.End(wire.AppendBytes(out, 2, []byte(o.kindText())), m)
	}
	return send(out)
}

// grpcDependencies reads a GetDependenciesRequest of either version (1 start, 2 end) and sends links (1 parent, 2 child, 3 calls) as the field 1.
func (a *api) grpcDependencies(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	var start, end int64
	var err error
	f := wire.Fields{Rest: message}
	for f.Next() && err == nil {
		switch {
		case f.Is(1, wire.Bytes):
			start, err = grpcTime(f.Bytes)
		case f.Is(2, wire.Bytes):
			end, err = grpcTime(f.Bytes)
		}
	}
	switch {
	case err != nil:
		return err
	case f.Err != nil:
		return errMessage(f.Err)
	case start >= end:
		return badData("start_time must be before end_time")
	}
	links, err := serviceLinks(r.Context(), spans, start, end)
	if err != nil {
		return err
	}
	var out []byte
	for _, l := range links {
		var m int
		out, m = wire.Begin(out, 1)
		out = wire.AppendBytes(out, 1, grpcText(l.Parent))
		out = wire.AppendBytes(out, 2, grpcText(l.Child))
		out = wire.End(wire.AppendVarint(out, 3, l.Calls), m)
	}
	return send(out)
}

// v3FindSummaries sends a FindTraceSummariesResponse (1 repeated TraceSummary) for some traces at a time.
func (a *api) v3FindSummaries(r *http.Request, spans store.SpanReader, message []byte, send func([]byte) error) error {
	const some = 100
	var out []byte
	n := 0
	err := eachFound(r, spans, message, func(t model.Trace, _ bool) error {
		out = appendSummary(out, summarize(t))
		if n++; n%some != 0 {
			return nil
		}
		err := send(out)
		out = out[:0]
		return err
	})
	if err != nil || len(out) == 0 {
		return err
	}
	return send(out)
}

// appendSummary appends a TraceSummary as the field 1:
//
//	1 trace id   2 root service   3 root operation   4 start (fixed64, ns)   5 end (fixed64, ns)   6 spans   7 failed spans   8 orphaned spans
//	9 repeated ServiceSummary (1 name, 2 spans, 3 failed spans)
func appendSummary(dst []byte, s traceSummary) []byte {
	dst, m := wire.Begin(dst, 1)
	dst = wire.AppendBytes(dst, 1, []byte(s.id.String()))
	dst = wire.AppendBytes(dst, 2, grpcText(s.service))
	dst = wire.AppendBytes(dst, 3, grpcText(s.operation))
	dst = wire.AppendFixed64(dst, 4, uint64(s.start))   //nolint:gosec // two's complement, as it came
	dst = wire.AppendFixed64(dst, 5, uint64(s.end))     //nolint:gosec // as above
	dst = wire.AppendVarint(dst, 6, uint64(s.spans))    //nolint:gosec // a count
	dst = wire.AppendVarint(dst, 7, uint64(s.errors))   //nolint:gosec // a count
	dst = wire.AppendVarint(dst, 8, uint64(s.orphaned)) //nolint:gosec // a count
	for _, x := range s.services {
		var of int
		dst, of = wire.Begin(dst, 9)
		dst = wire.AppendBytes(dst, 1, grpcText(x.name))
		dst = wire.AppendVarint(dst, 2, uint64(x.spans))                //nolint:gosec // a count
		dst = wire.End(wire.AppendVarint(dst, 3, uint64(x.errors)), of) //nolint:gosec // a count
	}
	return wire.End(dst, m)
}

// grpcText is a text as a string of protocol buffers, which is UTF-8.
func grpcText(s string) []byte { return []byte(strings.ToValidUTF8(s, "\uFFFD")) }
