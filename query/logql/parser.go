package logql

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// maxQuerySize is the longest query in bytes that is read at all; dashboards' longest are some kilobytes.
	maxQuerySize = 128 << 10
	// maxDepth is how deep parentheses, functions and filters may nest: it bounds the stack of everything that walks a query.
	maxDepth = 500
	// maxOperators is how many binary operators a query may have, since chains of them are deep trees too.
	maxOperators = 1000
)

// Parse reads a query. Its errors are *ParseError.
func Parse(query string) (Expr, error) {
	p, err := newParser(query)
	if err != nil {
		return nil, err
	}
	return run(p, p.parseExpr)
}

// ParseLog reads a query that must be a log query.
func ParseLog(query string) (*LogExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	log, ok := e.(*LogExpr)
	if !ok {
		return nil, errorAt(query, 0, "only a log query is possible here, not a metric query")
	}
	return log, nil
}

// ParseSelector reads a stream selector: {a="b", c=~"d"}.
func ParseSelector(selector string) ([]*labels.Matcher, error) {
	p, err := newParser(selector)
	if err != nil {
		return nil, err
	}
	return run(p, p.parseSelector)
}

// parser reads tokens. Its methods panic with a *ParseError, which run recovers: the grammar stays readable.
type parser struct {
	query     string
	tokens    []token
	at        int
	depth     int
	operators int
}

func newParser(query string) (*parser, error) {
	if len(query) > maxQuerySize {
		return nil, &ParseError{Line: 1, Col: 1, Text: "input size too long: the query has more than 131072 bytes"}
	}
	tokens, err := lex(query)
	if err != nil {
		return nil, err
	}
	return &parser{query: query, tokens: tokens}, nil
}

// run calls a method of the parser, which must use up all tokens.
func run[T any](p *parser, parse func() T) (out T, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *ParseError:
			err = r
		default:
			panic(r)
		}
	}()
	out = parse()
	if p.peek().kind != kindEnd {
		p.unexpected()
	}
	return out, nil
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

// acceptWord passes the next token when it is this identifier.
func (p *parser) acceptWord(word string) bool {
	if !p.isWord(word) {
		return false
	}
	p.next()
	return true
}

func (p *parser) isWord(word string) bool {
	t := p.peek()
	return t.kind == kindIdentifier && t.text == word
}

func (p *parser) expect(k kind) *token {
	if p.peek().kind != k {
		p.unexpected(string(k))
	}
	return p.next()
}

// unexpected fails at the next token.
func (p *parser) unexpected(expecting ...string) {
	t := p.peek()
	text := "syntax error: unexpected " + string(t.kind)
	if t.kind == kindIdentifier && slices.Contains(expecting, string(kindIdentifier)) || t.kind == kindIdentifier && isKeyword(t.text) {
		text = "syntax error: unexpected " + t.text
	}
	if len(expecting) > 0 {
		text += ", expecting " + strings.Join(expecting, " or ")
	}
	p.fail(t.pos, "%s", text)
}

func isKeyword(word string) bool {
	switch word {
	case "and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "unwrap":
		return true
	}
	return slices.Contains(RangeOps[:], word) || slices.Contains(VectorOps[:], word)
}

func (p *parser) fail(pos int, format string, args ...any) {
	panic(errorAt(p.query, pos, format, args...))
}

// enter counts a level of nesting; the caller defers what it returns.
func (p *parser) enter() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek().pos, "the query is nested deeper than %d levels", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) countOperator() {
	if p.operators++; p.operators > maxOperators {
		p.fail(p.peek().pos, "the query has more than %d operators", maxOperators)
	}
}

// parseSelector reads {name="value", ...}.
func (p *parser) parseSelector() []*labels.Matcher {
	p.expect("{")
	matchers := []*labels.Matcher{}
	for !p.accept("}") {
		matchers = append(matchers, p.parseMatcher())
		if !p.accept(",") && p.peek().kind != "}" {
			p.unexpected("}", ",")
		}
	}
	return matchers
}

var matchTypes = map[kind]labels.MatchType{
	"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp,
}

// parseMatcher reads name="value".
func (p *parser) parseMatcher() *labels.Matcher {
	name := p.expect(kindIdentifier)
	op, ok := matchTypes[p.peek().kind]
	if !ok {
		p.unexpected("=", "=~", "!=", "!~")
	}
	p.next()
	return p.newMatcher(op, name.text, p.expect(kindString))
}

func (p *parser) newMatcher(op labels.MatchType, name string, value *token) *labels.Matcher {
	m, err := labels.NewMatcher(op, name, value.text)
	if err != nil {
		p.fail(value.pos, "invalid regular expression %q: %s", shorten(value.text), regexpReason(err))
	}
	return m
}

// parseLog reads a selector and its stages.
func (p *parser) parseLog() *LogExpr {
	e := &LogExpr{Matchers: p.parseSelector()}
	for p.atStage() {
		if p.atUnwrap() {
			p.fail(p.peek2().pos, "unwrap is only possible in a range aggregation such as sum_over_time({...} | unwrap x [5m])")
		}
		e.Stages = append(e.Stages, p.parseStage())
	}
	return e
}

// atStage says whether a stage of a pipeline comes next.
func (p *parser) atStage() bool {
	switch p.peek().kind {
	case "|", "|=", "|~", "|>", "!=", "!~", "!>":
		return true
	}
	return false
}

func (p *parser) atUnwrap() bool {
	return p.peek().kind == "|" && p.peek2().kind == kindIdentifier && p.peek2().text == "unwrap" && p.tokens[p.at+2].kind == kindIdentifier
}
