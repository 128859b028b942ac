package discovery

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"
)

// socket is one that listens.
type socket struct {
	network string
	addr    netip.AddrPort
	path    string // of a unix socket
	inode   uint64
	uid     uint32
}

// States of sockets in /proc/net (include/net/tcp_states.h). A UDP socket that is not connected has that of a closed one.
const (
	stateListen = "0A"
	stateClosed = "07"
)

// Fields of a line of /proc/net/{tcp,udp} (proc_net_tcp.rst):
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
const (
	inetLocal  = 1
	inetState  = 3
	inetUID    = 7
	inetInode  = 9
	inetFields = 10
)

var errSocketLine = errors.New("malformed line of sockets")

// parseInet reads one line of /proc/net/{tcp,tcp6,udp,udp6}; ok is false for a socket that does not listen, and for the
// heading.
func parseInet(line []byte, network string) (s socket, ok bool, err error) {
	var f [inetFields][]byte
	n := 0
	for rest := line; n < inetFields; n++ {
		rest = bytes.TrimLeft(rest, " \n")
		end := bytes.IndexAny(rest, " \n")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			break
		}
		f[n], rest = rest[:end], rest[end:]
		if n == inetState && string(f[n]) != listening(network) {
			return socket{}, false, nil // the heading has "st" there, or no such field
		}
	}
	if n < inetFields {
		return socket{}, false, fmt.Errorf("%w: %.80q has %d fields", errSocketLine, line, n)
	}
	s.network = network
	if s.addr, err = parseHexAddr(f[inetLocal]); err != nil {
		return socket{}, false, err
	}
	uid, err1 := strconv.ParseUint(string(f[inetUID]), 10, 32)
	inode, err2 := strconv.ParseUint(string(f[inetInode]), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return socket{}, false, fmt.Errorf("%w: %w", errSocketLine, err)
	}
	s.uid, s.inode = uint32(uid), inode
	return s, true, nil
}

func listening(network string) string {
	if network == networkUDP {
		return stateClosed
	}
	return stateListen
}

// parseHexAddr reads "0100007F:1F90": the address as words of 32 bits in this machine's byte order, the port as a
// number.
func parseHexAddr(text []byte) (netip.AddrPort, error) {
	host, portText, ok := bytes.Cut(text, []byte(":"))
	if !ok || len(host) != 8 && len(host) != 32 || len(portText) != 4 {
		return netip.AddrPort{}, fmt.Errorf("%w: %.80q is no address", errSocketLine, text)
	}
	var raw [18]byte
	n := len(host) / 2
	_, err1 := hex.Decode(raw[:], host)
	_, err2 := hex.Decode(raw[16:], portText)
	if err := errors.Join(err1, err2); err != nil {
		return netip.AddrPort{}, fmt.Errorf("%w: %w", errSocketLine, err)
	}
	for i := 0; i < n; i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	return addrPort(raw[:n], binary.BigEndian.Uint16(raw[16:])), nil
}

// addrPort makes an address of 4 or 16 bytes; IPv4 in IPv6 is IPv4.
func addrPort(raw []byte, port uint16) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(raw) // another length has no address
	return netip.AddrPortFrom(ip.Unmap(), port)
}

// parseUnix reads one line of /proc/net/unix; ok is false for a socket that does not listen or has no name:
//
//	Num RefCount Protocol Flags Type St Inode Path
//	0000000000000000: 00000002 00000000 00010000 0001 01 20361 /run/a b.sock
func parseUnix(line []byte) (s socket, ok bool, err error) {
	const acceptFlag = "00010000" // __SO_ACCEPTCON
	var f [7][]byte
	rest := bytes.TrimSuffix(line, []byte("\n"))
	for i := range f {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		f[i], rest = rest[:end], rest[end:]
		if i == 3 && string(f[i]) != acceptFlag {
			return socket{}, false, nil
		}
	}
	path := bytes.TrimPrefix(rest, []byte(" "))
	if len(path) == 0 {
		return socket{}, false, nil
	}
	inode, err := strconv.ParseUint(string(f[6]), 10, 64)
	if err != nil {
		return socket{}, false, fmt.Errorf("%w: %w", errSocketLine, err)
	}
	const longest = 108 // sizeof sun_path
	return socket{network: networkUnix, path: clean(string(path[:min(len(path), longest)])), inode: inode}, true, nil
}

const (
	// maxListening bounds the sockets that are kept of one table. A machine with more of them has some other trouble.
	maxListening = 20_000
	// maxTable bounds what is read of a table, in bytes: 100,000 lines of 150.
	maxTable = 16 << 20
	// enoughOthers is what is read of a table of TCP behind the last socket that listens, in bytes. The kernel tells
	// those that listen first, so that a server with a million connections costs no more than an idle one.
	enoughOthers = 32 << 10
)

// tables are the files of a network namespace.
var tables = []struct{ file, network string }{
	{"tcp", networkTCP}, {"tcp6", networkTCP}, {"udp", networkUDP}, {"udp6", networkUDP}, {"unix", networkUnix},
}

// tableReader reads tables of sockets.
type tableReader struct {
	buf [64 << 10]byte
}

// read calls f for the sockets of a table that listen. cut says that there were more than are read.
func (t *tableReader) read(path, network string, f func(socket)) (cut bool, err error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was written
	have, total, others, found := 0, 0, 0, 0
	for total < maxTable {
		n, err := syscall.Read(fd, t.buf[have:])
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return false, err
		}
		if n <= 0 {
			return false, nil
		}
		total += n
		have += n
		text := t.buf[:have]
		others += n
		for {
			end := bytes.IndexByte(text, '\n')
			if end < 0 {
				break
			}
			line := text[:end+1]
			text = text[end+1:]
			s, ok, err := parseLine(line, network)
			if err != nil || !ok { // a path of a unix socket may hold line breaks
				continue
			}
			others = 0
			if found++; found > maxListening {
				return true, nil
			}
			f(s)
		}
		if network == networkTCP && others > enoughOthers {
			return false, nil
		}
		if have = copy(t.buf[:], text); have == len(t.buf) {
			have = 0 // no line is that long
		}
	}
	return true, nil
}

func parseLine(line []byte, network string) (socket, bool, error) {
	if network == networkUnix {
		return parseUnix(line)
	}
	return parseInet(line, network)
}
