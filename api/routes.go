package api

import (
	"fmt"
	"net/http"
	"strings"
)

// route is one line of the table of endpoints. Methods are separated by spaces; GET serves HEAD too; none is all of them.
type route struct {
	methods string
	path    string
	handle  http.Handler
}

// routes returns the handler that finds an endpoint by its path. The table is the whole API.
func (a *api) routes() http.Handler {
	const get, getPost, post, postPut = "GET", "GET POST", "POST", "POST PUT"
	table := []route{
		{getPost, "/api/v1/query", a.json(a.query)},
		{getPost, "/api/v1/query_range", a.json(a.queryRange)},
		{getPost, "/api/v1/query_exemplars", a.json(a.queryExemplars)},
		{getPost, "/api/v1/format_query", a.json(a.formatQuery)},
		{getPost, "/api/v1/parse_query", a.json(a.parseQuery)},
		{getPost, "/api/v1/series", a.json(a.series)},
		{getPost, "/api/v1/labels", a.json(a.labelNames)},
		{get, "/api/v1/label/{name}/values", a.json(a.labelValues)},
		{get, "/api/v1/metadata", a.json(a.metricMetadata)},

		{get, "/api/v1/targets", a.json(a.targets)},
		{get, "/api/v1/targets/metadata", a.json(a.targetMetadata)},
		{get, "/api/v1/scrape_pools", a.json(a.scrapePools)},
		{get, "/api/v1/alertmanagers", a.json(a.alertmanagers)},
		{get, "/api/v1/rules", a.json(a.rules)},
		{get, "/api/v1/alerts", a.json(a.alerts)},

		{get, "/api/v1/status/buildinfo", a.json(a.buildInfo)},
		{get, "/api/v1/status/runtimeinfo", a.json(a.runtimeInfo)},
		{get, "/api/v1/status/config", a.json(a.config)},
		{get, "/api/v1/status/flags", a.json(a.flags)},
		{get, "/api/v1/status/tsdb", a.json(a.tsdb)},
		{get, "/api/v1/status/walreplay", a.json(a.walReplay)},
		{get, "/api/v1/features", a.json(a.features)},
		{get, "/api/v1/notifications", a.json(a.notifications)},

		{post, "/api/v1/read", a.remoteRead()},
		{post, "/api/v1/write", a.remoteWrite()},
		{post, "/api/v1/otlp/v1/metrics", a.json(otlpWrite)},
		{postPut, "/api/v1/admin/tsdb/delete_series", a.admin(a.deleteSeries)},
		{postPut, "/api/v1/admin/tsdb/clean_tombstones", a.admin(a.cleanTombstones)},
		{postPut, "/api/v1/admin/tsdb/snapshot", a.admin(a.snapshot)},

		{get, "/api/hulotte/v1/targets", a.json(a.hulotteTargets)},
		{get, "/api/hulotte/v1/queries", a.json(a.activeQueries)},

		{get, "/federate", a.compressed(http.HandlerFunc(a.federate))},
		{get, "/metrics", a.ownMetrics()},
		{get, "/-/healthy", http.HandlerFunc(a.healthy)},
		{get, "/-/ready", http.HandlerFunc(a.readiness)},
		{postPut, "/-/reload", a.sameSite(http.HandlerFunc(a.reload))},
	}
	table = append(table, a.hostRoutes()...)
	table = append(table, a.networkRoutes()...)
	table = append(table, a.storageRoutes()...)
	table = append(table, a.pushRoutes()...)
	table = append(table, a.lokiRoutes()...)
	table = append(table, a.logRoutes()...)
	table = append(table, a.checkRoutes()...)
	table = append(table, a.ruleGroupRoutes()...)
	table = append(table, a.alertRoutes()...)
	table = append(table, a.runbookRoutes()...)
	table = append(table, a.statusPageRoutes()...)
	table = append(table, a.oncallRoutes()...)
	table = append(table, a.webPushRoutes()...)
	table = append(table, a.jaegerRoutes()...)
	table = append(table, a.jaegerGRPC()...)
	table = append(table, a.zipkinRoutes()...)
	table = append(table, a.tempoRoutes()...)
	table = append(table, a.mapRoutes()...)
	mux := http.NewServeMux()
	a.mount(mux, table)
	mux.Handle("/api/", a.json(unknownPath))
	mux.Handle("/loki/", http.NotFoundHandler())
	mux.Handle("/jaeger/", http.NotFoundHandler())
	mux.Handle("/zipkin/", http.NotFoundHandler())
	mux.Handle("/-/", http.NotFoundHandler())
	if a.UI != nil {
		mux.Handle("/", a.UI)
	}
	return mux
}

// mount registers the routes, and the answers to a browser's preflight and to a method that a path does not have. A path may be in several
// routes with different methods: one reads what another takes in.
func (a *api) mount(mux *http.ServeMux, table []route) {
	allowed := map[string]string{}
	for _, r := range table {
		for m := range strings.FieldsSeq(r.methods) {
			mux.Handle(m+" "+r.path, a.measured(r.path, a.cors(r.handle)))
		}
		if r.methods == "" {
			mux.Handle(r.path, a.measured(r.path, a.cors(r.handle)))
			continue
		}
		allowed[r.path] += " " + r.methods
	}
	for path, methods := range allowed {
		mux.Handle(path, a.cors(a.json(notAllowed(strings.Join(strings.Fields(methods), ", ")))))
	}
}

func notAllowed(allow string) jsonHandler {
	return func(r *http.Request) (*result, error) {
		return nil, &apiError{
			kind:   errBadData,
			status: http.StatusMethodNotAllowed,
			allow:  allow,
			err:    fmt.Errorf("method %s is not allowed here: use %s", r.Method, allow),
		}
	}
}

func unknownPath(r *http.Request) (*result, error) {
	return nil, &apiError{kind: errNotFound, err: fmt.Errorf("no such endpoint: %s", cutText(r.URL.Path, 200))}
}
