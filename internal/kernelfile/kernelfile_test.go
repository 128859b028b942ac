package kernelfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	text := strings.Repeat("0123456789", 1000)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(buf []byte, limit int, want string) {
		t.Helper()
		if got, err := Read(buf, path, limit); err != nil || string(got) != want {
			t.Errorf("Read into %d of %d bytes up to %d = %d bytes, %v; want %d", len(buf), cap(buf), limit, len(got), err, len(want))
		}
	}
	f(nil, 1<<20, text)
	f(nil, 7, text[:7])
	f(make([]byte, 3, 64), 1<<20, text)
	f(make([]byte, 64), 7, text[:7])
	f(make([]byte, 20_000), 1<<20, text)
	f(nil, 0, "")
	if _, err := Read(nil, path+"x", 10); !Gone(err) || !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v, want that it is gone", err)
	}
	if _, err := Read(nil, filepath.Dir(path), 10); err == nil || Gone(err) {
		t.Errorf("a folder: %v, want an error", err)
	}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(10, func() { _, _ = Read(buf, path, 64) }); n > 3 {
		t.Errorf("%v allocations, want at most those of the path", n)
	}
}
