package host

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
)

func TestParseMeminfo(t *testing.T) {
	ok := func(text string, want map[string]float64) {
		t.Helper()
		got := map[string]float64{}
		if err := parseMeminfo([]byte(text), func(n string, v float64) { got[n] = v }); err != nil {
			t.Errorf("parseMeminfo(%q) = %v", text, err)
		}
		if !maps.Equal(got, want) {
			t.Errorf("parseMeminfo(%q) = %v, want %v", text, got, want)
		}
	}
	bad := func(text, want string) {
		t.Helper()
		err := parseMeminfo([]byte(text), func(string, float64) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseMeminfo(%q) = %v, want an error with %q", text, err, want)
		}
	}
	ok("MemTotal:       16384 kB\nActive(anon):  1 kB\nHugePages_Total:       3\n", map[string]float64{
		"MemTotal_bytes": 16384 * 1024, "Active_anon_bytes": 1024, "HugePages_Total": 3})
	ok("\nA: 1 kB\nA: 2 kB\n", map[string]float64{"A_bytes": 1024})
	ok("", map[string]float64{})
	bad("MemTotal 1 kB\n", "no colon")
	bad("MemTotal: lots kB\n", "the value of \"MemTotal\"")
	bad("MemTotal: -1 kB\n", "the value of")
	bad("Mem-Total: 1 kB\n", "cannot be a metric's name")
	bad(": 1 kB\n", "cannot be a metric's name")
}

func FuzzParseMeminfo(f *testing.F) {
	f.Add([]byte("MemTotal:       16384 kB\nActive(anon):  1 kB\nHugePages_Total:       3\n"))
	f.Add([]byte("A(: 1\n)): 2 kB\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		seen := map[string]bool{}
		_ = parseMeminfo(text, func(name string, v float64) {
			if full := "node_memory_" + name; !model.LegacyValidation.IsValidMetricName(full) || seen[full] {
				panic(fmt.Sprintf("%q is no name for a metric, or came twice", full))
			}
			seen["node_memory_"+name] = true
		})
	})
}
