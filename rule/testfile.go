package rule

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v2"
)

// TestFile is a file of unit tests for rules, in promtool's form:
// https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/.
type TestFile struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval,omitempty"`
	GroupEvalOrder     []string       `yaml:"group_eval_order"`
	Tests              []testGroup    `yaml:"tests"`
	FuzzyCompare       bool           `yaml:"fuzzy_compare,omitempty"`
}

type testGroup struct {
	Name            string           `yaml:"name,omitempty"`
	Interval        model.Duration   `yaml:"interval"`
	InputSeries     []testSeries     `yaml:"input_series"`
	AlertRuleTests  []alertTest      `yaml:"alert_rule_test,omitempty"`
	PromqlExprTests []expressionTest `yaml:"promql_expr_test,omitempty"`
	ExternalLabels  labels.Labels    `yaml:"external_labels,omitempty"`
	ExternalURL     string           `yaml:"external_url,omitempty"`
	StartTimestamp  testTime         `yaml:"start_timestamp,omitempty"`

	late time.Duration // how long after its time a sample arrives
}

type testSeries struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertTest struct {
	EvalTime  model.Duration  `yaml:"eval_time"`
	Alertname string          `yaml:"alertname"`
	ExpAlerts []expectedAlert `yaml:"exp_alerts"`
}

type expectedAlert struct {
	ExpLabels      map[string]string `yaml:"exp_labels"`
	ExpAnnotations map[string]string `yaml:"exp_annotations"`
}

type expressionTest struct {
	Expr       string           `yaml:"expr"`
	EvalTime   model.Duration   `yaml:"eval_time"`
	ExpSamples []expectedSample `yaml:"exp_samples"`
}

type expectedSample struct {
	Labels    string  `yaml:"labels"`
	Value     float64 `yaml:"value"`
	Histogram string  `yaml:"histogram"` // when it is not empty, Value does not count
}

// testTime is RFC 3339 or seconds since 1970.
type testTime struct{ time.Time }

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *testTime) UnmarshalYAML(unmarshal func(any) error) error {
	var s string
	if err := unmarshal(&s); err != nil {
		return err
	}
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		t.Time = time.UnixMilli(int64(seconds * 1000)).UTC()
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("start_timestamp: cannot parse %q to a valid timestamp", s)
	}
	t.Time = at
	return nil
}

// TestOptions tune a run of unit tests.
type TestOptions struct {
	// Run selects tests by name; nil is all.
	Run *regexp.Regexp
	// IgnoreUnknownFields lets rule files have keys that are not known.
	IgnoreUnknownFields bool
	// Parser parses expressions; nil means Prometheus' parser without experimental functions.
	Parser parser.Parser
}

// TestReport is what came of a file of tests.
type TestReport struct {
	Warnings []string
	Cases    []TestCase
}

// TestCase is one test of a file.
type TestCase struct {
	Name     string
	Failures []error
	Duration time.Duration
}

// Failures are those of all cases.
func (r TestReport) Failures() []error {
	var all []error
	for _, c := range r.Cases {
		all = append(all, c.Failures...)
	}
	return all
}

// TestRules runs the unit tests of a file. The error is about the file: that it cannot be read or says nothing that can be tested.
func TestRules(ctx context.Context, file string, o TestOptions) (TestReport, error) {
	if o.Parser == nil {
		o.Parser = parser.NewParser(parser.Options{})
	}
	text, err := readRegular(file)
	if err != nil {
		return TestReport{}, err
	}
	var f TestFile
	if err := yaml.UnmarshalStrict(text, &f); err != nil {
		return TestReport{}, err
	}
	report := TestReport{}
	if report.Warnings, err = f.resolve(filepath.Dir(file)); err != nil {
		return report, err
	}
	if f.EvaluationInterval == 0 {
		f.EvaluationInterval = model.Duration(time.Minute)
	}
	order := map[string]int{}
	for i, name := range f.GroupEvalOrder {
		if _, twice := order[name]; twice {
			return report, fmt.Errorf("group name repeated in evaluation order: %s", name)
		}
		order[name] = i
	}
	for i, g := range f.Tests {
		if o.Run != nil && !o.Run.MatchString(g.Name) {
			continue
		}
		if g.Interval == 0 {
			g.Interval = f.EvaluationInterval
		}
		start := time.Now()
		c := TestCase{Name: g.Name, Failures: g.run(ctx, &f, order, o)}
		if c.Name == "" {
			c.Name = fmt.Sprintf("unnamed#%d", i)
		}
		c.Duration = time.Since(start)
		report.Cases = append(report.Cases, c)
	}
	return report, nil
}

// resolve turns the patterns of rule files into names.
func (f *TestFile) resolve(dir string) (warnings []string, err error) {
	var names []string
	for _, pattern := range f.RuleFiles {
		if pattern != "" && !filepath.IsAbs(pattern) {
			pattern = filepath.Join(dir, pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return warnings, fmt.Errorf("rule_files: bad pattern %q: %w", pattern, err)
		}
		if len(found) == 0 {
			warnings = append(warnings, fmt.Sprintf("rule_files: %q matches no file", pattern))
		}
		names = append(names, found...)
	}
	f.RuleFiles = names
	return warnings, nil
}

// loadForTests reads rule files as promtool does: with a file's second document ignored.
func loadForTests(names []string, o TestOptions) (*Files, []error) {
	files, errs := &Files{}, []error(nil)
	for _, name := range names {
		text, err := readRegular(name)
		if err != nil {
			return nil, []error{err}
		}
		groups, wrong := parseLoosely(text, o.IgnoreUnknownFields, o.Parser)
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("%s: %s", name, explain(err)))
		}
		files.put(name, groups)
	}
	return files, errs
}

// alertTests are the tests of alerts by their time, in order.
func (g *testGroup) alertTests() ([]model.Duration, map[model.Duration][]alertTest, error) {
	byTime := map[model.Duration][]alertTest{}
	var times []model.Duration
	for _, a := range g.AlertRuleTests {
		if a.Alertname == "" {
			return nil, nil, errors.New(strings.TrimSpace(fmt.Sprintf("an item under alert_rule_test misses required attribute alertname at eval_time %v %s", a.EvalTime, g.Name)))
		}
		if byTime[a.EvalTime] == nil {
			times = append(times, a.EvalTime)
		}
		byTime[a.EvalTime] = append(byTime[a.EvalTime], a)
	}
	slices.Sort(times)
	return times, byTime, nil
}

func (g *testGroup) last() time.Duration {
	var last model.Duration
	for _, a := range g.AlertRuleTests {
		last = max(last, a.EvalTime)
	}
	for _, e := range g.PromqlExprTests {
		last = max(last, e.EvalTime)
	}
	return time.Duration(last)
}
