package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/rule"
)

// RuleDefaults are the default rules and the procedures that belong to alerts.
type RuleDefaults struct {
	Enabled  bool
	Except   []string // names of topics and alerts that are left out
	Runbooks []string // folders
}

func ruleDefaultKeys(r *RuleDefaults) []Key {
	return []Key{
		{Path: "alerting.default_rules", value: defaultRules{r}, Default: "true", Live: true,
			Doc: "Whether the alerting rules that come with the program are evaluated: `true`, `false`, or a list of the topics and alerts to leave out, such as `[mysql, HostSwapping]`. `hulotte rules list` prints them. See [rules.md](rules.md)."},
		{Path: "alerting.runbooks", value: list(&r.Runbooks), Live: true,
			Doc: "Folders of Markdown files, each a procedure for some alerts: [runbooks.md](runbooks.md)."},
	}
}

// defaultRules is true, false, or a list of what is left out.
type defaultRules struct{ p *RuleDefaults }

func (v defaultRules) kind() string { return "true, false, or list of names to leave out" }

func (v defaultRules) parse(s string) error {
	switch s {
	case "true", "false":
		v.p.Enabled, v.p.Except = s == "true", nil
		return nil
	}
	v.p.Enabled, v.p.Except = true, nil
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			v.p.Except = append(v.p.Except, name)
		}
	}
	return nil
}

func (v defaultRules) decode(n *yaml.Node) error {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Value != "true" && n.Value != "false" {
			return fmt.Errorf("is %q: write true, false, or a list of names to leave out, such as [mysql, HostSwapping]", n.Value)
		}
		return v.parse(n.Value)
	case yaml.SequenceNode:
		v.p.Enabled = true
		return list(&v.p.Except).decode(n)
	}
	return fmt.Errorf("is %s: write true, false, or a list of names to leave out", nodeKind(n))
}

func (v defaultRules) encode() *yaml.Node {
	if v.p.Enabled && len(v.p.Except) > 0 {
		return list(&v.p.Except).encode()
	}
	return boolean(&v.p.Enabled).encode()
}

// DefaultRules are those in force, with the URLs of their runbooks; nil when they are off.
func (c *Config) DefaultRules(runbook func(alert string) string) (*rule.Files, error) {
	if !c.RuleDefaults.Enabled {
		return nil, nil
	}
	files, _, err := rule.Defaults(rule.DefaultsOptions{Except: c.RuleDefaults.Except, Runbook: runbook}, c.QueryOptions().NewParser())
	return files, err
}

// RunbookFolders are absolute, or meant from the working directory when there is no file.
func (c *Config) RunbookFolders() []string {
	out := make([]string, len(c.RuleDefaults.Runbooks))
	for i, folder := range c.RuleDefaults.Runbooks {
		out[i] = c.relative(folder)
	}
	return out
}

// checkDefaultRules warns of names that name nothing.
func (c *Config) checkDefaultRules() {
	_, unknown, err := rule.Defaults(rule.DefaultsOptions{Except: c.RuleDefaults.Except}, c.QueryOptions().NewParser())
	if err != nil {
		c.Warnings = append(c.Warnings, Error{Text: err.Error()})
	}
	for _, name := range unknown {
		c.Warnings = append(c.Warnings, Error{File: c.origins["alerting.default_rules"].file, Key: "alerting.default_rules",
			Text: fmt.Sprintf("leaves out %q, which is neither a topic nor an alert of the default rules", name)})
	}
}
