package app

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/collect/discovery"
)

// watchedService is a discovered service with the alerting rules that watch services of its kind.
type watchedService struct {
	discovery.Service
	Alerts []serviceAlert `json:"alerts"`
}

// serviceAlert is one of those rules.
type serviceAlert struct {
	Group    string `json:"group"`
	Name     string `json:"name"`
	Severity string `json:"severity,omitempty"`
	State    string `json:"state"`             // of this service: inactive, pending, firing
	Runbook  string `json:"runbook,omitempty"` // the ID of the best one
}

// ruleGroups are the names of the groups that watch a service: its kind, the kind of its metrics (MariaDB's are those of mysql), and
// those that the catalogue names.
func ruleGroups(s *discovery.Service) []string {
	names := []string{s.Kind}
	if s.Metrics.Kind != "" && s.Metrics.Kind != "prometheus" {
		names = append(names, s.Metrics.Kind)
	}
	return append(names, s.Alerts...)
}

// alertsOf finds the alerting rules of a service among all groups; runbook returns the ID of the best one for an alert.
func alertsOf(s *discovery.Service, groups []api.RuleGroup, runbook func(labels map[string]string, url string) string) []serviceAlert {
	out := []serviceAlert{}
	names := ruleGroups(s)
	for _, g := range groups {
		if !slices.Contains(names, g.Name) {
			continue
		}
		for _, r := range g.Rules {
			if !r.Alerting {
				continue
			}
			of := r.Labels.Map()
			of["alertname"] = r.Name
			out = append(out, serviceAlert{
				Group: g.Name, Name: r.Name, Severity: r.Labels.Get("severity"), State: stateFor(s, r.Alerts), Runbook: runbook(of, r.Annotations.Get("runbook_url")),
			})
		}
	}
	return out
}

// stateFor is the worst state of the alerts that may be about a service.
func stateFor(s *discovery.Service, alerts []api.Alert) string {
	state := "inactive"
	for _, a := range alerts {
		switch {
		case !about(s, a.Labels):
		case a.State == "firing":
			return a.State
		case a.State == "pending":
			state = a.State
		}
	}
	return state
}

// about says whether labels may be those of a service: rules that sum over labels leave some out.
func about(s *discovery.Service, l labels.Labels) bool {
	if name := l.Get("service"); name != "" && name != s.ID {
		return false
	}
	at := s.Address.String()
	instance := l.Get("instance")
	return instance == "" || at == "" || instance == at
}

// watched adds their alerts to services.
func (a *App) watched(found []discovery.Service) []watchedService {
	out := make([]watchedService, len(found))
	var groups []api.RuleGroup
	if a.made.rules != nil { // an agent has none
		groups = rules{a.made.rules}.Groups()
	}
	for i, s := range found {
		out[i] = watchedService{s, alertsOf(&s, groups, a.bestRunbook)}
	}
	return out
}

// bestRunbook is the ID of the best procedure for an alert; "" when there is none.
func (a *App) bestRunbook(labels map[string]string, url string) string {
	if a.made.runbooks == nil {
		return ""
	}
	if books := a.made.runbooks.For(labels, url); len(books) > 0 {
		return books[0].ID
	}
	return ""
}
