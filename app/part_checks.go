package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/engine"
	"github.com/hulotte-dev/hulotte/check/kinds"
	"github.com/hulotte-dev/hulotte/check/passive"
	"github.com/hulotte-dev/hulotte/check/plugin"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/check/query"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// heartbeatPath is where jobs say that they ran; what follows is the check's token.
const heartbeatPath = "/heartbeat/"

// startChecks runs the checks that are declared; discovery adds its own.
func (a *App) startChecks(context.Context) (stopFunc, error) {
	c := a.config.get()
	if !c.Monitoring.Enabled {
		return nil, nil
	}
	node, err := os.Hostname()
	if err != nil {
		node = c.Host.Instance
	}
	e, err := engine.New(engine.Options{
		Kinds:     kinds.All(a.kindOptions()),
		Documents: checkDocuments{a.made.medium},
		Series:    a.made.local,
		Events:    a.made.logs.From("check").Push,
		History:   a.checkHistory,
		Publish:   a.checksChanged,
		Node:      node, Concurrency: c.Monitoring.Concurrency, EventHandlers: c.Monitoring.EventHandlers,
	}, a.log.With("part", "check"), a.registry)
	if err != nil {
		return nil, err
	}
	a.made.checks = e
	a.made.heartbeats = passive.NewHeartbeats(e.Submit, a.log.With("part", "heartbeat"), a.registry)
	if err := a.declareChecks(c); err != nil {
		return nil, err
	}
	return a.stack.run("check", e.Run), nil
}

// checksChanged tells open pages, and what raises alerts.
func (a *App) checksChanged(topic string, at time.Time) {
	a.made.live.Publish(topic, at)
	if b := a.problems.Load(); b != nil {
		b.Poke()
	}
}

// kindOptions are what some kinds of checks need from this process.
func (a *App) kindOptions() kinds.Options {
	return kinds.Options{Query: query.Options{
		PromQL: a.checkPromQL, LogQL: a.checkLogQL, ParsePromQL: config.ParseCheckPromQL, ParseLogQL: config.ParseCheckLogQL,
	}}
}

// checkPromQL is what an expression answers at one moment.
func (a *App) checkPromQL(ctx context.Context, expr string, at time.Time) ([]query.Sample, error) {
	series, err := a.made.store.Reader(model.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	q, err := a.made.engine.NewInstantQuery(ctx, series, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return samplesOf(v), nil
	case promql.Scalar:
		return []query.Sample{{Value: v.V}}, nil
	}
	return nil, fmt.Errorf("the expression answers with a %s: write one that answers with numbers of one moment", res.Value.Type())
}

// checkLogQL is what a metric query over logs answers at one moment.
func (a *App) checkLogQL(ctx context.Context, expr string, at time.Time) ([]query.Sample, error) {
	v, err := a.queryLogs(ctx, expr, at)
	return samplesOf(v), err
}

func samplesOf(v promql.Vector) []query.Sample {
	out := make([]query.Sample, len(v))
	for i, s := range v {
		out[i].Value = s.F
		s.Metric.Range(func(l labels.Label) { out[i].Labels = append(out[i].Labels, model.Field{Name: l.Name, Value: l.Value}) })
	}
	return out
}

func (a *App) reloadChecks(_, new *config.Config) error {
	if a.made.checks == nil {
		return nil
	}
	return a.declareChecks(new)
}

// declareChecks gives the engine what the configuration declares, and this machine, which need not be declared.
func (a *App) declareChecks(c *config.Config) error {
	d := c.Monitoring.Declared
	periods := map[string]engine.Period{}
	for name, p := range c.Monitoring.Periods {
		periods[name] = p
	}
	a.made.checks.SetPeriods(periods)
	hosts := d.Hosts
	if !slices.ContainsFunc(hosts, func(h check.Host) bool { return h.Name == c.Host.Instance }) {
		hosts = append(slices.Clip(hosts), check.Host{Name: c.Host.Instance, Address: "127.0.0.1"})
	}
	targets, err := passive.Targets(d.Specs)
	a.made.targets.Store(&targets)
	if err := a.made.checks.Set("nagios", c.Monitoring.Imported.Hosts, c.Monitoring.Imported.Specs); err != nil {
		a.log.Warn("not everything of the Nagios configuration is run", "part", "check", "err", err)
	}
	return errors.Join(a.made.checks.Set("config", hosts, d.Specs), a.made.heartbeats.Set(d.Specs), err)
}

// checks shows the checks to the API.
func (a *App) checks() api.Checks {
	e := a.made.checks
	if e == nil {
		return api.Checks{Endpoints: a.probeEndpoints()}
	}
	return api.Checks{
		Engine:  e,
		Summary: func() any { return e.Summary() },
		Explain: func(id string) (any, error) { return e.Explain(id) },
		History: func(ctx context.Context, id string, from, to time.Time, limit int) ([]check.Change, error) {
			return a.checkHistory(ctx, id, from, to, limit)
		},
		Preview:   a.previewDowntime,
		Run:       e.RunOnce,
		Perf:      plugin.ParsePerf,
		Services:  a.discoveredServices,
		Endpoints: append(a.probeEndpoints(), api.Endpoint{Path: heartbeatPath, Handler: a.made.heartbeats}),
	}
}

// probeEndpoints ask things for whoever asks, as blackbox_exporter and snmp_exporter do.
func (a *App) probeEndpoints() []api.Endpoint {
	return []api.Endpoint{
		{Methods: "GET", Path: "/probe", Handler: probe.Handler(
			func() map[string]probe.Module { return a.config.get().Monitoring.Modules }, a.log.With("part", "probe"))},
		a.snmpEndpoint(),
	}
}

// maxPreview bounds the next times that a preview of a downtime shows.
const maxPreview = 5

// previewDowntime says which checks a downtime would concern, and when.
func (a *App) previewDowntime(d check.Downtime) ([]string, []api.Interval, error) {
	if err := state.Validate(d); err != nil {
		return nil, nil, err
	}
	concerns, err := state.Select(d)
	if err != nil {
		return nil, nil, err
	}
	var ids []string
	for _, v := range a.made.checks.Views(func(v *check.View) bool { return concerns(v.ID, v.Labels) }) {
		ids = append(ids, v.ID)
	}
	var next []api.Interval
	for at := time.Now(); len(next) < maxPreview; {
		start, end, ok := state.Next(d, at)
		if !ok {
			break
		}
		next = append(next, api.Interval{Start: start, End: end})
		at = end.Add(time.Nanosecond)
	}
	return ids, next, nil
}
