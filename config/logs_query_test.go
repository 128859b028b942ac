package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rulesConfig loads a configuration whose rules in LogQL are text.
func rulesConfig(t *testing.T, text string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hulotte.yml":   "query: {logs: {rule_files: [rules/*.yml, rules/none.yml]}}\n",
		"rules/log.yml": text,
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Sources{File: filepath.Join(dir, "hulotte.yml")})
}

func TestLogRules(t *testing.T) {
	c, err := rulesConfig(t, `groups: [{name: g, rules: [{record: a, expr: 'sum(rate({app="shop"} |= "error" [5m]))'}]}]`)
	if err != nil {
		t.Fatal(err)
	}
	if files := c.LogRuleFiles(); len(files) != 2 || files[0] != filepath.Join(filepath.Dir(c.File), "rules", "*.yml") {
		t.Errorf("%v", files)
	}
	warned := false
	for _, w := range c.Warnings {
		warned = warned || strings.Contains(w.Text, "query.logs.rule_files:") && strings.Contains(w.Text, "none.yml")
	}
	if !warned {
		t.Errorf("no warning of the file that is not there: %v", c.Warnings)
	}
}

func TestLogRulesThatAreWrong(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := rulesConfig(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "log.yml") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	f(`groups: [{name: g, rules: [{record: a, expr: 'sum(rate({app="shop"}[5m])'}]}]`, "parse error at line 1, col 27")
	f(`groups: [{name: g, rules: [{record: a, expr: '{app="shop"}'}]}]`, "a rule needs numbers")
	f(`groups: [{name: g, rulez: []}]`, "rulez")
}
