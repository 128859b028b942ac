// Package snmp measures network devices: switches, routers, printers, power supplies. What is read of them are modules in the form
// of snmp_exporter's snmp.yml, embedded ones (folder modules) and the user's own, and the series have its names and labels.
package snmp

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Config is a snmp.yml: modules by name and auths by name.
type Config struct {
	Auths   map[string]snmpsession.Auth
	Modules map[string]*Module
}

// Module says what is read of a device and what becomes of it.
type Module struct {
	Walk           []string      `yaml:"walk"`
	Get            []string      `yaml:"get"`
	Metrics        []*Metric     `yaml:"metrics"`
	Filters        []Filter      `yaml:"filters"`
	MaxRepetitions int           `yaml:"max_repetitions"`
	Retries        *int          `yaml:"retries"`
	Timeout        time.Duration `yaml:"timeout"`
	Unordered      bool          `yaml:"allow_nonincreasing_oids"`

	// Detect says which devices it is for; nil is none by itself. It is not in snmp_exporter's form.
	Detect *Detect `yaml:"detect"`

	// Until snmp_exporter 0.22 each module told who asks.
	Version int               `yaml:"version"`
	Auth    *snmpsession.Auth `yaml:"auth"`

	walk, get []snmpsession.OID
	tree      *node
}

// Metric is one object and the series that it becomes.
type Metric struct {
	Name          string               `yaml:"name"`
	OID           string               `yaml:"oid"`
	Type          string               `yaml:"type"`
	Help          string               `yaml:"help"`
	Indexes       []Index              `yaml:"indexes"`
	Lookups       []Lookup             `yaml:"lookups"`
	RegexExtracts map[string][]Extract `yaml:"regex_extracts"`
	EnumValues    map[int]string       `yaml:"enum_values"`
	Offset        float64              `yaml:"offset"`
	Scale         float64              `yaml:"scale"`
	// DatetimePattern is strptime's form of the text of a ParseDateAndTime.
	DatetimePattern string `yaml:"datetime_pattern"`

	layout  string // time's form of DatetimePattern
	oid     snmpsession.OID
	lookups []snmpsession.OID
}

// Index is one part of a table's index.
type Index struct {
	Labelname  string         `yaml:"labelname"`
	Type       string         `yaml:"type"`
	FixedSize  int            `yaml:"fixed_size"`
	Implied    bool           `yaml:"implied"`
	EnumValues map[int]string `yaml:"enum_values"`
}

// Lookup is a label whose value is read from another column; with no Labels and no OID it drops the label.
type Lookup struct {
	Labels    []string `yaml:"labels"`
	Labelname string   `yaml:"labelname"`
	OID       string   `yaml:"oid"`
	Type      string   `yaml:"type"`
	// EnumValues are the label's values when Type is EnumAsInfo.
	EnumValues map[int]string `yaml:"enum_values"`
}

// Extract makes a number of a text.
type Extract struct {
	Value string  `yaml:"value"`
	Regex pattern `yaml:"regex"`
}

// Filter reads only the rows of Targets whose OID has one of Values.
type Filter struct {
	OID     string   `yaml:"oid"`
	Targets []string `yaml:"targets"`
	Values  []string `yaml:"values"`

	oid     snmpsession.OID
	targets []snmpsession.OID
}

// prepare reads the OIDs.
func (f *Filter) prepare() (err error) {
	if f.oid, err = snmpsession.ParseOID(f.OID); err != nil {
		return fmt.Errorf("filters: oid: %w", err)
	}
	for _, t := range f.Targets {
		oid, err := snmpsession.ParseOID(t)
		if err != nil {
			return fmt.Errorf("filters: targets: %w", err)
		}
		f.targets = append(f.targets, oid)
	}
	return nil
}

// pattern is a regular expression that matches the whole text.
type pattern struct{ *regexp.Regexp }

func (p *pattern) UnmarshalYAML(n *yaml.Node) (err error) {
	p.Regexp, err = regexp.Compile("^(?:" + n.Value + ")$")
	return err
}

const maxConfigBytes = 64 << 20 // all of snmp_exporter's modules together have 2 MB

//go:embed modules/*.yml
var embedded embed.FS

// Embedded returns the modules that come with Hulotte.
func Embedded() (*Config, error) {
	files, err := embedded.ReadDir("modules")
	if err != nil {
		return nil, err
	}
	all := &Config{Auths: map[string]snmpsession.Auth{"public_v1": {Version: 1}, "public_v2": {Version: 2}}, Modules: map[string]*Module{}}
	for _, f := range files {
		data, err := embedded.ReadFile("modules/" + f.Name())
		if err != nil {
			return nil, err
		}
		c, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all.Add(c)
	}
	return all, nil
}

// Add takes the modules and auths of another one; those replace what has the same name.
func (c *Config) Add(other *Config) {
	for name, m := range other.Modules {
		c.Modules[name] = m
	}
	for name, a := range other.Auths {
		c.Auths[name] = a
	}
}

// Parse reads a snmp.yml, of the present form or of that until snmp_exporter 0.22 (modules at the top, with version and auth in them).
// Errors name the module and the metric.
func Parse(data []byte) (*Config, error) {
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("cannot read snmp.yml: more than %d MiB", maxConfigBytes>>20)
	}
	var top map[string]yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&top); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read snmp.yml: %w", err)
	}
	c := &Config{Auths: map[string]snmpsession.Auth{}, Modules: map[string]*Module{}}
	auths, hasAuths := top["auths"]
	modules, hasModules := top["modules"]
	var err error
	if hasAuths || hasModules {
		delete(top, "version")
		if hasAuths {
			err = auths.Decode(&c.Auths)
		}
		if err == nil && hasModules {
			err = modules.Decode(&c.Modules)
		}
	} else {
		for name, n := range top {
			m := &Module{}
			if err = n.Decode(m); err != nil {
				break
			}
			c.Modules[name] = m
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read snmp.yml: %w", err)
	}
	return c, c.prepare()
}

func (c *Config) prepare() error {
	for name, a := range c.Auths {
		if err := a.Validate(); err != nil {
			return fmt.Errorf("auth %s: %w", name, err)
		}
	}
	for name, m := range c.Modules {
		if m == nil {
			return fmt.Errorf("module %s is empty", name)
		}
		if m.Auth != nil || m.Version != 0 {
			a := snmpsession.Auth{}
			if m.Auth != nil {
				a = *m.Auth
			}
			a.Version = m.Version
			if err := a.Validate(); err != nil {
				return fmt.Errorf("module %s: auth: %w", name, err)
			}
			m.Auth = &a
		}
		if err := m.prepare(); err != nil {
			return fmt.Errorf("module %s: %w", name, err)
		}
	}
	return nil
}

var metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

var metricTypes = []string{
	"gauge", "counter", "Float", "Double", "OctetString", "DisplayString", "PhysAddress48", "IpAddr", "InetAddressIPv4", "InetAddressIPv6",
	"InetAddress", "InetAddressMissingSize", "EnumAsInfo", "EnumAsStateSet", "Bits", "DateAndTime", "ParseDateAndTime", "NTPTimeStamp",
	"Integer", "LldpPortId",
}

func (m *Module) prepare() (err error) {
	if m.walk, err = parseOIDs(m.Walk); err != nil {
		return fmt.Errorf("walk: %w", err)
	}
	if m.get, err = parseOIDs(m.Get); err != nil {
		return fmt.Errorf("get: %w", err)
	}
	for i := range m.Filters {
		if err := m.Filters[i].prepare(); err != nil {
			return err
		}
	}
	if m.Detect != nil {
		if err := m.Detect.prepare(); err != nil {
			return fmt.Errorf("detect: %w", err)
		}
	}
	m.tree = &node{}
	for _, metric := range m.Metrics {
		if metric == nil || !metricName.MatchString(metric.Name) {
			return errors.New("metrics: one has no name that Prometheus takes")
		}
		oid, err := snmpsession.ParseOID(metric.OID)
		if err != nil {
			return fmt.Errorf("metric %s: %w", metric.Name, err)
		}
		if !slices.Contains(metricTypes, metric.Type) {
			return fmt.Errorf("metric %s: type: %q is none that is known", metric.Name, metric.Type)
		}
		metric.oid = oid
		if metric.Type == "ParseDateAndTime" {
			if metric.layout, err = timeLayout(metric.DatetimePattern); err != nil {
				return fmt.Errorf("metric %s: datetime_pattern: %w", metric.Name, err)
			}
		}
		for _, l := range metric.Lookups {
			var root snmpsession.OID
			if l.OID != "" {
				if root, err = snmpsession.ParseOID(l.OID); err != nil {
					return fmt.Errorf("metric %s: lookup %s: %w", metric.Name, l.Labelname, err)
				}
			}
			metric.lookups = append(metric.lookups, root)
		}
		m.tree.add(oid, metric)
	}
	return nil
}

func parseOIDs(texts []string) (out []snmpsession.OID, err error) {
	for _, t := range texts {
		o, err := snmpsession.ParseOID(t)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// node finds the metric of an OID.
type node struct {
	below  map[uint32]*node
	metric *Metric
}

func (n *node) add(oid snmpsession.OID, m *Metric) {
	for _, part := range oid {
		if n.below == nil {
			n.below = map[uint32]*node{}
		}
		if n.below[part] == nil {
			n.below[part] = &node{}
		}
		n = n.below[part]
	}
	n.metric = m
}

// find returns the metric and the rest of the OID, its index.
func (n *node) find(oid snmpsession.OID) (*Metric, snmpsession.OID) {
	for i, part := range oid {
		if n = n.below[part]; n == nil {
			return nil, nil
		}
		if n.metric != nil {
			return n.metric, oid[i+1:]
		}
	}
	return nil, nil
}
