package traceql

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// kind is what a token is. Kinds of operators and brackets are their text.
type kind string

// The kinds that are not their own text; their names stand in error texts.
const (
	kindEnd      kind = "the end of the query"
	kindWord     kind = "a word"
	kindField    kind = "an attribute"
	kindString   kind = "a string"
	kindNumber   kind = "a number"
	kindDuration kind = "a duration"
)

// token is a piece of a query.
type token struct {
	kind  kind
	text  string // words, numbers and durations as written, strings without quotes
	pos   int    // byte offset
	value model.Value
	field *Field
}

// operators are all tokens of punctuation, the longer ones before their beginnings.
var operators = [...]kind{
	"!>>", "!<<", "&>>", "&<<",
	"&&", "||", "&>", "&<", "&~", "!>", "!<", "!~", "!=", "=~", ">>", "<<", ">=", "<=",
	"{", "}", "(", ")", ",", "|", "=", ">", "<", "~", "!", "+", "-", "*", "/", "%", "^",
}

// lex cuts the query into tokens; the last one is kindEnd.
func lex(query string) ([]token, error) {
	l := lexer{query: query}
	for {
		if err := l.skipBlank(); err != nil {
			return nil, err
		}
		if l.pos == len(l.query) {
			return append(l.tokens, token{kind: kindEnd, pos: l.pos}), nil
		}
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		l.tokens = append(l.tokens, t)
	}
}

type lexer struct {
	query  string
	pos    int
	tokens []token
}

func (l *lexer) rest() string { return l.query[l.pos:] }

// skipBlank passes white space and comments: // to the end of the line, and /* to */.
func (l *lexer) skipBlank() error {
	for l.pos < len(l.query) {
		rest := l.rest()
		switch {
		case strings.ContainsRune(" \t\n\r", rune(rest[0])):
			l.pos++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return errorAt(l.pos, "the comment that starts here has no end: write */ behind it")
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	c := l.query[l.pos]
	switch {
	case c == '"' || c == '`':
		start := l.pos
		text, err := l.quoted()
		return token{kind: kindString, text: text, pos: start}, err
	case isDigit(c) || c == '.' && l.pos+1 < len(l.query) && isDigit(l.query[l.pos+1]):
		return l.quantity()
	case c == '.':
		return l.attribute(l.pos, store.AnyScope, false)
	case isWordStart(c):
		return l.word()
	}
	for _, op := range operators {
		if strings.HasPrefix(l.rest(), string(op)) {
			t := token{kind: op, text: string(op), pos: l.pos}
			l.pos += len(op)
			return t, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.rest())
	if r == '\'' {
		return token{}, errorAt(l.pos, "unexpected character ': strings are written in double quotes or backticks")
	}
	return token{}, errorAt(l.pos, "unexpected character %q", r)
}

// word reads a word, an intrinsic with a scope (span:name) or an attribute with a scope (span.name).
func (l *lexer) word() (token, error) {
	start := l.pos
	for l.pos < len(l.query) && isWordPart(l.query[l.pos]) {
		l.pos++
	}
	word := l.query[start:l.pos]
	if l.pos == len(l.query) {
		return token{kind: kindWord, text: word, pos: start}, nil
	}
	scope, isScope := attributeScopes[word]
	switch c := l.query[l.pos]; {
	case c == '.' && isScope:
		return l.attribute(start, scope, false)
	case c == '.' && word == "parent":
		return l.ofParent(start)
	case c == ':' && (isScope || word == "trace"):
		return l.scopedIntrinsic(start, false)
	}
	return token{kind: kindWord, text: word, pos: start}, nil
}

// scopedIntrinsic reads the rest of span:name.
func (l *lexer) scopedIntrinsic(start int, parent bool) (token, error) {
	first := start
	if parent {
		first += len("parent.")
	}
	l.pos = first + strings.IndexByte(l.query[first:], ':') + 1
	for l.pos < len(l.query) && isWordPart(l.query[l.pos]) {
		l.pos++
	}
	text := l.query[first:l.pos]
	f := newIntrinsic(text, parent)
	if f == nil {
		return token{}, errorAt(start, "%s is no intrinsic field: those with a colon are %s; attributes have a dot (span.x)", shorten(text), scopedIntrinsics())
	}
	return token{kind: kindField, text: text, pos: start, field: f}, nil
}

// ofParent reads parent.x, parent.span.x, parent.name or parent.span:name; the position is at the dot.
func (l *lexer) ofParent(start int) (token, error) {
	end := l.pos + 1
	for end < len(l.query) && isWordPart(l.query[end]) {
		end++
	}
	word := l.query[l.pos+1 : end]
	scope, isScope := attributeScopes[word]
	follows := byte(' ')
	if end < len(l.query) {
		follows = l.query[end]
	}
	if follows == ':' && (isScope || word == "trace") {
		return l.scopedIntrinsic(start, true)
	}
	if follows == '.' && isScope {
		l.pos = end
		return l.attribute(start, scope, true)
	}
	t, err := l.attribute(start, store.AnyScope, true)
	if err == nil && l.query[start:l.pos] == "parent."+t.field.Name {
		if f := newIntrinsic(t.field.Name, true); f != nil {
			t.field = f
		}
	}
	return t, err
}

// attribute reads the name of an attribute; the position is at the dot before it. Any part of it may be quoted.
func (l *lexer) attribute(start int, scope store.SpanScope, parent bool) (token, error) {
	l.pos++
	var name strings.Builder
	empty := true
	for l.pos < len(l.query) {
		if l.query[l.pos] == '"' {
			text, err := l.quoted()
			if err != nil {
				return token{}, err
			}
			name.WriteString(text)
			empty = false
			continue
		}
		r, size := utf8.DecodeRuneInString(l.rest())
		if !isAttributeRune(r) || r == '/' && (strings.HasPrefix(l.rest(), "//") || strings.HasPrefix(l.rest(), "/*")) {
			break
		}
		name.WriteString(l.query[l.pos : l.pos+size])
		l.pos += size
		empty = false
	}
	if empty {
		return token{}, errorAt(start, "an attribute's name is missing behind %s", l.query[start:l.pos])
	}
	return token{kind: kindField, text: l.query[start:l.pos], pos: start, field: newAttribute(scope, name.String(), parent)}, nil
}

// quoted reads "text" with the escapes of Go, or `text` without any.
func (l *lexer) quoted() (string, error) {
	start := l.pos
	quote := l.query[start]
	for i := start + 1; i < len(l.query); i++ {
		switch c := l.query[i]; {
		case c == '\\' && quote == '"':
			i++
		case c == quote:
			l.pos = i + 1
			raw := l.query[start:l.pos]
			if quote == '`' {
				return raw[1 : len(raw)-1], nil
			}
			text, err := strconv.Unquote(strings.ReplaceAll(raw, "\n", `\n`))
			if err != nil {
				return "", errorAt(start, "invalid escape in the string %s: write a backslash as \\\\, or quote the string with backticks", shorten(raw))
			}
			return text, nil
		}
	}
	return "", errorAt(start, "the string that starts here has no closing %c", quote)
}

// quantity reads a number or a duration.
func (l *lexer) quantity() (token, error) {
	start := l.pos
	l.pos += quantityLength(l.rest())
	text := l.query[start:l.pos]
	t := token{kind: kindNumber, text: text, pos: start}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		t.value = model.Int64(n)
		return t, nil
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && !strings.ContainsAny(text, "xXpP_") {
		t.value = model.Float64(x)
		return t, nil
	}
	if d, err := parseDuration(text); err == nil {
		t.kind, t.value = kindDuration, model.Int64(int64(d))
		return t, nil
	}
	return token{}, errorAt(start, "%s is no number and no duration (such as 1h30m or 1.5s; units are ns, us, ms, s, m, h and d)", shorten(text))
}

// parseDuration reads a duration as Go does, and days.
func parseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || n > 100_000 {
		return 0, strconv.ErrRange
	}
	d := time.Duration(n * 24 * float64(time.Hour))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// quantityLength returns how many bytes belong to the quantity at the beginning of s.
func quantityLength(s string) int {
	i := 0
	for i < len(s) {
		c := s[i]
		exponentSign := (c == '+' || c == '-') && i+1 < len(s) && isDigit(s[i+1]) && (s[i-1] == 'e' || s[i-1] == 'E')
		micro := strings.HasPrefix(s[i:], "µ") || strings.HasPrefix(s[i:], "μ")
		if !isWordPart(c) && c != '.' && !exponentSign && !micro {
			break
		}
		i++
		if micro {
			i++
		}
	}
	return i
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isWordStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isWordPart(c byte) bool  { return isWordStart(c) || isDigit(c) }
