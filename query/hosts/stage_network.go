package hosts

import (
	"context"
	"regexp"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
)

// innerInterfaces are the loopback and the wires inside a machine: what goes through them also goes through a
// real interface, or never leaves, so they stay out of a host's sums.
var innerInterfaces = regexp.MustCompile("^(" + innerPattern + ")$")

const innerPattern = "lo|lo[0-9]+|veth.*|docker.*|br-.*|virbr.*|vnet.*|tap.*|cni.*|cali.*|flannel.*|cilium.*|lxc.*|nodelocaldns|kube-.*|ifb[0-9]*|dummy[0-9]*|podman.*|sit[0-9]+|tunl[0-9]+|gre[0-9]*|gretap[0-9]*|erspan[0-9]*|ip6tnl[0-9]*|ip_vti[0-9]*|ip6_vti[0-9]*|teql[0-9]*"

type netKey struct {
	host   *Host
	device string
}

// readNetwork fills in the interfaces: rates, errors, drops, link and speed.
func readNetwork(ctx context.Context, r *reading) error {
	found := map[netKey]*Interface{}
	at := func(h *Host, l labels.Labels) *Interface {
		key := netKey{h, l.Get("device")}
		if found[key] == nil {
			found[key] = &Interface{
				Device: key.device, Rx: None, Tx: None, Errors: None, Drops: None, Speed: None, errorShare: None,
				Inner: innerInterfaces.MatchString(key.device),
			}
		}
		return found[key]
	}
	for _, s := range networkStages(at) {
		if err := s(ctx, r); err != nil {
			return err
		}
	}
	for key, n := range found {
		key.host.nets = append(key.host.nets, *n)
	}
	for _, h := range r.hosts {
		h.sumNetwork()
	}
	return nil
}

func networkStages(at func(h *Host, l labels.Labels) *Interface) []stage {
	device := []string{"device"}
	rate := func(counter string, set func(n *Interface, v Num)) stage {
		return rateStage(counter, device, func(h *Host, l labels.Labels, v Num) { set(at(h, l), v) })
	}
	return []stage{
		rate("node_network_receive_bytes_total", func(n *Interface, v Num) { n.Rx = v }),
		rate("node_network_transmit_bytes_total", func(n *Interface, v Num) { n.Tx = v }),
		rate("node_network_receive_errs_total", func(n *Interface, v Num) { n.Errors = plus(n.Errors, v) }),
		rate("node_network_transmit_errs_total", func(n *Interface, v Num) { n.Errors = plus(n.Errors, v) }),
		rate("node_network_receive_drop_total", func(n *Interface, v Num) { n.Drops = plus(n.Drops, v) }),
		rate("node_network_transmit_drop_total", func(n *Interface, v Num) { n.Drops = plus(n.Drops, v) }),
		gaugeStage(func(s scope) string { return s.of("node_network_info") }, func(h *Host, l labels.Labels, _ Num) {
			n := at(h, l)
			n.MAC, n.Link = l.Get("address"), linkWord(l.Get("operstate"))
		}),
		gaugeStage(func(s scope) string { return s.of("node_network_up") }, func(h *Host, l labels.Labels, v Num) {
			if n := at(h, l); n.Link == "" && n.MAC == "" { // without node_network_info this is all there is
				n.Link = map[bool]string{true: "up", false: "down"}[v == 1]
			}
		}),
		gaugeStage(func(s scope) string { return s.of("node_network_speed_bytes") }, func(h *Host, l labels.Labels, v Num) {
			if v > 0 { // the kernel says -1 Mbit/s for "unknown"
				at(h, l).Speed = v
			}
		}),
		readErrorShare(at),
	}
}

// linkWord turns the kernel's operational state (RFC 2863) into a word: many virtual interfaces do not tell.
func linkWord(operstate string) string {
	switch operstate {
	case "up", "dormant":
		return "up"
	case "down", "lowerlayerdown", "notpresent":
		return "down"
	}
	return ""
}

// readErrorShare reads which share of an interface's packets had errors, where there were errors at all.
func readErrorShare(at func(h *Host, l labels.Labels) *Interface) stage {
	return func(ctx context.Context, r *reading) error {
		if r.past {
			return nil
		}
		sum := func(kind string) string {
			one := func(direction string) string {
				return "rate(" + r.scope.of("node_network_"+direction+"_"+kind+"_total") + "[" + slowWindow + "])"
			}
			return "(" + one("receive") + " + " + one("transmit") + ")"
		}
		v, err := r.src.vector(ctx, "100 * ("+sum("errs")+" > 0.1) / "+sum("packets"), r.at)
		if err != nil {
			return err
		}
		r.each(v, func(h *Host, l labels.Labels, value Num) { at(h, l).errorShare = value })
		return nil
	}
}

// plus adds figures of which either may be missing.
func plus(a, b Num) Num {
	switch {
	case !a.Known():
		return b
	case !b.Known():
		return a
	}
	return a + b
}

// sumNetwork sorts the interfaces, busiest first and inner ones last, and adds up those that lead out.
func (h *Host) sumNetwork() {
	for _, n := range h.nets {
		if !n.Inner {
			h.NetRx, h.NetTx = plus(h.NetRx, n.Rx), plus(h.NetTx, n.Tx)
		}
	}
	traffic := func(n Interface) Num {
		if t := plus(n.Rx, n.Tx); t.Known() {
			return t
		}
		return -1
	}
	sort.Slice(h.nets, func(i, j int) bool {
		a, b := h.nets[i], h.nets[j]
		if a.Inner != b.Inner {
			return b.Inner
		}
		if traffic(a) != traffic(b) {
			return traffic(a) > traffic(b)
		}
		return a.Device < b.Device
	})
}
