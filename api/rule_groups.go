package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	promodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/rule"
)

// RuleEditor is how people see, edit and try out rules. They are those of the default tenant.
type RuleEditor interface {
	Sets() []rule.GroupSet
	// Put keeps a document if it is at its version, and returns the new one.
	Put(ctx context.Context, d rule.Document) (uint64, error)
	Check(d rule.Document) error
	Delete(ctx context.Context, name string, version uint64) error
	Backtest(ctx context.Context, b rule.Backtest) (*rule.BacktestResult, error)
}

func (a *api) ruleGroupRoutes() []route {
	const base = "/api/hulotte/v1/"
	do := func(f func(*http.Request, string) (any, error)) http.Handler {
		return a.sameSite(a.json(func(r *http.Request) (*result, error) { return a.edited(r, f) }))
	}
	return []route{
		{"GET", base + "rule-groups", do(a.ruleGroups)},
		{"PUT DELETE", base + "rule-group", do(func(r *http.Request, by string) (any, error) {
			if r.Method == http.MethodDelete {
				return a.deleteRuleGroup(r, by)
			}
			return a.putRuleGroup(r, by)
		})},
		{"POST", base + "rules/check", do(a.checkRuleGroup)},
		{"POST", base + "rules/backtest", do(a.backtest)},
	}
}

// edited answers for what belongs to the default tenant.
func (a *api) edited(r *http.Request, f func(*http.Request, string) (any, error)) (*result, error) {
	if !ours(r.Context()) {
		return nil, errOtherTenant
	}
	if a.RuleEditor == nil {
		return nil, notServed("rules")
	}
	data, err := f(r, actor(r))
	if err != nil {
		return nil, checkError(err)
	}
	return &result{data: data}, nil
}

// ruleSetJSON is a group as it is edited: several groups of one file are several of these.
type ruleSetJSON struct {
	Name     string        `json:"name"`
	Source   rule.Source   `json:"source"`
	Path     string        `json:"path"`
	Language rule.Language `json:"language"`
	YAML     string        `json:"yaml,omitempty"`
	Version  uint64        `json:"version,omitempty"` // of documents
	By       string        `json:"by,omitempty"`
	At       *time.Time    `json:"at,omitempty"`
	Problem  string        `json:"problem,omitempty"` // why it is not evaluated
	Interval float64       `json:"interval"`          // seconds
	Rules    []any         `json:"rules"`             // as in /api/v1/rules
}

func (a *api) ruleGroups(*http.Request, string) (any, error) {
	out := []ruleSetJSON{}
	for _, set := range a.RuleEditor.Sets() {
		j := ruleSetJSON{Name: set.Name, Source: set.Source, Path: set.Path, Language: set.Language, YAML: set.Text, Problem: set.Problem, Rules: []any{}}
		if d := set.Edited; d != nil {
			at := d.At
			j.Version, j.By, j.At = d.Version, d.By, &at
		}
		if set.Source == rule.FromDocument || len(set.Groups) == 0 {
			for _, g := range set.Groups {
				j.Interval, j.Rules = g.Interval.Seconds(), append(j.Rules, rulesJSONOf(g)...)
			}
			out = append(out, j)
			continue
		}
		for _, g := range set.Groups {
			j.Name, j.YAML, j.Interval, j.Rules = g.Name, g.Text, g.Interval.Seconds(), rulesJSONOf(g)
			out = append(out, j)
		}
	}
	return map[string]any{"at": a.Now().UTC(), "groups": out}, nil
}

func rulesJSONOf(g rule.Group) []any {
	out := make([]any, len(g.Rules))
	for i, r := range g.Rules {
		out[i] = RuleOf(r).json(false)
	}
	return out
}

// RuleOf is a rule as the API has it.
func RuleOf(r rule.Rule) Rule {
	out := Rule{
		Alerting: r.Alerting, Name: r.Name, Query: r.Query, Labels: r.Labels, Health: r.Health, LastError: r.LastError,
		EvaluationTime: r.EvaluationTime, LastEvaluation: r.LastEvaluation,
		State: r.State, For: r.For, KeepFiringFor: r.KeepFiringFor, Annotations: r.Annotations,
	}
	for _, a := range r.Alerts {
		out.Alerts = append(out.Alerts, Alert{
			Labels: a.Labels, Annotations: a.Annotations, State: a.State,
			ActiveAt: a.ActiveAt, KeepFiringSince: a.KeepFiringSince, Value: a.Value,
		})
	}
	return out
}

func readRuleGroup(r *http.Request, by string) (rule.Document, error) {
	var in struct {
		Name     string        `json:"name"`
		Language rule.Language `json:"language"` // PromQL when empty
		YAML     string        `json:"yaml"`
		Version  uint64        `json:"version"`
	}
	err := readBody(r, &in)
	return rule.Document{Name: in.Name, Language: in.Language, YAML: in.YAML, Version: in.Version, By: by}, err
}

func (a *api) putRuleGroup(r *http.Request, by string) (any, error) {
	d, err := readRuleGroup(r, by)
	if err != nil {
		return nil, err
	}
	v, err := a.RuleEditor.Put(r.Context(), d)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": d.Name, "version": v}, nil
}

// checkRuleGroup says what is wrong with a group, and keeps nothing.
func (a *api) checkRuleGroup(r *http.Request, by string) (any, error) {
	d, err := readRuleGroup(r, by)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": d.Name}, a.RuleEditor.Check(d)
}

func (a *api) deleteRuleGroup(r *http.Request, _ string) (any, error) {
	var in struct {
		Name    string `json:"name"`
		Version uint64 `json:"version"` // 0 is whichever is there
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, badData(`"name" is empty`)
	}
	return map[string]any{"name": in.Name}, a.RuleEditor.Delete(r.Context(), in.Name, in.Version)
}

type firingJSON struct {
	Labels      labels.Labels `json:"labels"`
	Annotations labels.Labels `json:"annotations"`
	Active      time.Time     `json:"active_at"`
	From        time.Time     `json:"from"`
	To          *time.Time    `json:"to"` // null while it fires
	Value       float64Text   `json:"value"`
}

// float64Text is a number as Prometheus' API writes it.
type float64Text float64

// MarshalJSON implements json.Marshaler.
func (f float64Text) MarshalJSON() ([]byte, error) {
	return json.Marshal(promodel.SampleValue(f).String())
}

func (a *api) backtest(r *http.Request, _ string) (any, error) {
	var in struct {
		Rule     string        `json:"rule"`
		Language rule.Language `json:"language"`
		From     looseTime     `json:"from"`
		To       looseTime     `json:"to"`
		Step     looseDuration `json:"step"`
	}
	if err := readBody(r, &in); err != nil {
		return nil, err
	}
	if in.Language == "" {
		in.Language = rule.PromQL
	}
	if in.Language != rule.PromQL && in.Language != rule.LogQL {
		return nil, badData(`"language" is %q: write promql or logql`, cutText(string(in.Language), 50))
	}
	b := rule.Backtest{Rule: in.Rule, Language: in.Language, From: in.From.Time, To: in.To.Time, Step: time.Duration(in.Step)}
	if b.To.IsZero() {
		b.To = a.Now()
	}
	if b.From.IsZero() {
		b.From = b.To.Add(-7 * 24 * time.Hour)
	}
	res, err := a.RuleEditor.Backtest(r.Context(), b)
	if err != nil {
		return nil, err
	}
	firings := make([]firingJSON, len(res.Firings))
	for i, f := range res.Firings {
		firings[i] = firingJSON{Labels: f.Labels, Annotations: f.Annotations, Active: f.Active.UTC(), From: f.From.UTC(), Value: float64Text(f.Value)}
		if !f.To.IsZero() {
			to := f.To.UTC()
			firings[i].To = &to
		}
	}
	return map[string]any{
		"fired": res.Fired, "firings": firings, "step": res.Step.Seconds(),
		"series":   map[string]any{"resultType": "matrix", "result": matrixJSON(res.Series)},
		"operator": res.Operator, "limit": float64Text(res.Limit), "warnings": emptyList(res.Warnings),
	}, nil
}

// matrixJSON is a matrix as /api/v1/query_range has it, for answers that hold more than one.
func matrixJSON(m promql.Matrix) []any {
	out := make([]any, len(m))
	for i, s := range m {
		values := make([][2]any, len(s.Floats))
		for j, p := range s.Floats {
			values[j] = [2]any{float64(p.T) / 1000, float64Text(p.F)}
		}
		out[i] = map[string]any{"metric": s.Metric, "values": values}
	}
	return out
}

// looseTime is RFC 3339 or seconds since 1970, as a text or a number.
type looseTime struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *looseTime) UnmarshalJSON(text []byte) (err error) {
	t.Time, err = parseTime(unquoted(text))
	return err
}

// looseDuration is seconds or a duration as in PromQL.
type looseDuration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *looseDuration) UnmarshalJSON(text []byte) error {
	v, err := parseDuration(unquoted(text))
	if err != nil {
		return fmt.Errorf("step: %w", err)
	}
	*d = looseDuration(v)
	return nil
}

func unquoted(text []byte) string {
	var s string
	if json.Unmarshal(text, &s) == nil {
		return s
	}
	return string(text)
}
