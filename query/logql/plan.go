package logql

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// plan finds what the store can decide (filters, of lines as they are stored) or use to skip records (hints, of fields as they are
// stored or parsed once).
func (p *pipeline) plan() {
	h := hinter{source: store.Stored, open: true}
	lines := true // the line is still the stored one
	for _, s := range p.steps {
		switch s := s.(type) {
		case *lineMatcher:
			if f, ok := s.filter(); ok && lines {
				if !s.everything() {
					p.filters = append(p.filters, f)
				}
				continue
			}
		case jsonAll:
			h.parser(store.JSON, lines)
		case *logfmtStep:
			h.parser(store.Logfmt, lines && s.names == nil && !s.strict)
		case *condition:
			h.condition(s)
		case decolorizeStep, *lineFormatStep, unpackStep:
			lines = false
			if _, ok := s.(unpackStep); ok {
				h.open = false
			}
		case *dropStep:
			h.hidden = append(h.hidden, choiceNames(s.labels)...)
		default: // other labels appear, or change
			h.open = false
		}
		p.rest = append(p.rest, s)
	}
	p.hints = h.hints
}

// hinter makes hints of conditions.
type hinter struct {
	source store.Source
	parsed bool
	open   bool // what is known about labels still holds
	hidden []string
	hints  []store.FieldHint
}

// parser says that the labels come from a parser from now on. Of a second one nothing is known.
func (h *hinter) parser(s store.Source, known bool) {
	if h.parsed || !known || len(h.hidden) > 0 {
		h.open = false
		return
	}
	h.parsed, h.source = true, s
}

func (h *hinter) condition(c *condition) {
	if !h.open {
		return
	}
	if c.test == nil && c.and {
		h.condition(c.left)
		h.condition(c.right)
		return
	}
	hint, ok := fieldHint(c)
	if !ok || slices.Contains(h.hidden, hint.Name) || isErrorLabel(hint.Name) || h.parsed && hasExtractedSuffix(hint.Name) {
		return
	}
	hint.Source = h.source
	h.hints = append(h.hints, hint)
}

func isErrorLabel(name string) bool { return name == labelError || name == labelErrorDetails }

func hasExtractedSuffix(name string) bool {
	return len(name) > len(extractedSuffix) && name[len(name)-len(extractedSuffix):] == extractedSuffix
}

// fieldHint returns what a condition that passes says about its one field.
func fieldHint(c *condition) (store.FieldHint, bool) {
	if c.test == nil {
		left, ok1 := fieldHint(c.left)
		right, ok2 := fieldHint(c.right)
		if !ok1 || !ok2 || left.Name != right.Name || left.Any == nil || right.Any == nil {
			return store.FieldHint{}, false
		}
		return store.FieldHint{Name: left.Name, Any: slices.Concat(left.Any, right.Any)}, true
	}
	hint := store.FieldHint{Name: c.name}
	switch {
	case c.matcher != nil:
		hint.Any = onlyValues(c.matcher)
		return hint, len(hint.Any) > 0
	case c.number != nil && c.min == c.min: // no NaN
		hint.Min, hint.Max = c.min, c.max
		return hint, true
	}
	return hint, false
}

// onlyValues returns the values that a matcher lets pass, when they are few and none of them is empty.
func onlyValues(m *labels.Matcher) []string {
	var out []string
	switch m.Type {
	case labels.MatchEqual:
		out = []string{m.Value}
	case labels.MatchRegexp:
		out = m.SetMatches()
	}
	if slices.Contains(out, "") {
		return nil
	}
	return out
}
