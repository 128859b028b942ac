// Package vfs is the one door to files for whatever keeps data. Behind it is the real file system (OS), or one in
// memory (Mem) that loses, at a simulated power cut, what a disk may lose; either can be wrapped (Faults) to fail on
// command. Code that keeps data takes an FS and uses nothing of package os, so that its tests can cut the power after
// every single operation.
//
// What always holds, of every FS:
//   - Paths and errors are those of package os: an *fs.PathError (*os.LinkError for Rename) around an errno, so that
//     errors.Is with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC works.
//   - What is written lasts after Sync or SyncData of the file; that there is a file of this name lasts after SyncDir
//     of its folder. Before, a power cut may undo both, in any order and in part.
//   - After a Sync that failed, nothing that was written since the last good one can be relied on, even when the next
//     Sync succeeds: the kernel reports a failure once and forgets the pages.
//   - All methods may be called by many goroutines at once, except Read and Write of one File, which share its position.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// FS is a file system.
type FS interface {
	// OpenFile is os.OpenFile: flag is made of os.O_RDONLY, O_RDWR, O_CREATE, O_EXCL, O_APPEND, O_TRUNC.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)

	// Rename moves a file or folder, and replaces what has the new name, atomically: at every moment, and after a crash,
	// the new name is the old content or the new. A folder is not replaced, not even an empty one.
	Rename(from, to string) error

	// Remove removes a file or an empty folder.
	Remove(name string) error

	// Mkdir makes one folder.
	Mkdir(name string, perm fs.FileMode) error

	// ReadDir returns what is in a folder, in order of name.
	ReadDir(name string) ([]fs.DirEntry, error)

	Stat(name string) (fs.FileInfo, error)

	// SyncDir makes durable which names the folder holds; not the folder's own name, which its parent holds.
	SyncDir(name string) error

	// Free returns how many bytes can still be written to the file system that name is on.
	Free(name string) (int64, error)

	// Lock takes the file of this name, made when it is missing, for this caller alone, until it is closed or the
	// process ends, or returns ErrLocked. It never waits. The file stays; removing it would let two hold it.
	Lock(name string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt // not for files opened with O_APPEND
	io.Closer

	// Name is the name that it was opened by.
	Name() string
	Stat() (fs.FileInfo, error)

	// Sync makes everything written to the file durable, through whichever descriptor.
	Sync() error

	// SyncData does the same but may leave out what is not needed to read the file, such as its times.
	SyncData() error

	Truncate(size int64) error

	// Preallocate takes the room for size bytes now, so that a full disk shows here and not at a later write, and makes the
	// file at least that long, with zeros at its end. Where the file system cannot reserve room it only makes it longer.
	Preallocate(size int64) error
}

// Mapping is a file's content in memory, read-only.
type Mapping interface {
	// Bytes must not be written to, nor used after Close. If the file gets shorter or the disk fails, reading them is a
	// fault, which ends the process: read them within Guard.
	Bytes() []byte
	Close() error
}

var (
	// ErrLocked says that somebody else holds the lock.
	ErrLocked = errors.New("locked by somebody else")
	// ErrFault says that mapped bytes could not be read: the file has become shorter, or the disk failed.
	ErrFault = errors.New("mapped bytes cannot be read: the file has become shorter, or the disk failed")
	// ErrTooLarge says that a file is larger than its reader allows.
	ErrTooLarge = errors.New("file too large")
	// ErrCrashed is what everything returns after a simulated crash.
	ErrCrashed = errors.New("simulated crash")
)
