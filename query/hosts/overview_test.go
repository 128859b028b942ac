package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares v as indented JSON with testdata/name.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	flat, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, flat, "", " "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs; run with -update and look at the diff. Got:\n%s", path, got.Bytes())
	}
}

func TestOverviewOfOneHost(t *testing.T) {
	w := newWorld(t)
	w.machine("web-1", func(m *machine) { m.labels = `,env="prod"` })
	o := w.overview()
	golden(t, "one_host.json", o)
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 30_000 {
		t.Errorf("the overview of one host has %d bytes, want at most 30000", len(b))
	}
}

func TestOverviewOfNothing(t *testing.T) {
	golden(t, "empty.json", newWorld(t).overview())
}

func TestPageOfOneHost(t *testing.T) {
	w := newWorld(t)
	m := w.machine("web-1")
	m.gauge("node_systemd_unit_state", `name="ssh.service",state="active",type="notify"`, 1)
	m.gauge("node_systemd_unit_state", `name="ssh.service",state="failed",type="notify"`, 0)
	m.gauge("node_systemd_unit_state", `name="backup.timer",state="failed",type=""`, 1)
	m.job = "process"
	m.gauge("namedprocess_namegroup_num_procs", `groupname="nginx"`, 4)
	m.counter("namedprocess_namegroup_cpu_seconds_total", `groupname="nginx",mode="user"`, 0.5)
	m.gauge("namedprocess_namegroup_memory_bytes", `groupname="nginx",memtype="resident"`, 5e7)
	m.job = "container"
	m.gauge("container_last_seen", `id="/docker/1",image="redis:8",name="cache"`, 1)
	m.counter("container_cpu_usage_seconds_total", `id="/docker/1",image="redis:8",name="cache",cpu="total"`, 0.25)
	page, err := w.hosts().Host(context.Background(), "web-1")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "page.json", page)
}

func TestHealthyHostIsQuiet(t *testing.T) {
	w := newWorld(t)
	w.machine("a", func(m *machine) { m.busy = 0.9 })
	if h := w.host("a"); h.Status != OK || len(h.Reasons) != 0 {
		t.Errorf("a busy but healthy host is %s: %v", h.Status, h.Reasons)
	}
	if c := w.overview().Changes; len(c) != 0 {
		t.Errorf("nothing changed, yet: %v", c)
	}
}

// TestReasons gives one machine one trouble at a time.
func TestReasons(t *testing.T) {
	f := func(name string, trouble func(m *machine), want Severity, text string) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			trouble(w.machine("a"))
			h := w.host("a")
			if h.Status != want || len(h.Reasons) != 1 {
				t.Fatalf("status %s with %v, want %s with one reason", h.Status, h.Reasons, want)
			}
			if h.Reasons[0].Text != text {
				t.Errorf("reason %q, want %q", h.Reasons[0].Text, text)
			}
		})
	}
	f("disk warns", func(m *machine) { m.disk("/var", "/dev/sdc", 0.94) }, Warning, "/var is 94 % full, 6.0 GiB free")
	f("disk is critical", func(m *machine) { m.disk("/var", "/dev/sdc", 0.96) }, Critical, "/var is 96 % full, 4.0 GiB free")
	f("inodes", func(m *machine) {
		m.gauge("node_filesystem_files", `device="/dev/sdd",fstype="ext4",mountpoint="/srv"`, 100)
		m.gauge("node_filesystem_files_free", `device="/dev/sdd",fstype="ext4",mountpoint="/srv"`, 2)
		m.gauge("node_filesystem_size_bytes", `device="/dev/sdd",fstype="ext4",mountpoint="/srv"`, 100)
	}, Critical, "/srv has used 98 % of its inodes")
	f("full soon", func(m *machine) {
		m.diskCourse("/var", "/dev/sdc", func(at time.Time) float64 {
			return 0.80 - 0.03*m.w.now.Sub(at).Hours()
		})
	}, Warning, "/var is full in 6 h 41 min at this pace")
	f("units", func(m *machine) {
		m.job = "node"
		m.gauge("node_systemd_unit_state", `name="backup.service",state="failed"`, 1)
		m.from = m.from.Add(time.Second)
		m.to = m.to.Add(time.Second)
		m.gauge("node_systemd_units", `state="failed"`, 1)
	}, Warning, "1 unit failed: backup.service")
	f("pressure", func(m *machine) {
		m.counter("node_pressure_memory_stalled_seconds_total", `x="y"`, 0.2)
	}, Warning, "stalled for lack of memory 20 % of the time")
	f("turned read-only", func(m *machine) {
		l := `device="/dev/sdc",fstype="ext4",mountpoint="/var"`
		m.gauge("node_filesystem_size_bytes", l, 100)
		m.course("node_filesystem_readonly", l, func(at time.Time) float64 {
			if at.After(m.w.now.Add(-20 * time.Minute)) {
				return 1
			}
			return 0
		})
	}, Critical, "/var has turned read-only")
	f("RAID", func(m *machine) { m.gauge("node_md_disks", `device="md0",state="failed"`, 1) }, Critical, "1 disk failed in a RAID array")
	f("network errors", func(m *machine) {
		m.counter("node_network_receive_errs_total", `device="eth0"`, 5)
		m.counter("node_network_transmit_errs_total", `device="eth0"`, 0)
		m.counter("node_network_receive_packets_total", `device="eth0"`, 60)
		m.counter("node_network_transmit_packets_total", `device="eth0"`, 40)
	}, Warning, "5.0 % of packets on eth0 have errors")
	f("OOM kill", func(m *machine) {
		m.course("node_vmstat_oom_kill", "", func(at time.Time) float64 {
			if at.After(m.w.now.Add(-10 * time.Minute)) {
				return 2
			}
			return 0
		})
	}, Warning, "2 processes killed for lack of memory in the last 15 minutes")
}

func TestMemoryReason(t *testing.T) {
	w := newWorld(t)
	w.machine("a", func(m *machine) { m.memory = 0.04 })
	h := w.host("a")
	if h.Status != Critical || h.Reasons[0].Text != "4.0 % of memory available (328 MiB)" {
		t.Errorf("status %s, %v", h.Status, h.Reasons)
	}
}

func TestReadOnlyOnPurposeIsQuiet(t *testing.T) {
	w := newWorld(t)
	m := w.machine("a")
	m.gauge("node_filesystem_size_bytes", `device="/dev/sr0",fstype="ext4",mountpoint="/usr"`, 100)
	m.gauge("node_filesystem_readonly", `device="/dev/sr0",fstype="ext4",mountpoint="/usr"`, 1)
	if h := w.host("a"); h.Status != OK {
		t.Errorf("a file system that has always been read-only gives %v", h.Reasons)
	}
}

func TestWorstHostFirst(t *testing.T) {
	w := newWorld(t)
	w.machine("a-fine")
	w.machine("b-warns").disk("/x", "/dev/sdx", 0.92)
	w.machine("c-gone", func(m *machine) { m.to = w.now.Add(-30 * time.Minute) })
	w.machine("d-full").disk("/x", "/dev/sdx", 0.97)
	var got []string
	o := w.overview()
	for _, h := range o.Hosts {
		got = append(got, h.Instance+" "+string(h.Status))
	}
	want := "d-full crit, c-gone unknown, b-warns warn, a-fine ok"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("order %q, want %q", s, want)
	}
	if o.Counts.Hosts != 4 || o.Counts.Critical != 1 || o.Counts.Unknown != 1 || o.Counts.Warning != 1 || o.Counts.OK != 1 {
		t.Errorf("counts %+v", o.Counts)
	}
	if d := o.Disks[0]; d.Host != 0 || d.Mount != "/x" || d.Severity != Critical {
		t.Errorf("the first disk is %+v, want the full one", d)
	}
}

func TestStaleHostKeepsGaugesAndLosesRates(t *testing.T) {
	w := newWorld(t)
	w.machine("gone", func(m *machine) { m.to = w.now.Add(-30 * time.Minute) })
	w.machine("late", func(m *machine) { m.to = w.now.Add(-4 * time.Minute) })
	w.machine("forgotten", func(m *machine) { m.to = w.now.Add(-80 * time.Minute) })
	o := w.overview()
	if len(o.Hosts) != 2 {
		t.Fatalf("%d hosts, want the two that reported within the hour", len(o.Hosts))
	}
	for _, h := range o.Hosts {
		if !h.Stale || h.Status != Unknown || h.CPUUsed.Known() || h.NetRx.Known() || h.MemTotal != 8*gib || h.Name != "box-"+h.Instance {
			t.Errorf("%s: stale %v, status %s, cpu %v, memory %v", h.Instance, h.Stale, h.Status, h.CPUUsed, h.MemTotal)
		}
	}
	// The age is that of the newest sample: samples come every 30 s up to the given time.
	if age := o.Hosts[0].Age; age < 1800 || age > 1830 {
		t.Errorf("age of the gone host is %v s, want 1800 to 1830", age)
	}
	if len(o.Disks) != 4 {
		t.Errorf("%d disks of stale hosts, want their last known 4", len(o.Disks))
	}
}

func TestCounterResetIsNoSpike(t *testing.T) {
	w := newWorld(t)
	m := w.machine("a")
	m.course("node_network_receive_bytes_total", `device="eth1"`, func(at time.Time) float64 {
		if at.After(w.now.Add(-40 * time.Second)) {
			return 1000 // restarted just before the last samples
		}
		return 1e15
	})
	if h := w.host("a"); h.NetRx > 2e5 || h.NetRx < 0 {
		t.Errorf("received %v bytes/s after a reset", h.NetRx)
	}
}

func TestMissingCollectorsGiveNull(t *testing.T) {
	w := newWorld(t)
	w.series(`node_load1{instance="bare",job="node"}`, w.now.Add(-10*time.Minute), w.now, 30*time.Second, func(time.Time) float64 { return 1 })
	h := w.host("bare")
	if h.CPUUsed.Known() || h.MemUsedPct.Known() || h.Temperature.Known() || h.Booted.Known() {
		t.Errorf("figures out of nothing: %+v", h)
	}
	if h.Name != "bare" || h.Status != OK || h.Load1 != 1 {
		t.Errorf("name %q, status %s, load %v", h.Name, h.Status, h.Load1)
	}
	golden(t, "bare.json", w.overview())
}

func TestNaNAndInfinityGiveNull(t *testing.T) {
	w := newWorld(t)
	for name, v := range map[string]float64{"node_load1": math.NaN(), "node_memory_MemTotal_bytes": math.Inf(1), "node_memory_MemAvailable_bytes": 0, "node_boot_time_seconds": math.NaN()} {
		w.series(name+`{instance="odd",job="node"}`, w.now.Add(-10*time.Minute), w.now, 30*time.Second, func(time.Time) float64 { return v })
	}
	if _, err := json.Marshal(w.overview()); err != nil {
		t.Error(err)
	}
	if h := w.host("odd"); h.MemUsedPct.Known() || h.Status != OK {
		t.Errorf("memory %v, status %s, %v", h.MemUsedPct, h.Status, h.Reasons)
	}
}

func TestWeirdInstanceNames(t *testing.T) {
	w := newWorld(t)
	names := []string{`a"b`, `back\slash`, "new\nline", `.*`, "{}", "日本", "x|y", "10.0.0.1:9100", "a b"}
	for _, name := range names {
		w.machine(name, func(m *machine) { m.from, m.labels = w.now.Add(-3*time.Minute), "" })
	}
	if got := len(w.overview().Hosts); got != len(names) {
		t.Errorf("%d hosts, want %d", got, len(names))
	}
	for _, name := range names {
		page, err := w.hosts().Host(context.Background(), name)
		if err != nil {
			t.Errorf("Host(%q): %v", name, err)
			continue
		}
		if page.Host.Instance != name || len(page.Disks) != 2 {
			t.Errorf("Host(%q) gives %q with %d disks", name, page.Host.Instance, len(page.Disks))
		}
		if _, err := w.hosts().Charts(context.Background(), name, w.now.Add(-time.Hour), w.now, 60); err != nil {
			t.Errorf("Charts(%q): %v", name, err)
		}
	}
}

func TestUnknownHostIsNotFound(t *testing.T) {
	w := newWorld(t)
	w.machine("a")
	if _, err := w.hosts().Host(context.Background(), "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

func TestTwoJobsWithOneInstanceCountOnce(t *testing.T) {
	w := newWorld(t)
	w.machine("a")
	w.machine("a", func(m *machine) { m.job = "node-exporter" })
	o := w.overview()
	if len(o.Hosts) != 1 {
		t.Fatalf("%d hosts, want 1", len(o.Hosts))
	}
	if h := o.Hosts[0]; h.CPUs != 2 || h.NetRx != 1e5 || len(o.Disks) != 2 {
		t.Errorf("counted twice: %v CPUs, %v bytes/s, %d disks", h.CPUs, h.NetRx, len(o.Disks))
	}
}

func TestBindMountsAreOneDisk(t *testing.T) {
	w := newWorld(t)
	m := w.machine("a")
	m.disk("/var/lib/kubelet/pods/1", "/dev/sda1", 0.4)
	o := w.overview()
	if len(o.Disks) != 2 {
		t.Fatalf("%d disks, want 2: %+v", len(o.Disks), o.Disks)
	}
	if d := o.Disks[1]; d.Mount != "/" || len(d.Also) != 1 {
		t.Errorf("the root disk is %+v", d)
	}
}

func TestManyHostsCutTheirRows(t *testing.T) {
	w := newWorld(t)
	for i := range cutHosts + 1 {
		m := w.machine(fmt.Sprintf("h%02d", i), func(m *machine) { m.from = w.now.Add(-3 * time.Minute) })
		if i == 0 {
			for d := range 6 {
				m.disk(fmt.Sprintf("/d%d", d), fmt.Sprintf("/dev/sd%d", d), 0.5+float64(d)/10)
			}
		}
	}
	o := w.overview()
	if !o.Cut || len(o.Disks) != cutDisks+cutHosts*2 {
		t.Errorf("cut %v, %d disks", o.Cut, len(o.Disks))
	}
}
