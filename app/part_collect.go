package app

import (
	"context"
	"net"
	"net/url"

	"github.com/hulotte-dev/hulotte/collect/container"
	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/host"
	"github.com/hulotte-dev/hulotte/collect/process"
	"github.com/hulotte-dev/hulotte/collect/scrape"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/prometheus/client_golang/prometheus"
)

func (a *App) startScrape(context.Context) (stopFunc, error) {
	c := a.config.get()
	_, port, err := net.SplitHostPort(a.made.server.Addr().String())
	if err != nil {
		return nil, err
	}
	external, err := url.Parse(a.url())
	if err != nil {
		return nil, err
	}
	m, err := scrape.NewManager(scrape.Options{ExternalURL: external, ListenPort: port, Discovery: a.made.discovered}, a.made.sink, logging.Quiet(a.log.With("part", "scrape")), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.scrape = m
	stop := a.stack.run("scrape", m.Run)
	if err := m.Apply(c.Scrape); err != nil {
		_ = stop(context.Background())
		return nil, err
	}
	return stop, nil
}

func (a *App) reloadScrape(_, new *config.Config) error { return a.made.scrape.Apply(new.Scrape) }

func (a *App) startGather(context.Context) (stopFunc, error) {
	sources, err := a.sources(a.config.get())
	if err != nil {
		return nil, err
	}
	loop, err := gather.New(gather.Options{OnGathered: a.gathered}, sources, a.made.sink, a.log.With("part", "gather"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.gather = loop
	return a.stack.run("gather", loop.Run), nil
}

// The job labels of what is gathered: those under which dashboards of the respective exporters look.
const (
	selfJob = "hulotte"
	hostJob = "node"
	procJob = "process"
	contJob = "container"
)

// sources are what is gathered in this process.
func (a *App) sources(c *config.Config) ([]gather.Source, error) {
	source := func(job string, g prometheus.Gatherer) gather.Source {
		return gather.Source{Job: job, Instance: c.Host.Instance, Gatherer: g, Interval: c.Host.Interval}
	}
	sources := []gather.Source{source(selfJob, a.registry)}
	if !c.Host.Enabled {
		return sources, nil
	}
	node, err := host.New(c.HostOptions(), a.log.With("part", "host"))
	if err != nil {
		return nil, err
	}
	sources = append(sources, source(hostJob, node))
	if c.Host.Processes.Enabled {
		processes, err := process.New(c.ProcessOptions(), a.log.With("part", "process"))
		if err != nil {
			return nil, err
		}
		a.made.processes = processes
		sources = append(sources, source(procJob, processes))
	}
	if c.Host.Containers.Enabled {
		containers, err := container.New(c.ContainerOptions(), a.log.With("part", "container"))
		if err != nil {
			return nil, err
		}
		a.made.containers = containers
		sources = append(sources, source(contJob, containers))
	}
	return sources, nil
}
