package vfs

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

func mapFile(t *testing.T, name string, size int) Mapping {
	t.Helper()
	check(t, WriteFile(OS{}, name, make([]byte, size), 0o640))
	f, err := Open(OS{}, name)
	check(t, err)
	defer f.Close()
	m, err := Map(f)
	check(t, err)
	return m
}

// A file that gets shorter under its mapping would end the process: Guard makes an error of it, in every way of reading.
func TestGuardTruncatedMapping(t *testing.T) {
	page := os.Getpagesize()
	name := filepath.Join(t.TempDir(), "a")
	m := mapFile(t, name, 3*page)
	check(t, os.Truncate(name, int64(page)))
	faults := func(what string, read func(b []byte)) {
		t.Helper()
		err := Guard(func() error { read(m.Bytes()); return nil })
		wantError(t, err, ErrFault)
		if err == nil {
			t.Errorf("%s gave no error", what)
		}
	}
	var sink byte
	faults("a byte", func(b []byte) { sink = b[2*page] })
	faults("a copy", func(b []byte) { copy(make([]byte, len(b)), b) })
	faults("a checksum", func(b []byte) { sink += byte(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))) })
	check(t, Guard(func() error { sink += m.Bytes()[page-1]; return nil })) // what is there is readable
	check(t, m.Close())
	if err := m.Close(); err == nil {
		t.Error("a second Close succeeds")
	}
}

func TestGuardLeavesOtherPanicsAlone(t *testing.T) {
	for _, f := range []func(){
		func() { panic("mine") },
		func() { _ = make([]byte, 3)[len(t.Name())] },
		func() { var p *int; *p = 1 },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Guard has swallowed a panic that is no fault")
				}
			}()
			_ = Guard(func() error { f(); return nil })
		}()
	}
	want := os.ErrPermission
	wantError(t, Guard(func() error { return want }), want)
}

func BenchmarkGuard(b *testing.B) {
	for b.Loop() {
		_ = Guard(func() error { return nil })
	}
}
