package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/cluster"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/store/events"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// startEvents opens the store of log records, as soon as the medium is there.
func (a *App) startEvents(ctx context.Context) (stopFunc, error) {
	c := a.config.get()
	id, err := cluster.Identity(c.DataDir)
	if err != nil {
		return nil, err
	}
	log := logging.Quiet(a.log.With("part", "events"))
	link := newEngineLink("log records", func(ctx context.Context, m medium.Medium) (*events.Store, error) {
		own := prometheus.NewRegistry() // an attempt that fails leaves none of its metrics behind
		s, err := events.Open(ctx, c.EventOptions(id), m, log, own)
		if err != nil {
			return nil, err
		}
		return s, a.registry.Register(own)
	}, log)
	a.made.events = eventsLink{link}
	if err := link.tryNow(ctx, a.made.medium); err != nil {
		return nil, err
	}
	stop := a.stack.run("events", func(ctx context.Context) error { return link.run(ctx, a.made.medium) })
	return func(ctx context.Context) error { return errors.Join(stop(ctx), link.close()) }, nil
}

// eventEndpoints lets operators and tests move records and spans in memory to the medium, as Loki's and Tempo's POST /flush does.
func (a *App) eventEndpoints() []api.Endpoint {
	flush := func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(a.made.events.Flush(r.Context()), a.made.spans.Flush(r.Context())); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	return []api.Endpoint{{Methods: "POST", Path: "/flush", Handler: http.HandlerFunc(flush)}}
}
