package explain

import (
	"fmt"

	"github.com/prometheus/alertmanager/matcher/parse"
	"github.com/prometheus/alertmanager/pkg/labels"

	"github.com/hulotte-dev/hulotte/alert/manager"
)

// Matcher is one condition on a label, as Alertmanager's API writes it.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual *bool  `json:"isEqual"` // true when it is missing
}

// MatchAll makes a function that says whether labels match all of the matchers. The error names the one that is wrong.
func MatchAll(all []Matcher) (func(map[string]string) bool, error) {
	out := make([]manager.Matcher, len(all))
	for i, m := range all {
		if m.Name == "" {
			return nil, fmt.Errorf("matcher %d has no name", i+1)
		}
		out[i] = manager.Matcher{Name: m.Name, Value: m.Value, Regexp: m.IsRegex, Not: m.IsEqual != nil && !*m.IsEqual}
		if _, err := manager.Matches(out[i : i+1]); err != nil {
			return nil, fmt.Errorf("the matcher of %s: %w", m.Name, err)
		}
	}
	return manager.Matches(out)
}

// maxMatcherBytes bounds the text of a matcher.
const maxMatcherBytes = 16 << 10

// ParseMatcher reads a condition as Alertmanager's tools do: severity=critical, instance=~"web.*", team!="db".
func ParseMatcher(text string) (manager.Matcher, error) {
	if len(text) > maxMatcherBytes {
		return manager.Matcher{}, fmt.Errorf("a matcher has %d bytes, more than %d", len(text), maxMatcherBytes)
	}
	m, err := parse.Matcher(text)
	if err != nil {
		var classic error
		if m, classic = labels.ParseMatcher(text); classic != nil {
			return manager.Matcher{}, fmt.Errorf("%q is no matcher (name=value, name!=value, name=~regexp or name!~regexp): %w", cut(text), err)
		}
	}
	return manager.Matcher{
		Name: m.Name, Value: m.Value, Regexp: m.Type == labels.MatchRegexp || m.Type == labels.MatchNotRegexp, Not: m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp,
	}, nil
}

// Matchers makes a function of conditions that says whether labels match all of them.
func Matchers(texts []string) (func(map[string]string) bool, error) {
	all := make([]manager.Matcher, len(texts))
	for i, text := range texts {
		m, err := ParseMatcher(text)
		if err != nil {
			return nil, err
		}
		all[i] = m
	}
	return manager.Matches(all)
}

func cut(text string) string {
	const most = 100
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
