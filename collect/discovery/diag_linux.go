package discovery

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// To find the sockets that listen in /proc/net/tcp, the kernel goes through the table of all connections of all
// namespaces: 4 ms each time on a small machine. Asked over netlink for those that listen, it looks at nothing else.

// procMagic is the type of a proc file system in statfs(2).
const procMagic = 0x9fa0

// canDiagnose says whether a folder is the kernel's own /proc, so that its processes are the kernel's that is asked.
func canDiagnose(procfs string) bool {
	var st unix.Statfs_t
	err := unix.Statfs(procfs, &st)
	return err == nil && int64(st.Type) == procMagic //nolint:unconvert // it has 32 bits on some machines
}

// listeningTCP calls f for the sockets of TCP that listen in the namespace at a path like /proc/PID/ns/net, over IPv4 and
// IPv6. cut says that there were more than are taken.
func listeningTCP(path string, namespace uint64, f func(socket)) (cut bool, err error) {
	fd, err := diagSocket(path, namespace)
	if err != nil {
		return false, err
	}
	defer func() { _ = unix.Close(fd) }() // nothing is lost
	found := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if cut, err = dumpListening(fd, family, &found, f); cut || err != nil {
			return cut, err
		}
	}
	return false, nil
}

// diagSocket opens a netlink socket in a namespace: a thread goes there, opens it, and comes back.
func diagSocket(path string, namespace uint64) (fd int, err error) {
	open := func() (int, error) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
		if err != nil {
			return -1, err
		}
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}) // without it a kernel that does not answer would hold us
		return fd, nil
	}
	if namespace == inodeOf("/proc/self/ns/net") {
		return open()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var own, other int
		if own, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			runtime.UnlockOSThread()
			return
		}
		defer func() { _ = unix.Close(own) }()
		if other, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			runtime.UnlockOSThread()
			return
		}
		defer func() { _ = unix.Close(other) }()
		if err = unix.Setns(other, unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			return
		}
		fd, err = open()
		if unix.Setns(own, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this goroutine, and nobody else is left in that namespace
	}()
	<-done
	if err != nil {
		return -1, err
	}
	return fd, nil
}

// A question is a header (netlink(7)) and the request (sock_diag(7), struct inet_diag_req_v2):
//
//	0  u32 length   4 u16 type   6 u16 flags   8 u32 sequence   12 u32 port
//	16 u8 family    17 u8 protocol   18 u8 extensions   19 u8 -   20 u32 states   24 48 bytes of a socket's identity, 0
//
// An answer is many of a header and a struct inet_diag_msg:
//
//	16 u8 family   17 u8 state   18 u8 timer   19 u8 retransmits
//	20 be16 port   22 be16 remote port   24 16 bytes address   40 16 bytes remote address   56 u32 interface   60 u32[2] cookie
//	68 u32 expires   72 u32 receive queue   76 u32 send queue   80 u32 uid   84 u32 inode
const (
	diagByFamily   = 20 // SOCK_DIAG_BY_FAMILY
	diagRequestLen = 72
	netlinkHeader  = 16
	stateOfListen  = 10 // TCP_LISTEN
)

func dumpListening(fd int, family uint8, found *int, f func(socket)) (cut bool, err error) {
	var req [diagRequestLen]byte
	ne := binary.NativeEndian
	ne.PutUint32(req[0:], diagRequestLen)
	ne.PutUint16(req[4:], diagByFamily)
	ne.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[16], req[17] = family, unix.IPPROTO_TCP
	ne.PutUint32(req[20:], 1<<stateOfListen)
	if err := unix.Sendto(fd, req[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, err
	}
	var buf [64 << 10]byte
	for {
		n, _, err := unix.Recvfrom(fd, buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return false, err
		}
		done, err := parseDiag(buf[:n], func(s socket) {
			if *found++; *found <= maxListening {
				f(s)
			}
		})
		if done || err != nil {
			return *found > maxListening, err
		}
	}
}

var errDiag = errors.New("malformed answer of the kernel")

// parseDiag reads the messages of one answer; done says that it was the last.
func parseDiag(text []byte, f func(socket)) (done bool, err error) {
	ne := binary.NativeEndian
	for len(text) >= netlinkHeader {
		size := int(ne.Uint32(text))
		if size < netlinkHeader || size > len(text) {
			return false, fmt.Errorf("%w: a message of %d bytes in %d", errDiag, size, len(text))
		}
		switch msg := text[:size]; ne.Uint16(text[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if size < netlinkHeader+4 {
				return false, errDiag
			}
			return false, unix.Errno(-int32(ne.Uint32(msg[netlinkHeader:])))
		case diagByFamily:
			if s, ok := parseDiagSocket(msg[netlinkHeader:]); ok {
				f(s)
			}
		}
		text = text[min((size+3)&^3, len(text)):]
	}
	return false, nil
}

// parseDiagSocket reads a struct inet_diag_msg.
func parseDiagSocket(msg []byte) (socket, bool) {
	const length = 72
	if len(msg) < length || msg[1] != stateOfListen {
		return socket{}, false
	}
	n := 4
	if msg[0] == unix.AF_INET6 {
		n = 16
	}
	return socket{
		network: networkTCP, addr: addrPort(msg[8:8+n], binary.BigEndian.Uint16(msg[4:])),
		uid: binary.NativeEndian.Uint32(msg[64:]), inode: uint64(binary.NativeEndian.Uint32(msg[68:])),
	}, true
}
