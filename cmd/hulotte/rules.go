package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/rule"
)

// exitLint is promtool's exit code for rules that are right and suspicious.
const exitLint = 3

func rulesCommand() *command {
	return &command{
		name:     "hulotte rules",
		summary:  "Check, test and list alerting and recording rules.",
		examples: []string{"hulotte rules check rules/*.yml", "hulotte rules test tests/*.yml", "hulotte rules list"},
		subs:     []*command{rulesCheck(), rulesTest(), rulesList()},
	}
}

// ruleFlags say how rules are read.
type ruleFlags struct {
	logql, strict, ignoreUnknown bool
}

func (r *ruleFlags) declare(fs *flag.FlagSet) {
	fs.BoolVar(&r.strict, "strict", false, "refuse experimental PromQL, as a Prometheus server does where it is not turned on")
	fs.BoolVar(&r.ignoreUnknown, "ignore-unknown-fields", false, "let rule files have keys that are not known; the server refuses them")
}

func (r *ruleFlags) parser() parser.Parser {
	if r.logql {
		return config.LogRuleParser()
	}
	return promql.Options{WithoutExperimental: r.strict}.NewParser()
}

func logqlFlag(fs *flag.FlagSet, v *bool) {
	fs.BoolVar(v, "logql", false, "the expressions are LogQL, as in the files of query.logs.rule_files")
}

func rulesCheck() *command {
	r, lintFatal := &ruleFlags{}, false
	return &command{
		name: "hulotte rules check", args: "FILE ...",
		summary:  "Read rule files as the server does, and print everything that is wrong.",
		about:    "Ends with 0 when the server would take all of them and with 1 otherwise.",
		examples: []string{"hulotte rules check rules/*.yml", "hulotte rules check --logql log-rules/*.yml"},
		flags: func(fs *flag.FlagSet) {
			r.declare(fs)
			logqlFlag(fs, &r.logql)
			fs.BoolVar(&lintFatal, "lint-fatal", false, "end with 3 when several rules of a file have one name and the same labels")
		},
		run: func(files []string, s streams) int {
			if len(files) == 0 {
				return failed(s.err, "hulotte rules check", errors.New("name a rule file"))
			}
			code := exitOK
			for _, name := range files {
				found, errs := rule.LoadFile(name, r.ignoreUnknown, r.parser())
				for _, err := range errs {
					fmt.Fprintln(s.err, printable(err.Error()))
				}
				if len(errs) > 0 {
					code = exitFailed
					continue
				}
				doubled := found.Duplicates()
				for _, text := range doubled {
					fmt.Fprintln(s.err, "warning: "+printable(text))
				}
				if len(doubled) > 0 && lintFatal && code == exitOK {
					code = exitLint
				}
				groups, rules := found.Counts()
				fmt.Fprintf(s.out, "%s: %d groups, %d rules\n", printable(name), groups, rules)
			}
			return code
		},
	}
}

// patterns are a flag that may be given several times.
type patterns []string

func (p *patterns) String() string { return strings.Join(*p, " ") }
func (p *patterns) Set(s string) error {
	if _, err := regexp.Compile(s); err != nil {
		return err
	}
	*p = append(*p, s)
	return nil
}

// regexp matches what any of the patterns matches; nil is everything.
func (p patterns) regexp() *regexp.Regexp {
	if len(p) == 0 {
		return nil
	}
	return regexp.MustCompile("(?:" + strings.Join(p, ")|(?:") + ")")
}

func rulesTest() *command {
	r, junit, only := &ruleFlags{}, "", patterns{}
	return &command{
		name: "hulotte rules test", args: "FILE ...",
		summary: "Run unit tests of rules, in promtool's format.",
		about: "The format: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/. Verdicts are those of promtool.\n" +
			"Ends with 0 when all tests pass and with 1 otherwise.",
		examples: []string{"hulotte rules test tests/*.yml", "hulotte rules test --run disk --junit report.xml tests/disk.yml"},
		flags: func(fs *flag.FlagSet) {
			r.declare(fs)
			fs.Var(&only, "run", "run only tests whose names match this `REGEXP`; it may be given several times")
			fs.StringVar(&junit, "junit", "", "write the results to a `FILE` in JUnit's format")
		},
		run: func(files []string, s streams) int {
			if len(files) == 0 {
				return failed(s.err, "hulotte rules test", errors.New("name a file of tests"))
			}
			ctx, stop := interrupted()
			defer stop()
			suites, code := runRuleTests(ctx, files, rule.TestOptions{Run: only.regexp(), IgnoreUnknownFields: r.ignoreUnknown, Parser: r.parser()}, s)
			if junit != "" {
				if err := suites.write(junit); err != nil {
					return failed(s.err, "hulotte rules test", err)
				}
			}
			return code
		},
	}
}

func runRuleTests(ctx context.Context, files []string, o rule.TestOptions, s streams) (suites junitSuites, code int) {
	for _, file := range files {
		report, err := rule.TestRules(ctx, file, o)
		for _, w := range report.Warnings {
			fmt.Fprintf(s.err, "%s: warning: %s\n", printable(file), printable(w))
		}
		suites.add(file, report, err)
		bad := 0
		for _, c := range report.Cases {
			if len(c.Failures) > 0 {
				bad++
			}
		}
		switch {
		case err != nil:
			fmt.Fprintf(s.err, "%s: %s\n", printable(file), printable(err.Error()))
		case bad > 0:
			fmt.Fprintf(s.out, "%s: %d of %d tests failed\n", printable(file), bad, len(report.Cases))
			for _, err := range report.Failures() {
				fmt.Fprintln(s.out, "  "+strings.ReplaceAll(printable(err.Error()), "\n", "\n  "))
			}
		default:
			fmt.Fprintf(s.out, "%s: %d tests passed\n", printable(file), len(report.Cases))
			continue
		}
		code = exitFailed
	}
	return suites, code
}

// junitSuites is a report as build servers read it: https://github.com/testmoapp/junitxml.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"` // seconds
	Failure []junitText `xml:"failure"`
	Error   []junitText `xml:"error"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (j *junitSuites) add(file string, r rule.TestReport, err error) {
	suite := junitSuite{Name: file}
	for _, c := range r.Cases {
		out := junitCase{Name: c.Name, Class: file, Time: fmt.Sprintf("%.3f", c.Duration.Seconds())}
		for _, err := range c.Failures {
			first, _, _ := strings.Cut(err.Error(), "\n")
			out.Failure = append(out.Failure, junitText{first, err.Error()})
		}
		if len(c.Failures) > 0 {
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, out)
	}
	if err != nil {
		suite.Errors++
		suite.Cases = append(suite.Cases, junitCase{Name: "the file", Class: file, Time: "0", Error: []junitText{{err.Error(), err.Error()}}})
	}
	suite.Tests = len(suite.Cases)
	j.Suites = append(j.Suites, suite)
}

func (j *junitSuites) write(file string) error {
	text, err := xml.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append([]byte(xml.Header), append(text, '\n')...), 0o644)
}

func rulesList() *command {
	r, asJSON, asYAML := &ruleFlags{}, false, false
	return &command{
		name: "hulotte rules list", args: "[FILE ...]",
		summary:  "Print the rules of files, or those that come with the program.",
		about:    "The names of topics and alerts are those that `alerting.default_rules` leaves out.",
		examples: []string{"hulotte rules list", "hulotte rules list --yaml > default-rules.yml", "hulotte rules list rules/*.yml"},
		flags: func(fs *flag.FlagSet) {
			r.declare(fs)
			logqlFlag(fs, &r.logql)
			jsonFlag(fs, &asJSON)
			fs.BoolVar(&asYAML, "yaml", false, "print the rule file of the default rules, or of one topic that is named instead of a FILE")
		},
		run: func(files []string, s streams) int {
			err := listRules(files, r, asJSON, asYAML, s)
			if err != nil {
				return failed(s.err, "hulotte rules list", err)
			}
			return exitOK
		},
	}
}

func listRules(files []string, r *ruleFlags, asJSON, asYAML bool, s streams) error {
	if asYAML {
		return printDefaultRules(files, s.out)
	}
	var all []rule.Declared
	if len(files) == 0 {
		found, err := rule.DefaultFiles()
		if err != nil {
			return err
		}
		all = found.Declared()
	}
	for _, name := range files {
		found, errs := rule.LoadFile(name, r.ignoreUnknown, r.parser())
		if err := errors.Join(errs...); err != nil {
			return err
		}
		all = append(all, found.Declared()...)
	}
	if asJSON {
		return printRulesJSON(all, s.out)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	heading := "TOPIC"
	if len(files) > 0 {
		heading = "FILE"
	}
	fmt.Fprintf(w, "%s\tGROUP\tRULE\tSEVERITY\tFOR\tEXPRESSION\n", heading)
	for _, d := range all {
		expr := strings.Join(strings.Fields(d.Expr), " ")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(d.File), printable(d.Group), printable(d.Name()), printable(d.Labels["severity"]), model.Duration(d.For), printable(expr))
	}
	return w.Flush()
}

func printRulesJSON(all []rule.Declared, out io.Writer) error {
	type line struct {
		rule.Declared
		For           string `json:"for,omitempty"`
		KeepFiringFor string `json:"keep_firing_for,omitempty"`
	}
	text := func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return model.Duration(d).String()
	}
	lines := make([]line, len(all))
	for i, d := range all {
		lines[i] = line{d, text(d.For), text(d.KeepFiringFor)}
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(lines)
}

// printDefaultRules prints the rule file of topics as one.
func printDefaultRules(topics []string, out io.Writer) error {
	if len(topics) == 0 {
		topics = rule.Topics()
	}
	fmt.Fprintln(out, "groups:")
	for _, topic := range topics {
		text, err := rule.DefaultText(topic)
		if err != nil {
			return fmt.Errorf("there is no topic %q: there are %s", topic, strings.Join(rule.Topics(), ", "))
		}
		head, groups, _ := strings.Cut(text, "groups:\n")
		fmt.Fprintf(out, "  %s%s", head, groups)
	}
	return nil
}
