package logformat

import (
	"fmt"
	"strings"
)

// pattern is a compiled description of a line: literal text with captures in between, such as
//
//	<client_address:word> - <user_name:word> [<:time>] "<http_request_method:word> <url:until>"
//
// A capture is <name:kind>; without a name it is read over. The kinds:
//
//	until   up to the next literal, or to the end of the line (the default)
//	word    one or more bytes that are no space, up to the next literal's first byte
//	int     digits, with a sign    num  also a fraction
//	time    one of the format's layouts
//	level   a word that the format or everybody knows as a level
//	letter  one letter that is a level
//	quoted  up to a quote that has no backslash before it
//	space   one or more spaces or tabs
//	rest    everything that is left, also further lines
type pattern struct {
	text  string
	steps []step
}

type step struct {
	literal string
	kind    captureKind
	name    string
	stop    byte // of a word: the first byte of the literal behind it; 0 is a space
}

type captureKind int8

const (
	kindLiteral captureKind = iota
	kindUntil
	kindWord
	kindInt
	kindNum
	kindTime
	kindLevel
	kindLetter
	kindQuoted
	kindSpace
	kindRest
)

var captureKinds = map[string]captureKind{
	"": kindUntil, "until": kindUntil, "word": kindWord, "int": kindInt, "num": kindNum, "time": kindTime,
	"level": kindLevel, "letter": kindLetter, "quoted": kindQuoted, "space": kindSpace, "rest": kindRest,
}

func compilePattern(text string) (pattern, error) {
	p := pattern{text: text}
	for rest := text; rest != ""; {
		open := captureStart(rest)
		if open != 0 {
			p.steps = append(p.steps, step{literal: rest[:open]})
			rest = rest[open:]
			continue
		}
		end := strings.IndexByte(rest, '>')
		name, kind, _ := strings.Cut(rest[1:end], ":")
		k, ok := captureKinds[kind]
		if !ok {
			return pattern{}, fmt.Errorf("pattern %q: capture <%s> has an unknown kind", text, rest[1:end])
		}
		p.steps = append(p.steps, step{kind: k, name: name})
		rest = rest[end+1:]
	}
	for i := range p.steps {
		if i+1 < len(p.steps) && p.steps[i+1].kind == kindLiteral {
			p.steps[i].stop = p.steps[i+1].literal[0]
			continue
		}
		if k := p.steps[i].kind; k == kindUntil && i+1 < len(p.steps) || k == kindRest && i+1 < len(p.steps) {
			return pattern{}, fmt.Errorf("pattern %q: only text can stand behind a capture without an end of its own", text)
		}
	}
	return p, nil
}

// captureStart returns where the next capture begins, or the length of the text. "<" that is not a capture's stands for itself: a
// capture holds only letters, digits, "_" and ":", and at least the colon.
func captureStart(text string) int {
	for i := range len(text) {
		if text[i] != '<' {
			continue
		}
		colon := false
		for j := i + 1; j < len(text); j++ {
			if text[j] == ':' {
				colon = true
			} else if text[j] == '>' && colon {
				return i
			} else if !wordByte(text[j]) && text[j] != '_' {
				break
			}
		}
	}
	return len(text)
}

// capturer is told what a pattern finds. level and time say whether it is one.
type capturer interface {
	time(s string) (n int, ok bool)
	level(word string) bool
	field(name, value string)
}

// match runs the pattern over a line. What is left behind the last step must be nothing, or white space.
func (p *pattern) match(line string, to capturer) bool {
	at := 0
	for i := range p.steps {
		s := &p.steps[i]
		n, ok := s.match(line[at:], p.steps[i+1:], to)
		if !ok {
			return false
		}
		at += n
	}
	return strings.TrimRight(line[at:], " \r\n\t") == ""
}

func (s *step) match(rest string, behind []step, to capturer) (n int, ok bool) {
	switch s.kind {
	case kindLiteral:
		return len(s.literal), strings.HasPrefix(rest, s.literal)
	case kindTime:
		return to.time(rest)
	case kindSpace:
		for n < len(rest) && (rest[n] == ' ' || rest[n] == '\t') {
			n++
		}
		return n, n > 0
	case kindLetter:
		return 1, rest != "" && to.level(rest[:1])
	case kindRest:
		n = len(rest)
	case kindUntil:
		n = untilEnd(rest, behind)
	case kindQuoted:
		n = stringEnd(rest, 0)
	case kindLevel:
		for n < len(rest) && wordByte(rest[n]) {
			n++
		}
		return n, n > 0 && to.level(rest[:n])
	default:
		n = s.wordEnd(rest)
		if n == 0 {
			return 0, false
		}
	}
	if n < 0 {
		return 0, false
	}
	if s.name != "" {
		to.field(s.name, rest[:n])
	}
	return n, true
}

// untilEnd returns the length of a capture that ends before the next literal, -1 when that is not in the first line of rest.
func untilEnd(rest string, behind []step) int {
	if nl := strings.IndexByte(rest, '\n'); nl >= 0 {
		rest = rest[:nl]
	}
	if len(behind) == 0 {
		return len(strings.TrimSuffix(rest, "\r"))
	}
	return strings.Index(rest, behind[0].literal)
}

func (s *step) wordEnd(rest string) (n int) {
	switch s.kind {
	case kindInt, kindNum:
		if rest != "" && rest[0] == '-' {
			n = 1
		}
		start := n
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || s.kind == kindNum && rest[n] == '.') {
			n++
		}
		if n == start {
			return 0
		}
		return n
	}
	for n < len(rest) && rest[n] > ' ' && (s.stop == 0 || rest[n] != s.stop) {
		n++
	}
	return n
}
