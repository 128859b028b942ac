package logql

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
)

// condition is a label filter made ready: a test of one label, or two conditions of which both (and) or one must hold.
type condition struct {
	name        string
	test        func(value string, has bool) (pass bool, details string)
	left, right *condition
	and         bool

	matcher  *labels.Matcher // of a test on text
	min, max float64         // of a test on a number that is a range, else NaN
	number   func(float64) bool
}

func compileCondition(f LabelFilter) (*condition, error) {
	switch f := f.(type) {
	case *AndFilter:
		return compileConditions(true, f.Left, f.Right)
	case *OrFilter:
		return compileConditions(false, f.Left, f.Right)
	case *StringFilter:
		m := f.Matcher
		return &condition{name: m.Name, matcher: m, test: func(v string, _ bool) (bool, string) { return m.Matches(v), "" }}, nil
	case *NumberFilter:
		c := &condition{name: f.Name, test: quantityTest(f.Op, f.Value, parseFloat), number: func(v float64) bool { return compareWith(f.Op, v, f.Value) }}
		c.min, c.max = numberRange(f.Op, f.Value)
		return c, nil
	case *DurationFilter:
		return &condition{name: f.Name, test: quantityTest(f.Op, f.Value, parseDuration)}, nil
	case *BytesFilter:
		return &condition{name: f.Name, test: quantityTest(f.Op, f.Value, parseBytes)}, nil
	case *IPFilter:
		r, err := parseIPRange(f.Text)
		if err != nil {
			return nil, err
		}
		return &condition{name: f.Name, test: func(v string, has bool) (bool, string) { return has && r.matchText(v) == (f.Op == Equal), "" }}, nil
	}
	return nil, fmt.Errorf("BUG: label filter %T", f)
}

func compileConditions(and bool, left, right LabelFilter) (*condition, error) {
	l, err := compileCondition(left)
	if err != nil {
		return nil, err
	}
	r, err := compileCondition(right)
	return &condition{and: and, left: l, right: r}, err
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// quantityTest compares what parse reads. A label that is not there or empty passes no comparison; one that cannot be read passes all,
// with an error.
func quantityTest[N cmp.Ordered](op CompareOp, with N, parse func(string) (N, error)) func(string, bool) (bool, string) {
	return func(s string, _ bool) (bool, string) {
		if s == "" {
			return false, ""
		}
		v, err := parse(s)
		if err != nil {
			return true, quantityDetails(s, err)
		}
		return compareWith(op, v, with), ""
	}
}

func quantityDetails(s string, err error) string {
	switch {
	case errors.Is(err, errDuration):
		return fmt.Sprintf("time: invalid duration %q", s)
	case errors.Is(err, errBytes):
		return fmt.Sprintf("cannot read %q: %s", s, err)
	}
	return err.Error()
}

func compareWith[N cmp.Ordered](op CompareOp, v, with N) bool {
	switch op {
	case Equal:
		return v == with
	case NotEqual:
		return v != with
	case Greater:
		return v > with
	case GreaterOrEqual:
		return v >= with
	case Less:
		return v < with
	}
	return v <= with
}

// numberRange returns the range of numbers that a comparison can pass, or NaN where it excludes next to nothing.
func numberRange(op CompareOp, v float64) (lo, hi float64) {
	switch op {
	case Equal:
		return v, v
	case Greater, GreaterOrEqual:
		return v, math.Inf(1)
	case Less, LessOrEqual:
		return math.Inf(-1), v
	}
	return math.NaN(), math.NaN()
}

// run implements step.
func (c *condition) run(r *record) bool {
	if c.test == nil {
		if pass := c.left.run(r); pass != c.and {
			return pass
		}
		return c.right.run(r)
	}
	value, has := r.get(c.name)
	pass, details := c.test(value, has)
	if details != "" {
		r.fail(errLabelFilter, details)
	}
	return pass
}

// names appends the labels that the condition looks at.
func (c *condition) names(to []string) []string {
	if c.test == nil {
		return c.right.names(c.left.names(to))
	}
	return append(to, c.name)
}
