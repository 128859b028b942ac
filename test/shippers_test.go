package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// pythonClients sends lines through clients from PyPI: Fluent's own logger, one for Graylog's format over UDP and TCP, and one for Loki.
const pythonClients = `
import logging, sys, time
from fluent import sender
import graypy, logging_loki
url, fluent, gelf = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
lines = ['plain', 'ünïcode ✓ "quoted"', 'two\nlines', '{"json": true}']
s = sender.FluentSender('shop.web', host='127.0.0.1', port=fluent)
for line in lines:
    assert s.emit(None, {'message': line, 'user': {'id': 7}}), s.last_error
s.close()
for name, handler in (('udp', graypy.GELFUDPHandler('127.0.0.1', gelf)), ('tcp', graypy.GELFTCPHandler('127.0.0.1', gelf)),
                      ('loki', logging_loki.LokiHandler(url=url + '/loki/api/v1/push', tags={'application': 'python'}, version='1'))):
    log = logging.getLogger(name)
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    for line in lines:
        log.warning(line)
    handler.close()
`

// Real clients of three protocols send lines, which come back as they were.
func TestPythonClients(t *testing.T) {
	python := pythonWith(t, "fluent-logger==0.11.1", "graypy==2.1.0", "python-logging-loki==0.3.1")
	fluent, gelf := freePort(t), freePort(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf(
		"ingest:\n  fluent:\n    listen: 127.0.0.1:%d\n  gelf:\n    udp_listen: 127.0.0.1:%d\n    tcp_listen: 127.0.0.1:%d\n", fluent, gelf, gelf)})
	script := filepath.Join(t.TempDir(), "clients.py")
	harness.WriteFile(t, script, pythonClients)
	run(t, t.TempDir(), python, script, p.URL, strconv.Itoa(fluent), strconv.Itoa(gelf))
	want := []string{"plain", `ünïcode ✓ "quoted"`, "two\nlines", `{"json": true}`}
	slices.Sort(want)
	f := func(query string) {
		t.Helper()
		harness.Eventually(t, 20*time.Second, func() error {
			var got []string
			readWhole(t, p, query, func(l string) { got = append(got, l) })
			slices.Sort(got)
			if !slices.Equal(got, want) {
				return fmt.Errorf("%s: got %q, want %q", query, got, want)
			}
			return nil
		})
	}
	f(`{job="shop.web"} | user_id="7"`)
	f(`{job="gelf", facility="udp"} | detected_level="warn"`)
	f(`{job="gelf", facility="tcp"} | detected_level="warn"`)
	f(`{application="python"} | detected_level="warn"`)
}

// pythonWith returns a Python that has some packages of PyPI, in an environment that is made once.
func pythonWith(t *testing.T, packages ...string) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to keep packages in: %v", err)
	}
	dir := filepath.Join(cache, "hulotte-test", "python-"+strings.NewReplacer("==", "-").Replace(strings.Join(packages, "-")))
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		if out, err := exec.Command(python, "-m", "venv", dir).CombinedOutput(); err != nil {
			t.Skipf("no environment can be made (Debian: python3-venv): %v %s", err, out)
		}
		if out, err := exec.Command(filepath.Join(dir, "bin", "pip"), append([]string{"install", "-q"}, packages...)...).CombinedOutput(); err != nil {
			t.Skipf("the clients cannot be had from PyPI: %v %s", err, out)
		}
		harness.WriteFile(t, filepath.Join(dir, "complete"), "")
	}
	return filepath.Join(dir, "bin", "python")
}

const telemetrygen = "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen@v0.161.0"

// telemetrygenBinary returns OpenTelemetry's own generator.
func telemetrygenBinary(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no folder to keep it in: %v", err)
	}
	dir := filepath.Join(cache, "hulotte-test", "telemetrygen-0.161.0")
	binary := filepath.Join(dir, "telemetrygen")
	if _, err := os.Stat(binary); err != nil {
		if os.Getenv("TEST_CLIENTS") == "" {
			t.Skip("building telemetrygen takes minutes: make test-clients does it, once")
		}
		install := exec.Command("go", "install", telemetrygen)
		install.Dir, install.Env = t.TempDir(), append(os.Environ(), "GOBIN="+dir)
		if out, err := install.CombinedOutput(); err != nil {
			t.Skipf("telemetrygen cannot be had from the module proxy: %v %s", err, out)
		}
	}
	return binary
}

// OpenTelemetry's own generator sends over both transports, and every record is there.
func TestTelemetrygen(t *testing.T) {
	binary := telemetrygenBinary(t)
	overGRPC, overHTTP := freePort(t), freePort(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf("ingest:\n  otlp:\n    grpc_listen: 127.0.0.1:%d\n    http_listen: 127.0.0.1:%d\n", overGRPC, overHTTP)})
	send := func(port, n int, args ...string) {
		t.Helper()
		run(t, t.TempDir(), binary, append([]string{"logs", "--otlp-insecure", "--rate", "0", "--otlp-endpoint", fmt.Sprintf("127.0.0.1:%d", port), "--logs", strconv.Itoa(n)}, args...)...)
	}
	send(overGRPC, 500, "--body", "over gRPC", "--severity-text", "Error", "--severity-number", "17", "--telemetry-attributes", `transport="grpc"`)
	send(overHTTP, 300, "--otlp-http", "--body", "over HTTP", "--telemetry-attributes", `transport="http"`,
		"--trace-id", "ae87dadd90e9935a4bc9660628efd569", "--span-id", "5828fa4960140870")
	send(overHTTP, 200, "--otlp-http", "--body", "with a resource", "--otlp-attributes", `zone="b"`)
	f := func(query string, want int) {
		t.Helper()
		n := 0
		readLines(t, p, query, func(string) { n++ })
		if n != want {
			t.Errorf("%s: %d records, not %d", query, n, want)
		}
	}
	f(`{service_name="telemetrygen"}`, 1000)
	f(`{service_name="telemetrygen"} |= "over gRPC" | transport="grpc" | severity_text="Error" | detected_level="error" | severity_number="17"`, 500)
	f(`{service_name="telemetrygen"} |= "over HTTP" | transport="http" | trace_id="ae87dadd90e9935a4bc9660628efd569" | span_id="5828fa4960140870"`, 300)
	f(`{service_name="telemetrygen"} |= "with a resource" | zone="b"`, 200)
}

// bulkClient sends documents through Elasticsearch's own client, as scripts and shippers do: it asks who the server is, makes an index
// template and a data stream, sends in bulk, and looks at what every document was answered.
const bulkClient = `
import sys
from elasticsearch import Elasticsearch, helpers
es = Elasticsearch(sys.argv[1])
assert es.info()['version']['number'].startswith(('8.', '9.')), es.info()
es.indices.put_index_template(name='shop', index_patterns=['shop-*'], data_stream={}, priority=200)
lines = ['plain', 'ünïcode ✓ "quoted"', 'two\nlines'] + ['line %d' % i for i in range(1497)]
actions = [{'_op_type': 'create', '_index': 'shop-web', '@timestamp': sys.argv[2], 'message': line, 'log': {'level': 'warn'},
            'user': {'id': i}} for i, line in enumerate(lines)]
ok, bad = helpers.bulk(es, actions, chunk_size=400)
assert (ok, bad) == (1500, []), (ok, bad)
answer = es.bulk(operations=[{'create': {'_index': 'shop-web'}}, {'@timestamp': 'never', 'message': 'no time'},
                             {'create': {'_index': 'shop-web'}}, {'@timestamp': sys.argv[2], 'message': 'after a bad one'}])
status = [i['create']['status'] for i in answer['items']]
assert answer['errors'] and status == [400, 201], answer
`

// Elasticsearch's own client for Python sends in bulk, and every document is there as it was.
func TestElasticsearchClient(t *testing.T) {
	python := pythonWith(t, "elasticsearch==9.5.1")
	port := freePort(t)
	p := harness.Start(t, harness.Options{Config: fmt.Sprintf("ingest:\n  elasticsearch:\n    listen: 127.0.0.1:%d\n", port)})
	script := filepath.Join(t.TempDir(), "bulk.py")
	harness.WriteFile(t, script, bulkClient)
	run(t, t.TempDir(), python, script, fmt.Sprintf("http://127.0.0.1:%d", port), time.Now().UTC().Format(time.RFC3339Nano))
	var got []string
	readWhole(t, p, `{index="shop-web"} | detected_level="warn" | user_id!=""`, func(l string) { got = append(got, l) })
	slices.Sort(got)
	want := []string{"plain", `ünïcode ✓ "quoted"`, "two\nlines"}
	for i := range 1497 {
		want = append(want, fmt.Sprintf("line %d", i))
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines are there, not the %d that were sent", len(got), len(want))
	}
	var after []string
	readWhole(t, p, `{index="shop-web"} |= "after a bad one"`, func(l string) { after = append(after, l) })
	if len(after) != 1 {
		t.Errorf("after a document that was refused: %q", after)
	}
}

// readWhole calls f for every line that a query finds, also those with line breaks in them.
func readWhole(t *testing.T, p *harness.Process, query string, f func(string)) {
	t.Helper()
	v := url.Values{"query": {query}, "limit": {"5000"}, "since": {"1h"}}
	res, err := http.Get(p.URL + "/loki/api/v1/query_range?" + v.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", query, res.Status, err)
	}
	for _, s := range answer.Data.Result {
		for _, value := range s.Values {
			f(value[1])
		}
	}
}
