package scrape

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	promscrape "github.com/prometheus/prometheus/scrape"
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
