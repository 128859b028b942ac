package vfs

import (
	"io"
	"io/fs"
	"path/filepath"
	"sync"
)

// Op is an operation that a Rule is about.
type Op string

// The operations. Any is all of them.
const (
	OpAny         Op = ""
	OpOpen        Op = "open"
	OpRead        Op = "read"        // Read, ReadAt, Map
	OpWrite       Op = "write"       // Write, WriteAt
	OpSync        Op = "sync"        // Sync, SyncData
	OpTruncate    Op = "truncate"    // of an open file
	OpPreallocate Op = "preallocate" // of an open file
	OpStat        Op = "stat"
	OpRename      Op = "rename" // matched by the old name
	OpRemove      Op = "remove"
	OpMkdir       Op = "mkdir"
	OpReadDir     Op = "readdir"
	OpSyncDir     Op = "syncdir"
	OpFree        Op = "free"
	OpLock        Op = "lock"
)

// Rule says which operations fail. Its zero value matches everything and does nothing.
type Rule struct {
	Op   Op
	Path string // glob (filepath.Match) of the base name or the whole path; "" is every path

	After int // so many calls that match go through first
	Times int // then so many are affected, and the rest goes through; 0 is all of them

	// Err is what the affected calls return, instead of doing anything.
	Err error
	// Bytes, with OpWrite, lets so many bytes through in all the affected calls together before Err; the call that
	// crosses it writes what is left.
	Bytes int64
	// Before is called by the affected calls before they do or return anything, without a lock: it may wait.
	Before func()
}

// Faults is a file system that fails on command.
type Faults struct {
	fsys FS

	mu    sync.Mutex
	rules []*liveRule
	calls map[Op]int
}

type liveRule struct {
	Rule
	seen, hit int
	left      int64
}

// NewFaults wraps fsys.
func NewFaults(fsys FS, rules ...Rule) *Faults {
	f := &Faults{fsys: fsys, calls: map[Op]int{}}
	for _, r := range rules {
		f.Add(r)
	}
	return f
}

// Add adds a rule. Where several match, the first that has an error decides, and each one's Before is called.
func (f *Faults) Add(r Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, &liveRule{Rule: r, left: r.Bytes})
}

// Clear removes all rules: the disk is sound again.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// Calls returns how many calls of op there were, failed or not; OpAny is all.
func (f *Faults) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// fail returns the error of the first rule that matches a call that is about to be made. n is how many bytes it writes, of
// which allowed may be written before the error.
func (f *Faults) fail(op Op, path string, n int) (allowed int, err error) {
	var before []func()
	f.mu.Lock()
	f.calls[OpAny]++
	f.calls[op]++
	for _, r := range f.rules {
		if !r.affects(op, path) {
			continue
		}
		if r.Before != nil {
			before = append(before, r.Before)
		}
		allowed, err = r.take(n)
		if err != nil {
			break
		}
	}
	f.mu.Unlock()
	for _, wait := range before {
		wait()
	}
	return allowed, pathError(string(op), path, err)
}

func (r *liveRule) affects(op Op, path string) bool {
	if r.Op != OpAny && r.Op != op || !r.matches(path) {
		return false
	}
	r.seen++
	if r.seen <= r.After || r.Times > 0 && r.hit >= r.Times {
		return false
	}
	r.hit++
	return true
}

func (r *liveRule) matches(path string) bool {
	if r.Path == "" {
		return true
	}
	base, err := filepath.Match(r.Path, filepath.Base(path))
	whole, _ := filepath.Match(r.Path, path)
	return base || whole || err != nil // a bad pattern matches all: a test that relies on it must see it
}

// take lets through what the rule allows of n bytes.
func (r *liveRule) take(n int) (int, error) {
	if r.Err == nil || r.Bytes == 0 {
		return 0, r.Err
	}
	allowed := min(int64(n), r.left)
	r.left -= allowed
	if allowed == int64(n) {
		return n, nil
	}
	return int(allowed), r.Err
}

// OpenFile opens a file whose operations obey the rules too.
func (f *Faults) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	if _, err := f.fail(OpOpen, name, 0); err != nil {
		return nil, err
	}
	file, err := f.fsys.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, faults: f}, nil
}

// Rename obeys rules for OpRename.
func (f *Faults) Rename(from, to string) error {
	if _, err := f.fail(OpRename, from, 0); err != nil {
		return err
	}
	return f.fsys.Rename(from, to)
}

// Remove obeys rules for OpRemove.
func (f *Faults) Remove(name string) error {
	if _, err := f.fail(OpRemove, name, 0); err != nil {
		return err
	}
	return f.fsys.Remove(name)
}

// Mkdir obeys rules for OpMkdir.
func (f *Faults) Mkdir(name string, perm fs.FileMode) error {
	if _, err := f.fail(OpMkdir, name, 0); err != nil {
		return err
	}
	return f.fsys.Mkdir(name, perm)
}

// ReadDir obeys rules for OpReadDir.
func (f *Faults) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.fail(OpReadDir, name, 0); err != nil {
		return nil, err
	}
	return f.fsys.ReadDir(name)
}

// Stat obeys rules for OpStat.
func (f *Faults) Stat(name string) (fs.FileInfo, error) {
	if _, err := f.fail(OpStat, name, 0); err != nil {
		return nil, err
	}
	return f.fsys.Stat(name)
}

// SyncDir obeys rules for OpSyncDir.
func (f *Faults) SyncDir(name string) error {
	if _, err := f.fail(OpSyncDir, name, 0); err != nil {
		return err
	}
	return f.fsys.SyncDir(name)
}

// Free obeys rules for OpFree.
func (f *Faults) Free(name string) (int64, error) {
	if _, err := f.fail(OpFree, name, 0); err != nil {
		return 0, err
	}
	return f.fsys.Free(name)
}

// Lock obeys rules for OpLock.
func (f *Faults) Lock(name string) (io.Closer, error) {
	if _, err := f.fail(OpLock, name, 0); err != nil {
		return nil, err
	}
	return f.fsys.Lock(name)
}

// faultyFile is an open file that obeys the rules.
type faultyFile struct {
	File
	faults *Faults
}

func (f *faultyFile) Read(p []byte) (int, error) {
	if _, err := f.faults.fail(OpRead, f.Name(), 0); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *faultyFile) ReadAt(p []byte, at int64) (int, error) {
	if _, err := f.faults.fail(OpRead, f.Name(), 0); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

func (f *faultyFile) Write(p []byte) (int, error) {
	return f.write(p, f.File.Write)
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.File.WriteAt(p, at) })
}

func (f *faultyFile) write(p []byte, write func([]byte) (int, error)) (int, error) {
	allowed, failed := f.faults.fail(OpWrite, f.Name(), len(p))
	if failed == nil {
		return write(p)
	}
	if allowed == 0 {
		return 0, failed
	}
	n, err := write(p[:allowed])
	if err != nil {
		failed = err
	}
	return n, failed
}

func (f *faultyFile) Sync() error     { return f.sync(f.File.Sync) }
func (f *faultyFile) SyncData() error { return f.sync(f.File.SyncData) }

func (f *faultyFile) sync(sync func() error) error {
	_, err := f.faults.fail(OpSync, f.Name(), 0)
	if err == nil {
		return sync()
	}
	if m, ok := f.File.(interface{ syncFailed() }); ok {
		m.syncFailed()
	}
	return err
}

func (f *faultyFile) Truncate(size int64) error {
	if _, err := f.faults.fail(OpTruncate, f.Name(), 0); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Preallocate(size int64) error {
	if _, err := f.faults.fail(OpPreallocate, f.Name(), 0); err != nil {
		return err
	}
	return f.File.Preallocate(size)
}

func (f *faultyFile) Stat() (fs.FileInfo, error) {
	if _, err := f.faults.fail(OpStat, f.Name(), 0); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

// mapped reads the rules when the mapping is made; what is read of it later is not asked for.
func (f *faultyFile) mapped(int) (Mapping, error) {
	if _, err := f.faults.fail(OpRead, f.Name(), 0); err != nil {
		return nil, err
	}
	return Map(f.File)
}
