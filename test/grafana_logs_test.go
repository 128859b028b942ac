package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// logsServer returns the URL of a process that holds shopLogs, and their end. With TEST_LOKI it is the Loki at that URL, which says
// whether what is expected here is what it does.
func logsServer(t *testing.T) (string, time.Time) {
	t.Helper()
	end := shopEnd()
	base := os.Getenv("TEST_LOKI")
	if base == "" {
		base = harness.Start(t, harness.Options{Config: "host: {enabled: false}\n"}).URL
	}
	pushLogs(t, base, shopLogs(end))
	return base, end
}

// The calls that Grafana's Loki data source and its Logs Drilldown make: their paths, parameters and headers, and what they read of the
// answers. Grafana itself is not run here.
func TestGrafanaLogsCalls(t *testing.T) {
	base, end := logsServer(t)
	c := &contract{T: t, base: base, end: end}
	ours := os.Getenv("TEST_LOKI") == ""
	const during = "start=$S000000000&end=$E000000000&"
	categorized := "X-Loki-Response-Encoding-Flags: categorize-labels"

	// Save & test, and what the version can do.
	c.ask("health check", "query?direction=backward&query=vector(1)%2Bvector(1)&time=4000000000000000000", "",
		`data.resultType = vector`, `data.result.0.value.0 = 4000000000`, `data.result.0.value.1 = 2`)
	if ours { // one that was built without its flags has no version
		c.ask("version", "status/buildinfo", "", `version ~ ^3\.\d+\.\d+$`)
	}

	// Query editor: labels, values of a label for what is chosen already, streams, cost of a query.
	c.ask("labels", "labels?"+during, "", `status = success`, `data = ["app","env","service_name"]`)
	c.ask("labels of a selection", "labels?"+during+"query="+q(`{app="db"}`), "", `data = ["app","env","service_name"]`)
	c.ask("values", "label/app/values?"+during, "", `data = ["db","web"]`)
	c.ask("values of a selection", "label/app/values?"+during+"query="+q(`{env="dev"}`), "", `data = ["web"]`)
	c.ask("streams", "series?"+during+"match[]="+q(`{app="db"}`), "", `data = [{"app":"db","env":"prod","service_name":"db"}]`)
	if ours { // Loki's index knows of what is in memory after some minutes
		c.ask("cost", "index/stats?"+during+"query="+q(`{app="web"}`), "", `streams = 2`, `entries = 2401`, `bytes ~ ^\d+$`, `chunks ~ ^\d+$`)
	}
	c.ask("format", "format_query?query="+q(`sum(rate({app="web"}[1m]))`), "", `status = success`, `data ~ ^sum`)

	// Explore: the list, with labels by category, the histogram above it, the lines around one.
	c.ask("lines", "query_range?direction=backward&limit=1000&step=2000ms&"+during+"query="+q(`{app="web", env="prod"} | json | status = 500`), categorized,
		`data.resultType = streams`, `data.encodingFlags = ["categorize-labels"]`, `data.result.# = 1`, `data.result.0.values.# = 240`,
		`data.result.0.stream = {"app":"web","env":"prod","service_name":"web"}`,
		`data.result.0.values.0.0 = $E-7500ms`, `data.result.0.values.0.1 ~ ^{"level":"error","msg":"request 2390 done"`,
		`data.result.0.values.0.2.structuredMetadata.trace_id ~ ^0+956$`, `data.result.0.values.0.2.structuredMetadata.detected_level = error`,
		`data.result.0.values.0.2.parsed.status = 500`, `data.result.0.values.0.2.parsed.took = 90ms`,
		`data.stats.summary.totalLinesProcessed ~ ^\d+$`, `data.stats.summary.totalBytesProcessed ~ ^\d+$`, `data.stats.summary.execTime ~ ^[0-9.e-]+$`,
		`data.stats.summary.bytesProcessedPerSecond ~ ^\d+$`, `data.stats.summary.linesProcessedPerSecond ~ ^\d+$`, `data.stats.ingester ~ totalReached`)
	c.ask("lines without categories", "query_range?limit=10&"+during+"query="+q(`{app="db"} | logfmt | rows > 197`), "",
		`data.result.# = 2`, `data.result.0.values.0.# = 2`, `data.result.0.stream.rows = 198`, `data.result.1.stream.msg = slow query`, `data.result.1.stream.detected_level = warn`)
	c.ask("histogram", "query_range?step=600000ms&"+during+"query="+q(`sum by (level, detected_level) (count_over_time({app="web", env="prod"} | drop __error__ [10m]))`), "X-Query-Tags: Source=logvolhist",
		`data.resultType = matrix`, `data.result.# = 2`, `data.result.0.metric = {"detected_level":"error"}`, `data.result.1.metric = {"detected_level":"info"}`,
		`data.result.1.values.1.1 = 720`)
	c.ask("lines before", "query_range?direction=backward&limit=3&"+during+"query="+q(`{app="db"}`), categorized, `data.result.0.values.# = 3`, `data.result.0.values.0.0 = $E-9000ms`)
	c.ask("lines after", "query_range?direction=forward&limit=3&"+during+"query="+q(`{app="db"}`), categorized, `data.result.0.values.# = 3`, `data.result.0.values.0.0 = $S+0ms`)
	c.ask("no lines", "query_range?"+during+"query="+q(`{app="none"}`), categorized, `data.resultType = streams`, `data.result = []`)

	// Dashboards: range and instant queries.
	c.ask("graph", "query_range?step=300&"+during+"query="+q(`sum by (app) (rate({env="prod"}[5m]))`), "", `data.resultType = matrix`, `data.result.# = 2`, `data.result.0.metric.app = db`)
	c.ask("graph of a field", "query_range?step=300&"+during+"query="+q(`quantile_over_time(0.99, {app="web", env="prod"} | json | unwrap duration_seconds(took) [5m]) by (app)`), "",
		`data.resultType = matrix`, `data.result.0.values.2.1 ~ ^0\.09\d*$`)
	c.ask("table", "query?time=$E000000000&query="+q(`topk(1, sum by (app) (count_over_time({env="prod"}[30m])))`), "",
		`data.resultType = vector`, `data.result.0.metric.app = web`, `data.result.0.value.1 = 2399`)
	c.ask("scalar", "query?time=$E000000000&query="+q(`1+1`), "", `data.resultType = scalar`, `data.result.1 = 2`)

	// Drilldown.
	c.ask("services", "index/volume?limit=5000&targetLabels=service_name&"+during+"query="+q("{service_name=~`.+`}"), "", `data.resultType = vector`, `data.result.0.metric.service_name = web`, `data.result.0.value.1 ~ ^\d+$`)
	c.ask("volumes over time", "index/volume_range?step=600&targetLabels=app&"+during+"query="+q("{service_name=~`.+`}"), "", `data.resultType = matrix`, `data.result.0.metric.app = web`)
	c.ask("labels with their values", "detected_labels?"+during+"query="+q(`{app="web"}`), "", `detectedLabels.0.label ~ ^(app|env|service_name)$`, `detectedLabels.0.cardinality ~ ^\d+$`)
	c.ask("fields", "detected_fields?limit=1000&line_limit=1000&"+during+"query="+q(`{app="web", env="prod"}`), "",
		`fields.[label=took].type = duration`, `fields.[label=took].parsers = ["json"]`, `fields.[label=took].jsonPath = ["took"]`, `fields.[label=took].cardinality = 100`,
		`fields.[label=status].type = int`, `fields.[label=detected_level].parsers = null`, `limit = 1000`)
	c.ask("values of a field", "detected_field/status/values?limit=1000&line_limit=1000&"+during+"query="+q(`{app="web", env="prod"}`), "", `values ~ 500`, `values.# = 2`)
	if ours { // Loki mines patterns of what comes in now, not of what is there
		c.ask("patterns", "patterns?step=60s&"+during+"query="+q(`{app="db"}`), "", `status = success`, `data.0.pattern ~ <_>`, `data.0.level = warn`, `data.0.samples.0.0 ~ ^\d{10}$`, `data.0.samples.0.1 ~ ^\d+$`)
		c.ask("limits", "drilldown-limits", "", `limits.volume_enabled = true`, `limits.max_entries_limit_per_query = 5000`, `pattern_ingester_enabled = true`, `version ~ ^3\.`)
		c.ask("rules", "../../../prometheus/api/v1/rules", "", `status = success`, `data.groups = []`)
		c.ask("alerts", "../../../prometheus/api/v1/alerts", "", `status = success`, `data.alerts = []`)
	}

	// Errors are plain text, and their place is in them.
	c.fails("query_range?query="+q(`{app="web"`), 400, `parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,`)
	c.fails("query_range?query="+q(`{app="web"} | json | status >`), 400, `parse error at line 1, col 30: `)
	c.fails("query_range?limit=10000&query="+q(`{app="web"}`), 400, `max entries limit per query exceeded, limit > max_entries_limit_per_query (10000 > 5000)`)
	c.fails("query_range?start=x&query="+q(`{app="web"}`), 400, ``)
	c.fails("query?query="+q(`sum(unwrap_me)`), 400, `parse error at line 1, col `)
	c.live(`{app="web", env="prod"}`)
}

// contract asks one server and checks what is read of its answers.
type contract struct {
	*testing.T
	base string
	end  time.Time
	root string // of the paths; "" is Loki's
}

var contractTime = regexp.MustCompile(`\$([SE])([+-]\d+ms)?`)

// times fills in the start $S and the end $E of the range in seconds; with milliseconds behind them, in nanoseconds.
func (c *contract) times(text string) string {
	return contractTime.ReplaceAllStringFunc(text, func(s string) string {
		at := c.end
		if s[1] == 'S' {
			at = at.Add(-30 * time.Minute)
		}
		if len(s) == 2 {
			return strconv.FormatInt(at.Unix(), 10)
		}
		d, _ := time.ParseDuration(s[2:]) // the pattern lets only durations through
		return strconv.FormatInt(at.Add(d).UnixNano(), 10)
	})
}

func (c *contract) get(path, header string) (int, http.Header, []byte) {
	c.Helper()
	root := c.root
	if root == "" {
		root = "/loki/api/v1/"
	}
	target, err := url.Parse(c.base + root)
	if err != nil {
		c.Fatal(err)
	}
	at, query, _ := strings.Cut(c.times(path), "?")
	target = target.JoinPath(at)
	target.RawQuery = query
	r, err := http.NewRequest(http.MethodGet, target.String(), nil)
	if err != nil {
		c.Fatal(err)
	}
	if name, value, ok := strings.Cut(header, ": "); ok {
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res.StatusCode, res.Header, body
}

// ask checks parts of an answer: "path = value" or "path ~ pattern". A path goes through objects by name and through lists by
// number, or by [name=value] of an object in it; # is the length of a list. Values that are no texts are compared as JSON.
func (c *contract) ask(what, path, header string, checks ...string) {
	c.Helper()
	code, h, body := c.get(path, header)
	if code != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		c.Errorf("%s: %s answers %d %s %s", what, path, code, h.Get("Content-Type"), shorten(string(body)))
		return
	}
	var answer any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		c.Errorf("%s: %v in %s", what, err, body)
		return
	}
	for _, check := range checks {
		part := strings.SplitN(c.times(check), " ", 3)
		got := textOf(partOf(answer, strings.Split(part[0], ".")))
		if part[1] == "=" && got != part[2] || part[1] == "~" && !regexp.MustCompile(part[2]).MatchString(got) {
			c.Errorf("%s: %s is %s, want %s: %s", what, part[0], shorten(got), part[2], shorten(string(body)))
		}
	}
}

// partOf is nil where there is no such part.
func partOf(v any, path []string) any {
	if len(path) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		return partOf(v[path[0]], path[1:])
	case []any:
		if path[0] == "#" {
			return json.Number(strconv.Itoa(len(v)))
		}
		if name, value, ok := strings.Cut(strings.Trim(path[0], "[]"), "="); ok {
			for _, element := range v {
				if textOf(partOf(element, []string{name})) == value {
					return partOf(element, path[1:])
				}
			}
			return nil
		}
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(v) {
			return partOf(v[i], path[1:])
		}
	}
	return nil
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// fails checks an error: plain text that has these words.
func (c *contract) fails(path string, wantCode int, want string) {
	c.Helper()
	code, h, body := c.get(path, "")
	if code != wantCode || !strings.HasPrefix(h.Get("Content-Type"), "text/plain") || !strings.Contains(string(body), want) {
		c.Errorf("%s answers %d %s %s, want %d %s", path, code, h.Get("Content-Type"), body, wantCode, want)
	}
}

// live checks live tailing: what is there, then what comes.
func (c *contract) live(query string) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, c.times("ws"+strings.TrimPrefix(c.base, "http")+"/loki/api/v1/tail?limit=2&start=$S000000000&query="+url.QueryEscape(query)), &websocket.DialOptions{
		HTTPHeader: http.Header{"X-Loki-Response-Encoding-Flags": {"categorize-labels"}},
	})
	if err != nil {
		c.Error(err)
		return
	}
	defer func() { _ = conn.CloseNow() }()
	seen := ""
	until := func(want string) {
		c.Helper()
		for !strings.Contains(seen, want) {
			_, frame, err := conn.Read(ctx)
			if err != nil {
				c.Fatalf("no %s in %s: %v", want, seen, err)
			}
			seen += string(frame)
		}
	}
	until("request 2399 done")
	if strings.Contains(seen, "request 2397 done") {
		c.Errorf("more than two lines: %s", seen)
	}
	pushLogs(c.T, c.base, []logLine{{map[string]string{"app": "web", "env": "prod"}, time.Now(), "it came later", map[string]string{"trace_id": "fff"}}})
	until("it came later")
	for _, want := range []string{`"streams":[`, `"stream":{"app":"web"`, `"structuredMetadata":{`, `"trace_id":"fff"`, fmt.Sprintf(`"values":[["%d`, time.Now().Unix()/100)} {
		if !strings.Contains(seen, want) {
			c.Errorf("no %s in %s", want, seen)
		}
	}
}
