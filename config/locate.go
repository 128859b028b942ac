package config

import (
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// locate finds the line and the path of the value that an error quotes, for errors of Prometheus' loader that tell
// no line. It finds nothing when the value stands in more than one place.
func locate(text []byte, message string) (line int, path string) {
	root, err := parseYAML(text)
	if err != nil || root == nil {
		return 0, ""
	}
	for _, q := range quoted.FindAllString(message, -1) {
		word, err := strconv.Unquote(q)
		if err != nil || word == "" {
			continue
		}
		var found []place
		found = findScalar(found, root, word, "")
		if len(found) == 1 {
			return found[0].line, found[0].path
		}
	}
	return 0, ""
}

type place struct {
	line int
	path string
}

// findScalar appends the places of word among the values below n; aliases are not followed.
func findScalar(dst []place, n *yaml.Node, word, path string) []place {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value == word {
			dst = append(dst, place{n.Line, path})
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			dst = findScalar(dst, n.Content[i+1], word, join(path, n.Content[i].Value))
		}
	case yaml.SequenceNode:
		for i, m := range n.Content {
			dst = findScalar(dst, m, word, path+"["+strconv.Itoa(i)+"]")
		}
	}
	return dst
}
