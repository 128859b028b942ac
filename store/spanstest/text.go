package spanstest

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// Text writes groups for people, one line for each resource with its scope, span, event and link:
//
//	resource {service.name="web"} scope "lib" "1.0"
//	  0…1/0…2 <0…3 "get" server 1000+50 error "message" {key="value"}
//	    event 1010 "name" {key=1}
//	    link 0…4/0…5 {}
func Text(groups []model.SpanGroup) string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "resource %s", attributesText(g.Resource.Attributes))
		if g.Scope.Name != "" || g.Scope.Version != "" {
			fmt.Fprintf(&b, " scope %q %q", g.Scope.Name, g.Scope.Version)
		}
		b.WriteByte('\n')
		for i := range g.Spans {
			spanText(&b, &g.Spans[i])
		}
	}
	return b.String()
}

func spanText(b *strings.Builder, s *model.Span) {
	fmt.Fprintf(b, "  %s/%s", s.TraceID, s.ID)
	if !s.Parent.IsZero() {
		fmt.Fprintf(b, " <%s", s.Parent)
	}
	fmt.Fprintf(b, " %q %s %d+%d", s.Name, s.Kind, s.Start, s.Duration)
	if s.Status != model.StatusUnset || s.Message != "" {
		fmt.Fprintf(b, " %s %q", s.Status, s.Message)
	}
	if s.Flags != 0 {
		fmt.Fprintf(b, " flags=%d", s.Flags)
	}
	if s.State != "" {
		fmt.Fprintf(b, " state=%q", s.State)
	}
	fmt.Fprintf(b, " %s\n", attributesText(s.Attributes))
	for _, e := range s.Events {
		fmt.Fprintf(b, "    event %d %q %s", e.Time, e.Name, attributesText(e.Attributes))
		if e.Dropped > 0 {
			fmt.Fprintf(b, " dropped=%d", e.Dropped)
		}
		b.WriteByte('\n')
	}
	for _, l := range s.Links {
		fmt.Fprintf(b, "    link %s/%s %s", l.TraceID, l.SpanID, attributesText(l.Attributes))
		if l.State != "" {
			fmt.Fprintf(b, " state=%q", l.State)
		}
		b.WriteByte('\n')
	}
}

func attributesText(list []model.Attribute) string {
	parts := make([]string, 0, len(list))
	for _, a := range list {
		parts = append(parts, a.Key+"="+valueText(a.Value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func valueText(v model.Value) string {
	switch v.Kind {
	case model.StringValue:
		return strconv.Quote(v.Text)
	case model.BoolValue:
		return strconv.FormatBool(v.Bits == 1)
	case model.IntValue:
		return strconv.FormatInt(v.Bits, 10)
	case model.FloatValue:
		x, _ := v.Float()
		return strconv.FormatFloat(x, 'e', -1, 64)
	case model.BytesValue:
		return "base64:" + base64.StdEncoding.EncodeToString([]byte(v.Text))
	case model.ArrayValue, model.MapValue:
		return attributesText(v.Nested)
	}
	return "nothing"
}
