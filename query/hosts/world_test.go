package hosts

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/series"
)

// testNow is when every test's world ends: a whole minute, so that courses end with a point.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a store to fill in with hosts.
type world struct {
	t   testing.TB
	db  *series.DB
	now time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := series.Open(series.Options{Dir: t.TempDir(), OutOfOrderWindow: 24 * time.Hour, SyncInterval: -1, RetentionTime: 100 * 365 * 24 * time.Hour}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, db: db, now: testNow}
}

// hosts returns what is tested, over the world.
func (w *world) hosts() *Hosts {
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		Parser: parser.NewParser(parser.Options{}),
	})
	return New(FromEngine(engine, w.db), Options{Now: func() time.Time { return w.now }})
}

// series adds samples of one series; value gives the sample of each time.
func (w *world) series(name string, from, to time.Time, step time.Duration, value func(t time.Time) float64) {
	w.t.Helper()
	l, err := parser.NewParser(parser.Options{}).ParseMetric(name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.add(l, from, to, step, value)
}

func (w *world) add(l labels.Labels, from, to time.Time, step time.Duration, value func(t time.Time) float64) {
	w.t.Helper()
	writer, err := w.db.Writer(model.DefaultTenant)
	if err != nil {
		w.t.Fatal(err)
	}
	app := writer.AppenderV2(context.Background())
	var ref storage.SeriesRef
	for t := from; !t.After(to); t = t.Add(step) {
		if ref, err = app.Append(ref, l, 0, t.UnixMilli(), value(t), nil, nil, storage.AppendV2Options{}); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// machine is a synthetic host: what differs from a healthy one is set in the fields.
type machine struct {
	w        *world
	instance string
	job      string
	from, to time.Time
	step     time.Duration
	cpus     int
	busy     float64 // share of each CPU in user mode
	memory   float64 // share available
	booted   time.Time
	labels   string // more labels of node_uname_info
}

const gib = 1 << 30

// machine adds a healthy host that reported every 30 s for the last 90 minutes.
func (w *world) machine(instance string, change ...func(*machine)) *machine {
	w.t.Helper()
	m := &machine{
		w: w, instance: instance, job: "node", from: w.now.Add(-90 * time.Minute), to: w.now.Add(-5 * time.Second),
		step: 30 * time.Second, cpus: 2, busy: 0.25, memory: 0.5, booted: w.now.Add(-72 * time.Hour),
	}
	for _, c := range change {
		c(m)
	}
	m.write()
	return m
}

func (m *machine) write() {
	m.gauge("node_uname_info", fmt.Sprintf(`domainname="",machine="x86_64",nodename="%s",release="6.12.0",sysname="Linux",version="#1"%s`, strings.Map(plain, "box-"+m.instance), m.labels), 1)
	m.gauge("node_os_info", `id="debian",pretty_name="Debian GNU/Linux 13 (trixie)"`, 1)
	m.gauge("node_boot_time_seconds", "", float64(m.booted.Unix()))
	m.gauge("node_load1", "", 0.5)
	m.gauge("node_load5", "", 0.4)
	m.gauge("node_load15", "", 0.3)
	m.gauge("node_memory_MemTotal_bytes", "", 8*gib)
	m.gauge("node_memory_MemAvailable_bytes", "", 8*gib*m.memory)
	m.gauge("node_memory_MemFree_bytes", "", 1*gib)
	m.gauge("node_memory_Cached_bytes", "", 2*gib)
	m.gauge("node_memory_SwapTotal_bytes", "", 2*gib)
	m.gauge("node_memory_SwapFree_bytes", "", 2*gib)
	m.gauge("node_timex_sync_status", "", 1)
	m.gauge("node_timex_maxerror_seconds", "", 0.01)
	m.gauge("node_procs_running", "", 2)
	m.gauge("node_procs_blocked", "", 0)
	m.gauge("node_systemd_units", `state="failed"`, 0)
	m.gauge("up", "", 1)
	for cpu := range m.cpus {
		m.counter("node_cpu_seconds_total", fmt.Sprintf(`cpu="%d",mode="user"`, cpu), m.busy)
		m.counter("node_cpu_seconds_total", fmt.Sprintf(`cpu="%d",mode="system"`, cpu), 0.05)
		m.counter("node_cpu_seconds_total", fmt.Sprintf(`cpu="%d",mode="iowait"`, cpu), 0.01)
		m.counter("node_cpu_seconds_total", fmt.Sprintf(`cpu="%d",mode="steal"`, cpu), 0)
		m.counter("node_cpu_seconds_total", fmt.Sprintf(`cpu="%d",mode="idle"`, cpu), 0.94-m.busy)
	}
	m.counter("node_pressure_cpu_waiting_seconds_total", "", 0.02)
	m.counter("node_pressure_memory_stalled_seconds_total", "", 0)
	m.counter("node_pressure_io_stalled_seconds_total", "", 0.01)
	m.counter("node_network_receive_bytes_total", `device="eth0"`, 1e5)
	m.counter("node_network_transmit_bytes_total", `device="eth0"`, 5e4)
	m.counter("node_network_receive_bytes_total", `device="lo"`, 1e6)
	m.gauge("node_network_up", `device="eth0"`, 1)
	m.counter("node_disk_io_time_seconds_total", `device="sda"`, 0.1)
	m.counter("node_disk_read_bytes_total", `device="sda"`, 2e6)
	m.counter("node_disk_written_bytes_total", `device="sda"`, 1e6)
	m.disk("/", "/dev/sda1", 0.4)
	m.disk("/data", "/dev/sdb1", 0.6)
}

// plain keeps what needs no escaping.
func plain(r rune) rune {
	if strings.ContainsRune("\"\\\n", r) {
		return '_'
	}
	return r
}

func (m *machine) name(metric, more string) string {
	l := fmt.Sprintf(`%s{instance=%s,job=%q`, metric, quote(m.instance), m.job)
	if more != "" {
		l += "," + more
	}
	return l + "}"
}

func (m *machine) gauge(metric, more string, v float64) {
	m.w.t.Helper()
	m.course(metric, more, func(time.Time) float64 { return v })
}

// counter adds a counter that grows by perSecond.
func (m *machine) counter(metric, more string, perSecond float64) {
	m.w.t.Helper()
	m.course(metric, more, func(t time.Time) float64 { return 1000 + perSecond*t.Sub(m.from).Seconds() })
}

func (m *machine) course(metric, more string, value func(t time.Time) float64) {
	m.w.t.Helper()
	m.w.series(m.name(metric, more), m.from, m.to, m.step, value)
}

// disk adds a file system of 100 GiB that is used to a share.
func (m *machine) disk(mount, device string, used float64) {
	m.w.t.Helper()
	m.diskCourse(mount, device, func(time.Time) float64 { return used })
}

func (m *machine) diskCourse(mount, device string, used func(t time.Time) float64) {
	m.w.t.Helper()
	l := fmt.Sprintf(`device="%s",fstype="ext4",mountpoint="%s"`, device, mount)
	m.gauge("node_filesystem_size_bytes", l, 100*gib)
	free := func(t time.Time) float64 { return 100 * gib * (1 - used(t)) }
	m.course("node_filesystem_free_bytes", l, free)
	m.course("node_filesystem_avail_bytes", l, free)
	m.gauge("node_filesystem_files", l, 1e6)
	m.gauge("node_filesystem_files_free", l, 9e5)
	m.gauge("node_filesystem_readonly", l, 0)
}

// overview reads the overview of the world.
func (w *world) overview() *Overview {
	w.t.Helper()
	o, err := w.hosts().Overview(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

// host finds a host of an overview.
func (w *world) host(instance string) Host {
	w.t.Helper()
	for _, h := range w.overview().Hosts {
		if h.Instance == instance {
			return h
		}
	}
	w.t.Fatalf("no host %q in the overview", instance)
	return Host{}
}
