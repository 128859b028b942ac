package snmp

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Placed is a device with what the configuration calls it.
type Placed struct {
	Name, Kind string
	*Device
}

// Topology is who is connected to whom, by what the devices told when they were read last.
type Topology struct {
	Nodes []Node `json:"nodes"`
	Links []Link `json:"links"`
}

// Node is a device of the configuration, or one that a neighbour told of.
type Node struct {
	ID      string `json:"id"` // the name of a known device; else name, hardware address or address
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	Kind    string `json:"kind,omitempty"`
	Known   bool   `json:"known"` // it is in the configuration
	// Read is when a known device was read last, and Problem why it could not be; both empty when it was not read yet.
	Read        *time.Time `json:"read,omitempty"`
	Problem     string     `json:"problem,omitempty"`
	Description string     `json:"description,omitempty"`
}

// Link is a cable. One that both ends tell of, or several protocols, is there once.
type Link struct {
	From      string   `json:"from"` // ID of a Node
	FromPort  string   `json:"from_port"`
	To        string   `json:"to"`
	ToPort    string   `json:"to_port"`
	Protocols []string `json:"protocols"`
	Both      bool     `json:"both"` // both ends tell of it
}

// TopologyOf joins what the devices told. Its order is the same for the same devices.
func TopologyOf(devices []Placed) Topology {
	b := topology{known: map[string]string{}, nodes: map[string]*Node{}, links: map[[4]string]*Link{}}
	told := make([]around, len(devices))
	for i, d := range devices {
		var n Node
		n, told[i] = d.node()
		b.nodes[n.ID] = &n
		for _, key := range []string{nameKey(d.Name), nameKey(told[i].name), told[i].chassisID, n.Address} {
			if key != "" && b.known[key] == "" {
				b.known[key] = n.ID
			}
		}
	}
	for i, d := range devices {
		for _, n := range told[i].neighbours {
			b.link(d.Name, n)
		}
	}
	return b.sorted()
}

func (p Placed) node() (Node, around) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, host, _, err := snmpsession.SplitAddress(p.options.Address)
	if err != nil {
		host = p.options.Address
	}
	n := Node{ID: p.Name, Name: p.Name, Address: host, Kind: cmp.Or(p.Kind, p.identified.Kind), Known: true, Problem: p.problem}
	if !p.read.IsZero() {
		read := p.read.UTC()
		n.Read = &read
	}
	return n, p.around
}

type topology struct {
	known map[string]string // ID by name, hardware address or address
	nodes map[string]*Node
	links map[[4]string]*Link
}

// nameKey makes names comparable: without case, domain and the serial number that some write behind.
func nameKey(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), "(")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// identify finds the node that a neighbour is, or makes one.
func (b *topology) identify(n Neighbour) string {
	keys := append([]string{n.ChassisID, nameKey(n.Name)}, n.Addresses...)
	for _, key := range keys {
		if id := b.known[key]; key != "" && id != "" {
			return id
		}
	}
	id := cmp.Or(n.Name, n.ChassisID, strings.Join(n.Addresses, " "))
	if id == "" {
		return ""
	}
	if b.nodes[id] == nil {
		node := &Node{ID: id, Name: id, Description: n.Description, Kind: capabilityKind(n.Capabilities)}
		if len(n.Addresses) > 0 {
			node.Address = n.Addresses[0]
		}
		b.nodes[id] = node
	}
	for _, key := range keys {
		if key != "" {
			b.known[key] = id
		}
	}
	return id
}

func capabilityKind(c []string) string {
	for _, k := range [][2]string{{"access_point", "access_point"}, {"telephone", "telephone"}, {"bridge", "switch"}, {"switch", "switch"}, {"router", "router"}, {"station", "host"}, {"host", "host"}} {
		if slices.Contains(c, k[0]) {
			return k[1]
		}
	}
	return ""
}

func (b *topology) link(from string, n Neighbour) {
	to := b.identify(n)
	if to == "" {
		return
	}
	there := [4]string{from, n.Port, to, n.RemotePort}
	l := b.links[there]
	if l == nil {
		if l = b.back(from, to, n); l != nil {
			l.Both = true
		}
	}
	if l == nil {
		l = &Link{From: from, FromPort: n.Port, To: to, ToPort: n.RemotePort}
		b.links[there] = l
	}
	if !slices.Contains(l.Protocols, n.Protocol) {
		l.Protocols = append(l.Protocols, n.Protocol)
	}
}

// back is the link that the other end told of already. It may call the ports otherwise: by their descriptions.
func (b *topology) back(from, to string, n Neighbour) *Link {
	if from == to {
		return nil
	}
	for _, port := range []string{n.RemotePort, n.RemotePortText} {
		for _, own := range []string{n.Port, n.PortDescription} {
			if l := b.links[[4]string{to, port, from, own}]; l != nil && port != "" && own != "" {
				return l
			}
		}
	}
	return nil
}

func (b *topology) sorted() Topology {
	out := Topology{Nodes: []Node{}, Links: []Link{}}
	for _, n := range b.nodes {
		out.Nodes = append(out.Nodes, *n)
	}
	for _, l := range b.links {
		slices.Sort(l.Protocols)
		out.Links = append(out.Links, *l)
	}
	slices.SortFunc(out.Nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(out.Links, func(a, b Link) int {
		return cmp.Or(strings.Compare(a.From, b.From), strings.Compare(a.FromPort, b.FromPort), strings.Compare(a.To, b.To), strings.Compare(a.ToPort, b.ToPort))
	})
	return out
}
