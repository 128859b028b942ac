package app

import (
	"context"
	"net"
	"net/url"
	"os"

	"github.com/hulotte-dev/hulotte/collect/gather"
	"github.com/hulotte-dev/hulotte/collect/scrape"
	"github.com/hulotte-dev/hulotte/config"
)

// selfJob is the job label of what Hulotte says about itself.
const selfJob = "hulotte"

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
	m, err := scrape.NewManager(scrape.Options{ExternalURL: external, ListenPort: port}, a.made.local, a.log.With("part", "scrape"), a.registry)
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
	instance, err := a.instance()
	if err != nil {
		return nil, err
	}
	loop, err := gather.New(gather.Options{}, a.sources(instance), a.made.local, a.log.With("part", "gather"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.gather = loop
	return a.stack.run("gather", loop.Run), nil
}

// sources are what is gathered on this host.
func (a *App) sources(instance string) []gather.Source {
	return []gather.Source{
		{Job: selfJob, Instance: instance, Gatherer: a.registry},
	}
}

// instance is the instance label of this host.
func (a *App) instance() (string, error) { return os.Hostname() }
