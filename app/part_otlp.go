package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/otlp"
	"github.com/hulotte-dev/hulotte/internal/httpserver"
	"github.com/hulotte-dev/hulotte/model"
)

// otlpEndpoints receive OpenTelemetry's protocol on our own port.
func (a *App) otlpEndpoints() []api.Endpoint {
	r, traces := a.made.otlp, a.made.spanSink.From("otlp")
	return []api.Endpoint{
		{Methods: "POST", Path: "/v1/logs", Handler: r.Logs()},
		{Methods: "POST", Path: "/otlp/v1/logs", Handler: r.Logs()},
		{Methods: "POST", Path: otlp.LogsService, Handler: r.LogsGRPC()},
		{Methods: "POST", Path: "/v1/traces", Handler: r.Traces(traces)},
		{Methods: "POST", Path: "/otlp/v1/traces", Handler: r.Traces(traces)},
		{Methods: "POST", Path: otlp.TracesService, Handler: r.TracesGRPC(traces)},
	}
}

// startOTLP receives OpenTelemetry's protocol where its exporters look for it.
func (a *App) startOTLP(context.Context) (stopFunc, error) {
	c := a.config.get()
	a.made.otlp = otlp.New(c.OTLPOptions(), a.made.intake, a.made.logs.From("otlp"), a.log.With("part", "otlp"), a.registry)
	open := func(addr string) func() (stopFunc, error) {
		return func() (stopFunc, error) { return a.listenOTLP(addr) }
	}
	grpc, http := c.Ingest.OTLP.GRPCListen, c.Ingest.OTLP.HTTPListen
	return a.openDoors("OpenTelemetry's protocol",
		door{"ingest.otlp.grpc_listen", grpc, open(grpc)}, door{"ingest.otlp.http_listen", http, open(http)})
}

// listenOTLP serves both transports at an address.
func (a *App) listenOTLP(addr string) (stopFunc, error) {
	o := listenerOptions(a.config.get())
	o.Listen, o.PlainHTTP2, o.Prefix, o.ExternalURL = addr, true, "", ""
	// Its metrics would be in the way of the main listener's; what came in is counted by the receiver.
	s, err := httpserver.Listen(o, a.log.With("part", "otlp"), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/logs", tenantOf(a.made.otlp.Logs()))
	mux.Handle(otlp.LogsService, tenantOf(a.made.otlp.LogsGRPC()))
	traces := a.made.spanSink.From("otlp")
	mux.Handle("/v1/traces", tenantOf(a.made.otlp.Traces(traces)))
	mux.Handle(otlp.TracesService, tenantOf(a.made.otlp.TracesGRPC(traces)))
	stop := a.stack.run("otlp", func(context.Context) error { return s.Serve(mux) })
	return func(ctx context.Context) error { return errors.Join(s.Shutdown(ctx), stop(ctx)) }, nil
}

// tenantOf puts the tenant that a request names into its context.
func tenantOf(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.Header.Get(model.TenantHeader); name != "" {
			if err := model.ValidTenant(name); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r = r.WithContext(model.WithTenant(r.Context(), name))
		}
		h.ServeHTTP(w, r)
	})
}
