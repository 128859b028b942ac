package discovery

import (
	"strings"
	"unicode"
)

// clean makes text of anybody printable.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(s, "_"))
}

// maxInstance bounds the name of an instance, which becomes a part of a check's name.
const maxInstance = 80

// cleanInstance makes a part of a service's ID: no slash, no space, no @.
func cleanInstance(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '@' || unicode.IsSpace(r) || r == '"' || r == '\'':
			return '-'
		}
		return r
	}, clean(s))
	s = strings.Trim(s, "-")
	for len(s) > maxInstance {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}
