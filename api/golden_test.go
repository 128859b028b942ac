package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

var update = flag.Bool("update", false, "write the golden files anew")

type someTargets struct{}

func (someTargets) Active() []Target {
	return []Target{
		{
			Pool: "node", ScrapeURL: "http://a:9100/metrics", DiscoveredLabels: labels.FromStrings("__address__", "a:9100"),
			Labels: labels.FromStrings("instance", "a:9100", "job", "node"), Health: "up", LastScrape: clock,
			LastDuration: 1500 * time.Millisecond, Interval: 90 * time.Second, Timeout: 10 * time.Second,
			Samples: 100, SamplesKept: 90, SeriesAdded: 3, BodyBytes: 12345,
		},
		{Pool: "blackbox", ScrapeURL: "http://b/", GlobalURL: "http://out/", Labels: labels.FromStrings("job", "<b>"), Health: "down", LastError: "connection refused", Samples: -1},
	}
}

func (someTargets) Dropped() ([]DroppedTarget, map[string]int) {
	return []DroppedTarget{{Pool: "node", DiscoveredLabels: labels.FromStrings("__address__", "c:9100")}}, map[string]int{"node": 7}
}
func (someTargets) Pools() []string { return []string{"node", "blackbox"} }
func (someTargets) Metadata(metric string) []TargetMetadata {
	all := []TargetMetadata{
		{Target: labels.FromStrings("job", "node"), Metric: "up", Type: "gauge", Help: "Is it up?"},
		{Target: labels.FromStrings("job", "other"), Metric: "up", Type: "gauge", Help: "Is it up?"},
		{Target: labels.FromStrings("job", "other"), Metric: "bytes_total", Type: "counter", Unit: "bytes"},
	}
	var out []TargetMetadata
	for _, m := range all {
		if metric == "" || metric == m.Metric {
			out = append(out, m)
		}
	}
	return out
}

type someRules struct{}

func (someRules) Groups() []RuleGroup {
	alert := Alert{Labels: labels.FromStrings("alertname", "Firing"), State: "firing", ActiveAt: clock, KeepFiringSince: clock.Add(time.Minute), Value: 1.5}
	return []RuleGroup{
		{Name: "g1", File: "a.yml", Interval: time.Minute, Limit: 5, EvaluationTime: time.Millisecond, LastEvaluation: clock, Rules: []Rule{
			{Alerting: true, Name: "Firing", Query: "up == 0", Health: "ok", State: "firing", For: time.Minute, KeepFiringFor: 5 * time.Minute, Alerts: []Alert{alert}, LastEvaluation: clock},
			{Name: "job:up", Query: "sum(up)", Health: "err", LastError: "boom", Labels: labels.FromStrings("team", "x"), LastEvaluation: clock},
		}},
		{Name: "g2", File: "b.yml", Rules: []Rule{{Name: "r2", Query: "1", Health: "unknown"}}},
	}
}

func TestGoldenShapes(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) {
		o.Targets, o.Rules = someTargets{}, someRules{}
		o.Build = BuildInfo{Version: "0.1.0", Revision: "abc", GoVersion: "go1.26"}
		o.Runtime = func() (RuntimeInfo, error) { return RuntimeInfo{StartTime: clock, StorageRetention: "15d"}, nil }
		o.ConfigText = func() string { return "global: {}\n" }
		o.Flags = func() map[string]string { return map[string]string{"listen": "127.0.0.1:9070"} }
		o.ActiveQueries = func() any { return []string{"up"} }
		o.Notifications = func() []Notification { return []Notification{{Text: "old", Date: clock, Active: true}} }
	})
	var out bytes.Buffer
	for _, target := range []string{
		"/api/v1/targets", "/api/v1/targets?state=dropped", "/api/v1/targets?scrapePool=node&state=active", "/api/v1/targets/metadata", "/api/v1/targets/metadata?metric=up&limit=1",
		"/api/v1/scrape_pools", "/api/v1/metadata", "/api/v1/metadata?limit=1", "/api/v1/metadata?metric=up&limit_per_metric=1",
		"/api/v1/rules", "/api/v1/rules?group_limit=1", "/api/v1/rules?type=record&exclude_alerts=1", "/api/v1/alerts", "/api/v1/alertmanagers",
		"/api/v1/status/buildinfo", "/api/v1/status/runtimeinfo", "/api/v1/status/config", "/api/v1/status/flags", "/api/v1/status/walreplay", "/api/v1/notifications",
		"/api/hulotte/v1/targets", "/api/hulotte/v1/queries",
	} {
		code, body := get(t, h, target)
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(body), "", " "); err != nil || code != http.StatusOK {
			t.Errorf("%s: %d %v %s", target, code, err, body)
		}
		out.WriteString("GET " + target + "\n" + pretty.String() + "\n\n")
	}
	golden(t, "shapes.txt", out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed: run with -update and read the difference\n%s", name, firstDifference(got, string(want)))
	}
}

func firstDifference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return "got  " + la[i] + "\nwant " + lb[i]
		}
	}
	return "one is longer"
}

func TestRulePages(t *testing.T) {
	h := newTestAPI(t, loadSeries(t, threeSeries), func(o *Options) { o.Rules = someRules{} })
	var names []string
	token := ""
	for range 5 {
		target := "/api/v1/rules?group_limit=1"
		if token != "" {
			target += "&group_next_token=" + token
		}
		_, body := get(t, h, target)
		var page struct {
			Data struct {
				Groups []struct{ Name string }
				Token  string `json:"groupNextToken"`
			}
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		for _, g := range page.Data.Groups {
			names = append(names, g.Name)
		}
		if token = page.Data.Token; token == "" {
			break
		}
	}
	if strings.Join(names, " ") != "g1 g2" {
		t.Errorf("groups over the pages: %v", names)
	}
}
