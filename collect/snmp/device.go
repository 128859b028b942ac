package snmp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// DeviceOptions say what is read of one device.
type DeviceOptions struct {
	Address string // host, host:port, or tcp://host:port; the port is 161
	Auth    snmpsession.Auth
	// Modules are names in the Config; system and if_mib when empty. Auto stands for those that fit the device.
	Modules []string
	Timeout time.Duration // of all of it; 0 is 20 s
	Metrics *Metrics      // nil counts nothing
}

// Device is a network device whose metrics are read, under snmp_exporter's names. It keeps no connection between two gathers.
type Device struct {
	config  *Config
	options DeviceOptions

	mu         sync.Mutex // guards what follows; not held while the device is asked
	identified Identified // with Auto
	detected   time.Time
	around     around
	read       time.Time
	problem    string
}

// detectEvery is how long a device counts as what it was found to be: cards are plugged in and firmware is replaced rarely.
const detectEvery = time.Hour

// NewDevice returns an error that names what is wrong; nothing is asked yet.
func NewDevice(c *Config, o DeviceOptions) (*Device, error) {
	if len(o.Modules) == 0 {
		o.Modules = []string{"system", "if_mib"}
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Address == "" {
		return nil, errors.New("address: it is missing")
	}
	for _, name := range o.Modules {
		if c.Modules[name] == nil && name != Auto {
			return nil, fmt.Errorf("modules: there is no module %q", name)
		}
	}
	if err := o.Auth.Validate(); err != nil {
		return nil, err
	}
	return &Device{config: c, options: o}, nil
}

// TakeOver takes what another one knows of the same device.
func (d *Device) TakeOver(from *Device) {
	from.mu.Lock()
	defer from.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.options.Address == from.options.Address {
		d.around, d.read, d.problem = from.around, from.read, from.problem
	}
}

// Gather reads all modules. Families that come together with an error are what could be read. It implements prometheus.Gatherer.
func (d *Device) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.options.Timeout)
	defer cancel()
	start := time.Now()
	all, values, err := d.gather(ctx)
	result := "ok"
	switch {
	case err != nil && len(all) == 0:
		result = "failed"
	case err != nil:
		result = "partial"
	}
	d.options.Metrics.polled(result, time.Since(start))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.problem = ""
	if err != nil {
		d.problem = err.Error()
	}
	if len(all) > 0 {
		d.around, d.read = aroundOf(values), start
	}
	return all, err
}

// gather goes on after a module that the device answers wrongly, but not when it does not answer at all.
func (d *Device) gather(ctx context.Context) (all []*dto.MetricFamily, values []snmpsession.Value, err error) {
	names, err := d.modules(ctx)
	if err != nil {
		d.options.Metrics.failed(err)
		return nil, nil, err
	}
	var errs []error
	at := map[string]int{}
	for _, name := range names {
		families, read, err := d.config.scrape(ctx, d.options.Address, name, &d.options.Auth, d.options.Metrics)
		if err != nil {
			errs = append(errs, fmt.Errorf("module %s: %w", name, err))
			if ctx.Err() != nil || errors.Is(err, snmpsession.ErrNoAnswer) {
				break
			}
			continue
		}
		values = append(values, read...)
		for _, f := range families {
			i, twice := at[f.GetName()]
			switch {
			case !twice:
				at[f.GetName()] = len(all)
				all = append(all, f)
			case hasLabel(f, "module"): // those of the scrape itself differ by the module
				all[i].Metric = append(all[i].Metric, f.Metric...)
			}
		}
	}
	return all, values, errors.Join(errs...)
}

// modules are those of the options, with those that fit the device in the place of Auto.
func (d *Device) modules(ctx context.Context) ([]string, error) {
	if !slices.Contains(d.options.Modules, Auto) {
		return d.options.Modules, nil
	}
	d.mu.Lock()
	found, fresh := d.identified, time.Since(d.detected) < detectEvery
	d.mu.Unlock()
	if !fresh || len(found.Modules) == 0 {
		s, err := snmpsession.Open(ctx, snmpsession.Options{Address: d.options.Address, Auth: d.options.Auth})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if found, err = d.config.Detect(ctx, s); err != nil {
			return nil, err
		}
		d.options.Metrics.asked(s)
		d.mu.Lock()
		d.identified, d.detected = found, time.Now()
		d.mu.Unlock()
	}
	var names []string
	for _, name := range d.options.Modules {
		add := []string{name}
		if name == Auto {
			add = found.Modules
		}
		for _, n := range add {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names, nil
}

func hasLabel(f *dto.MetricFamily, name string) bool {
	for _, l := range f.GetMetric()[0].GetLabel() {
		if l.GetName() == name {
			return true
		}
	}
	return false
}
