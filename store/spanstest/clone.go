package spanstest

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// CloneSpan returns a copy that shares no memory with s.
func CloneSpan(s model.Span) model.Span {
	s.State, s.Name, s.Message = strings.Clone(s.State), strings.Clone(s.Name), strings.Clone(s.Message)
	s.Attributes = cloneAttributes(s.Attributes)
	s.Events, s.Links = slices.Clone(s.Events), slices.Clone(s.Links)
	for i := range s.Events {
		s.Events[i].Name, s.Events[i].Attributes = strings.Clone(s.Events[i].Name), cloneAttributes(s.Events[i].Attributes)
	}
	for i := range s.Links {
		s.Links[i].State, s.Links[i].Attributes = strings.Clone(s.Links[i].State), cloneAttributes(s.Links[i].Attributes)
	}
	return s
}

func cloneAttributes(in []model.Attribute) []model.Attribute {
	out := slices.Clone(in)
	for i := range out {
		out[i].Key, out[i].Value.Text = strings.Clone(out[i].Key), strings.Clone(out[i].Value.Text)
		out[i].Value.Nested = cloneAttributes(out[i].Value.Nested)
	}
	return out
}

func cloneResource(r *model.Resource) *model.Resource {
	return &model.Resource{Attributes: cloneAttributes(r.Attributes), Dropped: r.Dropped, SchemaURL: strings.Clone(r.SchemaURL)}
}

func cloneScope(s *model.Scope) *model.Scope {
	return &model.Scope{
		Name: strings.Clone(s.Name), Version: strings.Clone(s.Version), Attributes: cloneAttributes(s.Attributes), Dropped: s.Dropped, SchemaURL: strings.Clone(s.SchemaURL),
	}
}

// EqualSpans says whether two spans are the same in everything.
func EqualSpans(a, b model.Span) bool {
	return a.TraceID == b.TraceID && a.ID == b.ID && a.Parent == b.Parent && a.State == b.State && a.Flags == b.Flags && a.Name == b.Name && a.Kind == b.Kind &&
		a.Start == b.Start && a.Duration == b.Duration && a.Status == b.Status && a.Message == b.Message &&
		a.DroppedAttributes == b.DroppedAttributes && a.DroppedEvents == b.DroppedEvents && a.DroppedLinks == b.DroppedLinks &&
		equalAttributes(a.Attributes, b.Attributes) &&
		slices.EqualFunc(a.Events, b.Events, func(a, b model.SpanEvent) bool {
			return a.Time == b.Time && a.Name == b.Name && a.Dropped == b.Dropped && equalAttributes(a.Attributes, b.Attributes)
		}) &&
		slices.EqualFunc(a.Links, b.Links, func(a, b model.SpanLink) bool {
			return a.TraceID == b.TraceID && a.SpanID == b.SpanID && a.State == b.State && a.Flags == b.Flags && a.Dropped == b.Dropped && equalAttributes(a.Attributes, b.Attributes)
		})
}

func equalAttributes(a, b []model.Attribute) bool {
	return slices.EqualFunc(a, b, func(a, b model.Attribute) bool { return a.Key == b.Key && a.Value.Equal(b.Value) })
}

func sameOwner(a, b model.SpanGroup) bool {
	x, y := a.Resource, b.Resource
	s, t := a.Scope, b.Scope
	return x.Dropped == y.Dropped && x.SchemaURL == y.SchemaURL && equalAttributes(x.Attributes, y.Attributes) &&
		s.Name == t.Name && s.Version == t.Version && s.Dropped == t.Dropped && s.SchemaURL == t.SchemaURL && equalAttributes(s.Attributes, t.Attributes)
}
