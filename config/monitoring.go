package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/declare"
	"github.com/hulotte-dev/hulotte/check/nagios"
	"github.com/hulotte-dev/hulotte/check/period"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/collect/discovery"
	"github.com/hulotte-dev/hulotte/collect/services"
)

// Monitoring is what is checked.
type Monitoring struct {
	Enabled       bool
	Concurrency   int
	EventHandlers bool
	Files         []string
	Discovery     Discovery
	NRPE          NRPE
	Zabbix        Zabbix
	SNMP          SNMP
	NSCA          NSCA
	CommandFile   string
	StatusPages   []StatusPage
	// Credentials are what discovered services want to see, by the name that overrides and custom services use.
	Credentials map[string]services.Credentials
	// Declared is what the file and Files declare; Periods are its time periods.
	Declared declare.Declared
	Periods  map[string]*period.Period
	// Nagios is a Nagios configuration that is run as it is, and Imported what is in it.
	Nagios   string
	Imported nagios.Result
	// Blackbox is a file of blackbox_exporter's modules, for /probe; Modules are those in it.
	Blackbox string
	Modules  map[string]probe.Module

	hosts, templates, checks, periods yaml.Node
}

func monitoringKeys(m *Monitoring) []Key {
	return []Key{
		{Path: "monitoring.enabled", value: boolean(&m.Enabled), Default: "true",
			Doc: "Whether checks are run."},
		{Path: "monitoring.hosts", value: declaration{&m.hosts, "hosts"}, Live: true,
			Doc: "The hosts that are checked, besides this machine: [checks.md](checks.md)."},
		{Path: "monitoring.templates", value: declaration{&m.templates, "templates"}, Live: true,
			Doc: "What hosts and checks have in common, by name."},
		{Path: "monitoring.checks", value: declaration{&m.checks, "checks"}, Live: true,
			Doc: "The checks, besides those of discovered services."},
		{Path: "monitoring.periods", value: declaration{&m.periods, "periods"}, Live: true,
			Doc: "Time periods, by name."},
		{Path: "monitoring.files", value: list(&m.Files), Live: true,
			Doc: "Files (globs are allowed) with the keys `hosts`, `templates`, `checks` and `periods`, which mean what they mean under `monitoring`."},
		{Path: "monitoring.nagios", value: text(&m.Nagios), Live: true,
			Doc: "A `nagios.cfg`, or a folder with one, whose hosts, services, commands and time periods are run as they are: [checks-import.md](checks-import.md)."},
		{Path: "monitoring.blackbox", value: text(&m.Blackbox), Live: true,
			Doc: "A `blackbox.yml` whose modules `/probe?target=&module=` uses, as blackbox_exporter does; without one there are `http_2xx`, `http_post_2xx`, `tcp_connect`, `tls_connect`, `icmp`, `dns_udp`, `ssh_banner` and `grpc`."},
		statusPageKey(&m.StatusPages),
		{Path: "monitoring.concurrency", value: integer(&m.Concurrency, 1, 100_000), Default: "512",
			Doc: "Checks that run at one time."},
		{Path: "monitoring.event_handlers", value: boolean(&m.EventHandlers), Default: "false",
			Doc: "Whether the commands that checks name as `event_handler` are run when their state changes."},
	}
}

// Discovery is how services of this machine are looked for.
type Discovery struct {
	Enabled       bool
	Interval      time.Duration
	InactiveAfter time.Duration
	Disable       []string
	Catalogue     []string
	Labels        bool
	Environment   bool
	Custom        []discovery.Custom
	Overrides     []discovery.Override
}

func discoveryKeys(m *Monitoring, role Role) []Key {
	d := &m.Discovery
	return []Key{
		{Path: "monitoring.discovery.enabled", value: boolean(&d.Enabled), Default: strconv.FormatBool(role != ServerRole),
			Doc: "Whether services of this machine are looked for, checked and measured: [discovery.md](discovery.md)."},
		{Path: "monitoring.discovery.interval", value: duration(&d.Interval), Default: "10s",
			Doc: "The time between two looks."},
		{Path: "monitoring.discovery.inactive_after", value: duration(&d.InactiveAfter), Default: "7d",
			Doc: "A service that is gone for so long is no problem any more."},
		{Path: "monitoring.discovery.disable", value: list(&d.Disable),
			Doc: "Kinds of services that are not looked for, such as `cups`."},
		{Path: "monitoring.discovery.catalogue", value: list(&d.Catalogue),
			Doc: "More files, or folders of files, of the catalogue's form."},
		{Path: "monitoring.discovery.labels", value: boolean(&d.Labels), Default: "true",
			Doc: "Whether labels of containers and annotations of pods may change how they are watched, within what is safe."},
		{Path: "monitoring.discovery.environment", value: boolean(&d.Environment), Default: "true",
			Doc: "Whether the metrics of a container's service are read with the user and the password that its environment declares (`POSTGRES_PASSWORD`, `MYSQL_ROOT_PASSWORD`, …), when the configuration has none for it."},
		{Path: "monitoring.discovery.services", value: entries[discovery.Custom]{&d.Custom, "name: shop, address: 127.0.0.1:8080"},
			Doc: "Services that are declared, whether they run or not. Each has `name` and `address`, and may have `kind` (of the catalogue), `instance`, `tls`, `check`, `metrics`, `logs`, `labels`, `credentials`."},
		{Path: "monitoring.discovery.overrides", value: entries[discovery.Override]{&d.Overrides, "kind: nginx, port: 8080"},
			Doc: "Changes to services that are found, by `kind` and `instance` (a pattern): `disable`, `enable`, `name`, `address`, `port`, `ignore_ports`, `check`, `no_check`, `metrics`, `no_metrics`, `labels`, `credentials`."},
		{Path: "monitoring.credentials", value: credentials{&m.Credentials}, Secret: true,
			Doc: "What services want to see before they tell of themselves, by a name that `discovery.overrides` and `discovery.services` use in `credentials`: `username`, and `password` or `password_file`. The name of a kind, such as `postgresql`, holds for all of it."},
	}
}

// DiscoveryOptions are those of the discovery of services.
func (c *Config) DiscoveryOptions() discovery.Options {
	d := c.Monitoring.Discovery
	o := discovery.Options{
		ProcFS: c.Host.ProcFS, RootFS: c.Host.RootFS, Sockets: c.Host.Containers.Sockets,
		Interval: d.Interval, InactiveAfter: d.InactiveAfter, Disable: d.Disable, IgnoreLabels: !d.Labels, Environment: d.Environment, Custom: d.Custom, Overrides: d.Overrides,
	}
	for _, path := range d.Catalogue {
		o.Catalogue = append(o.Catalogue, c.relative(path))
	}
	if !c.Host.Containers.AskEngines {
		o.Sockets = []string{}
	}
	return o
}

// entries is a list of mappings that are decoded by the json tags of T.
type entries[T any] struct {
	p       *[]T
	example string
}

func (v entries[T]) kind() string { return "list of entries" }

func (v entries[T]) parse(s string) error {
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

func (v entries[T]) decode(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("is %s: write a list of entries, such as - {%s}", nodeKind(n), v.example)
	}
	all := make([]T, len(n.Content))
	for i, m := range n.Content {
		if err := declare.Decode(m, &all[i]); err != nil {
			return fmt.Errorf("[%d] (line %d): %w", i, m.Line, err)
		}
	}
	*v.p = all
	return nil
}

func (v entries[T]) encode() *yaml.Node {
	n := &yaml.Node{}
	text, err := json.Marshal(*v.p)
	if err == nil {
		err = yaml.Unmarshal(text, n)
	}
	if err != nil || len(*v.p) == 0 {
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	}
	return n.Content[0]
}

// credentials are names and passwords by name.
type credentials struct {
	p *map[string]services.Credentials
}

func (v credentials) kind() string { return "mapping" }

func (v credentials) parse(s string) error {
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

func (v credentials) decode(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("is %s: write a mapping, such as postgresql: {username: hulotte, password_file: /etc/hulotte/pg}", nodeKind(n))
	}
	all := map[string]services.Credentials{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		var c struct {
			Username     string `json:"username"`
			Password     string `json:"password"`
			PasswordFile string `json:"password_file"`
		}
		if err := declare.Decode(n.Content[i+1], &c); err != nil {
			return fmt.Errorf("%s (line %d): %w", n.Content[i].Value, n.Content[i].Line, err)
		}
		all[n.Content[i].Value] = services.Credentials(c)
	}
	*v.p = all
	return nil
}

func (v credentials) encode() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// declaration keeps a part of the file as it was written; what is in it is read when everything is there.
type declaration struct {
	p    *yaml.Node
	name string
}

func (v declaration) kind() string { return "declarations in YAML" }

func (v declaration) parse(s string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(s), &doc); err != nil {
		return fmt.Errorf("is no YAML: %w", err)
	}
	*v.p = yaml.Node{}
	if len(doc.Content) > 0 {
		*v.p = *doc.Content[0]
	}
	return nil
}

func (v declaration) decode(n *yaml.Node) error {
	*v.p = *n
	return nil
}

func (v declaration) encode() *yaml.Node {
	if v.p.Kind == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
	return v.p
}

// loadMonitoring reads what is declared; kinds are those of checks.
func (c *Config) loadMonitoring(kinds []check.Kind) Errors {
	m := &c.Monitoring
	docs := []declare.Document{{File: c.File, Node: m.declarations()}}
	var errs Errors
	for _, pattern := range m.Files {
		files, err := filepath.Glob(c.relative(pattern))
		if err != nil {
			errs = append(errs, c.origins["monitoring.files"].errorAt("monitoring.files", fmt.Sprintf("%q is no glob", pattern)))
		}
		for _, f := range files {
			text, err := readFile(f)
			if err == nil {
				var node *yaml.Node
				if node, err = parseYAML(text); err == nil {
					docs = append(docs, declare.Document{File: f, Node: inner(node)})
					continue
				}
			}
			errs = append(errs, yamlError(f, err))
		}
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	o := declare.Options{Kinds: names, Host: c.Host.Instance, Valid: func(s check.Spec) error { return validCheck(kinds, s) }}
	if slices.Contains(names, "icmp") {
		o.HostKind = "icmp"
	}
	var problems []declare.Problem
	m.Declared, problems = declare.Read(o, docs...)
	for _, p := range problems {
		errs = append(errs, Error{File: p.File, Line: p.Line, Key: "monitoring", Text: p.Text})
	}
	if err := c.importNagios(); err != nil {
		errs = append(errs, c.origins["monitoring.nagios"].errorAt("monitoring.nagios", err.Error()))
	}
	if err := c.loadModules(); err != nil {
		errs = append(errs, c.origins["monitoring.blackbox"].errorAt("monitoring.blackbox", err.Error()))
	}
	if err := c.loadPeriods(); err != nil {
		return append(errs, Error{File: c.File, Line: m.periods.Line, Key: "monitoring.periods", Text: err.Error()})
	}
	for _, s := range m.Declared.Specs {
		for _, name := range []string{s.Period, s.NotifyPeriod} {
			if name != "" && m.Periods[name] == nil {
				errs = append(errs, Error{File: c.File, Key: "monitoring", Text: fmt.Sprintf("the check %s names the period %q, which is not declared under periods", s.ID(), name)})
			}
		}
	}
	return errs
}

// inner is what a file declares that has everything below the key monitoring, as our own file has.
func inner(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "monitoring" {
		return n.Content[1]
	}
	return n
}

// importNagios reads the Nagios configuration that is named.
func (c *Config) importNagios() error {
	if c.Monitoring.Nagios == "" {
		return nil
	}
	var err error
	c.Monitoring.Imported, err = nagios.Import(c.relative(c.Monitoring.Nagios))
	for _, w := range c.Monitoring.Imported.Warnings {
		c.Warnings = append(c.Warnings, Error{Key: "monitoring.nagios", Text: w.String()})
	}
	return err
}

// usualModules are those that there are without a blackbox.yml, under the names of blackbox_exporter's example.
const usualModules = `
modules:
  http_2xx: {prober: http}
  http_post_2xx: {prober: http, http: {method: POST}}
  tcp_connect: {prober: tcp}
  tls_connect: {prober: tcp, tcp: {tls: true}}
  icmp: {prober: icmp}
  dns_udp: {prober: dns, dns: {query_name: example.org, query_type: A}}
  ssh_banner: {prober: tcp, tcp: {query_response: [{expect: "^SSH-2.0-"}]}}
  grpc: {prober: grpc}
`

// loadModules reads blackbox_exporter's modules.
func (c *Config) loadModules() error {
	text := []byte(usualModules)
	if c.Monitoring.Blackbox != "" {
		var err error
		if text, err = readFile(c.relative(c.Monitoring.Blackbox)); err != nil {
			return err
		}
	}
	var err error
	c.Monitoring.Modules, err = probe.ReadModules(text)
	return err
}

// loadPeriods reads the time periods that are declared.
func (c *Config) loadPeriods() error {
	defs := map[string]period.Definition{}
	maps.Copy(defs, c.Monitoring.Imported.Periods)
	for name, text := range c.Monitoring.Declared.Periods {
		var d period.Definition
		if err := json.Unmarshal(text, &d); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defs[name] = d
	}
	var err error
	c.Monitoring.Periods, err = period.New(defs)
	return err
}

// validCheck says what is wrong with the options of a check.
func validCheck(kinds []check.Kind, s check.Spec) error {
	i := slices.IndexFunc(kinds, func(k check.Kind) bool { return k.Name == s.Kind })
	if i < 0 || kinds[i].New == nil {
		return nil
	}
	_, err := kinds[i].New(check.Params{Host: s.Host, Address: s.Host, Name: s.Name, Options: s.Options, Timeout: time.Duration(s.Timeout)})
	return err
}

// declarations are those of the file itself, as one mapping.
func (m *Monitoring) declarations() *yaml.Node {
	all := &yaml.Node{Kind: yaml.MappingNode}
	for _, d := range []struct {
		name string
		node *yaml.Node
	}{{"hosts", &m.hosts}, {"templates", &m.templates}, {"checks", &m.checks}, {"periods", &m.periods}} {
		if d.node.Kind != 0 {
			all.Content = append(all.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: d.name, Line: d.node.Line}, d.node)
		}
	}
	return all
}

// relative reads a path as relative to the folder of the configuration file.
func (c *Config) relative(path string) string {
	if filepath.IsAbs(path) || c.File == "" {
		return path
	}
	return filepath.Join(filepath.Dir(c.File), path)
}
