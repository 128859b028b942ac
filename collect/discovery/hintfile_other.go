//go:build !linux

package discovery

import "errors"

func readHintFile(string, uint32) ([]byte, error) { return nil, errors.ErrUnsupported }
