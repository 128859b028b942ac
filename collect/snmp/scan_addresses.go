package snmp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// MaxScan is how many addresses a scan takes: a network of 16 bits. A larger one is a mistyped mask.
const MaxScan = 1 << 16

// Addresses expands what people write into addresses to ask: names and addresses (with a port or without), subnets (192.0.2.0/24,
// without its own and its broadcast address) and ranges (192.0.2.10-192.0.2.40, 192.0.2.10-40). Those without a port get the port; 0 is
// 161. One that is named twice is there once.
func Addresses(args []string, port int) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(address string) error {
		if seen[address] {
			return nil
		}
		if len(out) == MaxScan {
			return fmt.Errorf("more than %d addresses: scan a smaller network, or several one after the other", MaxScan)
		}
		seen[address] = true
		out = append(out, address)
		return nil
	}
	for _, arg := range args {
		from, to, err := span(arg)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", arg, err)
		}
		if !from.IsValid() {
			if err := add(withPort(arg, port)); err != nil {
				return nil, err
			}
			continue
		}
		for a := from; a.IsValid() && a.Compare(to) <= 0; a = a.Next() {
			if err := add(withPort(a.String(), port)); err != nil {
				return nil, fmt.Errorf("%q: %w", arg, err)
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no address: name a subnet such as 192.0.2.0/24, a range or addresses")
	}
	return out, nil
}

// withPort adds the port to an address that has none.
func withPort(address string, port int) string {
	if port == 0 || port == 161 || strings.Contains(address, "://") {
		return address
	}
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), strconv.Itoa(port))
}

// span reads a subnet or a range; from is not valid for what is one address.
func span(arg string) (from, to netip.Addr, err error) {
	if strings.Contains(arg, "/") && !strings.Contains(arg, "://") {
		p, err := netip.ParsePrefix(arg)
		if err != nil {
			return from, to, errors.New("it is no subnet: write it like 192.0.2.0/24")
		}
		from, to := ends(p)
		return from, to, nil
	}
	if first, last, found := strings.Cut(arg, "-"); found {
		if from, err = netip.ParseAddr(first); err == nil {
			to, err = rangeEnd(from, last)
			return from, to, err
		}
	}
	_, _, _, err = snmpsession.SplitAddress(arg)
	return netip.Addr{}, netip.Addr{}, err
}

func rangeEnd(from netip.Addr, last string) (netip.Addr, error) {
	if n, err := strconv.ParseUint(last, 10, 8); err == nil && from.Is4() {
		b := from.As4()
		b[3] = byte(n)
		last = netip.AddrFrom4(b).String()
	}
	to, err := netip.ParseAddr(last)
	if err != nil || to.BitLen() != from.BitLen() || to.Compare(from) < 0 {
		return to, errors.New("it is no range: write it like 192.0.2.10-192.0.2.40 or 192.0.2.10-40")
	}
	return to, nil
}

// ends are the first and the last address of a subnet that hosts may have.
func ends(p netip.Prefix) (first, last netip.Addr) {
	first = p.Masked().Addr()
	b := first.AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ = netip.AddrFromSlice(b)
	if first.Is4() && p.Bits() <= 30 {
		return first.Next(), last.Prev()
	}
	return first, last
}
