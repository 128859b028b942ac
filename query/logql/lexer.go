package logql

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// kind is what a token is. Kinds of operators and brackets are their text.
type kind string

// The kinds that are not their own text; their names stand in error texts.
const (
	kindEnd        kind = "$end"
	kindIdentifier kind = "IDENTIFIER"
	kindString     kind = "STRING"
	kindNumber     kind = "NUMBER"
	kindDuration   kind = "DURATION"
	kindBytes      kind = "BYTES"
	kindFlag       kind = "FLAG" // --strict
)

// token is a piece of a query.
type token struct {
	kind     kind
	text     string // identifiers and flags as written, strings without quotes
	pos      int    // byte offset
	number   float64
	duration time.Duration
	bytes    uint64
}

// operators are all tokens of punctuation, the longer ones before their beginnings.
var operators = [...]kind{
	"|=", "|~", "|>", "!=", "!~", "!>", "==", "=~", ">=", "<=",
	"{", "}", "(", ")", "[", "]", ",", "|", "=", ">", "<", "+", "-", "*", "/", "%", "^",
}

// lex cuts the query into tokens; the last one is kindEnd.
func lex(query string) ([]token, error) {
	l := lexer{query: query}
	for {
		l.skipBlank()
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

// skipBlank passes white space and comments, which go from # to the end of the line.
func (l *lexer) skipBlank() {
	for l.pos < len(l.query) {
		switch l.query[l.pos] {
		case ' ', '\t', '\n', '\r':
			l.pos++
		case '#':
			if end := strings.IndexByte(l.query[l.pos:], '\n'); end >= 0 {
				l.pos += end
			} else {
				l.pos = len(l.query)
			}
		default:
			return
		}
	}
}

func (l *lexer) next() (token, error) {
	c := l.query[l.pos]
	switch {
	case c == '"' || c == '`':
		return l.quoted(c)
	case isDigit(c) || c == '.' && l.pos+1 < len(l.query) && isDigit(l.query[l.pos+1]):
		return l.quantity()
	case isNameStart(c):
		return l.word(kindIdentifier, isNamePart), nil
	case strings.HasPrefix(l.query[l.pos:], "--") && l.pos+2 < len(l.query) && isNameStart(l.query[l.pos+2]):
		return l.word(kindFlag, func(c byte) bool { return isNamePart(c) || c == '-' }), nil
	}
	for _, op := range operators {
		if strings.HasPrefix(l.query[l.pos:], string(op)) {
			t := token{kind: op, text: string(op), pos: l.pos}
			l.pos += len(op)
			return t, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.query[l.pos:])
	return token{}, errorAt(l.query, l.pos, "syntax error: unexpected character %q", r)
}

func (l *lexer) word(k kind, part func(byte) bool) token {
	start := l.pos
	for l.pos < len(l.query) && part(l.query[l.pos]) {
		l.pos++
	}
	return token{kind: k, text: l.query[start:l.pos], pos: start}
}

// quoted reads "text" with the escapes of Go, or `text` without any.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.pos
	end := stringEnd(l.query, start, quote)
	if end < 0 {
		return token{}, errorAt(l.query, start, "literal not terminated: the string that starts here has no closing %c", quote)
	}
	l.pos = end
	raw := l.query[start:end]
	if quote == '`' {
		return token{kind: kindString, text: raw[1 : len(raw)-1], pos: start}, nil
	}
	text, err := strconv.Unquote(escapeNewlines(raw))
	if err != nil {
		return token{}, errorAt(l.query, start, "invalid escape in the string %s: write a backslash as \\\\, or quote the string with backticks", shorten(raw))
	}
	return token{kind: kindString, text: text, pos: start}, nil
}

// escapeNewlines lets strings in double quotes go over several lines, which strconv.Unquote refuses.
func escapeNewlines(s string) string {
	if !strings.ContainsRune(s, '\n') {
		return s
	}
	return strings.ReplaceAll(s, "\n", `\n`)
}

// stringEnd returns the offset behind the string that starts at start, or -1.
func stringEnd(s string, start int, quote byte) int {
	for i := start + 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1
		case s[i] == '\\' && quote == '"':
			i++
		}
	}
	return -1
}

// quantity reads a number, a duration or an amount of bytes.
func (l *lexer) quantity() (token, error) {
	start := l.pos
	l.pos += quantityLength(l.query[start:])
	text := l.query[start:l.pos]
	t := token{text: text, pos: start}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		t.kind, t.number = kindNumber, v
		return t, nil
	}
	if v, err := strconv.ParseInt(text, 0, 64); err == nil && len(text) > 1 {
		t.kind, t.number = kindNumber, float64(v)
		return t, nil
	}
	if d, err := parseDuration(text); err == nil {
		t.kind, t.duration = kindDuration, d
		return t, nil
	}
	if b, err := parseBytes(text); err == nil {
		t.kind, t.bytes = kindBytes, b
		return t, nil
	}
	return token{}, errorAt(l.query, start, "syntax error: %s is no number, duration (such as 1h30m) or amount of bytes (such as 1.5MB)", shorten(text))
}

// quantityLength returns how many bytes belong to the quantity at the beginning of s.
func quantityLength(s string) int {
	i := 0
	for i < len(s) {
		c := s[i]
		exponentSign := (c == '+' || c == '-') && i+1 < len(s) && isDigit(s[i+1]) && (s[i-1] == 'e' || s[i-1] == 'E') && !strings.HasPrefix(s, "0x")
		if !isNamePart(c) && c != '.' && c < utf8.RuneSelf && !exponentSign { // µs is not ASCII
			break
		}
		i++
	}
	return i
}

func isDigit(c byte) bool     { return c >= '0' && c <= '9' }
func isNameStart(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isNamePart(c byte) bool  { return isNameStart(c) || isDigit(c) }

// shorten cuts a text so that it fits into an error.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
