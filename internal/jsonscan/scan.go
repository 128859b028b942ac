// Package jsonscan reads JSON from front to back without building objects: the caller says, value by value, what it wants.
//
//	s := jsonscan.New(data)
//	err := s.Object(func(key string) error {
//		switch key {
//		case "message": text, err := s.Text(); ...
//		default: return s.Skip()
//		}
//	})
//	if err == nil { err = s.End() }
//
// Strings lie in data where they have no escapes; they are valid as long as data is unchanged and the Scanner not Reset.
// Bytes that are not UTF-8, and control characters in strings, are passed on as they are. Numbers are not looked at
// closely: their text is any run of the characters that numbers are made of.
package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// MaxDepth is how deep values may be nested: deeper than anybody writes, and far from what a stack holds.
const MaxDepth = 200

// Kind is what a value is.
type Kind byte

// The kinds of values. End is that there is none.
const (
	End Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
	Invalid
)

func (k Kind) String() string {
	return [...]string{"the end", "an object", "a list", "a text", "a number", "true or false", "null", "no value"}[k]
}

// Scanner reads one text. It is used by one goroutine.
type Scanner struct {
	data  []byte
	pos   int
	depth int
	// arena holds the strings that had escapes. It may move when it grows; what was given out stays in the old place.
	arena []byte
}

// New returns a scanner of data.
func New(data []byte) *Scanner { return &Scanner{data: data} }

// Reset starts again with other data, and uses the memory of the strings that had escapes again.
func (s *Scanner) Reset(data []byte) {
	s.data, s.pos, s.depth = data, 0, 0
	s.arena = s.arena[:0]
}

// Next starts again with other data. Unlike with Reset, the strings that were given out stay.
func (s *Scanner) Next(data []byte) { s.data, s.pos, s.depth = data, 0, 0 }

// Pos is how many bytes were read.
func (s *Scanner) Pos() int { return s.pos }

// Kind says what the next value is.
func (s *Scanner) Kind() Kind {
	s.space()
	if s.pos >= len(s.data) {
		return End
	}
	switch c := s.data[s.pos]; {
	case c == '"':
		return String
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '-' || c >= '0' && c <= '9':
		return Number
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	}
	return Invalid
}

func (s *Scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("JSON at byte %d: "+format, append([]any{s.pos}, args...)...)
}

// want returns an error that says what is there instead of what should be.
func (s *Scanner) want(what Kind) error { return s.errorf("here is %s, not %s", s.Kind(), what) }

// Object reads an object: f is called with each key, and must read the value.
func (s *Scanner) Object(f func(key string) error) error {
	if s.Kind() != Object {
		return s.want(Object)
	}
	return s.items('}', func() error {
		key, err := s.Text()
		if err != nil {
			return err
		}
		s.space()
		if s.pos >= len(s.data) || s.data[s.pos] != ':' {
			return s.errorf("a colon is missing after %.40q", key)
		}
		s.pos++
		return f(key)
	})
}

// Array reads a list: f is called before each value, and must read it.
func (s *Scanner) Array(f func() error) error {
	if s.Kind() != Array {
		return s.want(Array)
	}
	return s.items(']', f)
}

var errDepth = errors.New("values are nested too deeply")

// items reads what stands between a bracket and closing, separated by commas.
func (s *Scanner) items(closing byte, f func() error) error {
	if s.depth++; s.depth > MaxDepth {
		return s.errorf("%w: at most %d levels are read", errDepth, MaxDepth)
	}
	s.pos++
	s.space()
	if s.pos < len(s.data) && s.data[s.pos] == closing {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := f(); err != nil {
			return err
		}
		s.space()
		switch {
		case s.pos >= len(s.data):
			return s.errorf("the text ends before %q", closing)
		case s.data[s.pos] == ',':
			s.pos++
		case s.data[s.pos] == closing:
			s.pos++
			s.depth--
			return nil
		default:
			return s.errorf("here is %q, not a comma or %q", s.data[s.pos], closing)
		}
	}
}

// Text reads a string.
func (s *Scanner) Text() (string, error) {
	if s.Kind() != String {
		return "", s.want(String)
	}
	start := s.pos + 1
	i := bytes.IndexByte(s.data[start:], '"')
	if i < 0 {
		return "", s.errorf("the text ends within a string")
	}
	raw := s.data[start : start+i]
	if bytes.IndexByte(raw, '\\') >= 0 {
		return s.escaped(start)
	}
	s.pos = start + i + 1
	return text(raw), nil
}

// escaped reads a string with escapes into the arena.
func (s *Scanner) escaped(start int) (string, error) {
	begin := len(s.arena)
	for i := start; ; {
		run := bytes.IndexAny(s.data[i:], `"\`)
		if run < 0 {
			return "", s.errorf("the text ends within a string")
		}
		s.arena = append(s.arena, s.data[i:i+run]...)
		i += run
		if s.data[i] == '"' {
			s.pos = i + 1
			return text(s.arena[begin:]), nil
		}
		n, err := s.escape(i)
		if err != nil {
			return "", err
		}
		i += n
	}
}

// escape appends the character that the escape at i stands for, and returns the escape's length.
func (s *Scanner) escape(i int) (int, error) {
	if i+1 >= len(s.data) {
		return 0, s.errorf("the text ends within a string")
	}
	c := s.data[i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode(i)
	default:
		return 0, s.errorf("a string has the escape \\%c, which JSON does not have", c)
	}
	s.arena = append(s.arena, c)
	return 2, nil
}

func (s *Scanner) unicode(i int) (int, error) {
	r, ok := hex4(s.data, i+2)
	if !ok {
		return 0, s.errorf("a string has \\u without four hexadecimal digits")
	}
	n := 6
	if utf16.IsSurrogate(r) {
		pair := rune(utf8.RuneError)
		if i+7 < len(s.data) && s.data[i+6] == '\\' && s.data[i+7] == 'u' {
			if low, ok := hex4(s.data, i+8); ok {
				pair = utf16.DecodeRune(r, low)
			}
		}
		if r = pair; pair != utf8.RuneError {
			n = 12
		}
	}
	s.arena = utf8.AppendRune(s.arena, r)
	return n, nil
}

func hex4(data []byte, at int) (rune, bool) {
	if at+4 > len(data) {
		return 0, false
	}
	var r rune
	for _, c := range data[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Scalar reads a string, a number, true, false or null (which is "") and returns its text.
func (s *Scanner) Scalar() (string, error) {
	switch s.Kind() {
	case String:
		return s.Text()
	case Number:
		return s.number(), nil
	case Bool:
		if s.word("true") {
			return "true", nil
		}
		if s.word("false") {
			return "false", nil
		}
	case Null:
		if s.word("null") {
			return "", nil
		}
	case Object, Array:
		return "", s.errorf("here is %s, not a single value", s.Kind())
	}
	return "", s.errorf("here is no value")
}

func (s *Scanner) number() string {
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			s.pos++
		default:
			return text(s.data[start:s.pos])
		}
	}
	return text(s.data[start:s.pos])
}

func (s *Scanner) word(w string) bool {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return false
	}
	s.pos += len(w)
	return true
}

// Skip reads any value and forgets it.
func (s *Scanner) Skip() error {
	switch s.Kind() {
	case Object:
		return s.Object(s.skipValue)
	case Array:
		return s.Array(s.Skip)
	case String:
		return s.skipText()
	}
	_, err := s.Scalar()
	return err
}

func (s *Scanner) skipValue(string) error { return s.Skip() }

func (s *Scanner) skipText() error {
	begin := len(s.arena)
	_, err := s.Text()
	s.arena = s.arena[:begin]
	return err
}

// Raw reads any value and returns its text as it stands.
func (s *Scanner) Raw() (string, error) {
	s.space()
	start := s.pos
	if err := s.Skip(); err != nil {
		return "", err
	}
	return text(s.data[start:s.pos]), nil
}

// End returns an error when there is more than white space left.
func (s *Scanner) End() error {
	if s.Kind() != End {
		return s.errorf("there is more after the end of the value")
	}
	return nil
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
