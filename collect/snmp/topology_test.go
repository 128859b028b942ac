package snmp

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/internal/snmptest"
)

func placed(t *testing.T, name, walk string) Placed {
	t.Helper()
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDevice(all, DeviceOptions{Address: snmptest.Start(t, "", walk), Modules: []string{Auto}, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Gather(); err != nil {
		t.Fatal(err)
	}
	return Placed{Name: name, Device: d}
}

func walkOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/devices/" + name + ".walk")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The switch and the router tell of one another and call the router's port otherwise; the switch tells of a telephone, the MikroTik of
// the switch. Every cable is there once.
func TestTopology(t *testing.T) {
	devices := []Placed{
		placed(t, "switch 1", walkOf(t, "cisco-switch")), placed(t, "edge", walkOf(t, "juniper-router")), placed(t, "branch", walkOf(t, "mikrotik-router")),
	}
	never, err := NewDevice(devices[0].config, DeviceOptions{Address: "192.0.2.200"})
	if err != nil {
		t.Fatal(err)
	}
	got := TopologyOf(append(devices, Placed{Name: "new", Device: never}))
	for i := range got.Nodes {
		if n := &got.Nodes[i]; n.Known {
			if (n.Read == nil) != (n.Name == "new") {
				t.Errorf("%s was read at %v", n.Name, n.Read)
			}
			n.Read = nil
			if n.Name != "new" {
				n.Address = ""
			}
		}
	}
	text, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/topology.json"
	if *update {
		if err := os.WriteFile(golden, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || strings.TrimSpace(string(want)) != string(text) {
		t.Errorf("%s differs, %v:\n%s", golden, err, text)
	}

	// After a reload what was read is still known.
	again, err := NewDevice(devices[0].config, devices[0].options)
	if err != nil {
		t.Fatal(err)
	}
	again.TakeOver(devices[0].Device)
	if links := TopologyOf([]Placed{{Name: "switch 1", Device: again}}).Links; len(links) != 2 {
		t.Errorf("%+v", links)
	}
}

// Tables that agents fill with nonsense make no neighbours, and no panic.
func TestNeighboursNonsense(t *testing.T) {
	f := func(walk string) {
		t.Helper()
		got := TopologyOf([]Placed{placed(t, "x", switchSystem+walk)})
		if len(got.Links) != 0 || len(got.Nodes) != 1 {
			t.Errorf("%s: %+v", walk, got)
		}
	}
	f(".1.0.8802.1.1.2.1.4.1.1.9 = STRING: \"a\"")
	f(".1.0.8802.1.1.2.1.4.1.1.9.1 = STRING: \"a\"")
	f(".1.0.8802.1.1.2.1.4.1.1.9.1.2 = STRING: \"a\"")
	f(".1.0.8802.1.1.2.1.4.1.1.5.1.2.3 = \"\"")
	f(".1.0.8802.1.1.2.1.4.2.1.3.1.2.3.1.4.192.0 = INTEGER: 1")
	f(".1.3.6.1.4.1.9.9.23.1.2.1.1.4.7 = Hex-STRING: C0")
	f(".1.3.6.1.4.1.9.9.23.1.2.1.1.9.7.1 = \"\"")
}
