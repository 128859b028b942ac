package snmp

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
	"github.com/hulotte-dev/hulotte/internal/snmptest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exposition is what was read, without the series of the reading itself.
func exposition(t *testing.T, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "snmp_scrape_") {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestDevices: what each device is found to be, and what is read of it, in versions 2c and 1.
func TestDevices(t *testing.T) {
	files, err := filepath.Glob("testdata/devices/*.walk")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d walks, %v", len(files), err)
	}
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".walk"), func(t *testing.T) {
			walk, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			address := snmptest.Start(t, "", string(walk))
			read := func(version int) string {
				t.Helper()
				d, err := NewDevice(all, DeviceOptions{Address: address, Auth: snmpsession.Auth{Version: version}, Modules: []string{Auto}, Timeout: 10 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				families, err := d.Gather()
				if err != nil {
					t.Fatal(err)
				}
				is := d.identified
				return fmt.Sprintf("# vendor %q, model %q, kind %q\n# modules %s\n%s", is.Vendor, is.Model, is.Kind, strings.Join(is.Modules, " "), exposition(t, families))
			}
			got := read(2)
			if strings.Contains(string(walk), "Counter64") {
				got += "\n# version 1 has no numbers of 64 bits\n"
			} else if v1 := read(1); v1 != got {
				t.Errorf("version 1 differs:\n%s", v1)
			}
			golden := strings.TrimSuffix(file, ".walk") + ".prom"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs (write it anew with: go test ./collect/snmp -update)\n%s", golden, got)
			}
		})
	}
}

// once reads a walk by the module x of a snmp.yml.
func once(t *testing.T, yml, walk string) string {
	t.Helper()
	c, err := Parse([]byte(yml))
	if err != nil {
		t.Fatal(err)
	}
	s, err := snmpsession.Open(t.Context(), snmpsession.Options{Address: snmptest.Start(t, "", walk)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	families, err := c.Modules["x"].Collect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(exposition(t, families)) {
		if line[0] != '#' {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func TestTypes(t *testing.T) {
	f := func(metric, walk, want string) {
		t.Helper()
		got := once(t, "modules: {x: {walk: [1.3.6.1.9], metrics: [{name: m, oid: 1.3.6.1.9.1.2, help: h, "+metric+"}]}}", walk)
		if got != strings.TrimSpace(want) {
			t.Errorf("%s:\n got %s\nwant %s", metric, got, want)
		}
	}
	const address = "type: gauge, indexes: [{labelname: peer, type: InetAddress}, {labelname: n, type: gauge}]"
	f(address, ".1.3.6.1.9.1.2.1.4.192.0.2.7.5 = INTEGER: 1", `m{n="5",peer="192.0.2.7"} 1`)
	f(address, ".1.3.6.1.9.1.2.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1.5 = INTEGER: 1", `m{n="5",peer="2001:0DB8:0000:0000:0000:0000:0000:0001"} 1`)
	f(address, ".1.3.6.1.9.1.2.16.3.97.46.98.5 = INTEGER: 1", `m{n="5",peer="0x1003612E62"} 1`) // a name (RFC 4001)
	f(address, ".1.3.6.1.9.1.2.1 = INTEGER: 1", `m{n="",peer="0x01"} 1`)                        // an agent's mistake
	f(address, ".1.3.6.1.9.1.2.16.4294967295.97 = INTEGER: 1", `m{n="",peer="0x10FF61"} 1`)
	f("type: gauge, indexes: [{labelname: peer, type: InetAddressMissingSize}]", ".1.3.6.1.9.1.2.1.192.0.2.7 = INTEGER: 1", `m{peer="192.0.2.7"} 1`)
	f("type: gauge, indexes: [{labelname: port, type: LldpPortId}]", ".1.3.6.1.9.1.2.3.6.0.27.43.60.77.1 = INTEGER: 1", `m{port="00:1B:2B:3C:4D:01"} 1`)
	f("type: gauge, indexes: [{labelname: port, type: LldpPortId}]", ".1.3.6.1.9.1.2.5.3.103.101.49 = INTEGER: 1", `m{port="ge1"} 1`)
	f("type: gauge, indexes: [{labelname: state, type: EnumAsInfo, enum_values: {3: up}}]", ".1.3.6.1.9.1.2.3 = INTEGER: 1", `m{state="up"} 1`)

	const typed = "type: InetAddress, indexes: [{labelname: i, type: gauge}]"
	f(typed, ".1.3.6.1.9.1.1.7 = INTEGER: 1\n.1.3.6.1.9.1.2.7 = Hex-STRING: C0 00 02 07", `m{i="7",m="192.0.2.7"} 1`)
	f(typed, ".1.3.6.1.9.1.1.7 = INTEGER: 9\n.1.3.6.1.9.1.2.7 = Hex-STRING: C0 00 02 07", `m{i="7",m="0xC0000207"} 1`)
	f(typed, ".1.3.6.1.9.1.2.7 = Hex-STRING: C0 00 02 07", `m{i="7",m="0xC0000207"} 1`)
	f("type: LldpPortId", ".1.3.6.1.9.1.1.0 = INTEGER: 3\n.1.3.6.1.9.1.2.0 = Hex-STRING: 00 1B 2B 3C 4D 01", `m{m="00:1B:2B:3C:4D:01"} 1`)

	f("type: counter", ".1.3.6.1.9.1.2.0 = Counter64: 9007199254740991", "m 9.007199254740991e+15")
	f("type: counter", ".1.3.6.1.9.1.2.0 = Counter64: 9007199254740997", "m 5")
	f("type: counter", ".1.3.6.1.9.1.2.0 = Counter64: 18446744073709551615", "m 9.007199254740991e+15")

	f("type: DateAndTime", ".1.3.6.1.9.1.2.0 = Hex-STRING: 07 E8 02 1D 0C 1E 0F 00 2B 01 00", "m 1.709206215e+09")
	f("type: DateAndTime", ".1.3.6.1.9.1.2.0 = Hex-STRING: 07 E8 02 1D 0C 1E 0F 00 2D 01 1E", "m 1.709215215e+09")
	f("type: DateAndTime", ".1.3.6.1.9.1.2.0 = Hex-STRING: 07 E8 02 1D 0C 1E 0F 00", "m 1.709209815e+09")
	f("type: DateAndTime", ".1.3.6.1.9.1.2.0 = Hex-STRING: 07 E8", "")
	f("type: NTPTimeStamp", ".1.3.6.1.9.1.2.0 = Hex-STRING: E9 7F 5A 00 80 00 00 00", "m 1.7084486405e+09")
	f("type: NTPTimeStamp", ".1.3.6.1.9.1.2.0 = Hex-STRING: E9", "")
	f(`type: ParseDateAndTime, datetime_pattern: "%a %b %d %H:%M:%S %Y"`, `.1.3.6.1.9.1.2.0 = STRING: "Thu Feb 29 12:30:15 2024"`, "m 1.709209815e+09")
	f(`type: ParseDateAndTime, datetime_pattern: "%b %d %Y"`, `.1.3.6.1.9.1.2.0 = STRING: "never"`, "")
	f("type: Bits, enum_values: {0: a, 7: b, 9: c}", ".1.3.6.1.9.1.2.0 = Hex-STRING: 81", "m{m=\"a\"} 1\nm{m=\"b\"} 1\nm{m=\"c\"} 0")
	f("type: gauge, scale: -1, offset: 2", ".1.3.6.1.9.1.2.0 = INTEGER: 2", "m 0")
}

func TestDetectRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"modules: {a: {detect: {answers: [x]}}}":                                                         "module a: detect: answers",
		"modules: {a: {detect: {object_ids: [x]}}}":                                                      "module a: detect: object_ids",
		"modules: {a: {detect: {description: '('}}}":                                                     "missing closing",
		"modules: {a: {metrics: [{name: m, oid: 1.3, type: ParseDateAndTime, datetime_pattern: '%Q'}]}}": "datetime_pattern",
		"modules: {a: {metrics: [{name: m, oid: 1.3, type: ParseDateAndTime}]}}":                         "datetime_pattern: it is missing",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
