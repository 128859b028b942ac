package rule

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write golden files anew")

const testsFolder = "defaults/tests"

// defaultCase says when a default rule fires.
type defaultCase struct {
	alert, at, common string
	series            [][3]string // name and labels, values of the bad machine, of the good one
}

func readDefaultCases(t *testing.T) []defaultCase {
	t.Helper()
	text, err := os.ReadFile("testdata/defaults.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []defaultCase
	for line := range strings.SplitSeq(string(text), "\n") {
		parts := strings.Split(line, " | ")
		switch {
		case line == "" || line[0] == '#':
		case len(parts) == 3:
			c := &all[len(all)-1]
			c.series = append(c.series, [3]string(parts))
		default:
			words := strings.SplitN(line, " ", 3)
			all = append(all, defaultCase{alert: words[0], at: words[1], common: labelList.ReplaceAllString(words[2], `",`)})
		}
	}
	return all
}

var labelList = regexp.MustCompile(`" +`)

// inputs are the case's series in promtool's form.
func (c defaultCase) inputs() (all []testSeries) {
	for _, s := range c.series {
		name, rest, _ := strings.Cut(strings.TrimSuffix(s[0], "}"), "{")
		if rest != "" {
			rest = "," + rest
		}
		for i, machine := range []string{"bad", "good"} {
			if values := s[i+1]; values != "-" {
				all = append(all, testSeries{Series: fmt.Sprintf(`%s{instance=%q,%s%s}`, name, machine, c.common, rest), Values: values})
			}
		}
	}
	return all
}

// defaultAlerts are the default rules by alert, each with the topic it stands in and a file that has nothing else.
func defaultAlerts(t *testing.T) (topics, files map[string]string) {
	t.Helper()
	topics, files = map[string]string{}, map[string]string{}
	dir := t.TempDir()
	for _, topic := range Topics() {
		text, err := DefaultText(topic)
		if err != nil {
			t.Fatal(err)
		}
		groups, errs := parse([]byte(text), parser.NewParser(parser.Options{}))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if topics[r.Alert] != "" {
					t.Errorf("two rules are called %s", r.Alert)
				}
				g.Rules = []rulefmt.Rule{r}
				topics[r.Alert], files[r.Alert] = topic, filepath.Join(dir, r.Alert+".yml")
				write(t, files[r.Alert], yamlText(rulefmt.RuleGroups{Groups: []rulefmt.RuleGroup{g}}))
			}
		}
	}
	return topics, files
}

// TestDefaultRules runs each rule over a machine on which it must fire and one on which it must not, as a unit test in promtool's form.
func TestDefaultRules(t *testing.T) {
	topics, rules := defaultAlerts(t)
	files := map[string]*strings.Builder{}
	tested := map[string]bool{"Watchdog": true, "HostLate": true}
	var alone []string
	for _, c := range readDefaultCases(t) {
		topic := topics[c.alert]
		if topic == "" {
			t.Errorf("there is no default rule %s", c.alert)
			continue
		}
		tested[c.alert] = true
		if files[topic] == nil {
			files[topic] = &strings.Builder{}
			fmt.Fprintf(files[topic], "# Made of rule/testdata/defaults.txt; `promtool test rules` runs it too.\nrule_files: [../%s.yml]\nevaluation_interval: 1m\ntests:\n", topic)
		}
		text := c.test(t, rules[c.alert])
		files[topic].WriteString(text)
		alone = append(alone, strings.TrimSuffix(rules[c.alert], ".yml")+"_test.yml")
		write(t, alone[len(alone)-1], "rule_files: ["+c.alert+".yml]\nevaluation_interval: 1m\ntests:\n"+text)
	}
	for alert := range topics {
		if !tested[alert] {
			t.Errorf("%s has no case in testdata/defaults.txt", alert)
		}
	}
	for topic, text := range files {
		golden(t, filepath.Join(testsFolder, topic+"_test.yml"), text.String())
	}
	t.Run("promtool", func(t *testing.T) { promtoolAgrees(t, alone) })
}

// promtoolAgrees runs cases in the program whose form they have, each with its rule alone: with those of the whole topic it takes long.
func promtoolAgrees(t *testing.T, tests []string) {
	program, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian: prometheus)")
	}
	out, err := exec.CommandContext(t.Context(), program, append([]string{"test", "rules"}, tests...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestHostLate has samples that arrive late, as no file of tests can say it.
func TestHostLate(t *testing.T) {
	f := &TestFile{RuleFiles: []string{"defaults/monitoring.yml"}, EvaluationInterval: model.Duration(time.Minute)}
	fires := func(late time.Duration) bool {
		g := &testGroup{Name: "late", Interval: model.Duration(time.Minute), late: late,
			InputSeries:    []testSeries{{Series: `up{instance="a",job="node"}`, Values: "1x30"}},
			AlertRuleTests: []alertTest{{EvalTime: model.Duration(20 * time.Minute), Alertname: "HostLate"}}}
		return len(g.probe(t, f)) > 0
	}
	if fires(time.Minute) {
		t.Error("it fires about a host whose samples are a minute old")
	}
	if !fires(3 * time.Minute) {
		t.Error("it does not fire about a host whose samples are three minutes old")
	}
}

// TestWatchdog fires at once and always.
func TestWatchdog(t *testing.T) {
	f := &TestFile{RuleFiles: []string{"defaults/monitoring.yml"}, EvaluationInterval: model.Duration(time.Minute)}
	g := &testGroup{Interval: model.Duration(time.Minute), AlertRuleTests: []alertTest{{Alertname: "Watchdog"}}}
	if len(g.probe(t, f)) != 1 {
		t.Error("it does not fire")
	}
}

// test runs a case and returns it in promtool's form, with what fired.
func (c defaultCase) test(t *testing.T, rules string) string {
	t.Helper()
	at, err := model.ParseDuration(c.at)
	if err != nil {
		t.Fatal(err)
	}
	g := &testGroup{Name: c.alert, Interval: model.Duration(time.Minute), InputSeries: c.inputs(),
		AlertRuleTests: []alertTest{{EvalTime: at, Alertname: c.alert}}}
	f := &TestFile{RuleFiles: []string{rules}, EvaluationInterval: model.Duration(time.Minute)}
	fired := g.probe(t, f)
	if len(fired) == 0 {
		t.Errorf("%s does not fire", c.alert)
	}
	out := map[string]any{"name": c.alert, "interval": "1m", "input_series": seriesYAML(g.InputSeries)}
	expected := []any{}
	for _, a := range fired {
		if a.labels.Get("instance") == "good" || a.labels.Get("cluster") == "alone" {
			t.Errorf("%s fires on the good machine: %s", c.alert, a)
		}
		if a.labels.Get("severity") == "" || a.annotations.Get("summary") == "" || a.annotations.Get("description") == "" {
			t.Errorf("%s lacks a severity, summary or description: %s", c.alert, a)
		}
		if text := a.annotations.String(); strings.Contains(text, "no value") || strings.Contains(text, "error") && strings.Contains(text, "template") {
			t.Errorf("%s: a template fails: %s", c.alert, text)
		}
		b := labels.NewBuilder(a.labels).Del(labels.AlertName)
		expected = append(expected, map[string]any{"exp_labels": b.Labels().Map(), "exp_annotations": a.annotations.Map()})
	}
	out["alert_rule_test"] = []any{map[string]any{"alertname": c.alert, "eval_time": c.at, "exp_alerts": expected}}
	text, err := yaml.Marshal([]any{out})
	if err != nil {
		t.Fatal(err)
	}
	return "  " + strings.ReplaceAll(strings.TrimSuffix(string(text), "\n"), "\n", "\n  ") + "\n"
}

func seriesYAML(all []testSeries) (out []map[string]string) {
	for _, s := range all {
		out = append(out, map[string]string{"series": s.Series, "values": s.Values})
	}
	return out
}

// probe returns what fires at the time of the group's only test.
func (g *testGroup) probe(t *testing.T, f *TestFile) []told {
	t.Helper()
	var fired []told
	for _, err := range g.runAnd(t.Context(), f, nil, TestOptions{Parser: parser.NewParser(parser.Options{})}, func(r *testRun) {
		fired = r.firing(g.AlertRuleTests[0].Alertname)
		slices.SortFunc(fired, compareTold)
	}) {
		if !strings.Contains(err.Error(), "exp: nothing") {
			t.Errorf("%s: %v", g.Name, err)
		}
	}
	return fired
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		write(t, file, text)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("%s is not what came; run with -update and look at the difference", file)
	}
}

// TestWrittenTestsPass runs one of the files that are kept.
func TestWrittenTestsPass(t *testing.T) {
	report, err := TestRules(t.Context(), testsFolder+"/certificates_test.yml", TestOptions{})
	if err != nil || len(report.Failures()) > 0 || len(report.Cases) == 0 {
		t.Errorf("%v %v", err, report.Failures())
	}
}

// metricsElsewhere are names that default rules ask for and that no list in this repository has, with who emits them.
var metricsElsewhere = map[string]string{
	"alertmanager_notifications_failed_total":   "Alertmanager's notify package, inside",
	"haproxy_backend_status":                    "HAProxy's own page",
	"haproxy_server_status":                     "HAProxy's own page",
	"rabbitmq_alarms_memory_used_watermark":     "RabbitMQ's own page",
	"rabbitmq_alarms_free_disk_space_watermark": "RabbitMQ's own page",
	"rabbitmq_process_open_fds":                 "RabbitMQ's own page",
	"rabbitmq_process_max_fds":                  "RabbitMQ's own page",
	"coredns_dns_responses_total":               "CoreDNS' own page",
	"redis_cluster_state":                       "collect/services: of a cluster only",
	"redis_master_link_up":                      "collect/services: of a replica only",
	"mysql_slave_status_seconds_behind_master":  "collect/services: of a replica only",
	"varnish_main_sess_dropped":                 "collect/services: of versions that have it",
	"probe_ssl_earliest_cert_expiry":            "checks that speak TLS",
	"node_systemd_service_restart_total":        "collect/host: the collector systemd with restarts",
	"node_systemd_unit_state":                   "collect/host: the collector systemd",
	"node_kernel_hung_tasks_total":              "collect/host",
	"up":                                        "every target",
	"node_filesystem_files":                     "node_exporter: not in its golden file, which is of no real machine",
	"node_filesystem_files_free":                "node_exporter",
	"node_filesystem_avail_bytes":               "node_exporter",
	"node_filesystem_size_bytes":                "node_exporter",
	"node_filesystem_readonly":                  "node_exporter",
	"node_filesystem_device_error":              "node_exporter",
	"node_memory_MemAvailable_bytes":            "node_exporter",
	"node_timex_sync_status":                    "node_exporter",
	"node_timex_offset_seconds":                 "node_exporter",
	"node_timex_maxerror_seconds":               "node_exporter",
	"namedprocess_namegroup_worst_fd_ratio":     "collect/process: a name made of two",
	"namedprocess_namegroup_states":             "collect/process: a name made of two",
	"mysql_global_variables_max_connections":    "collect/services: a name made of two",
}

// TestDefaultRulesAskForWhatIsCollected looks each metric name of the rules up among those that collectors are known to emit:
// the golden files and tables of collect/services and node_exporter's own golden file. Hulotte's own names are looked up in
// the running program by the end-to-end tests.
func TestDefaultRulesAskForWhatIsCollected(t *testing.T) {
	known := knownNames(t)
	for name, alert := range askedNames(t) {
		if strings.HasPrefix(name, "hulotte_") || strings.HasPrefix(name, "prometheus_") {
			continue
		}
		if !known[strings.TrimSuffix(name, "_count")] && !known[name] && metricsElsewhere[name] == "" {
			t.Errorf("%s asks for %s, which nothing emits", alert, name)
		}
	}
}

// askedNames are the metric names in the default rules, each with an alert that asks for it.
func askedNames(t *testing.T) map[string]string {
	t.Helper()
	names, p := map[string]string{}, parser.NewParser(parser.Options{})
	for _, topic := range Topics() {
		text, err := DefaultText(topic)
		if err != nil {
			t.Fatal(err)
		}
		groups, _ := parse([]byte(text), p)
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				expr, err := p.ParseExpr(r.Expr)
				if err != nil {
					t.Fatal(err)
				}
				parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
					if v, ok := n.(*parser.VectorSelector); ok {
						names[v.Name] = r.Alert
					}
					return nil
				})
			}
		}
	}
	return names
}

var metricName = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]{3,}`)

func knownNames(t *testing.T) map[string]bool {
	t.Helper()
	dir, err := exec.CommandContext(context.Background(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/node_exporter").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(strings.TrimSpace(string(dir)), "collector/fixtures/e2e-output.txt")}
	for _, pattern := range []string{"../collect/services/testdata/*.golden", "../collect/services/names/*.txt", "../collect/services/*.go", "../collect/process/*.go", "../collect/host/testdata/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	known := map[string]bool{}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range metricName.FindAll(bytes.TrimSpace(text), -1) {
			known[string(name)] = true
		}
	}
	return known
}
