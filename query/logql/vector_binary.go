package logql

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"
)

// arithmetic computes l op r; comparisons are 1 or 0.
func arithmetic(op BinaryOp, l, r float64) float64 {
	switch op {
	case "+":
		return l + r
	case "-":
		return l - r
	case "*":
		return l * r
	case "/":
		return l / r
	case "%":
		return math.Mod(l, r)
	case "^":
		return math.Pow(l, r)
	}
	if compare(op, l, r) {
		return 1
	}
	return 0
}

func compare(op BinaryOp, l, r float64) bool {
	switch op {
	case "==":
		return l == r
	case "!=":
		return l != r
	case ">":
		return l > r
	case ">=":
		return l >= r
	case "<":
		return l < r
	}
	return l <= r
}

// pairValue is the value of l op r where both have one: absent where a comparison without bool does not hold, and that of the
// vector (kept) where it does.
func pairValue(b *BinaryExpr, l, r, kept float64) float64 {
	if b.Op.Comparison() && !b.Bool {
		if compare(b.Op, l, r) {
			return kept
		}
		return absent
	}
	return arithmetic(b.Op, l, r)
}

// applyBinary computes l op r. It may change both.
func applyBinary(b *BinaryExpr, l, r *table, s steps) (*table, error) {
	switch {
	case l.scalar && r.scalar:
		return numberTable(arithmetic(b.Op, l.number, r.number)), nil
	case l.scalar:
		return l.overNumber(r, func(v float64) float64 { return pairValue(b, l.number, v, v) }), nil
	case r.scalar:
		return r.overNumber(l, func(v float64) float64 { return pairValue(b, v, r.number, v) }), nil
	case b.Op.Logical():
		return newMatcher(b, s).logical(l, r), nil
	}
	return newMatcher(b, s).pairs(l, r)
}

// overNumber applies an operator between t's number and every value.
func (*table) overNumber(t *table, f func(float64) float64) *table {
	for i := range t.series {
		for j, v := range t.series[i].values {
			if !isAbsent(v) {
				t.series[i].values[j] = f(v)
			}
		}
	}
	t.tidy()
	return t
}

// matcher finds the series of both sides of a binary operator that belong together, by their signature: the labels that count.
type matcher struct {
	b       *BinaryExpr
	steps   steps
	builder *labels.Builder
	buf     []byte
}

func newMatcher(b *BinaryExpr, s steps) *matcher {
	return &matcher{b: b, steps: s, builder: labels.NewBuilder(labels.EmptyLabels())}
}

func (m *matcher) signature(l labels.Labels) string {
	m.builder.Reset(l)
	if m.b.Matching.On {
		m.builder.Keep(m.b.Matching.Labels...)
	} else {
		m.builder.Del(m.b.Matching.Labels...)
	}
	m.buf = m.builder.Labels().Bytes(m.buf[:0])
	return string(m.buf)
}

func (m *matcher) bySignature(t *table) map[string][]*series {
	out := make(map[string][]*series, len(t.series))
	for i := range t.series {
		key := m.signature(t.series[i].labels)
		out[key] = append(out[key], &t.series[i])
	}
	return out
}

// logical computes and, or, unless: at every step, by which signatures the other side has then.
func (m *matcher) logical(l, r *table) *table {
	l.sortByLabels()
	r.sortByLabels()
	switch m.b.Op {
	case "and":
		return m.filtered(l, r, true)
	case "unless":
		return m.filtered(l, r, false)
	}
	more := m.filtered(r, l, false)
	t, _ := mergeEqual(append(l.series, more.series...))
	return t
}

// filtered keeps the values of t at the steps at which other has the signature, or has it not.
func (m *matcher) filtered(t, other *table, present bool) *table {
	signatures := m.bySignature(other)
	for i := range t.series {
		s := &t.series[i]
		matches := signatures[m.signature(s.labels)]
		for j := range s.values {
			if anyAt(matches, s.first+j) != present {
				s.values[j] = absent
			}
		}
	}
	t.tidy()
	return t
}

func anyAt(all []*series, step int) bool {
	for _, s := range all {
		if !isAbsent(s.at(step)) {
			return true
		}
	}
	return false
}

// mergeEqual makes one series of those with equal labels. When two of them have a value at the same step it returns their labels,
// too.
func mergeEqual(all []series) (t *table, clash *labels.Labels) {
	t = &table{series: all}
	t.sortByLabels()
	out := t.series[:0]
	for _, s := range t.series {
		n := len(out)
		if n == 0 || !labels.Equal(out[n-1].labels, s.labels) {
			out = append(out, s)
			continue
		}
		if overlap(&out[n-1], &s) {
			clash = &s.labels
		}
		out[n-1] = overlay(&out[n-1], &s)
	}
	t.series = out
	return t, clash
}

func overlay(a, b *series) series {
	out := series{labels: a.labels}
	for step := min(a.first, b.first); step < max(a.end(), b.end()); step++ {
		v := a.at(step)
		if isAbsent(v) {
			v = b.at(step)
		}
		out.put(step, v)
	}
	return out
}

// errManyMatches is what Loki says when several series of the one side belong to one of the other.
var errManyMatches = invalid("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")

// pairs computes arithmetic and comparisons between two vectors.
func (m *matcher) pairs(l, r *table) (*table, error) {
	l.sortByLabels()
	r.sortByLabels()
	many, one := l, r
	if m.b.Matching.Card == OneToMany {
		many, one = r, l
	}
	ones := m.bySignature(one)
	taken := map[string][]bool{}
	out := &table{}
	for i := range many.series {
		s := &many.series[i]
		key := m.signature(s.labels)
		matches := ones[key]
		if len(matches) == 0 {
			continue
		}
		if taken[key] == nil {
			taken[key] = make([]bool, m.steps.count)
		}
		made, err := m.pair(s, matches, taken[key])
		if err != nil {
			return nil, err
		}
		out.series = append(out.series, made...)
	}
	return m.distinct(out)
}

// pair computes one series of the many side. Which series of the other side it meets may change from step to step, and with it
// the labels that group_left takes from there.
func (m *matcher) pair(s *series, ones []*series, taken []bool) ([]series, error) {
	made := make([]series, len(ones))
	for j, v := range s.values {
		step := s.first + j
		at, other, err := onlyAt(ones, step)
		if err != nil {
			return nil, err
		}
		if isAbsent(v) || at < 0 {
			continue
		}
		if m.b.Matching.Card == OneToOne {
			if taken[step] {
				return nil, errManyMatches
			}
			taken[step] = true
		}
		if got := m.value(v, other); !isAbsent(got) {
			made[at].put(step, got)
		}
	}
	var out []series
	for i := range made {
		if len(made[i].values) > 0 {
			made[i].labels = m.labels(s.labels, ones[i].labels)
			out = append(out, made[i])
		}
	}
	return out, nil
}

func onlyAt(ones []*series, step int) (at int, v float64, err error) {
	at = -1
	for i, s := range ones {
		x := s.at(step)
		if isAbsent(x) {
			continue
		}
		if at >= 0 {
			return 0, 0, errManyMatches
		}
		at, v = i, x
	}
	return at, v, nil
}

// value gets the values of the many side and the one side; a comparison keeps that of the left side.
func (m *matcher) value(many, one float64) float64 {
	if m.b.Matching.Card == OneToMany {
		return pairValue(m.b, one, many, one)
	}
	return pairValue(m.b, many, one, many)
}

// labels returns the labels of the answer: those that count of one-to-one matching, else those of the many side with the
// included ones of the other.
func (m *matcher) labels(many, one labels.Labels) labels.Labels {
	m.builder.Reset(many)
	if m.b.Matching.Card == OneToOne {
		if m.b.Matching.On {
			m.builder.Keep(m.b.Matching.Labels...)
		} else {
			m.builder.Del(m.b.Matching.Labels...)
		}
	}
	for _, name := range m.b.Matching.Include {
		m.builder.Set(name, one.Get(name)) // an empty value takes the label away
	}
	return m.builder.Labels()
}

// distinct joins the pieces of series that have the same labels at different steps; at one step there may be only one.
func (m *matcher) distinct(t *table) (*table, error) {
	t, clash := mergeEqual(t.series)
	if clash != nil {
		return nil, invalid("multiple matches for labels: grouping labels must ensure unique matches: %s", *clash)
	}
	return t, nil
}

func overlap(a, b *series) bool {
	for step := max(a.first, b.first); step < min(a.end(), b.end()); step++ {
		if !isAbsent(a.at(step)) && !isAbsent(b.at(step)) {
			return true
		}
	}
	return false
}
