package config

import (
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// locate finds the line of the value that an error quotes: Prometheus' loader often knows no line. It returns 0 when
// the value stands in no place, or in more than one.
func locate(text []byte, message string) int {
	root, err := parseYAML(text)
	if err != nil || root == nil {
		return 0
	}
	for _, q := range quoted.FindAllString(message, -1) {
		word, err := strconv.Unquote(q)
		if err != nil || word == "" {
			continue
		}
		if lines := appendLines(nil, root, word); len(lines) == 1 {
			return lines[0]
		}
	}
	return 0
}

// appendLines appends the lines of the values below n that are word; aliases are not followed.
func appendLines(dst []int, n *yaml.Node, word string) []int {
	if n.Kind == yaml.ScalarNode && n.Value == word {
		return append(dst, n.Line)
	}
	for i, m := range n.Content {
		if n.Kind != yaml.MappingNode || i%2 == 1 { // keys are no values
			dst = appendLines(dst, m, word)
		}
	}
	return dst
}
