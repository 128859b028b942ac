package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/collect/discovery"
	"github.com/hulotte-dev/hulotte/rule"
)

// defaultGroups are the groups of the default rules by topic.
func defaultGroups(t *testing.T, topics ...string) (groups []api.RuleGroup) {
	t.Helper()
	for _, topic := range topics {
		text, err := rule.DefaultText(topic)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Groups []struct {
				Name  string
				Rules []struct {
					Alert  string
					Labels map[string]string
				}
			}
		}
		if err := yaml.Unmarshal([]byte(text), &file); err != nil {
			t.Fatal(err)
		}
		for _, g := range file.Groups {
			out := api.RuleGroup{Name: g.Name, Rules: []api.Rule{{Name: "a:recorded"}}}
			for _, r := range g.Rules {
				out.Rules = append(out.Rules, api.Rule{Alerting: true, Name: r.Alert, Labels: labels.FromMap(r.Labels)})
			}
			groups = append(groups, out)
		}
	}
	return groups
}

func noRunbook(map[string]string, string) string { return "" }

// Every default group of a service is found by a kind of the catalogue, and every kind with metrics of its own finds its group.
func TestKindsHaveTheirAlerts(t *testing.T) {
	groups := defaultGroups(t, "databases", "messaging", "network-services", "web")
	// Those have metrics and no rules by default: what is wrong with them, their checks say.
	without := []string{"asterisk", "fail2ban", "mosquitto"}
	found := map[string]bool{}
	for _, e := range discovery.Embedded().Entries() {
		if e.Metrics.Kind == "" || e.Metrics.Kind == "prometheus" && !slices.ContainsFunc(groups, func(g api.RuleGroup) bool { return g.Name == e.Kind }) {
			continue
		}
		s := discovery.Service{Kind: e.Kind, Metrics: discovery.Metrics{Kind: e.Metrics.Kind}, Alerts: e.Alerts}
		alerts := alertsOf(&s, groups, noRunbook)
		if len(alerts) == 0 != slices.Contains(without, e.Kind) {
			t.Errorf("%s, measured as %s, has the alerts %v", e.Kind, e.Metrics.Kind, alerts)
		}
		for _, a := range alerts {
			if found[a.Group] = true; a.Severity == "" || a.State != "inactive" {
				t.Errorf("%s: %+v", e.Kind, a)
			}
		}
	}
	for _, g := range groups {
		if !found[g.Name] {
			t.Errorf("the group %s is of no kind of the catalogue", g.Name)
		}
	}
}

func TestAlertsOfService(t *testing.T) {
	mariadb := discovery.Service{ID: "mariadb@3307", Kind: "mariadb", Metrics: discovery.Metrics{Kind: "mysql"}, Address: discovery.Address{Network: "tcp", IP: "127.0.0.1", Port: 3307}}
	f := func(want string, alerts ...api.Alert) {
		t.Helper()
		groups := []api.RuleGroup{{Name: "redis", Rules: []api.Rule{{Alerting: true, Name: "RedisDown"}}},
			{Name: "mysql", Rules: []api.Rule{{Name: "a:b"}, {Alerting: true, Name: "MySQLDown", Labels: labels.FromStrings("severity", "critical"), Alerts: alerts}}}}
		got, err := json.Marshal(watchedService{mariadb, alertsOf(&mariadb, groups, func(l map[string]string, _ string) string { return l["alertname"] })})
		if want = `"alerts":[{"group":"mysql","name":"MySQLDown","severity":"critical","state":"` + want + `","runbook":"MySQLDown"}]`; err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
	alert := func(state string, l ...string) api.Alert {
		return api.Alert{State: state, Labels: labels.FromStrings(l...)}
	}
	f("inactive")
	f("inactive", alert("firing", "service", "mysql"), alert("firing", "instance", "127.0.0.1:3306"))
	f("pending", alert("firing", "service", "mysql"), alert("pending", "instance", "127.0.0.1:3307"))
	f("firing", alert("pending", "service", "mariadb@3307"), alert("firing", "service", "mariadb@3307", "instance", "127.0.0.1:3307"))
	f("firing", alert("firing", "cluster", "a"))
	none := discovery.Service{Kind: "sshd"}
	if got := alertsOf(&none, nil, noRunbook); got == nil || len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
