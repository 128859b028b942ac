package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// memFile is a file of Mem that is open.
type memFile struct {
	m    *Mem
	n    *node
	name string
	flag int

	// The Mem's mu guards these.
	pos    int64
	closed bool
}

var errAppendOnly = errors.New("WriteAt on a file opened with O_APPEND")

func (f *memFile) Name() string { return f.name }

// usableLocked returns why the file cannot be used.
func (f *memFile) usableLocked() error {
	switch {
	case f.m.dead:
		return ErrCrashed
	case f.closed:
		return fs.ErrClosed
	}
	return nil
}

func (f *memFile) writableLocked() error {
	if err := f.usableLocked(); err != nil {
		return err
	}
	if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return syscall.EBADF
	}
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.usableLocked(); err != nil {
		return nil, pathError("stat", f.name, err)
	}
	return f.n.info(filepath.Base(f.name)), nil
}

func (f *memFile) Read(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n, err := f.readLocked(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *memFile) ReadAt(p []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	n, err := f.readLocked(p, at)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *memFile) readLocked(p []byte, at int64) (int, error) {
	err := f.usableLocked()
	switch {
	case err != nil:
	case f.flag&os.O_WRONLY != 0:
		err = syscall.EBADF
	case at < 0:
		err = syscall.EINVAL
	case len(p) == 0:
		return 0, nil
	case at >= int64(len(f.n.data)):
		return 0, io.EOF
	default:
		return copy(p, f.n.data[at:]), nil
	}
	return 0, pathError("read", f.name, err)
}

func (f *memFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	at := f.pos
	if f.flag&os.O_APPEND != 0 {
		at = int64(len(f.n.data))
	}
	n, err := f.writeLocked(p, at)
	f.pos = at + int64(n)
	return n, err
}

func (f *memFile) WriteAt(p []byte, at int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.flag&os.O_APPEND != 0 {
		return 0, pathError("write", f.name, errAppendOnly)
	}
	return f.writeLocked(p, at)
}

func (f *memFile) writeLocked(p []byte, at int64) (int, error) {
	err := f.writableLocked()
	if err == nil && at < 0 {
		err = syscall.EINVAL
	}
	if err != nil || len(p) == 0 {
		return 0, pathError("write", f.name, err)
	}
	last, err := f.m.stepLocked()
	if err != nil {
		return 0, err
	}
	if last {
		p = p[:f.m.toss.IntN(len(p)+1)]
	}
	n, err := f.m.fillLocked(f.n, p, at)
	if last {
		return 0, ErrCrashed
	}
	return n, pathError("write", f.name, err)
}

// fillLocked writes as much as there is room for.
func (m *Mem) fillLocked(n *node, p []byte, at int64) (int, error) {
	size := int64(len(n.data))
	var err error
	if room := m.roomLocked(); at+int64(len(p))-size > room {
		p, err = p[:max(0, size+room-at)], syscall.ENOSPC
	}
	if len(p) > 0 {
		n.write(p, at)
	}
	m.used += int64(len(n.data)) - size
	return len(p), err
}

func (m *Mem) resizeLocked(n *node, size int64) {
	m.used += size - int64(len(n.data))
	n.resize(size)
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	err := f.writableLocked()
	if err == nil && size < 0 {
		err = syscall.EINVAL
	}
	if err == nil {
		err = f.m.mutate(func() error { f.m.resizeLocked(f.n, size); return nil })
	}
	return pathError("truncate", f.name, err)
}

func (f *memFile) Preallocate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	err := f.writableLocked()
	if err == nil && size > int64(len(f.n.data)) {
		err = f.m.mutate(func() error {
			if size-int64(len(f.n.data)) > f.m.roomLocked() {
				return syscall.ENOSPC
			}
			f.m.resizeLocked(f.n, size)
			return nil
		})
	}
	return pathError("fallocate", f.name, err)
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	err := f.usableLocked()
	if err == nil {
		err = f.m.mutate(func() error { f.n.sync(); return nil })
	}
	return pathError("sync", f.name, err)
}

func (f *memFile) SyncData() error { return f.Sync() }

// syncFailed is called by Faults in place of a Sync that is to fail.
func (f *memFile) syncFailed() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.n.syncFailed()
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.usableLocked(); err != nil {
		return pathError("close", f.name, err)
	}
	f.closed = true
	f.n.opens--
	f.m.releaseLocked(f.n)
	return nil
}
