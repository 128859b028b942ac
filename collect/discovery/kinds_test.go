package discovery

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/local"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/collect/services"
)

// The checks and metrics of the catalogue are those that there are, and take the options that they are given, also for
// addresses with TLS and unix sockets.
func TestCatalogueFitsChecksAndMetrics(t *testing.T) {
	kinds := map[string]check.Kind{}
	for _, k := range append(probe.Kinds(probe.Options{}), local.Kinds(local.Options{})...) {
		kinds[k.Name] = k
	}
	missing := map[string]bool{}
	for _, e := range Embedded().Entries() {
		for _, a := range []Address{
			{Network: networkTCP, IP: "127.0.0.1", Port: 1234},
			{Network: networkTCP, IP: "2001:db8::1", Port: 1234, TLS: true},
			{Network: networkUnix, Path: "/run/x.sock"},
			{},
		} {
			if a.Network == networkUnix && len(e.Sockets) == 0 {
				continue
			}
			v := Service{Kind: e.Kind, Name: e.Kind, Address: a, Listen: []Address{a}}
			v.setCheck(e, &settings{}, Override{})
			k, ok := kinds[v.Check.Kind]
			if !ok {
				missing["check "+v.Check.Kind] = true
			} else if text, err := json.Marshal(v.Check.Options); err != nil {
				t.Error(err)
			} else if _, err := k.New(check.Params{Host: "h", Name: e.Kind, Options: text}); err != nil {
				t.Errorf("%s at %s: the check is refused: %v", e.Kind, a, err)
			}
			hints := &hinted{trusted: true}
			for _, h := range e.Hints {
				if !slices.Contains([]string{givesPort, givesTLS, givesIgnore, givesMetricsPort, givesMetricsAddress}, h.Gives) {
					hints.take(&h, "/x", "a test")
				}
			}
			if len(e.Metrics.Ports)+len(e.Metrics.Sockets) > 0 {
				hints.metricsPort = 1234
			}
			v.setMetrics(e, &settings{}, Override{}, hints)
			if v.Metrics.Kind == "" {
				continue
			}
			if _, ok := services.Find(v.Metrics.Kind); !ok {
				missing["metrics "+v.Metrics.Kind] = true
			} else if _, err := services.New(v.Metrics.Kind, services.Target{Service: e.Kind, Address: v.Metrics.Address, Options: v.Metrics.Options}); err != nil {
				t.Errorf("%s at %s: the metrics are refused: %v", e.Kind, a, err)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("there is no %v", slices.Sorted(maps.Keys(missing)))
	}
}
