package logql

import (
	"math"
	"slices"
	"strings"
)

// precedence is how strongly binary operators bind; ^ is the only one that associates to the right.
var precedence = map[BinaryOp]int{
	"or": 1, "and": 2, "unless": 2,
	"==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

// Comparison says whether the operator compares, Logical whether it is and, or or unless.
func (o BinaryOp) Comparison() bool { return precedence[o] == 3 }

// Logical says whether the operator works on sets of series.
func (o BinaryOp) Logical() bool { return o == "and" || o == "or" || o == "unless" }

// parseExpr reads a whole expression.
func (p *parser) parseExpr() Expr { return p.parseBinary(1) }

// parseBinary reads operators of at least this precedence.
func (p *parser) parseBinary(least int) Expr {
	defer p.enter()()
	left := p.parseOperand()
	for {
		op, ok := p.binaryOp()
		if !ok || precedence[op] < least {
			return left
		}
		left = p.parseRight(left, op)
	}
}

func (p *parser) binaryOp() (BinaryOp, bool) {
	t := p.peek()
	op := BinaryOp(t.text)
	if t.kind == kindString || t.kind == kindEnd || precedence[op] == 0 {
		return "", false
	}
	return op, true
}

// parseRight reads an operator with its modifiers and its right side.
func (p *parser) parseRight(left Expr, op BinaryOp) Expr {
	p.countOperator()
	pos := p.next().pos
	b := &BinaryExpr{Op: op}
	p.parseModifiers(b)
	least := precedence[op] + 1
	if op == "^" {
		least = precedence[op]
	}
	right := p.parseBinary(least)
	b.Left = p.side(left, "left", op, pos)
	b.Right = p.side(right, "right", op, pos)
	return b
}

// side checks one side of a binary operator.
func (p *parser) side(e Expr, which string, op BinaryOp, pos int) MetricExpr {
	m, ok := e.(MetricExpr)
	if !ok {
		p.fail(pos, "unexpected type for %s leg of binary operation (%s): it is a log query, wrap it in a range aggregation such as rate({...}[5m])", which, op)
	}
	if lit, ok := m.(*Literal); ok && op.Logical() {
		p.fail(pos, "unexpected literal for %s leg of logical/set binary operation (%s): %s", which, op, formatNumber(lit.Value))
	}
	return m
}

// parseModifiers reads bool, on (...) or ignoring (...), group_left (...) or group_right (...).
func (p *parser) parseModifiers(b *BinaryExpr) {
	pos := p.peek().pos
	if p.acceptWord("bool") {
		if !b.Op.Comparison() {
			p.fail(pos, "bool modifier can only be used on comparison operators")
		}
		b.Bool = true
	}
	if !p.isWord("on") && !p.isWord("ignoring") {
		return
	}
	b.Matching.On = p.next().text == "on"
	b.Matching.Labels = p.parseNames()
	if !p.isWord("group_left") && !p.isWord("group_right") {
		return
	}
	group := p.next()
	if b.Op.Logical() {
		p.fail(group.pos, "no grouping allowed for \"%s\" operation", b.Op)
	}
	b.Matching.Card = ManyToOne
	if group.text == "group_right" {
		b.Matching.Card = OneToMany
	}
	if p.peek().kind == "(" {
		b.Matching.Include = p.parseNames()
	}
	for _, name := range b.Matching.Include {
		if b.Matching.On && slices.Contains(b.Matching.Labels, name) {
			p.fail(group.pos, "label \"%s\" must not occur in ON and GROUP clause at once", name)
		}
	}
}

// parseNames reads (a, b).
func (p *parser) parseNames() []string {
	p.expect("(")
	names := []string{}
	for !p.accept(")") {
		names = append(names, p.expect(kindIdentifier).text)
		if !p.accept(",") && p.peek().kind != ")" {
			p.unexpected(",", ")")
		}
	}
	return names
}

// parseOperand reads what stands between operators.
func (p *parser) parseOperand() Expr {
	switch t := p.peek(); t.kind {
	case "{":
		return p.parseLog()
	case "(":
		p.next()
		e := p.parseExpr()
		p.expect(")")
		return e
	case kindNumber, "-", "+":
		return &Literal{p.parseNumber()}
	case kindIdentifier:
		return p.parseFunction()
	}
	p.unexpected()
	return nil
}

// parseNumber reads a number with its sign.
func (p *parser) parseNumber() float64 {
	negative := p.accept("-")
	if !negative {
		p.accept("+")
	}
	return signed(p.expect(kindNumber).number, negative)
}

// parseFunction reads everything that begins with a name.
func (p *parser) parseFunction() Expr {
	name := p.peek().text
	switch {
	case name == "label_replace":
		return p.parseLabelReplace()
	case name == "vector":
		p.next()
		p.expect("(")
		v := &VectorExpr{p.parseNumber()}
		p.expect(")")
		return v
	case slices.Contains(RangeOps[:], name):
		return p.parseRangeAggregation()
	case slices.Contains(VectorOps[:], name):
		return p.parseVectorAggregation()
	}
	p.unexpected()
	return nil
}

func (p *parser) parseLabelReplace() Expr {
	pos := p.next().pos
	p.expect("(")
	e := &LabelReplace{Expr: p.metric(p.parseExpr(), pos, "label_replace")}
	for _, field := range []*string{&e.Dst, &e.Replacement, &e.Src, &e.Regex} {
		p.expect(",")
		*field = p.expect(kindString).text
	}
	p.expect(")")
	if _, err := compileAnchored(e.Regex); err != nil {
		p.fail(pos, "invalid regular expression in label_replace: %s", regexpReason(err))
	}
	if !validName(e.Dst) {
		p.fail(pos, "invalid destination label name in label_replace: %s", shorten(e.Dst))
	}
	return e
}

func validName(name string) bool {
	if name == "" || !isNameStart(name[0]) {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 || !isNamePart(byte(r)) }) < 0
}

func (p *parser) metric(e Expr, pos int, what string) MetricExpr {
	m, ok := e.(MetricExpr)
	if !ok {
		p.fail(pos, "syntax error: %s takes a metric query: wrap the log query in a range aggregation such as rate({...}[5m])", what)
	}
	return m
}

// parseGrouping reads by (a, b) or without (a, b), or nothing.
func (p *parser) parseGrouping() *Grouping {
	if !p.isWord("by") && !p.isWord("without") {
		return nil
	}
	return &Grouping{Without: p.next().text == "without", Labels: p.parseNames()}
}

// groupingAgain reads the grouping behind the parentheses, unless there was one before them.
func (p *parser) groupingAgain(before *Grouping) *Grouping {
	if before != nil {
		return before
	}
	return p.parseGrouping()
}

func (p *parser) parseVectorAggregation() Expr {
	op := p.next()
	a := &VectorAggregation{Op: op.text, Grouping: p.parseGrouping()}
	p.expect("(")
	wants := op.text == "topk" || op.text == "bottomk" || op.text == "approx_topk"
	has := p.peek2().kind == "," && p.peek().kind == kindNumber || p.peek().kind == "-" && p.peek2().kind == kindNumber && p.tokens[p.at+2].kind == ","
	switch {
	case wants && !has:
		p.fail(op.pos, "parameter required for operation %s: %s(5, ...)", op.text, op.text)
	case has && !wants:
		p.fail(op.pos, "unsupported parameter for operation %s", op.text)
	case has:
		a.Param = p.parseCount(op)
		p.expect(",")
	}
	a.Expr = p.metric(p.parseExpr(), op.pos, op.text)
	p.expect(")")
	a.Grouping = p.groupingAgain(a.Grouping)
	if a.Grouping != nil && (a.Op == "sort" || a.Op == "sort_desc") {
		p.fail(op.pos, "grouping not allowed for %s", a.Op)
	}
	return a
}

// parseCount reads the number of series of topk.
func (p *parser) parseCount(op *token) int {
	v := p.parseNumber()
	if v != math.Trunc(v) || v > math.MaxInt32 {
		p.fail(op.pos, "invalid parameter (it must be a whole number) %s(%s,", op.text, formatNumber(v))
	}
	if v < 1 {
		p.fail(op.pos, "invalid parameter (must be greater than 0) %s(%s", op.text, formatNumber(v))
	}
	return int(v)
}

func (p *parser) parseRangeAggregation() Expr {
	op := p.next()
	a := &RangeAggregation{Op: op.text, Grouping: p.parseGrouping()}
	p.expect("(")
	if k := p.peek().kind; k == kindNumber || k == "-" || k == "+" {
		v := p.parseNumber()
		a.Param = &v
		p.expect(",")
	}
	a.Range = p.parseRange()
	p.expect(")")
	a.Grouping = p.groupingAgain(a.Grouping)
	p.checkRange(a, op.pos)
	return a
}

// rangeRules says what range aggregations take.
var rangeRules = map[string]struct{ needsUnwrap, refusesUnwrap, groups bool }{
	"rate":               {},
	"absent_over_time":   {},
	"count_over_time":    {refusesUnwrap: true},
	"bytes_rate":         {refusesUnwrap: true},
	"bytes_over_time":    {refusesUnwrap: true},
	"rate_counter":       {needsUnwrap: true},
	"sum_over_time":      {needsUnwrap: true},
	"avg_over_time":      {needsUnwrap: true, groups: true},
	"max_over_time":      {needsUnwrap: true, groups: true},
	"min_over_time":      {needsUnwrap: true, groups: true},
	"first_over_time":    {needsUnwrap: true, groups: true},
	"last_over_time":     {needsUnwrap: true, groups: true},
	"stddev_over_time":   {needsUnwrap: true, groups: true},
	"stdvar_over_time":   {needsUnwrap: true, groups: true},
	"quantile_over_time": {needsUnwrap: true, groups: true},
}

func (p *parser) checkRange(a *RangeAggregation, pos int) {
	rule := rangeRules[a.Op]
	switch {
	case a.Op == "quantile_over_time" && a.Param == nil:
		p.fail(pos, "parameter required for operation quantile_over_time: quantile_over_time(0.95, ...)")
	case a.Op != "quantile_over_time" && a.Param != nil:
		p.fail(pos, "parameter %s not supported for operation %s", formatNumber(*a.Param), a.Op)
	case rule.needsUnwrap && a.Range.Unwrap == nil:
		p.fail(pos, "invalid aggregation %s without unwrap", a.Op)
	case rule.refusesUnwrap && a.Range.Unwrap != nil:
		p.fail(pos, "invalid aggregation %s with unwrap", a.Op)
	case a.Grouping != nil && !rule.groups:
		p.fail(pos, "grouping not allowed for %s aggregation", a.Op)
	}
}

// parseRange reads {a="b"} | stages | unwrap x [5m] offset 1h, where the range may also stand behind the selector or behind any
// stage, and parentheses around the log query.
func (p *parser) parseRange() *LogRange {
	r := &LogRange{}
	open := 0
	for p.accept("(") {
		open++
	}
	r.Log = &LogExpr{Matchers: p.parseSelector()}
	for {
		switch {
		case p.peek().kind == "[" && r.Interval == 0:
			p.parseInterval(r)
		case open > 0 && p.peek().kind == ")":
			p.next()
			open--
		case p.atUnwrap() && r.Unwrap == nil:
			r.Unwrap = p.parseUnwrap()
		case p.atStage() && r.Unwrap == nil:
			r.Log.Stages = append(r.Log.Stages, p.parseStage())
		case p.peek().kind == "|" && r.Unwrap != nil && !p.atUnwrap():
			r.Unwrap.Filters = append(r.Unwrap.Filters, p.parseUnwrapFilter())
		default:
			if open > 0 {
				p.unexpected(")")
			}
			if r.Interval == 0 {
				p.unexpected("[", "|")
			}
			return r
		}
	}
}

func (p *parser) parseUnwrapFilter() LabelFilter {
	p.expect("|")
	pos := p.peek().pos
	f, ok := p.parsePipeStage().(*LabelFilterStage)
	if !ok {
		p.fail(pos, "syntax error: only label filters are possible behind unwrap")
	}
	return f.Filter
}

// parseInterval reads [5m] offset 1h.
func (p *parser) parseInterval(r *LogRange) {
	p.expect("[")
	t := p.expect(kindDuration)
	if t.duration <= 0 {
		p.fail(t.pos, "the range must be longer than nothing")
	}
	r.Interval = t.duration
	p.expect("]")
	if p.acceptWord("offset") {
		negative := p.accept("-")
		r.Offset = signed(p.expect(kindDuration).duration, negative)
	}
}

// parseUnwrap reads | unwrap name or | unwrap conversion(name).
func (p *parser) parseUnwrap() *Unwrap {
	p.expect("|")
	p.next()
	u := &Unwrap{Label: p.expect(kindIdentifier).text}
	if !p.accept("(") {
		return u
	}
	switch u.Label {
	case "duration", "duration_seconds", "bytes":
	default:
		p.fail(p.peek().pos, "unknown conversion %s: unwrap has duration, duration_seconds and bytes", u.Label)
	}
	u.Conversion, u.Label = u.Label, p.expect(kindIdentifier).text
	p.expect(")")
	return u
}
