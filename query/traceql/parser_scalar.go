package traceql

import "slices"

var aggregateFunctions = []string{"count", "avg", "min", "max", "sum"}

// parseScalarFilter reads a comparison of aggregates.
func (p *parser) parseScalarFilter() *ScalarFilter {
	left := p.parseScalarSum()
	t := p.peek()
	if !slices.Contains([]kind{"=", "!=", "<", "<=", ">", ">="}, t.kind) {
		p.unexpected("a comparison of the aggregate, such as count() > 2,")
	}
	p.next()
	p.count()
	f := &ScalarFilter{Op: string(t.kind), Left: left, Right: p.parseScalarSum()}
	if !hasAggregate(f.Left) && !hasAggregate(f.Right) {
		p.fail(t.pos, "an aggregate is missing: one of count(), avg(x), min(x), max(x), sum(x)")
	}
	return f
}

func hasAggregate(x ScalarExpr) bool {
	switch x := x.(type) {
	case *Aggregate:
		return true
	case *ScalarOperation:
		return hasAggregate(x.Left) || hasAggregate(x.Right)
	}
	return false
}

func (p *parser) parseScalarSum() ScalarExpr {
	return p.parseScalarOperation([]kind{"+", "-"}, p.parseScalarProduct)
}

func (p *parser) parseScalarProduct() ScalarExpr {
	return p.parseScalarOperation([]kind{"*", "/", "%"}, p.parseScalarPower)
}

func (p *parser) parseScalarPower() ScalarExpr {
	return p.parseScalarOperation([]kind{"^"}, p.parseScalarPrimary)
}

func (p *parser) parseScalarOperation(ops []kind, operand func() ScalarExpr) ScalarExpr {
	left := operand()
	for slices.Contains(ops, p.peek().kind) {
		op := p.next()
		p.count()
		left = &ScalarOperation{Op: string(op.kind), Left: left, Right: operand()}
	}
	return left
}

func (p *parser) parseScalarPrimary() ScalarExpr {
	defer p.deeper()()
	t := p.peek()
	switch {
	case t.kind == "(":
		p.next()
		x := p.parseScalarSum()
		p.expect(")")
		return x
	case p.isWord(aggregateFunctions...):
		return p.parseAggregate()
	case t.kind == kindNumber, t.kind == kindDuration, t.kind == "-":
		if l, ok := p.parsePrimary().(*Literal); ok {
			return l
		}
		p.fail(t.pos, "a number or an aggregate is expected here")
	case t.kind == kindWord && p.peek2().kind == "(":
		p.fail(t.pos, "%s is no function of a pipeline: those there are are by, select, coalesce, count, avg, min, max, sum, and of metrics rate, count_over_time, min_over_time, max_over_time, avg_over_time, sum_over_time, quantile_over_time, histogram_over_time, compare", shorten(t.text))
	}
	p.unexpected("a stage such as count() > 2, by(), select(), rate() or { }")
	return nil
}

func (p *parser) parseAggregate() *Aggregate {
	a := &Aggregate{Func: p.next().text}
	p.expect("(")
	if a.Func != "count" {
		start := p.peek().pos
		a.Expr = p.parseSum()
		p.mustBeNumber(a.Expr, start)
	}
	p.expect(")")
	return a
}
