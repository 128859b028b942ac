package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// liveWithin is what the product promises: this host's own data, seen by a user.
const liveWithin = 15 * time.Second

func TestBareStartShowsThisHost(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	harness.Eventually(t, liveWithin, func() error { return hasSeries(p, `node_uname_info and on(instance) node_load1`, 1) })
	harness.Eventually(t, liveWithin, func() error { return hasSeries(p, `up{job="hulotte"} == 1`, 1) })
	if code, body := p.Get(t, "/"); code != http.StatusOK || !strings.Contains(body, "Hulotte") {
		t.Errorf("GET / = %d %.200q, want a page", code, body)
	}
	if code, body := p.Get(t, "/api/hulotte/v1/overview"); code != http.StatusOK || !json.Valid([]byte(body)) {
		t.Errorf("the overview = %d %.200q, want JSON", code, body)
	}
}

func TestStopAndStartKeepsEverything(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	harness.Eventually(t, liveWithin, func() error { return hasSeries(p, `node_boot_time_seconds`, 1) })
	asked := fmt.Sprintf("%.3f", float64(time.Now().UnixMilli())/1000)
	before := answerAt(t, p, "node_boot_time_seconds", asked)
	if err := p.Stop(); err != nil {
		t.Fatalf("SIGTERM: %v, want exit status 0\n%s", err, p.Log())
	}
	// Without the host collector nothing new comes in: what is there was there before.
	again := harness.Start(t, harness.Options{Command: "server", DataDir: p.DataDir})
	if after := answerAt(t, again, "node_boot_time_seconds", asked); after != before {
		t.Errorf("after a restart the answer is\n%s\nwant\n%s", after, before)
	}
}

func TestSecondProcessOnTheSameFolderIsRefused(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	second := harness.Launch(t, harness.Options{DataDir: p.DataDir})
	if err := second.Wait(20 * time.Second); err == nil {
		t.Error("the second process ended without an error")
	}
	if want := fmt.Sprint(p.PID()); !strings.Contains(second.Log(), want) {
		t.Errorf("the error does not name the process %s that holds the folder:\n%s", want, second.Log())
	}
}

func TestReload(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "query:\n  timeout: 1m\n"})
	reload := func() (int, string) {
		t.Helper()
		res, err := http.Post(p.URL+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	harness.WriteFile(t, p.ConfigFile, "qery:\n  timeout: 1m\n")
	if code, body := reload(); code == http.StatusOK || !strings.Contains(body, `"query"`) && !strings.Contains(body, "query") {
		t.Errorf("reload of a bad file = %d %q, want an error that suggests query", code, body)
	}
	if code, _ := p.Get(t, "/-/ready"); code != http.StatusOK {
		t.Errorf("after a bad reload /-/ready = %d, want 200", code)
	}
	harness.WriteFile(t, p.ConfigFile, "global:\n  external_labels: {site: test}\n")
	if code, body := reload(); code != http.StatusOK {
		t.Errorf("reload of a good file = %d %q", code, body)
	}
	harness.WriteFile(t, p.ConfigFile, "global:\n  external_labels: {site: hup}\n")
	if err := p.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 10*time.Second, func() error {
		if _, body := p.Get(t, "/api/v1/status/config"); !strings.Contains(body, "site: hup") {
			return fmt.Errorf("the configuration in force is %s", body)
		}
		return nil
	})
}

func TestAgentReportsToServer(t *testing.T) {
	server := harness.Start(t, harness.Options{Command: "server"})
	agent := harness.Start(t, harness.Options{Command: "agent", Config: "agent:\n  server: " + server.URL + "\nhost:\n  instance: far-away\n"})
	harness.Eventually(t, 2*liveWithin, func() error { return hasSeries(server, `node_load1{instance="far-away"}`, 1) })
	harness.Eventually(t, liveWithin, func() error {
		if _, body := server.Get(t, "/api/hulotte/v1/overview"); !strings.Contains(body, "far-away") {
			return fmt.Errorf("the overview does not show the host: %.300s", body)
		}
		return nil
	})
	if err := agent.Stop(); err != nil {
		t.Errorf("SIGTERM of the agent: %v", err)
	}
}

func TestQueryCommand(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	harness.Eventually(t, liveWithin, func() error { return hasSeries(p, `node_load1`, 1) })
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(harness.Binary(t), append([]string{"query", "--server", p.URL}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("hulotte query %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("node_load1"); !strings.Contains(out, "node_load1") {
		t.Errorf("table:\n%s", out)
	}
	if out := run("--output", "json", "up"); !json.Valid([]byte(out)) {
		t.Errorf("not JSON:\n%s", out)
	}
	if out := run("--range", "5m", "--output", "csv", "up"); strings.Count(out, "\n") < 2 {
		t.Errorf("CSV:\n%s", out)
	}
}

// hasSeries returns an error unless an instant query has at least n series in its answer.
func hasSeries(p *harness.Process, expr string, n int) error {
	res, err := http.Get(p.URL + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Data.Result) < n {
		return fmt.Errorf("%s has %d series, want %d (%s)", expr, len(answer.Data.Result), n, answer.Error)
	}
	return nil
}

// answerAt returns the result of a query at one time, as the server wrote it.
func answerAt(t *testing.T, p *harness.Process, expr, at string) string {
	t.Helper()
	_, body := p.Get(t, "/api/v1/query?query="+url.QueryEscape(expr)+"&time="+at)
	var answer struct {
		Data struct{ Result json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if len(answer.Data.Result) < 3 {
		t.Fatalf("%s is empty at %s", expr, at)
	}
	return string(answer.Data.Result)
}
