package tail

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataFrom returns where the next data of a sparse file begins, at or behind offset: a program that does not append leaves a
// hole as large as the old file when that is truncated under it.
func dataFrom(f *os.File, offset int64) int64 {
	at, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if err != nil || at < offset {
		return offset
	}
	return at
}
