package app

import (
	"context"
	"errors"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/cluster"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// startMedium opens the medium and makes this process one of its nodes. A cluster that is away keeps nobody from
// starting: it is tried again until it answers. Neither does a full disk.
func (a *App) startMedium(ctx context.Context) (stopFunc, error) {
	c := a.config.get()
	id, err := cluster.Identity(c.DataDir)
	if err != nil {
		return nil, err
	}
	log := a.log.With("part", "medium")
	link := newMediumLink(func(ctx context.Context) (medium.Medium, error) { return a.openMedium(ctx, id) }, log, a.registry)
	member, err := cluster.New(cluster.Options{Self: a.node(id), Beaten: link.report}, log, a.registry)
	if err != nil {
		return nil, err
	}
	if c.Storage.Medium.Type == config.MediumLocal {
		if err := link.try(ctx); err != nil && model.KindOf(err) != model.Unavailable {
			return nil, err
		}
	}
	a.made.medium, a.made.member, a.made.nodeID = link, member, id
	a.gate.degraded = func() string {
		if h := link.health(); !h.Healthy {
			return "the medium does not work: the log and the Storage page say why" // no more to whoever asks
		}
		return ""
	}
	a.made.keeper = upkeep.NewKeeper(id, link.documents, log, a.registry)
	stop := a.stack.run("medium", func(ctx context.Context) error {
		link.connect(ctx)
		if m := link.wait(ctx); m != nil {
			return member.Run(ctx, m.Documents())
		}
		return nil
	})
	return func(ctx context.Context) error { return errors.Join(stop(ctx), link.close()) }, nil
}

// node is what this process says of itself.
func (a *App) node(id string) cluster.Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	b := a.options.Build
	return cluster.Node{
		ID: id, Host: host, Address: a.url(), Role: string(a.role), Version: b.Version, Revision: b.Revision, Started: a.started.UTC(),
	}
}

// openMedium opens the medium of the configuration, ready for what the engines and backups need of it. Its metrics are
// shown once it is open: an attempt that fails leaves none behind.
func (a *App) openMedium(ctx context.Context, id string) (medium.Medium, error) {
	c := a.config.get()
	log, own := a.log.With("part", "medium"), prometheus.NewRegistry()
	m, err := OpenMedium(ctx, MediumPlace{Medium: c.Storage.Medium, DataDir: c.DataDir}, false, id, log, own)
	if err != nil {
		return nil, err
	}
	used, err := heldMedium(ctx, m, id, log, own)
	if err == nil {
		err = a.registry.Register(own)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return used, nil
}
