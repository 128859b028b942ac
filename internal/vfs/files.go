package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Open opens a file for reading.
func Open(fsys FS, name string) (File, error) { return fsys.OpenFile(name, os.O_RDONLY, 0) }

// Create makes a file that must not exist, for reading and writing.
func Create(fsys FS, name string, perm fs.FileMode) (File, error) {
	return fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// ReadFile returns a file's content, or ErrTooLarge when it has more than limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := Open(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// WriteFile makes the file at name hold data, so that a crash leaves either what was there before or data, never half. On an error
// before the rename what was there is untouched.
func WriteFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	return Replace(fsys, name, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Replace is WriteFile for content that fill writes: a temporary file beside it, synced, renamed, the folder synced.
// Several at once on one name are allowed; one of them is the last.
func Replace(fsys FS, name string, perm fs.FileMode, fill func(io.Writer) error) error {
	tmp, err := createTemp(fsys, name, perm)
	if err != nil {
		return err
	}
	if err = fill(tmp); err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = fsys.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(tmp.Name()))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// tempMark is in the name of every temporary file, followed by a number.
const tempMark = ".tmp-"

// maxTemps bounds the search for a free name. That many crashes or writers at once are not met; a folder where creating
// always answers "exists" is broken, and must not hang us.
const maxTemps = 10_000

func createTemp(fsys FS, name string, perm fs.FileMode) (File, error) {
	for i := 0; ; i++ {
		f, err := Create(fsys, fmt.Sprintf("%s%s%d", name, tempMark, i), perm)
		if !errors.Is(err, fs.ErrExist) || i == maxTemps {
			return f, err
		}
	}
}

// IsTemp says whether name is that of a temporary file, which a crash may have left behind.
func IsTemp(name string) bool {
	_, number, ok := strings.Cut(filepath.Base(name), tempMark)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// RemoveTemps removes the temporary files in dir, which must not be written to meanwhile.
func RemoveTemps(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	for _, e := range entries {
		if IsTemp(e.Name()) && !e.IsDir() {
			err = errors.Join(err, fsys.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// SyncFile makes durable what was written to the file at name, through whichever descriptor.
func SyncFile(fsys FS, name string) error {
	f, err := Open(fsys, name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// MkdirAll makes a folder and those above it, durably. The folder's own name is synced even when it is there already: a
// process that was killed may have made it and not come to sync it.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	name = filepath.Clean(name)
	parent := filepath.Dir(name)
	if parent == name {
		return nil
	}
	err := fsys.Mkdir(name, perm)
	if errors.Is(err, fs.ErrNotExist) {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
		err = fsys.Mkdir(name, perm)
	}
	if errors.Is(err, fs.ErrExist) {
		err = isDir(fsys, name)
	}
	if err != nil {
		return err
	}
	return fsys.SyncDir(parent)
}

func isDir(fsys FS, name string) error {
	info, err := fsys.Stat(name)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
	}
	return err
}

// RemoveAll removes a file, or a folder with everything in it. One that is not there is not an error. It is durable
// after SyncDir of the folder above.
func RemoveAll(fsys FS, name string) error {
	err := fsys.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entries, listErr := fsys.ReadDir(name)
	if listErr != nil {
		return err // not a folder: the first error is the one that tells
	}
	for _, e := range entries {
		if err := RemoveAll(fsys, filepath.Join(name, e.Name())); err != nil {
			return err
		}
	}
	if err := fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// IsNoSpace says whether err is about a full disk or an exhausted quota.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Flip inverts one bit of a file, for tests of what finds damage.
func Flip(fsys FS, name string, bit int64) error {
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], bit/8); err != nil {
		return err
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b[:], bit/8); err != nil {
		return err
	}
	return f.Sync()
}
