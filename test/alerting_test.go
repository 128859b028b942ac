package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/test/harness"
)

// hook is a webhook server that notes what it is told.
type hook struct {
	URL string

	mu   sync.Mutex
	told []string
}

// newHook starts one. A line of what it notes is "firing: name severity host, …", sorted.
func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var message struct {
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		if err == nil {
			err = json.Unmarshal(body, &message)
		}
		if err != nil {
			t.Errorf("webhook: %v\n%s", err, body)
		}
		var lines []string
		for _, a := range message.Alerts {
			lines = append(lines, strings.TrimSpace(a.Status+": "+a.Labels["alertname"]+" "+a.Labels["severity"]+" "+a.Labels["host"]))
		}
		slices.Sort(lines)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, strings.Join(lines, ", "))
	}))
	t.Cleanup(s.Close)
	h.URL = s.URL
	return h
}

func (h *hook) eventually(t *testing.T, want ...string) {
	t.Helper()
	harness.Eventually(t, 20*time.Second, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !slices.Equal(h.told, want) {
			return fmt.Errorf("told %q, want %q", h.told, want)
		}
		return nil
	})
}

// alertmanagerConfig is one that a real Alertmanager takes as well.
const alertmanagerConfig = `
route:
  receiver: everyone
  group_by: [alertname]
  group_wait: 100ms
  group_interval: 200ms
  routes:
  - receiver: databases
    matchers: [service=~"postgres|mysql"]
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [host]
receivers:
- name: everyone
  webhook_configs: [{url: "$HOOK"}]
- name: databases
  webhook_configs: [{url: "$HOOK"}]
`

// toolBinary builds a command of a module that go.mod names as a tool.
func toolBinary(t *testing.T, pkg string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-o", binary, pkg)
	cmd.Dir = harness.Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return binary
}

// Everything that amtool does against an Alertmanager it does against Hulotte.
func TestAmtool(t *testing.T) {
	h := newHook(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "alertmanager.yml")
	harness.WriteFile(t, file, strings.ReplaceAll(alertmanagerConfig, "$HOOK", h.URL))
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\nmonitoring: {enabled: false}\nalerting: {config: " + file + ", default_rules: false}\n"})
	amtool := toolBinary(t, "github.com/prometheus/alertmanager/cmd/amtool")
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(amtool, append([]string{"--alertmanager.url=" + p.URL}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("amtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	f := func(want string, args ...string) {
		t.Helper()
		if out := run(args...); !strings.Contains(out, want) {
			t.Errorf("amtool %s:\n%s\nwant %s", strings.Join(args, " "), out, want)
		}
	}
	f("SUCCESS", "check-config", file)
	f("receiver: everyone", "config", "show")
	f(`{service=~"postgres|mysql"}  receiver: databases`, "config", "routes", "show")
	f("databases", "config", "routes", "test", "service=mysql")
	f("everyone", "config", "routes", "test", "service=web")
	f("", "alert", "add", "alertname=Slow", "severity=critical", "host=web1", "service=web", "--annotation=summary=it is")
	h.eventually(t, "firing: Slow critical web1")
	f("", "alert", "add", "alertname=Slower", "severity=warning", "host=web1")
	f("Slow ", "alert", "query")
	f(`alertname="Slow" host="web1" service="web" severity="critical"  summary="it is"`, "alert", "query", "-o", "extended", "severity=critical")
	f("Slower", "alert", "query", "--inhibited")
	id := run("silence", "add", "alertname=Slow", "host=~web.", "--author=ann", "--comment=on it", "--duration=1h")
	f(id, "silence", "query", "host=~web.")
	f("suppressed", "alert", "query", "--silenced")
	f("ann", "silence", "query", "--created-by=ann")
	f(id, "silence", "update", "--duration=2h", "--comment=still", id)
	harness.WriteFile(t, filepath.Join(dir, "silences.json"), run("silence", "query", "-o", "json"))
	f("", "silence", "expire", id)
	f(id, "silence", "query", "--expired")
	f("", "silence", "import", filepath.Join(dir, "silences.json"))
	if left := run("silence", "query", "-q"); len(strings.Fields(left)) != 1 || left == id {
		t.Errorf("after the import: %q", left)
	}
	f("disabled", "cluster", "show")
	run("silence", "expire", run("silence", "query", "-q")) // first: what resolves while it is silenced is not told
	f("", "alert", "add", "alertname=Slow", "severity=critical", "host=web1", "service=web", "--end="+time.Now().Format(time.RFC3339))
	harness.Eventually(t, 20*time.Second, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !slices.Contains(h.told, "resolved: Slow critical web1") {
			return fmt.Errorf("told %q", h.told)
		}
		return nil
	})
	if status, body := p.Get(t, "/alertmanager/api/v2/status"); status != http.StatusOK || !strings.Contains(body, `"versionInfo"`) {
		t.Errorf("below /alertmanager: %d %s", status, body)
	}
}

// A Prometheus server that has Hulotte among its alerting.alertmanagers has people told by it: when an alert fires and when it is over.
func TestPrometheusSendsAlerts(t *testing.T) {
	prometheus := harness.Program(t, "prometheus", "prometheus")
	h := newHook(t)
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\nmonitoring: {enabled: false}\nalerting:\n  default_rules: false" +
		strings.ReplaceAll(strings.ReplaceAll(alertmanagerConfig, "\n", "\n  "), "$HOOK", h.URL) + "\n"})
	dir, addr := t.TempDir(), harness.FreeAddr(t)
	rules := func(expr string) {
		harness.WriteFile(t, filepath.Join(dir, "rules.yml"), "groups: [{name: g, interval: 1s, rules: [{alert: FromPrometheus, expr: "+expr+", labels: {severity: page}}]}]\n")
	}
	rules("vector(1)")
	harness.WriteFile(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {evaluation_interval: 1s, external_labels: {host: site-a}}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
`, strings.TrimPrefix(p.URL, "http://")))
	cmd := exec.Command(prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr, "--web.enable-lifecycle",
		"--rules.alert.resend-delay=1s") // it forgets the alerts of the seconds before it knows where to send them
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	h.eventually(t, "firing: FromPrometheus page site-a")
	rules("vector(1) < 0")
	resp, err := http.Post("http://"+addr+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	h.eventually(t, "firing: FromPrometheus page site-a", "resolved: FromPrometheus page site-a")
}

// A check's problem goes the way of all alerts; an acknowledgement of the check is seen by Alertmanager's clients as a silence. The rules of
// a prometheus.yml are told to our own routes and to its Alertmanagers. A restart tells nobody twice.
func TestProblemsAreTold(t *testing.T) {
	h, second := newHook(t), newHook(t)
	other := newAlertmanager(t)
	web := httptest.NewServer(http.NotFoundHandler())
	addr := strings.TrimPrefix(web.URL, "http://")
	web.Close()
	dir := t.TempDir()
	harness.WriteFile(t, filepath.Join(dir, "rules.yml"), "groups: [{name: g, interval: 1s, rules: [{alert: Always, expr: vector(1), labels: {severity: info}}]}]\n")
	harness.WriteFile(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf("rule_files: [rules.yml]\nalerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}\n", other.addr))
	config := func(h *hook) string {
		return "host: {enabled: false}\nprometheus: {config: " + filepath.Join(dir, "prometheus.yml") + "}\nalerting:\n  default_rules: false" +
			strings.ReplaceAll(strings.ReplaceAll(alertmanagerConfig, "\n", "\n  "), "$HOOK", h.URL) + `
monitoring:
  discovery: {enabled: false}
  hosts: [{name: web1, address: 127.0.0.1}]
  checks: [{host: web1, name: web, tcp: {port: ` + addr[strings.LastIndexByte(addr, ':')+1:] + `}, interval: 1s, retry_interval: 1s, max_attempts: 1}]
`
	}
	p := harness.Start(t, harness.Options{Config: config(h)})
	h.eventuallyHas(t, "firing: Always info", "firing: CheckProblem critical web1")
	harness.Eventually(t, 20*time.Second, func() error { return other.has("Always") })
	if _, body := p.Get(t, "/api/v1/alertmanagers"); !strings.Contains(body, other.addr+"/api/v2/alerts") {
		t.Errorf("/api/v1/alertmanagers: %s", body)
	}
	_, body := p.Get(t, "/api/hulotte/v1/alerts?matcher=alertname%3DCheckProblem")
	var list struct {
		Data struct{ Alerts []alert.Alert }
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data.Alerts) != 1 {
		t.Fatalf("alerts: %s, %v", body, err)
	}
	if _, body := p.Get(t, "/api/hulotte/v1/alert/explain?label=alertname%3DCheckProblem&label=host%3Dweb1&label=severity%3Dcritical"); !strings.Contains(body, `"receiver":"everyone"`) {
		t.Errorf("explain: %s", body)
	}
	harness.Eventually(t, 10*time.Second, func() error {
		if _, body := p.Get(t, "/api/hulotte/v1/deliveries"); strings.Count(body, `"integration":"webhook"`) != 2 || strings.Contains(body, `"ok":false`) {
			return fmt.Errorf("deliveries: %s", body)
		}
		return nil
	})
	postChecks(t, p, "../alerts/ack", map[string]any{"fingerprints": []string{list.Data.Alerts[0].Fingerprint}, "comment": "on it"})
	if _, body := p.Get(t, "/api/hulotte/v1/check?id=web1/web"); !strings.Contains(body, `"comment":"on it"`) {
		t.Errorf("the check does not know of the acknowledgement: %s", body)
	}
	harness.Eventually(t, 20*time.Second, func() error {
		if _, body := p.Get(t, "/api/v2/silences"); !strings.Contains(body, `"hulotte_check":"ack web1/web"`) || !strings.Contains(body, `"comment":"on it"`) {
			return fmt.Errorf("silences: %s", body)
		}
		return nil
	})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	p = harness.Start(t, harness.Options{Config: config(second), DataDir: p.DataDir})
	harness.Eventually(t, 20*time.Second, func() error {
		_, body := p.Get(t, "/api/v2/alerts")
		if strings.Count(body, `"fingerprint"`) != 2 || !strings.Contains(body, `"state":"suppressed"`) {
			return fmt.Errorf("alerts: %s", body)
		}
		return nil
	})
	time.Sleep(time.Second) // five group intervals: time enough to tell again
	if second.told != nil {
		t.Errorf("told again after a restart: %q", second.told)
	}
}

// eventuallyHas waits for lines in any order, and for no others.
func (h *hook) eventuallyHas(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	harness.Eventually(t, 20*time.Second, func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if got := slices.Sorted(slices.Values(h.told)); !slices.Equal(got, want) {
			return fmt.Errorf("told %q, want %q", got, want)
		}
		return nil
	})
}

// alertmanager takes alerts, as Alertmanager does.
type alertmanager struct {
	addr string
	mu   sync.Mutex
	body string
}

func newAlertmanager(t *testing.T) *alertmanager {
	t.Helper()
	a := &alertmanager{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.body += r.URL.Path + " " + string(body)
	}))
	t.Cleanup(s.Close)
	a.addr = strings.TrimPrefix(s.URL, "http://")
	return a
}

func (a *alertmanager) has(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasPrefix(a.body, "/api/v2/alerts [") || !strings.Contains(a.body, `"alertname":"`+name+`"`) {
		return fmt.Errorf("got %q", a.body)
	}
	return nil
}
