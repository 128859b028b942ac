//go:build !linux

package probe

import (
	"errors"

	"golang.org/x/net/ipv4"
)

// dontFragment is there on Linux only.
func dontFragment(*ipv4.PacketConn) error {
	return errors.New("dont_fragment: only on Linux")
}
