package traceql

import (
	"slices"
	"strings"
)

const (
	// maxQuerySize is the longest query in bytes that is read at all; those that Grafana makes have less than one kilobyte.
	maxQuerySize = 64 << 10
	// maxDepth is how deep parentheses and signs may nest: it bounds the stack of everything that walks a query.
	maxDepth = 64
	// maxOperators is how many operators, stages and fields a query may have, since chains of them are deep trees too.
	maxOperators = 1000
)

// Parse reads a query. Its errors are *ParseError.
func Parse(query string) (*Query, error) {
	if len(query) > maxQuerySize {
		return nil, errorAt(0, "the query has %d bytes: %d are the most", len(query), maxQuerySize)
	}
	tokens, err := lex(query)
	if err != nil {
		return nil, err
	}
	return run(&parser{tokens: tokens})
}

// parser reads tokens. Its methods panic with a *ParseError, which run recovers: the grammar stays readable.
type parser struct {
	tokens    []token
	at        int
	depth     int
	operators int
}

func run(p *parser) (q *Query, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *ParseError:
			q, err = nil, r
		default:
			panic(r)
		}
	}()
	q = p.parseQuery()
	if p.peek().kind != kindEnd {
		p.unexpected("the end of the query, | or an operator")
	}
	return q, nil
}

func (p *parser) peek() *token { return &p.tokens[p.at] }

// peek2 returns the token behind the next one.
func (p *parser) peek2() *token { return &p.tokens[min(p.at+1, len(p.tokens)-1)] }

func (p *parser) next() *token {
	t := &p.tokens[p.at]
	if t.kind != kindEnd {
		p.at++
	}
	return t
}

// accept passes the next token when it is of the kind.
func (p *parser) accept(k kind) bool {
	if p.peek().kind != k {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(k kind) *token {
	if p.peek().kind != k {
		p.unexpected(string(k))
	}
	return p.next()
}

func (p *parser) isWord(words ...string) bool {
	return p.peek().kind == kindWord && slices.Contains(words, p.peek().text)
}

func (p *parser) fail(pos int, format string, args ...any) { panic(errorAt(pos, format, args...)) }

func (p *parser) unexpected(wanted string) {
	t := p.peek()
	switch t.kind {
	case kindWord, kindField, kindNumber, kindDuration:
		p.fail(t.pos, "unexpected %s: %s is expected here", shorten(t.text), wanted)
	case kindString:
		p.fail(t.pos, "unexpected string %s: %s is expected here", quoteText(shorten(t.text)), wanted)
	}
	p.fail(t.pos, "unexpected %s: %s is expected here", t.kind, wanted)
}

// deeper counts what nests; the caller defers what it returns.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().pos, "the query nests deeper than %d", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) count() {
	if p.operators++; p.operators > maxOperators {
		p.fail(p.peek().pos, "the query has more than %d operators and fields", maxOperators)
	}
}

func (p *parser) parseQuery() *Query {
	q := &Query{Pipeline: &Pipeline{Stages: []Stage{p.parseFirstStage()}}}
	for p.accept("|") {
		p.count()
		if p.isMetrics() {
			q.Metrics = p.parseMetrics()
			break
		}
		q.Pipeline.Stages = append(q.Pipeline.Stages, p.parseStage())
	}
	if p.isWord("with") {
		q.Hints = p.parseHints()
	}
	return q
}

func (p *parser) parseFirstStage() Stage {
	if t := p.peek(); t.kind != "{" && t.kind != "(" {
		p.unexpected(`a filter such as { resource.service.name = "web" } or { }`)
	}
	return p.parseSpanset(0)
}

// parsePipeline reads what stands in parentheses.
func (p *parser) parsePipeline() *Pipeline {
	out := &Pipeline{Stages: []Stage{p.parseFirstStage()}}
	for p.accept("|") {
		p.count()
		out.Stages = append(out.Stages, p.parseStage())
	}
	return out
}

func (p *parser) parseStage() Stage {
	t := p.peek()
	switch {
	case t.kind == "{":
		return p.parseSpanset(0)
	case t.kind == "(" && p.parenthesisHoldsSpansets():
		return p.parseSpanset(0)
	case p.isWord("by"):
		return p.parseBy()
	case p.isWord("select"):
		p.next()
		return &Select{Fields: p.parseFields("select")}
	case p.isWord("coalesce"):
		p.next()
		p.expect("(")
		p.expect(")")
		return &Coalesce{}
	case p.isMetrics():
		p.fail(t.pos, "%s is the last function of a query: it cannot be in parentheses", t.text)
	case p.isWord("topk", "bottomk"):
		p.fail(t.pos, "%s needs a metrics function before it, such as rate()", t.text)
	}
	return p.parseScalarFilter()
}

// parenthesisHoldsSpansets looks behind the opening parentheses.
func (p *parser) parenthesisHoldsSpansets() bool {
	i := p.at
	for p.tokens[i].kind == "(" {
		i++
	}
	return p.tokens[i].kind == "{"
}

func (p *parser) parseBy() *By {
	p.next()
	p.expect("(")
	out := &By{}
	for {
		start := p.peek().pos
		x := p.parseSum()
		if containsCondition(x) {
			p.fail(start, "by() groups by fields and arithmetic of them, not by conditions")
		}
		p.count()
		out.Fields = append(out.Fields, x)
		if !p.accept(",") {
			p.expect(")")
			return out
		}
	}
}

// parseFields reads (a, b): fields alone.
func (p *parser) parseFields(function string) []*Field {
	p.expect("(")
	var out []*Field
	for {
		out = append(out, p.parseFieldAlone(function))
		if !p.accept(",") {
			p.expect(")")
			return out
		}
	}
}

func (p *parser) parseFieldAlone(function string) *Field {
	p.count()
	t := p.peek()
	if t.kind == kindWord {
		if f := newIntrinsic(t.text, false); f != nil {
			p.next()
			return f
		}
		p.fail(t.pos, "%s is no intrinsic field: write .%s for an attribute, or one of span.%s, resource.%s", shorten(t.text), shorten(t.text), shorten(t.text), shorten(t.text))
	}
	if t.kind != kindField {
		p.unexpected("a field in " + function + "(), such as resource.service.name or name")
	}
	return p.next().field
}

// spansetOperators by how strong they bind.
var spansetOperators = map[string]int{
	"||": 1, "&&": 2,
	">": 3, ">>": 3, "<": 3, "<<": 3, "~": 3,
	"!>": 3, "!>>": 3, "!<": 3, "!<<": 3, "!~": 3,
	"&>": 3, "&>>": 3, "&<": 3, "&<<": 3, "&~": 3,
}

func spansetLevel(op string) int { return spansetOperators[op] }

// parseSpanset reads operations that bind stronger than level.
func (p *parser) parseSpanset(level int) SpansetExpr {
	left := p.parseSpansetOperand()
	for {
		op := string(p.peek().kind)
		strength := spansetOperators[op]
		if strength <= level {
			return left
		}
		p.next()
		p.count()
		left = &SpansetOperation{Op: op, Left: left, Right: p.parseSpanset(strength)}
	}
}

func (p *parser) parseSpansetOperand() SpansetExpr {
	defer p.deeper()()
	if p.accept("(") {
		inner := p.parsePipeline()
		p.expect(")")
		if len(inner.Stages) == 1 {
			return inner.Stages[0].(SpansetExpr)
		}
		return &Group{Pipeline: inner}
	}
	if p.peek().kind != "{" {
		p.unexpected(`a filter such as { resource.service.name = "web" }`)
	}
	return p.parseFilter()
}

// parseFilter reads { condition }.
func (p *parser) parseFilter() *SpansetFilter {
	p.expect("{")
	out := &SpansetFilter{}
	if !p.accept("}") {
		start := p.peek().pos
		out.Condition = p.parseOr()
		p.mustBeCondition(out.Condition, start)
		if p.peek().kind != "}" {
			p.unexpected("} or an operator such as && or =")
		}
		p.next()
	}
	out.node = compile(out.Condition)
	return out
}

// parseHints reads with(name=value, …).
func (p *parser) parseHints() []Hint {
	p.next()
	p.expect("(")
	var out []Hint
	for {
		t := p.expect(kindWord)
		p.count()
		if !slices.Contains(hints, t.text) {
			p.fail(t.pos, "%s is no hint: those there are are %s", shorten(t.text), strings.Join(hints, ", "))
		}
		p.expect("=")
		start := p.peek().pos
		value, ok := p.parsePrimary().(*Literal)
		if !ok || value.Type != BooleanType && value.Type != NumberType {
			p.fail(start, "the hint %s is true, false or a number", t.text)
		}
		out = append(out, Hint{Name: t.text, Value: value})
		if !p.accept(",") {
			p.expect(")")
			return out
		}
	}
}

// hints are the names in with(). Those of sampling are read and change nothing: results are always exact.
var hints = []string{"exemplars", "most_recent", "sample", "span_sample", "trace_sample"}
