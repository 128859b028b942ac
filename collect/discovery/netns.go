package discovery

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// namespace is a network namespace in one scan.
type namespace struct {
	id      uint64
	host    bool // the one that Hulotte is in
	sockets map[uint64]socket
	owners  map[uint64][]int // by inode, the processes that have it open
	tried   map[uint64]int   // sockets whose owner nobody saw: how often it was looked for
	guessed map[uint64]bool  // those that were given to a service by guess, in this scan
	next    uint64           // the scan in which those are looked for again
	joined  uint64           // the scan in which open files were looked at
	seen    uint64           // the last scan that had a process in it
	unixAt  uint64           // the scan in which the unix sockets were read
	unix    map[uint64]socket
	local   []netip.Addr // its addresses, when it is not ours
	localAt uint64
	cut     bool
}

// localAddresses reads the addresses of a namespace out of /proc/PID/net/fib_trie and if_inet6: those that are its own and
// no loopback's.
func localAddresses(dir string) []netip.Addr {
	var out []netip.Addr
	if text, err := kernelfile.Read(nil, dir+"/fib_trie", 256<<10); err == nil {
		out = parseFibTrie(text)
	}
	if text, err := kernelfile.Read(nil, dir+"/if_inet6", 64<<10); err == nil {
		out = append(out, parseIfInet6(text)...)
	}
	return out
}

// maxLocal bounds the addresses of a namespace.
const maxLocal = 64

// parseFibTrie reads the local addresses of a routing table as the kernel draws it:
//
//	|-- 172.17.0.2
//	   /32 host LOCAL
func parseFibTrie(text []byte) []netip.Addr {
	var out []netip.Addr
	var last netip.Addr
	for line := range bytes.Lines(text) {
		s := strings.TrimSpace(string(line))
		if addr, ok := strings.CutPrefix(s, "|-- "); ok {
			last, _ = netip.ParseAddr(addr) // an invalid one is no address below
			continue
		}
		if s != "/32 host LOCAL" || !last.IsValid() || last.IsLoopback() || len(out) >= maxLocal {
			continue
		}
		seen := false
		for _, o := range out {
			seen = seen || o == last
		}
		if !seen {
			out = append(out, last)
		}
	}
	return out
}

// parseIfInet6 reads "fd000000000000000000000000000002 02 40 00 80 eth0": address, index, prefix length, scope, flags,
// name. Scope 0 is global.
func parseIfInet6(text []byte) []netip.Addr {
	var out []netip.Addr
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 6 || len(f[0]) != 32 || f[3] != "00" || len(out) >= maxLocal {
			continue
		}
		var raw [16]byte
		good := true
		for i := range raw {
			v, err := strconv.ParseUint(f[0][2*i:2*i+2], 16, 8)
			good = good && err == nil
			raw[i] = byte(v)
		}
		if good {
			out = append(out, netip.AddrFrom16(raw))
		}
	}
	return out
}
