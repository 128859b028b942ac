package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

const readyIn = 30 * time.Second

func anySeries(t *testing.T, p *harness.Process, expr string) error {
	t.Helper()
	_, body := p.Get(t, "/api/v1/query?query="+q(expr))
	if !strings.Contains(body, `"metric":{`) {
		return fmt.Errorf("no %s yet: %s", expr, body)
	}
	return nil
}

// The calls that Grafana's Prometheus data source makes, by its public documentation and that of Prometheus'
// API, with the form of the answer that each needs. Grafana itself is not run here.
func TestGrafanaDataSourceCalls(t *testing.T) {
	config := apiConfig(t)
	p := harness.Start(t, harness.Options{Args: []string{"--prometheus.config", config}, Config: "host: {enabled: false}\nalerting: {default_rules: false}\n"})
	end := samplesEnd()
	remoteWrite(t, p.URL, dataset(end))
	waitForRulesAndTargets(t, p.URL)

	f := func(what, method, path, form string, check func(data any) error) {
		t.Helper()
		for _, tenant := range []string{"", "X-Scope-OrgID: default"} {
			a := ask(t, p.URL, apiRequest{method: method, path: path, form: form, header: tenant}, end)
			body, _ := a.body.(map[string]any)
			if a.status != http.StatusOK || a.kind != "application/json" || body["status"] != "success" {
				t.Errorf("%s: %s %s?%s answers %d %s %s", what, method, path, form, a.status, a.kind, shorten(a.raw))
				continue
			}
			if err := check(body["data"]); err != nil {
				t.Errorf("%s: %v: %s", what, err, shorten(a.raw))
			}
		}
	}
	const during = "start=$S&end=$T"

	// "Save & test" and what the data source finds out about the server.
	f("health check", "POST", "/api/v1/query", "query=1%2B1&time=$T.123", resultOf("scalar", 2))
	f("version", "GET", "/api/v1/status/buildinfo", "", func(data any) error {
		info, _ := data.(map[string]any)
		if v, _ := info["version"].(string); !strings.HasPrefix(v, "3.") {
			return fmt.Errorf("version %q: features of newer versions are not offered", v)
		}
		for _, key := range []string{"application", "features"} {
			if _, there := info[key]; there {
				return fmt.Errorf("key %s makes it look like a Mimir", key)
			}
		}
		return nil
	})

	// Panels: range and instant queries, GET or POST as configured, steps in seconds, and exemplars.
	f("graph", "POST", "/api/v1/query_range", during+"&step=15&query="+q(`sum by (site) (dt_temperature_celsius)`), resultOf("matrix", 2))
	f("graph by GET", "GET", "/api/v1/query_range", during+"&step=15&query=dt_temperature_celsius", resultOf("matrix", 6))
	f("graph with milliseconds", "POST", "/api/v1/query_range", "start=$S.250&end=$T.750&step=0.5&query=vector(1)&timeout=60s", resultOf("matrix", 1))
	f("table", "POST", "/api/v1/query", "time=$T.000&query=dt_temperature_celsius", resultOf("vector", 6))
	f("heatmap of a native histogram", "POST", "/api/v1/query_range", during+"&step=60&query="+q(`sum(dt_rpc_seconds)`), func(data any) error {
		if err := resultOf("matrix", 1)(data); err != nil {
			return err
		}
		text, _ := json.Marshal(data)
		if !strings.Contains(string(text), `"buckets":[[`) {
			return fmt.Errorf("no buckets")
		}
		return nil
	})
	f("exemplars", "POST", "/api/v1/query_exemplars", during+"&query=dt_http_requests_total", list(2))

	// The query editor, variables and the metrics browser.
	f("metric names", "GET", "/api/v1/label/__name__/values", during, containing("dt_temperature_celsius", "dt.utf8 métrique"))
	f("label names", "POST", "/api/v1/labels", during+"&match[]=dt_temperature_celsius", list(3))
	f("label names by GET", "GET", "/api/v1/labels", during+"&match[]="+q(`{__name__="dt_temperature_celsius"}`), list(3))
	f("label values", "GET", "/api/v1/label/site/values", during+"&match[]=dt_temperature_celsius", list(2))
	f("label values of a limit", "GET", "/api/v1/label/room/values", during+"&limit=2", list(2))
	f("label values of a UTF-8 name", "GET", "/api/v1/label/U__service_2e_name/values", during, list(1))
	f("series", "POST", "/api/v1/series", during+"&match[]=dt_temperature_celsius&limit=40000", list(6))
	f("series by GET", "GET", "/api/v1/series", during+"&match[]="+q(`{"dt.utf8 métrique"}`), list(1))
	f("metadata", "GET", "/api/v1/metadata", "limit=40000", containing("dt_scraped_total"))
	f("formatting", "POST", "/api/v1/format_query", "query="+q("sum(x)/2"), func(any) error { return nil })
	f("tree", "POST", "/api/v1/parse_query", "query="+q("sum(x)/2"), containing("aggregation"))

	// Alerting pages.
	f("rules", "GET", "/api/v1/rules", "", containing("DtFiring", "dt:answer", "alerting", "recording"))
	f("rules of a type", "GET", "/api/v1/rules", "type=alert&exclude_alerts=true&group_limit=40", containing("DtPending"))
	f("alerts", "GET", "/api/v1/alerts", "", containing("firing", "pending"))
	f("targets", "GET", "/api/v1/targets", "state=active", containing("dt-demo", "up", "down"))

	// A query that is wrong must be told as such, or the panel shows nothing at all.
	a := ask(t, p.URL, apiRequest{method: "POST", path: "/api/v1/query_range", form: during + "&step=15&query=sum("}, end)
	if a.status != http.StatusBadRequest || !strings.Contains(a.raw, `"errorType":"bad_data"`) || !strings.Contains(a.raw, "1:5: parse error") {
		t.Errorf("a wrong query: %d %s", a.status, a.raw)
	}
}

func resultOf(kind string, n int) func(any) error {
	return func(data any) error {
		d, _ := data.(map[string]any)
		if d["resultType"] != kind {
			return fmt.Errorf("result type %v, want %s", d["resultType"], kind)
		}
		return list(n)(d["result"])
	}
}

func list(n int) func(any) error {
	return func(data any) error {
		if l, ok := data.([]any); !ok || len(l) != n {
			return fmt.Errorf("not a list of %d", n)
		}
		return nil
	}
}

func containing(words ...string) func(any) error {
	return func(data any) error {
		text, _ := json.Marshal(data)
		for _, w := range words {
			if !strings.Contains(string(text), `"`+w+`"`) {
				return fmt.Errorf("no %q", w)
			}
		}
		return nil
	}
}
