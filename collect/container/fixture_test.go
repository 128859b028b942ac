package container

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// Identifiers of the fixtures.
var (
	idWeb  = strings.Repeat("a1", 32)
	idDB   = strings.Repeat("b2", 32)
	idPod  = strings.Repeat("c3", 32)
	idSide = strings.Repeat("d4", 32)
)

// tree is a machine of a test: proc, sys and run folders.
type tree struct {
	t    testing.TB
	root string
}

func newTree(t testing.TB) *tree {
	tr := &tree{t, t.TempDir()}
	tr.write("proc/stat", "cpu 1 2\nbtime 1700000000\n")
	tr.mkdir("proc/1/ns")
	tr.netns("1", "net:[1]")
	return tr
}

func (tr *tree) write(name, text string) {
	tr.t.Helper()
	path := filepath.Join(tr.root, name)
	tr.mkdir(filepath.Dir(name))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) mkdir(name string) {
	tr.t.Helper()
	if err := os.MkdirAll(filepath.Join(tr.root, name), 0o755); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) netns(pid, ns string) {
	tr.t.Helper()
	tr.mkdir("proc/" + pid + "/ns")
	if err := os.Symlink(ns, filepath.Join(tr.root, "proc", pid, "ns/net")); err != nil {
		tr.t.Fatal(err)
	}
}

// process puts a process with its network in proc.
func (tr *tree) process(pid int, start uint64, ns string, received int) {
	tr.t.Helper()
	dir := fmt.Sprintf("proc/%d", pid)
	tr.netns(fmt.Sprint(pid), ns)
	tr.write(dir+"/stat", fmt.Sprintf("%d (a b)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 1 1\n", pid, start))
	tr.write(dir+"/net/dev", fmt.Sprintf(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       9       9    0    0    0     0          0         0        9       9    0    0    0     0       0          0
  eth0: %d 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0
`, received))
}

func (tr *tree) collector(opts Options) *Collector {
	tr.t.Helper()
	opts.ProcFS, opts.SysFS, opts.RootFS = tr.root+"/proc", tr.root+"/sys", tr.root
	if opts.Sockets == nil {
		opts.Sockets = []string{}
	}
	c, err := New(opts, slog.New(slog.DiscardHandler))
	if err != nil {
		tr.t.Fatal(err)
	}
	return c
}

// v2Group puts a control group of version 2.
func (tr *tree) v2Group(path string, pids string) {
	dir := "sys/fs/cgroup" + path + "/"
	for name, text := range map[string]string{
		"cpu.stat":            "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\nnr_periods 100\nnr_throttled 25\nthrottled_usec 1500000\nnr_bursts 0\n",
		"cpu.max":             "50000 100000\n",
		"cpu.weight":          "100\n",
		"memory.current":      "1000000\n",
		"memory.swap.current": "4096\n",
		"memory.peak":         "2000000\n",
		"memory.max":          "max\n",
		"memory.low":          "0\n",
		"memory.swap.max":     "max\n",
		"memory.stat":         "anon 600000\nfile 300000\nkernel 70000\nfile_mapped 50000\ninactive_file 200000\npgfault 77\npgmajfault 5\n",
		"memory.events":       "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n",
		"io.stat":             "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:7 rbytes=1 wbytes=0 rios=1 wios=0\n",
		"pids.current":        "12\n",
		"pids.max":            "max\n",
		"cpu.pressure":        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n",
		"memory.pressure":     "some avg10=0.00 avg60=0.00 avg300=0.00 total=500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"io.pressure":         "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
		"cgroup.procs":        pids,
	} {
		tr.write(dir+name, text)
	}
}

// v1Group puts a control group of version 1.
func (tr *tree) v1Group(path string, pids string) {
	for name, text := range map[string]string{
		"cpu,cpuacct/%s/cpuacct.usage":             "5000000000\n",
		"cpu,cpuacct/%s/cpuacct.stat":              "user 300\nsystem 200\n",
		"cpu,cpuacct/%s/cpu.stat":                  "nr_periods 100\nnr_throttled 25\nthrottled_time 1500000000\n",
		"cpu,cpuacct/%s/cpu.cfs_quota_us":          "-1\n",
		"cpu,cpuacct/%s/cpu.cfs_period_us":         "100000\n",
		"cpu,cpuacct/%s/cpu.shares":                "1024\n",
		"memory/%s/memory.usage_in_bytes":          "1000000\n",
		"memory/%s/memory.max_usage_in_bytes":      "2000000\n",
		"memory/%s/memory.limit_in_bytes":          "9223372036854771712\n",
		"memory/%s/memory.soft_limit_in_bytes":     "9223372036854771712\n",
		"memory/%s/memory.memsw.limit_in_bytes":    "3000000\n",
		"memory/%s/memory.failcnt":                 "9\n",
		"memory/%s/memory.kmem.usage_in_bytes":     "70000\n",
		"memory/%s/memory.stat":                    "rss 1\ntotal_rss 600000\ntotal_cache 300000\ntotal_inactive_file 200000\ntotal_mapped_file 50000\ntotal_swap 4096\ntotal_pgfault 77\ntotal_pgmajfault 5\n",
		"memory/%s/memory.oom_control":             "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		"memory/%s/cgroup.procs":                   pids,
		"blkio/%s/blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Async 1\n8:0 Total 12288\nTotal 12288\n",
		"blkio/%s/blkio.throttle.io_serviced":      "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
		"pids/%s/pids.current":                     "12\n",
		"pids/%s/pids.max":                         "500\n",
		"systemd/%s/cgroup.procs":                  pids,
	} {
		tr.write("sys/fs/cgroup/"+fmt.Sprintf(name, strings.TrimPrefix(path, "/")), text)
	}
}

// values returns the samples as name{label="value",...} without the prefix container_.
func values(families []*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var ls []string
			for _, l := range m.GetLabel() {
				ls = append(ls, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			out[strings.TrimPrefix(f.GetName(), "container_")+"{"+strings.Join(ls, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func gather(t testing.TB, c *Collector) map[string]float64 {
	t.Helper()
	families, err := c.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return values(families)
}

func want(t *testing.T, got map[string]float64, labels string, values map[string]float64) {
	t.Helper()
	for name, v := range values {
		key := name
		if !strings.Contains(key, "{") {
			key += "{" + labels + "}"
		}
		if g, ok := got[key]; !ok || g != v {
			t.Errorf("%s = %v (there: %v), want %v", key, g, ok, v)
		}
	}
}

// serve answers on a unix socket as handler does, and returns its path.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock") // t.TempDir may be longer than a socket's path may be
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "e.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done; os.RemoveAll(dir) })
	return path
}
