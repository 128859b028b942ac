package vfs

import (
	"hash/crc32"
	"math"
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

func TestPrefetchIsOnlyAHint(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(OS{}, name, make([]byte, 10_000), 0o640); err != nil {
		t.Fatal(err)
	}
	f, err := Open(OS{}, name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := Map(f)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, r := range [][2]int64{{0, 10_000}, {5000, 1}, {9999, 1 << 40}, {10_000, 1}, {-1, 5}, {0, 0}, {1 << 62, 1 << 62}, {1, math.MaxInt64}} {
		Prefetch(m, r[0], r[1])
	}
	Prefetch(copied("x"), 0, 1)
	if got := m.Bytes(); len(got) != 10_000 || got[9999] != 0 {
		t.Error("the mapping has changed")
	}
}
