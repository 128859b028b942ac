package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Mem is a file system in memory, for tests. It knows of every file what was synced and what was only written, and of every
// folder which names were synced, and can crash (Crash, Kill, StopAfter). Its root is "/"; relative paths begin there. Links and permissions
// are not simulated.
type Mem struct {
	// mu guards everything, the nodes too.
	mu       sync.Mutex
	root     *node
	journal  []*nameChange // of names, since their folders were last synced
	capacity int64         // 0 is no limit
	used     int64
	ops      int
	stopAt   int // how many operations succeed; negative is all
	toss     *rand.Rand
	dead     bool
	locked   map[*node]bool
}

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{root: newDir(), stopAt: -1, locked: map[*node]bool{}}
}

// StopAfter lets n more mutating operations succeed. The one after them is where the crash is: it returns ErrCrashed, and
// has had its effect or not, a write possibly in part, the same way for the same n. Everything after it returns ErrCrashed too. Then
// come Crash or Kill.
func (m *Mem) StopAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stopAt = m.ops + n
	m.toss = rand.New(rand.NewPCG(uint64(n), 1))
}

// Operations returns how many mutating operations there were: open for making or truncating, write, truncate, preallocate,
// sync, rename, remove, mkdir, SyncDir; also those that failed.
func (m *Mem) Operations() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// SetCapacity limits the bytes of all files together; 0 is no limit. When it is reached, what needs room fails with
// ENOSPC: writing (after what still fits), preallocating, making files and folders. What there is may exceed it.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used returns the bytes of all files together, also of those that were removed while open.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// mutate counts a mutating operation and does it, unless this is the crash or after it. Caller holds mu.
func (m *Mem) mutate(do func() error) error {
	last, err := m.stepLocked()
	if err != nil {
		return err
	}
	if !last {
		return do()
	}
	if m.toss.IntN(2) == 0 {
		_ = do() // nobody is left to hear of it
	}
	return ErrCrashed
}

// stepLocked counts a mutating operation; last says that the crash is in the middle of it.
func (m *Mem) stepLocked() (last bool, err error) {
	if m.dead {
		return false, ErrCrashed
	}
	m.ops++
	if m.stopAt >= 0 && m.ops > m.stopAt {
		m.dead = true
		return true, nil
	}
	return false, nil
}

func (m *Mem) roomLocked() int64 {
	if m.capacity == 0 {
		return math.MaxInt64 - m.used
	}
	return max(0, m.capacity-m.used)
}

// findLocked returns the node at name, and the folder and name that it is or would be under; the folder is nil for the root.
func (m *Mem) findLocked(name string) (dir *node, base string, n *node, err error) {
	n = m.root
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Clean(name)), "/") {
		if part == "" || part == "." {
			continue
		}
		if n == nil {
			return nil, "", nil, syscall.ENOENT
		}
		if !n.dir {
			return nil, "", nil, syscall.ENOTDIR
		}
		dir, base, n = n, part, n.names[part]
	}
	return dir, base, n, nil
}

func pathError(op, name string, err error) error {
	if err == nil || errors.Is(err, ErrCrashed) {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// OpenFile opens or makes a file.
func (m *Mem) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return nil, ErrCrashed
	}
	dir, base, n, err := m.findLocked(name)
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	switch {
	case err != nil:
	case n != nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		err = syscall.EEXIST
	case n != nil && n.dir:
		err = syscall.EISDIR
	case n == nil && flag&os.O_CREATE == 0:
		err = syscall.ENOENT
	case n == nil:
		n = newFile(perm)
		err = m.mutate(func() error { return m.makeLocked(dir, base, n) })
	case flag&os.O_TRUNC != 0 && writes:
		err = m.mutate(func() error { m.resizeLocked(n, 0); return nil })
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	n.opens++
	return &memFile{m: m, n: n, name: name, flag: flag}, nil
}

// makeLocked puts a new node under a name that is free.
func (m *Mem) makeLocked(dir *node, base string, n *node) error {
	if m.roomLocked() == 0 {
		return syscall.ENOSPC
	}
	m.changeLocked(&nameChange{to: dir, toName: base, node: n})
	return nil
}

// changeLocked applies a change of names to what processes see, and notes that it is not durable.
func (m *Mem) changeLocked(c *nameChange) {
	old := c.replaced()
	c.apply(func(dir *node) map[string]*node { return dir.names })
	m.journal = append(m.journal, c)
	if c.from == nil {
		c.node.links++
	}
	if c.to == nil {
		c.node.links--
		m.releaseLocked(c.node)
	}
	if old != nil && old != c.node {
		old.links--
		m.releaseLocked(old)
	}
}

// releaseLocked gives the room of a file back that has neither name nor reader.
func (m *Mem) releaseLocked(n *node) {
	if n.links == 0 && n.opens == 0 {
		m.used -= int64(len(n.data))
		n.data = nil
	}
}

// Rename moves a file or folder.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.mutate(func() error { return m.renameLocked(from, to) })
	if err == nil || errors.Is(err, ErrCrashed) {
		return err
	}
	return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
}

func (m *Mem) renameLocked(from, to string) error {
	dir, base, n, err := m.findLocked(from)
	if err != nil {
		return err
	}
	if n == nil {
		return syscall.ENOENT
	}
	toDir, toBase, old, err := m.findLocked(to)
	switch {
	case err != nil:
		return err
	case dir == nil || toDir == nil:
		return syscall.EBUSY // the root
	case old != nil && old.dir:
		return syscall.EEXIST // os.Rename replaces no folder, not even an empty one or by itself
	case strings.HasPrefix(filepath.Clean(to), filepath.Clean(from)+string(filepath.Separator)):
		return syscall.EINVAL // into itself
	case old == n:
		return nil
	case old != nil && n.dir:
		return syscall.ENOTDIR
	}
	m.changeLocked(&nameChange{from: dir, fromName: base, to: toDir, toName: toBase, node: n})
	return nil
}

// Remove removes a file or an empty folder.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError("remove", name, m.mutate(func() error {
		dir, base, n, err := m.findLocked(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return syscall.ENOENT
		case dir == nil:
			return syscall.EBUSY
		case len(n.names) > 0:
			return syscall.ENOTEMPTY
		}
		m.changeLocked(&nameChange{from: dir, fromName: base, node: n})
		return nil
	}))
}

// Mkdir makes a folder.
func (m *Mem) Mkdir(name string, perm fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError("mkdir", name, m.mutate(func() error {
		dir, base, n, err := m.findLocked(name)
		if err == nil && n != nil {
			err = syscall.EEXIST
		}
		if err != nil {
			return err
		}
		made := newDir()
		made.perm = perm
		return m.makeLocked(dir, base, made)
	}))
}

// ReadDir lists a folder.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existingLocked(name)
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	var entries []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(n.names)) {
		entries = append(entries, fs.FileInfoToDirEntry(n.names[base].info(base)))
	}
	return entries, nil
}

// Stat describes a file or folder.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.existingLocked(name)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return n.info(filepath.Base(name)), nil
}

func (m *Mem) existingLocked(name string) (*node, error) {
	if m.dead {
		return nil, ErrCrashed
	}
	_, _, n, err := m.findLocked(name)
	if err == nil && n == nil {
		err = syscall.ENOENT
	}
	return n, err
}

// SyncDir makes the folder's names durable.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pathError("open", name, m.mutate(func() error {
		_, _, n, err := m.findLocked(name)
		switch {
		case err != nil:
			return err
		case n == nil:
			return syscall.ENOENT
		case !n.dir:
			return syscall.ENOTDIR
		}
		m.journal = syncNames(m.journal, n)
		return nil
	}))
}

// Free returns what SetCapacity leaves.
func (m *Mem) Free(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.existingLocked(name); err != nil {
		return 0, pathError("statfs", name, err)
	}
	return m.roomLocked(), nil
}

// Lock locks a file within this Mem; a crash frees it.
func (m *Mem) Lock(name string) (io.Closer, error) {
	f, err := m.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	n := f.(*memFile).n
	held := m.locked[n]
	m.locked[n] = true
	m.mu.Unlock()
	if held {
		f.Close()
		return nil, pathError("lock", name, ErrLocked)
	}
	return &memLock{File: f, m: m, n: n}, nil
}

type memLock struct {
	File
	m *Mem
	n *node
}

func (l *memLock) Close() error {
	err := l.File.Close()
	if err == nil {
		l.m.mu.Lock()
		delete(l.m.locked, l.n)
		l.m.mu.Unlock()
	}
	return err
}

// memInfo is a moment's fs.FileInfo.
type memInfo struct {
	name string
	size int64
	mode fs.FileMode
	mod  time.Time
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return i.mod }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }
