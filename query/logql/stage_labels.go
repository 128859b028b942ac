package logql

import (
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// dropStep is | drop a, b="c": it takes the labels away, those with a matcher only when their value matches.
type dropStep struct{ labels []LabelChoice }

func (s *dropStep) run(r *record) bool {
	for _, c := range s.labels {
		if c.Matcher == nil {
			r.remove(c.Name)
		} else if v, ok := r.get(c.Name); ok && c.Matcher.Matches(v) {
			r.remove(c.Name)
		}
	}
	return true
}

// keepStep is | keep a, b="c": it takes all other labels away. The error labels stay.
type keepStep struct{ labels []LabelChoice }

func (s *keepStep) run(r *record) bool {
	r.filter(func(f model.Field) bool {
		for _, c := range s.labels {
			if c.Name == f.Name && (c.Matcher == nil || c.Matcher.Matches(f.Value)) {
				return true
			}
		}
		return false
	})
	return true
}

// decolorizeStep takes the control sequences of terminals out of the line: ESC [ ... letter.
type decolorizeStep struct{}

func (decolorizeStep) run(r *record) bool {
	r.line = decolorize(r.line)
	return true
}

func decolorize(s string) string {
	at := strings.IndexByte(s, '\x1b')
	if at < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for at >= 0 {
		out = append(out, s[:at]...)
		n := sequenceLength(s[at:])
		if n == 0 {
			out, n = append(out, s[at]), 1
		}
		s = s[at+n:]
		at = strings.IndexByte(s, '\x1b')
	}
	return string(append(out, s...))
}

// sequenceLength is how long the control sequence at the beginning of s is (ECMA-48, 5.4), or 0 when there is none.
func sequenceLength(s string) int {
	if len(s) < 2 || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x3f:
			return 0
		}
	}
	return 0
}

func choiceNames(list []LabelChoice) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.Name)
	}
	return out
}
