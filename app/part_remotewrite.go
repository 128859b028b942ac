package app

import (
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/prometheus/prometheus/storage/remote"
)

// flushDeadline is how long the end may wait for what is not sent yet: shorter than Prometheus' minute, because
// service managers kill after 90 s, and the store comes after it.
const flushDeadline = 10 * time.Second

// startRemoteWrite sends what the default tenant gets on to the destinations of remote_write, by Prometheus' own
// code, which follows the write-ahead log. It starts right behind the store because the log's notifications must
// be set up before anything is written.
func (a *App) startRemoteWrite(context.Context) (stopFunc, error) {
	notify := func() {}
	dir, err := a.made.store.Tail(model.DefaultTenant, func() { notify() })
	if err != nil {
		return nil, err
	}
	w := remote.NewWriteStorage(logging.Quiet(a.log.With("part", "remote write")), a.registry, dir, flushDeadline, &a.made.ready, false)
	notify = w.Notify
	a.made.remote = w
	if err := w.ApplyConfig(a.prometheus()); err != nil {
		_ = w.Close() // the first error tells more
		return nil, err
	}
	return func(context.Context) error { return w.Close() }, nil
}

func (a *App) reloadRemoteWrite(_, new *config.Config) error {
	return a.made.remote.ApplyConfig(new.Scrape.Prometheus())
}
