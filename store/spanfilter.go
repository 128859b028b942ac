package store

import (
	"cmp"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// Passes says whether a span of the group passes, by looking at it. A nil filter passes everything.
func (f *SpanFilter) Passes(g *model.SpanGroup, s *model.Span) bool {
	switch {
	case f == nil:
		return true
	case len(f.All) > 0:
		for _, x := range f.All {
			if !x.Passes(g, s) {
				return false
			}
		}
		return true
	case len(f.Any) > 0:
		for _, x := range f.Any {
			if x.Passes(g, s) {
				return true
			}
		}
		return false
	case f.Not != nil:
		return !f.Not.Passes(g, s)
	case f.Field == SpanField{}:
		return true
	}
	found, passed := false, false
	f.Field.Each(g, s, func(v model.Value) bool {
		found = true
		passed = f.PassesValue(v)
		return !passed
	})
	if f.Op == Absent {
		return !found
	}
	return passed
}

// PassesValue says whether a value of the field passes the comparison.
func (f *SpanFilter) PassesValue(v model.Value) bool {
	switch f.Op {
	case Present:
		return true
	case Absent:
		return false
	case Matches:
		return v.Kind == model.StringValue && f.Pattern.MatchString(v.Text)
	case NotMatches:
		return v.Kind == model.StringValue && !f.Pattern.MatchString(v.Text)
	}
	order, ok := compareValues(v, f.Value)
	if !ok {
		return false
	}
	switch f.Op {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Less:
		return order == -1
	case LessOrEqual:
		return order <= 0
	case Greater:
		return order == 1
	}
	return order >= 0 && order != unordered
}

// unordered is how NaN compares: it equals nothing.
const unordered = 2

// compareValues compares two values of one kind, or two numbers.
func compareValues(a, b model.Value) (order int, comparable bool) {
	if a.Kind == b.Kind {
		switch a.Kind {
		case model.StringValue, model.BytesValue:
			return strings.Compare(a.Text, b.Text), true
		case model.IntValue, model.BoolValue:
			return cmp.Compare(a.Bits, b.Bits), true
		case model.FloatValue:
		default:
			return a.Compare(b), true
		}
	}
	x, ok := a.Float()
	y, also := b.Float()
	if !ok || !also {
		return 0, false
	}
	if x != x || y != y {
		return unordered, true
	}
	return cmp.Compare(x, y), true
}

// Each calls f with the values that a span of the group has for the field, until f returns false.
func (f SpanField) Each(g *model.SpanGroup, s *model.Span, do func(model.Value) bool) {
	switch f.Scope {
	case IntrinsicScope:
		f.eachIntrinsic(g, s, do)
	case OnSpan:
		eachOf(s.Attributes, f.Name, do)
	case OnResource:
		eachOf(g.Resource.Attributes, f.Name, do)
	case OnScope:
		eachOf(g.Scope.Attributes, f.Name, do)
	case AnyScope:
		if has(s.Attributes, f.Name) {
			eachOf(s.Attributes, f.Name, do)
			return
		}
		eachOf(g.Resource.Attributes, f.Name, do)
	case OnEvent:
		for i := range s.Events {
			if !eachOf(s.Events[i].Attributes, f.Name, do) {
				return
			}
		}
	case OnLink:
		for i := range s.Links {
			if !eachOf(s.Links[i].Attributes, f.Name, do) {
				return
			}
		}
	}
}

// eachOf calls do with the first attribute of that name: a key should be there once (OpenTelemetry, common attributes).
func eachOf(attributes []model.Attribute, name string, do func(model.Value) bool) bool {
	for i := range attributes {
		if attributes[i].Key == name {
			return do(attributes[i].Value)
		}
	}
	return true
}

func has(attributes []model.Attribute, name string) bool {
	for i := range attributes {
		if attributes[i].Key == name {
			return true
		}
	}
	return false
}

func (f SpanField) eachIntrinsic(g *model.SpanGroup, s *model.Span, do func(model.Value) bool) {
	text := func(t string) {
		if t != "" {
			do(model.TextValue(t))
		}
	}
	switch f.Name {
	case IntrinsicName:
		do(model.TextValue(s.Name))
	case IntrinsicKind:
		do(model.Int64(int64(s.Kind)))
	case IntrinsicStatus:
		do(model.Int64(int64(s.Status)))
	case IntrinsicStatusMessage:
		text(s.Message)
	case IntrinsicDuration:
		do(model.Int64(s.Duration))
	case IntrinsicStart:
		do(model.Int64(s.Start))
	case IntrinsicScopeName:
		text(g.Scope.Name)
	case IntrinsicScopeVersion:
		text(g.Scope.Version)
	case IntrinsicTraceID:
		do(model.TextValue(s.TraceID.String()))
	case IntrinsicSpanID:
		do(model.TextValue(s.ID.String()))
	case IntrinsicParentID:
		if !s.Parent.IsZero() {
			do(model.TextValue(s.Parent.String()))
		}
	default:
		f.eachEventOrLink(s, do)
	}
}

func (f SpanField) eachEventOrLink(s *model.Span, do func(model.Value) bool) {
	for i := range s.Events {
		e := &s.Events[i]
		if f.Name == IntrinsicEvent && !do(model.TextValue(e.Name)) || f.Name == IntrinsicEventSince && !do(model.Int64(e.Time-s.Start)) {
			return
		}
	}
	for i := range s.Links {
		l := &s.Links[i]
		if f.Name == IntrinsicLinkTrace && !do(model.TextValue(l.TraceID.String())) || f.Name == IntrinsicLinkSpan && !do(model.TextValue(l.SpanID.String())) {
			return
		}
	}
}
