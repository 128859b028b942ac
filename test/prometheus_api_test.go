package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// apiRequest is one line of the list that both servers answer. Form is in the URL of a GET and in the body of a
// POST. $T is the end of the data and $S its start, $T-300 five minutes before the end.
type apiRequest struct {
	method, path, form string
	header             string // "Name: value", optional
}

func (r apiRequest) String() string { return r.method + " " + r.path + "?" + r.form }

// apiDifference allows one request to be answered differently. Every one has a reason that a user could be told.
type apiDifference struct {
	request string // apiRequest.String(), or its beginning and a star
	why     string
	check   func(t *testing.T, ours, theirs apiAnswer)
}

type apiAnswer struct {
	status int
	kind   string // media type
	body   any    // decoded JSON, or the text
	raw    string
}

const apiRules = `groups:
- name: dt recording
  interval: 1s
  limit: 100
  rules:
  - record: dt:answer
    expr: vector(42)
    labels: {team: infra}
- name: dt alerts
  interval: 1s
  rules:
  - alert: DtFiring
    expr: vector(1.5) > 1
    labels: {severity: page, team: infra}
    annotations: {summary: 'value is {{ $value }} <ok>'}
  - alert: DtPending
    expr: vector(1) == 1
    for: 1h
    keep_firing_for: 5m
    labels: {severity: warn}
  - alert: DtQuiet
    expr: vector(0) > 1
- name: dt broken
  interval: 1s
  rules:
  - record: dt:broken
    expr: label_replace(vector(1) or label_replace(vector(2), "a", "b", "", ""), "a", "x", "", "")
`

func apiConfig(t *testing.T) string {
	t.Helper()
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "# HELP dt_scraped_total Things <counted>.\n# TYPE dt_scraped_total counter\ndt_scraped_total{a=\"b\"} 3\n"+
			"# HELP dt_scraped_bytes Size of things.\n# TYPE dt_scraped_bytes gauge\ndt_scraped_bytes 12\n")
	}))
	t.Cleanup(exporter.Close)
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "rules.yml"), apiRules)
	config := filepath.Join(dir, "prometheus.yml")
	harness.WriteFile(t, config, fmt.Sprintf(`global:
  scrape_interval: 1s
  scrape_timeout: 1s
  evaluation_interval: 1s
  external_labels: {cluster: test}
rule_files: [rules.yml]
scrape_configs:
- job_name: dt-demo
  static_configs:
  - targets: [%q]
    labels: {env: test}
- job_name: dt-down
  metrics_path: /nothing
  static_configs: [{targets: ['127.0.0.1:1']}]
- job_name: dt-dropped
  static_configs: [{targets: ['127.0.0.1:2', '127.0.0.1:3']}]
  relabel_configs: [{source_labels: [__address__], regex: '.*', action: drop}]
`, strings.TrimPrefix(exporter.URL, "http://")))
	return config
}

// The same samples, rules and targets are given to Hulotte and to the Prometheus whose packages it uses, and
// every answer has to be the same.
func TestPrometheusAPI(t *testing.T) {
	config := apiConfig(t)
	theirs := startReference(t, config)
	ours := harness.Start(t, harness.Options{Args: []string{"--prometheus.config", config}, Config: "host: {enabled: false}\nserver: {external_url: 'https://out.example:1234/', route_prefix: /}\nalerting: {default_rules: false}\n"}).URL
	end := samplesEnd()
	series := dataset(end)
	remoteWrite(t, theirs, series)
	remoteWrite(t, ours, series)
	waitForRulesAndTargets(t, ours)
	waitForRulesAndTargets(t, theirs)

	if len(apiRequests) < 120 {
		t.Errorf("only %d requests are compared", len(apiRequests))
	}
	used := map[string]bool{}
	for _, r := range apiRequests {
		a, b := ask(t, ours, r, end), ask(t, theirs, r, end)
		if d := differenceFor(r); d != nil {
			used[d.request] = true
			if d.check != nil {
				d.check(t, a, b)
			}
			if sameAnswer(a, b) {
				t.Errorf("%s: the answers are the same, though they are listed as different (%s)", r, d.why)
			}
			continue
		}
		if !sameAnswer(a, b) {
			t.Errorf("%s\n  ours: %d %s %s\ntheirs: %d %s %s", r, a.status, a.kind, shorten(a.raw), b.status, b.kind, shorten(b.raw))
		}
	}
	for _, d := range apiDifferences {
		if !used[d.request] {
			t.Errorf("no request is like %q any more", d.request)
		}
	}
	t.Logf("%d requests compared, %d of them with an explained difference", len(apiRequests), len(used))
}

func differenceFor(r apiRequest) *apiDifference {
	for i, d := range apiDifferences {
		if like, ok := strings.CutSuffix(d.request, "*"); d.request == r.String() || ok && strings.HasPrefix(r.String(), like) {
			return &apiDifferences[i]
		}
	}
	return nil
}

func sameAnswer(a, b apiAnswer) bool {
	return a.status == b.status && a.kind == b.kind && reflect.DeepEqual(a.body, b.body)
}

func shorten(s string) string {
	if len(s) > 1500 {
		return s[:1500] + "…"
	}
	return s
}

func waitForRulesAndTargets(t *testing.T, server string) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, func() error {
		rules := ask(t, server, apiRequest{method: "GET", path: "/api/v1/rules"}, time.Now()).raw
		if strings.Contains(rules, `"health":"unknown"`) || strings.Count(rules, `"type":`) != 5 || !strings.Contains(rules, `"health":"err"`) {
			return fmt.Errorf("%s: rules are not evaluated yet: %s", server, rules)
		}
		targets := ask(t, server, apiRequest{method: "GET", path: "/api/v1/targets", form: "scrapePool=dt-demo"}, time.Now()).raw
		if !strings.Contains(targets, `"health":"up"`) {
			return fmt.Errorf("%s: the target is not scraped yet: %s", server, targets)
		}
		targets = ask(t, server, apiRequest{method: "GET", path: "/api/v1/targets", form: "scrapePool=dt-down"}, time.Now()).raw
		if !strings.Contains(targets, `"health":"down"`) {
			return fmt.Errorf("%s: the broken target is not scraped yet: %s", server, targets)
		}
		return nil
	})
}

var timeMark = regexp.MustCompile(`\$([TS])([+-]\d+)?`)

func fillTimes(s string, end time.Time) string {
	return timeMark.ReplaceAllStringFunc(s, func(m string) string {
		parts := timeMark.FindStringSubmatch(m)
		at := end
		if parts[1] == "S" {
			at = end.Add(-30 * time.Minute)
		}
		var shift int
		if parts[2] != "" {
			_, _ = fmt.Sscan(parts[2], &shift)
		}
		return unix(at.Add(time.Duration(shift) * time.Second))
	})
}

func ask(t *testing.T, server string, r apiRequest, end time.Time) apiAnswer {
	t.Helper()
	form, target := fillTimes(r.form, end), server+fillTimes(r.path, end)
	var body io.Reader
	if r.method == "GET" {
		target += "?" + form
	} else {
		body = strings.NewReader(form)
	}
	req, err := http.NewRequest(r.method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if name, value, ok := strings.Cut(r.header, ": "); ok {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	a := apiAnswer{status: res.StatusCode, kind: kind, raw: string(raw), body: string(raw)}
	if kind == "application/json" {
		a.body = normalise(t, r, raw)
	}
	return a
}

// volatileKeys differ between two processes or two moments, whatever the server.
var volatileKeys = []string{
	"lastScrape", "lastScrapeDuration", "lastEvaluation", "evaluationTime", "activeAt",
	"evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime",
}

// normalise decodes an answer and takes away what is not the server's doing: times of evaluation, order where
// the API promises none.
func normalise(t *testing.T, r apiRequest, raw []byte) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber() // 1.500 and 1.5 are different bytes, and clients see bytes
	if err := dec.Decode(&v); err != nil {
		t.Errorf("%s: not JSON: %v\n%s", r, err, raw)
		return string(raw)
	}
	v = blank(v)
	root, _ := v.(map[string]any)
	for _, key := range []string{"warnings", "infos"} {
		if list, ok := root[key].([]any); ok {
			sortJSON(list) // a map's order on both sides
		}
	}
	if list, ok := root["data"].([]any); ok && (strings.HasSuffix(r.path, "/series") || strings.HasSuffix(r.path, "/metadata")) {
		sortJSON(list)
	}
	if data, ok := root["data"].(map[string]any); ok && data["resultType"] == "vector" && !strings.Contains(r.form, "sort") && !strings.Contains(r.form, "topk") {
		if list, ok := data["result"].([]any); ok {
			sortJSON(list)
		}
	}
	return v
}

func blank(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if slices.Contains(volatileKeys, k) {
				v[k] = "volatile"
				continue
			}
			v[k] = blank(e)
		}
	case []any:
		for i := range v {
			v[i] = blank(v[i])
		}
	}
	return v
}

func sortJSON(list []any) {
	key := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	slices.SortStableFunc(list, func(a, b any) int { return strings.Compare(key(a), key(b)) })
}

func q(s string) string { return url.QueryEscape(s) }
