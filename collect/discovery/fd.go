package discovery

import (
	"strings"

	"golang.org/x/sys/unix"
)

// socketAt returns the inode of the socket that an open file is; 0 when it is something else.
func socketAt(dir int, name string) uint64 {
	var buf [64]byte
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil || n <= 0 || !strings.HasPrefix(string(buf[:n]), "socket:[") {
		return 0
	}
	return numberIn(string(buf[:n]))
}
