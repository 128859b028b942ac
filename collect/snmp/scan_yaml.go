package snmp

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// declared are the keys of the configuration that a scan can fill in.
type declared struct {
	Monitoring struct {
		SNMP struct {
			Auths   map[string]snmpsession.Auth `yaml:"auths,omitempty"`
			Devices []declaredDevice            `yaml:"devices"`
		} `yaml:"snmp"`
	} `yaml:"monitoring"`
}

type declaredDevice struct {
	Name    string   `yaml:"name"`
	Address string   `yaml:"address"`
	Auth    string   `yaml:"auth"`
	Kind    string   `yaml:"kind,omitempty"`
	Modules []string `yaml:"modules,omitempty,flow"`
}

// DevicesYAML writes what was found as configuration that can be pasted: the devices, each with a name of its own, and those of the auths
// that they need.
func DevicesYAML(found []Found, auths []NamedAuth) ([]byte, error) {
	var top declared
	snmp := &top.Monitoring.SNMP
	snmp.Devices = []declaredDevice{}
	used, names := map[string]bool{}, map[string]bool{}
	for _, f := range found {
		name := f.Name
		switch {
		case name == "":
			name = f.Address
		case names[name]: // many devices keep the name that they were sold with
			name += "-" + f.Address
		}
		names[name], used[f.Auth] = true, true
		snmp.Devices = append(snmp.Devices, declaredDevice{Name: name, Address: f.Address, Auth: f.Auth, Kind: f.Kind, Modules: f.Modules})
	}
	for _, a := range auths {
		if used[a.Name] {
			if snmp.Auths == nil {
				snmp.Auths = map[string]snmpsession.Auth{}
			}
			snmp.Auths[a.Name] = a.Auth
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(top); err != nil {
		return nil, fmt.Errorf("cannot write the devices: %w", err)
	}
	return b.Bytes(), nil
}
