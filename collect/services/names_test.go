package services

import (
	"strings"
	"testing"
)

func TestTablesAreRight(t *testing.T) {
	files, err := tables.ReadDir("names")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := tables.ReadFile("names/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		names, err := parseTable(string(text))
		if err != nil {
			t.Errorf("%s: %v", file.Name(), err)
		}
		for _, lines := range names {
			for _, n := range lines {
				if !isWord(n.name) {
					t.Errorf("%s: %q is no name", file.Name(), n.name)
				}
			}
		}
	}
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if k.Name == "" || k.Exporter == "" || k.Job == "" || !strings.HasSuffix(k.Doc, ".") || k.Options == nil || k.new == nil {
			t.Errorf("kind %q lacks something: %+v", k.Name, k)
		}
		if _, err := New(k.Name, Target{Options: map[string]any{"no_such_option": 1}}); err == nil || !strings.Contains(err.Error(), "no_such_option") {
			t.Errorf("%s: an unknown option gives %v", k.Name, err)
		}
	}
	if _, err := New("abacus", Target{}); err == nil {
		t.Error("no error for a kind that there is not")
	}
	if Job("redis") != "redis" || Job("abacus") != "" {
		t.Error("Job is wrong")
	}
}

func TestSeriesAreLimited(t *testing.T) {
	f := newFamilies(10)
	for range 5 {
		f.gauge("a", "h", 1)
	}
	f.counter("a", "h", 1) // another type than the family's
	for range 8 {
		f.gauge("b", "h", 1, "l", strings.Repeat("\xff", 10_000))
	}
	fams := f.result()
	wantValue(t, fams, 4, droppedSeries)
	if err := f.warning(); err == nil || !strings.Contains(err.Error(), "dropped 4 series, of a first") {
		t.Errorf("warning = %v", err)
	}
	if n := len(fams[1].Metric[0].Label[0].GetValue()); n > 3*maxLabelBytes {
		t.Errorf("a label has %d bytes", n)
	}
}
