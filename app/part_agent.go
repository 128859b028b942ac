package app

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hulotte-dev/hulotte/store/series"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// startForwarder opens the way to the server, in place of a store.
func (a *App) startForwarder(context.Context) (stopFunc, error) {
	o, err := a.config.get().ForwardOptions()
	if err != nil {
		return nil, err
	}
	f, err := series.OpenForwarder(o, a.log.With("part", "forward"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.sink = f
	return func(context.Context) error { return f.Close() }, nil
}

// startAgentAPI serves the little that an agent has to say: it keeps nothing that could be asked for.
func (a *App) startAgentAPI(context.Context) (stopFunc, error) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("POST /-/reload", a.reloadHandler)
	mux.HandleFunc("PUT /-/reload", a.reloadHandler)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "Hulotte agent: what it collects is at %s. Here are /metrics, /-/healthy, /-/ready and /-/reload.\n", a.config.get().Agent.Server)
	})
	a.gate.serve(mux)
	return a.drain, nil
}

func (a *App) reloadHandler(w http.ResponseWriter, _ *http.Request) {
	if err := a.Reload(); err != nil {
		http.Error(w, "cannot reload the configuration, the old one stays in force:\n"+err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "configuration reloaded")
}
