// Package api serves Hulotte over HTTP: Prometheus' HTTP API at Prometheus' own paths, Loki's at Loki's, our own API
// under /api/hulotte/v1/, and the user interface at every other path.
//
// Each resource has its file; each handler returns a result or an error, and one place (respond.go) turns
// those into JSON, status codes and headers. The package reads stores and calls functions that it is given;
// it starts nothing and keeps no state but its metrics and limits.
package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/internal/broadcast"
	"github.com/hulotte-dev/hulotte/query/traceql"
	"github.com/hulotte-dev/hulotte/store"
)

// Options says what the API stands on. Tenants, Engine and Parser are required; every other part may be
// missing, and its endpoints then answer as if it were empty, or say that it is not there.
type Options struct {
	Tenants store.Tenants
	Engine  promql.QueryEngine
	Parser  parser.Parser
	// LookbackDelta is the engine's, for /federate; zero means 5 minutes.
	LookbackDelta time.Duration

	Targets        Targets                             // scraped and gathered endpoints
	Rules          Rules                               // rule groups and their alerts
	ExternalLabels func() labels.Labels                // added by /federate and remote read, as Prometheus does
	RemoteWrite    http.Handler                        // receives POST /api/v1/write
	Alertmanagers  func() (active, dropped []*url.URL) // those outside that alerts are sent to, and those that relabelling dropped
	Push           []Endpoint                          // the ways in of logs
	Hosts          Hosts                               // what the pages about machines show
	Network        Network                             // of devices that are read by SNMP
	Live           *broadcast.Hub                      // what is told to open pages; nil has no live events
	Storage        Storage                             // the medium, its health, verify and backup
	Logs           Logs                                // log records and LogQL
	Spans          store.SpanTenants                   // traces; without them Jaeger's and Zipkin's endpoints answer 404
	TraceQL        traceql.Engine                      // answers queries of Spans
	SpanDecoder    SpanDecoder                         // reads the files that Jaeger's page shows; nil answers 404
	Checks         Checks                              // checks, downtimes, discovered services
	RuleEditor     RuleEditor                          // nil answers that rules are not edited here
	Alerting       Alerting                            // alerts and who is told; nil answers that there are none here
	OnCall         OnCall                              // nil answers that nobody is on call
	WebPush        WebPush                             // nil answers that no browser is told
	Runbooks       Runbooks                            // nil answers that there are none here
	StatusPages    StatusPages                         // what the public sees
	ServiceMap     ServiceMap                          // who calls whom; nil answers that there is no map
	Gatherer       prometheus.Gatherer                 // our own metrics, for /metrics
	UI             http.Handler                        // everything that is no API

	ConfigText    func() string               // the effective configuration, secrets masked
	Flags         func() map[string]string    // the command line
	Build         BuildInfo                   // what binary this is
	Runtime       func() (RuntimeInfo, error) // what process this is
	Notifications func() []Notification       // what the administrator should know
	ActiveQueries func() any                  // the queries that run now, as JSON

	Reload func() error // reads the configuration again; nil answers 404
	Ready  func() bool  // nil means always

	// AdminAPI turns on the endpoints that delete and copy data, as far as the store can.
	AdminAPI bool

	// AllowedOrigins are the origins (scheme://host:port) whose pages may call the API from a browser; "*"
	// allows all. Empty allows none but our own.
	AllowedOrigins []string
	// ExternalURL is what users call us by; its pages are our own. It may be empty.
	ExternalURL string

	Limits Limits
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LookbackDelta == 0 {
		o.LookbackDelta = 5 * time.Minute
	}
	if o.ExternalLabels == nil {
		o.ExternalLabels = labels.EmptyLabels
	}
	if o.Ready == nil {
		o.Ready = func() bool { return true }
	}
	if o.Targets == nil {
		o.Targets = noTargets{}
	}
	if o.Rules == nil {
		o.Rules = noRules{}
	}
	o.Limits = o.Limits.withDefaults()
	o.Logs.Limits = o.Logs.Limits.withDefaults()
	return o
}

// api holds what the handlers share. Its fields never change after New.
type api struct {
	Options
	log     *slog.Logger
	metrics *metrics
	answers *sharedAnswers
	live    liveCount
	tails   tailCount

	spanReads chan struct{} // as many as may read traces at the same time
}

// New returns the handler of every path. It expects to be served below the path of the external URL, with that
// path already cut off.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) http.Handler {
	a := &api{Options: o.withDefaults(), log: log, metrics: newMetrics(reg), spanReads: make(chan struct{}, maxSpanReads)}
	a.answers = newSharedAnswers(a.Now, a.dataVersion)
	a.metrics.observeLive(reg, &a.live)
	a.metrics.observeTails(reg, &a.tails)
	return a.secureHeaders(a.routes())
}
