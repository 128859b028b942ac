package logql

import (
	"strings"
)

// parseStage reads one stage with its leading operator or pipe, and checks what it holds.
func (p *parser) parseStage() Stage {
	pos := p.peek().pos
	var s Stage
	if p.accept("|") {
		pos = p.peek().pos
		s = p.parsePipeStage()
	} else {
		s = p.parseLineFilter()
	}
	if err := checkStage(s); err != nil {
		p.fail(pos, "%s", err)
	}
	return s
}

// parseLineFilter reads |= "a" or ip("b").
func (p *parser) parseLineFilter() *LineFilter {
	f := &LineFilter{Op: LineOp(p.next().kind)}
	for {
		f.Alternatives = append(f.Alternatives, p.parseLineMatch())
		if !p.acceptWord("or") {
			return f
		}
	}
}

func (p *parser) parseLineMatch() LineMatch {
	t := p.peek()
	if t.kind == kindIdentifier && (t.text == "ip" || t.text == "any") && p.peek2().kind == "(" {
		p.next()
		p.next()
		text := p.expect(kindString).text
		p.expect(")")
		return LineMatch{Func: t.text, Text: text}
	}
	return LineMatch{Text: p.expect(kindString).text}
}

// stageParsers read what stands behind the name of a stage.
var stageParsers = map[string]func(*parser) Stage{
	"json":         (*parser).parseJSON,
	"logfmt":       (*parser).parseLogfmt,
	"regexp":       func(p *parser) Stage { return &RegexpParser{p.expect(kindString).text} },
	"pattern":      func(p *parser) Stage { return &PatternParser{p.expect(kindString).text} },
	"unpack":       func(*parser) Stage { return &Unpack{} },
	"line_format":  func(p *parser) Stage { return &LineFormat{p.expect(kindString).text} },
	"label_format": (*parser).parseLabelFormat,
	"decolorize":   func(*parser) Stage { return &Decolorize{} },
	"drop":         func(p *parser) Stage { return &Drop{p.parseLabelChoices()} },
	"keep":         func(p *parser) Stage { return &Keep{p.parseLabelChoices()} },
}

func (p *parser) parsePipeStage() Stage {
	t := p.peek()
	if t.kind != kindIdentifier && t.kind != "(" {
		p.unexpected("a stage such as json, logfmt, pattern, line_format", "a label filter")
	}
	if parse, ok := stageParsers[t.text]; ok && !isCompare(p.peek2().kind) {
		p.next()
		return parse(p)
	}
	return &LabelFilterStage{p.parseLabelFilter()}
}

func (p *parser) parseJSON() Stage { return &JSONParser{p.parseExtractions()} }

func (p *parser) parseLogfmt() Stage {
	s := &LogfmtParser{}
	for p.peek().kind == kindFlag {
		switch t := p.next(); t.text {
		case "--strict":
			s.Strict = true
		case "--keep-empty":
			s.KeepEmpty = true
		default:
			p.fail(t.pos, "unknown flag %s of logfmt: it has --strict and --keep-empty", t.text)
		}
	}
	s.Extractions = p.parseExtractions()
	return s
}

// parseExtractions reads name="expression", name, ...
func (p *parser) parseExtractions() []Extraction {
	if p.peek().kind != kindIdentifier {
		return nil
	}
	var out []Extraction
	for {
		name := p.expect(kindIdentifier).text
		x := Extraction{name, name}
		if p.accept("=") {
			x.Expression = p.expect(kindString).text
		}
		out = append(out, x)
		if !p.accept(",") {
			return out
		}
	}
}

func (p *parser) parseLabelFormat() Stage {
	s := &LabelFormat{}
	seen := map[string]bool{}
	for {
		name := p.expect(kindIdentifier)
		if seen[name.text] {
			p.fail(name.pos, "multiple label name '%s' not allowed in a single format operation", name.text)
		}
		seen[name.text] = true
		p.expect("=")
		a := LabelAssignment{Name: name.text}
		switch v := p.peek(); v.kind {
		case kindIdentifier:
			a.Value, a.Rename = p.next().text, true
		case kindString:
			a.Value = p.next().text
		default:
			p.unexpected(string(kindIdentifier), string(kindString))
		}
		s.Formats = append(s.Formats, a)
		if !p.accept(",") {
			return s
		}
	}
}

// parseLabelChoices reads a, b="c", ...
func (p *parser) parseLabelChoices() []LabelChoice {
	var out []LabelChoice
	for {
		c := LabelChoice{Name: p.expect(kindIdentifier).text}
		if op, ok := matchTypes[p.peek().kind]; ok && p.peek2().kind == kindString {
			p.next()
			c.Matcher = p.newMatcher(op, c.Name, p.expect(kindString))
		}
		out = append(out, c)
		if !p.accept(",") {
			return out
		}
	}
}

func isCompare(k kind) bool {
	switch k {
	case "=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=":
		return true
	}
	return false
}

// parseLabelFilter reads alternatives of conjunctions.
func (p *parser) parseLabelFilter() LabelFilter {
	defer p.enter()()
	left := p.parseLabelConjunction()
	for p.acceptWord("or") {
		p.countOperator()
		left = &OrFilter{left, p.parseLabelConjunction()}
	}
	return left
}

func (p *parser) parseLabelConjunction() LabelFilter {
	left := p.parseLabelCondition()
	for p.acceptWord("and") {
		p.countOperator()
		left = &AndFilter{left, p.parseLabelCondition()}
	}
	return left
}

// parseLabelCondition reads one condition. A comma, or nothing but a space, behind it is an "and" with everything that
// follows: those are evaluated from right to left.
func (p *parser) parseLabelCondition() LabelFilter {
	var left LabelFilter
	if p.accept("(") {
		left = p.parseLabelFilter()
		p.expect(")")
	} else {
		left = p.parseComparison()
	}
	if p.accept(",") || p.conditionFollows() {
		p.countOperator()
		return &AndFilter{left, p.parseLabelFilter()}
	}
	return left
}

// conditionFollows says whether the next tokens begin another condition.
func (p *parser) conditionFollows() bool {
	return p.peek().kind == "(" || p.peek().kind == kindIdentifier && isCompare(p.peek2().kind)
}

// parseComparison reads name op value.
func (p *parser) parseComparison() LabelFilter {
	name := p.expect(kindIdentifier)
	op := p.peek()
	if !isCompare(op.kind) {
		p.unexpected("=", "==", "!=", "=~", "!~", ">", ">=", "<", "<=")
	}
	p.next()
	if matchType, ok := matchTypes[op.kind]; ok && p.peek().kind == kindString {
		return &StringFilter{p.newMatcher(matchType, name.text, p.next())}
	}
	if op.kind == "=~" || op.kind == "!~" {
		p.unexpected(string(kindString))
	}
	if p.isWord("ip") && p.peek2().kind == "(" && (op.kind == "=" || op.kind == "!=") {
		m := p.parseLineMatch()
		f := &IPFilter{Name: name.text, Op: compareOp(op.kind), Text: m.Text}
		if _, err := parseIPRange(f.Text); err != nil {
			p.fail(op.pos, "%s", err)
		}
		return f
	}
	return p.parseQuantityFilter(name.text, compareOp(op.kind))
}

func compareOp(k kind) CompareOp {
	if k == "=" {
		return Equal
	}
	return CompareOp(k)
}

func (p *parser) parseQuantityFilter(name string, op CompareOp) LabelFilter {
	negative := false
	if k := p.peek2().kind; k == kindNumber || k == kindDuration {
		negative = p.accept("-")
		if !negative {
			p.accept("+")
		}
	}
	switch t := p.peek(); t.kind {
	case kindNumber:
		return &NumberFilter{name, op, signed(p.next().number, negative)}
	case kindDuration:
		return &DurationFilter{name, op, signed(p.next().duration, negative)}
	case kindBytes:
		return &BytesFilter{name, op, p.next().bytes}
	}
	expected := []string{string(kindNumber), string(kindDuration), string(kindBytes)}
	if op == Equal || op == NotEqual {
		expected = append(expected, string(kindString))
	}
	p.unexpected(expected...)
	return nil
}

func signed[T ~float64 | ~int64](v T, negative bool) T {
	if negative {
		return -v
	}
	return v
}

// regexpReason cuts what every error of package regexp begins with.
func regexpReason(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}
