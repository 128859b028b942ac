// Package runbook keeps procedures: Markdown texts that say what a problem means, what to look at and what to do. They come with the
// program (one for every default alert), from folders, and from documents on the medium that people edit; of those with one name the
// edited one counts, then the file.
//
// A text may begin with front matter in YAML: `title`, and `match`, the labels of the alerts that it is for. Task-list items are its steps;
// who did which step of which problem is kept. Fenced blocks in promql and logql are queries that pages show live: in them
// "$labels.instance" stands for a label of the alert.
package runbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/model"
)

// Source says where a runbook comes from.
type Source string

// The sources; a later one hides those of the same name before it.
const (
	FromDefaults Source = "default"
	FromFile     Source = "file"
	FromDocument Source = "document"
)

// Runbook is a procedure.
type Runbook struct {
	// ID is its name: the alert that it is for, or any other.
	ID    string
	Title string
	// Match are the matchers of the alerts that it is for, besides the one called like it; all of them must hold.
	Match  labels.Matchers
	Source Source
	// Path is of a file.
	Path string
	// Text is Markdown, with its front matter.
	Text   string
	Steps  []Step
	Panels []Panel

	// Of a document: its version on the medium, who wrote it last, and when.
	Version uint64
	By      string
	At      time.Time
}

// Step is an item of a task list.
type Step struct {
	Text string // Markdown
	Line int    // of Text, from 1
}

// Panel is a fenced block in a query language.
type Panel struct {
	Language string // promql or logql
	Query    string // with $labels in it
	Line     int
}

// Limits of a runbook.
const (
	MaxText   = 256 << 10 // bytes
	maxID     = 200       // bytes
	maxTitle  = 300       // bytes
	maxSteps  = 500
	maxPanels = 200
)

var errInvalid = model.NewError(model.Invalid, "the runbook is not right")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errInvalid, fmt.Errorf(format, args...))
}

// Parse reads a runbook. Its errors are of kind Invalid.
func Parse(id, text string) (*Runbook, error) {
	if err := validID(id); err != nil {
		return nil, err
	}
	switch {
	case len(text) > MaxText:
		return nil, invalid("it has more than %d bytes", MaxText)
	case !utf8.ValidString(text):
		return nil, invalid("it is not UTF-8")
	case strings.TrimSpace(text) == "":
		return nil, invalid("it is empty")
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	r := &Runbook{ID: id, Text: text}
	front, lines, err := cutFront(text)
	if err != nil {
		return nil, err
	}
	if err := r.readFront(front); err != nil {
		return nil, err
	}
	return r, r.scan(lines)
}

func validID(id string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return invalid(`"id" is empty`)
	case len(id) > maxID:
		return invalid(`"id" has more than %d bytes`, maxID)
	case id != strings.TrimSpace(id) || !utf8.ValidString(id) || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }):
		return invalid(`"id" begins or ends with a space, or has characters that cannot be printed`)
	}
	return nil
}

// frontMatter is what stands before a text. Other programs' keys are let be.
type frontMatter struct {
	Title string    `yaml:"title"`
	Match yaml.Node `yaml:"match"`
}

// maxFront bounds front matter: aliases in YAML could make much of little.
const maxFront = 16 << 10

// cutFront returns the front matter, and the lines of the whole text with those of the front matter empty.
func cutFront(text string) (front string, lines []string, err error) {
	lines = strings.Split(text, "\n")
	if strings.TrimRight(lines[0], " ") != "---" {
		return "", lines, nil
	}
	for i := 1; i < len(lines); i++ {
		if l := strings.TrimRight(lines[i], " "); l == "---" || l == "..." {
			front = strings.Join(lines[1:i], "\n")
			if len(front) > maxFront {
				return "", nil, invalid("its front matter has more than %d bytes", maxFront)
			}
			return front, append(make([]string, i+1), lines[i+1:]...), nil
		}
	}
	return "", nil, invalid("its front matter has no end: write --- in a line of its own")
}

func (r *Runbook) readFront(text string) error {
	var f frontMatter
	if err := yaml.NewDecoder(bytes.NewReader([]byte(text))).Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return invalid("its front matter: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	r.Title = strings.TrimSpace(f.Title)
	if len(r.Title) > maxTitle {
		return invalid("its title has more than %d bytes", maxTitle)
	}
	var err error
	if r.Match, err = matchers(&f.Match); err != nil {
		return invalid("its front matter: line %d: match: %w", f.Match.Line+1, err)
	}
	return nil
}

// maxMatchers bounds what is compared with every alert.
const maxMatchers = 50

// matchers are a list of them in Alertmanager's notation, or labels with the value, or the values, that they must have.
func matchers(n *yaml.Node) (all labels.Matchers, err error) {
	switch n.Kind {
	case 0:
		return nil, nil
	case yaml.SequenceNode, yaml.ScalarNode:
		all, err = writtenMatchers(n)
	case yaml.MappingNode:
		all, err = mappedMatchers(n)
	default:
		err = errors.New("write labels with their values, or a list of matchers")
	}
	if err == nil && len(all) > maxMatchers {
		err = fmt.Errorf("it has %d matchers: at most %d", len(all), maxMatchers)
	}
	return all, err
}

func writtenMatchers(n *yaml.Node) (all labels.Matchers, err error) {
	texts := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		texts = n.Content
	}
	for _, t := range texts {
		if t.Kind != yaml.ScalarNode {
			return nil, errors.New(`write each matcher as a text, such as severity="critical"`)
		}
		if t.Tag == "!!null" {
			continue
		}
		m, err := parse.Matchers(t.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, m...)
	}
	return all, nil
}

func mappedMatchers(n *yaml.Node) (all labels.Matchers, err error) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := n.Content[i].Value, n.Content[i+1]
		var values []string
		if err := v.Decode(&values); err != nil {
			var one string
			if err := v.Decode(&one); err != nil {
				return nil, fmt.Errorf("%s: write a value, or a list of values", name)
			}
			values = []string{one}
		}
		m, err := oneOf(name, values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func oneOf(name string, values []string) (*labels.Matcher, error) {
	if len(values) == 1 {
		return labels.NewMatcher(labels.MatchEqual, name, values[0])
	}
	if len(values) == 0 {
		return nil, errors.New("there is no value")
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quoteRegexp(v)
	}
	return labels.NewMatcher(labels.MatchRegexp, name, strings.Join(quoted, "|"))
}

// Clone is a copy that may be written to.
func (r *Runbook) Clone() *Runbook {
	out := *r
	out.Match, out.Steps, out.Panels = slices.Clone(r.Match), slices.Clone(r.Steps), slices.Clone(r.Panels)
	return &out
}
