package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/config"
)

// startRemoteWrite sends what the default tenant gets on to the destinations of remote_write. The store ends it.
func (a *App) startRemoteWrite(context.Context) (stopFunc, error) {
	return nil, a.made.store.ApplyRemoteWrite(a.prometheus())
}

func (a *App) reloadRemoteWrite(_, new *config.Config) error {
	return a.made.store.ApplyRemoteWrite(new.Scrape.Prometheus())
}
