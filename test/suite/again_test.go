package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRunAgain has a package with a test that fails the first time, and one with a test that fails always.
func TestRunAgain(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module again\n\ngo 1.26\n")
	write("flaky/flaky_test.go", `package flaky

import (
	"os"
	"testing"
)

func TestSound(t *testing.T) {}

func TestFlaky(t *testing.T) {
	t.Run("part", func(t *testing.T) {
		if _, err := os.Stat("was-here"); err != nil {
			_ = os.WriteFile("was-here", nil, 0o600)
			t.Fatal("the first time")
		}
	})
}
`)
	write("broken/broken_test.go", `package broken

import "testing"

func TestBroken(t *testing.T) { t.Fatal("always") }
`)
	t.Chdir(dir)
	var out strings.Builder
	s := step{name: "go", args: []string{"go", "test", "-json", "./..."}, count: countGo}
	got, _ := s.run(context.Background(), &out)
	if got.passed != 3 || got.failed != 1 {
		t.Errorf("got %d passed, %d failed; want 3 and 1\n%s", got.passed, got.failed, out.String())
	}
	want := []string{
		"FLAKY: again/flaky TestFlaky failed, and passed when it was run again",
		"FLAKY: again/flaky TestFlaky/part failed, and passed when it was run again",
	}
	if strings.Join(got.leftOut(), "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got.leftOut())
	}
}

func TestTopLevel(t *testing.T) {
	for _, x := range []struct {
		tests []string
		want  string
	}{
		{[]string{"A"}, "^(A)$"},
		{[]string{"A/b", "A", "C/d/e"}, "^(A|C)$"},
		{[]string{"A", ""}, ""},
	} {
		if got := topLevel(x.tests); got != x.want {
			t.Errorf("topLevel(%q) = %q, want %q", x.tests, got, x.want)
		}
	}
}
