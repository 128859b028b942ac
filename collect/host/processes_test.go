package host

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/node_exporter/collector"
)

// collect returns what a collector gives, as name{label value}.
func collect(t testing.TB, c collector.Collector) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, f := range gathered(t, c) {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			if len(m.GetLabel()) > 0 {
				name += "{" + m.GetLabel()[0].GetValue() + "}"
			}
			out[name] = m.GetGauge().GetValue()
		}
	}
	return out
}

func gathered(t testing.TB, c collector.Collector) []*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(updated{t, c})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

type updated struct {
	t testing.TB
	c collector.Collector
}

func (u updated) Describe(chan<- *prometheus.Desc) {}
func (u updated) Collect(ch chan<- prometheus.Metric) {
	if err := u.c.Update(ch); err != nil {
		u.t.Error(err)
	}
}

func TestProcesses(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stat := func(comm, state string, threads int) string {
		return fmt.Sprintf("1 (%s) %s 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 %d 0 5 1 1\n", comm, state, threads)
	}
	write("1/stat", stat("init", "S", 1))
	write("20/stat", stat("a) R (b", "D", 3))
	write("20/task/20/stat", stat("x", "D", 3))
	write("20/task/21/stat", stat("x", "R", 3))
	write("20/task/22/stat", "gone wrong")
	write("30/stat", "30 (broken")
	write("sys/kernel/threads-max", "1000\n")
	write("sys/kernel/pid_max", "32768\n")
	c, err := newProcesses(root)(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := collect(t, c)
	for name, want := range map[string]float64{
		"node_processes_pids": 2, "node_processes_threads": 4, "node_processes_max_threads": 1000, "node_processes_max_processes": 32768,
		"node_processes_state{S}": 1, "node_processes_state{D}": 1, "node_processes_state{Z}": 0, "node_processes_state{R}": 0,
		"node_processes_threads_state{S}": 1, "node_processes_threads_state{D}": 1, "node_processes_threads_state{R}": 1, "node_processes_threads_state{Z}": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s = %v (there: %v), want %v", name, v, ok, want)
		}
	}
}

// TestProcessesAsNodeExporter compares with node_exporter's own collector on this host, which has the same names.
func TestProcessesAsNodeExporter(t *testing.T) {
	newCollector(t, testOptions()) // settles the flags
	theirs, err := collector.NewProcessStatCollector(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := newProcesses("/proc")(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got := collect(t, ours)
	for name, want := range collect(t, theirs) {
		v, ok := got[name]
		if !ok {
			t.Errorf("node_exporter has %s, we lack it", name)
		}
		if (name == "node_processes_max_threads" || name == "node_processes_max_processes") && v != want {
			t.Errorf("%s = %v, node_exporter has %v", name, v, want)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte("1 (a) b) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 7 0 5 1 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, n, _ := parseState(text); n < 0 {
			t.Errorf("parseState(%q): %d threads", text, n)
		}
	})
}

func BenchmarkProcesses(b *testing.B) {
	newCollector(b, testOptions())
	theirs, err := collector.NewProcessStatCollector(slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ours, err := newProcesses("/proc")(slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]collector.Collector{"node_exporter": theirs, "hulotte": ours} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				collect(b, c)
			}
		})
	}
}
