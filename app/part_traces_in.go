package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/jaeger"
	"github.com/hulotte-dev/hulotte/ingest/zipkin"
	"github.com/hulotte-dev/hulotte/internal/httpserver"
)

// traceEndpoints receive spans on our own port in other protocols than OpenTelemetry's.
func (a *App) traceEndpoints() []api.Endpoint {
	var out []api.Endpoint
	for path, h := range a.zipkinHandlers() {
		out = append(out, api.Endpoint{Methods: "POST", Path: path, Handler: h})
	}
	return append(out,
		api.Endpoint{Methods: "POST", Path: "/api/traces", Handler: a.made.jaeger.HTTP()},
		api.Endpoint{Methods: "POST", Path: jaeger.PostSpans, Handler: a.made.jaeger.GRPC()})
}

// zipkinHandlers are by their paths: Zipkin's own, and below /zipkin, as some gateways have it.
func (a *App) zipkinHandlers() map[string]http.Handler {
	v1, v2 := a.made.zipkin.V1(), a.made.zipkin.V2()
	return map[string]http.Handler{
		"/api/v1/spans": v1, "/zipkin/api/v1/spans": v1,
		"/api/v2/spans": v2, "/zipkin/api/v2/spans": v2,
	}
}

// startZipkin receives Zipkin's formats where its reporters look for it.
func (a *App) startZipkin(context.Context) (stopFunc, error) {
	addr := a.config.get().Ingest.Zipkin.Listen
	a.made.zipkin = zipkin.New(a.made.intake, a.made.spanSink.From("zipkin"), a.log.With("part", "zipkin"), a.registry)
	mux := http.NewServeMux()
	for path, h := range a.zipkinHandlers() {
		mux.Handle(path, tenantOf(h))
	}
	return a.openDoors("Zipkin's API", door{"ingest.zipkin.listen", addr, func() (stopFunc, error) {
		return a.serveHTTP("zipkin", addr, false, mux)
	}})
}

// startJaeger receives Jaeger's protocols where its clients look for its collector and its agent.
func (a *App) startJaeger(context.Context) (stopFunc, error) {
	c := a.config.get().Ingest.Jaeger
	s := jaeger.New(jaeger.Options{}, a.made.intake, a.made.spanSink.From("jaeger"), a.log.With("part", "jaeger"), a.registry)
	a.made.jaeger = s
	mux := http.NewServeMux()
	mux.Handle("/api/traces", tenantOf(s.HTTP()))
	mux.Handle(jaeger.PostSpans, tenantOf(s.GRPC()))
	open := func(addr string) func() (stopFunc, error) {
		return func() (stopFunc, error) { return a.serveHTTP("jaeger", addr, true, mux) }
	}
	return a.openDoors("Jaeger's protocol",
		door{"ingest.jaeger.grpc_listen", c.GRPCListen, open(c.GRPCListen)},
		door{"ingest.jaeger.http_listen", c.HTTPListen, open(c.HTTPListen)},
		door{"ingest.jaeger.compact_listen", c.CompactListen, a.udpDoor("jaeger_compact", c.CompactListen, s.CompactDatagrams)},
		door{"ingest.jaeger.binary_listen", c.BinaryListen, a.udpDoor("jaeger_binary", c.BinaryListen, s.BinaryDatagrams)})
}

// serveHTTP serves a protocol at an address of its own, with the users, certificates and limits of the one port.
func (a *App) serveHTTP(part, addr string, plainHTTP2 bool, h http.Handler) (stopFunc, error) {
	o := listenerOptions(a.config.get())
	o.Listen, o.PlainHTTP2, o.Prefix, o.ExternalURL = addr, plainHTTP2, "", ""
	// Its metrics would be in the way of the main listener's; what came in is counted by the receiver.
	s, err := httpserver.Listen(o, a.log.With("part", part), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	stop := a.stack.run(part, func(context.Context) error { return s.Serve(h) })
	return func(ctx context.Context) error { return errors.Join(s.Shutdown(ctx), stop(ctx)) }, nil
}
