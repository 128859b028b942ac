package app

import (
	"net/http"

	"github.com/hulotte-dev/hulotte/ingest/remotewrite"
	"github.com/prometheus/prometheus/storage"
)

// newRemoteWrite receives what other Prometheuses and agents send, each into the series of its tenant.
func (a *App) newRemoteWrite() http.Handler {
	sink := func(tenant string) (storage.AppendableV2, error) { return a.made.store.Writer(tenant) }
	return remotewrite.New(remotewrite.Options{Limits: a.config.get().RemoteWriteLimits()}, sink, a.log.With("part", "remote write"), a.registry)
}
