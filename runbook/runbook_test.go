package runbook

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/rule"
)

// defaultAlerts are the names of the default rules.
func defaultAlerts(t *testing.T) (names []string) {
	t.Helper()
	for _, topic := range rule.Topics() {
		text, err := rule.DefaultText(topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\S+)$`).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

func TestEveryDefaultAlertHasItsRunbook(t *testing.T) {
	books := defaults()
	alerts := append(defaultAlerts(t), "CheckProblem", "HostDown") // those of checks, see alert/checks
	if len(alerts) < 100 {
		t.Fatalf("only %d default alerts were found", len(alerts))
	}
	for _, alert := range alerts {
		r := books[alert]
		if r == nil {
			t.Errorf("%s has no runbook", alert)
			continue
		}
		if r.Title == alert || len(r.Panels) == 0 || len(r.Steps) < 2 && alert != "Watchdog" {
			t.Errorf("%s: title %q, %d queries, %d steps", alert, r.Title, len(r.Panels), len(r.Steps))
		}
		for _, p := range r.Panels {
			for _, labels := range []map[string]string{nil, {"instance": `a"b\c`, "mountpoint": "/", "name": "x.service", "backend": "b", "queue": "q", "job": "node"}} {
				if err := parses(p, labels); err != nil {
					t.Errorf("%s, line %d: %v: %s", alert, p.Line, err, p.Fill(labels))
				}
			}
		}
	}
	for id := range books {
		if !slices.Contains(alerts, id) {
			t.Errorf("there is no default alert %s that its runbook is for", id)
		}
	}
}

func parses(p Panel, labels map[string]string) error {
	if p.Language == "logql" {
		_, err := logql.Parse(p.Fill(labels))
		return err
	}
	_, err := parser.NewParser(parser.Options{}).ParseExpr(p.Fill(labels))
	return err
}

const diskBook = `---
title: Our disks
match:
  team: storage
  severity: [critical, page]
owner: anna
---
# A headline

Look:

` + "```promql title=room\nnode_filesystem_avail_bytes{instance=\"$labels.instance\"}\n```" + `

1. [ ] First
   - [x] Second, in a list
> * [ ] Third
- no task
` + "~~~text\n- [ ] not one\n~~~" + `
- [ ] Last`

func TestParse(t *testing.T) {
	r, err := Parse("disks", diskBook)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Match.String(); r.Title != "Our disks" || got != `{team="storage",severity=~"critical|page"}` {
		t.Errorf("%q %s", r.Title, got)
	}
	var steps []string
	for _, s := range r.Steps {
		steps = append(steps, s.Text)
	}
	if got := strings.Join(steps, "; "); got != "First; Second, in a list; Third; Last" || r.Steps[0].Line != 16 {
		t.Errorf("%s, %+v", got, r.Steps)
	}
	if len(r.Panels) != 1 || r.Panels[0].Line != 12 || r.Panels[0].Query != `node_filesystem_avail_bytes{instance="$labels.instance"}` {
		t.Errorf("%+v", r.Panels)
	}
	filled := r.Filled(map[string]string{"instance": "a\nb"})
	if !strings.Contains(filled, `{instance="a\nb"}`) || strings.Replace(filled, `"a\nb"`, `"$labels.instance"`, 1) != r.Text {
		t.Error(filled)
	}
}

func TestTitles(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if r, err := Parse("some id", text); err != nil || r.Title != want {
			t.Errorf("%v %+v, want %q", err, r, want)
		}
	}
	f("# What to do #\n", "What to do")
	f("---\r\ntitle: 'Other'\r\n---\r\n# What to do", "Other")
	f("text", "some id")
	f("```\n# not one\n```", "some id")
	f("---\n---\ntext", "some id")
}

func TestParseRefuses(t *testing.T) {
	f := func(id, text, want string) {
		t.Helper()
		_, err := Parse(id, text)
		if err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f("", "text", `"id" is empty`)
	f(" a", "text", "begins or ends with a space")
	f("a\nb", "text", "cannot be printed")
	f(strings.Repeat("a", 300), "text", "more than 200 bytes")
	f("a", " \n", "it is empty")
	f("a", "\xff", "not UTF-8")
	f("a", strings.Repeat("x", MaxText+1), "more than 262144 bytes")
	f("a", "---\ntitle: x\n", "has no end")
	f("a", "---\ntitle: [x\n---\n", "front matter")
	f("a", "---\nmatch: {a: {b: c}}\n---\n", "line 2: match: a: write a value, or a list of values")
	f("a", "---\ntitle: x\nmatch: ['severity=']\n---\n", "line 3: match")
	f("a", "---\nmatch: {a: []}\n---\n", "there is no value")
	f("a", strings.Repeat("- [ ] x\n", 600), "600 steps")
	f("a", strings.Repeat("```promql\n```\n", 300), "300 queries")
}

func TestFill(t *testing.T) {
	f := func(language, query, want string) {
		t.Helper()
		got := Panel{Language: language, Query: query}.Fill(map[string]string{"instance": `a"b`, "job": "node"})
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f("promql", `x{instance="$labels.instance"}`, `x{instance="a\"b"}`)
	f("promql", `x{host="$labels.host",job = "$labels.job"}`, `x{host=~".*",job = "node"}`)
	f("logql", `{host="$labels.host"}`, `{host=~".+"}`)
	f("promql", `x{job=~"$labels.job.*"}`, `x{job=~"node.*"}`)
	f("promql", `x{job!="$labels.job"}`, `x{job!="node"}`)
}

func FuzzParse(f *testing.F) {
	f.Add(diskBook)
	f.Add("---\nmatch: &a [*a]\n---\n```promql\n$labels.x \"$labels.y\"\n")
	for _, r := range defaults() {
		f.Add(r.Text)
		break
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse("a", text)
		if err != nil {
			return
		}
		if r.Filled(map[string]string{}) == "" {
			t.Error("nothing is left of it")
		}
		again, err := Parse("a", r.Text)
		if err != nil || len(again.Steps) != len(r.Steps) || len(again.Panels) != len(r.Panels) {
			t.Errorf("it is read differently the second time: %v", err)
		}
	})
}

func writeFile(name, text string) error { return os.WriteFile(name, []byte(text), 0o600) }

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("HostDiskFull.md", "# Ours\n")
	write("sub/Shop.MD", "text")
	write("sub/HostDiskFull.md", "again")
	write("bad.md", "---\n")
	write("notes.txt", "text")
	write(".git/x.md", "text")
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "zero.md")); err != nil {
		t.Fatal(err)
	}
	books, errs := readFolders([]string{dir, filepath.Join(dir, "away")})
	if got := slices.Sorted(maps.Keys(books)); !slices.Equal(got, []string{"HostDiskFull", "Shop"}) || books["HostDiskFull"].Title != "Ours" || books["HostDiskFull"].Source != FromFile {
		t.Errorf("%v", got)
	}
	text := ""
	for _, err := range errs {
		text += err.Error() + "\n"
	}
	for _, want := range []string{"bad.md", "is in " + dir, "zero.md: not a regular file", "away"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nwant %q", text, want)
		}
	}
	if len(errs) != 4 {
		t.Error(text)
	}
}
