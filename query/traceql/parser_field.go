package traceql

import (
	"math"
	"regexp"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
)

// fieldOperators by how strong they bind.
var fieldOperators = map[string]int{
	"||": 1, "&&": 2,
	"=": comparisonLevel, "!=": comparisonLevel, "<": comparisonLevel, "<=": comparisonLevel, ">": comparisonLevel, ">=": comparisonLevel, "=~": comparisonLevel, "!~": comparisonLevel,
	"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

const comparisonLevel = 3

func fieldLevel(op string) int { return fieldOperators[op] }

func (p *parser) parseOr() FieldExpr { return p.parseLogical("||", p.parseAnd) }

func (p *parser) parseAnd() FieldExpr { return p.parseLogical("&&", p.parseComparison) }

func (p *parser) parseLogical(op kind, operand func() FieldExpr) FieldExpr {
	start := p.peek().pos
	left := operand()
	for p.peek().kind == op {
		p.mustBeCondition(left, start)
		p.next()
		p.count()
		start := p.peek().pos
		right := operand()
		p.mustBeCondition(right, start)
		left = &Binary{Op: string(op), Left: left, Right: right}
	}
	return left
}

func (p *parser) parseComparison() FieldExpr {
	left := p.parseSum()
	t := p.peek()
	if fieldOperators[string(t.kind)] != comparisonLevel {
		return left
	}
	p.next()
	p.count()
	b := &Binary{Op: string(t.kind), Left: left, Right: p.parseSum()}
	p.checkComparison(b, t.pos)
	if next := p.peek(); fieldOperators[string(next.kind)] == comparisonLevel {
		p.fail(next.pos, "comparisons do not chain: join two of them with &&")
	}
	return b
}

func (p *parser) parseSum() FieldExpr { return p.parseArithmetic([]kind{"+", "-"}, p.parseProduct) }

func (p *parser) parseProduct() FieldExpr {
	return p.parseArithmetic([]kind{"*", "/", "%"}, p.parsePower)
}

func (p *parser) parseArithmetic(ops []kind, operand func() FieldExpr) FieldExpr {
	start := p.peek().pos
	left := operand()
	for slices.Contains(ops, p.peek().kind) {
		p.mustBeNumber(left, start)
		op := p.next()
		p.count()
		start := p.peek().pos
		right := operand()
		p.mustBeNumber(right, start)
		left = &Binary{Op: string(op.kind), Left: left, Right: right}
	}
	return left
}

// parsePower reads a ^ b, which binds to the right.
func (p *parser) parsePower() FieldExpr {
	defer p.deeper()()
	start := p.peek().pos
	left := p.parsePrimary()
	if !p.accept("^") {
		return left
	}
	p.count()
	p.mustBeNumber(left, start)
	start = p.peek().pos
	right := p.parsePower()
	p.mustBeNumber(right, start)
	return &Binary{Op: "^", Left: left, Right: right}
}

func (p *parser) parsePrimary() FieldExpr {
	defer p.deeper()()
	t := p.peek()
	switch t.kind {
	case "(":
		p.next()
		x := p.parseOr()
		p.expect(")")
		return x
	case "!", "-":
		p.next()
		p.count()
		start := p.peek().pos
		return p.signed(t, p.parsePrimary(), start)
	case kindField:
		p.count()
		return p.next().field
	case kindString:
		p.next()
		return &Literal{Type: TextType, Value: model.TextValue(t.text)}
	case kindNumber:
		p.next()
		return &Literal{Type: NumberType, Value: t.value, Text: t.text}
	case kindDuration:
		p.next()
		return &Literal{Type: DurationType, Value: t.value, Text: t.text}
	case kindWord:
		return p.parseWord()
	}
	p.unexpected("a field or a value")
	return nil
}

// signed applies ! or -.
func (p *parser) signed(sign *token, x FieldExpr, start int) FieldExpr {
	if sign.kind == "!" {
		p.mustBeCondition(x, start)
		return &Unary{Op: "!", X: x}
	}
	p.mustBeNumber(x, start)
	if l, ok := x.(*Literal); ok && l.Text[0] != '-' {
		return &Literal{Type: l.Type, Value: negate(l.Value), Text: "-" + l.Text}
	}
	return &Unary{Op: "-", X: x}
}

func (p *parser) parseWord() FieldExpr {
	t := p.next()
	p.count()
	if f := newIntrinsic(t.text, false); f != nil {
		return f
	}
	literal := func(kind Type, v model.Value) *Literal { return &Literal{Type: kind, Value: v, Text: t.text} }
	switch t.text {
	case "true", "false":
		return literal(BooleanType, model.Boolean(t.text == "true"))
	case "nil":
		return literal(NilType, model.Value{})
	case "minInt":
		return literal(NumberType, model.Int64(math.MinInt64))
	case "maxInt":
		return literal(NumberType, model.Int64(math.MaxInt64))
	}
	if s, ok := model.ParseSpanStatus(t.text); ok {
		return literal(StatusType, model.Int64(int64(s)))
	}
	if k, ok := model.ParseSpanKind(t.text); ok {
		return literal(KindType, model.Int64(int64(k)))
	}
	p.fail(t.pos, "%s is no intrinsic field and no value: write .%s for an attribute, or \"%s\" for a string", shorten(t.text), shorten(t.text), shorten(t.text))
	return nil
}

// typeOf returns what an expression is.
func typeOf(x FieldExpr) Type {
	switch x := x.(type) {
	case *Field:
		return x.Type()
	case *Literal:
		return x.Type
	case *Unary:
		if x.Op == "!" {
			return BooleanType
		}
		return typeOf(x.X)
	case *Binary:
		if fieldLevel(x.Op) <= comparisonLevel {
			return BooleanType
		}
		if typeOf(x.Left) == DurationType || typeOf(x.Right) == DurationType {
			return DurationType
		}
		return NumberType
	}
	return AnyType
}

// containsCondition says whether an expression is a comparison or made of them.
func containsCondition(x FieldExpr) bool {
	switch x := x.(type) {
	case *Unary:
		return x.Op == "!"
	case *Binary:
		return fieldLevel(x.Op) <= comparisonLevel
	}
	return false
}

func (p *parser) mustBeCondition(x FieldExpr, pos int) {
	if t := typeOf(x); t != BooleanType && t != AnyType {
		p.fail(pos, "%s is %s, where a condition is expected: compare it with a value", shorten(x.String()), t)
	}
}

func (p *parser) mustBeNumber(x FieldExpr, pos int) {
	if t := typeOf(x); t != NumberType && t != DurationType && t != AnyType {
		p.fail(pos, "%s is %s, where a number is expected", shorten(x.String()), t)
	}
}

// checkComparison fails unless both sides may be compared, and compiles a pattern.
func (p *parser) checkComparison(b *Binary, pos int) {
	if containsCondition(b.Left) || containsCondition(b.Right) {
		p.fail(pos, "a condition cannot be compared: negate it with !( ) or join it with && or ||")
	}
	left, right := typeOf(b.Left), typeOf(b.Right)
	switch b.Op {
	case "=~", "!~":
		p.compilePattern(b, pos)
		return
	case "=", "!=":
	default:
		for _, t := range []Type{left, right} {
			if t == NilType || t == BooleanType || t == StatusType || t == KindType {
				p.fail(pos, "%s has no order: compare it with = or !=", t)
			}
		}
	}
	if left == NilType || right == NilType {
		_, isField := b.Left.(*Field)
		if _, alsoField := b.Right.(*Field); !isField && !alsoField {
			p.fail(pos, "only a field can be compared with nil")
		}
		return
	}
	numeric := func(t Type) bool { return t == NumberType || t == DurationType }
	if left != right && left != AnyType && right != AnyType && (!numeric(left) || !numeric(right)) {
		p.fail(pos, "%s is %s and %s is %s: they are never equal", shorten(b.Left.String()), left, shorten(b.Right.String()), right)
	}
}

func (p *parser) compilePattern(b *Binary, pos int) {
	literal, ok := b.Right.(*Literal)
	if !ok || literal.Type != TextType {
		p.fail(pos, `%s needs a string on its right side, such as "GET.*"`, b.Op)
	}
	if _, ok := b.Left.(*Field); !ok || typeOf(b.Left) != TextType && typeOf(b.Left) != AnyType {
		p.fail(pos, "%s needs a field of strings on its left side; %s is %s", b.Op, shorten(b.Left.String()), typeOf(b.Left))
	}
	pattern, err := regexp.Compile("^(?:" + literal.Value.Text + ")$")
	if err != nil {
		p.fail(pos, "the regular expression %s cannot be read: %v", quoteText(shorten(literal.Value.Text)), err)
	}
	b.pattern = pattern
}
