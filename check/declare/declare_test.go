package declare

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var testOptions = Options{Kinds: []string{"http", "tcp", "icmp", "plugin", "ssh", "passive"}, Host: "here", HostKind: "icmp"}

func read(t *testing.T, text string) (Declared, []Problem) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return Read(testOptions, Document{Node: &doc})
}

func TestRead(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		d, problems := read(t, text)
		if len(problems) > 0 {
			t.Errorf("%s\nproblems: %v", text, problems)
		}
		var got []string
		for _, s := range d.Specs {
			line, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if g := strings.Join(got, "\n"); g != strings.TrimSpace(want) {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, g, want)
		}
	}
	f("", "")
	f("checks:\n  - http: {url: 'https://example.org/'}\n", `{"host":"here","name":"http","kind":"http","options":{"url":"https://example.org/"}}`)
	f("checks:\n  - kind: tcp\n    name: db\n    options: {port: 5432}\n    interval: 1d\n    max_attempts: 5\n",
		`{"host":"here","name":"db","kind":"tcp","options":{"port":5432},"interval":"24h0m0s","max_attempts":5}`)
	f("checks: [{name: a, passive: true, tcp: {port: 1}}, {name: b, passive: {}}]", `
{"host":"here","name":"a","kind":"tcp","options":{"port":1},"passive":true}
{"host":"here","name":"b","kind":"passive","options":{}}`)
	// A host is pinged by itself, unless it says otherwise.
	f("hosts:\n  - {name: a}\n  - {name: b, check: none}\n  - {name: c, check: {tcp: {port: 22}, interval: 5s}}\n  - {name: here}\n", `
{"host":"a","name":"host","kind":"icmp"}
{"host":"c","name":"host","kind":"tcp","options":{"port":22},"interval":"5s"}`)
	// Checks of groups, inside hosts, from templates of templates; options are put together key by key.
	f(`
hosts:
  - {name: a, groups: [web], template: linux, check: none}
  - {name: b, groups: [web], check: none, checks: [{tcp: {port: 1}}]}
templates:
  linux: {template: base, checks: [{ssh: {}}]}
  base: {checks: [{tcp: {port: 9}}], labels: {os: linux}}
  slow: {interval: 10m, http: {method: HEAD, headers: {a: b}}}
checks:
  - {name: shop, host_groups: [web], template: slow, http: {url: /cart, headers: {c: d}}}
  - {host: b, ssh: }
`, `
{"host":"a","name":"tcp","kind":"tcp","options":{"port":9}}
{"host":"a","name":"ssh","kind":"ssh","options":{}}
{"host":"b","name":"tcp","kind":"tcp","options":{"port":1}}
{"host":"a","name":"shop","kind":"http","options":{"headers":{"a":"b","c":"d"},"method":"HEAD","url":"/cart"},"interval":"10m0s"}
{"host":"b","name":"shop","kind":"http","options":{"headers":{"a":"b","c":"d"},"method":"HEAD","url":"/cart"},"interval":"10m0s"}
{"host":"b","name":"ssh","kind":"ssh"}`)
	d, _ := read(t, "hosts:\n  - {name: a, template: linux}\ntemplates:\n  linux: {labels: {os: linux}, groups: [all]}\n")
	if d.Hosts[0].Labels["os"] != "linux" || d.Hosts[0].Groups[0] != "all" {
		t.Errorf("the host has nothing of its template: %+v", d.Hosts[0])
	}
}

func TestProblems(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, problems := read(t, text)
		var got []string
		for _, p := range problems {
			got = append(got, p.Error())
		}
		if g := strings.Join(got, "\n"); g != want {
			t.Errorf("%s\ngot:  %s\nwant: %s", text, g, want)
		}
	}
	f("check: []", `line 1: the declaration has no key "check": did you mean "checks"?`)
	f("checks: {}", "line 1: checks is no list: begin each entry with a dash")
	f("checks: [{htp: {}}]", `line 1: the check has no kind: "htp" is none: did you mean "http"?`)
	f("checks: [{name: x}]", "line 1: the check has no kind: write one as a key, such as http: {url: https://example.org/}")
	f("checks: [{http: {}, tcp: {}}]", "line 1: the check is of several kinds (http, tcp): write one check for each")
	f("checks: [{kind: smoke}]", `line 1: there is no kind "smoke" of checks`)
	f("checks: [{http: 3}]", "line 1: the options of http are no mapping: write http: {}, or keys below it")
	f("checks: [{http: {}, intervall: 3s}]", `line 1: check: there is no key "intervall"`)
	f("checks: [{http: {}, interval: soon}]", `line 1: check: "soon" is no duration: write it like 30s, 5m or 1d`)
	f("checks: [{http: {}, max_attempts: many}]", "line 1: check: max_attempts is a string, where a int is meant")
	f("checks: [{http: {}, host: web}]", `line 1: there is no host "web"; declare it under hosts`)
	f("checks: [{http: {}, host_groups: [web]}]", `line 1: no host is in the group "web"`)
	f("checks: [{http: {}, template: t}]", `line 1: there is no template "t"`)
	f("checks:\n  - http: {}\n  - http: {}\n", `line 3: the check "http" of "here" stands there twice, first on line 2: give one of them another name`)
	f("hosts: [{name: a/b}]", `line 1: the host's name "a/b" holds a slash, a star or a line break`)
	f("hosts: [{name: a}, {name: a}]", `line 1: host "a" stands there twice`)
	f("hosts: [3]", "line 1: a host is no mapping: write keys, such as name:")
	f("templates: {a: {template: b}, b: {template: a}}\nhosts: [{name: x, template: a}]", `line 1: template "a" uses itself`)
}

// The example in the documentation is right.
func TestDocumentedExample(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "checks.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		var doc struct{ Monitoring yaml.Node }
		if err := yaml.Unmarshal([]byte(block), &doc); err != nil {
			t.Errorf("block %d: %v", i+1, err)
			continue
		}
		if doc.Monitoring.Kind == 0 {
			continue
		}
		n++
		o := testOptions
		o.Kinds = append(o.Kinds, "dns", "promql", "heartbeat", "disk", "tls", "nrpe")
		if _, problems := Read(o, Document{Node: &doc.Monitoring}); len(problems) > 0 {
			t.Errorf("block %d: %v", i+1, problems)
		}
	}
	if n == 0 {
		t.Error("docs/checks.md has no example of monitoring:")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("hosts:\n  - {name: a, groups: [g], template: t, checks: [{http: {}}]}\ntemplates: {t: {interval: 1s}}\nchecks: [{tcp: {port: 1}, host_groups: [g]}]\nperiods: {p: {}}\n")
	f.Add("checks: &a [{http: *a}]")
	f.Fuzz(func(t *testing.T, text string) {
		var doc yaml.Node
		if yaml.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		d, _ := Read(testOptions, Document{Node: &doc})
		for _, s := range d.Specs {
			if s.Host == "" || s.Name == "" || s.Kind == "" {
				t.Fatalf("a check without host, name or kind: %+v", s)
			}
		}
	})
}
