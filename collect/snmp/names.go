package snmp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Names knows the objects of the modules by name and by OID, for people who ask by hand.
type Names struct {
	tree   *node
	byName map[string]*Metric
}

// The objects that are asked for most, and a few roots of walks.
var wellKnown = []Metric{
	{Name: "sysDescr", OID: "1.3.6.1.2.1.1.1"}, {Name: "sysObjectID", OID: "1.3.6.1.2.1.1.2"}, {Name: "sysUpTime", OID: "1.3.6.1.2.1.1.3"},
	{Name: "sysContact", OID: "1.3.6.1.2.1.1.4"}, {Name: "sysName", OID: "1.3.6.1.2.1.1.5"}, {Name: "sysLocation", OID: "1.3.6.1.2.1.1.6"},
	{Name: "sysServices", OID: "1.3.6.1.2.1.1.7"},
}

// roots are subtrees that have a name, but no value of their own.
var roots = map[string]string{
	"mib-2": "1.3.6.1.2.1", "system": "1.3.6.1.2.1.1", "interfaces": "1.3.6.1.2.1.2", "ifTable": "1.3.6.1.2.1.2.2", "ifXTable": "1.3.6.1.2.1.31.1.1",
	"host": "1.3.6.1.2.1.25", "entPhysicalTable": "1.3.6.1.2.1.47.1.1.1", "lldp": "1.0.8802.1.1.2", "enterprises": "1.3.6.1.4.1",
}

// Names are those of all modules.
func (c *Config) Names() *Names {
	n := &Names{tree: &node{}, byName: map[string]*Metric{}}
	add := func(m *Metric) {
		oid, err := snmpsession.ParseOID(m.OID)
		if err != nil || n.byName[m.Name] != nil {
			return
		}
		n.byName[m.Name] = m
		n.tree.add(oid, m)
	}
	for i := range wellKnown {
		add(&wellKnown[i])
	}
	for _, module := range c.Modules {
		for _, m := range module.Metrics {
			add(m)
		}
	}
	return n
}

// OID reads an object: 1.3.6.1.2.1.1.5.0, sysName.0, or a name alone, which is all of its instances.
func (n *Names) OID(text string) (snmpsession.OID, error) {
	name, index, _ := strings.Cut(text, ".")
	root, known := roots[name]
	if m := n.byName[name]; m != nil {
		root, known = m.OID, true
	}
	if !known {
		oid, err := snmpsession.ParseOID(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no OID, nor the name of an object of a module: write it like 1.3.6.1.2.1.1.3.0, sysUpTime.0 or ifOperStatus", text)
		}
		return oid, nil
	}
	if index != "" {
		root += "." + index
	}
	return snmpsession.ParseOID(root)
}

// Line is a value for people: 1.3.6.1.2.1.2.2.1.8.1 ifOperStatus.1 = Integer: up(1). Text from the device is not made harmless for terminals.
func (n *Names) Line(v snmpsession.Value) string {
	m, index := n.tree.find(v.OID)
	text := v.Text()
	if m != nil && v.IsNumber() {
		if name, ok := m.EnumValues[int(v.Number)]; ok {
			text = name + "(" + text + ")"
		}
	}
	line := v.OID.String()
	if m != nil {
		line += " " + m.Name
		if len(index) > 0 {
			line += "." + index.String()
		}
	}
	if v.Bytes != nil && !v.IsNumber() && strings.ContainsAny(text, "\n\r") {
		text = strconv.Quote(text)
	}
	return line + " = " + v.Type.String() + ": " + text
}
