package container

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzDecode(f *testing.F) {
	f.Add([]byte("usage_usec 5000000\nnr_periods 1\n"))
	f.Add([]byte("8:0 rbytes=4096 wbytes=8192 rios=1 wios=2\n8:0 Read 4096\n"))
	f.Add([]byte("some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0.00 total=1\n"))
	f.Add([]byte("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"))
	f.Add([]byte("max\n"))
	f.Add([]byte("100\n200\n"))
	f.Add([]byte("1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := parseNumber(text); err == nil && (math.IsNaN(v) || v < 0) {
			t.Errorf("parseNumber(%q) = %v", text, v)
		}
		eachKeyed(text, func([]byte, uint64) {})
		eachBlkio(text, func(string, string, uint64) {})
		if got := parseIOStat(text); len(got) > maxDevices {
			t.Errorf("%d devices", len(got))
		}
		if some, full, _ := parsePressure(text); some < 0 || full < 0 {
			t.Errorf("parsePressure(%q) = %v, %v", text, some, full)
		}
		for _, n := range parseNetDev(text) {
			if n.name == "" || n.name == "lo" || !utf8.ValidString(n.name) {
				t.Errorf("an interface is called %q", n.name)
			}
		}
		for _, pid := range parsePIDs(nil, text) {
			if pid <= 0 {
				t.Errorf("pid %d", pid)
			}
		}
		_, _ = parseStart(text)
		parseCPUMax(string(text))
	})
}

func FuzzAbout(f *testing.F) {
	f.Add([]byte(`[{"Id":"`+strings.Repeat("a1", 32)+`","Names":["/x"],"Labels":{"com.docker.compose.project":"p"},"Status":"Up (healthy)"}]`), "/system.slice/docker-"+strings.Repeat("a1", 32)+".scope")
	f.Add([]byte(`{"annotations":{"io.kubernetes.cri.container-type":"sandbox"}}`), "/machine.slice/machine-x.scope")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		check := func(a about) {
			for _, s := range []string{a.name, a.image, a.state, a.pod, a.namespace, a.workload} {
				if len(s) > 3*maxText || !utf8.ValidString(s) {
					t.Errorf("%q is kept", s)
				}
			}
		}
		if list, err := parseContainers(text, "docker", []string{"com.docker.compose.project"}); err == nil {
			for id, a := range list {
				if !isIdentifier(id) {
					t.Errorf("the identifier %q is kept", id)
				}
				check(a)
			}
		}
		if a, err := parseBundle(text, []string{"hulotte.*"}); err == nil {
			check(a)
		}
		if got, ok := recognise(path); ok && got.id == "" {
			t.Errorf("recognise(%q) has no identifier", path)
		}
	})
}
