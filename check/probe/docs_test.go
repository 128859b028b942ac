package probe

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
)

var update = flag.Bool("update", false, "write docs/checks-network.md anew")

const page = "../../docs/checks-network.md"

// TestDocs holds the tables of options of the page about network checks to the kinds. What is between the marks of a kind is generated.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	shared := optionRows(reflect.TypeFor[targetOptions]()) + optionRows(reflect.TypeFor[tlsOptions]())
	text = between(t, text, "target", header+optionRows(reflect.TypeFor[targetOptions]()))
	text = between(t, text, "tls options", header+optionRows(reflect.TypeFor[tlsOptions]()))
	for _, k := range Kinds(Options{}) {
		text = between(t, text, k.Name, kindTable(k, shared))
	}
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != string(data) {
		t.Error("docs/checks-network.md is not what the options say: run go test ./check/probe -run TestDocs -update")
	}
}

const header = "| option | |\n|---|---|\n"

// kindTable has a kind's own options: those that all have are told once.
func kindTable(k check.Kind, shared string) string {
	var rows strings.Builder
	for _, row := range strings.SplitAfter(optionRows(reflect.TypeOf(k.Options).Elem()), "\n") {
		if !strings.Contains(shared, row) {
			rows.WriteString(row)
		}
	}
	if rows.Len() == 0 {
		return k.Doc + "\n"
	}
	return k.Doc + "\n\n" + header + rows.String()
}

// optionRows are the rows of a struct's options, with those of embedded structs in their place and those of inner ones after a dot.
func optionRows(t reflect.Type) string {
	var b strings.Builder
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous:
			b.WriteString(optionRows(f.Type))
		case name == "" || name == "-":
		default:
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(f.Tag.Get("doc"), "|", `\|`))
			if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[check.Range]() {
				b.WriteString(strings.ReplaceAll(optionRows(inner), "| `", "| `"+name+"."))
			}
		}
	}
	return b.String()
}

// between replaces what is between the marks of a name.
func between(t *testing.T, text, name, content string) string {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- begin %s -->\n", name), fmt.Sprintf("<!-- end %s -->\n", name)
	before, rest, ok1 := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Errorf("docs/checks-network.md has no %q and %q", begin, end)
		return text
	}
	return before + begin + content + end + after
}

// TestOptionsAreDocumented wants words and a name for each option.
func TestOptionsAreDocumented(t *testing.T) {
	for _, k := range Kinds(Options{}) {
		names := map[string]bool{}
		for row := range strings.Lines(optionRows(reflect.TypeOf(k.Options).Elem())) {
			name, doc, _ := strings.Cut(strings.Trim(row, "| \n"), " | ")
			if doc == "" || doc == name {
				t.Errorf("%s: %s has no words", k.Name, row)
			}
			if names[name] {
				t.Errorf("%s: %s is there twice", k.Name, name)
			}
			names[name] = true
		}
	}
}

// TestExamples builds every example of the page.
func TestExamples(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, kinds, _ := strings.Cut(string(data), "## The kinds")
	n := 0
	for i, block := range strings.Split(kinds, "```") {
		lines, isYAML := strings.CutPrefix(block, "yaml\n")
		if i%2 == 0 || !isYAML {
			continue
		}
		for line := range strings.Lines(lines) {
			var example map[string]map[string]any
			if err := yaml.Unmarshal([]byte(line), &example); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			for kind, options := range example {
				n++
				text, err := json.Marshal(options)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tryBuild(kind, "10.0.0.7", string(text)); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		}
	}
	if n < 27 {
		t.Errorf("only %d examples were found", n)
	}
}

func TestNumbersAreTexts(t *testing.T) {
	build(t, "http", "h", `{"ip":4,"min_tls_version":1.3,"codes":[200,"3xx"],"http_version":1.1}`)
	refuses(t, "http", `{"ip":[4]}`, "a text is meant")
}
