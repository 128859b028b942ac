package intake

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// Spans puts spans that come one by one into groups, for protocols whose spans tell one by one what made them. It is for one goroutine and one
// request. The strings stay where they are.
type Spans struct {
	reserve func(bytes int64) error
	groups  []model.SpanGroup
	byOwner map[spanOwner]int // index in groups
	free    []model.Attribute // what lists of attributes are taken out of
	count   int
	refused int
	why     model.Refusals
}

// spanOwner is what the spans of a group have in common.
type spanOwner struct {
	resource       *model.Resource
	scope, version string
}

// What spans take in memory, about, beside the bytes of their request: a list of them is up to twice as long as it is full.
const (
	spanMemory      = 2 * 256
	attributeMemory = 72
	eventMemory     = 80
	linkMemory      = 112
)

// NewSpans returns one without spans. Whatever it keeps is taken from a budget by reserve, such as Body.Reserve.
func NewSpans(reserve func(bytes int64) error) *Spans {
	return &Spans{reserve: reserve, byOwner: map[spanOwner]int{}}
}

// Add adds a span. Spans of the same resource (the pointer counts) and the same scope are a group.
func (s *Spans) Add(r *model.Resource, scope, version string, span *model.Span) error {
	if err := s.reserve(spanMemory); err != nil {
		return err
	}
	owner := spanOwner{resource: r, scope: scope, version: version}
	i, ok := s.byOwner[owner]
	if !ok {
		i = len(s.groups)
		s.byOwner[owner] = i
		s.groups = append(s.groups, model.SpanGroup{Resource: r, Scope: &model.Scope{Name: scope, Version: version}})
	}
	s.groups[i].Spans = append(s.groups[i].Spans, *span)
	s.count++
	return nil
}

// Reserve takes bytes of the budget, for what is kept besides.
func (s *Spans) Reserve(bytes int64) error { return s.reserve(bytes) }

// Attributes returns a copy of the list that stays; nil when it is empty.
func (s *Spans) Attributes(list []model.Attribute) ([]model.Attribute, error) {
	n := len(list)
	if n == 0 {
		return nil, nil
	}
	if len(s.free) < n {
		size := max(n, 64)
		if err := s.reserve(int64(size) * attributeMemory); err != nil {
			return nil, err
		}
		s.free = make([]model.Attribute, size)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	copy(out, list)
	return out, nil
}

// Events returns a copy of the list that stays; nil when it is empty.
func (s *Spans) Events(list []model.SpanEvent) ([]model.SpanEvent, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if err := s.reserve(int64(len(list)) * eventMemory); err != nil {
		return nil, err
	}
	return slices.Clone(list), nil
}

// Links returns a copy of the list that stays; nil when it is empty.
func (s *Spans) Links(list []model.SpanLink) ([]model.SpanLink, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if err := s.reserve(int64(len(list)) * linkMemory); err != nil {
		return nil, err
	}
	return slices.Clone(list), nil
}

// maxSpanRefusals bounds the services and reasons that are told apart.
const maxSpanRefusals = 100

// Refuse notes a span of a service that is not taken: one entry for each service and reason.
func (s *Spans) Refuse(service string, reason model.RefusalReason, why error) {
	s.refused++
	if len(service) > 256 {
		service = service[:256] + "..."
	}
	for i := range s.why {
		if r := &s.why[i]; r.Reason == reason && (r.Stream == service || len(s.why) >= maxSpanRefusals) {
			r.Count++
			return
		}
	}
	s.why = append(s.why, model.Refusal{Reason: reason, Stream: strings.Clone(service), Count: 1, Text: why.Error()})
}

// Groups are the spans that were added.
func (s *Spans) Groups() []model.SpanGroup { return s.groups }

// Len is how many spans came, those that are refused counted too.
func (s *Spans) Len() int { return s.count + s.refused }

// Refused are the spans that were refused. Their texts do not lie in the request.
func (s *Spans) Refused() model.Refusals { return s.why }

// RefusedSpans says to a sender what of its total spans was not kept, and why; "" when all were. It is called while the request is there.
func RefusedSpans(refused model.Refusals, total int) string {
	if len(refused) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d spans are refused, the others are kept:", CountRefused(refused), total)
	for i, r := range refused {
		if i == maxTold {
			fmt.Fprintf(&b, "\nand %d more reasons", len(refused)-maxTold)
			break
		}
		fmt.Fprintf(&b, "\n%d of service %q: %s: %s", r.Count, r.Stream, r.Reason, r.Text)
	}
	return b.String()
}
