package rule

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

// Group is the state of a group of rules at one moment. It is a copy: the reader may keep it.
type Group struct {
	Name           string
	File           string // or the name of the document or of the default rules: see Source
	Source         Source
	Text           string // YAML; of Sets only
	Interval       time.Duration
	QueryOffset    time.Duration
	Limit          int           // of series or alerts per rule; 0 is none
	EvaluationTime time.Duration // of the last evaluation of the whole group
	LastEvaluation time.Time     // zero before the first one
	Rules          []Rule
}

// Rule is the state of a recording or alerting rule.
type Rule struct {
	Alerting       bool
	Name           string // the recorded metric, or the alert
	Query          string
	Labels         labels.Labels
	Health         string // ok, err, unknown
	LastError      string
	EvaluationTime time.Duration
	LastEvaluation time.Time // zero before the first one

	// Of alerting rules only.
	State         string // inactive, pending, firing, unknown: that of its worst alert
	For           time.Duration
	KeepFiringFor time.Duration
	Annotations   labels.Labels // as written, templates not expanded
	Alerts        []Alert       // those that are pending or firing, sorted by labels
}

// Alert is one instance of an alerting rule.
type Alert struct {
	Labels          labels.Labels
	Annotations     labels.Labels
	State           string // pending, firing; inactive once resolved
	Value           float64
	ActiveAt        time.Time // when its condition became true
	FiredAt         time.Time // zero while it is pending
	ResolvedAt      time.Time // zero while its condition is true
	KeepFiringSince time.Time // zero unless only keep_firing_for keeps it firing
	ValidUntil      time.Time // set for notification: resolved by then unless told again
}

// Groups returns the state of all groups, sorted by file and name; those of documents come last.
func (m *Manager) Groups() []Group {
	all := append(m.files.rules.RuleGroups(), m.documents.rules.RuleGroups()...)
	out := make([]Group, 0, len(all))
	for _, g := range all {
		group := Group{
			Name: g.Name(), File: g.File(), Source: sourceOf(g.File()),
			Interval: g.Interval(), QueryOffset: g.QueryOffset(), Limit: g.Limit(),
			EvaluationTime: g.GetEvaluationTime(), LastEvaluation: g.GetLastEvaluation(),
		}
		for _, r := range g.Rules() {
			group.Rules = append(group.Rules, plainRule(r))
		}
		out = append(out, group)
	}
	return out
}

func plainRule(r rules.Rule) Rule {
	out := Rule{
		Name: r.Name(), Query: expressionText(r.Query().String()), Labels: r.Labels(), Health: string(r.Health()),
		EvaluationTime: r.GetEvaluationDuration(), LastEvaluation: r.GetEvaluationTimestamp(),
	}
	if err := r.LastError(); err != nil {
		out.LastError = err.Error()
	}
	a, ok := r.(*rules.AlertingRule)
	if !ok {
		return out
	}
	out.Alerting = true
	out.State = a.State().String()
	out.For, out.KeepFiringFor, out.Annotations = a.HoldDuration(), a.KeepFiringFor(), a.Annotations()
	for _, alert := range a.ActiveAlerts() {
		out.Alerts = append(out.Alerts, plainAlert(alert))
	}
	slices.SortFunc(out.Alerts, func(a, b Alert) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

func plainAlert(a *rules.Alert) Alert {
	return Alert{
		Labels: a.Labels, Annotations: a.Annotations, State: a.State.String(), Value: a.Value,
		ActiveAt: a.ActiveAt, FiredAt: a.FiredAt, ResolvedAt: a.ResolvedAt,
		KeepFiringSince: a.KeepFiringSince, ValidUntil: a.ValidUntil,
	}
}
