package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// logStats asks how many records match a selector, and how many streams hold them.
func logStats(t *testing.T, p *harness.Process, selector string) (streams, entries int) {
	t.Helper()
	q := url.Values{"query": {selector}, "start": {"2026-01-01T00:00:00Z"}, "end": {"2027-01-01T00:00:00Z"}}
	var out struct{ Streams, Entries int }
	logsGet(t, p, "/loki/api/v1/index/stats?"+q.Encode(), &out)
	return out.Streams, out.Entries
}

func logsGet(t *testing.T, p *harness.Process, path string, into any) {
	t.Helper()
	res, err := http.Get(p.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, res.Status, body, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
}

// waitEntries waits until exactly so many records match.
func waitEntries(t *testing.T, p *harness.Process, selector string, want int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
		_, entries := logStats(t, p, selector)
		if entries == want {
			return
		}
		if time.Now().After(deadline) || entries > want {
			t.Fatalf("%s has %d records, want %d\n%s", selector, entries, want, p.Log())
		}
	}
}

// machine makes a root folder as it is on a machine with a web server and a container.
func machine(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	id := strings.Repeat("0123456789abcdef", 4)
	for path, text := range map[string]string{
		"var/log/nginx/access.log": `203.0.113.9 - - [23/Nov/2026:04:40:01 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"` + "\n" +
			`203.0.113.9 - - [23/Nov/2026:04:40:02 +0000] "GET /b?password=hunter2 HTTP/1.1" 502 12 "-" "curl/8"` + "\n",
		"var/log/shop/orders.log": "2026-11-23 04:40:00,123 INFO [main] com.acme.Main - start\n" +
			"2026-11-23 04:40:01,123 ERROR [main] com.acme.Orders - cannot place order\njava.lang.IllegalStateException: no stock\n\tat com.acme.Orders.place(Orders.java:42)\n",
		"var/lib/docker/containers/" + id + "/config.v2.json":      `{"Name":"/shop-db-1","Config":{"Labels":{"com.docker.compose.service":"db"}}}`,
		"var/lib/docker/containers/" + id + "/" + id + "-json.log": `{"log":"database is ready\n","stream":"stderr","time":"2026-11-23T04:40:05.5Z"}` + "\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		harness.WriteFile(t, path, text)
	}
	return root
}

// followIn makes a process follow the logs below a root.
func followIn(root string) []string {
	return []string{"HULOTTE_LOGS_ENABLED=true", "HULOTTE_HOST_ROOTFS=" + root, "HULOTTE_HOST_ENABLED=false", "HULOTTE_HOST_INSTANCE=web-1", "HULOTTE_HOST_PROCFS=" + root}
}

// With nothing configured, what is on a machine is found, with its labels.
func TestLogsOfABareMachine(t *testing.T) {
	p := harness.Start(t, harness.Options{Env: followIn(machine(t))})
	waitEntries(t, p, `{instance="web-1", service_name="nginx", filename="/var/log/nginx/access.log", job="files"}`, 2)
	waitEntries(t, p, `{instance="web-1", service_name="shop", filename="/var/log/shop/orders.log"}`, 2) // the trace is one record
	waitEntries(t, p, `{instance="web-1", service_name="db", container="shop-db-1", stream="stderr", job="containers"}`, 1)
	if streams, _ := logStats(t, p, `{instance="web-1"}`); streams != 3 {
		t.Errorf("%d streams", streams)
	}
	f := func(query string, want ...string) {
		t.Helper()
		got := logLines(t, p, query)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	f(`{service_name="db"}`, "database is ready")
	f(`{service_name="nginx"} | detected_level="error"`, `203.0.113.9 - - [23/Nov/2026:04:40:02 +0000] "GET /b?password=hunter2 HTTP/1.1" 502 12 "-" "curl/8"`)
	f(`{service_name="nginx"} | http_response_status_code="200" | line_format "{{.client_address}} {{.url_original}}"`, "203.0.113.9 /a")
	f(`{service_name="shop"} |= "no stock"`, "2026-11-23 04:40:01,123 ERROR [main] com.acme.Orders - cannot place order\njava.lang.IllegalStateException: no stock\n\tat com.acme.Orders.place(Orders.java:42)")
}

// logLines returns the lines that a query finds.
func logLines(t *testing.T, p *harness.Process, query string) (lines []string) {
	t.Helper()
	q := url.Values{"query": {query}, "start": {"2026-01-01T00:00:00Z"}, "end": {"2027-01-01T00:00:00Z"}, "limit": {"5000"}}
	var out struct {
		Data struct {
			Result []struct{ Values [][]string }
		}
	}
	logsGet(t, p, "/loki/api/v1/query_range?"+q.Encode(), &out)
	for _, s := range out.Data.Result {
		for _, v := range s.Values {
			lines = append(lines, v[1])
		}
	}
	return lines
}

// An agent sends what it follows. It is stopped, and the file grows and is rotated meanwhile: everything arrives, once.
func TestAgentSendsLogs(t *testing.T) {
	root := machine(t)
	server := harness.Start(t, harness.Options{Command: "server"})
	agent := harness.Start(t, harness.Options{
		Command: "agent", Env: followIn(root),
		Config: fmt.Sprintf("agent: {server: %q}\nglobal: {external_labels: {site: south}}\nlogs: {labels: {team: web}}\n", server.URL),
	})
	const orders = `{service_name="shop", site="south", team="web", instance="web-1"}`
	waitEntries(t, server, orders, 2)
	waitEntries(t, server, `{site="south"}`, 5)

	path := filepath.Join(root, "var/log/shop/orders.log")
	appendLines(t, path, 1, 1000)
	waitEntries(t, server, orders, 1002)
	if err := agent.Stop(); err != nil {
		t.Error(err)
	}
	appendLines(t, path, 2, 500)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendLines(t, path, 3, 500)
	harness.Start(t, harness.Options{
		Command: "agent", Env: followIn(root), DataDir: agent.DataDir,
		Config: fmt.Sprintf("agent: {server: %q}\nglobal: {external_labels: {site: south}}\nlogs: {labels: {team: web}}\n", server.URL),
	})
	waitEntries(t, server, orders, 2002)
}

// A process that is killed in the middle loses nothing of what it follows: what it acknowledged to itself is in its store, the rest is in the file.
func TestKilledWhileFollowing(t *testing.T) {
	root := machine(t)
	path := filepath.Join(root, "var/log/shop/orders.log")
	const orders = `{service_name="shop"}`
	p := harness.Start(t, harness.Options{Env: followIn(root)})
	waitEntries(t, p, orders, 2)
	dataDir, written := p.DataDir, 2
	for round := range 3 {
		appendLines(t, path, round, 3000)
		written += 3000
		waitSome(t, p, orders, written-2999)
		p.Kill()
		p = harness.Start(t, harness.Options{Env: followIn(root), DataDir: dataDir})
	}
	waitSome(t, p, orders, written)
	// Some are there twice: each line is different, and none is missing.
	harness.Eventually(t, time.Minute, func() error {
		distinct := map[string]bool{}
		for round := range 3 {
			for digit := range 10 { // an answer has 5,000 lines at most
				for _, line := range logLines(t, p, fmt.Sprintf("%s |= `round %d order %d`", orders, round, digit)) {
					distinct[line] = true
				}
			}
		}
		if len(distinct) != written-2 {
			return fmt.Errorf("%d different lines of %d", len(distinct), written-2)
		}
		return nil
	})
}

// waitSome waits until at least so many records match.
func waitSome(t *testing.T, p *harness.Process, selector string, least int) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		if _, entries := logStats(t, p, selector); entries < least {
			return fmt.Errorf("%s has %d records, want %d", selector, entries, least)
		}
		return nil
	})
}

func appendLines(t *testing.T, path string, round, n int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := fmt.Fprintf(f, "2026-11-23 04:41:00,%03d INFO [main] com.acme.Orders - round %d order %d of %d\n", i%1000, round, i, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
