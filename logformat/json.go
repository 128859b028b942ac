package logformat

import (
	"strings"
)

// jsonKind is what a value of a JSON object is.
type jsonKind int8

const (
	jsonEnd    jsonKind = iota // no more keys, or the text is not JSON from here on
	jsonString                 // the value is what stands between the quotes, escapes and all
	jsonNumber                 // also true, false and null: the value as it is written
	jsonObject                 // the value begins behind the brace; it ends before the closing one
	jsonArray                  // likewise
)

// jsonScanner goes through the keys of one JSON object without decoding it (RFC 8259). It is for lines that most likely
// are JSON: of others it may return some keys before it ends.
type jsonScanner struct {
	text string
	at   int  // behind the opening brace at first
	open bool // at the end, the object was not closed
}

// maxJSONDepth bounds the nesting that is skipped.
const maxJSONDepth = 64

// next returns the next key with its value. A key that has escapes is returned with them.
func (s *jsonScanner) next() (key, value string, kind jsonKind) {
	t := s.text
	i := s.at
	for i < len(t) && (t[i] <= ' ' || t[i] == ',') {
		i++
	}
	if i >= len(t) || t[i] != '"' {
		s.open = i >= len(t) || t[i] != '}'
		s.at = i
		if !s.open {
			s.at = i + 1
		}
		return "", "", jsonEnd
	}
	end := stringEnd(t, i+1)
	if end < 0 {
		return s.fail()
	}
	key = t[i+1 : end]
	i = end + 1
	for i < len(t) && t[i] <= ' ' {
		i++
	}
	if i >= len(t) || t[i] != ':' {
		return s.fail()
	}
	for i++; i < len(t) && t[i] <= ' '; {
		i++
	}
	if i >= len(t) {
		return s.fail()
	}
	switch t[i] {
	case '"':
		end := stringEnd(t, i+1)
		if end < 0 {
			return s.fail()
		}
		s.at = end + 1
		return key, t[i+1 : end], jsonString
	case '{', '[':
		end := nestedEnd(t, i)
		if end < 0 {
			return s.fail()
		}
		s.at = end
		kind = jsonObject
		if t[i] == '[' {
			kind = jsonArray
		}
		return key, t[i+1 : end-1], kind
	}
	end = i
	for end < len(t) && t[end] > ' ' && t[end] != ',' && t[end] != '}' && t[end] != '"' && t[end] != ']' {
		end++
	}
	if end == i {
		return s.fail()
	}
	s.at = end
	return key, t[i:end], jsonNumber
}

func (s *jsonScanner) fail() (key, value string, kind jsonKind) {
	s.at, s.open = len(s.text), true
	return "", "", jsonEnd
}

// stringEnd returns where the string that begins at i ends: the place of its closing quote, -1 without one.
func stringEnd(t string, i int) int {
	for {
		q := strings.IndexByte(t[i:], '"')
		if q < 0 {
			return -1
		}
		q += i
		n := q
		for n > i && t[n-1] == '\\' {
			n--
		}
		if (q-n)%2 == 0 {
			return q
		}
		i = q + 1
	}
}

// nestedEnd returns the place behind the object or array that begins at i, -1 when it does not end.
func nestedEnd(t string, i int) int {
	for depth := 0; i < len(t); i++ {
		switch t[i] {
		case '"':
			if i = stringEnd(t, i+1); i < 0 {
				return -1
			}
		case '{', '[':
			if depth++; depth > maxJSONDepth {
				return -1
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
