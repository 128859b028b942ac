package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/transfer"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

func (a *App) backup(ctx context.Context, by string, o api.BackupRequest) (api.Download, error) {
	c, hold, err := a.backupContent(o.WithConfig)
	if err != nil {
		return api.Download{}, err
	}
	run, err := a.made.keeper.Begin(ctx, upkeep.Backup, by, nil)
	if err != nil {
		return api.Download{}, errorsAfter(err, hold.Release)
	}
	d := api.Download{ID: run.ID(), Name: "hulotte-" + time.Now().UTC().Format("20060102T150405Z") + ".tar", Type: "application/x-tar"}
	if o.Compress {
		d.Name, d.Type = d.Name+".zst", "application/zstd"
	}
	d.Write = func(w io.Writer) error {
		defer a.release(hold)
		sink, err := transfer.TarSink(w, o.Compress)
		if err != nil {
			run.End(err)
			return err
		}
		if r := upkeep.BackupTo(run, sink, c); r.State != upkeep.Sound && r.State != upkeep.Damaged {
			return fmt.Errorf("the backup did not come to its end: %s", r.Error)
		}
		return nil
	}
	return d, nil
}

func errorsAfter(err error, release func() error) error {
	_ = release() // the first error tells more
	return err
}

func (a *App) release(hold *transfer.Hold) {
	if err := hold.Release(); err != nil {
		a.log.Warn("cannot carry out the deletions that had to wait for a backup: they are tried again", "err", err)
	}
}

// backupContent is everything that this process keeps, with the deletions of the medium held up until Release.
func (a *App) backupContent(withConfig bool) (upkeep.Content, *transfer.Hold, error) {
	m, err := a.made.medium.get()
	if err != nil {
		return upkeep.Content{}, nil, err
	}
	hold := m.(*openMedium).Hold()
	conf := a.config.get()
	c := upkeep.Content{
		Product: a.options.Build.Version, Type: conf.Storage.Medium.Type,
		Medium: hold.Medium(), Hold: hold,
		Tenants: a.made.store.Names(), Copy: a.copySeries,
	}
	if withConfig {
		var b bytes.Buffer
		if err := conf.Show(&b); err != nil {
			return c, nil, errorsAfter(err, hold.Release)
		}
		c.Config = b.Bytes()
	}
	return c, hold, nil
}

func (a *App) copySeries(ctx context.Context, tenant string) (string, func() error, error) {
	s, err := a.made.store.Reader(tenant)
	if err != nil {
		return "", nil, err
	}
	c, ok := s.(store.SeriesCopier)
	if !ok {
		return "", nil, fmt.Errorf("the store of tenant %q cannot be copied", tenant)
	}
	return c.CopySeries(ctx)
}

// openMedium is the medium as the process uses it, with deletions that wait while a backup is made, and the medium below that.
type openMedium struct {
	*transfer.Holdable
	bare medium.Medium
}

// heldMedium makes the medium wait with deletions while a backup is made. It refuses one that a copy or a restore has left half done.
func heldMedium(ctx context.Context, m medium.Medium, id string, log *slog.Logger, reg prometheus.Registerer) (medium.Medium, error) {
	if err := transfer.Unfinished(ctx, m); err != nil {
		return nil, err
	}
	h, err := transfer.NewHoldable(ctx, m, transfer.HoldOptions{Node: id, Log: log, Registerer: reg})
	if err != nil {
		return nil, err
	}
	return &openMedium{Holdable: h, bare: m}, nil
}

// bareMedium is what lies below.
func bareMedium(m medium.Medium) medium.Medium {
	if o, ok := m.(*openMedium); ok {
		return o.bare
	}
	return m
}
