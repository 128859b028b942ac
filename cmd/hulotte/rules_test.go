package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const rulesFolder = "../../test/testdata/rules/"

func TestRulesCommand(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "report.xml")
	log := filepath.Join(t.TempDir(), "log.yml")
	if err := os.WriteFile(log, []byte("groups: [{name: a, rules: [{record: b, expr: 'sum(rate({app=\"x\"} |= \"y\" [1m]))'}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(code int, want string, args ...string) {
		t.Helper()
		out, errs, got := execute(t, append([]string{"rules"}, args...)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%q: exit code %d, want %d and %q: %s%s", args, got, code, want, out, errs)
		}
	}
	f(0, "r_shop.yml: 2 groups, 4 rules", "check", rulesFolder+"r_shop.yml")
	f(1, "r_unknown_key.yml: line 6: field metadata is not known here", "check", rulesFolder+"r_unknown_key.yml", rulesFolder+"r_shop.yml")
	f(0, "1 rules", "check", "--ignore-unknown-fields", rulesFolder+"r_unknown_key.yml")
	f(0, `warning: `+rulesFolder+`r_twice.yml: there are several rules b with the labels {x="1"}`, "check", rulesFolder+"r_twice.yml")
	f(3, "several rules", "check", "--lint-fatal", rulesFolder+"r_twice.yml")
	f(1, "name a rule file", "check")
	f(1, "none.yml: ", "check", "none.yml")
	f(1, "log.yml: ", "check", log)
	f(0, "1 rules", "check", "--logql", log)

	f(0, "t_alert.yml: 1 tests passed", "test", rulesFolder+"t_alert.yml")
	f(1, "t_not_expected.yml: 1 of 1 tests failed\n  alertname: Quiet, time: 10m", "test", rulesFolder+"t_alert.yml", rulesFolder+"t_not_expected.yml", rulesFolder+"t_broken.yml", "--junit", junit)
	f(0, "0 tests passed", "test", "--run", "nothing", "--run=none", rulesFolder+"t_not_expected.yml")
	f(0, `none*.yml" matches no file`, "test", rulesFolder+"t_glob.yml")
	f(0, "1 tests passed", "test", rulesFolder+"t_experimental.yml")
	f(1, "limitk", "test", "--strict", rulesFolder+"t_experimental.yml")
	f(2, "error parsing regexp", "test", "--run", "(", rulesFolder+"t_alert.yml")
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`tests="1" failures="0" errors="0"`, `tests="1" failures="1" errors="0"`, `tests="1" failures="0" errors="1"`, `<failure message="alertname: Quiet`, `<testcase name="all that an alert has"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nwant %s", text, want)
		}
	}

	f(0, "Quiet", "list", rulesFolder+"r_shop.yml")
	f(0, "HostDiskFull", "list")
	f(1, "there is no topic", "list", "--yaml", "nothing")
}

func TestDefaultRulesAsOneFile(t *testing.T) {
	out, errs, code := execute(t, "rules", "list", "--yaml")
	if code != 0 || errs != "" {
		t.Fatal(code, errs)
	}
	file := filepath.Join(t.TempDir(), "defaults.yml")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := execute(t, "rules", "check", "--strict", file); code != 0 || errs != "" {
		t.Errorf("%d %s%s", code, out, errs)
	}
	out, _, _ = execute(t, "rules", "list", "--json")
	var all, again []map[string]any
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	out, _, _ = execute(t, "rules", "list", "--json", file)
	if err := json.Unmarshal([]byte(out), &again); err != nil || len(all) != len(again) || len(all) < 100 {
		t.Errorf("%v: %d rules, %d in the file", err, len(all), len(again))
	}
}
