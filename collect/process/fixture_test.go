package process

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// tree is a /proc of a test.
type tree struct {
	t    testing.TB
	root string
	boot time.Time
}

// fixture is a process of a test.
type fixture struct {
	pid                     int
	comm                    string
	args                    []string
	cgroup                  string
	state                   string
	start                   time.Duration // since the machine started
	utime, stime            uint64        // ticks
	minflt, majflt          uint64
	read, written           uint64
	voluntary, nonvoluntary uint64
	rss, threads            uint64
	fds, limit              int
	uid                     int
	kernel, noIO            bool
}

func newTree(t testing.TB, boot time.Time) *tree {
	tr := &tree{t: t, root: t.TempDir(), boot: boot}
	tr.write("stat", fmt.Sprintf("cpu 1 2 3\nbtime %d\nprocesses 5\n", boot.Unix()))
	return tr
}

func (tr *tree) write(name, text string) {
	tr.t.Helper()
	path := filepath.Join(tr.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) put(p fixture) {
	tr.t.Helper()
	dir := strconv.Itoa(p.pid) + "/"
	if p.state == "" {
		p.state = "S"
	}
	if p.threads == 0 {
		p.threads = 1
	}
	flags := 0
	if p.kernel {
		flags = pfKthread
	}
	tr.write(dir+"stat", fmt.Sprintf("%d (%s) %s 1 1 1 0 -1 %d %d 0 %d 0 %d %d 0 0 20 0 %d 0 %d 1048576 %d 18446744073709551615 0 0 0\n",
		p.pid, p.comm, p.state, flags, p.minflt, p.majflt, p.utime, p.stime, p.threads, p.start/(10*time.Millisecond), p.rss))
	tr.write(dir+"status", fmt.Sprintf("Name:\t%s\nUid:\t%d\t0\t0\t0\nVmSwap:\t       4 kB\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t%d\n",
		p.comm, p.uid, p.voluntary, p.nonvoluntary))
	tr.write(dir+"cgroup", "0::"+p.cgroup+"\n")
	tr.write(dir+"cmdline", strings.Join(p.args, "\x00")+"\x00")
	if p.limit > 0 {
		tr.write(dir+"limits", fmt.Sprintf("Limit                     Soft Limit           Hard Limit           Units     \nMax open files            %d                 4096                 files     \n", p.limit))
	}
	if !p.noIO {
		tr.write(dir+"io", fmt.Sprintf("rchar: 1\nwchar: 1\nread_bytes: %d\nwrite_bytes: %d\ncancelled_write_bytes: 0\n", p.read, p.written))
	}
	if err := os.MkdirAll(filepath.Join(tr.root, dir, "fd"), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	for i := range p.fds {
		tr.write(fmt.Sprintf("%sfd/%d", dir, i), "")
	}
}

func (tr *tree) kill(pid int) {
	tr.t.Helper()
	if err := os.RemoveAll(filepath.Join(tr.root, strconv.Itoa(pid))); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) collector(opts Options) *Collector {
	tr.t.Helper()
	opts.ProcFS, opts.RootFS = tr.root, tr.root
	c, err := New(opts, slog.New(slog.DiscardHandler))
	if err != nil {
		tr.t.Fatal(err)
	}
	return c
}

// scan scans at a time and returns the metrics by name{labels} without the prefix and the label groupname's name.
func (tr *tree) scan(c *Collector, at time.Time) map[string]float64 {
	tr.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.scanLocked(at); err != nil {
		tr.t.Fatal(err)
	}
	return flatten(c.familiesLocked())
}

func flatten(families []*dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := strings.TrimPrefix(f.GetName(), "namedprocess_namegroup_")
			group, rest := "", ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "groupname" {
					group = l.GetValue()
				} else {
					rest = "," + l.GetValue()
				}
			}
			if group != "" {
				key += "{" + group + rest + "}"
			}
			out[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}
