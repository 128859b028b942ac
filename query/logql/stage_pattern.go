package logql

import (
	"strings"
	"unicode/utf8"
)

// patternStep is | pattern: literals, and captures between them. literals has one more than names; a capture named "" or _
// takes no label.
type patternStep struct {
	literals []string
	names    []string
}

func compilePattern(s *PatternParser) (step, error) {
	p := &patternStep{}
	bad := func(why string) (step, error) { return nil, invalid("invalid pattern parser: %s", why) }
	if !utf8.ValidString(s.Pattern) {
		return bad("the pattern is not UTF-8")
	}
	rest, literal := s.Pattern, ""
	seen := map[string]bool{}
	named := false
	for rest != "" {
		name, after, ok := captureAt(rest)
		if !ok {
			_, size := utf8.DecodeRuneInString(rest)
			literal, rest = literal+rest[:size], rest[size:]
			continue
		}
		if literal == "" && len(p.names) > 0 {
			return bad("found consecutive capture '<" + p.names[len(p.names)-1] + "><" + name + ">': invalid expression")
		}
		if name != "_" && seen[name] {
			return bad("duplicate capture name (" + name + "): invalid expression")
		}
		seen[name] = true
		named = named || name != "_"
		p.literals, p.names = append(p.literals, literal), append(p.names, name)
		literal, rest = "", after
	}
	p.literals = append(p.literals, literal)
	if !named {
		return bad("at least one capture is required")
	}
	return p, nil
}

// captureAt reads <name> at the beginning of s.
func captureAt(s string) (name, rest string, ok bool) {
	if s[0] != '<' {
		return "", "", false
	}
	name, rest, ok = strings.Cut(s[1:], ">")
	return name, rest, ok && isPlainName(name)
}

// run takes what stands between the literals. Where one is missing, the capture before it takes the rest of the line, and the others
// nothing.
func (p *patternStep) run(r *record) bool {
	rest, ok := strings.CutPrefix(r.line, p.literals[0])
	if !ok || rest == "" {
		return true
	}
	for i, name := range p.names {
		literal := p.literals[i+1]
		value, found := rest, false
		if literal != "" {
			value, rest, found = strings.Cut(rest, literal)
		}
		if name != "_" {
			r.put(name, value)
		}
		if !found {
			return true
		}
	}
	return true
}
