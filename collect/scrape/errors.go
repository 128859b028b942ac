package scrape

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
)

// fileError puts what Prometheus' loader says about a file into words for people: with the file, the line and
// the key, and without Go types.
func fileError(file string, text []byte, err error) error {
	said := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n")
	said = strings.TrimPrefix(said, "yaml: ")
	said = strings.TrimSpace(reword(said))
	if !strings.HasPrefix(said, "line ") {
		said = locate(text, err) + said
	}
	return fmt.Errorf("%s: %s", file, said)
}

var (
	unknownField  = regexp.MustCompile(`field (\S+) not found in type \S+`)
	repeatedField = regexp.MustCompile(`field (\S+) already set in type \S+`)
	wrongType     = regexp.MustCompile("cannot unmarshal !!\\w+ (`[^`]*` )?into (\\S+)")
)

// reword rewrites the decoder's phrases that name Go types. The line numbers in front of them stay.
func reword(said string) string {
	said = unknownField.ReplaceAllStringFunc(said, func(s string) string {
		key := unknownField.FindStringSubmatch(s)[1]
		name, isDiscovery := strings.CutSuffix(key, "_sd_configs")
		if isDiscovery && slices.Contains(leftOut[:], name) {
			return key + " is not built into Hulotte: use http_sd_configs with an endpoint that lists the targets, " +
				"or file_sd_configs with a file that a script writes (docs/scraping.md)"
		}
		return "unknown key " + key
	})
	said = repeatedField.ReplaceAllString(said, "the key $1 is there twice")
	return wrongType.ReplaceAllStringFunc(said, func(s string) string {
		m := wrongType.FindStringSubmatch(s)
		found := strings.TrimSpace(m[1])
		if found == "" {
			return "expected " + kindOf(m[2])
		}
		return fmt.Sprintf("expected %s, found %s", kindOf(m[2]), found)
	})
}

// kindOf names what YAML must hold to go into a Go type.
func kindOf(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "text"
	}
	return "keys with values"
}

// locate finds the part of text that err, which has no line, is about: by loading the parts one by one until
// one fails in the same way. It returns "line N: key: ", or "" when no part alone is at fault.
func locate(text []byte, err error) string {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return ""
	}
	sections := doc.Content[0].Content
	var global []*yaml.Node
	for i := 0; i+1 < len(sections); i += 2 {
		if sections[i].Value == "global" {
			global = sections[i : i+2]
		}
	}
	if global != nil && failsAlike(err, global) { // it goes with every part below, which would be blamed for it
		return fmt.Sprintf("line %d: global: ", global[0].Line)
	}
	for i := 0; i+1 < len(sections); i += 2 {
		key, value := sections[i], sections[i+1]
		if value.Kind == yaml.SequenceNode {
			for n, item := range value.Content {
				one := &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{item}}
				if failsAlike(err, append(slices.Clone(global), key, one)) {
					return fmt.Sprintf("line %d: %s: ", item.Line, itemName(key.Value, n, item))
				}
			}
		}
		part := []*yaml.Node{key, value}
		if key.Value != "global" {
			part = append(slices.Clone(global), part...)
		}
		if failsAlike(err, part) {
			return fmt.Sprintf("line %d: %s: ", key.Line, key.Value)
		}
	}
	return ""
}

func failsAlike(err error, content []*yaml.Node) bool {
	text, encErr := yaml.Marshal(&yaml.Node{Kind: yaml.MappingNode, Content: content})
	if encErr != nil {
		return false
	}
	_, loadErr := config.Load(string(text), slog.New(slog.DiscardHandler))
	return loadErr != nil && loadErr.Error() == err.Error()
}

// itemName names an entry of a list by its job_name, name or url, else by its number.
func itemName(list string, n int, item *yaml.Node) string {
	for _, want := range []string{"job_name", "name", "url"} {
		for i := 0; i+1 < len(item.Content) && item.Kind == yaml.MappingNode; i += 2 {
			if item.Content[i].Value == want && item.Content[i+1].Value != "" {
				return fmt.Sprintf("%s[%s=%s]", list, want, item.Content[i+1].Value)
			}
		}
	}
	return fmt.Sprintf("%s[%d]", list, n)
}
