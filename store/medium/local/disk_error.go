package local

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// errDisk is the kind of what the file system refuses without saying that the medium is full or damaged.
var errDisk = model.NewError(model.Unavailable, "the file system failed")

// diskError gives an error of the file system the meaning that the contract has for it. Damage is told otherwise: a disk that
// refuses a write has damaged nothing.
func diskError(err error) error {
	switch {
	case err == nil:
		return nil
	case vfs.IsNoSpace(err):
		return fmt.Errorf("%w: %w", medium.ErrNoSpace, err)
	case model.KindOf(err) != model.Internal: // it has a meaning already
		return err
	}
	return fmt.Errorf("%w: %w", errDisk, err)
}

// readError is diskError for reading: what the disk cannot read is damaged.
func readError(err error) error {
	if errors.Is(err, vfs.ErrFault) || errors.Is(err, syscall.EIO) {
		return fmt.Errorf("%w: %w", medium.ErrCorrupt, err)
	}
	return diskError(err)
}
