package rule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/model"
)

// Language is that of a rule's expressions.
type Language string

// The languages.
const (
	PromQL Language = "promql"
	LogQL  Language = "logql"
)

// Document is a group of rules that people edit through the API, or several of them that they keep together.
type Document struct {
	Name     string   `json:"name"`
	Language Language `json:"language"`
	// YAML is one group as it stands in the list `groups` of a rule file, or a whole such file.
	YAML string    `json:"yaml"`
	By   string    `json:"by"` // who wrote it last
	At   time.Time `json:"at"`
	// Version is the medium's; 0 is a document that is not there yet.
	Version uint64 `json:"-"`
}

// Limits of a document.
const (
	maxName         = 200       // bytes
	maxDocumentYAML = 512 << 10 // the medium takes documents of 1 MiB, and JSON makes text longer
)

func (d Document) path() string { return documentPath + d.Name }

// check says what is wrong with everything but the rules.
func (d Document) check() error {
	switch {
	case strings.TrimSpace(d.Name) == "":
		return invalid(`"name" is empty`)
	case len(d.Name) > maxName:
		return invalid(`"name" has more than %d bytes`, maxName)
	case strings.ContainsFunc(d.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }):
		return invalid(`"name" has characters that cannot be printed`)
	case d.Language != PromQL && d.Language != LogQL:
		return invalid(`"language" is %q: write promql or logql`, d.Language)
	case len(d.YAML) > maxDocumentYAML:
		return invalid(`"yaml" has more than %d bytes: part it into several groups`, maxDocumentYAML)
	}
	return nil
}

// Groups reads the rules. The error tells of everything that is wrong, with lines of the document.
func (d Document) Groups(p parser.Parser) (*rulefmt.RuleGroups, error) {
	text, shifted := wrapped(d.YAML)
	groups, errs := parse([]byte(text), p)
	if len(errs) == 0 && len(groups.Groups) == 0 {
		errs = []error{errors.New("there is no group in it: write its name and its rules")}
	}
	if len(errs) == 0 {
		return groups, nil
	}
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = explain(err)
		if shifted {
			texts[i] = unshift(texts[i])
		}
	}
	return nil, invalid("%s", strings.Join(texts, "\n"))
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errInvalid, fmt.Errorf(format, args...))
}

var errInvalid = model.NewError(model.Invalid, "the rule group is not right")

// wrapped makes a rule file out of a group alone. That moves everything one line down and four columns to the right.
func wrapped(text string) (file string, shifted bool) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil || len(root.Content) == 0 || root.Content[0].Kind != yaml.MappingNode {
		return text, false
	}
	doc := root.Content[0]
	for i := 0; i < len(doc.Content); i += 2 {
		if doc.Content[i].Value == "groups" {
			return text, false
		}
	}
	lines := strings.Split(text, "\n")
	start := doc.Line - 1
	if doc.Style&yaml.FlowStyle != 0 || doc.Column != 1 || start >= len(lines) || slices.ContainsFunc(lines, isMarker) {
		return marshalled(doc), false
	}
	var b strings.Builder
	b.WriteString("groups:\n")
	for i, line := range lines {
		switch {
		case i == start:
			b.WriteString("  - ")
		case line != "":
			b.WriteString("    ")
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.String(), true
}

// isMarker says whether a line begins or ends a YAML document: it means something at the beginning of a line only.
func isMarker(line string) bool {
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") || strings.HasPrefix(line, "%")
}

func marshalled(group *yaml.Node) string {
	out, err := yaml.Marshal(map[string][]*yaml.Node{"groups": {group}})
	if err != nil {
		return ""
	}
	return string(out)
}

var position = regexp.MustCompile(`^(\d+):(\d+):|\bline (\d+)`)

// unshift takes back in an error's text what wrapped has moved.
func unshift(text string) string {
	return position.ReplaceAllStringFunc(text, func(s string) string {
		m := position.FindStringSubmatch(s)
		if m[3] != "" {
			return "line " + less(m[3], 1)
		}
		return less(m[1], 1) + ":" + less(m[2], 4) + ":"
	})
}

func less(number string, by int) string {
	n, err := strconv.Atoi(number)
	if err != nil {
		return number
	}
	return strconv.Itoa(max(1, n-by))
}
