package snmp

import (
	"testing"

	"github.com/gosnmp/gosnmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// FuzzValues gives all modules, and the map, values that an agent made up: an OID and a text or a number each, behind one of the roots
// that are read.
func FuzzValues(f *testing.F) {
	all, err := Embedded()
	if err != nil {
		f.Fatal(err)
	}
	var roots []snmpsession.OID
	for _, m := range all.Modules {
		for _, metric := range m.Metrics {
			roots = append(roots, metric.oid)
		}
	}
	roots = append(roots, oidLLDPRemote, oidLLDPAddress, oidLLDPLocalPort, oidCDP, oidMNDP)
	own, err := Parse([]byte("modules: {x: {metrics: [{name: m, oid: 1.3.6.1.9.1.2, type: InetAddress, indexes: [{labelname: a, type: InetAddress}, " +
		"{labelname: b, type: LldpPortId}, {labelname: c, type: InetAddressMissingSize}], lookups: [{labels: [a, c], labelname: d, oid: 1.3.6.1.9.1.2, type: LldpPortId}]}]}}"))
	if err != nil {
		f.Fatal(err)
	}
	roots = append(roots, snmpsession.MustOID("1.3.6.1.9.1.2"), snmpsession.MustOID("1.3.6.1.9.1.1"))
	f.Add([]byte{0, 1, 4, 1, 2, 3, 'a', 'b'})
	f.Add([]byte{byte(len(roots) - 2), 3, 9, 1, 4, 192, 0, 2, 7, 5, 2, 'g', 'e', 1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		var values []snmpsession.Value
		for len(data) > 3 && len(values) < 100 {
			root, kind, n := roots[int(data[0])%len(roots)], data[1], min(int(data[2]%24), len(data)-3)
			oid := append(snmpsession.OID{}, root...)
			for _, b := range data[3 : 3+n] {
				part := uint32(b)
				if b == 255 {
					part = 1<<32 - 1
				}
				oid = append(oid, part)
			}
			data = data[3+n:]
			pdu := gosnmp.SnmpPDU{Name: oid.String(), Type: gosnmp.OctetString, Value: data[:min(len(data), int(kind%20))]}
			if kind%2 == 0 {
				pdu.Type, pdu.Value = gosnmp.Counter64, uint64(kind)<<56
			}
			v, err := snmpsession.ValueOf(pdu)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		for _, m := range append([]*Module{own.Modules["x"]}, modulesOf(all)...) {
			for _, family := range m.families(values) {
				if len(family.Metric) == 0 || family.GetType() == dto.MetricType_UNTYPED {
					t.Errorf("%s has no series", family.GetName())
				}
			}
		}
		around := aroundOf(values)
		d := &Device{config: all, options: DeviceOptions{Address: "192.0.2.1"}, around: around}
		got := TopologyOf([]Placed{{Name: "x", Device: d}})
		if len(got.Links) > len(around.neighbours) || len(got.Nodes) > len(around.neighbours)+1 {
			t.Errorf("%d links, %d nodes of %d neighbours", len(got.Links), len(got.Nodes), len(around.neighbours))
		}
	})
}

func modulesOf(c *Config) (out []*Module) {
	for _, m := range c.Modules {
		out = append(out, m)
	}
	return out
}
