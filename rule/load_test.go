package rule

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestLoadFindsFilesByGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yml", "a.yml", "c.rules"} {
		write(t, filepath.Join(dir, name), strings.ReplaceAll(recordDouble, "doubles", name))
	}
	files, warnings, err := Load([]string{
		filepath.Join(dir, "*.yml"), filepath.Join(dir, "a.yml"), filepath.Join(dir, "*.none"),
	}, parser.NewParser(parser.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "a.yml"), filepath.Join(dir, "b.yml")}
	if got := files.Names(); !slices.Equal(got, want) {
		t.Errorf("files = %v, want %v", got, want)
	}
	if groups, rules := files.Counts(); groups != 2 || rules != 2 {
		t.Errorf("%d groups, %d rules", groups, rules)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "*.none") {
		t.Errorf("warnings = %q, want one about *.none", warnings)
	}
}

func TestLoadRefuses(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "r.yml")
		write(t, file, text)
		_, _, err := Load([]string{file}, parser.NewParser(parser.Options{}))
		if err == nil {
			t.Errorf("accepted:\n%s", text)
			return
		}
		for _, w := range append(want, file) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not have %q", err, w)
			}
		}
		if strings.Contains(err.Error(), "rulefmt") {
			t.Errorf("error %q names a Go type", err)
		}
	}
	rules := func(rule string) string { return "groups:\n- name: g\n  rules:\n  - " + rule + "\n" }

	f("groups: {", "line 1")
	f("group: []", "line 1", "field group is not known here")
	f("groups: [{name: g, ruels: []}]", "ruels")
	f(rules("{record: a, expr: b, foo: 1}"), "line 4", "foo")
	f(rules("{record: a, expr: 'sum('}"), "4:", "could not parse expression")
	f(rules("{record: 'a b{}', expr: b}"), "4:", "braces")
	f(rules("{expr: b}"), "one of 'record' or 'alert' must be set")
	f(rules("{record: a, alert: b, expr: c}"), "only one of")
	f(rules("{alert: a}"), "'expr' must be set")
	f(rules("{record: a, expr: b, for: 1m}"), "invalid field 'for' in recording rule")
	f(rules("{alert: a, expr: b, for: soon}"), "soon")
	f(rules("{alert: a, expr: b, annotations: {x: '{{ if }}'}}"), `annotation "x"`)
	f(rules("{alert: a, expr: b, labels: {__name__: c}}"), "invalid label name")
	f("groups: [{name: g}, {name: g}]", "repeated in the same file")
	f("groups: [{name: ''}]", "Groupname must not be empty")
	f("groups: []\n---\ngroups: []\n", "more than one YAML document")
}

func TestLoadTellsOfEveryErrorOfEveryFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yml"), "groups: [{name: g, rules: [{record: a, expr: 'b('}, {expr: c}]}]")
	write(t, filepath.Join(dir, "b.yml"), "nonsense: 1")
	_, _, err := Load([]string{filepath.Join(dir, "*")}, parser.NewParser(parser.Options{}))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"could not parse", "must be set", "a.yml", "b.yml", "nonsense"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not have %q", err, want)
		}
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	for _, pattern := range []string{"/dev/zer[o]", "[", t.TempDir()} {
		if _, _, err := Load([]string{pattern}, parser.NewParser(parser.Options{})); err == nil {
			t.Errorf("pattern %q was accepted", pattern)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(recordDouble)
	f.Add(alertHot)
	f.Add("groups: [{name: g, rules: [{record: a, expr: 'b('}]}]")
	f.Add("a: &a [*a]")
	dir := f.TempDir()
	file := filepath.Join(dir, "r.yml")
	p := parser.NewParser(parser.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		write(t, file, text)
		files, _, err := Load([]string{file}, p)
		if (files == nil) == (err == nil) {
			t.Fatalf("files %v with error %v", files, err)
		}
	})
}
