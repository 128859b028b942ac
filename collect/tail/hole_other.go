//go:build !linux

package tail

import "os"

func dataFrom(_ *os.File, offset int64) int64 { return offset }
