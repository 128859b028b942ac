package discovery

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/hulotte-dev/hulotte/collect/container"
)

// highPort is the last port that a service is found by: above it the kernel takes ports for connections of its own, and
// what listens there does so for helpers and debuggers.
const highPort = 32_000

// addresses turns the sockets of an instance into addresses that can be connected to from here, the best first. notes
// are sentences about those that were left out.
func (i *instance) addresses(ignore []int, hints *hinted) (out []Address, notes []string) {
	left := map[string]bool{}
	note := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !left[s] && len(left) < 8 {
			left[s] = true
			notes = append(notes, s)
		}
	}
	var high []Address
	for _, s := range i.sockets {
		p := int(s.addr.Port())
		switch {
		case s.network == networkUnix:
			a, asked, ok := i.unixAddress(s)
			if asked {
				out = append(out, a)
			} else if ok {
				hints.aside = append(hints.aside, a)
			}
			continue
		case slices.Contains(ignore, p):
			note("port %d is ignored: a label or the configuration says so", p)
			continue
		case slices.Contains(i.entry.Ignore, p) || slices.Contains(hints.ignore, p):
			hints.aside = append(hints.aside, i.reachable(s)...)
			continue
		case s.network == networkUDP && !i.takesUDP(s):
			continue
		}
		more := i.reachable(s)
		if len(more) == 0 {
			note("port %d of %s listens on %s only, which is not reachable from outside the container", p, s.network, s.addr.Addr())
		}
		for _, a := range more {
			a.TLS = i.speaksTLS(a, hints.tls)
			if p > highPort && !i.entry.High && i.entry.usual(s) < 0 && p != hints.port {
				high = append(high, a)
			} else {
				out = append(out, a)
			}
		}
	}
	if !slices.ContainsFunc(out, func(a Address) bool { return a.Network != networkUnix }) {
		out = append(out, high...)
	} else if len(high) > 0 {
		note("ports above %d are left alone", highPort)
	}
	slices.SortFunc(out, func(a, b Address) int { return i.compare(a, b, hints) })
	return slices.Compact(out), notes
}

// takesUDP says whether a UDP socket is one to serve with: a client has some too, which look the same.
func (i *instance) takesUDP(s socket) bool {
	if i.entry.usual(s) >= 0 {
		return true
	}
	return s.addr.Port() <= highPort && slices.ContainsFunc(i.entry.Ports, func(p port) bool { return p.Network == networkUDP }) &&
		!slices.ContainsFunc(i.sockets, func(o socket) bool { return i.entry.usual(o) >= 0 })
}

func (i *instance) speaksTLS(a Address, tls map[int]bool) bool {
	if tls[a.Port] {
		return true
	}
	return slices.ContainsFunc(i.entry.Ports, func(p port) bool { return p.TLS && p.Port == a.Port && p.Network == a.Network })
}

// unixAddress is that of a unix socket that the catalogue names: to be asked, or for metrics only.
func (i *instance) unixAddress(s socket) (a Address, asked, ok bool) {
	if i.ns == nil || !i.ns.host || i.info != nil {
		return Address{}, false, false
	}
	asked = matchesAny(i.entry.Sockets, s.path)
	return Address{Network: networkUnix, Path: s.path, Local: true}, asked, asked || matchesAny(i.entry.Metrics.Sockets, s.path)
}

// reachable are the addresses at which a socket is reached from here.
func (i *instance) reachable(s socket) []Address {
	ip := s.addr.Addr()
	a := Address{Network: s.network, Port: int(s.addr.Port())}
	if i.ns == nil {
		return nil
	}
	if i.ns.host {
		switch {
		case ip.IsUnspecified(): // one of IPv6 takes IPv4 too, but for programs that ask for the contrary
			a.IP, a.Any = "127.0.0.1", true
		case ip.IsLinkLocalUnicast() || ip.IsMulticast():
			return nil
		default:
			a.IP, a.Local = ip.String(), ip.IsLoopback()
		}
		return []Address{a}
	}
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() {
		return nil
	}
	if !ip.IsUnspecified() {
		a.IP = ip.String()
		return []Address{a}
	}
	a.Any = true
	if i.info != nil && len(i.info.Addresses) == 0 {
		if p, ok := published(i.info, a.Network, a.Port); ok { // a network that only its engine can reach
			a.IP, a.Port = "127.0.0.1", p
			return []Address{a}
		}
	}
	var local []netip.Addr
	if i.info != nil {
		local = i.info.Addresses
	}
	if len(local) == 0 {
		local = i.ns.local
	}
	if len(local) == 0 {
		return nil
	}
	best := local[0]
	for _, l := range local {
		if l.Is4() {
			best = l
			break
		}
	}
	a.IP = best.String()
	return []Address{a}
}

// published is the host's port for one of a container.
func published(c *container.Info, network string, port int) (int, bool) {
	for _, p := range c.Ports {
		if p.Network == network && int(p.Container) == port && p.Host != 0 {
			return int(p.Host), true
		}
	}
	return 0, false
}

// rank is the place of an address among those of its kind: the port that a hint names, the usual ones as the catalogue has
// them, others, the port with the metrics.
func (i *instance) rank(a Address, hints *hinted) int {
	switch {
	case a.Port == hints.port && a.Port != 0:
		return -1
	case a.Port == hints.metricsPort && a.Port != 0:
		return len(i.entry.Ports) + 1
	}
	if n := slices.IndexFunc(i.entry.Ports, func(p port) bool { return p.Port == a.Port && p.Network == a.Network }); n >= 0 {
		return n
	}
	return len(i.entry.Ports)
}

// compare orders addresses by which is better to ask: by rank, those without TLS, TCP, this machine's own address, the
// lower port.
func (i *instance) compare(a, b Address, hints *hinted) int {
	return cmp.Or(
		cmp.Compare(btoi(a.Network == networkUnix), btoi(b.Network == networkUnix)),
		cmp.Compare(i.rank(a, hints), i.rank(b, hints)),
		cmp.Compare(btoi(a.TLS), btoi(b.TLS)),
		cmp.Compare(btoi(a.Network != networkTCP), btoi(b.Network != networkTCP)),
		cmp.Compare(btoi(!a.addr().Is4()), btoi(!b.addr().Is4())),
		cmp.Compare(btoi(a.IP != "127.0.0.1"), btoi(b.IP != "127.0.0.1")),
		cmp.Compare(a.Port, b.Port), cmp.Compare(a.IP, b.IP), cmp.Compare(a.Path, b.Path), cmp.Compare(btoi(b.Any), btoi(a.Any)),
	)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
