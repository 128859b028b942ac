package app

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/config"
)

const logRules = `
groups:
  - name: shop
    rules:
      - record: shop:errors:count
        expr: sum by (app) (count_over_time({app="shop"} |= "error" [1h]))
        labels: {from: logs}
      - alert: ShopErrors
        expr: sum by (app) (count_over_time({app="shop"} | json | level="error" [1h])) > 1
        labels: {severity: page}
        annotations: {summary: "{{ $value }} errors in {{ $labels.app }}"}
`

func TestLogRulesAreEvaluated(t *testing.T) {
	p := run(t, config.Both, "global: {evaluation_interval: 100ms}\nquery: {logs: {rule_files: [rules/*.yml]}}\nalerting: {default_rules: false}\n")
	file := filepath.Join(filepath.Dir(p.file), "rules", "shop.yml")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	p.pushShopErrors(t)
	p.reloadRules(t, file, logRules, 200, "")
	for path, want := range map[string]string{
		"/api/v1/query?query=shop:errors:count":           `"metric":{"__name__":"shop:errors:count","app":"shop","from":"logs"},"value":`,
		"/api/v1/query?query=shop:errors:count%20==%202":  `"2"`,
		"/api/v1/query?query=ALERTS":                      `"alertname":"ShopErrors","alertstate":"firing"`,
		"/prometheus/api/v1/alerts":                       `"summary":"2 errors in shop"`,
		"/prometheus/api/v1/rules":                        `"state":"firing"`,
		"/loki/api/v1/rules":                              `expr: sum by (app) (count_over_time({app="shop"} |= "error" [1h]))`,
		"/metrics":                                        "hulotte_logql_prometheus_rule_evaluations_total",
		"/api/v1/rules":                                   `"groups":[]`,
		"/loki/api/v1/query?query=%7Bapp%3D%22shop%22%7D": `error`,
	} {
		p.eventually(t, func() error {
			if code, body := p.ask(t, "GET", path); !strings.Contains(body, want) {
				return fmt.Errorf("%s: %d %s, want %s", path, code, body[:min(len(body), 2000)], want)
			}
			return nil
		})
	}
	p.reloadRules(t, file, strings.ReplaceAll(logRules, "|=", "|=="), 500, "shop.yml")
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

func (p *testApp) reloadRules(t *testing.T, file, text string, code int, want string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, body := p.ask(t, "POST", "/-/reload"); got != code || !strings.Contains(body, want) {
		t.Fatalf("reload: %d %s, want %d %s", got, body, code, want)
	}
}

func (p *testApp) pushShopErrors(t *testing.T) {
	t.Helper()
	at := time.Now().UnixNano()
	body := fmt.Sprintf(`{"streams":[{"stream":{"app":"shop"},"values":[["%d","{\"level\":\"error\"}"],["%d","{\"level\":\"error\",\"n\":2}"],["%d","{\"level\":\"info\"}"]]}]}`, at-2e9, at-1e9, at)
	res, err := http.Post(p.url+"/loki/api/v1/push", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("push: %s", res.Status)
	}
}
