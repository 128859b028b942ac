package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Argv is a command and its arguments. In configuration it is a list, or one text that is split as a shell would split it;
// no shell ever runs.
type Argv []string

// UnmarshalJSON reads a list or a text.
func (a *Argv) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		*a = list
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return errors.New(`write the command as a list, ["check_http", "-H", "example.org"], or as one text`)
	}
	list, err := Split(text)
	*a = list
	return err
}

// ErrShell is what Split answers to a text that only a shell could run.
var ErrShell = errors.New("no shell runs commands: write a script, or the list [\"/bin/sh\", \"-c\", \"…\"]")

// Split splits a command line at white space. Single quotes, double quotes and backslashes work as in a shell; a pipe, redirection,
// substitution or list of commands outside of quotes is ErrShell.
func Split(text string) ([]string, error) {
	s := splitter{text: text}
	for s.i < len(text) {
		if err := s.next(); err != nil {
			return nil, fmt.Errorf("cannot split %q: %w", cutBytes(text, 200), err)
		}
	}
	s.end()
	return s.words, nil
}

type splitter struct {
	text   string
	i      int
	word   strings.Builder
	inWord bool
	words  []string
}

func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord = false
}

func (s *splitter) next() error {
	c := s.text[s.i]
	s.i++
	switch c {
	case ' ', '\t', '\r', '\n':
		s.end()
		return nil
	case '\'':
		return s.single()
	case '"':
		return s.double()
	case '\\':
		if s.i >= len(s.text) {
			return errors.New("a backslash stands at its end")
		}
		c = s.text[s.i]
		s.i++
	case '|', '&', ';', '<', '>', '`', '(', ')':
		return ErrShell
	case '$':
		if s.i < len(s.text) && (s.text[s.i] == '(' || s.text[s.i] == '{') {
			return ErrShell
		}
	}
	s.inWord = true
	s.word.WriteByte(c)
	return nil
}

func (s *splitter) single() error {
	end := strings.IndexByte(s.text[s.i:], '\'')
	if end < 0 {
		return errors.New("a single quote is not closed")
	}
	s.inWord = true
	s.word.WriteString(s.text[s.i : s.i+end])
	s.i += end + 1
	return nil
}

func (s *splitter) double() error {
	s.inWord = true
	for s.i < len(s.text) {
		c := s.text[s.i]
		s.i++
		switch {
		case c == '"':
			return nil
		case c == '`', c == '$' && s.i < len(s.text) && s.text[s.i] == '(':
			return ErrShell
		case c == '\\' && s.i < len(s.text) && strings.IndexByte("\\\"$`", s.text[s.i]) >= 0:
			c = s.text[s.i]
			s.i++
		}
		s.word.WriteByte(c)
	}
	return errors.New("a double quote is not closed")
}
