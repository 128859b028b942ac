package logformat

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/model"
)

// example is one record of the second document of a file of the catalogue, and what it must be read as.
type example struct {
	Line   string
	Now    time.Time
	Time   time.Time
	Level  string
	Fields map[string]string
}

func examplesOf(t testing.TB, name string) []example {
	t.Helper()
	text, err := formatFiles.ReadFile("formats/" + name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var format formatFile
	var examples []example
	if err := errors.Join(dec.Decode(&format), dec.Decode(&examples)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := dec.Decode(&format); !errors.Is(err, io.EOF) {
		t.Errorf("%s: there is a third document", name)
	}
	return examples
}

func TestExamplesOfTheCatalogue(t *testing.T) {
	for _, f := range All() {
		examples := examplesOf(t, f.Name)
		if len(examples) == 0 && f.Name != "plain" {
			t.Errorf("%s has no examples", f.Name)
		}
		for _, e := range examples {
			checkExample(t, f, e)
		}
	}
}

func checkExample(t *testing.T, f *Format, e example) {
	t.Helper()
	p := f.Parse(e.Line, When{Now: e.Now, Zone: time.UTC}, nil)
	if !p.OK {
		t.Errorf("%s does not fit its example %q", f.Name, e.Line)
		return
	}
	want := int64(0)
	if !e.Time.IsZero() {
		want = e.Time.UnixNano()
	}
	if p.Time != want {
		t.Errorf("%s: %q has time %v, want %v", f.Name, e.Line, time.Unix(0, p.Time).UTC(), e.Time)
	}
	if p.Level != e.Level {
		t.Errorf("%s: %q has level %q, want %q", f.Name, e.Line, p.Level, e.Level)
	}
	got := map[string]string{}
	for _, field := range p.Fields {
		got[field.Name] = field.Value
	}
	if !maps.Equal(got, e.Fields) && len(got)+len(e.Fields) > 0 {
		t.Errorf("%s: %q has fields\n%v, want\n%v", f.Name, e.Line, got, e.Fields)
	}
	if len(model.SortFields(p.Fields)) != len(got) {
		t.Errorf("%s: %q has a field twice", f.Name, e.Line)
	}
}

// The examples of a format are recognised as that format, and as nothing else.
func TestDetectFindsEveryFormat(t *testing.T) {
	for _, f := range All() {
		var lines []string
		for _, e := range examplesOf(t, f.Name) {
			lines = append(lines, strings.Split(e.Line, "\n")...)
		}
		if len(lines) == 0 {
			continue
		}
		if got := Detect(lines); got != f {
			t.Errorf("the examples of %s are detected as %v", f.Name, nameOf(got))
		}
	}
}

func nameOf(f *Format) string {
	if f == nil {
		return "nothing"
	}
	return f.Name
}

func TestDetectLeavesOtherTextAlone(t *testing.T) {
	f := func(lines ...string) {
		t.Helper()
		if got := Detect(lines); got != nil {
			t.Errorf("%q is detected as %s", lines, got.Name)
		}
	}
	f()
	f("", "  ")
	f("hello world", "this is a test")
	f("{not json", "{at all}")
	f("a=b", "x=y")
	f("Listening on port 80", "GET / 200 12ms", "GET /x 404 3ms")
}

func TestThePlaceOfAFileTellsLookalikesApart(t *testing.T) {
	line := []string{`203.0.113.7 - - [23/Nov/2026:03:01:06 +0000] "GET / HTTP/1.1" 200 612 "-" "curl/8.5.0"`}
	f := func(name, want string) {
		t.Helper()
		if got := DetectFile(name, line); nameOf(got) != want {
			t.Errorf("%s is detected as %s, want %s", name, nameOf(got), want)
		}
	}
	f("/var/log/nginx/access.log", "nginx_access")
	f("/var/log/apache2/access.log", "apache_access")
	f("/var/log/apache2/other_vhosts_access.log", "apache_access")
	f("/srv/log/a.log", "nginx_access")
	// The place does not make a format of what is none.
	if got := DetectFile("/var/log/nginx/access.log", []string{`{"level":"info","msg":"x"}`}); nameOf(got) != "json" {
		t.Errorf("JSON at nginx's place is detected as %s", nameOf(got))
	}
}

// Every record of the catalogue with several lines is kept together by its own format, and begins where it begins.
func TestRecordsOfTheCatalogueAreJoined(t *testing.T) {
	for _, f := range All() {
		j := Joiner{Format: f, When: When{Now: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), Zone: time.UTC}}
		for _, e := range examplesOf(t, f.Name) {
			for i, line := range strings.Split(e.Line, "\n") {
				if got := j.Begins(line); got != (i == 0) {
					t.Errorf("%s: Begins(%q) = %v", f.Name, line, got)
				}
			}
		}
	}
}

func TestTracesAreJoinedWithoutAFormat(t *testing.T) {
	f := func(records ...string) {
		t.Helper()
		var j Joiner
		for _, r := range records {
			for i, line := range strings.Split(r, "\n") {
				if got := j.Begins(line); got != (i == 0) {
					t.Errorf("Begins(%q) = %v", line, got)
				}
			}
		}
	}
	f("one", "two", "", "three")
	f("before", "Exception in thread \"main\" java.lang.Error: x\n\tat a.b(c.java:1)\nCaused by: java.io.IOException\n\t... 3 more", "after")
	f("before", "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    f()\nValueError: x\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"x.py\"\nKeyError: 'y'", "after")
	f("before", "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:5 +0x39\nexit status 2", "after")
	f("Error: x\n    at f (file.js:1:2)\n    at g (file.js:3:4)", "next")
	f("{", "a") // not a trace
	f("{\n  \"a\": 1\n}", "b")
}

func TestCatalogueRefusesFaultyFiles(t *testing.T) {
	f := func(file formatFile, want string) {
		t.Helper()
		if _, err := file.compile("x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	f(formatFile{Title: "x", Patterns: []string{"<a:nothing>"}}, "unknown kind")
	f(formatFile{Title: "x", Patterns: []string{"<a:until><b:word>"}}, "only text")
	f(formatFile{Title: "x", Patterns: []string{"a"}, Times: []string{"%Q"}}, "followed by one of")
	f(formatFile{Title: "x", Patterns: []string{"a"}, Levels: map[string]string{"x": "bad"}}, "model.Levels")
	f(formatFile{Title: "x"}, "missing")
	f(formatFile{Title: "x", Patterns: []string{"a"}, Records: "all"}, "records")
}

// FuzzParse runs every format over any text: what it returns lies in the text, and the methods agree with each other.
func FuzzParse(f *testing.F) {
	for _, format := range All() {
		for _, e := range examplesOf(f, format.Name) {
			f.Add(e.Line)
		}
	}
	when := When{Now: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), Zone: time.UTC}
	f.Fuzz(func(t *testing.T, line string) {
		if l := Level(line); !validLevel(l) {
			t.Fatalf("Level(%q) = %q", line, l)
		}
		for _, format := range All() {
			p := format.Parse(line, when, nil)
			if p.OK != format.matches(line, when) {
				t.Fatalf("%s: Parse and matches differ on %q", format.Name, line)
			}
			if !p.OK && (p.Time != 0 || p.Level != "" || p.Fields != nil) {
				t.Fatalf("%s: %q does not fit but has %+v", format.Name, line, p)
			}
			for _, field := range p.Fields {
				if !strings.Contains(line, field.Value) || field.Value == "" {
					t.Fatalf("%s: field %v is not in %q", format.Name, field, line)
				}
			}
			if p.Level != "" && !validLevel(p.Level) {
				t.Fatalf("%s: level %q", format.Name, p.Level)
			}
		}
		Detect(strings.Split(line, "\n"))
		var j Joiner
		for l := range strings.Lines(line) {
			j.Begins(l)
		}
	})
}
