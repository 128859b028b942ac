package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

const oneJob = `
scrape_configs:
  - job_name: one
    scrape_interval: 1m
    fallback_scrape_protocol: PrometheusText0.0.4
    static_configs:
      - targets: [%q]
`

func TestTargetIsScrapedAtOnceAndStored(t *testing.T) {
	addr := serve(t, "# HELP a_total Some a.\n# TYPE a_total counter\na_total{x=\"1\"} 7\na_total{x=\"2\"} 8\n")
	r := start(t, fmt.Sprintf(oneJob, addr))

	target := r.scraped("one")
	if target.Health != promscrape.HealthGood || target.LastError != "" || target.Counts.Samples != 2 {
		t.Errorf("target = %+v, want it up with 2 samples", target)
	}
	got := r.series("a_total")
	want := fmt.Sprintf(`{instance=%q, job="one", x="2"}`, addr)
	if got[want] != 8 || len(got) != 2 {
		t.Errorf("stored %v, want two series, %s at 8", got, want)
	}
	md := r.TargetMetadata(nil, "a_total")
	if len(md) != 1 || md[0].Help != "Some a." || md[0].Type != "counter" {
		t.Errorf("metadata = %+v", md)
	}
}

func TestTargetsSeeWhoScrapesThem(t *testing.T) {
	agents := make(chan string, 10)
	addr := serveFunc(t, func(_ http.ResponseWriter, r *http.Request) { agents <- r.UserAgent() })
	r := start(t, fmt.Sprintf(oneJob, addr))
	r.scraped("one")
	if agent := <-agents; !strings.HasPrefix(agent, "Hulotte") {
		t.Errorf("User-Agent = %q", agent)
	}
}

func TestReloadKeepsUnchangedJobs(t *testing.T) {
	addr := serve(t, "a 1\n")
	r := start(t, fmt.Sprintf(oneJob, addr))
	before := r.scraped("one")

	r.apply(fmt.Sprintf(oneJob, addr) + fmt.Sprintf(`
  - job_name: two
    fallback_scrape_protocol: PrometheusText0.0.4
    static_configs: [{targets: [%q]}]
`, addr))
	r.scraped("two")
	if after := r.scraped("one"); !after.LastScrape.Equal(before.LastScrape) {
		t.Errorf("the unchanged job was scraped again, at %v after %v", after.LastScrape, before.LastScrape)
	}
	if pools := r.ScrapePools(); len(pools) != 2 || pools[0] != "one" {
		t.Errorf("pools %v", pools)
	}

	r.apply("scrape_configs: []")
	await(t, func() string { return fmt.Sprint(r.ScrapePools()) }, func() bool { return len(r.ScrapePools()) == 0 })
}

func TestPoolConfigIsShownWithoutSecrets(t *testing.T) {
	r := start(t, fmt.Sprintf(oneJob, serve(t, "a 1\n"))+"    basic_auth: {username: owl, password: hoot}")
	r.scraped("one")
	text, err := r.ScrapePoolConfig("one")
	if err != nil || !strings.Contains(text, "job_name: one") || strings.Contains(text, "hoot\n") {
		t.Errorf("error %v, configuration:\n%s", err, text)
	}
	if _, err := r.ScrapePoolConfig("none"); err == nil {
		t.Error("a pool that does not exist has a configuration")
	}
}

func TestTargetsStartAtOnceOnlyWhenFew(t *testing.T) {
	f := func(yaml string, targets int, want bool) {
		t.Helper()
		m := &Manager{}
		m.applied.Store(mustLoad(t, yaml))
		if got := m.startsAtOnce(targets); got != want {
			t.Errorf("%s with %d targets: at once = %v", yaml, targets, got)
		}
	}
	f("scrape_configs: [{job_name: a, static_configs: [{targets: [h]}]}]", 1, true)
	f("scrape_configs: [{job_name: a, static_configs: [{targets: [h]}]}]", maxAtOnce+1, false)
	f("scrape_configs: [{job_name: a, file_sd_configs: [{files: [f.json]}]}]", 5, true)
	f("scrape_configs: [{job_name: a, kubernetes_sd_configs: [{role: pod}]}]", 5, false)
	f("scrape_configs: [{job_name: a, ec2_sd_configs: [{region: r}]}]", 5, false)
	f("scrape_configs: [{job_name: a, consul_sd_configs: [{server: 'h:1'}]}]", 5, false)
}

func TestGlobalURL(t *testing.T) {
	f := func(external, target, want string) {
		t.Helper()
		m := &Manager{opts: Options{ListenPort: "9070"}}
		if external != "" {
			m.opts.ExternalURL = mustURL(t, external)
		}
		if got := m.globalURL(mustURL(t, target)).String(); got != want {
			t.Errorf("%s seen from %s is %s, want %s", target, external, got, want)
		}
	}
	f("", "http://localhost:1/metrics", "http://localhost:1/metrics")
	f("https://owl.example/w", "http://localhost:1/metrics", "http://owl.example:1/metrics")
	f("https://owl.example/w", "http://127.0.0.1:9070/w/metrics", "https://owl.example/w/metrics")
	f("https://owl.example", "http://[::1]:5/m?a=b", "http://owl.example:5/m?a=b")
	f("https://owl.example", "http://other:9070/metrics", "http://other:9070/metrics")
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRunEndsWithItsContext(t *testing.T) {
	m, err := NewManager(Options{}, &recorder{seen: map[string]storage.SeriesRef{}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(mustLoad(t, fmt.Sprintf(oneJob, "127.0.0.1:1"))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on")
	}
}
