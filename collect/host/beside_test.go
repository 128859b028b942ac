package host

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const doc = "../../docs/host-metrics.md"

// TestBesideNodeExporter runs Debian's prometheus-node-exporter with its default collectors on this host, and lists
// the metric names with their label keys that it has and we lack. Each must have its reason in docs/host-metrics.md.
func TestBesideNodeExporter(t *testing.T) {
	path, err := exec.LookPath("prometheus-node-exporter")
	if err != nil {
		t.Skip("prometheus-node-exporter is not installed (apt install prometheus-node-exporter)")
	}
	theirs := shapes(scrape(t, startExporter(t, path)))
	list, err := newCollector(t, testOptions()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := shapes(list)
	reasons := readReasons(t)
	if len(theirs) < 150 {
		t.Errorf("the exporter has %d names only: is it the right one?", len(theirs))
	}
	missing, explained := 0, 0
	for _, shape := range theirs {
		if slices.Contains(ours, shape) {
			continue
		}
		missing++
		if reason := reasonFor(reasons, shape); reason != "" {
			explained++
			t.Logf("explained: %s: %s", shape, reason)
			continue
		}
		t.Errorf("prometheus-node-exporter has %s, we lack it, and %s does not say why", shape, doc)
	}
	t.Logf("node_exporter: %d names with label keys; ours: %d; missing here: %d, of them explained: %d", len(theirs), len(ours), missing, explained)
}

func startExporter(t *testing.T, path string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(path, "--web.listen-address="+addr, "--collector.textfile.directory="+t.TempDir()) // not what other packages leave for it
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return "http://" + addr + "/metrics"
}

func scrape(t *testing.T, url string) []*dto.MetricFamily {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := get(ctx, url)
		if err == nil {
			p := expfmt.NewTextParser(model.UTF8Validation)
			byName, err := p.TextToMetricFamilies(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			var out []*dto.MetricFamily
			for _, f := range byName {
				out = append(out, f)
			}
			return out
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the exporter did not answer: %v", err)
		case <-tick.C:
		}
	}
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// shapes returns name{key,key} of everything, sorted, each once.
func shapes(list []*dto.MetricFamily) []string {
	var out []string
	for _, f := range list {
		for _, m := range f.GetMetric() {
			var keys []string
			for _, p := range m.GetLabel() {
				keys = append(keys, p.GetName())
			}
			slices.Sort(keys)
			out = append(out, f.GetName()+"{"+strings.Join(keys, ",")+"}")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reason is a row of the table below the heading "What node_exporter has and Hulotte lacks".
type reason struct{ pattern, text string }

var row = regexp.MustCompile("^\\| `([^`]+)` \\| (.+) \\|$")

func readReasons(t *testing.T) []reason {
	t.Helper()
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "\n## What node_exporter has and Hulotte lacks\n")
	if !ok {
		t.Fatalf("%s has no heading \"What node_exporter has and Hulotte lacks\"", doc)
	}
	section, _, _ := strings.Cut(after, "\n## ")
	var out []reason
	for _, line := range strings.Split(section, "\n") {
		if m := row.FindStringSubmatch(line); m != nil {
			if m[1] == "*" || strings.HasPrefix(m[1], "node_*") || len(strings.TrimSpace(m[2])) < 20 {
				t.Errorf("%s: the row %q excuses too much or says too little", doc, line)
			}
			out = append(out, reason{m[1], m[2]})
		}
	}
	if len(out) == 0 {
		t.Errorf("%s: no rows like | `name{keys}` | reason |", doc)
	}
	return out
}

// reasonFor returns the text of the first row that names the shape: name{keys}, name, or the beginning of a name with
// a star.
func reasonFor(reasons []reason, shape string) string {
	name, _, _ := strings.Cut(shape, "{")
	for _, r := range reasons {
		prefix, star := strings.CutSuffix(r.pattern, "*")
		if r.pattern == shape || r.pattern == name || star && strings.HasPrefix(name, prefix) {
			return r.text
		}
	}
	return ""
}

func matches(t *testing.T, pattern, s string) bool {
	t.Helper()
	return regexp.MustCompile(pattern).MatchString(s)
}
