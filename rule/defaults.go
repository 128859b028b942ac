package rule

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// The default rules are Prometheus' rule files, one a topic; beside them are unit tests in promtool's form, which a test runs.
//
//go:embed defaults/*.yml
var defaultFiles embed.FS

// Topics returns the names of the files of default rules, sorted.
func Topics() []string {
	names, err := fs.Glob(defaultFiles, "defaults/*.yml")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(path.Base(name), ".yml")
	}
	return names
}

// DefaultsOptions choose among the default rules.
type DefaultsOptions struct {
	// Except are names of topics and alerts to leave out.
	Except []string
	// Runbook returns the URL of the procedure for an alert, "" when there is none; nil is none for all.
	Runbook func(alert string) string
}

// Defaults returns the default rules, and those of Except that name nothing.
func Defaults(o DefaultsOptions, p parser.Parser) (rules *Files, unknown []string, err error) {
	rules, named := &Files{}, map[string]bool{}
	for _, topic := range Topics() {
		text, err := DefaultText(topic)
		if err != nil {
			return nil, nil, err
		}
		groups, errs := parse([]byte(text), p)
		if len(errs) > 0 {
			return nil, nil, fmt.Errorf("BUG: the default rules %s: %w", topic, errs[0])
		}
		named[topic] = true
		for i := range groups.Groups {
			o.choose(&groups.Groups[i], named)
		}
		groups.Groups = slices.DeleteFunc(groups.Groups, func(g rulefmt.RuleGroup) bool { return len(g.Rules) == 0 })
		if len(groups.Groups) > 0 && !slices.Contains(o.Except, topic) {
			rules.put(defaultPath+topic, groups)
		}
	}
	for _, name := range o.Except {
		if !named[name] {
			unknown = append(unknown, name)
		}
	}
	return rules, unknown, nil
}

// choose drops the rules that are not wanted, and gives the others the URL of their runbook.
func (o DefaultsOptions) choose(g *rulefmt.RuleGroup, named map[string]bool) {
	g.Rules = slices.DeleteFunc(g.Rules, func(r rulefmt.Rule) bool {
		if r.Alert != "" {
			named[r.Alert] = true
		}
		return r.Alert != "" && slices.Contains(o.Except, r.Alert)
	})
	if o.Runbook == nil {
		return
	}
	for i, r := range g.Rules {
		if url := o.Runbook(r.Alert); r.Alert != "" && url != "" {
			g.Rules[i].Annotations["runbook_url"] = url
		}
	}
}

// DefaultText is the file of a topic.
func DefaultText(topic string) (string, error) {
	text, err := defaultFiles.ReadFile("defaults/" + topic + ".yml")
	return string(text), err
}

// yamlText is a value in YAML.
func yamlText(v any) string {
	text, err := yaml.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
