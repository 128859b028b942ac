package test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// promtools are the promtool that Debian has (2.42) and the one of the Prometheus whose packages we use.
func promtools(t *testing.T, f func(t *testing.T, promtool string)) {
	t.Run("debian", func(t *testing.T) { f(t, harness.Program(t, "promtool", "prometheus")) })
	t.Run("reference", func(t *testing.T) { f(t, referenceBinary(t, "promtool")) })
}

func TestPromtoolQuery(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\n"})
	end := samplesEnd()
	remoteWrite(t, p.URL, dataset(end))
	promtools(t, func(t *testing.T, promtool string) {
		f := func(want string, args ...string) {
			t.Helper()
			for i, a := range args {
				args[i] = fillTimes(strings.ReplaceAll(a, "$URL", p.URL), end)
			}
			out, err := exec.Command(promtool, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), fillTimes(want, end)) {
				t.Errorf("promtool %s: %v\n%s\nwant %s", strings.Join(args, " "), err, out, want)
			}
		}
		f(`{site="paris"} => 3 @[$T]`, "query", "instant", "--time=$T", "$URL", `count by (site) (dt_temperature_celsius)`)
		f(`"metric":{"site":"rome"},"value":[$T,"3"]`, "query", "instant", "-o", "json", "--time=$T", "$URL", `count by (site) (dt_temperature_celsius)`)
		f("{} =>\n6 @[$T-30]\n6 @[$T-15]\n6 @[$T]", "query", "range", "--start=$T-30", "--end=$T", "--step=15s", "$URL", `count(dt_temperature_celsius)`)
		f(`{__name__="dt_gone", job="web"}`, "query", "series", "--match=dt_gone", "--start=$S", "--end=$T", "$URL")
		f("paris\nrome", "query", "labels", "--start=$S", "--end=$T", "$URL", "site")
	})
}

// libraryName tells the metrics that Prometheus' own packages name against promtool's advice: their names are kept,
// because dashboards know them, and a Prometheus is told the same about itself. Those of the rules in LogQL have them behind a prefix.
func libraryName(metric string) bool {
	return strings.HasPrefix(strings.TrimPrefix(metric, "hulotte_logql_"), "prometheus_")
}

func TestPromtoolCheckMetrics(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	harness.Eventually(t, readyIn, func() error { return anySeries(t, p, "node_load1") })
	p.Get(t, "/api/v1/query?query=up")
	_, exposition := p.Get(t, "/metrics")
	if !strings.Contains(exposition, "hulotte_query_total{") || !strings.Contains(exposition, "hulotte_api_requests_total{") {
		t.Fatalf("the metrics of queries are missing:\n%s", exposition)
	}
	promtools(t, func(t *testing.T, promtool string) {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(exposition)
		var complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &complaints, &complaints
		err := cmd.Run()
		for line := range strings.Lines(complaints.String()) {
			if metric, _, _ := strings.Cut(line, " "); !libraryName(metric) {
				t.Errorf("promtool check metrics: %s", line)
			}
		}
		if err != nil && complaints.Len() == 0 {
			t.Error(err)
		}
	})
}
