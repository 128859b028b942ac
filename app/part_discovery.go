package app

import (
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/collect/discovery"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/services"
)

// startDiscovery looks for services of this machine, and has them checked and measured.
func (a *App) startDiscovery(context.Context) (stopFunc, error) {
	c := a.config.get()
	if !c.Monitoring.Discovery.Enabled {
		return nil, nil
	}
	o := c.DiscoveryOptions()
	o.State = document{a.made.medium, "discovery", c.Host.Instance}
	o.OnChange = a.servicesChanged
	o.UnitState = discovery.SystemdState
	d, err := discovery.New(o, a.log.With("part", "discovery"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.discovery = d
	return a.stack.run("discovery", d.Run), nil
}

// servicesChanged declares the checks and the sources of metrics of what was found.
func (a *App) servicesChanged(found []discovery.Service) {
	c := a.config.get()
	if a.made.checks != nil {
		if err := a.made.checks.Set("discovery", nil, serviceChecks(c.Host.Instance, found)); err != nil {
			a.log.Warn("not everything that was found is checked", "part", "discovery", "err", err)
		}
	}
	if err := a.made.gather.SetSources("services", a.serviceSources(found)); err != nil {
		a.log.Warn("not everything that was found is measured", "part", "discovery", "err", err)
	}
	a.made.live.Publish("services", time.Now())
}

// serviceChecks are the checks of discovered services: one each, as long as the service is not inactive.
func serviceChecks(host string, found []discovery.Service) []check.Spec {
	var specs []check.Spec
	for _, s := range found {
		if s.Check.Kind == "" || s.State == discovery.Inactive {
			continue
		}
		options := maps.Clone(s.Check.Options)
		if options == nil {
			options = map[string]any{}
		}
		specs = append(specs, check.Spec{
			Host: host, Name: s.ID, Kind: s.Check.Kind, Options: asJSON(options), Labels: s.Labels, Service: s.Kind, Groups: []string{s.Kind},
		})
	}
	return specs
}

// serviceSources are where the metrics of discovered services come from.
func (a *App) serviceSources(found []discovery.Service) []gather.Source {
	c := a.config.get()
	var sources []gather.Source
	for _, s := range found {
		if s.Metrics.Kind == "" || s.State != discovery.Running {
			continue
		}
		kind, ok := services.Find(s.Metrics.Kind)
		if !ok {
			continue
		}
		source, err := services.New(kind.Name, services.Target{
			Service: s.ID, Address: cmp.Or(s.Metrics.Address, s.Address.String()), Options: s.Metrics.Options, Credentials: a.credentials(&s),
		})
		if err != nil {
			a.log.Warn("a service is not measured", "part", "discovery", "service", s.ID, "err", err)
			continue
		}
		sources = append(sources, gather.Source{
			Job: cmp.Or(s.Metrics.Job, kind.Job), Instance: cmp.Or(s.Address.String(), c.Host.Instance), Gatherer: source,
			Interval: max(kind.Interval, c.Host.Interval), Labels: map[string]string{"service": s.ID},
		})
	}
	return sources
}

// credentials are those that the configuration has for a service or its kind, else those of its container's environment.
func (a *App) credentials(s *discovery.Service) services.Credentials {
	if c, ok := a.config.get().Monitoring.Credentials[cmp.Or(s.Credentials, s.Kind)]; ok {
		return c
	}
	l := s.Login()
	return services.Credentials{Username: l.Username, Password: l.Password}
}

// discoveredServices shows what was found to the API.
func (a *App) discoveredServices() any {
	if a.made.discovery == nil {
		return []watchedService{}
	}
	return a.watched(a.made.discovery.Services())
}
