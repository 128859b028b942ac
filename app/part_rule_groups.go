package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/config"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/rule"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// startRuleGroups evaluates the rule groups that people edit, as they are on the medium.
func (a *App) startRuleGroups(context.Context) (stopFunc, error) {
	l := rule.NewLibrary(rule.LibraryOptions{
		Documents: a.made.medium.documents,
		Wait: func(ctx context.Context) medium.Documents {
			if m := a.made.medium.wait(ctx); m != nil {
				return m.Documents()
			}
			return nil
		},
		Parsers: a.ruleParsers(),
		Changed: func(docs []rule.Document) error {
			return errors.Join(
				a.made.rules.SetDocuments(inLanguage(docs, rule.PromQL)),
				a.made.logRules.SetDocuments(inLanguage(docs, rule.LogQL)),
			)
		},
	}, a.log.With("part", "rule"))
	a.made.ruleGroups = l
	return a.stack.run("rule groups", l.Run), nil
}

func (a *App) ruleParsers() map[rule.Language]parser.Parser {
	return map[rule.Language]parser.Parser{rule.PromQL: a.made.engine.Parser(), rule.LogQL: config.LogRuleParser()}
}

func inLanguage(docs []rule.Document, l rule.Language) []rule.Document {
	return slices.DeleteFunc(slices.Clone(docs), func(d rule.Document) bool { return d.Language != l })
}

// ruleEditor is what the API does with rules.
type ruleEditor struct {
	*rule.Library
	app *App
}

func (a *App) ruleEditor() api.RuleEditor {
	if a.made.ruleGroups == nil { // an agent has none
		return nil
	}
	return ruleEditor{a.made.ruleGroups, a}
}

// Sets returns all groups, those in PromQL first.
func (e ruleEditor) Sets() []rule.GroupSet {
	sets := e.app.made.rules.Sets()
	for i := range sets {
		sets[i].Language = rule.PromQL
	}
	for _, set := range e.app.made.logRules.Sets() {
		set.Language = rule.LogQL
		sets = append(sets, set)
	}
	return sets
}

// Backtest evaluates a rule over what is stored.
func (e ruleEditor) Backtest(ctx context.Context, b rule.Backtest) (*rule.BacktestResult, error) {
	b.ExternalLabels, b.ExternalURL = e.app.prometheus().GlobalConfig.ExternalLabels, e.app.url()
	b.Parser = e.app.ruleParsers()[b.Language]
	if b.Language == rule.LogQL {
		return rule.RunBacktest(ctx, b, e.app.logRange, rule.QueryOf(e.app.queryLogs))
	}
	return rule.RunBacktest(ctx, b, e.app.seriesRange, rule.EngineQuery(e.app.made.engine, e.app.made.local))
}

func (a *App) seriesRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, []string, error) {
	q, err := a.made.engine.NewRangeQuery(ctx, a.made.local, nil, expr, from, to, step)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	res := q.Exec(ctx)
	warnings, _ := res.Warnings.AsStrings(expr, 10, 0)
	if res.Err != nil {
		return nil, warnings, res.Err
	}
	m, err := res.Matrix()
	if err != nil {
		return nil, warnings, err
	}
	return rule.CopyMatrix(m), warnings, nil
}

func (a *App) logRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) (promql.Matrix, []string, error) {
	res, err := a.made.logql.Query(ctx, logql.Request{Query: expr, Start: from, End: to, Step: step})
	switch {
	case err != nil:
		return nil, nil, err
	case res.Streams != nil:
		return nil, nil, fmt.Errorf("it is a log query, and not one for numbers")
	}
	return res.Matrix, res.Warnings, nil
}
