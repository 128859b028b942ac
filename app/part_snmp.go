package app

import (
	"cmp"
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/snmp"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/model"
)

// snmpJob is the job label of devices' series.
const snmpJob = "snmp"

// startSNMP has network devices read and checked.
func (a *App) startSNMP(context.Context) (stopFunc, error) {
	a.made.snmp = snmp.NewMetrics(a.registry)
	return nil, a.declareDevices(a.config.get())
}

func (a *App) reloadSNMP(_, new *config.Config) error { return a.declareDevices(new) }

func (a *App) declareDevices(c *config.Config) error {
	sources, devices, err := a.deviceSources(&c.Monitoring.SNMP)
	if err != nil {
		return err
	}
	a.made.devices.Store(&devices)
	if err := a.made.gather.SetSources("snmp", sources); err != nil {
		return err
	}
	if a.made.checks == nil {
		return nil
	}
	hosts, specs, err := c.SNMPChecks()
	if err != nil {
		return err
	}
	return a.made.checks.Set("snmp", hosts, specs)
}

func (a *App) deviceSources(s *config.SNMP) ([]gather.Source, []snmp.Placed, error) {
	before := map[string]*snmp.Device{}
	for _, p := range a.devices() {
		before[p.Name] = p.Device
	}
	var sources []gather.Source
	var devices []snmp.Placed
	for _, d := range s.Devices {
		o, err := s.Options(d)
		if err != nil {
			return nil, nil, err
		}
		o.Metrics = a.made.snmp
		device, err := snmp.NewDevice(s.Config, o)
		if err != nil {
			return nil, nil, err
		}
		if same := before[d.Name]; same != nil {
			device.TakeOver(same)
		}
		devices = append(devices, snmp.Placed{Name: d.Name, Kind: d.Kind, Device: device})
		sources = append(sources, gather.Source{
			Job: snmpJob, Instance: d.Name, Labels: d.AllLabels(), Gatherer: device, Remote: true,
			Interval: cmp.Or(time.Duration(d.Interval), s.Interval), Timeout: o.Timeout + time.Second,
		})
	}
	return sources, devices, nil
}

// devices are the network devices that are read now.
func (a *App) devices() []snmp.Placed {
	if p := a.made.devices.Load(); p != nil {
		return *p
	}
	return nil
}

// network answers what is known of the network, which is that of the default tenant.
func (a *App) network() api.Network {
	return api.Network{Neighbours: func(ctx context.Context) (any, error) {
		if model.Tenant(ctx) != model.DefaultTenant {
			return snmp.TopologyOf(nil), nil
		}
		return snmp.TopologyOf(a.devices()), nil
	}}
}

// snmpEndpoint answers Prometheus servers that have their devices read through us, as snmp_exporter does.
func (a *App) snmpEndpoint() api.Endpoint {
	return api.Endpoint{Methods: "GET", Path: "/snmp", Handler: snmp.Handler(func() *snmp.Config { return a.config.get().Monitoring.SNMP.Config }, 0, a.made.snmp)}
}
