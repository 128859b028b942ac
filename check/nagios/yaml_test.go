package nagios

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/declare"
	"github.com/hulotte-dev/hulotte/check/period"
)

// comesBack writes a result, and reads it as configuration.
func comesBack(t *testing.T, r Result) []byte {
	t.Helper()
	text, err := r.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	kinds := []string{"plugin", "nrpe", "passive", "http", "tcp", "icmp", "dns", "heartbeat", "redis", "mysql", "postgresql", "mongodb", "mqtt", "grpc", "sip", "radius", "kafka"}
	got, problems := declare.Read(declare.Options{Kinds: kinds, Host: "here", HostKind: "icmp"}, declare.Document{File: "x.yaml", Node: &doc})
	for _, p := range problems {
		t.Errorf("%s", p)
	}
	hosts, specs := slices.Clone(r.Hosts), slices.Clone(r.Specs)
	for i := range hosts {
		hosts[i].Source = ""
	}
	for i := range specs {
		specs[i].Source = ""
	}
	byID := func(list []check.Spec) map[string]string {
		out := map[string]string{}
		for _, s := range list {
			if string(s.Options) == "{}" {
				s.Options = nil
			}
			s.Passive = s.Passive || s.Kind == "passive" || s.Kind == "heartbeat"
			var options any
			if len(s.Options) > 0 {
				if err := json.Unmarshal(s.Options, &options); err != nil {
					t.Fatal(err)
				}
				s.Options, _ = json.Marshal(options)
			}
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			out[s.ID()] = string(text)
		}
		return out
	}
	if a, b := byID(got.Specs), byID(specs); !maps.Equal(a, b) {
		t.Errorf("checks come back as\n%v\nnot\n%v", a, b)
	}
	a, _ := json.Marshal(got.Hosts)
	if b, _ := json.Marshal(hosts); string(a) != string(b) {
		t.Errorf("hosts come back as\n%s\nnot\n%s", a, b)
	}
	for name, want := range r.Periods {
		var d period.Definition
		if err := json.Unmarshal(got.Periods[name], &d); err != nil || !reflect.DeepEqual(d, want) {
			t.Errorf("period %s comes back as %s, %v", name, got.Periods[name], err)
		}
	}
	return text
}

func TestYAML(t *testing.T) {
	r, err := Import("testdata/rich")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/rich.yaml.golden", string(comesBack(t, r)))
}
