package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// Map maps the file as it is now into memory; it may be closed afterwards. A file of Mem is copied instead.
func Map(f File) (Mapping, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size > math.MaxInt {
		return nil, &fs.PathError{Op: "mmap", Path: f.Name(), Err: ErrTooLarge}
	}
	if m, ok := f.(interface {
		mapped(size int) (Mapping, error)
	}); ok && size > 0 {
		return m.mapped(int(size))
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return copied(b[:n]), nil
}

func (f osFile) mapped(size int) (Mapping, error) {
	m := &osMapping{name: f.Name()}
	err := control(f.File, "mmap", func(fd int) (err error) {
		m.bytes, err = unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

type osMapping struct {
	name  string
	bytes []byte
	once  sync.Once
}

func (m *osMapping) Bytes() []byte { return m.bytes }

func (m *osMapping) Close() error {
	err := fs.ErrClosed
	m.once.Do(func() { err = unix.Munmap(m.bytes) })
	if err != nil {
		return &fs.PathError{Op: "munmap", Path: m.name, Err: err}
	}
	return nil
}

// Prefetch asks the kernel to read n mapped bytes from offset on, at once and not by the page as they are touched. It is
// a hint: whether it is followed shows in time only.
func Prefetch(m Mapping, offset, n int64) {
	o, ok := m.(*osMapping)
	if !ok || offset < 0 || n <= 0 || offset >= int64(len(o.bytes)) {
		return
	}
	end := offset + min(n, int64(len(o.bytes))-offset)
	offset -= offset % int64(os.Getpagesize())
	_ = unix.Madvise(o.bytes[offset:end], unix.MADV_WILLNEED) // a hint
}

type copied []byte

func (c copied) Bytes() []byte { return c }
func (c copied) Close() error  { return nil }

// Guard calls f, which reads mapped bytes, and returns its error, or ErrFault when they could not be read. Only f itself is
// guarded, not goroutines that it starts, and not what happens to the bytes after Guard has returned: f checks and
// copies, or uses them up. It costs some nanoseconds.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // the runtime's error for a fault has it; a nil pointer's has not
			err = fmt.Errorf("%w (address %#x)", ErrFault, r.Addr())
		default:
			panic(r)
		}
	}()
	return f()
}
