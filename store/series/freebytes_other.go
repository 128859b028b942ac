//go:build !unix

package series

import "errors"

// freeBytes is not known here: writes are then refused only when they fail.
func freeBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
