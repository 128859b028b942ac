package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/config"
)

// testApp is Run in this test process.
type testApp struct {
	url    string
	file   string // the configuration
	dir    string
	log    string // file
	cancel context.CancelFunc
	done   chan error
}

// run starts Hulotte on a free port and waits until it is ready. The host's own metrics are off: their collectors have
// their own tests.
func run(t *testing.T, role config.Role, text string) *testApp {
	t.Helper()
	dir := t.TempDir()
	p := &testApp{file: filepath.Join(dir, "hulotte.yml"), dir: filepath.Join(dir, "data"), log: filepath.Join(dir, "log"), done: make(chan error, 1)}
	p.write(t, text)
	p.start(t, role)
	p.waitReady(t)
	return p
}

// start runs it with the configuration that is written.
func (p *testApp) start(t *testing.T, role config.Role) {
	t.Helper()
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() {
		defer out.Close()
		p.done <- Run(ctx, Options{Sources: p.sources(role), Build: Build{Version: "test"}, Log: out})
	}()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Log(p.logText(t))
		}
	})
}

func (p *testApp) sources(role config.Role) config.Sources {
	return config.Sources{File: p.file, Role: role, Flags: []config.Flag{
		{Name: "--data-dir", Key: "data_dir", Value: p.dir},
		{Name: "--listen", Key: "server.listen", Value: "127.0.0.1:0"},
		{Name: "none", Key: "logs.enabled", Value: "false"}, // this machine's are none of the tests' business
		{Name: "none", Key: "monitoring.discovery.enabled", Value: "false"},
	}}
}

func (p *testApp) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(p.file, []byte("host: {enabled: false}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *testApp) waitReady(t *testing.T) {
	t.Helper()
	p.eventually(t, func() error {
		addr, err := os.ReadFile(filepath.Join(p.dir, addrFile))
		if err != nil {
			return err
		}
		p.url = "http://" + strings.TrimSpace(string(addr))
		if code, body := p.ask(t, "GET", readyPath); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// eventually polls: the process runs on a real clock and real sockets.
func (p *testApp) eventually(t *testing.T, f func() error) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case end := <-p.done:
			t.Fatalf("Run ended: %v", end)
		case <-deadline:
			t.Fatalf("not in time: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (p *testApp) ask(t *testing.T, method, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (p *testApp) logText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p *testApp) stop(t *testing.T) error {
	t.Helper()
	p.cancel()
	return <-p.done
}

func TestRunAndStop(t *testing.T) {
	p := run(t, config.Both, "")
	if n := strings.Count(p.logText(t), "open "+p.url+"/ in a browser"); n != 1 {
		t.Errorf("%d lines tell where to look, want 1", n)
	}
	p.eventually(t, func() error {
		if _, body := p.ask(t, "GET", "/api/v1/query?query=hulotte_build_info"); !strings.Contains(body, `"version":"test"`) {
			return fmt.Errorf("own metrics are not there: %s", body)
		}
		return nil
	})
	if code, _ := p.ask(t, "GET", "/api/v1/nothing"); code != 404 {
		t.Errorf("unknown API path: %d", code)
	}
	if err := p.stop(t); err != nil {
		t.Errorf("Run = %v", err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, addrFile)); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", addrFile, err)
	}
}

func TestSecondProcessOnTheSameFolder(t *testing.T) {
	p := run(t, config.Both, "")
	err := Run(t.Context(), Options{Sources: p.sources(config.Both), Log: os.Stderr})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("second Run = %v", err)
	}
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

func TestUnusableDataFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := &testApp{dir: filepath.Join(file, "data"), file: filepath.Join(t.TempDir(), "hulotte.yml")}
	p.write(t, "")
	err := Run(t.Context(), Options{Sources: p.sources(config.Both), Log: os.Stderr})
	if err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("Run = %v", err)
	}
}

func TestReload(t *testing.T) {
	p := run(t, config.Both, "")
	metric := func(name string) string {
		t.Helper()
		_, body := p.ask(t, "GET", "/metrics")
		for line := range strings.Lines(body) {
			if v, ok := strings.CutPrefix(line, name+" "); ok {
				return strings.TrimSpace(v)
			}
		}
		return "missing"
	}
	reload := func(text string, want int, words ...string) {
		t.Helper()
		p.write(t, text)
		code, body := p.ask(t, "POST", "/-/reload")
		if code != want {
			t.Errorf("%q: %d %s, want %d", text, code, body, want)
		}
		for _, w := range words {
			if !strings.Contains(body, w) {
				t.Errorf("%q: answer %q lacks %q", text, body, w)
			}
		}
	}
	const job = "scrape_configs: [{job_name: %s, static_configs: [{targets: ['127.0.0.1:1']}]}]\n"
	reload(fmt.Sprintf(job, "one"), 200)
	if _, body := p.ask(t, "GET", "/api/v1/status/config"); !strings.Contains(body, "one") {
		t.Errorf("configuration: %s", body)
	}
	if got := metric("hulotte_config_last_reload_successful"); got != "1" {
		t.Errorf("successful = %s", got)
	}

	reload(fmt.Sprintf(job, "two")+"serber: {}\n", 500, "hulotte.yml:3", "serber", `did you mean`)
	if _, body := p.ask(t, "GET", "/api/v1/status/config"); !strings.Contains(body, "one") || strings.Contains(body, "two") {
		t.Errorf("configuration after a bad file: %s", body)
	}
	if got := metric("hulotte_config_last_reload_successful"); got != "0" {
		t.Errorf("successful = %s", got)
	}
	if _, body := p.ask(t, "GET", "/api/v1/notifications"); !strings.Contains(body, "serber") {
		t.Errorf("notifications: %s", body)
	}
	if !strings.Contains(p.logText(t), "the old one stays in force") {
		t.Error("the log does not tell of the bad file")
	}

	p.write(t, "server: {idle_timeout: 9s}\nlog: {level: debug}\n"+fmt.Sprintf(job, "three"))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.eventually(t, func() error {
		if _, body := p.ask(t, "GET", "/api/v1/status/config"); !strings.Contains(body, "three") {
			return fmt.Errorf("configuration after SIGHUP: %s", body)
		}
		if !strings.Contains(p.logText(t), `"keys":"server.idle_timeout"`) {
			return fmt.Errorf("the log does not name the key that needs a restart")
		}
		return nil
	})
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

func TestReloadChangesUsers(t *testing.T) {
	p := run(t, config.Both, "")
	p.write(t, "server: {users: {alice: $2y$05$KmbPJLVVVt8Wk7dwB/vCEOEnNRPz8ULKp0C5b/nU7GAlYhhqhc2Bm}}\n")
	if code, body := p.ask(t, "PUT", "/-/reload"); code != 200 {
		t.Fatalf("reload: %d %s", code, body)
	}
	if code, _ := p.ask(t, "GET", "/metrics"); code != 401 {
		t.Errorf("without a user: %d", code)
	}
	if code, _ := p.ask(t, "GET", readyPath); code != 200 {
		t.Errorf("a probe: %d", code)
	}
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

func TestRuleFilesAreEvaluated(t *testing.T) {
	p := run(t, config.Both, "global: {evaluation_interval: 100ms}\nrule_files: [rules.yml]\n")
	rules := filepath.Join(filepath.Dir(p.file), "rules.yml")
	if err := os.WriteFile(rules, []byte("groups: [{name: g, rules: [{record: answer, expr: '42'}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, body := p.ask(t, "POST", "/-/reload"); code != 200 {
		t.Fatalf("reload: %d %s", code, body)
	}
	p.eventually(t, func() error {
		if _, body := p.ask(t, "GET", "/api/v1/query?query=answer"); !strings.Contains(body, `"42"`) {
			return fmt.Errorf("got %s", body)
		}
		return nil
	})
	if err := os.WriteFile(rules, []byte("groups: [{name: g, rules: [{record: answer, expr: 'sum('}]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, body := p.ask(t, "POST", "/-/reload"); code != 500 || !strings.Contains(body, "rules.yml") {
		t.Errorf("reload of a faulty rule file: %d %s", code, body)
	}
	if err := p.stop(t); err != nil {
		t.Error(err)
	}
}

// What an agent collects arrives at its server, also when the server was away.
func TestAgent(t *testing.T) {
	server := run(t, config.ServerRole, "")
	agent := run(t, config.AgentRole, "agent: {server: '"+server.url+"', tenant: team-a}\nglobal: {external_labels: {site: north}}\n")
	server.eventually(t, func() error {
		r, err := http.NewRequest(http.MethodGet, server.url+"/api/v1/query?query=hulotte_build_info", nil)
		if err != nil {
			return err
		}
		r.Header.Set("X-Scope-OrgID", "team-a")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); !strings.Contains(string(body), `"site":"north"`) {
			return fmt.Errorf("the server has %s", body)
		}
		return nil
	})
	if code, body := agent.ask(t, "GET", "/metrics"); code != 200 || !strings.Contains(body, "hulotte_store_forward_sent_samples_total") {
		t.Errorf("metrics of the agent: %d %s", code, body)
	}
	if code, body := agent.ask(t, "POST", "/-/reload"); code != 200 {
		t.Errorf("reload of the agent: %d %s", code, body)
	}
	if code, _ := agent.ask(t, "GET", "/api/v1/query?query=up"); code != 404 {
		t.Errorf("an agent answers queries: %d", code)
	}
	if err := agent.stop(t); err != nil {
		t.Error(err)
	}
	if err := server.stop(t); err != nil {
		t.Error(err)
	}
}

// What one Hulotte keeps goes on to the destinations of remote_write.
func TestRemoteWrite(t *testing.T) {
	to := run(t, config.Both, "")
	from := run(t, config.Both, "remote_write: [{url: '"+to.url+"/api/v1/write'}]\nglobal: {external_labels: {site: south}}\n")
	to.eventually(t, func() error {
		if _, body := to.ask(t, "GET", "/api/v1/query?query=hulotte_build_info"); !strings.Contains(body, `"site":"south"`) {
			return fmt.Errorf("nothing has arrived: %s", body)
		}
		return nil
	})
	for _, p := range []*testApp{from, to} {
		if err := p.stop(t); err != nil {
			t.Error(err)
		}
	}
}

func TestAgentNeedsAServer(t *testing.T) {
	_, err := config.Load(config.Sources{Role: config.AgentRole})
	if err == nil || !strings.HasPrefix(err.Error(), "agent.server: is not set") {
		t.Errorf("Load = %v", err)
	}
}
