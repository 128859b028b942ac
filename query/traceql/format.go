package traceql

import (
	"slices"
	"strconv"
	"strings"
)

// String writes the query in its canonical form, which parses to an equal query.
func (q *Query) String() string {
	text := q.Pipeline.String()
	if q.Metrics != nil {
		text += " | " + q.Metrics.String()
	}
	if len(q.Hints) > 0 {
		text += " with(" + join(q.Hints, func(h Hint) string { return h.Name + "=" + h.Value.String() }) + ")"
	}
	return text
}

func join[T any](list []T, text func(T) string) string {
	parts := make([]string, len(list))
	for i := range list {
		parts[i] = text(list[i])
	}
	return strings.Join(parts, ", ")
}

func (p *Pipeline) String() string {
	parts := make([]string, len(p.Stages))
	for i, s := range p.Stages {
		parts[i] = s.String()
	}
	return strings.Join(parts, " | ")
}

func (f *SpansetFilter) String() string {
	if f.Condition == nil {
		return "{ }"
	}
	return "{ " + f.Condition.String() + " }"
}

func (o *SpansetOperation) String() string {
	level := spansetLevel(o.Op)
	return wrapSpanset(o.Left, level) + " " + o.Op + " " + wrapSpanset(o.Right, level+1)
}

// wrapSpanset puts parentheses around an operation that binds less than it must.
func wrapSpanset(x SpansetExpr, level int) string {
	if o, ok := x.(*SpansetOperation); ok && spansetLevel(o.Op) < level {
		return "(" + o.String() + ")"
	}
	return x.String()
}

func (g *Group) String() string        { return "(" + g.Pipeline.String() + ")" }
func (b *By) String() string           { return "by(" + join(b.Fields, FieldExpr.String) + ")" }
func (s *Select) String() string       { return "select(" + join(s.Fields, (*Field).String) + ")" }
func (*Coalesce) String() string       { return "coalesce()" }
func (f *ScalarFilter) String() string { return f.Left.String() + " " + f.Op + " " + f.Right.String() }

func (a *Aggregate) String() string {
	if a.Expr == nil {
		return a.Func + "()"
	}
	return a.Func + "(" + a.Expr.String() + ")"
}

func (o *ScalarOperation) String() string {
	level := fieldLevel(o.Op)
	wrap := func(x ScalarExpr, level int) string {
		if inner, ok := x.(*ScalarOperation); ok && fieldLevel(inner.Op) < level {
			return "(" + inner.String() + ")"
		}
		return x.String()
	}
	return wrap(o.Left, level) + " " + o.Op + " " + wrap(o.Right, level+1)
}

func (f *Field) String() string { return f.Text }

func (l *Literal) String() string {
	switch l.Type {
	case TextType:
		return quoteText(l.Value.Text)
	default:
		return l.Text
	}
}

// quoteText writes a string so that the lexer reads the same.
func quoteText(s string) string { return strconv.Quote(s) }

func (u *Unary) String() string {
	if b, ok := u.X.(*Binary); ok {
		return u.Op + "(" + b.String() + ")"
	}
	return u.Op + u.X.String()
}

func (b *Binary) String() string {
	level := fieldLevel(b.Op)
	wrap := func(x FieldExpr, level int) string {
		if inner, ok := x.(*Binary); ok && fieldLevel(inner.Op) < level {
			return "(" + inner.String() + ")"
		}
		return x.String()
	}
	left := level
	if level == comparisonLevel || b.Op == "^" { // comparisons do not chain
		left++
	}
	return wrap(b.Left, left) + " " + b.Op + " " + wrap(b.Right, level+1)
}

func (m *Metrics) String() string {
	var args []string
	if m.Field != nil {
		args = append(args, m.Field.String())
	}
	for _, q := range m.Quantiles {
		args = append(args, strconv.FormatFloat(q, 'g', -1, 64))
	}
	if c := m.Compare; c != nil {
		args = append(args, c.Selection.String(), strconv.Itoa(c.TopN))
		if c.Start != 0 || c.End != 0 {
			args = append(args, strconv.FormatInt(c.Start, 10), strconv.FormatInt(c.End, 10))
		}
	}
	text := m.Func + "(" + strings.Join(args, ", ") + ")"
	if len(m.By) > 0 {
		text += " by(" + join(m.By, (*Field).String) + ")"
	}
	for _, s := range m.Then {
		text += s.String()
	}
	return text
}

func (s SecondStage) String() string {
	if s.Value != nil {
		return " " + s.Func + " " + s.Value.String()
	}
	return " | " + s.Func + "(" + strconv.Itoa(s.K) + ")"
}

// scopedIntrinsics lists the names with a colon, for error texts.
func scopedIntrinsics() string {
	var names []string
	for name := range intrinsics {
		if strings.Contains(name, ":") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
