package logql

import (
	"strconv"
	"strings"
)

// jsonStep is one step into a JSON value: a field by its name, or an item by its index.
type jsonStep struct {
	field bool
	name  string
	index int
}

// maxJSONPath bounds how deep a path may go: deeper than what is read of a line.
const maxJSONPath = 100

// parseJSONPath reads a.b, a["b c"], ["a"].b and a[0][1].
func parseJSONPath(s string) ([]jsonStep, error) {
	var path []jsonStep
	bad := func(why string) ([]jsonStep, error) {
		return nil, invalid("invalid JSON expression %q: %s; write it as a.b, a[0] or [\"a b\"]", shorten(s), why)
	}
	rest := strings.TrimSpace(s)
	if rest == "" {
		return bad("it is empty")
	}
	for first := true; rest != ""; first = false {
		var p jsonStep
		var why string
		if rest[0] == '[' {
			p, rest, why = bracketStep(rest)
		} else {
			p, rest, why = nameStep(rest, first)
		}
		if why != "" {
			return bad(why)
		}
		if path = append(path, p); len(path) > maxJSONPath {
			return bad("it goes too deep")
		}
	}
	return path, nil
}

func nameStep(s string, first bool) (p jsonStep, rest, why string) {
	if !first {
		if s[0] != '.' {
			return p, s, "a dot or a bracket is missing before " + strconv.Quote(shorten(s))
		}
		s = s[1:]
	}
	end := 0
	for end < len(s) && (isNamePart(s[end]) || s[end] == '-' || s[end] == '@' || s[end] == '/' || s[end] >= 0x80) {
		end++
	}
	if end == 0 {
		return p, s, "a field's name is missing"
	}
	return jsonStep{field: true, name: s[:end]}, s[end:], ""
}

func bracketStep(s string) (p jsonStep, rest, why string) {
	if len(s) > 1 && s[1] == '"' {
		end := stringEnd(s, 1, '"')
		if end < 0 || end == len(s) || s[end] != ']' {
			return p, s, "a bracket is not closed"
		}
		name, err := strconv.Unquote(s[1:end])
		if err != nil {
			return p, s, "a string has an invalid escape"
		}
		return jsonStep{field: true, name: name}, s[end+1:], ""
	}
	inside, rest, ok := strings.Cut(s[1:], "]")
	if !ok {
		return p, s, "a bracket is not closed"
	}
	i, err := strconv.Atoi(inside)
	if err != nil || i < 0 {
		return p, s, "an index is no number"
	}
	return jsonStep{index: i}, rest, ""
}
