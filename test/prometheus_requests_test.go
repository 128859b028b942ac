package test

import (
	"net/http"
	"strings"
	"testing"
)

// instant and overTime write the requests that most of the list is made of.
func instant(expr string) apiRequest {
	return apiRequest{method: "GET", path: "/api/v1/query", form: "time=$T&query=" + q(expr)}
}

func overTime(expr string) apiRequest {
	return apiRequest{method: "GET", path: "/api/v1/query_range", form: "start=$T-600&end=$T&step=60&query=" + q(expr)}
}

func getRequest(path, form string) apiRequest {
	return apiRequest{method: "GET", path: path, form: form}
}

func postRequest(path, form string) apiRequest {
	return apiRequest{method: "POST", path: path, form: form}
}

// apiRequests is what both servers are asked.
var apiRequests = []apiRequest{
	// Instant queries: every kind of result.
	instant(`dt_temperature_celsius`),
	instant(`dt_temperature_celsius{site="paris",room=~"a|b"}`),
	instant(`dt_temperature_celsius[1m]`),
	instant(`dt_temperature_celsius offset 5m`),
	instant(`dt_temperature_celsius @ $T-60`),
	instant(`dt_temperature_celsius @ start()`),
	instant(`sum by (site) (dt_temperature_celsius)`),
	instant(`sort_desc(avg without (room) (dt_temperature_celsius))`),
	instant(`topk(2, dt_temperature_celsius)`),
	instant(`quantile(0.5, dt_temperature_celsius)`),
	instant(`count_values("value", round(dt_temperature_celsius))`),
	instant(`rate(dt_http_requests_total[5m])`),
	instant(`increase(dt_http_requests_total{code="500"}[30m])`),
	instant(`sum(rate(dt_http_requests_total{code="500"}[5m])) / sum(rate(dt_http_requests_total[5m]))`),
	instant(`histogram_quantile(0.9, sum by (le) (rate(dt_latency_seconds_bucket[5m])))`),
	instant(`dt_special`),
	instant(`dt_special[2m]`),
	instant(`-dt_special`),
	instant(`dt_gone`),
	instant(`last_over_time(dt_gone[30m])`),
	instant(`absent(dt_gone)`),
	instant(`{"dt.utf8 métrique"}`),
	instant(`{"dt.utf8 métrique","service.name"="éléphant"}`),
	instant(`sum by ("service.name") ({"dt.utf8 métrique"})`),
	instant(`dt_rpc_seconds`),
	instant(`dt_rpc_seconds[1m]`),
	instant(`rate(dt_rpc_seconds[5m])`),
	instant(`histogram_quantile(0.5, rate(dt_rpc_seconds[5m]))`),
	instant(`histogram_count(dt_rpc_seconds) + histogram_sum(dt_rpc_seconds)`),
	instant(`sum(dt_rpc_seconds)`),
	instant(`1`),
	instant(`NaN`),
	instant(`1/0`),
	instant(`-1e-7`),
	instant(`time()`),
	instant(`"text \" <b> é"`),
	instant(`vector(1)`),
	instant(`scalar(vector(2.50))`),
	instant(`label_replace(vector(1), "a", "<&>\"", "", "")`),
	instant(`dt_temperature_celsius > bool 20`),
	instant(`dt_http_requests_total / on (job) group_left () sum by (job) (dt_http_requests_total)`),
	instant(`max_over_time(rate(dt_http_requests_total[5m])[10m:1m])`),
	instant(`max_over_time(dt_temperature_celsius[5m:])`),
	instant(`mad_over_time(dt_temperature_celsius[5m])`),
	instant(`sort_by_label(dt_temperature_celsius, "room", "site")`),
	instant(`limitk(2, dt_temperature_celsius)`),
	instant(`nothing_has_this_name`),
	postRequest("/api/v1/query", "time=$T&query="+q(`dt_temperature_celsius{room="a"}`)),
	postRequest("/api/v1/query", "time=$T.5&timeout=5s&query="+q(`sum(dt_temperature_celsius)`)),
	getRequest("/api/v1/query", "time=2026-01-01T00:00:00.123Z&query=1"),
	getRequest("/api/v1/query", "time=2026-01-01T02:00:00%2B02:00&query=time()"),
	getRequest("/api/v1/query", "time=1.0005&query=time()"),
	getRequest("/api/v1/query", "time=-5&query=time()"),
	getRequest("/api/v1/query", "time=$T%2B200&query=dt_temperature_celsius"),
	getRequest("/api/v1/query", "time=$T%2B200&lookback_delta=1m&query=dt_temperature_celsius"),
	getRequest("/api/v1/query", "time=$T&limit=2&query="+q(`sort_by_label(dt_temperature_celsius, "room", "site")`)),
	getRequest("/api/v1/query", "time=$T&limit=0&query=vector(1)"),
	getRequest("/api/v1/query", "time=$T&stats=true&query=dt_temperature_celsius"),
	getRequest("/api/v1/query", "time=$T&stats=all&query="+q("rate(dt_http_requests_total[5m])")),
	getRequest("/api/v1/query", "time=$T&stats=sum&query=vector(1)"),
	// Warnings and infos.
	instant(`rate(dt_temperature_celsius[5m])`),
	instant(`quantile(1.5, dt_temperature_celsius)`),
	instant(`histogram_quantile(0.9, dt_rpc_seconds{instance="a"}) + histogram_quantile(2, dt_rpc_seconds{instance="a"})`),
	instant(`dt_temperature_celsius + ignoring(site, room, instance) group_left dt_rpc_seconds{instance="a"}`),

	// What is wrong with a query.
	getRequest("/api/v1/query", ""),
	instant(`up{`),
	instant(`sum(`),
	instant(`foo bar`),
	instant(`{}`),
	instant(`rate(dt_http_requests_total)`),
	instant(`dt_temperature_celsius + ignoring(site) dt_http_requests_total{}[5m]`),
	instant(`nofunction(1)`),
	instant(`dt_temperature_celsius{site=~"("}`),
	instant(`dt_temperature_celsius / on (site) dt_temperature_celsius`),
	instant(`label_replace(dt_temperature_celsius, "site", "x", "", "")`),
	instant(`label_replace(dt_temperature_celsius, "a", "x", "b", "(")`),
	instant("sum(\ndt_temperature_celsius by)"),
	getRequest("/api/v1/query", "query=1&time=yesterday"),
	getRequest("/api/v1/query", "query=1&time=2026-13-01T00:00:00Z"),
	getRequest("/api/v1/query", "query=1&timeout=abc"),
	getRequest("/api/v1/query", "query=1&timeout=-1s"),
	getRequest("/api/v1/query", "query=1&limit=-1"),
	getRequest("/api/v1/query", "query=1&limit=many"),
	getRequest("/api/v1/query", "query=1&lookback_delta=abc"),
	getRequest("/api/v1/query", "time=$T&timeout=1ns&query=dt_temperature_celsius"),
	{method: "GET", path: "/api/v1/query", form: "query=1&time=1", header: "X-Prometheus-Use-Start-Timestamps: perhaps"},

	// Range queries.
	overTime(`dt_temperature_celsius`),
	overTime(`sum by (code) (rate(dt_http_requests_total[5m]))`),
	overTime(`dt_special`),
	overTime(`dt_gone`),
	overTime(`{"dt.utf8 métrique"}`),
	overTime(`dt_rpc_seconds{instance="a"}`),
	overTime(`histogram_quantile(0.9, rate(dt_rpc_seconds[5m]))`),
	overTime(`dt_temperature_celsius{room="a"} or dt_rpc_seconds`),
	overTime(`1`),
	overTime(`time()`),
	overTime(`nothing_has_this_name`),
	overTime(`dt_temperature_celsius and on () (minute() % 2 == 0)`),
	overTime(`topk(1, dt_temperature_celsius)`),
	overTime(`sum_over_time(dt_temperature_celsius[5m] @ end())`),
	postRequest("/api/v1/query_range", "start=$S&end=$T&step=15s&query="+q(`dt_temperature_celsius{site="rome"}`)),
	getRequest("/api/v1/query_range", "start=$T-60.5&end=$T&step=0.25&query=dt_gone"),
	getRequest("/api/v1/query_range", "start=$T-60&end=$T&step=15&limit=1&query="+q(`sum by (site) (dt_temperature_celsius)`)),
	getRequest("/api/v1/query_range", "start=$T-60&end=$T&step=15&stats=all&query=dt_temperature_celsius"),
	getRequest("/api/v1/query_range", "start=$T&end=$T&step=1&query=1"),
	getRequest("/api/v1/query_range", "start=0&end=11000&step=1&query=1"),
	getRequest("/api/v1/query_range", "start=0&end=11001&step=1&query=1"),
	getRequest("/api/v1/query_range", "start=$T&end=$S&step=1&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&step=0&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&step=-1&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&step=soon&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&step=1e300&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&step=NaN&query=1"),
	getRequest("/api/v1/query_range", "start=$S&end=$T&query=1"),
	getRequest("/api/v1/query_range", "end=$T&step=1&query=1"),
	getRequest("/api/v1/query_range", "start=$S&step=1&query=1"),
	overTime(`"text"`),
	overTime(`dt_temperature_celsius[5m]`),
	overTime(`sum(`),
	overTime(`dt_temperature_celsius / on (site) dt_temperature_celsius`),

	// Exemplars.
	getRequest("/api/v1/query_exemplars", "start=$S&end=$T&query=dt_http_requests_total"),
	postRequest("/api/v1/query_exemplars", "start=$S&end=$T&query="+q(`rate(dt_http_requests_total{instance="web-1:80"}[5m])`)),
	getRequest("/api/v1/query_exemplars", "query=dt_temperature_celsius"),
	getRequest("/api/v1/query_exemplars", "query=1"),
	getRequest("/api/v1/query_exemplars", "query="),
	getRequest("/api/v1/query_exemplars", "start=$T&end=$S&query=up"),
	getRequest("/api/v1/query_exemplars", "start=x&query=up"),

	// Expressions.
	getRequest("/api/v1/format_query", "query="+q(`sum by(a)(rate(x{b="c"}[5m]))/on(a)group_left(d)y>bool 1`)),
	postRequest("/api/v1/format_query", "query="+q(`foo/bar`)),
	getRequest("/api/v1/format_query", "query=foo("),
	getRequest("/api/v1/parse_query", "query="+q(`sum by(a)(rate(x{b="c",d!~"e|f"}[5m] offset -1h))/on(a)group_left(d)y>bool -1`)),
	getRequest("/api/v1/parse_query", "query="+q(`max_over_time(((x))[10m:1m] @ start()) + topk(3, x @ 5) - scalar(y @ end())`)),
	postRequest("/api/v1/parse_query", "query="+q(`label_join(x, "a", "b", "c") or absent(x{}) unless "s"==bool 1`)),
	getRequest("/api/v1/parse_query", "query="+q(`x + fill(0) y`)),
	getRequest("/api/v1/parse_query", "query="+q(`{"a.b","c.d"="e"}`)),
	getRequest("/api/v1/parse_query", "query="),

	// Series, names and values.
	getRequest("/api/v1/series", "match[]="+q(`{__name__=~"dt_.*",job!~"dt-.*"}`)+"&start=$S&end=$T"),
	postRequest("/api/v1/series", "match[]=dt_gone&match[]=dt_special&match[]=dt_gone&start=$S&end=$T"),
	getRequest("/api/v1/series", "match[]=dt_temperature_celsius"),
	getRequest("/api/v1/series", "match[]=dt_temperature_celsius&start=1&end=2"),
	getRequest("/api/v1/series", "match[]="+q(`{"dt.utf8 métrique"}`)),
	getRequest("/api/v1/series", "match[]="+q(`dt_temperature_celsius{room="a"}`)+"&limit=2&start=$S&end=$T"),
	getRequest("/api/v1/series", ""),
	getRequest("/api/v1/series", "match[]="),
	getRequest("/api/v1/series", "match[]="+q(`{a=""}`)),
	getRequest("/api/v1/series", "match[]=up{"),
	getRequest("/api/v1/series", "match[]=up&start=x"),
	getRequest("/api/v1/series", "match[]=up&end=x"),
	getRequest("/api/v1/series", "match[]=up&limit=x"),
	getRequest("/api/v1/labels", q("match[]")+"="+q(`{__name__=~"dt_.*",job!~"dt-.*"}`)),
	postRequest("/api/v1/labels", "match[]=dt_gone&match[]=dt_temperature_celsius&start=$S&end=$T"),
	getRequest("/api/v1/labels", "match[]=dt_temperature_celsius&limit=2"),
	getRequest("/api/v1/labels", "match[]=dt_temperature_celsius&start=1&end=2"),
	getRequest("/api/v1/labels", "match[]=nothing"),
	getRequest("/api/v1/labels", "match[]=x{"),
	getRequest("/api/v1/labels", "start=x"),
	getRequest("/api/v1/label/site/values", ""),
	getRequest("/api/v1/label/site/values", "start=$S&end=$T"),
	getRequest("/api/v1/label/site/values", "start=1&end=2"),
	getRequest("/api/v1/label/room/values", "match[]="+q(`dt_temperature_celsius{room!="b"}`)),
	getRequest("/api/v1/label/code/values", "match[]=dt_http_requests_total&match[]=dt_temperature_celsius&limit=2"),
	getRequest("/api/v1/label/__name__/values", "match[]="+q(`{__name__=~"dt_.*",job!~"dt-.*"}`)+"&start=$S&end=$T"),
	getRequest("/api/v1/label/dt_kind/values", ""),
	getRequest("/api/v1/label/service.name/values", ""),
	getRequest("/api/v1/label/U__service_2e_name/values", ""),
	getRequest("/api/v1/label/U__/values", ""),
	getRequest("/api/v1/label/nothing/values", ""),
	getRequest("/api/v1/label/%ff/values", ""),
	getRequest("/api/v1/label/site/values", "match[]=x{"),
	getRequest("/api/v1/label/site/values", "limit=-2"),

	// Metadata, targets.
	getRequest("/api/v1/metadata", "metric=dt_scraped_total"),
	getRequest("/api/v1/metadata", "metric=nothing"),
	getRequest("/api/v1/metadata", "limit=0"),
	getRequest("/api/v1/metadata", "limit=x"),
	getRequest("/api/v1/metadata", "limit_per_metric=x"),
	getRequest("/api/v1/metadata", "metric=dt_scraped_bytes&limit=1&limit_per_metric=1"),
	getRequest("/api/v1/targets", "scrapePool=dt-demo"),
	getRequest("/api/v1/targets", "scrapePool=dt-down&state=active"),
	getRequest("/api/v1/targets", "scrapePool=dt-dropped&state=dropped"),
	getRequest("/api/v1/targets", "scrapePool=dt-dropped&state=ANY"),
	getRequest("/api/v1/targets", "scrapePool=nothing"),
	getRequest("/api/v1/targets", "state=nothing"),
	getRequest("/api/v1/targets/metadata", "match_target="+q(`{job="dt-demo"}`)),
	getRequest("/api/v1/targets/metadata", "metric=dt_scraped_total"),
	getRequest("/api/v1/targets/metadata", "metric=dt_scraped_total&limit=0"),
	getRequest("/api/v1/targets/metadata", "match_target="+q(`{job="nothing"}`)),
	getRequest("/api/v1/targets/metadata", "match_target=x{"),
	getRequest("/api/v1/targets/metadata", "limit=x"),
	getRequest("/api/v1/scrape_pools", ""),
	getRequest("/api/v1/alertmanagers", ""),

	// Rules and alerts.
	getRequest("/api/v1/rules", ""),
	getRequest("/api/v1/rules", "type=alert"),
	getRequest("/api/v1/rules", "type=record"),
	getRequest("/api/v1/rules", "type=other"),
	getRequest("/api/v1/rules", "exclude_alerts=true"),
	getRequest("/api/v1/rules", "exclude_alerts=perhaps"),
	getRequest("/api/v1/rules", "rule_name[]=DtFiring&rule_name[]="+q("dt:answer")),
	getRequest("/api/v1/rules", "rule_group[]="+q("dt alerts")),
	getRequest("/api/v1/rules", "file[]=nothing"),
	getRequest("/api/v1/rules", "match[]="+q(`{team="infra"}`)),
	getRequest("/api/v1/rules", "match[]="+q(`{team="infra"}`)+"&match[]="+q(`{severity="warn"}`)),
	getRequest("/api/v1/rules", "match[]={"),
	getRequest("/api/v1/rules", "group_limit=1"),
	getRequest("/api/v1/rules", "group_limit=10"),
	getRequest("/api/v1/rules", "group_limit=0"),
	getRequest("/api/v1/rules", "group_limit=x"),
	getRequest("/api/v1/rules", "group_next_token=abc"),
	getRequest("/api/v1/rules", "group_limit=1&group_next_token=abc"),
	getRequest("/api/v1/alerts", ""),

	// Status.
	getRequest("/api/v1/status/tsdb", "limit=0"),
	getRequest("/api/v1/status/tsdb", "limit=10001"),
	getRequest("/api/v1/status/tsdb", "limit=x"),
	getRequest("/api/v1/notifications", ""),

	// Different on purpose; see apiDifferences.
	getRequest("/api/v1/status/buildinfo", ""),
	getRequest("/api/v1/status/runtimeinfo", ""),
	getRequest("/api/v1/status/config", ""),
	getRequest("/api/v1/status/flags", ""),
	getRequest("/api/v1/status/tsdb", ""),
	getRequest("/api/v1/status/walreplay", ""),
	getRequest("/api/v1/features", ""),
	getRequest("/api/v1/query", "query=%zz"),
	getRequest("/api/v1/nothing", ""),
	postRequest("/api/v1/targets", ""),
	postRequest("/api/v1/admin/tsdb/delete_series", "match[]=dt_gone"),
	postRequest("/api/v1/admin/tsdb/snapshot", ""),
	postRequest("/api/v1/otlp/v1/metrics", ""),
	getRequest("/-/healthy", ""),
	getRequest("/-/ready", ""),
	getRequest("/federate", "match[]=dt_temperature_celsius"),
	getRequest("/federate", "match[]=dt_gone&match[]=dt_http_requests_total&match[]=dt_temperature_celsius"),
	getRequest("/federate", ""),
	getRequest("/federate", "match[]=x{"),
}

// apiDifferences is the whole list of what a client of Prometheus finds different.
var apiDifferences = []apiDifference{
	{"GET /api/v1/status/buildinfo?", "it is another binary; the version is that of the reference and the keys are the same, plus our own version", sameKeysPlus("hulotte")},
	{"GET /api/v1/status/runtimeinfo?", "it is another process; the keys are the same", sameKeysPlus()},
	{"GET /api/v1/status/config?", "the configuration's defaults are written out by each server in its way; both are one text in the key yaml", sameKeysPlus()},
	{"GET /api/v1/status/flags?", "they have other flags; both are a map of texts", sameStatus},
	{"GET /api/v1/status/tsdb?", "Hulotte keeps metrics of itself too, so it counts more; the keys are the same", sameKeysPlus()},
	{"GET /api/v1/features?", "each lists what it has", sameStatus},
	{"GET /api/v1/scrape_pools?", "Hulotte lists the sources of its own host too", nil},
	{"GET /api/v1/query?query=%zz", "Prometheus drops a parameter that it cannot decode and says that the query is empty; Hulotte says what is wrong", bothStatus(400)},
	{"GET /api/v1/nothing?", "Prometheus answers in plain text; under /api/ Hulotte always answers in JSON", bothStatus(404)},
	{"POST /api/v1/targets?", "Prometheus answers in plain text; under /api/ Hulotte always answers in JSON", bothStatus(405)},
	{"POST /api/v1/admin/tsdb/*", "when the endpoints are off, Prometheus answers 500 and Hulotte 403, with how to turn them on", nil},
	{"POST /api/v1/otlp/v1/metrics?", "neither receives OTLP; the text says something else", bothStatus(404)},
	{"GET /-/healthy?", "it says another name", bothStatus(200)},
	{"GET /-/ready?", "it says another name", bothStatus(200)},
}

func sameStatus(t *testing.T, ours, theirs apiAnswer) {
	t.Helper()
	bothStatus(http.StatusOK)(t, ours, theirs)
}

func bothStatus(want int) func(*testing.T, apiAnswer, apiAnswer) {
	return func(t *testing.T, ours, theirs apiAnswer) {
		t.Helper()
		if ours.status != want || theirs.status != want {
			t.Errorf("status %d and %d, want %d: %s", ours.status, theirs.status, want, ours.raw)
		}
	}
}

// sameKeysPlus checks that our answer has every key of theirs, of the same type, and no key besides but extra.
func sameKeysPlus(extra ...string) func(*testing.T, apiAnswer, apiAnswer) {
	return func(t *testing.T, ours, theirs apiAnswer) {
		t.Helper()
		sameStatus(t, ours, theirs)
		compareKeys(t, "", ours.body, theirs.body, extra)
	}
}

func compareKeys(t *testing.T, path string, ours, theirs any, extra []string) {
	t.Helper()
	a, okA := ours.(map[string]any)
	b, okB := theirs.(map[string]any)
	if okA != okB {
		t.Errorf("%s is %T here and %T there", path, ours, theirs)
		return
	}
	for k, v := range b {
		if _, ok := a[k]; !ok {
			t.Errorf("%s has no key %s", path, k)
			continue
		}
		compareKeys(t, path+"."+k, a[k], v, extra)
	}
	for k := range a {
		if _, ok := b[k]; !ok && !strings.Contains(strings.Join(extra, " "), k) {
			t.Errorf("%s has a key %s that Prometheus does not have", path, k)
		}
	}
}
