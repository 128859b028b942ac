package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/elastic"
	"github.com/hulotte-dev/hulotte/internal/httpserver"
)

const elasticPrefix = "/elasticsearch"

// elasticEndpoints receive Elasticsearch's API on our own port, where / is the web interface.
func (a *App) elasticEndpoints() []api.Endpoint {
	h := http.StripPrefix(elasticPrefix, a.made.elastic)
	return []api.Endpoint{{Path: elasticPrefix, Handler: h}, {Path: elasticPrefix + "/", Handler: h}}
}

// startElastic receives Elasticsearch's API where its clients look for it.
func (a *App) startElastic(context.Context) (stopFunc, error) {
	c := a.config.get()
	a.made.elastic = elastic.New(c.ElasticOptions(), a.made.intake, a.made.logs.From("elasticsearch"), a.log.With("part", "elasticsearch"), a.registry)
	addr := c.Ingest.Elasticsearch.Listen
	return a.openDoors("Elasticsearch's API", door{"ingest.elasticsearch.listen", addr, func() (stopFunc, error) {
		o := listenerOptions(c)
		o.Listen, o.Prefix, o.ExternalURL = addr, "", ""
		// Its metrics would be in the way of the main listener's; what came in is counted by the server.
		s, err := httpserver.Listen(o, a.log.With("part", "elasticsearch"), prometheus.NewRegistry())
		if err != nil {
			return nil, err
		}
		stop := a.stack.run("elasticsearch", func(context.Context) error { return s.Serve(tenantOf(a.made.elastic)) })
		return func(ctx context.Context) error { return errors.Join(s.Shutdown(ctx), stop(ctx)) }, nil
	}})
}
