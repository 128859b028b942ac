package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"time"
)

// Custom is a service that the configuration declares. It is known whether it runs or not.
type Custom struct {
	Name     string            `json:"name"`
	Instance string            `json:"instance,omitempty"`
	Kind     string            `json:"kind,omitempty"` // of the catalogue, from which come the check and the metrics; "custom" when empty
	Address  string            `json:"address"`        // host:port; a name is allowed
	TLS      bool              `json:"tls,omitempty"`
	Check    Check             `json:"check,omitzero"` // tcp when neither it nor the kind says one
	Metrics  Metrics           `json:"metrics,omitzero"`
	Logs     []LogFile         `json:"logs,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// Credentials is the name of those that the configuration has.
	Credentials string `json:"credentials,omitempty"`
}

// Override changes services that are discovered.
type Override struct {
	Kind     string `json:"kind"`               // of the catalogue; * is all
	Instance string `json:"instance,omitempty"` // a pattern: * and ? are wild; "" is all

	Disable     bool              `json:"disable,omitempty"`
	Enable      bool              `json:"enable,omitempty"` // although a label says otherwise
	Name        string            `json:"name,omitempty"`
	Address     string            `json:"address,omitempty"` // a name or an IP address, without a port
	Port        int               `json:"port,omitempty"`
	IgnorePorts []int             `json:"ignore_ports,omitempty"`
	Check       Check             `json:"check,omitzero"` // without a kind, the options are set besides those of the catalogue
	NoCheck     bool              `json:"no_check,omitempty"`
	Metrics     Metrics           `json:"metrics,omitzero"` // likewise
	NoMetrics   bool              `json:"no_metrics,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Credentials string            `json:"credentials,omitempty"`
}

func validateDeclared(custom []Custom, overrides []Override, c *Catalogue) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	ids := map[string]bool{}
	for i, s := range custom {
		what := fmt.Sprintf("custom service %d (%q)", i+1, s.Name)
		if !validKind.MatchString(s.Name) {
			bad("%s: its name may have small letters, digits, _ and - only", what)
		}
		if cleanInstance(s.Instance) != s.Instance {
			bad("%s: instance %q has a slash, a space, a quote or @ in it, or is too long", what, s.Instance)
		}
		if _, err := s.address(); err != nil {
			bad("%s: address %q: %w: write it like 127.0.0.1:8080", what, s.Address, err)
		}
		if s.Kind != "" && s.Kind != kindCustom && c.Lookup(s.Kind) == nil {
			bad("%s: the catalogue has no kind %q", what, s.Kind)
		}
		if id := identify(s.Name, s.Instance); ids[id] {
			bad("%s: there are two of that name and instance", what)
		} else {
			ids[id] = true
		}
	}
	for i, o := range overrides {
		what := fmt.Sprintf("override %d (%q)", i+1, o.Kind)
		if o.Kind != "*" && o.Kind != kindApplication && c.Lookup(o.Kind) == nil {
			bad("%s: the catalogue has no such kind; * is all", what)
		}
		if _, err := path.Match(o.Instance, ""); err != nil {
			bad("%s: instance %q is no pattern", what, o.Instance)
		}
		if o.Name != "" && !validKind.MatchString(o.Name) {
			bad("%s: name %q may have small letters, digits, _ and - only", what, o.Name)
		}
		if o.Port < 0 || o.Port > 65535 {
			bad("%s: %d is no port", what, o.Port)
		}
		if _, _, err := net.SplitHostPort(o.Address); o.Address != "" && err == nil && !addrOf(o.Address).IsValid() {
			bad("%s: address %q has a port: set port", what, o.Address)
		}
	}
	return errors.Join(errs...)
}

func addrOf(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a
}

// The kinds that are not of the catalogue.
const (
	kindCustom      = "custom"
	kindApplication = "application" // of a container that asks to be watched
)

func (c *Custom) address() (Address, error) {
	host, portText, err := net.SplitHostPort(c.Address)
	if err != nil {
		return Address{}, err
	}
	p, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || p == 0 || host == "" {
		return Address{}, errors.New("it has no host or no port")
	}
	return Address{Network: networkTCP, IP: host, Port: int(p), TLS: c.TLS}, nil
}

// service makes the service that was declared.
func (c *Custom) service(catalogue *Catalogue, now time.Time) Service {
	e := catalogue.Lookup(c.Kind)
	if e == nil {
		e = &Entry{Kind: kindCustom, Title: c.Name, Check: Check{Kind: "tcp"}}
	}
	v := Service{
		Name: c.Name, Instance: c.Instance, ID: identify(c.Name, c.Instance), Kind: e.Kind, Title: e.Title, State: Running, Since: now, Seen: now,
		Source: "config", Labels: c.Labels, Credentials: c.Credentials, Logs: append(append([]LogFile(nil), e.Logs...), c.Logs...), Alerts: e.Alerts, Boards: e.Boards,
		Why: []string{"The configuration declares it."},
	}
	v.Address, _ = c.address() // it was checked
	v.Listen = []Address{v.Address}
	v.setCheck(e, &settings{}, Override{Check: c.Check})
	v.setMetrics(e, &settings{}, Override{Metrics: c.Metrics}, &hinted{})
	return v
}

// overrideOf puts the overrides for an instance together: later ones win.
func (d *Discovery) overrideOf(kind, instance string) Override {
	var out Override
	for _, o := range d.opts.Overrides {
		if o.Kind != "*" && o.Kind != kind {
			continue
		}
		if ok, _ := path.Match(o.Instance, instance); o.Instance != "" && !ok { // the pattern was checked
			continue
		}
		out.add(o)
	}
	return out
}

func (o *Override) add(more Override) {
	o.Disable, o.Enable = o.Disable || more.Disable, o.Enable || more.Enable
	o.NoCheck, o.NoMetrics = o.NoCheck || more.NoCheck, o.NoMetrics || more.NoMetrics
	set(&o.Name, more.Name)
	set(&o.Address, more.Address)
	set(&o.Port, more.Port)
	set(&o.Credentials, more.Credentials)
	o.IgnorePorts = append(o.IgnorePorts, more.IgnorePorts...)
	if more.Check.Kind != "" || more.Check.Options != nil {
		o.Check = more.Check
	}
	if more.Metrics.Kind != "" || more.Metrics.Options != nil {
		o.Metrics = more.Metrics
	}
	if more.Labels != nil {
		o.Labels = more.Labels
	}
}

func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}
