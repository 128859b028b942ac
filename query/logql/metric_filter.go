package logql

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
)

// postFilter is a label filter behind unwrap. match says whether labels pass; details tell why a filter on numbers could not be
// applied, then they pass, with an error.
type postFilter struct {
	name  string // "": and, or
	and   bool
	sides []*postFilter
	test  func(value string) (pass bool, details string)
}

func newPostFilter(f LabelFilter) (*postFilter, error) {
	switch f := f.(type) {
	case *AndFilter:
		return newPostFilters(true, f.Left, f.Right)
	case *OrFilter:
		return newPostFilters(false, f.Left, f.Right)
	case *StringFilter:
		return &postFilter{name: f.Matcher.Name, test: matcherTest(f.Matcher)}, nil
	case *NumberFilter:
		return &postFilter{name: f.Name, test: compareTest(f.Op, f.Value, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })}, nil
	case *DurationFilter:
		return &postFilter{name: f.Name, test: compareTest(f.Op, f.Value, parseDuration)}, nil
	case *BytesFilter:
		return &postFilter{name: f.Name, test: compareTest(f.Op, f.Value, parseBytes)}, nil
	case *IPFilter:
		r, err := parseIPRange(f.Text)
		if err != nil {
			return nil, err
		}
		return &postFilter{name: f.Name, test: func(s string) (bool, string) { return r.matchText(s) == (f.Op == Equal), "" }}, nil
	}
	return nil, fmt.Errorf("BUG: label filter %T", f)
}

func newPostFilters(and bool, sides ...LabelFilter) (*postFilter, error) {
	p := &postFilter{and: and}
	for _, f := range sides {
		s, err := newPostFilter(f)
		if err != nil {
			return nil, err
		}
		p.sides = append(p.sides, s)
	}
	return p, nil
}

func matcherTest(m *labels.Matcher) func(string) (bool, string) {
	return func(s string) (bool, string) { return m.Matches(s), "" }
}

// compareTest compares numbers of some unit; a label that is not there passes no comparison.
func compareTest[N cmp.Ordered](op CompareOp, with N, parse func(string) (N, error)) func(string) (bool, string) {
	return func(s string) (bool, string) {
		if s == "" {
			return false, ""
		}
		v, err := parse(s)
		if err != nil {
			return true, err.Error()
		}
		switch op {
		case Equal:
			return v == with, ""
		case NotEqual:
			return v != with, ""
		case Greater:
			return v > with, ""
		case GreaterOrEqual:
			return v >= with, ""
		case Less:
			return v < with, ""
		}
		return v <= with, ""
	}
}

func (p *postFilter) match(get func(name string) string) (pass bool, details string) {
	if p.name != "" {
		return p.test(get(p.name))
	}
	for _, s := range p.sides {
		ok, d := s.match(get)
		if d != "" {
			details = d
		}
		if ok != p.and {
			return ok, details
		}
	}
	return p.and, details
}

// names appends the labels that it looks at.
func (p *postFilter) names(to []string) []string {
	if p.name != "" {
		return append(to, p.name)
	}
	for _, s := range p.sides {
		to = s.names(to)
	}
	return to
}
