package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that breaks off leaves no archive under its name, nor anything else.
func TestBackupThatIsCutLeavesNothing(t *testing.T) {
	s := server(t, "GET /api/hulotte/v1/storage/backup", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 10_000))
		panic(http.ErrAbortHandler)
	})
	for _, name := range []string{"b.tar", "b.tar.zst", "folder"} {
		dir := t.TempDir()
		_, errs, code := execute(t, "backup", "--server", s.URL, "--to", filepath.Join(dir, name))
		if code != exitFailed || !strings.Contains(errs, "not whole") {
			t.Errorf("%s: exit code %d, %s", name, code, errs)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

func TestBackupNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b.tar"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(to, want string) {
		t.Helper()
		if _, errs, code := execute(t, "backup", "--server", "http://127.0.0.1:1", "--to", to); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s", to, code, errs)
		}
	}
	f(filepath.Join(dir, "b.tar"), "exists already")
	f(dir, "not empty")
	f(filepath.Join(dir, "none", "b.tar"), "no such file")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWrongUseOfBackup(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if _, errs, code := execute(t, args...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%q: exit code %d, %q, want %d and %q", args, code, errs, exitUsage, want)
		}
	}
	f("--to is missing", "backup")
	f("--from is missing", "restore")
	f("--to is missing", "storage", "copy")
	f("the same place", "storage", "copy", "--from", "/a", "--to", "/a/")
	f("--from: ", "storage", "copy", "--from", "x://y", "--to", "/a")
}
