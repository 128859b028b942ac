package logql

import (
	"net/netip"
	"strings"
)

// ipRange is the addresses from first to last, both of one family; ::ffff:10.0.0.1 is one of IPv6.
type ipRange struct{ first, last netip.Addr }

// parseIPRange reads an address, a range "192.168.0.1-192.189.10.12" or a CIDR "192.51.100.0/24", of IPv4 or IPv6.
func parseIPRange(s string) (ipRange, error) {
	if first, last, ok := strings.Cut(s, "-"); ok {
		a, errA := netip.ParseAddr(strings.TrimSpace(first))
		b, errB := netip.ParseAddr(strings.TrimSpace(last))
		if errA != nil || errB != nil || a.Is4() != b.Is4() || b.Less(a) {
			return ipRange{}, invalid("ip: invalid range %q: write it as 192.168.0.1-192.168.0.9", shorten(s))
		}
		return ipRange{a, b}, nil
	}
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return ipRange{}, invalid("ip: invalid CIDR %q: write it as 192.168.0.0/16 or 2001:db8::/32", shorten(s))
		}
		return ipRange{p.Masked().Addr(), lastAddr(p)}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return ipRange{}, invalid("ip: invalid pattern %q: it is an address, a range (a-b) or a CIDR (a/n)", shorten(s))
	}
	return ipRange{a, a}, nil
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (r ipRange) contains(a netip.Addr) bool {
	a = a.WithZone("")
	return a.Is4() == r.first.Is4() && !a.Less(r.first) && !r.last.Less(a)
}

// prefix returns what the text of every IPv4 address of the range begins with, or "".
func (r ipRange) prefix() string {
	if !r.first.Is4() {
		return ""
	}
	a, b := r.first.String(), r.last.String()
	if a == b {
		return a
	}
	same := 0
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '.' {
			same = i + 1
		}
	}
	return a[:same]
}

// matchText says whether the text is an address of the range.
func (r ipRange) matchText(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && r.contains(a)
}

// matchLine says whether an address of the range stands somewhere in the line.
func (r ipRange) matchLine(line string) bool {
	for i := 0; i < len(line); {
		if !isAddrByte(line[i]) {
			i++
			continue
		}
		end := i
		separators := 0
		for end < len(line) && isAddrByte(line[end]) {
			if c := line[end]; c == '.' || c == ':' {
				separators++
			}
			end++
		}
		if separators > 1 && r.matchCandidate(line[i:end]) {
			return true
		}
		i = end
	}
	return false
}

// matchCandidate looks at a run of digits, dots and colons: an address, perhaps with a port or a full stop behind it.
func (r ipRange) matchCandidate(s string) bool {
	s = strings.TrimRight(s, ".")
	if r.matchText(s) {
		return true
	}
	cut := strings.LastIndexByte(s, ':')
	if cut < 0 {
		return false
	}
	if r.matchText(s[:cut]) { // 10.0.0.1:80, 10.0.0.1:
		return true
	}
	head := strings.IndexByte(s, ':') // ip:10.0.0.1
	return r.matchText(s[head+1:])
}

func isAddrByte(c byte) bool {
	return isDigit(c) || c == '.' || c == ':' || c|0x20 >= 'a' && c|0x20 <= 'f'
}
