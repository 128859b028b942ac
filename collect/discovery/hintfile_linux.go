package discovery

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

var errHintFile = errors.New("this file is not looked into")

// readHintFile reads a file that a process of a user may have named: only what that user can read, and never a device or
// pipe, which opening alone could set going.
func readHintFile(file string, uid uint32) ([]byte, error) {
	fd, err := unix.Open(file, unix.O_PATH|unix.O_CLOEXEC, 0) // opens nothing yet
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || uid != 0 && uid != st.Uid && st.Mode&0o004 == 0 {
		return nil, errHintFile
	}
	return kernelfile.Read(nil, "/proc/self/fd/"+strconv.Itoa(fd), maxHintFile)
}
