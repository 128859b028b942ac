package scrape

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
)

func TestOpenMetricsWithExemplars(t *testing.T) {
	addr := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text") {
			t.Errorf("Accept = %q", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
		_, _ = io.WriteString(w, `# TYPE req counter
req_total{code="200"} 5 # {trace_id="abc"} 0.7
req_created{code="200"} 1e9
# EOF
`)
	})
	r := start(t, fmt.Sprintf(oneJob, addr))
	r.scraped("one")
	if got := r.series("req_total"); len(got) != 1 {
		t.Errorf("req_total: %v", got)
	}
	if got := r.series("req_created"); len(got) != 1 {
		t.Errorf("req_created: %v, want it kept as in Prometheus", got)
	}
	q, err := r.store.ExemplarQuerier(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found, err := q.Select(0, time.Now().Add(time.Hour).UnixMilli(),
		[]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "__name__", "req_total")})
	if err != nil || len(found) != 1 || found[0].Exemplars[0].Labels.Get("trace_id") != "abc" {
		t.Errorf("exemplars %v, error %v", found, err)
	}
}

func TestNativeHistogramsOverProtobuf(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took_seconds", Help: "h", NativeHistogramBucketFactor: 1.1})
	reg.MustRegister(h)
	for i := range 50 {
		h.Observe(float64(i))
	}
	srv := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	t.Cleanup(srv.Close)
	r := start(t, strings.Replace(fmt.Sprintf(oneJob, strings.TrimPrefix(srv.URL, "http://")),
		"scrape_interval: 1m", "scrape_native_histograms: true", 1))
	r.scraped("one")
	for _, count := range r.series("took_seconds") {
		if count != 50 {
			t.Errorf("the histogram holds %v observations", count)
		}
	}
	if len(r.series("took_seconds")) != 1 {
		t.Errorf("series: %v", r.series("took_seconds"))
	}
}

func TestCompressedAnswers(t *testing.T) {
	f := func(encoding string, compress func(io.Writer) io.WriteCloser) {
		t.Helper()
		addr := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Accept-Encoding"), encoding) {
				t.Errorf("Accept-Encoding = %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", encoding)
			z := compress(w)
			_, _ = io.WriteString(z, "squeezed 4\n")
			_ = z.Close()
		})
		r := start(t, fmt.Sprintf(oneJob, addr))
		if got := r.scraped("one"); got.Health != promscrape.HealthGood || len(r.series("squeezed")) != 1 {
			t.Errorf("%s: %+v", encoding, got)
		}
	}
	f("gzip", func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	f("zstd", func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })
}

func TestAuthentication(t *testing.T) {
	f := func(keys, want string) {
		t.Helper()
		addr := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != want {
				http.Error(w, "no", http.StatusUnauthorized)
			}
			_, _ = io.WriteString(w, "ok 1\n")
		})
		r := start(t, fmt.Sprintf(oneJob, addr)+keys)
		if got := r.scraped("one"); got.Health != promscrape.HealthGood {
			t.Errorf("%s: %+v", keys, got)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "s3cret\n")
	f("    basic_auth: {username: owl, password: hoot}", "Basic b3dsOmhvb3Q=")
	f("    authorization: {credentials: s3cret}", "Bearer s3cret")
	f("    bearer_token: s3cret", "Bearer s3cret")
	f("    authorization: {credentials_file: "+file+"}", "Bearer s3cret")
}

func TestRefusedAuthenticationIsTheTargetsError(t *testing.T) {
	addr := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) })
	r := start(t, fmt.Sprintf(oneJob, addr))
	if got := r.scraped("one"); !strings.Contains(got.LastError, "401 Unauthorized") {
		t.Errorf("error %q", got.LastError)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "safe 1\n")
	}))
	t.Cleanup(srv.Close)
	addr := strings.TrimPrefix(srv.URL, "https://")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, pemOf(srv.Certificate().Raw))

	f := func(keys, wantError string) {
		t.Helper()
		r := start(t, fmt.Sprintf(oneJob, addr)+"    scheme: https\n"+keys)
		got := r.scraped("one")
		if wantError == "" && got.Health != promscrape.HealthGood || !strings.Contains(got.LastError, wantError) {
			t.Errorf("%q: %s, error %q, want %q", keys, got.Health, got.LastError, wantError)
		}
	}
	f("", "certificate signed by unknown authority")
	f("    tls_config: {ca_file: "+ca+"}", "")
	f("    tls_config: {insecure_skip_verify: true}", "")
	f("    tls_config: {ca_file: "+ca+", server_name: other.example}", "other.example")
}

func TestRelabelling(t *testing.T) {
	addr := serve(t, "keep_me{path=\"/a\"} 1\ndrop_me 2\n")
	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: one
    fallback_scrape_protocol: PrometheusText0.0.4
    static_configs:
      - targets: [%q, "other:1"]
        labels: {env: test}
    relabel_configs:
      - {source_labels: [__address__], regex: "other:1", action: drop}
      - {source_labels: [env], target_label: stage}
      - {target_label: instance, replacement: web-1}
    metric_relabel_configs:
      - {source_labels: [__name__], regex: drop_me, action: drop}
      - {source_labels: [path], target_label: where}
`, addr))
	target := r.scraped("one")
	if got := target.Labels.String(); got != `{env="test", instance="web-1", job="one", stage="test"}` {
		t.Errorf("labels %s", got)
	}
	if got := target.DiscoveredLabels.Get("__address__"); got != addr {
		t.Errorf("discovered address %q", got)
	}
	if c := target.Counts; c.Samples != 2 || c.SamplesKept != 1 || c.SeriesAdded != 1 {
		t.Errorf("counts %+v", c)
	}
	all := r.Targets("")
	if len(all.Dropped) != 1 || all.DroppedCounts["one"] != 1 || all.Dropped[0].DiscoveredLabels.Get("__address__") != "other:1" {
		t.Errorf("dropped %v, counts %v", all.Dropped, all.DroppedCounts)
	}
	want := `{env="test", instance="web-1", job="one", path="/a", stage="test", where="/a"}`
	if got := r.series("keep_me"); len(got) != 1 || got[want] != 1 {
		t.Errorf("keep_me: %v", got)
	}
	if got := r.series("drop_me"); len(got) != 0 {
		t.Errorf("drop_me: %v", got)
	}
}

func TestFailuresAreLogged(t *testing.T) {
	log := filepath.Join(t.TempDir(), "failures.log")
	addr := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "ill", http.StatusTeapot) })
	r := start(t, fmt.Sprintf(oneJob, addr)+"    scrape_failure_log_file: "+log)
	r.scraped("one")
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), "418") || !strings.Contains(string(text), addr) {
		t.Errorf("log %q, error %v", text, err)
	}
}

func TestFileDiscovery(t *testing.T) {
	t.Parallel()
	addr := serve(t, "found 1\n")
	file := filepath.Join(t.TempDir(), "targets.json")
	write(t, file, `[]`)
	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: files
    scrape_interval: 500ms
    scrape_timeout: 500ms
    fallback_scrape_protocol: PrometheusText0.0.4
    file_sd_configs: [{files: [%q], refresh_interval: 1s}]
`, file))
	write(t, file, fmt.Sprintf(`[{"targets": [%q], "labels": {"rack": "7"}}]`, addr))
	if got := r.scraped("files"); got.Labels.Get("rack") != "7" || got.Health != promscrape.HealthGood {
		t.Errorf("target %+v", got)
	}
	write(t, file, `[]`)
	await(t, func() string { return "the target stays" }, func() bool { return len(r.Targets("files").Active) == 0 })
}

func TestHTTPDiscovery(t *testing.T) {
	addr := serve(t, "found 1\n")
	sd := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]map[string]any{{"targets": []string{addr}, "labels": map[string]string{"via": "http"}}})
	})
	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: listed
    fallback_scrape_protocol: PrometheusText0.0.4
    http_sd_configs: [{url: "http://%s/list"}]
`, sd))
	if got := r.scraped("listed"); got.Labels.Get("via") != "http" || got.Health != promscrape.HealthGood {
		t.Errorf("target %+v", got)
	}
}

// A Docker daemon is played by a server on a Unix socket that knows one container.
func TestDockerDiscovery(t *testing.T) {
	addr := serve(t, "found 1\n")
	_, port, _ := net.SplitHostPort(addr)
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: dockerDaemon(port), ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })

	r := start(t, fmt.Sprintf(`
scrape_configs:
  - job_name: containers
    fallback_scrape_protocol: PrometheusText0.0.4
    docker_sd_configs: [{host: "unix://%s", host_networking_host: "127.0.0.1"}]
    relabel_configs:
      - {source_labels: [__meta_docker_container_name], target_label: container}
      - {source_labels: [__meta_docker_container_label_port], regex: "(.+)", target_label: __address__, replacement: "127.0.0.1:$1"}
`, socket))
	got := r.scraped("containers")
	if got.Labels.Get("container") != "/web" || got.Health != promscrape.HealthGood {
		t.Errorf("target %+v", got)
	}
}

func dockerDaemon(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Api-Version", "1.44")
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			fmt.Fprintf(w, `[{"Id":"c1","Names":["/web"],"Labels":{"port":%q},"State":"running",
				"HostConfig":{"NetworkMode":"host"},"NetworkSettings":{"Networks":{"host":{"NetworkID":"n1","IPAddress":""}}},"Ports":[]}]`, port)
		case strings.HasSuffix(r.URL.Path, "/networks"):
			fmt.Fprint(w, `[{"Id":"n1","Name":"host","Scope":"local","Driver":"host"}]`)
		default:
			fmt.Fprint(w, `{}`)
		}
	})
}
