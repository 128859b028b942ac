//go:build unix

package tail

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// idOf returns what stays the same when a file is renamed.
func idOf(info fs.FileInfo) (fileID, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{Dev: uint64(st.Dev), Ino: uint64(st.Ino)}, true //nolint:unconvert // the types differ between systems
}

// links is how many names a file has; 0 is that it was removed.
func links(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Nlink)
	}
	return 1
}

// openFlags keep a named pipe, or a device, from blocking the open.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC
