package scrape

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promscrape "github.com/prometheus/prometheus/scrape"
)

// ports are the free ports that the programs of one test listen on, by name.
type ports map[string]int

func (p ports) of(t *testing.T, name string) int {
	t.Helper()
	if p[name] == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p[name] = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
	}
	return p[name]
}

// run starts a program that ends with the test, and waits until it listens on the port. It returns false when
// the program is not installed.
func run(t *testing.T, port int, env []string, name string, args ...string) bool {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		return false
	}
	var out strings.Builder
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); waitOrKill(cmd) })
	address := fmt.Sprintf("127.0.0.1:%d", port)
	await(t, func() string { return name + " does not listen on " + address }, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
	return true
}

func waitOrKill(cmd *exec.Cmd) {
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

// exporter is a program of a distribution's package, and what its scrape must bring.
type exporter struct {
	program string
	job     string // its entry in scrape_configs
	start   func(t *testing.T, p ports) bool
	metrics []string
	least   int64 // samples
}

func listenOn(p ports, t *testing.T, name string) string {
	return fmt.Sprintf("127.0.0.1:%d", p.of(t, name))
}

var exporters = []exporter{
	{
		program: "prometheus-node-exporter", job: `
  - job_name: node
    static_configs: [{targets: ["127.0.0.1:${node}"]}]`,
		start: func(t *testing.T, p ports) bool {
			return run(t, p.of(t, "node"), nil, "prometheus-node-exporter", "--web.listen-address="+listenOn(p, t, "node"))
		},
		metrics: []string{"node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_load1"}, least: 200,
	},
	{
		program: "prometheus-redis-exporter", job: `
  - job_name: redis
    static_configs: [{targets: ["127.0.0.1:${redis_exporter}"]}]`,
		start: func(t *testing.T, p ports) bool {
			return run(t, p.of(t, "redis"), nil, "redis-server", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
				"--dir", t.TempDir(), "--port", fmt.Sprint(p.of(t, "redis"))) &&
				run(t, p.of(t, "redis_exporter"), nil, "prometheus-redis-exporter",
					"--web.listen-address", listenOn(p, t, "redis_exporter"), "--redis.addr", "redis://"+listenOn(p, t, "redis"))
		},
		metrics: []string{"redis_up", "redis_connected_clients", "redis_commands_total"}, least: 100,
	},
	{
		program: "prometheus-nginx-exporter", job: `
  - job_name: nginx
    static_configs: [{targets: ["127.0.0.1:${nginx_exporter}"]}]`,
		start: func(t *testing.T, p ports) bool {
			dir := t.TempDir()
			conf := filepath.Join(dir, "nginx.conf")
			write(t, conf, fmt.Sprintf(`daemon off; pid %s/pid; error_log stderr; user root;
				events {}
				http { access_log off; server { listen 127.0.0.1:%d; location /status { stub_status; } location / { return 200 "hoot\n"; } } }`,
				dir, p.of(t, "nginx")))
			return run(t, p.of(t, "nginx"), nil, "nginx", "-c", conf) &&
				run(t, p.of(t, "nginx_exporter"), nil, "prometheus-nginx-exporter",
					"-web.listen-address="+listenOn(p, t, "nginx_exporter"), "-nginx.scrape-uri=http://"+listenOn(p, t, "nginx")+"/status")
		},
		metrics: []string{"nginx_up", "nginx_http_requests_total"}, least: 8,
	},
	{
		program: "prometheus-process-exporter", job: `
  - job_name: process
    static_configs: [{targets: ["127.0.0.1:${process}"]}]`,
		start: func(t *testing.T, p ports) bool {
			return run(t, p.of(t, "process"), nil, "prometheus-process-exporter",
				"-web.listen-address="+listenOn(p, t, "process"), "-procnames", "prometheus-proc,sh,go")
		},
		metrics: []string{"namedprocess_scrape_errors", "process_cpu_seconds_total"}, least: 30,
	},
	{
		// The usual way to ask through another exporter: the address becomes a parameter.
		program: "prometheus-blackbox-exporter", job: `
  - job_name: blackbox
    metrics_path: /probe
    params: {module: [http_2xx]}
    static_configs: [{targets: ["http://127.0.0.1:${blackbox}/"]}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "127.0.0.1:${blackbox}"}`,
		start: func(t *testing.T, p ports) bool {
			conf := filepath.Join(t.TempDir(), "blackbox.yml")
			write(t, conf, "modules: {http_2xx: {prober: http, http: {preferred_ip_protocol: ip4}}}")
			return run(t, p.of(t, "blackbox"), nil, "prometheus-blackbox-exporter",
				"--config.file="+conf, "--web.listen-address="+listenOn(p, t, "blackbox"))
		},
		metrics: []string{"probe_success", "probe_http_status_code"}, least: 10,
	},
	{
		// Without a database behind it: the exporter answers, and says that the database does not.
		program: "prometheus-postgres-exporter", job: `
  - job_name: postgres
    static_configs: [{targets: ["127.0.0.1:${postgres}"]}]`,
		start: func(t *testing.T, p ports) bool {
			return run(t, p.of(t, "postgres"), []string{"DATA_SOURCE_NAME=postgresql://u:p@127.0.0.1:1/db?sslmode=disable"},
				"prometheus-postgres-exporter", "--web.listen-address="+listenOn(p, t, "postgres"))
		},
		metrics: []string{"pg_up", "pg_exporter_last_scrape_error"}, least: 20,
	},
}

// Exporters as Debian ships them, each scraped by an entry as people write it.
func TestRealExporters(t *testing.T) {
	for _, e := range exporters {
		t.Run(e.program, func(t *testing.T) {
			p := ports{}
			if !e.start(t, p) {
				t.Skipf("%s, or what it watches, is not installed", e.program)
			}
			job := os.Expand(e.job, func(name string) string { return fmt.Sprint(p.of(t, name)) })
			r := start(t, "scrape_configs:"+job)
			pool := r.pool()
			got := r.scraped(pool)
			if got.Health != promscrape.HealthGood || got.Counts.Samples < e.least {
				t.Fatalf("%s, %d samples, error %q, want at least %d samples", got.Health, got.Counts.Samples, got.LastError, e.least)
			}
			for _, metric := range e.metrics {
				if len(r.series(metric)) == 0 {
					t.Errorf("no series of %s", metric)
				}
			}
			if md := r.TargetMetadata(nil, ""); len(md) == 0 {
				t.Error("no metadata")
			}
			t.Logf("%d samples in %v", got.Counts.Samples, got.LastDuration.Round(time.Millisecond))
		})
	}
}

// pool waits for the only pool.
func (r *rig) pool() string {
	r.t.Helper()
	await(r.t, func() string { return "no pool" }, func() bool { return len(r.ScrapePools()) > 0 })
	return r.ScrapePools()[0]
}
