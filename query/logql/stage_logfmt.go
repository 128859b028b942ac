package logql

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// logfmtStep is | logfmt, with its flags; with names only these are taken.
type logfmtStep struct {
	strict, keepEmpty bool
	names             []string
	keys              []string // of the line, for each name
}

func compileLogfmt(s *LogfmtParser) (step, error) {
	out := &logfmtStep{strict: s.Strict, keepEmpty: s.KeepEmpty}
	for _, x := range s.Extractions {
		key := strings.TrimSpace(x.Expression)
		if key == "" || strings.ContainsAny(key, " =\"\t\n") {
			return nil, invalid("invalid logfmt expression %q: it is the key of a pair in the line", shorten(x.Expression))
		}
		out.names = append(out.names, x.Name)
		out.keys = append(out.keys, key)
	}
	return out, nil
}

func (s *logfmtStep) run(r *record) bool {
	p := logfmtScanner{line: r.line}
	found := uint64(0)
	for p.next() {
		if p.err != "" {
			if s.strict {
				r.fail(errLogfmt, p.err)
				break
			}
			continue
		}
		if s.names != nil {
			s.take(r, &p, &found)
		} else if p.value != "" || s.keepEmpty {
			r.put(r.keys.name(p.key), p.value)
		}
		if r.full() {
			r.fail(errLogfmt, detailsTooMany)
			break
		}
	}
	for i, name := range s.names {
		if i >= 64 || found>>i&1 == 0 {
			r.put(name, "") // what is asked for by name is there; put keeps a value that came before
		}
	}
	return true
}

// take puts a pair under the names that ask for it.
func (s *logfmtStep) take(r *record, p *logfmtScanner, found *uint64) {
	for i, key := range s.keys {
		if key == p.key {
			r.put(s.names[i], p.value)
			if i < 64 {
				*found |= 1 << i
			}
		}
	}
}

// logfmtScanner reads the pairs of a line: key=value key="a value" key. After a pair that is none, err says why, and it goes on
// with the next word.
type logfmtScanner struct {
	line       string
	pos        int
	key, value string
	err        string
}

func (p *logfmtScanner) next() bool {
	p.err, p.key, p.value = "", "", ""
	for p.pos < len(p.line) && p.line[p.pos] <= ' ' {
		p.pos++
	}
	if p.pos == len(p.line) {
		return false
	}
	start := p.pos
	for p.pos < len(p.line) && p.line[p.pos] > ' ' && p.line[p.pos] != '=' && p.line[p.pos] != '"' {
		p.pos++
	}
	p.key = p.line[start:p.pos]
	if p.pos == len(p.line) || p.line[p.pos] <= ' ' {
		return true
	}
	if p.line[p.pos] == '"' || p.key == "" {
		return p.unexpected()
	}
	p.pos++
	if p.pos < len(p.line) && p.line[p.pos] == '"' {
		return p.quoted()
	}
	start = p.pos
	for p.pos < len(p.line) && p.line[p.pos] > ' ' {
		if c := p.line[p.pos]; c == '=' || c == '"' {
			return p.unexpected()
		}
		p.pos++
	}
	p.value = p.line[start:p.pos]
	return true
}

// unexpected passes the word that has a character where none may be.
func (p *logfmtScanner) unexpected() bool {
	p.err = fmt.Sprintf("logfmt syntax error at pos %d : unexpected '%c'", p.pos+1, p.line[p.pos])
	for p.pos < len(p.line) && p.line[p.pos] > ' ' {
		p.pos++
	}
	return true
}

// quoted reads a value in quotes.
func (p *logfmtScanner) quoted() bool {
	start := p.pos + 1
	escaped := false
	for i := start; i < len(p.line); i++ {
		switch p.line[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			p.value, p.pos = p.line[start:i], i+1
			if escaped {
				p.value = unescapeLogfmt(p.value)
			}
			return true
		}
	}
	p.pos = len(p.line)
	p.err = fmt.Sprintf("logfmt syntax error at pos %d : unterminated quoted value", len(p.line)+1)
	return true
}

// unescapeLogfmt resolves the escapes of JSON; others stay as they are.
func unescapeLogfmt(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case '"', '\\', '/', '\'':
			out = append(out, c)
		case 'u':
			if r, ok := hexRune(s[i+1:]); ok {
				out = utf8.AppendRune(out, r)
				i += 4
				continue
			}
			out = append(out, '\\', c)
		default:
			out = append(out, '\\', c)
		}
	}
	return string(out)
}

func hexRune(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
