package app

import (
	"context"
	"net/url"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/rule"
)

func (a *App) startRules(context.Context) (stopFunc, error) {
	external, err := url.Parse(a.url())
	if err != nil {
		return nil, err
	}
	m := rule.NewManager(rule.Options{ExternalURL: external, Parser: a.made.engine.Parser(), Notify: a.raise},
		rule.EngineQuery(a.made.engine, a.made.local), a.made.local, a.made.local, logging.Quiet(a.log.With("part", "rule")), a.registry)
	a.made.rules = m
	if err := a.applyRules(a.config.get()); err != nil {
		return nil, err
	}
	return a.stack.run("rules", m.Run), nil
}

func (a *App) reloadRules(_, new *config.Config) error { return a.applyRules(new) }

func (a *App) applyRules(c *config.Config) error {
	to := ruleConfig(c)
	var err error
	if to.Defaults, err = c.DefaultRules(a.runbookURL); err != nil {
		return err
	}
	return a.made.rules.Apply(to)
}

func ruleConfig(c *config.Config) rule.Config {
	p := c.Scrape.Prometheus()
	return rule.Config{
		Interval:       time.Duration(p.GlobalConfig.EvaluationInterval),
		QueryOffset:    time.Duration(p.GlobalConfig.RuleQueryOffset),
		Files:          p.RuleFiles,
		ExternalLabels: p.GlobalConfig.ExternalLabels,
	}
}

// rules shows the rules to the API.
type rules struct{ manager *rule.Manager }

func (r rules) Groups() []api.RuleGroup {
	groups := r.manager.Groups()
	out := make([]api.RuleGroup, len(groups))
	for i, g := range groups {
		out[i] = api.RuleGroup{
			Name: g.Name, File: g.File, Interval: g.Interval, Limit: g.Limit,
			EvaluationTime: g.EvaluationTime, LastEvaluation: g.LastEvaluation, Rules: apiRules(g.Rules),
		}
	}
	return out
}

func apiRules(rules []rule.Rule) []api.Rule {
	out := make([]api.Rule, len(rules))
	for i, r := range rules {
		out[i] = api.RuleOf(r)
	}
	return out
}
