package logql

import (
	"regexp"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/store"
)

// lineMatcher is a line filter made ready.
type lineMatcher struct {
	lists    [][]string // of each, a text that passes contains one string
	fold     bool
	match    func(string) bool // beyond the lists; nil: they decide
	anyField bool              // the stored fields are looked at too
	not      bool
	mixed    bool // some alternatives look at the fields and some do not: each has its own matcher
	parts    []*lineMatcher
}

func compileLineFilter(f *LineFilter) (*lineMatcher, error) {
	parts := make([]*lineMatcher, len(f.Alternatives))
	for i, a := range f.Alternatives {
		m, err := compileLineMatch(f.Op, a)
		if err != nil {
			return nil, err
		}
		parts[i] = m
	}
	m := joinAlternatives(parts)
	m.not = f.Op.Negative()
	return m, nil
}

func compileLineMatch(op LineOp, a LineMatch) (*lineMatcher, error) {
	if err := checkLineMatch(op, a); err != nil {
		return nil, err
	}
	var m *lineMatcher
	switch {
	case a.Func == "ip":
		m = ipLineMatcher(a.Text)
	case op == LineMatches || op == LineNotMatches:
		m = regexpLineMatcher(a.Text)
	case op == LinePattern || op == LineNotPattern:
		m = patternLineMatcher(a.Text)
	default:
		m = &lineMatcher{lists: textLists(a.Text)}
	}
	m.anyField = a.Func == "any"
	return m, nil
}

// textLists returns the condition that a text contains s; every text contains an empty one.
func textLists(s string) [][]string {
	if s == "" {
		return nil
	}
	return [][]string{{s}}
}

func regexpLineMatcher(pattern string) *lineMatcher {
	lit := regexpLiterals(pattern)
	m := &lineMatcher{lists: lit.lists, fold: lit.fold}
	if !lit.decides {
		m.match = regexp.MustCompile(pattern).MatchString // checked before
	}
	return m
}

func ipLineMatcher(text string) *lineMatcher {
	r, _ := parseIPRange(text) // checked before
	return &lineMatcher{lists: textLists(r.prefix()), match: r.matchLine}
}

func patternLineMatcher(text string) *lineMatcher {
	p, _ := parseLinePattern(text) // checked before
	m := &lineMatcher{match: p.match}
	for _, l := range p.literals {
		if l != "" && len(m.lists) < maxLists {
			m.lists = append(m.lists, []string{l})
		}
	}
	return m
}

// joinAlternatives returns the matcher of a text that one of the parts matches.
func joinAlternatives(parts []*lineMatcher) *lineMatcher {
	if len(parts) == 1 {
		return parts[0]
	}
	out := &lineMatcher{parts: parts, anyField: parts[0].anyField}
	var list []string
	decide := true
	for _, p := range parts {
		out.mixed = out.mixed || p.anyField != out.anyField
		out.fold = out.fold || p.fold
		decide = decide && p.match == nil && len(p.lists) == 1 && p.fold == parts[0].fold
		if best := bestList(p.lists); best != nil {
			list = append(list, best...)
		} else {
			list = append(list, "")
		}
	}
	if !slices.Contains(list, "") && len(list) <= 10*maxExact {
		out.lists = [][]string{list}
	}
	if !decide || out.lists == nil {
		out.match = func(s string) bool {
			return slices.ContainsFunc(parts, func(p *lineMatcher) bool { return p.text(s) })
		}
	}
	return out
}

// text says whether one text is matched, without regard to not.
func (m *lineMatcher) text(s string) bool {
	for _, list := range m.lists {
		if !containsOne(s, list, m.fold) {
			return false
		}
	}
	return m.match == nil || m.match(s)
}

func containsOne(s string, list []string, fold bool) bool {
	for _, n := range list {
		if fold && containsFold(s, n) || !fold && strings.Contains(s, n) {
			return true
		}
	}
	return false
}

// containsFold is strings.Contains without regard to the case of ASCII letters.
func containsFold(s, needle string) bool {
	if needle == "" {
		return true
	}
	first := lower(needle[0])
	for i := 0; i+len(needle) <= len(s); i++ {
		if lower(s[i]) == first && equalFold(s[i:i+len(needle)], needle) {
			return true
		}
	}
	return false
}

func equalFold(a, b string) bool {
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// run implements step.
func (m *lineMatcher) run(r *record) bool { return m.matches(r) != m.not }

func (m *lineMatcher) matches(r *record) bool {
	if m.mixed {
		return slices.ContainsFunc(m.parts, func(p *lineMatcher) bool { return p.matches(r) })
	}
	if m.text(r.line) {
		return true
	}
	if m.anyField {
		for _, f := range r.stored {
			if m.text(f.Value) {
				return true
			}
		}
	}
	return false
}

// filter returns the matcher as the store takes it; a mixed one cannot be expressed, and one that matches everything needs none.
func (m *lineMatcher) filter() (store.RecordFilter, bool) {
	if m.mixed {
		return store.RecordFilter{}, false
	}
	f := store.RecordFilter{AnyField: m.anyField, Needles: m.lists, Fold: m.fold, Not: m.not}
	if m.match != nil {
		f.Match = m.text
	}
	return f, true
}

// everything says whether the matcher lets every record pass.
func (m *lineMatcher) everything() bool { return len(m.lists) == 0 && m.match == nil && !m.not }
