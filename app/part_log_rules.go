package app

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/rule"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
)

// startLogRules evaluates the rules in LogQL over the records of the default tenant, into the series of that tenant.
func (a *App) startLogRules(context.Context) (stopFunc, error) {
	external, err := url.Parse(a.url())
	if err != nil {
		return nil, err
	}
	// Prometheus' names are those of the rules in PromQL.
	registry := prometheus.WrapRegistererWithPrefix("hulotte_logql_", a.registry)
	m := rule.NewManager(rule.Options{ExternalURL: external, Parser: config.LogRuleParser(), Notify: a.raise},
		rule.QueryOf(a.queryLogs), a.made.local, a.made.local, logging.Quiet(a.log.With("part", "log rule")), registry)
	a.made.logRules = m
	if err := m.Apply(logRuleConfig(a.config.get())); err != nil {
		return nil, err
	}
	return a.stack.run("log rules", m.Run), nil
}

func (a *App) reloadLogRules(_, new *config.Config) error {
	return a.made.logRules.Apply(logRuleConfig(new))
}

func logRuleConfig(c *config.Config) rule.Config {
	r := ruleConfig(c)
	r.Files = c.LogRuleFiles()
	return r
}

// queryLogs is the value of a metric query over logs at one moment.
func (a *App) queryLogs(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	res, err := a.made.logql.Query(ctx, logql.Request{Query: expr, Start: at, End: at})
	switch {
	case err != nil:
		return nil, err
	case res.Scalar != nil:
		return promql.Vector{{T: res.Scalar.T, F: res.Scalar.V}}, nil
	case res.Streams != nil:
		return nil, errors.New("it is a log query, and not one for numbers")
	}
	return res.Vector, nil
}
