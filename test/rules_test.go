package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/query/promql"
	"github.com/hulotte-dev/hulotte/rule"
	"github.com/hulotte-dev/hulotte/test/harness"
)

// ruleFiles are rule files and files of tests, good and bad: ours and those with which promtool itself is tested.
func ruleFiles(t *testing.T) (tests, rules []string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", referenceModule)
	cmd.Dir = harness.Root()
	dir, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{filepath.Join(strings.TrimSpace(string(dir)), "cmd/promtool/testdata/*.yml"), "testdata/rules/*.yml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(files))
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.Contains(string(text), "scrape_configs:"), filepath.Base(file) == "rules_large.yml":
			case strings.HasPrefix(filepath.Base(file), "t_"), strings.Contains(string(text), "\ntests:"):
				tests = append(tests, file)
			default:
				rules = append(rules, file)
			}
		}
	}
	return tests, rules
}

// verdicts runs promtool over files, and says which it finds good.
func verdicts(t *testing.T, files []string, args ...string) map[string]bool {
	t.Helper()
	out, err := exec.Command(referenceBinary(t, "promtool"), append(args, files...)...).CombinedOutput()
	if exit := (&exec.ExitError{}); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	good, file := map[string]bool{}, ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		for _, head := range []string{"Processing test file: ", "Unit Testing:  ", "Checking "} {
			if name, ok := strings.CutPrefix(line, head); ok {
				file = name
			}
		}
		if word, _, _ := strings.Cut(line, ":"); word == "SUCCESS" || word == "FAILED" {
			good[file] = word == "SUCCESS"
		}
	}
	for _, file := range files {
		if _, told := good[file]; !told {
			t.Fatalf("promtool says nothing of %s:\n%s", file, out)
		}
	}
	return good
}

// count fails when files are all good or all bad: then nothing is compared.
func count(t *testing.T, good map[string]bool) {
	t.Helper()
	n := 0
	for _, ok := range good {
		if ok {
			n++
		}
	}
	if n < 5 || len(good)-n < 5 {
		t.Errorf("%d of %d files are good", n, len(good))
	}
}

func TestRuleTestsHavePromtoolsVerdicts(t *testing.T) {
	files, _ := ruleFiles(t)
	f := func(name string, o promql.Options, ignoreUnknown bool, args ...string) {
		t.Helper()
		want := verdicts(t, files, append(args, "test", "rules")...)
		if ignoreUnknown {
			want = verdicts(t, files, append(args, "test", "rules", "--ignore-unknown-fields")...)
		}
		count(t, want)
		for _, file := range files {
			report, err := rule.TestRules(t.Context(), file, rule.TestOptions{Parser: o.NewParser(), IgnoreUnknownFields: ignoreUnknown})
			if got := err == nil && len(report.Failures()) == 0; got != want[file] {
				t.Errorf("%s: %s: good %t, promtool says %t: %v %v", name, filepath.Base(file), got, want[file], err, report.Failures())
			}
		}
	}
	f("strict", promql.Options{WithoutExperimental: true}, false)
	f("experimental", promql.Options{}, true, "--enable-feature=promql-experimental-functions,promql-unquoted-utf8-names")
}

// TestRuleChecksHavePromtoolsVerdicts knows one difference: a file with several YAML documents, of which a server reads the first only, is refused.
func TestRuleChecksHavePromtoolsVerdicts(t *testing.T) {
	_, files := ruleFiles(t)
	want := verdicts(t, files, "check", "rules", "--lint=none")
	count(t, want)
	lint := verdicts(t, files, "check", "rules", "--lint=duplicate-rules")
	for _, file := range files {
		found, errs := rule.LoadFile(file, false, promql.Options{WithoutExperimental: true}.NewParser())
		good := len(errs) == 0
		if filepath.Base(file) == "r_two_documents.yml" {
			if good {
				t.Errorf("%s is taken", file)
			}
			continue
		}
		if good != want[file] {
			t.Errorf("%s: good %t, promtool says %t: %v", filepath.Base(file), good, want[file], errs)
		}
		if good && (len(found.Duplicates()) == 0) != lint[file] {
			t.Errorf("%s: duplicates %q, promtool says %t", filepath.Base(file), found.Duplicates(), lint[file])
		}
	}
}
