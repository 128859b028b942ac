package logql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// quote writes a string so that it is easy to read: in backticks when double quotes would need escapes.
func quote(s string) string {
	if strings.ContainsAny(s, "\"\\") && strconv.CanBackquote(s) {
		return "`" + s + "`"
	}
	return strconv.Quote(s)
}

func formatMatcher(m *labels.Matcher) string { return m.Name + m.Type.String() + quote(m.Value) }

func formatSelector(matchers []*labels.Matcher) string {
	parts := make([]string, len(matchers))
	for i, m := range matchers {
		parts[i] = formatMatcher(m)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (e *LogExpr) String() string {
	parts := []string{formatSelector(e.Matchers)}
	for _, s := range e.Stages {
		parts = append(parts, s.String())
	}
	return strings.Join(parts, " ")
}

func (f *LineFilter) String() string {
	parts := make([]string, len(f.Alternatives))
	for i, m := range f.Alternatives {
		parts[i] = m.String()
	}
	return string(f.Op) + " " + strings.Join(parts, " or ")
}

func (m LineMatch) String() string {
	if m.Func != "" {
		return m.Func + "(" + quote(m.Text) + ")"
	}
	return quote(m.Text)
}

func (s *JSONParser) String() string { return "| json" + formatExtractions(s.Extractions) }

func (s *LogfmtParser) String() string {
	out := "| logfmt"
	if s.Strict {
		out += " --strict"
	}
	if s.KeepEmpty {
		out += " --keep-empty"
	}
	return out + formatExtractions(s.Extractions)
}

func formatExtractions(xs []Extraction) string {
	if len(xs) == 0 {
		return ""
	}
	parts := make([]string, len(xs))
	for i, x := range xs {
		parts[i] = x.Name + "=" + quote(x.Expression)
	}
	return " " + strings.Join(parts, ", ")
}

func (s *RegexpParser) String() string  { return "| regexp " + quote(s.Pattern) }
func (s *PatternParser) String() string { return "| pattern " + quote(s.Pattern) }
func (*Unpack) String() string          { return "| unpack" }
func (*Decolorize) String() string      { return "| decolorize" }
func (s *LineFormat) String() string    { return "| line_format " + quote(s.Template) }

func (s *LabelFormat) String() string {
	parts := make([]string, len(s.Formats))
	for i, f := range s.Formats {
		if parts[i] = f.Name + "=" + f.Value; !f.Rename {
			parts[i] = f.Name + "=" + quote(f.Value)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

func (s *Drop) String() string { return "| drop " + formatChoices(s.Labels) }
func (s *Keep) String() string { return "| keep " + formatChoices(s.Labels) }

func formatChoices(choices []LabelChoice) string {
	parts := make([]string, len(choices))
	for i, c := range choices {
		if parts[i] = c.Name; c.Matcher != nil {
			parts[i] = formatMatcher(c.Matcher)
		}
	}
	return strings.Join(parts, ", ")
}

func (s *LabelFilterStage) String() string { return "| " + s.Filter.String() }

// Conjunctions need no parentheses; alternatives inside of them, and whatever stands on a right side, do.
func (f *AndFilter) String() string {
	return operandString(f.Left, isOr(f.Left)) + " and " + operandString(f.Right, isOr(f.Right) || isAnd(f.Right))
}

func (f *OrFilter) String() string {
	return f.Left.String() + " or " + operandString(f.Right, isOr(f.Right))
}

func isOr(f LabelFilter) bool  { _, ok := f.(*OrFilter); return ok }
func isAnd(f LabelFilter) bool { _, ok := f.(*AndFilter); return ok }

func operandString(f LabelFilter, parentheses bool) string {
	if parentheses {
		return "(" + f.String() + ")"
	}
	return f.String()
}

func (f *StringFilter) String() string { return formatMatcher(f.Matcher) }
func (f *NumberFilter) String() string {
	return f.Name + " " + string(f.Op) + " " + formatNumber(f.Value)
}

func (f *DurationFilter) String() string {
	return f.Name + " " + string(f.Op) + " " + formatDuration(f.Value)
}

func (f *BytesFilter) String() string {
	return f.Name + " " + string(f.Op) + " " + formatBytes(f.Value)
}

func (f *IPFilter) String() string {
	op := "="
	if f.Op == NotEqual {
		op = "!="
	}
	return f.Name + " " + op + " ip(" + quote(f.Text) + ")"
}

func (r *LogRange) String() string {
	out := r.Log.String()
	if r.Unwrap != nil {
		out += " " + r.Unwrap.String()
	}
	return out + r.window()
}

// window writes [5m] offset 1h.
func (r *LogRange) window() string {
	out := " [" + formatDuration(r.Interval) + "]"
	if r.Offset != 0 {
		out += " offset " + formatDuration(r.Offset)
	}
	return out
}

func (u *Unwrap) String() string {
	out := "| unwrap " + u.Label
	if u.Conversion != "" {
		out = "| unwrap " + u.Conversion + "(" + u.Label + ")"
	}
	for _, f := range u.Filters {
		out += " | " + f.String()
	}
	return out
}

func (g *Grouping) String() string {
	word := "by"
	if g.Without {
		word = "without"
	}
	return word + " (" + strings.Join(g.Labels, ", ") + ")"
}

// head writes the name of an aggregation and its grouping.
func head(op string, g *Grouping) string {
	if g == nil {
		return op
	}
	return op + " " + g.String() + " "
}

func (e *RangeAggregation) String() string {
	out := e.Op + "(" + e.parameter() + e.Range.String() + ")"
	if e.Grouping != nil {
		out += " " + e.Grouping.String()
	}
	return out
}

func (e *RangeAggregation) parameter() string {
	if e.Param == nil {
		return ""
	}
	return formatNumber(*e.Param) + ", "
}

func (e *VectorAggregation) String() string {
	return head(e.Op, e.Grouping) + "(" + e.parameter() + e.Expr.String() + ")"
}

func (e *VectorAggregation) parameter() string {
	if e.Param == 0 {
		return ""
	}
	return strconv.Itoa(e.Param) + ", "
}

func (e *BinaryExpr) String() string {
	return sideString(e.Left, e.leftParentheses()) + " " + e.operator() + " " + sideString(e.Right, e.rightParentheses())
}

func sideString(e MetricExpr, parentheses bool) string {
	if parentheses {
		return "(" + e.String() + ")"
	}
	return e.String()
}

// leftParentheses says whether the left side would be read differently without parentheses; all operators but ^ associate to the
// left.
func (e *BinaryExpr) leftParentheses() bool {
	left, ok := e.Left.(*BinaryExpr)
	if !ok {
		return false
	}
	l, own := precedence[left.Op], precedence[e.Op]
	return l < own || l == own && e.Op == "^"
}

// rightParentheses is the same for the right side.
func (e *BinaryExpr) rightParentheses() bool {
	right, ok := e.Right.(*BinaryExpr)
	if !ok {
		return false
	}
	r, own := precedence[right.Op], precedence[e.Op]
	return r < own || r == own && e.Op != "^"
}

// operator writes the operator with its modifiers.
func (e *BinaryExpr) operator() string {
	parts := []string{string(e.Op)}
	if e.Bool {
		parts = append(parts, "bool")
	}
	m := &e.Matching
	if m.On || len(m.Labels) > 0 || m.Card != OneToOne {
		word := "ignoring"
		if m.On {
			word = "on"
		}
		parts = append(parts, word+" ("+strings.Join(m.Labels, ", ")+")")
	}
	if m.Card != OneToOne {
		word := "group_left"
		if m.Card == OneToMany {
			word = "group_right"
		}
		parts = append(parts, word+" ("+strings.Join(m.Include, ", ")+")")
	}
	return strings.Join(parts, " ")
}

func (e *LabelReplace) String() string {
	return "label_replace(" + e.Expr.String() + ", " + e.arguments() + ")"
}

func (e *LabelReplace) arguments() string {
	return strings.Join([]string{quote(e.Dst), quote(e.Replacement), quote(e.Src), quote(e.Regex)}, ", ")
}

func (e *VectorExpr) String() string { return "vector(" + formatNumber(e.Value) + ")" }
func (e *Literal) String() string    { return formatNumber(e.Value) }

// Format writes the query over several indented lines where it is too long for one. Queries that mean the same to the parser
// are written the same.
func Format(query string) (string, error) {
	e, err := Parse(query)
	if err != nil {
		return "", err
	}
	return strings.Join(pretty(e), "\n"), nil
}

// maxLine is the longest expression that Format leaves on one line.
const maxLine = 80

// pretty returns the lines of an expression: one, where they fit. It looks at every part once, however deep they nest.
func pretty(e Expr) []string {
	switch e := e.(type) {
	case *LogExpr:
		return joinShort(prettyLog(e), " ")
	case *RangeAggregation:
		return joinShort(prettyRange(e), "")
	case *VectorAggregation:
		inner := pretty(e.Expr)
		return joinShort(wrap(head(e.Op, e.Grouping)+"(", parameterLine(e.parameter()), inner, ")"), "")
	case *LabelReplace:
		inner := pretty(e.Expr)
		inner[len(inner)-1] += ", "
		return joinShort(wrap("label_replace(", nil, append(inner, e.arguments()), ")"), "")
	case *BinaryExpr:
		left, right := prettySide(e.Left, e.leftParentheses()), prettySide(e.Right, e.rightParentheses())
		return joinShort(slices.Concat(left, []string{e.operator()}, right), " ")
	}
	return []string{e.String()}
}
func parameterLine(p string) []string {
	if p == "" {
		return nil
	}
	return []string{p}
}

func prettyLog(e *LogExpr) []string {
	out := []string{formatSelector(e.Matchers)}
	for _, s := range e.Stages {
		out = append(out, indent+s.String())
	}
	return out
}

func prettyRange(e *RangeAggregation) []string {
	inner := prettyLog(e.Range.Log)
	if u := e.Range.Unwrap; u != nil {
		inner = append(inner, indent+u.String())
	}
	inner[len(inner)-1] += e.Range.window()
	inner = joinShort(inner, " ")
	end := ")"
	if e.Grouping != nil {
		end += " " + e.Grouping.String()
	}
	return wrap(e.Op+"(", parameterLine(e.parameter()), inner, end)
}

func prettySide(e MetricExpr, parentheses bool) []string {
	if parentheses {
		return joinShort(wrap("(", nil, pretty(e), ")"), "")
	}
	return pretty(e)
}

const indent = "  "

// wrap puts indented lines between two others.
func wrap(open string, first, inner []string, end string) []string {
	out := []string{open}
	for _, line := range slices.Concat(first, inner) {
		out = append(out, indent+line)
	}
	return append(out, end)
}

// joinShort makes one line of several that are short enough together.
func joinShort(lines []string, space string) []string {
	length := 0
	for _, line := range lines {
		length += len(strings.TrimLeft(line, " ")) + len(space)
	}
	if length-len(space) > maxLine {
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " ")
		}
		return lines
	}
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " ")
	}
	return []string{strings.Join(lines, space)}
}
