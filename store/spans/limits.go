package spans

import (
	"fmt"
	"math"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// refuse notes spans of a service that are not taken: one entry for each service and reason, at most maxRefusals of them.
func (p *push) refuse(g *model.SpanGroup, reason model.RefusalReason, n int, format string, args ...any) bool {
	name := g.Resource.ServiceName()
	if len(name) > 256 {
		name = name[:256] + "..."
	}
	for i := range p.refused {
		if r := &p.refused[i]; r.Reason == reason && (r.Stream == name || len(p.refused) >= maxRefusals) {
			r.Count += n
			return false
		}
	}
	p.refused = append(p.refused, model.Refusal{Reason: reason, Stream: name, Count: n, Text: fmt.Sprintf(format, args...)})
	return false
}

const maxRefusals = 100

// ownerFits checks the resource and the scope of a group.
func (p *push) ownerFits(g *model.SpanGroup) bool {
	n := attributesSize(g.Resource.Attributes) + attributesSize(g.Scope.Attributes) + len(g.Scope.Name) + len(g.Scope.Version) + len(g.Resource.SchemaURL) + len(g.Scope.SchemaURL)
	if n > p.limits.MaxResource {
		return p.refuse(g, model.SpanTooLarge, len(g.Spans), "the attributes of a resource and its scope have %d bytes, at most %d are allowed (MaxResource)", n, p.limits.MaxResource)
	}
	if deeper(g.Resource.Attributes, spancodec.MaxDepth) || deeper(g.Scope.Attributes, spancodec.MaxDepth) {
		return p.refuse(g, model.SpanTooLarge, len(g.Spans), "an attribute of a resource is nested more than %d deep", spancodec.MaxDepth)
	}
	return true
}

// fits checks a span.
func (p *push) fits(g *model.SpanGroup, s *model.Span) bool {
	if s.TraceID.IsZero() || s.ID.IsZero() {
		return p.refuse(g, model.BadIDs, 1, "the span %.60q has a trace id or a span id of zeros: both must have a digit other than 0", s.Name)
	}
	if n := sizeOf(s); n > p.limits.MaxSpanBytes {
		return p.refuse(g, model.SpanTooLarge, 1, "the span %.60q has %d bytes, at most %d are allowed (storage.traces.max_span_size)", s.Name, n, p.limits.MaxSpanBytes)
	}
	if tooDeep(s) {
		return p.refuse(g, model.SpanTooLarge, 1, "an attribute of the span %.60q is nested more than %d deep", s.Name, spancodec.MaxDepth)
	}
	if day, _ := dayOf(s.Start); day < minDay || day > maxDay {
		return p.refuse(g, model.TooOld, 1, "the start of a span, %d, is out of range", s.Start)
	}
	if s.Start > p.newest {
		return p.refuse(g, model.TooFarAhead, 1, "the span %.60q begins at %s, more than %s ahead of the clock", s.Name, stamp(s.Start), p.limits.RejectNewer)
	}
	if s.Start < p.oldest {
		return p.refuse(g, model.TooOld, 1, "the span %.60q began at %s, longer ago than spans are kept (storage.traces.retention_time: %s)", s.Name, stamp(s.Start), p.t.s.o.Retention.of(p.t.name))
	}
	return true
}

func stamp(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano) }

// bound sets the times between which spans are taken.
func (p *push) bound(at time.Time) {
	p.oldest, p.newest = minDay*dayLength, math.MaxInt64
	if keep := p.t.s.o.Retention.of(p.t.name); keep > 0 {
		p.oldest = at.Add(-keep).UnixNano()
	}
	if p.limits.RejectNewer > 0 {
		p.newest = at.Add(p.limits.RejectNewer).UnixNano()
	}
}

// tooDeep says whether a value in the span is nested deeper than spancodec.MaxDepth.
func tooDeep(s *model.Span) bool {
	if deeper(s.Attributes, spancodec.MaxDepth) {
		return true
	}
	for i := range s.Events {
		if deeper(s.Events[i].Attributes, spancodec.MaxDepth) {
			return true
		}
	}
	for i := range s.Links {
		if deeper(s.Links[i].Attributes, spancodec.MaxDepth) {
			return true
		}
	}
	return false
}

func deeper(list []model.Attribute, depth int) bool {
	for i := range list {
		if v := &list[i].Value; len(v.Nested) > 0 && (depth <= 1 || deeper(v.Nested, depth-1)) {
			return true
		}
	}
	return false
}
