package process

import (
	"os"

	dto "github.com/prometheus/client_model/go"
)

// builder makes families out of numbers.
type builder struct{ out []*dto.MetricFamily }

func (b *builder) family(name, help string, t dto.MetricType) *dto.MetricFamily {
	f := &dto.MetricFamily{Name: &name, Help: &help, Type: t.Enum()}
	b.out = append(b.out, f)
	return f
}

func (b *builder) counter(name, help string) *dto.MetricFamily {
	return b.family(name, help, dto.MetricType_COUNTER)
}

func (b *builder) gauge(name, help string) *dto.MetricFamily {
	return b.family(name, help, dto.MetricType_GAUGE)
}

// put adds a metric to a family. Labels are sorted by name.
func put(f *dto.MetricFamily, v float64, labels ...*dto.LabelPair) {
	m := &dto.Metric{Label: labels}
	if f.GetType() == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &v}
	} else {
		m.Gauge = &dto.Gauge{Value: &v}
	}
	f.Metric = append(f.Metric, m)
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// groupMetric is one family of the groups and how its metrics come out of a group.
type groupMetric struct {
	name, help string
	counter    bool
	emit       func(g *group, name *dto.LabelPair, f *dto.MetricFamily)
}

// one returns an emit that gives one value a group, when has says there is one.
func one(has func(*group) bool, value func(*group) float64) func(*group, *dto.LabelPair, *dto.MetricFamily) {
	return func(g *group, name *dto.LabelPair, f *dto.MetricFamily) {
		if has(g) {
			put(f, value(g), name)
		}
	}
}

// groupMetrics are process-exporter's, sorted by name. What could not be read of any member is left out, rather than
// told as 0.
func groupMetrics() []groupMetric {
	var (
		always    = func(*group) bool { return true }
		sawIO     = func(g *group) bool { return g.sawIO }
		hasFDs    = func(g *group) bool { return g.now.hasFDs }
		hasOldest = func(g *group) bool { return g.now.oldest > 0 }
		user      = pair("mode", "user")
		system    = pair("mode", "system")
		voluntary = pair("ctxswitchtype", "voluntary")
		forced    = pair("ctxswitchtype", "nonvoluntary")
		resident  = pair("memtype", "resident")
		virtual   = pair("memtype", "virtual")
		swapped   = pair("memtype", "swapped")
		page      = float64(os.Getpagesize())
	)
	var states [len(stateNames)]*dto.LabelPair
	for i, s := range stateNames {
		states[i] = pair("state", s)
	}
	return []groupMetric{
		{"context_switches_total", "Context switches of the group's processes.", true, func(g *group, n *dto.LabelPair, f *dto.MetricFamily) {
			if g.sawStatus {
				put(f, float64(g.voluntary), voluntary, n)
				put(f, float64(g.nonvoluntary), forced, n)
			}
		}},
		{"cpu_seconds_total", "CPU time of the group's processes.", true, func(g *group, n *dto.LabelPair, f *dto.MetricFamily) {
			put(f, float64(g.utime)/ticksPerSecond, n, user)
			put(f, float64(g.stime)/ticksPerSecond, n, system)
		}},
		{"major_page_faults_total", "Page faults that needed a disk.", true, one(always, func(g *group) float64 { return float64(g.majflt) })},
		{"memory_bytes", "Memory of the group's processes; what they share is counted in each.", false, func(g *group, n *dto.LabelPair, f *dto.MetricFamily) {
			put(f, float64(g.now.resident)*page, n, resident)
			put(f, float64(g.now.virtual), n, virtual)
			if g.now.hasStatus {
				put(f, float64(g.now.swapped), n, swapped)
			}
		}},
		{"minor_page_faults_total", "Page faults that needed no disk.", true, one(always, func(g *group) float64 { return float64(g.minflt) })},
		{"num_procs", "Processes of the group.", false, one(always, func(g *group) float64 { return float64(g.now.procs) })},
		{"num_threads", "Threads of the group's processes.", false, one(always, func(g *group) float64 { return float64(g.now.threads) })},
		{"oldest_start_time_seconds", "When the group's oldest process started, since the epoch.", false, one(hasOldest, func(g *group) float64 { return g.now.oldest })},
		{"open_filedesc", "Open file descriptors of the group's processes.", false, one(hasFDs, func(g *group) float64 { return float64(g.now.fds) })},
		{"read_bytes_total", "Bytes that the group's processes read from storage.", true, one(sawIO, func(g *group) float64 { return float64(g.read) })},
		{"states", "Processes of the group by state.", false, func(g *group, n *dto.LabelPair, f *dto.MetricFamily) {
			for i, count := range g.now.states {
				put(f, float64(count), n, states[i])
			}
		}},
		{"worst_fd_ratio", "Open file descriptors by their limit, of the process nearest to it.", false, one(hasFDs, func(g *group) float64 { return g.now.worstFD })},
		{"write_bytes_total", "Bytes that the group's processes caused to be written to storage.", true, one(sawIO, func(g *group) float64 { return float64(g.written) })},
	}
}

func (c *Collector) familiesLocked() []*dto.MetricFamily {
	b := &builder{}
	put(b.counter("hulotte_process_skipped_total", "Processes that were not read because there are too many."), float64(c.errors.skipped))
	put(b.gauge("hulotte_process_unnamed_groups", "Names of groups that are counted in the group other, because there is no room for more."), float64(len(c.groups.turned)))
	list := c.groups.sorted()
	names := make([]*dto.LabelPair, len(list))
	for i, g := range list {
		names[i] = pair("groupname", g.name)
	}
	for _, m := range groupMetrics() {
		t := dto.MetricType_GAUGE
		if m.counter {
			t = dto.MetricType_COUNTER
		}
		f := b.family("namedprocess_namegroup_"+m.name, m.help, t)
		for i, g := range list {
			m.emit(g, names[i], f)
		}
	}
	put(b.counter("namedprocess_scrape_errors", "Scans of the processes that failed."), float64(c.errors.list))
	put(b.counter("namedprocess_scrape_partial_errors", "Processes of which a part could not be read, mostly for want of permission."), float64(c.errors.partial))
	put(b.counter("namedprocess_scrape_procread_errors", "Processes that could not be read."), float64(c.errors.read))
	return b.out
}
