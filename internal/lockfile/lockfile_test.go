package lockfile

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestSecondHolderIsToldThePID(t *testing.T) {
	dir := t.TempDir()
	first, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	// flock belongs to the open file, so a second open in the same process meets the lock as another process would.
	_, err = Acquire(dir)
	var held *HeldError
	if !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Fatalf("second Acquire = %v, want a HeldError with pid %d", err, os.Getpid())
	}
	for _, want := range []string{dir, "--data-dir", "pid"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatalf("Acquire after Release: %v", err)
	}
	again.Release()
}

func TestLeftOverFileDoesNotLock(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/LOCK", []byte("123456\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
}

func TestMissingFolder(t *testing.T) {
	if _, err := Acquire(t.TempDir() + "/none"); err == nil {
		t.Fatal("Acquire of a missing folder succeeded")
	}
}
