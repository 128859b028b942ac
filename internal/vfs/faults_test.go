package vfs

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

func TestFaultsByCallAndPath(t *testing.T) {
	m := NewMem()
	f := NewFaults(m, Rule{Op: OpSync, Path: "*.log", After: 1, Times: 2, Err: syscall.EIO})
	log, err := Create(f, "/a.log", 0o640)
	check(t, err)
	other, err := Create(f, "/b", 0o640)
	check(t, err)
	for i, want := range []error{nil, syscall.EIO, syscall.EIO, nil} {
		check(t, other.Sync())
		if err := log.Sync(); !errors.Is(err, want) {
			t.Errorf("sync %d: %v, want %v", i, err, want)
		}
	}
	if f.Calls(OpSync) != 8 || f.Calls(OpOpen) != 2 || f.Calls(OpAny) != 10 {
		t.Errorf("%d syncs, %d opens, %d in all", f.Calls(OpSync), f.Calls(OpOpen), f.Calls(OpAny))
	}
}

func TestFaultsOfEveryOperation(t *testing.T) {
	m := NewMem()
	f := NewFaults(m)
	file, err := Create(f, "/a", 0o640)
	check(t, err)
	b := make([]byte, 1)
	for op, call := range map[Op]func() error{
		OpOpen:        func() error { _, err := Open(f, "/a"); return err },
		OpRead:        func() error { _, err := file.ReadAt(b, 0); return err },
		OpWrite:       func() error { _, err := file.Write(b); return err },
		OpSync:        func() error { return file.SyncData() },
		OpTruncate:    func() error { return file.Truncate(0) },
		OpPreallocate: func() error { return file.Preallocate(9) },
		OpStat:        func() error { _, err := f.Stat("/a"); return err },
		OpRename:      func() error { return f.Rename("/a", "/b") },
		OpRemove:      func() error { return f.Remove("/a") },
		OpMkdir:       func() error { return f.Mkdir("/d", 0o750) },
		OpReadDir:     func() error { _, err := f.ReadDir("/"); return err },
		OpSyncDir:     func() error { return f.SyncDir("/") },
		OpFree:        func() error { _, err := f.Free("/"); return err },
		OpLock:        func() error { _, err := f.Lock("/l"); return err },
	} {
		before := m.Operations()
		f.Clear()
		f.Add(Rule{Op: op, Err: syscall.EIO})
		if err := call(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", op, err)
		}
		if m.Operations() != before {
			t.Errorf("%s had an effect although it failed", op)
		}
	}
}

func TestFaultsShortWrite(t *testing.T) {
	m := NewMem()
	f := NewFaults(m, Rule{Op: OpWrite, Bytes: 5, Err: syscall.ENOSPC})
	file, err := Create(f, "/a", 0o640)
	check(t, err)
	write(t, file, "abc")
	if n, err := file.Write([]byte("defg")); n != 2 || !IsNoSpace(err) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if n, err := file.Write([]byte("x")); n != 0 || !IsNoSpace(err) {
		t.Errorf("wrote %d, %v", n, err)
	}
	f.Clear() // the space returns
	write(t, file, "fg")
	wantContent(t, f, "/a", "abcdefg")
}

// After a sync that failed the kernel takes the pages for clean: the next sync succeeds and does not write them.
func TestFailedSyncLoses(t *testing.T) {
	m := NewMem()
	f := NewFaults(m)
	check(t, WriteFile(m, "/a", []byte("old"), 0o640))
	file, err := f.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	writeAt(t, file, "new", 0)
	f.Add(Rule{Op: OpSync, Times: 1, Err: syscall.EIO})
	wantError(t, file.Sync(), syscall.EIO)
	check(t, file.Sync())
	wantContent(t, f, "/a", "new")
	wantOutcomes(t, outcomes(m, contentOf("/a")), "old", "new")

	m = m.Crash(0) // written again, it is as good as any
	file, err = m.OpenFile("/a", os.O_RDWR, 0)
	check(t, err)
	writeAt(t, file, "NEW", 0)
	check(t, file.Sync())
	wantOutcomes(t, outcomes(m, contentOf("/a")), "NEW")
}

func TestFailedSyncThenWrittenAgain(t *testing.T) {
	m := NewMem()
	f := NewFaults(m, Rule{Op: OpSync, Path: "a", Times: 1, Err: syscall.EIO})
	file, err := Create(f, "/a", 0o640)
	check(t, errors.Join(err, m.SyncDir("/")))
	writeAt(t, file, "one", 0)
	wantError(t, file.Sync(), syscall.EIO)
	writeAt(t, file, "two", 0)
	check(t, file.Sync())
	wantOutcomes(t, outcomes(m, contentOf("/a")), "two")
}

func TestFaultsBefore(t *testing.T) {
	waited := false
	f := NewFaults(NewMem(), Rule{Op: OpSyncDir, Before: func() { waited = true }})
	check(t, f.SyncDir("/"))
	if !waited {
		t.Error("Before was not called")
	}
}
