//go:build !unix

package tail

import (
	"io/fs"
	"os"
)

func idOf(fs.FileInfo) (fileID, bool) { return fileID{}, false }

func links(fs.FileInfo) int { return 1 }

const openFlags = os.O_RDONLY
