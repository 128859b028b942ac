package api

import (
	"strings"
	"testing"
	"time"
)

type someLogRules struct{}

func (someLogRules) Groups() []RuleGroup {
	return []RuleGroup{{Name: "g", File: "/etc/hulotte/logs.yml", Interval: time.Minute, Rules: []Rule{
		{Name: "errors:rate", Query: `sum(rate({app="web"} |= "error" [1m]))`, Labels: labelsOf("team=a")},
		{Alerting: true, Name: "Errors", Query: `sum(rate({app="web"} |= "error" [1m])) > 1`, For: 5 * time.Minute, Annotations: labelsOf("summary=many"), State: "inactive"},
	}}}
}

func TestLokiRules(t *testing.T) {
	h := newLogsAPI(t, func(o *Options) { o.Logs.Rules = someLogRules{} })
	want := `logs:
    - name: g
      interval: 1m
      rules:
        - record: errors:rate
          expr: sum(rate({app="web"} |= "error" [1m]))
          labels:
            team: a
        - alert: Errors
          expr: sum(rate({app="web"} |= "error" [1m])) > 1
          for: 5m
          annotations:
            summary: many
`
	if code, body := get(t, h, "/loki/api/v1/rules"); code != 200 || body != want {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get(t, h, "/prometheus/api/v1/rules"); code != 200 || !strings.Contains(body, `"name":"Errors"`) || !strings.Contains(body, `"groups":[{"name":"g"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get(t, h, "/prometheus/api/v1/alerts"); code != 200 || !strings.Contains(body, `"alerts":[]`) {
		t.Errorf("%d %s", code, body)
	}
	h = newLogsAPI(t, nil)
	if code, body := get(t, h, "/loki/api/v1/rules"); code != 404 || body != "no rule groups found\n" {
		t.Errorf("none: %d %s", code, body)
	}
}

func TestLokiConfig(t *testing.T) {
	code, body := get(t, newLogsAPI(t, nil), "/config")
	for _, want := range []string{"pattern_ingester:\n    enabled: true\n", "limits_config:\n", "    max_entries_limit_per_query: 5000\n", "    volume_enabled: true\n"} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("no %q in %d %s", want, code, body)
		}
	}
}
