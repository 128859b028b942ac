package app

import (
	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/loki"
)

// lokiEndpoints receive what promtail, Alloy and everything else that knows Loki sends.
func (a *App) lokiEndpoints() []api.Endpoint {
	h := loki.New(a.made.intake, a.made.logs.From("loki"), a.log.With("part", "loki push"), a.registry)
	return []api.Endpoint{
		{Methods: "POST", Path: "/loki/api/v1/push", Handler: h},
		{Methods: "POST", Path: "/api/prom/push", Handler: h},
	}
}
