package host

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// textfiles is where the tests of this process put text files: node_exporter's settings are one a process.
var textfiles = filepath.Join(os.TempDir(), "hulotte-host-test")

func testOptions() Options {
	return Options{TextfileDirectories: []string{textfiles}}
}

func newCollector(t testing.TB, opts Options) *Collector {
	t.Helper()
	c, err := New(opts, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func families(t *testing.T, c *Collector) map[string]*dto.MetricFamily {
	t.Helper()
	list, err := c.Gather()
	if err != nil {
		t.Errorf("Gather = %v", err)
	}
	out := map[string]*dto.MetricFamily{}
	for _, f := range list {
		out[f.GetName()] = f
	}
	return out
}

func success(t *testing.T, fams map[string]*dto.MetricFamily, name string) float64 {
	t.Helper()
	for _, m := range fams["node_scrape_collector_success"].GetMetric() {
		if m.GetLabel()[0].GetValue() == name {
			return m.GetGauge().GetValue()
		}
	}
	t.Errorf("node_scrape_collector_success has no collector %q", name)
	return -1
}

func TestLiveHost(t *testing.T) {
	fams := families(t, newCollector(t, testOptions()))
	for _, name := range []string{
		"node_cpu_seconds_total", "node_cpu_guest_seconds_total", "node_cpu_info", "node_load1", "node_memory_MemAvailable_bytes",
		"node_vmstat_pgfault", "node_disk_io_time_seconds_total", "node_filesystem_avail_bytes", "node_network_receive_bytes_total",
		"node_netstat_Tcp_CurrEstab", "node_sockstat_TCP_inuse", "node_processes_state", "node_processes_threads", "node_forks_total",
		"node_filefd_allocated", "node_entropy_available_bits", "node_time_seconds", "node_timex_sync_status", "node_uname_info",
		"node_os_info", "node_boot_time_seconds", "node_scrape_collector_duration_seconds",
	} {
		if len(fams[name].GetMetric()) == 0 {
			t.Errorf("no %s on this host", name)
		}
	}
	for _, name := range []string{"cpu", "filesystem", "meminfo", "netdev", "processes", "textfile"} {
		if v := success(t, fams, name); v != 1 {
			t.Errorf("node_scrape_collector_success{collector=%q} = %v, want 1", name, v)
		}
	}
}

func TestEnableAndDisable(t *testing.T) {
	opts := testOptions()
	opts.Enable, opts.Disable = []string{"buddyinfo", "systemd"}, []string{"netclass", "zfs"}
	c := newCollector(t, opts)
	for name, want := range map[string]bool{"buddyinfo": true, "systemd": true, "netclass": false, "zfs": false, "cpu": true, "mountstats": false} {
		if got := slices.Contains(c.Enabled(), name); got != want {
			t.Errorf("%s runs: %v, want %v", name, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	f := func(want string, change func(*Options)) {
		t.Helper()
		opts := testOptions()
		change(&opts)
		_, err := New(opts, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want an error with %q", err, want)
		}
	}
	newCollector(t, testOptions())
	f(`Enable: there is no collector "cpus": known are arp, bcache`, func(o *Options) { o.Enable = []string{"cpus"} })
	f(`Disable: there is no collector "drbd"`, func(o *Options) { o.Disable = []string{"drbd"} })
	f(`"cpu" is in both`, func(o *Options) { o.Enable, o.Disable = []string{"cpu"}, []string{"cpu"} })
	f("NetDevExclude is not a regular expression", func(o *Options) { o.NetDevExclude = "(" })
	f("UnitsInclude is not a regular expression", func(o *Options) { o.UnitsInclude = "[" })
	f("cannot be negative", func(o *Options) { o.Timeout = -1 })
	f("--path.procfs=/elsewhere): restart", func(o *Options) { o.ProcFS = "/elsewhere" })
	f("directories cannot change", func(o *Options) { o.TextfileDirectories = nil })
}

func TestTextfile(t *testing.T) {
	if err := os.MkdirAll(textfiles, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(textfiles) })
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(textfiles, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("backup.prom", "# HELP backup_age_seconds Age of the last backup.\n# TYPE backup_age_seconds gauge\nbackup_age_seconds{set=\"db\"} 12\n")
	c := newCollector(t, testOptions())
	if m := families(t, c)["backup_age_seconds"].GetMetric(); len(m) != 1 || m[0].GetGauge().GetValue() != 12 {
		t.Errorf("backup_age_seconds = %v, want 12", m)
	}
	write("broken.prom", "this is\x00 not{ a metric\n")
	fams := families(t, c)
	if e := fams["node_textfile_scrape_error"].GetMetric(); len(e) != 1 || e[0].GetGauge().GetValue() != 1 {
		t.Errorf("node_textfile_scrape_error = %v, want 1", e)
	}
	if len(fams["backup_age_seconds"].GetMetric()) != 1 {
		t.Error("a broken file took a good one with it")
	}
}

// TestPaths runs in a process of its own, because node_exporter's settings are one a process.
func TestPaths(t *testing.T) {
	const env = "HULOTTE_TEST_PATHS"
	if root := os.Getenv(env); root != "" {
		childOfTestPaths(t, root)
		return
	}
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
	write("proc/loadavg", "42.5 2 3 1/2 3\n")
	write("proc/1/mountinfo", "30 1 8:1 / "+root+"/data rw,relatime shared:1 - ext4 /dev/sda1 rw\n"+
		"31 1 0:5 / "+root+"/proc rw - proc proc rw\n")
	write("data/file", "")
	write("etc/os-release", "NAME=Fixture\nVERSION_ID=\"7\"\n")
	write("sys/class/net/veth0a/mtu", "1500\n")
	write("sys/class/net/eth7/mtu", "1500\n")
	cmd := exec.Command(os.Args[0], "-test.run=^TestPaths$", "-test.v")
	cmd.Env = append(os.Environ(), env+"="+root)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestPaths")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func childOfTestPaths(t *testing.T, root string) {
	fams := families(t, newCollector(t, Options{ProcFS: root + "/proc", SysFS: root + "/sys", RootFS: root}))
	if v := fams["node_load1"].GetMetric()[0].GetGauge().GetValue(); v != 42.5 {
		t.Errorf("node_load1 = %v, want 42.5", v)
	}
	fs := fams["node_filesystem_size_bytes"].GetMetric()
	if len(fs) != 1 || label(fs[0], "mountpoint") != "/data" {
		t.Errorf("file systems %v, want only /data without the prefix", fs)
	}
	if name := label(fams["node_os_info"].GetMetric()[0], "name"); name != "Fixture" {
		t.Errorf("node_os_info has name %q, want Fixture", name)
	}
	mtu := fams["node_network_mtu_bytes"].GetMetric()
	if len(mtu) != 1 || label(mtu[0], "device") != "eth7" {
		t.Errorf("interfaces %v, want eth7 without the container's veth0a", mtu)
	}
}

func label(m *dto.Metric, name string) string {
	for _, p := range m.GetLabel() {
		if p.GetName() == name {
			return p.GetValue()
		}
	}
	return ""
}

// fake is a collector of node_exporter's kind.
type fake func(ch chan<- prometheus.Metric) error

func (f fake) Update(ch chan<- prometheus.Metric) error { return f(ch) }

func newFakes(t *testing.T, timeout time.Duration, fakes map[string]fake) *Collector {
	t.Helper()
	c := newCollector(t, testOptions())
	c.members, c.timeout = nil, timeout
	for name, f := range fakes {
		c.members = append(c.members, &member{name: name, of: f})
	}
	return c
}

func TestHungAndPanickingCollectorsCostNobodyElse(t *testing.T) {
	release := make(chan struct{})
	desc := prometheus.NewDesc("answer", "", nil, nil)
	answer := func(ch chan<- prometheus.Metric) error {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 42)
		return nil
	}
	hang := func(ch chan<- prometheus.Metric) error { <-release; return answer(ch) }
	c := newFakes(t, 200*time.Millisecond, map[string]fake{
		"hang1": hang, "hang2": hang, "hang3": hang,
		"panics": func(chan<- prometheus.Metric) error { panic("index out of range") },
		"fails":  func(chan<- prometheus.Metric) error { return errors.New("no such file") },
		"works":  answer,
	})
	for round := range maxHung + 2 {
		fams := families(t, c)
		if len(fams["answer"].GetMetric()) != 1 {
			t.Errorf("round %d: the collector that works gave %v, want one metric", round, fams["answer"])
		}
		for name, want := range map[string]float64{"hang1": 0, "hang3": 0, "panics": 0, "fails": 0, "works": 1} {
			if v := success(t, fams, name); v != want {
				t.Errorf("round %d: success of %s = %v, want %v", round, name, v, want)
			}
		}
	}
	for _, m := range c.members {
		if n := m.hung.Load(); strings.HasPrefix(m.name, "hang") && n != maxHung {
			t.Errorf("%d calls of %s hang, want no more than %d to have been made", n, m.name, maxHung)
		}
	}
	close(release)
}

func TestRepeatedComplaintsAreDebug(t *testing.T) {
	var out bytes.Buffer
	told := newTold()
	log := slog.New(quieter{slog.NewTextHandler(&out, nil), told, ""}).With("collector", "x")
	log.Error("while it is made")
	told.started.Store(true)
	log.Info("flags")
	log.Error("cannot parse", "file", "a")
	log.Error("cannot parse", "file", "a")
	log.Error("cannot parse", "file", "b")
	if got := strings.Count(out.String(), "\n"); got != 2 || strings.Count(out.String(), "file=a") != 1 {
		t.Errorf("logged:\n%swant one line for each of a and b", out.String())
	}
	now := time.Now()
	if told.lately("t", now) || !told.lately("t", now.Add(time.Minute)) || told.lately("t", now.Add(2*time.Hour)) {
		t.Error("a text is told again after an hour and not before")
	}
	for i := range 3 * maxTold {
		told.lately(strings.Repeat("x", i), now)
	}
	if len(told.when) > maxTold {
		t.Errorf("%d texts are remembered, at most %d are allowed", len(told.when), maxTold)
	}
}

func TestDefaultExclusions(t *testing.T) {
	opts := Options{}.withDefaults()
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := matches(t, pattern, s); got != want {
			t.Errorf("%s is excluded: %v, want %v", s, got, want)
		}
	}
	for _, dev := range []string{"veth1a2b3c4", "vethwepl12", "cali0123456789a", "lxc0123456789ab", "azv0123456789a", "0123456789abcde"} {
		f(opts.NetDevExclude, dev, true)
	}
	for _, dev := range []string{"eth0", "lo", "docker0", "br-0123456789ab", "lxcbr0", "cni0", "bond0", "wg0", "enp0s31f6", "tun0"} {
		f(opts.NetDevExclude, dev, false)
	}
	for _, fs := range []string{"overlay", "cgroup2", "tracefs", "fuse.lxcfs", "squashfs", "efivarfs"} {
		f(opts.FSTypesExclude, fs, true)
	}
	for _, fs := range []string{"ext4", "xfs", "btrfs", "zfs", "nfs4", "tmpfs", "fuse.sshfs", "vfat"} {
		f(opts.FSTypesExclude, fs, false)
	}
	f(opts.DisksExclude, "sda1", true)
	f(opts.DisksExclude, "sda", false)
	f(opts.DisksExclude, "nvme0n1", false)
}

func BenchmarkGather(b *testing.B) {
	c := newCollector(b, testOptions())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
