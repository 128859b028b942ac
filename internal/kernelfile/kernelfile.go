// Package kernelfile reads the small files of /proc, /sys and the control groups, of which a scan reads thousands.
package kernelfile

import (
	"errors"
	"os"
	"slices"
	"syscall"
)

// Read returns what is in a file, at most limit bytes of it, in the memory of buf where that is enough (its length is
// no matter; nil is allowed). The result and buf share memory: the next Read into buf overwrites it.
//
// It goes by three system calls where os.ReadFile needs six, and never waits for a pipe or device to open. The
// error is a *os.PathError.
func Read(buf []byte, path string, limit int) ([]byte, error) {
	fd, err := again(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was written
	buf = buf[:0]
	for len(buf) < limit {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, min(max(512, len(buf)), limit-len(buf)))
		}
		free := buf[len(buf):min(cap(buf), limit)]
		n, err := again(func() (int, error) { return syscall.Read(fd, free) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			break
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// again repeats a call that a signal interrupted, as Go's own do.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// Gone says that an error of Read means that what the file told of, a process or control group, is no more.
func Gone(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENODEV)
}
