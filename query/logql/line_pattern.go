package logql

import "strings"

// linePattern is the text of |> and !>: literals, and <_> for any characters between them. It matches a whole line.
type linePattern struct {
	literals []string // one more than there are <_>; the first and the last may be empty
}

// parseLinePattern reads a pattern. Names other than _ are not allowed.
func parseLinePattern(text string) (*linePattern, error) {
	p := &linePattern{literals: strings.Split(text, "<_>")}
	for i, l := range p.literals {
		if l == "" && i > 0 && i < len(p.literals)-1 {
			return nil, invalid("invalid pattern %q: there must be some text between two <_>", shorten(text))
		}
	}
	return p, nil
}

func (p *linePattern) match(line string) bool {
	first, last := p.literals[0], p.literals[len(p.literals)-1]
	if len(p.literals) == 1 {
		return line == first
	}
	rest, ok := strings.CutPrefix(line, first)
	if !ok {
		return false
	}
	for _, l := range p.literals[1 : len(p.literals)-1] {
		i := strings.Index(rest, l)
		if i < 0 {
			return false
		}
		rest = rest[i+len(l):]
	}
	return strings.HasSuffix(rest, last)
}
