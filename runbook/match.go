package runbook

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// For returns the runbooks of an alert with these labels and the annotation runbook_url, the best first: the one that the URL names; those that
// name the alert, by being called like it or by a matcher of alertname; then those whose matchers hold, by how many they are. What people wrote
// comes before what comes with the program.
func (l *Library) For(labels map[string]string, runbookURL string) []*Runbook {
	type ranked struct {
		*Runbook
		rank int
	}
	set := make(model.LabelSet, len(labels))
	for name, value := range labels {
		set[model.LabelName(name)] = model.LabelValue(value)
	}
	alert, named := labels["alertname"], idOf(runbookURL)
	var all []ranked
	for _, r := range l.All() {
		if n := rank(r, alert, named, set); n > 0 {
			all = append(all, ranked{r, n})
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int { return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.ID, b.ID)) })
	out := make([]*Runbook, len(all))
	for i, r := range all {
		out[i] = r.Runbook
	}
	return out
}

// The parts of a rank: a larger one outweighs all below it.
const (
	rankMatcher = 1 // for each
	rankOurs    = 1000
	rankAlert   = 2000
	rankURL     = 4000
)

// rank is 0 for a runbook that is not for an alert.
func rank(r *Runbook, alert, named string, set model.LabelSet) int {
	n := 0
	if len(r.Match) > 0 && r.Match.Matches(set) {
		n = rankMatcher * len(r.Match)
		for _, m := range r.Match {
			if m.Name == "alertname" {
				n |= rankAlert
			}
		}
	}
	if alert != "" && r.ID == alert {
		n |= rankAlert
	}
	if named != "" && named != alert && strings.EqualFold(r.ID, named) { // our own URL of an alert's runbook says no more than its name
		n |= rankURL
	}
	if n > 0 && r.Source != FromDefaults {
		n += rankOurs
	}
	return n
}

// idOf is the runbook that a URL names: the id of our own page, or the last part of its path.
func idOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || text == "" {
		return ""
	}
	if id := u.Query().Get("id"); id != "" && path.Base(u.Path) == "runbooks" {
		return id
	}
	base := path.Base(u.Path)
	if base == "." || base == "/" {
		return ""
	}
	return strings.TrimSuffix(base, ".md")
}
