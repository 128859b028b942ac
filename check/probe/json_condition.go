package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// jsonCondition is one thing that must hold for a value in a JSON document.
type jsonCondition struct {
	Path    string          `json:"path" doc:"where the value is: $.status, $.nodes[0].name, $.nodes[*].up (each one), $['odd name'], $.nodes.length()"`
	Equals  json.RawMessage `json:"equals,omitempty" doc:"the value that it must have, of any type"`
	Not     json.RawMessage `json:"not_equals,omitempty" doc:"a value that it must not have"`
	Matches string          `json:"matches,omitempty" doc:"regular expression that it must match, as text"`
	Absent  bool            `json:"absent,omitempty" doc:"there must be no such value"`
	Warn    check.Range     `json:"warn,omitempty" doc:"for a number: WARNING outside this range"`
	Crit    check.Range     `json:"crit,omitempty" doc:"for a number: CRITICAL outside this range"`
	Label   string          `json:"label,omitempty" doc:"name of the number in the performance data; the path's last name when nothing is declared"`

	steps      []pathStep
	equal, not any
	re         *regexp.Regexp
}

// pathStep is a name, an index, or all.
type pathStep struct {
	name  string
	index int
	kind  byte // 'n'ame, 'i'ndex, '*' all, 'l'ength
}

func (c *jsonCondition) prepare() error {
	var err error
	if c.steps, err = parsePath(c.Path); err != nil {
		return err
	}
	if len(c.Equals) > 0 {
		if err := json.Unmarshal(c.Equals, &c.equal); err != nil {
			return fmt.Errorf("equals: %w", err)
		}
	}
	if len(c.Not) > 0 {
		if err := json.Unmarshal(c.Not, &c.not); err != nil {
			return fmt.Errorf("not_equals: %w", err)
		}
	}
	if c.Matches != "" {
		if c.re, err = regexp.Compile(c.Matches); err != nil {
			return fmt.Errorf("matches: %w", err)
		}
	}
	if c.Label == "" {
		c.Label = strings.TrimPrefix(c.Path, "$.")
	}
	return nil
}

var errPath = errors.New("write it like $.status, $.nodes[0].name or $.nodes[*].up")

func parsePath(path string) ([]pathStep, error) {
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, fmt.Errorf("path: %q: %w", path, errPath)
	}
	var steps []pathStep
	for rest != "" {
		step, left, ok := parseStep(rest)
		if !ok {
			return nil, fmt.Errorf("path: %q at %q: %w", path, rest, errPath)
		}
		steps, rest = append(steps, step), left
	}
	return steps, nil
}

func parseStep(rest string) (pathStep, string, bool) {
	if name, ok := strings.CutPrefix(rest, "."); ok {
		if left, ok := strings.CutPrefix(name, "length()"); ok {
			return pathStep{kind: 'l'}, left, true
		}
		if left, ok := strings.CutPrefix(name, "*"); ok {
			return pathStep{kind: '*'}, left, true
		}
		end := strings.IndexAny(name, ".[")
		if end < 0 {
			end = len(name)
		}
		return pathStep{kind: 'n', name: name[:end]}, name[end:], end > 0
	}
	inner, ok := strings.CutPrefix(rest, "[")
	if !ok || inner == "" {
		return pathStep{}, "", false
	}
	if quote := inner[0]; quote == '\'' || quote == '"' {
		end := strings.Index(inner[1:], string(quote)+"]")
		if end < 0 {
			return pathStep{}, "", false
		}
		return pathStep{kind: 'n', name: inner[1 : 1+end]}, inner[end+3:], true
	}
	text, left, ok := strings.Cut(inner, "]")
	if !ok {
		return pathStep{}, "", false
	}
	if text == "*" {
		return pathStep{kind: '*'}, left, true
	}
	n, err := strconv.Atoi(text)
	return pathStep{kind: 'i', index: n}, left, err == nil
}

// follow returns what is at a path: no value, one, or several after a *.
func follow(v any, steps []pathStep) []any {
	at := []any{v}
	for _, step := range steps {
		var next []any
		for _, v := range at {
			next = append(next, step.of(v)...)
		}
		at = next
	}
	return at
}

func (s *pathStep) of(v any) []any {
	switch v := v.(type) {
	case map[string]any:
		switch s.kind {
		case 'n':
			if inner, ok := v[s.name]; ok {
				return []any{inner}
			}
		case '*':
			var all []any
			for _, inner := range v {
				all = append(all, inner)
			}
			return all
		case 'l':
			return []any{float64(len(v))}
		}
	case []any:
		switch i := s.index; s.kind {
		case 'i':
			if i < 0 {
				i += len(v)
			}
			if i >= 0 && i < len(v) {
				return v[i : i+1]
			}
		case '*':
			return v
		case 'l':
			return []any{float64(len(v))}
		}
	case string:
		if s.kind == 'l' {
			return []any{float64(len(v))}
		}
	}
	return nil
}

// judge reports whether the condition holds.
func (c *jsonCondition) judge(document any, rep *report) {
	found := follow(document, c.steps)
	if c.Absent {
		if len(found) > 0 {
			rep.problem(model.Critical, "%s is %s, though it should not be there", c.Path, jsonText(found[0]))
		}
		return
	}
	if len(found) == 0 {
		rep.problem(model.Critical, "there is no %s in the answer", c.Path)
		return
	}
	for _, v := range found {
		if !c.judgeValue(v, rep) {
			return
		}
	}
	c.judgeNumber(found, rep)
}

func (c *jsonCondition) judgeValue(v any, rep *report) bool {
	switch {
	case len(c.Equals) > 0 && !reflect.DeepEqual(v, c.equal):
		rep.problem(model.Critical, "%s is %s, not %s", c.Path, jsonText(v), jsonText(c.equal))
	case len(c.Not) > 0 && reflect.DeepEqual(v, c.not):
		rep.problem(model.Critical, "%s is %s", c.Path, jsonText(v))
	case c.re != nil && !c.re.MatchString(plainText(v)):
		rep.problem(model.Critical, "%s is %s, which does not match %q", c.Path, jsonText(v), c.Matches)
	default:
		return true
	}
	return false
}

// judgeNumber rates the worst of the values, which is one unless the path has a *.
func (c *jsonCondition) judgeNumber(found []any, rep *report) {
	if !c.Warn.Set() && !c.Crit.Set() {
		return
	}
	worst, severity := math.NaN(), -1
	for _, v := range found {
		n, err := strconv.ParseFloat(plainText(v), 64)
		if err != nil {
			rep.problem(model.Critical, "%s is %s, which is no number", c.Path, jsonText(v))
			return
		}
		if s := check.Rate(n, c.Warn, c.Crit).Severity(); s > severity {
			worst, severity = n, s
		}
	}
	rep.value(c.Label, worst, "", c.Warn, c.Crit, strings.ReplaceAll(c.Path, "%", "%%")+" is %s")
}

func jsonText(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return printable(string(data), 100)
}

// plainText is a text as it is, and JSON of all else.
func plainText(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}
