package snmp

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Neighbour is who is at the other end of a port, as the device was told by it.
type Neighbour struct {
	Protocol        string   `json:"protocol"` // lldp (IEEE 802.1AB), cdp (Cisco's) or mndp (MikroTik's)
	Port            string   `json:"port,omitempty"`
	PortDescription string   `json:"port_description,omitempty"`
	Name            string   `json:"name,omitempty"`
	ChassisID       string   `json:"chassis_id,omitempty"` // a hardware address in hexadecimal with colons, mostly
	RemotePort      string   `json:"remote_port,omitempty"`
	RemotePortText  string   `json:"remote_port_description,omitempty"`
	Description     string   `json:"description,omitempty"`
	Addresses       []string `json:"addresses,omitempty"`
	Capabilities    []string `json:"capabilities,omitempty"`
}

// What was read last of a device for the map.
type around struct {
	name, chassisID string // of the device itself
	neighbours      []Neighbour
}

// maxNeighbours bounds what a device may tell: a core switch has some hundred.
const maxNeighbours = 5000

// The tables of neighbours: LLDP-MIB, CISCO-CDP-MIB and MIKROTIK-MIB.
var (
	oidLLDPLocal     = snmpsession.MustOID("1.0.8802.1.1.2.1.3")
	oidLLDPLocalPort = snmpsession.MustOID("1.0.8802.1.1.2.1.3.7.1")
	oidLLDPRemote    = snmpsession.MustOID("1.0.8802.1.1.2.1.4.1.1")
	oidLLDPAddress   = snmpsession.MustOID("1.0.8802.1.1.2.1.4.2.1")
	oidCDP           = snmpsession.MustOID("1.3.6.1.4.1.9.9.23.1.2.1.1")
	oidMNDP          = snmpsession.MustOID("1.3.6.1.4.1.14988.1.1.11.1.1")
	oidIfName        = snmpsession.MustOID("1.3.6.1.2.1.31.1.1.1.1")
)

// table is the values of a table by index and column.
type table map[string]map[uint32]snmpsession.Value

// tableOf takes the values below an entry: a column, then the index.
func tableOf(values []snmpsession.Value, entry snmpsession.OID) table {
	t := table{}
	for _, v := range values {
		if len(v.OID) < len(entry)+2 || !v.OID.Under(entry) {
			continue
		}
		index := v.OID[len(entry)+1:].String()
		if t[index] == nil {
			t[index] = map[uint32]snmpsession.Value{}
		}
		t[index][v.OID[len(entry)]] = v
	}
	return t
}

// sorted are the indexes in the agent's order.
func (t table) sorted() []string {
	return slices.SortedFunc(maps.Keys(t), func(a, b string) int { return snmpsession.MustOID(a).Compare(snmpsession.MustOID(b)) })
}

// aroundOf finds the neighbours in what was read.
func aroundOf(values []snmpsession.Value) around {
	var out around
	for _, v := range values {
		switch {
		case v.OID.Under(oidSysName):
			out.name = v.Text()
		case v.OID.Under(oidLLDPLocal) && len(v.OID) == len(oidLLDPLocal)+2 && v.OID[len(oidLLDPLocal)] == 2:
			out.chassisID = addressText(v.Bytes)
		}
	}
	out.neighbours = slices.Concat(lldpNeighbours(values), cdpNeighbours(values), mndpNeighbours(values))
	if len(out.neighbours) > maxNeighbours {
		out.neighbours = out.neighbours[:maxNeighbours]
	}
	return out
}

// addressText writes six bytes as a hardware address, and others as text if they are text.
func addressText(b []byte) string {
	if len(b) == 6 {
		return snmpsession.HexText(b)
	}
	return snmpsession.BytesText(b)
}

// Subtypes of lldpRemChassisId and of the identities of ports (IEEE 802.1AB, 8.5.2 and 8.5.3).
const (
	chassisMAC, chassisNetwork = 4, 5
	portMAC, portNetwork       = 3, 4
)

func lldpID(v snmpsession.Value, subtype, mac, network int) string {
	switch {
	case subtype == mac:
		return snmpsession.HexText(v.Bytes)
	case subtype == network && len(v.Bytes) > 1: // the address' family, and the address
		if a, ok := netip.AddrFromSlice(v.Bytes[1:]); ok {
			return a.String()
		}
	}
	return snmpsession.BytesText(v.Bytes)
}

// portName is what people call a port: its description where its identity is but a number or a hardware address.
func portName(id snmpsession.Value, subtype int, description string) string {
	name := lldpID(id, subtype, portMAC, portNetwork)
	_, err := strconv.Atoi(name)
	if description != "" && (subtype == portMAC || err == nil) {
		return description
	}
	return name
}

func lldpNeighbours(values []snmpsession.Value) (out []Neighbour) {
	ports, remote := tableOf(values, oidLLDPLocalPort), tableOf(values, oidLLDPRemote)
	at := map[string]int{}
	for _, index := range remote.sorted() {
		row := remote[index]
		parts := strings.SplitN(index, ".", 3) // lldpRemTimeMark, lldpRemLocalPortNum, lldpRemIndex
		if len(parts) != 3 {
			continue
		}
		local := ports[parts[1]]
		n := Neighbour{
			Protocol: "lldp", PortDescription: local[4].Text(), Name: row[9].Text(), Description: row[10].Text(),
			ChassisID:      lldpID(row[5], int(row[4].Number), chassisMAC, chassisNetwork),
			RemotePortText: row[8].Text(), Capabilities: capabilities(row[12].Bytes),
		}
		n.Port = cmp.Or(portName(local[3], int(local[2].Number), n.PortDescription), parts[1])
		n.RemotePort = portName(row[7], int(row[6].Number), n.RemotePortText)
		at[index] = len(out)
		out = append(out, n)
	}
	for _, index := range tableOf(values, oidLLDPAddress).sorted() {
		// lldpRemTimeMark, lldpRemLocalPortNum, lldpRemIndex, the address' family, its length, its bytes
		oid := snmpsession.MustOID(index)
		if len(oid) < 6 {
			continue
		}
		i, known := at[oid[:3].String()]
		a, ok := netip.AddrFromSlice(bytesOf(oid[5:]))
		if known && ok && !slices.Contains(out[i].Addresses, a.String()) {
			out[i].Addresses = append(out[i].Addresses, a.String())
		}
	}
	return out
}

var capabilityNames = [...]string{"other", "repeater", "bridge", "access_point", "router", "telephone", "cable_modem", "station"}

// capabilities are the bits of LldpSystemCapabilitiesMap.
func capabilities(b []byte) (out []string) {
	for i, name := range capabilityNames {
		if len(b) > 0 && b[0]&(0x80>>i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

func cdpNeighbours(values []snmpsession.Value) (out []Neighbour) {
	names, cache := tableOf(values, oidIfName[:len(oidIfName)-1]), tableOf(values, oidCDP)
	for _, index := range cache.sorted() {
		row := cache[index]
		port, _, _ := strings.Cut(index, ".") // cdpCacheIfIndex
		n := Neighbour{Protocol: "cdp", Port: port, Name: row[6].Text(), RemotePort: row[7].Text(), Description: row[8].Text(), Capabilities: cdpCapabilities(row[9].Bytes)}
		if v, ok := names[port][1]; ok {
			n.Port = v.Text()
		}
		if a, ok := netip.AddrFromSlice(row[4].Bytes); ok && row[3].Number == 1 {
			n.Addresses = []string{a.String()}
		}
		out = append(out, n)
	}
	return out
}

// cdpCapabilities are the bits of the protocol's capabilities, in the last byte of four.
func cdpCapabilities(b []byte) (out []string) {
	if len(b) == 0 {
		return nil
	}
	for i, name := range []string{"router", "bridge", "bridge", "switch", "host", "", "repeater", "telephone"} {
		if b[len(b)-1]&(1<<i) != 0 && name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func mndpNeighbours(values []snmpsession.Value) (out []Neighbour) {
	names, rows := tableOf(values, oidIfName[:len(oidIfName)-1]), tableOf(values, oidMNDP)
	for _, index := range rows.sorted() {
		row := rows[index]
		n := Neighbour{Protocol: "mndp", Port: row[8].Text(), Name: row[6].Text(), Description: strings.TrimSpace(row[5].Text() + " " + row[4].Text())}
		if len(row[3].Bytes) == 6 {
			n.ChassisID = snmpsession.HexText(row[3].Bytes)
		}
		if v, ok := names[n.Port][1]; ok {
			n.Port = v.Text()
		}
		if a, ok := netip.AddrFromSlice(row[2].Bytes); ok && !a.IsUnspecified() {
			n.Addresses = []string{a.String()}
		}
		out = append(out, n)
	}
	return out
}
