//go:build !linux

package discovery

import "errors"

func canDiagnose(string) bool { return false }

func listeningTCP(string, uint64, func(socket)) (cut bool, err error) {
	return false, errors.ErrUnsupported
}
