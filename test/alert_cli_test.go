package test

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// TestAlertCommands: what happens to an alert, from the command line of the real binary.
func TestAlertCommands(t *testing.T) {
	h := newHook(t)
	p := harness.Start(t, harness.Options{Config: `
alerting:
  route:
    receiver: pages
    group_by: [alertname]
    group_wait: 100ms
    routes: [{matchers: [team="db"], receiver: team-db}]
  receivers:
  - name: pages
  - {name: team-db, webhook_configs: [{url: "` + h.URL + `"}]}
`})
	run := func(code int, want string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), harness.Binary(t), append(append([]string{"alert"}, args...), "--server", p.URL)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code || !regexp.MustCompile(want).Match(out) {
			t.Errorf("hulotte alert %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, want, out)
		}
		return strings.TrimSpace(string(out))
	}
	run(0, "It would be told to team-db by webhook 100ms after it fires", "explain", "Any", "team=db")
	post(t, p.URL+"/api/v2/alerts", `[{"labels":{"alertname":"DiskFull","team":"db","host":"db1","severity":"critical"},"annotations":{"summary":"It is full"}}]`)
	h.eventually(t, "firing: DiskFull critical db1")
	run(0, `DiskFull +critical +active .*host=db1 team=db +It is full +[0-9a-f]{16}`, "list", "severity=critical")
	run(0, "1 alerts", "ack", "DiskFull", "--comment", "Anna makes room", "--for", "1h")
	run(0, `not again: acknowledged by .* \(Anna makes room\)`, "explain", "DiskFull")
	id := run(0, "^[0-9a-f-]{36}", "silence", "host=~db.+", "--comment", "new disk")
	run(0, id+` +active .*host=~"db.\+" +new disk`, "silence", "--list")
	run(0, `webhook\[0\]: told`, "test", "team-db")
}

func post(t *testing.T, url, body string) {
	t.Helper()
	res, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
}
