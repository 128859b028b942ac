package manager

import (
	"slices"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

// UnheardReceiver is where alerts go of which nobody is told unless a route says so.
const UnheardReceiver = "nobody, as no route names it"

// heard is a tree of routes with one before all others for the alerts of Options.Unheard that no route names.
func (m *Manager) heard(root *amconfig.Route) *amconfig.Route {
	var unheard []*amconfig.Route
	for _, name := range m.opts.Unheard {
		if names(root, name) {
			continue
		}
		is := &labels.Matcher{Type: labels.MatchEqual, Name: model.AlertNameLabel, Value: name}
		unheard = append(unheard, &amconfig.Route{Receiver: UnheardReceiver, Matchers: []*labels.Matcher{is}})
	}
	if len(unheard) == 0 {
		return root
	}
	out := *root
	out.Routes = slices.Concat(unheard, root.Routes)
	return &out
}

// names says whether a route or one below it is for an alert by its name.
func names(r *amconfig.Route, alert string) bool {
	for _, x := range r.Matchers {
		if x.Name == model.AlertNameLabel && x.Matches(alert) && !x.Matches("") {
			return true
		}
	}
	if r.Match[model.AlertNameLabel] == alert {
		return true
	}
	if re, ok := r.MatchRE[model.AlertNameLabel]; ok && re.MatchString(alert) {
		return true
	}
	return slices.ContainsFunc(r.Routes, func(child *amconfig.Route) bool { return names(child, alert) })
}
