package probe

import (
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// dontFragment makes the kernel set DF on what is sent.
func dontFragment(c *ipv4.PacketConn) error {
	raw, ok := c.PacketConn.(syscall.Conn)
	if !ok {
		return nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := control.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	}); err != nil {
		return err
	}
	return set
}
