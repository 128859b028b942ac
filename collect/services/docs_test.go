package services

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDocs holds docs/services.md to the kinds.
func TestDocs(t *testing.T) {
	const file, begin, end = "../../docs/services.md", "from the kinds themselves. -->\n", "<!-- end of the kinds -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks its marks", file)
	}
	want := before + begin + kindsDocs(t) + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s is old; run with -update\n%s", file, firstDifference(want, string(text)))
	}
}

func kindsDocs(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| Kind | Names of | Job | Up | Asked at | Every |\n|---|---|---|---|---|---|\n")
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | `%s` | %s | %s | %s |\n", k.Name, k.Name, k.Exporter, k.Job, code(k.Up), code(k.Address), duration(k.Interval))
	}
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "\n### %s\n%s\n", k.Name, k.Doc)
		if k.Setup != "" {
			fmt.Fprintf(&b, "\n%s\n", k.Setup)
		}
		if options := optionDocs(reflect.TypeOf(k.Options).Elem()); options != "" {
			fmt.Fprintf(&b, "\n| Option | What it is |\n|---|---|\n%s", options)
		}
		if names := goldenFamilies(k.Name); len(names) > 0 {
			fmt.Fprintf(&b, "\n<details><summary>%d families of a sample answer</summary>\n\n%s\n</details>\n", len(names), strings.Join(names, " "))
		}
	}
	return b.String() + "\n"
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

func duration(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func optionDocs(options reflect.Type) string {
	var b strings.Builder
	for i := range options.NumField() {
		f := options.Field(i)
		if f.Anonymous {
			b.WriteString(optionDocs(f.Type))
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Tag.Get("json"), f.Tag.Get("doc"))
	}
	return b.String()
}

// goldenFamilies are those of the golden file of a kind.
func goldenFamilies(kind string) []string {
	text, err := os.ReadFile(filepath.Join("testdata", kind+".golden"))
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ := strings.Cut(rest, " ")
			out = append(out, "`"+name+"`")
		}
	}
	return out
}

// TestOptionsHaveDocs: each option says what it is.
func TestOptionsHaveDocs(t *testing.T) {
	var check func(kind string, options reflect.Type)
	check = func(kind string, options reflect.Type) {
		for i := range options.NumField() {
			f := options.Field(i)
			if f.Anonymous {
				check(kind, f.Type)
			} else if f.Tag.Get("json") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s: the option %s lacks a tag", kind, f.Name)
			}
		}
	}
	for _, k := range Kinds() {
		check(k.Name, reflect.TypeOf(k.Options).Elem())
		if len(goldenFamilies(k.Name)) == 0 && !slices.Contains([]string{"coredns", "postfix", "prometheus"}, k.Name) {
			t.Errorf("%s has no golden file", k.Name)
		}
	}
}
