package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/declare"
	"github.com/hulotte-dev/hulotte/collect/snmp"
	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// SNMP is how network devices are asked.
type SNMP struct {
	Files    []string
	Auths    map[string]snmpsession.Auth
	Devices  []SNMPDevice
	Interval time.Duration
	Timeout  time.Duration
	// Config holds all modules and auths: the embedded ones, those of Files, and Auths.
	Config *snmp.Config
}

// SNMPDevice is a network device that is asked.
type SNMPDevice struct {
	Name     string            `json:"name"`
	Address  string            `json:"address,omitempty"` // Name when empty
	Auth     string            `json:"auth,omitempty"`    // a name; public_v2 when empty
	Modules  []string          `json:"modules,omitempty"`
	Kind     string            `json:"kind,omitempty"` // switch, router, …: the label device_kind
	Labels   map[string]string `json:"labels,omitempty"`
	Groups   []string          `json:"groups,omitempty"`
	Parents  []string          `json:"parents,omitempty"`
	Runbook  string            `json:"runbook,omitempty"`
	Interval check.Duration    `json:"interval,omitempty"`
	Timeout  check.Duration    `json:"timeout,omitempty"`
	NoCheck  bool              `json:"no_check,omitempty"`
}

// AllLabels are those of the device's series, host and check.
func (d *SNMPDevice) AllLabels() map[string]string {
	if d.Kind == "" {
		return d.Labels
	}
	labels := map[string]string{"device_kind": d.Kind}
	maps.Copy(labels, d.Labels)
	return labels
}

const (
	defaultSNMPAuth = "public_v2"
	maxAsk          = 10 * time.Second // for one question; a reading asks many
)

func snmpKeys(s *SNMP) []Key {
	return []Key{
		{Path: "monitoring.snmp.devices", value: entries[SNMPDevice]{&s.Devices, "name: core-switch, address: 192.0.2.1"}, Live: true,
			Doc: "Network devices that are asked by SNMP: [network-devices.md](network-devices.md). Each has `name`, and may have `address` (`host`, `host:port` or `tcp://host:port`), `auth` (a name of `monitoring.snmp.auths`), `modules` (`auto` for those that fit the device), `kind`, `labels`, `groups`, `parents`, `runbook`, `interval`, `timeout`, `no_check`."},
		{Path: "monitoring.snmp.auths", value: snmpAuths{&s.Auths}, Secret: true, Live: true,
			Doc: "Who asks, by name: `version` (1, 2 or 3), `community`, or `username`, `password`, `auth_protocol`, `priv_password`, `priv_protocol`. `public_v1` and `public_v2` are there already."},
		{Path: "monitoring.snmp.files", value: list(&s.Files), Live: true,
			Doc: "Files of snmp_exporter's form (`snmp.yml`), whose modules and auths are there besides, or instead of, those that come with Hulotte."},
		{Path: "monitoring.snmp.interval", value: duration(&s.Interval), Default: "1m",
			Doc: "The time between two readings of a device."},
		{Path: "monitoring.snmp.timeout", value: duration(&s.Timeout), Default: "20s",
			Doc: "How long a reading of a device may take, all modules together."},
	}
}

// loadSNMP reads the modules and looks whether the devices' are there.
func (c *Config) loadSNMP() Errors {
	s := &c.Monitoring.SNMP
	var errs Errors
	fail := func(key, text string) { errs = append(errs, c.origins[key].errorAt(key, text)) }
	all, err := snmp.Embedded()
	if err != nil {
		fail("monitoring.snmp.files", err.Error())
		return errs
	}
	for _, f := range s.Files {
		path := c.relative(f)
		text, err := readFile(path)
		var own *snmp.Config
		if err == nil {
			own, err = snmp.Parse(text)
		}
		if err != nil {
			fail("monitoring.snmp.files", fmt.Sprintf("%s: %v", path, err))
			continue
		}
		all.Add(own)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Auths)) {
		if err := s.Auths[name].Validate(); err != nil {
			fail("monitoring.snmp.auths", fmt.Sprintf("%s: %v", name, err))
		}
	}
	all.Add(&snmp.Config{Auths: s.Auths})
	s.Config = all
	seen := map[string]bool{}
	for i, d := range s.Devices {
		o, err := s.Options(d)
		if err == nil {
			_, err = snmp.NewDevice(all, o)
		}
		switch {
		case d.Name == "":
			err = fmt.Errorf("name: it is missing")
		case seen[d.Name]:
			err = fmt.Errorf("name: %q is there twice", d.Name)
		}
		seen[d.Name] = true
		if err != nil {
			fail("monitoring.snmp.devices", fmt.Sprintf("[%d] %s: %v", i, d.Name, err))
		}
	}
	return errs
}

// Options are what a device is read with.
func (s *SNMP) Options(d SNMPDevice) (snmp.DeviceOptions, error) {
	name := d.Auth
	if name == "" {
		name = defaultSNMPAuth
	}
	auth, ok := s.Config.Auths[name]
	if !ok {
		return snmp.DeviceOptions{}, fmt.Errorf("auth: there is no %q under monitoring.snmp.auths", name)
	}
	o := snmp.DeviceOptions{Address: d.Address, Auth: auth, Modules: d.Modules, Timeout: time.Duration(d.Timeout)}
	if o.Address == "" {
		o.Address = d.Name
	}
	if o.Timeout == 0 {
		o.Timeout = s.Timeout
	}
	return o, nil
}

// snmpAuths are auths by name.
type snmpAuths struct {
	p *map[string]snmpsession.Auth
}

func (v snmpAuths) kind() string { return "mapping" }

func (v snmpAuths) parse(s string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err != nil {
		return fmt.Errorf("is no YAML: %w", err)
	}
	*v.p = nil
	if len(doc.Content) == 0 {
		return nil
	}
	return v.decode(doc.Content[0])
}

func (v snmpAuths) decode(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("is %s: write a mapping, such as office: {community: secret}", nodeKind(n))
	}
	all := map[string]snmpsession.Auth{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var a snmpsession.Auth
		if err := declare.Decode(n.Content[i+1], &a); err != nil {
			return fmt.Errorf("%s (line %d): %w", n.Content[i].Value, n.Content[i].Line, err)
		}
		all[n.Content[i].Value] = a
	}
	*v.p = all
	return nil
}

func (v snmpAuths) encode() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// SNMPChecks are the hosts of the devices, with a check each that says whether they answer.
func (c *Config) SNMPChecks() ([]check.Host, []check.Spec, error) {
	s := &c.Monitoring.SNMP
	var hosts []check.Host
	var specs []check.Spec
	for _, d := range s.Devices {
		if d.NoCheck {
			continue
		}
		o, err := s.Options(d)
		if err != nil {
			return nil, nil, err
		}
		transport, host, port, err := snmpsession.SplitAddress(o.Address)
		if err != nil {
			return nil, nil, err
		}
		options, err := json.Marshal(struct {
			snmpsession.Auth
			Address   string `json:"address"`
			Transport string `json:"transport"`
		}{o.Auth, net.JoinHostPort(host, strconv.Itoa(int(port))), transport})
		if err != nil {
			return nil, nil, err
		}
		hosts = append(hosts, check.Host{Name: d.Name, Address: host, Labels: d.AllLabels(), Groups: d.Groups, Parents: d.Parents, Runbook: d.Runbook})
		specs = append(specs, check.Spec{
			Host: d.Name, Name: check.HostCheck, Kind: "snmp", Options: options, Interval: d.Interval, Timeout: check.Duration(min(o.Timeout, maxAsk)),
		})
	}
	return hosts, specs, nil
}
