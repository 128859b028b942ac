package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/ingest/otlp"
	"github.com/hulotte-dev/hulotte/web"
	"github.com/prometheus/common/model"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
)

// startAPI puts the API behind the gate. Stopping it waits for the requests under way, while everything that they
// need still works: what was acknowledged is kept, what was not is told so.
func (a *App) startAPI(context.Context) (stopFunc, error) {
	s := a.config.get().Server
	ui, err := web.Handler(web.Options{BasePath: s.BasePath(), FrameAncestors: s.FrameAncestors})
	if err != nil {
		return nil, err
	}
	a.gate.serve(a.newAPI(ui))
	return a.drain, nil
}

func (a *App) drain(ctx context.Context) error {
	a.gate.close("stopping")
	a.made.server.EndStreams()
	if a.made.keeper != nil { // an agent has none
		a.made.keeper.Close()
	}
	return a.gate.wait(ctx)
}

func (a *App) newAPI(ui http.Handler) http.Handler {
	m := &a.made
	return api.New(api.Options{
		Tenants:        m.store,
		Engine:         m.engine,
		Parser:         m.engine.Parser(),
		LookbackDelta:  m.engine.LookbackDelta(),
		Targets:        targets{m.scrape, m.gather},
		Rules:          rules{m.rules},
		RemoteWrite:    a.newRemoteWrite(),
		Push:           slices.Concat(a.logEndpoints(), a.traceEndpoints(), a.alertmanagerEndpoints(), a.ackEndpoints()),
		Alertmanagers:  a.alertmanagers,
		ExternalLabels: func() labels.Labels { return a.prometheus().GlobalConfig.ExternalLabels },
		Gatherer:       a.registry,
		UI:             ui,
		Hosts:          a.hosts(),
		Network:        a.network(),
		Live:           m.live,
		Storage:        a.storage(),
		Logs:           api.Logs{Events: m.events, LogQL: m.logql, Rules: rules{m.logRules}, Limits: a.config.get().LogLimits()},
		Spans:          m.spans,
		SpanDecoder:    otlp.SpansOfJSON,
		Checks:         a.checks(),
		RuleEditor:     a.ruleEditor(),
		Alerting:       a.alertingAPI(a.made.notifier),
		Runbooks:       a.runbooks(),
		WebPush:        a.webPush(),
		OnCall:         a.onCall(),
		StatusPages:    a.statusPages(),
		ServiceMap:     a.serviceMap(),
		ConfigText:     func() string { return a.config.get().Scrape.String() },
		Flags:          a.flags,
		Build:          a.buildInfo(),
		Runtime:        a.runtimeInfo,
		Notifications:  a.notifications,
		ActiveQueries:  func() any { return m.engine.Active() },
		Reload:         a.Reload,
		Ready:          a.gate.isOpen,
		AdminAPI:       a.config.get().Server.AdminAPI,
		AllowedOrigins: a.config.get().Server.AllowedOrigins,
		ExternalURL:    a.config.get().Server.ExternalURL,
	}, a.log.With("part", "api"), a.registry)
}

// prometheus is the Prometheus part of the configuration in force.
func (a *App) prometheus() *promconfig.Config { return a.config.get().Scrape.Prometheus() }

// notifications are what an administrator should act on.
func (a *App) notifications() []api.Notification {
	var out []api.Notification
	if when, err := a.reloads.failure(); err != nil {
		out = append(out, api.Notification{Text: "The configuration could not be reloaded, the old one stays in force: " + err.Error(), Date: when, Active: true})
	}
	if h := a.made.medium.health(); !h.Healthy {
		out = append(out, api.Notification{Text: "The medium does not work: " + h.Problem, Date: h.Since, Active: true})
	}
	return out
}

// flags answers status/flags.
func (a *App) flags() map[string]string {
	out := map[string]string{}
	for _, f := range a.options.Sources.Flags {
		out[f.Name[2:]] = f.Value
	}
	if f := a.config.get().File; f != "" {
		out["config"] = f
	}
	return out
}

func (a *App) buildInfo() api.BuildInfo {
	b := a.options.Build
	return api.BuildInfo{Version: b.Version, Revision: b.Revision, BuildDate: b.Date, GoVersion: b.GoVersion}
}

func (a *App) runtimeInfo() (api.RuntimeInfo, error) {
	dir, err := os.Getwd()
	if err != nil {
		return api.RuntimeInfo{}, fmt.Errorf("cannot tell the working directory: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return api.RuntimeInfo{}, fmt.Errorf("cannot tell the host's name: %w", err)
	}
	ok, when := a.reloads.last()
	return api.RuntimeInfo{
		StartTime: a.started, CWD: dir, Hostname: host, ServerTime: time.Now(),
		ReloadConfigSuccess: ok, LastConfigTime: when,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: model.Duration(a.config.get().Storage.Series.RetentionTime).String(),
	}, nil
}
