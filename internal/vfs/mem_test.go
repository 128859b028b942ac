package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// outcomes crashes a copy for many seeds, and counts what see returns.
func outcomes(m *Mem, see func(*Mem) string) map[string]int {
	all := map[string]int{}
	for seed := range uint64(200) {
		all[see(m.Crash(seed))]++
	}
	return all
}

func wantOutcomes(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if got[w] == 0 {
			t.Errorf("%q never happened, only %v", w, got)
		}
		delete(got, w)
	}
	if len(got) > 0 {
		t.Errorf("these must not happen: %v", got)
	}
}

func contentOf(name string) func(*Mem) string {
	return func(m *Mem) string {
		b, err := ReadFile(m, name, 1<<20)
		if err != nil {
			return errno(err)
		}
		return string(b)
	}
}

func create(t *testing.T, m *Mem, name string) File {
	t.Helper()
	f, err := Create(m, name, 0o640)
	check(t, err)
	return f
}

func write(t *testing.T, f File, s string) {
	t.Helper()
	_, err := f.Write([]byte(s))
	check(t, err)
}

func writeAt(t *testing.T, f File, s string, at int64) {
	t.Helper()
	_, err := f.WriteAt([]byte(s), at)
	check(t, err)
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMem()
	check(t, MkdirAll(m, "/d/e", 0o750))
	check(t, WriteFile(m, "/d/e/a", []byte("synced"), 0o640))
	wantOutcomes(t, outcomes(m, contentOf("/d/e/a")), "synced")
}

func TestCrashLosesWhatWasNotSynced(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/a")
	check(t, m.SyncDir("/"))
	write(t, f, "new")
	wantOutcomes(t, outcomes(m, contentOf("/a")), "", "new", "\x00\x00\x00")
}

func TestCrashMixesOldAndNewSectors(t *testing.T) {
	m := NewMem()
	sectors := func(s string) string {
		var b []byte
		for _, c := range []byte(s) {
			b = append(b, bytes.Repeat([]byte{c}, sector)...)
		}
		return string(b)
	}
	first := func(m *Mem) string { // the first byte of each sector; every sector must be of one piece
		var s string
		for all := contentOf("/a")(m); all != ""; all = all[sector:] {
			if all[:sector] != sectors(all[:1]) {
				return "a torn sector"
			}
			s += all[:1]
		}
		return s
	}
	check(t, WriteFile(m, "/a", []byte(sectors("xx")), 0o640))
	f, err := m.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	writeAt(t, f, sectors("yy"), 0)
	wantOutcomes(t, outcomes(m, first), "xx", "xy", "yx", "yy")
}

func TestCrashIsAtOneMomentForASector(t *testing.T) {
	m := NewMem()
	check(t, WriteFile(m, "/a", []byte("000"), 0o640))
	f, err := m.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	writeAt(t, f, "1", 0)
	writeAt(t, f, "2", 1)
	writeAt(t, f, "3", 0)
	wantOutcomes(t, outcomes(m, contentOf("/a")), "000", "100", "120", "320")
}

func TestCrashOfTruncateAndPreallocate(t *testing.T) {
	m := NewMem()
	check(t, WriteFile(m, "/a", []byte("old"), 0o640))
	f, err := m.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	check(t, f.Truncate(0))
	wantOutcomes(t, outcomes(m, contentOf("/a")), "old", "", "\x00\x00\x00")

	m = m.Crash(0)
	f, err = m.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	check(t, f.Preallocate(5))
	wantOutcomes(t, outcomes(m, contentOf("/a")), "old", "old\x00\x00")
}

func TestCrashOfNames(t *testing.T) {
	m := NewMem()
	names := func(m *Mem) string {
		var s string
		entries, err := m.ReadDir("/")
		if err != nil {
			return errno(err)
		}
		for _, e := range entries {
			s += e.Name()
		}
		return s
	}
	f := create(t, m, "/a")
	write(t, f, "A")
	check(t, f.Sync()) // the content is durable, the name is not
	wantOutcomes(t, outcomes(m, names), "", "a")

	m = m.Crash(1)
	check(t, m.SyncDir("/"))
	check(t, m.Rename("/a", "/b"))
	wantOutcomes(t, outcomes(m, names), "a", "b") // never both, never none

	m = m.Crash(0)
	check(t, m.Remove("/a"))
	create(t, m, "/c")
	wantOutcomes(t, outcomes(m, names), "a", "", "ac", "c")

	m = m.Crash(0)
	check(t, m.Mkdir("/d", 0o750))
	check(t, WriteFile(m, "/d/x", []byte("x"), 0o640)) // syncs /d, and not that there is a /d
	wantOutcomes(t, outcomes(m, names), "a", "ad")
}

func TestCrashOfReplace(t *testing.T) {
	replace := func(sync bool) *Mem {
		m := NewMem()
		check(t, WriteFile(m, "/a", []byte("old"), 0o640))
		f := create(t, m, "/b")
		write(t, f, "new")
		if sync {
			check(t, f.Sync())
		}
		check(t, m.Rename("/b", "/a"))
		return m
	}
	wantOutcomes(t, outcomes(replace(true), contentOf("/a")), "old", "new")
	wantOutcomes(t, outcomes(replace(false), contentOf("/a")), "old", "new", "", "\x00\x00\x00") // what the sync is for
}

// A file moved to another folder is in exactly one of them, whichever was synced.
func TestCrashOfMoveBetweenFolders(t *testing.T) {
	where := func(m *Mem) string {
		return contentOf("/d/a")(m) + ", " + contentOf("/e/b")(m)
	}
	move := func() *Mem {
		m := NewMem()
		check(t, errors.Join(MkdirAll(m, "/d", 0o750), MkdirAll(m, "/e", 0o750)))
		f := create(t, m, "/d/a")
		write(t, f, "A")
		check(t, errors.Join(f.Sync(), m.Rename("/d/a", "/e/b")))
		return m
	}
	none := syscall.ENOENT.Error()
	wantOutcomes(t, outcomes(move(), where), none+", "+none, none+", A", "A, "+none)
	for _, synced := range []string{"/d", "/e"} {
		m := move()
		check(t, m.SyncDir(synced))
		wantOutcomes(t, outcomes(m, where), none+", A")
	}
}

func TestCrashIsTheSameForTheSameSeed(t *testing.T) {
	run := func() *Mem {
		m := NewMem()
		for i := range 20 {
			f := create(t, m, fmt.Sprintf("/%02d", i))
			write(t, f, string(bytes.Repeat([]byte("x"), 3000)))
		}
		return m
	}
	for seed := range uint64(20) {
		first, second := listing(run().Crash(seed), "/"), listing(run().Crash(seed), "/")
		if first != second {
			t.Fatalf("two crashes with seed %d differ", seed)
		}
	}
}

func TestAfterACrashNothingWorks(t *testing.T) {
	m := NewMem()
	f := create(t, m, "/a")
	write(t, f, "x")
	next := m.Crash(1)
	_, err := f.Write([]byte("y"))
	wantError(t, err, ErrCrashed)
	_, err = f.ReadAt(make([]byte, 1), 0)
	wantError(t, err, ErrCrashed)
	wantError(t, f.Sync(), ErrCrashed)
	wantError(t, f.Close(), ErrCrashed)
	_, err = m.ReadDir("/")
	wantError(t, err, ErrCrashed)
	wantError(t, m.Remove("/a"), ErrCrashed)
	_, err = Open(m, "/a")
	wantError(t, err, ErrCrashed)
	wantContent(t, next, "/a", "x")
}

func TestKillKeepsEverythingWritten(t *testing.T) {
	m := NewMem()
	check(t, WriteFile(m, "/gone", nil, 0o640))
	write(t, create(t, m, "/a"), "written")
	check(t, m.Remove("/gone"))
	lock, err := m.Lock("/lock")
	check(t, err)
	next := m.Kill()
	wantContent(t, next, "/a", "written")
	wantNames(t, next, "/", "a", "lock")
	wantError(t, lock.Close(), ErrCrashed)
	if _, err := next.Lock("/lock"); err != nil {
		t.Errorf("the lock outlives its process: %v", err)
	}
	if next.Used() != int64(len("written")) {
		t.Errorf("%d bytes are used", next.Used())
	}
	none := syscall.ENOENT.Error()
	wantOutcomes(t, outcomes(next, contentOf("/a")), none, "", "written", "\x00\x00\x00\x00\x00\x00\x00") // it was never synced
	next = next.Kill()
	check(t, errors.Join(SyncFile(next, "/a"), next.SyncDir("/")))
	wantOutcomes(t, outcomes(next, contentOf("/a")), "written")
}

func TestStopAfter(t *testing.T) {
	run := func(m *Mem) (acknowledged int) {
		f, err := Create(m, "/a", 0o640)
		if err == nil {
			err = m.SyncDir("/")
		}
		for ; err == nil && acknowledged < 5; acknowledged++ {
			if _, err = f.Write([]byte("0123456789")); err == nil {
				err = f.Sync()
			}
			if err != nil {
				break
			}
		}
		if err != nil && !errors.Is(err, ErrCrashed) {
			t.Fatal(err)
		}
		return acknowledged
	}
	whole := NewMem()
	run(whole)
	if whole.Operations() != 12 {
		t.Fatalf("%d operations, want 12: create, sync of the folder, 5 writes, 5 syncs", whole.Operations())
	}
	torn := false
	for n := range whole.Operations() {
		m := NewMem()
		m.StopAfter(n)
		acknowledged := run(m)
		if want := max(0, n-2) / 2; acknowledged != want {
			t.Errorf("%d acknowledged with a crash after %d operations, want %d", acknowledged, n, want)
		}
		for seed := range uint64(10) {
			got := len(contentOf("/a")(m.Crash(seed)))
			if n > 1 && got < 10*acknowledged {
				t.Errorf("crash after %d: %d bytes are left of %d", n, got, 10*acknowledged)
			}
			torn = torn || got%10 != 0
		}
	}
	if !torn {
		t.Error("no write was ever torn")
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10)
	f := create(t, m, "/a")
	if n, err := f.Write([]byte("0123456789abc")); n != 10 || !IsNoSpace(err) {
		t.Errorf("wrote %d, %v, want 10 and no space", n, err)
	}
	wantError(t, f.Preallocate(11), syscall.ENOSPC)
	wantError(t, m.Mkdir("/d", 0o750), syscall.ENOSPC)
	_, err := Create(m, "/b", 0o640)
	wantError(t, err, syscall.ENOSPC)
	writeAt(t, f, "9876543210", 0) // needs no room
	wantContent(t, m, "/a", "9876543210")
	if free, err := m.Free("/"); err != nil || free != 0 {
		t.Errorf("free: %d, %v", free, err)
	}
	check(t, f.Truncate(4))
	create(t, m, "/b")
	check(t, m.Remove("/a"))
	if m.Used() != 4 {
		t.Errorf("%d bytes used, want 4: the removed file is open", m.Used())
	}
	check(t, f.Close())
	if free, err := m.Free("/"); err != nil || free != 10 || m.Used() != 0 {
		t.Errorf("free: %d, %v", free, err)
	}
}

func TestMemConcurrently(t *testing.T) {
	m := NewMem()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			dir := filepath.Join("/", fmt.Sprint(w%4))
			_ = m.Mkdir(dir, 0o750)
			for i := range 50 {
				name := filepath.Join(dir, fmt.Sprint(i%5))
				_ = WriteFile(m, name, []byte("content"), 0o640)
				_, _ = ReadFile(m, name, 100)
				_, _ = m.ReadDir(dir)
				_ = m.Remove(name)
			}
		})
	}
	wg.Wait()
	if m.Used() != 0 {
		for w := range 4 {
			check(t, RemoveAll(m, fmt.Sprintf("/%d", w)))
		}
	}
	if m.Used() != 0 {
		t.Errorf("%d bytes are used when everything is removed", m.Used())
	}
}
