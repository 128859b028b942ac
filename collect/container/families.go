package container

import (
	"cmp"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// metric is one value of a container that needs no label of its own.
type metric struct {
	name, help string
	counter    bool
	value      func(*measured) float64 // NaN is none
}

func metrics() []metric {
	const counter, gauge = true, false
	return []metric{
		{"cpu_system_seconds_total", "CPU time in the kernel.", counter, func(m *measured) float64 { return m.stats.cpuSystem }},
		{"cpu_user_seconds_total", "CPU time outside the kernel.", counter, func(m *measured) float64 { return m.stats.cpuUser }},
		{"cpu_cfs_periods_total", "Periods in which the quota was enforced.", counter, func(m *measured) float64 { return m.stats.periods }},
		{"cpu_cfs_throttled_periods_total", "Periods in which the quota was used up.", counter, func(m *measured) float64 { return m.stats.throttled }},
		{"cpu_cfs_throttled_seconds_total", "Time spent waiting because the quota was used up.", counter, func(m *measured) float64 { return m.stats.throttledTime }},
		{"last_seen", "When the container was seen last, seconds since the epoch.", gauge, func(m *measured) float64 { return float64(m.at.UnixMilli()) / 1000 }},
		{"memory_cache", "Page cache, bytes.", gauge, func(m *measured) float64 { return m.stats.memCache }},
		{"memory_failcnt", "Times that the memory limit was hit.", counter, func(m *measured) float64 { return m.stats.memFailures }},
		{"memory_kernel_usage", "Memory of the kernel for the container, bytes.", gauge, func(m *measured) float64 { return m.stats.memKernel }},
		{"memory_mapped_file", "Mapped files, bytes.", gauge, func(m *measured) float64 { return m.stats.memMapped }},
		{"memory_max_usage_bytes", "Highest memory usage.", gauge, func(m *measured) float64 { return m.stats.memPeak }},
		{"memory_rss", "Anonymous memory, bytes.", gauge, func(m *measured) float64 { return m.stats.memRSS }},
		{"memory_swap", "Memory on swap, bytes.", gauge, func(m *measured) float64 { return m.stats.memSwap }},
		{"memory_usage_bytes", "Memory, page cache and all.", gauge, func(m *measured) float64 { return m.stats.memUsage }},
		{"memory_working_set_bytes", "Memory less the file pages that nobody used lately.", gauge, func(m *measured) float64 { return m.stats.workingSet() }},
		{"oom_events_total", "Processes that were killed for want of memory.", counter, func(m *measured) float64 { return m.stats.oomKills }},
		{"pressure_cpu_stalled_seconds_total", "Time in which all tasks waited for CPU.", counter, func(m *measured) float64 { return m.stats.pressure[0][1] }},
		{"pressure_cpu_waiting_seconds_total", "Time in which a task waited for CPU.", counter, func(m *measured) float64 { return m.stats.pressure[0][0] }},
		{"pressure_io_stalled_seconds_total", "Time in which all tasks waited for I/O.", counter, func(m *measured) float64 { return m.stats.pressure[2][1] }},
		{"pressure_io_waiting_seconds_total", "Time in which a task waited for I/O.", counter, func(m *measured) float64 { return m.stats.pressure[2][0] }},
		{"pressure_memory_stalled_seconds_total", "Time in which all tasks waited for memory.", counter, func(m *measured) float64 { return m.stats.pressure[1][1] }},
		{"pressure_memory_waiting_seconds_total", "Time in which a task waited for memory.", counter, func(m *measured) float64 { return m.stats.pressure[1][0] }},
		{"processes", "Processes.", gauge, func(m *measured) float64 { return float64(len(m.stats.pids)) }},
		{"spec_cpu_period", "Period of the CPU quota, microseconds.", gauge, func(m *measured) float64 { return m.stats.period }},
		{"spec_cpu_quota", "CPU quota a period, microseconds; none when unlimited.", gauge, func(m *measured) float64 { return m.stats.quota }},
		{"spec_cpu_shares", "Share of the CPU when it is short.", gauge, func(m *measured) float64 { return m.stats.shares }},
		{"spec_memory_limit_bytes", "Memory limit; 0 is none.", gauge, func(m *measured) float64 { return m.stats.memLimit }},
		{"spec_memory_reservation_limit_bytes", "Memory that is kept for the container; 0 is none.", gauge, func(m *measured) float64 { return m.stats.memReservation }},
		{"spec_memory_swap_limit_bytes", "Swap limit; 0 is none.", gauge, func(m *measured) float64 { return m.stats.memSwapLimit }},
		{"start_time_seconds", "When the container started, seconds since the epoch.", gauge, func(m *measured) float64 { return orNaN(m.started) }},
		{"threads", "Threads.", gauge, func(m *measured) float64 { return m.stats.threads }},
		{"threads_max", "Limit of threads; 0 is none.", gauge, func(m *measured) float64 { return m.stats.threadsMax }},
	}
}

func orNaN(v float64) float64 {
	if v == 0 {
		return math.NaN()
	}
	return v
}

// builder makes families; those that nobody has a value of are left out.
type builder struct{ out []*dto.MetricFamily }

func (b *builder) family(name, help string, counter bool) *dto.MetricFamily {
	t := dto.MetricType_GAUGE
	if counter {
		t = dto.MetricType_COUNTER
	}
	f := &dto.MetricFamily{Name: &name, Help: &help, Type: t.Enum()}
	b.out = append(b.out, f)
	return f
}

func put(f *dto.MetricFamily, v float64, labels []*dto.LabelPair) {
	if math.IsNaN(v) {
		return
	}
	m := &dto.Metric{Label: labels}
	if f.GetType() == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &v}
	} else {
		m.Gauge = &dto.Gauge{Value: &v}
	}
	f.Metric = append(f.Metric, m)
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// with returns labels with one more, sorted by name.
func with(labels []*dto.LabelPair, name, value string) []*dto.LabelPair {
	return sortLabels(append(slices.Clip(labels), pair(name, value)))
}

func sortLabels(labels []*dto.LabelPair) []*dto.LabelPair {
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return labels
}

// labels are what all series of a container have; those without a value are left out.
func (m *measured) labels() []*dto.LabelPair {
	out := []*dto.LabelPair{pair("id", strings.ToValidUTF8(m.path, "_"))}
	for _, l := range [...]struct{ name, value string }{
		{"name", m.who.name}, {"image", m.who.image}, {"namespace", m.who.namespace}, {"pod", m.who.pod}, {"container", m.who.workload},
	} {
		if l.value != "" {
			out = append(out, pair(l.name, strings.ToValidUTF8(l.value, "_")))
		}
	}
	for name, value := range m.who.labels {
		out = append(out, pair("container_label_"+labelName(name), value))
	}
	return sortLabels(out)
}

// labelName turns a container's label into a name that metrics may have.
func labelName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

func (c *Collector) familiesLocked() []*dto.MetricFamily {
	b := &builder{}
	labels := make([][]*dto.LabelPair, len(c.last))
	for i := range c.last {
		labels[i] = c.last[i].labels()
	}
	for _, m := range metrics() {
		f := b.family("container_"+m.name, m.help, m.counter)
		for i := range c.last {
			put(f, m.value(&c.last[i]), labels[i])
		}
	}
	c.labelledLocked(b, labels)
	c.ownLocked(b)
	b.out = slices.DeleteFunc(b.out, func(f *dto.MetricFamily) bool { return len(f.GetMetric()) == 0 })
	slices.SortFunc(b.out, func(x, y *dto.MetricFamily) int { return cmp.Compare(x.GetName(), y.GetName()) })
	return b.out
}

// labelledLocked adds the families with a label of their own.
func (c *Collector) labelledLocked(b *builder, labels [][]*dto.LabelPair) {
	usage := b.family("container_cpu_usage_seconds_total", "CPU time.", true)
	failures := b.family("container_memory_failures_total", "Page faults.", true)
	info := b.family("hulotte_container_info", "A container, with its runtime, state and the result of its health check.", false)
	io := [...]*dto.MetricFamily{
		b.family("container_fs_reads_total", "Reads of a device.", true),
		b.family("container_fs_reads_bytes_total", "Bytes read from a device.", true),
		b.family("container_fs_writes_total", "Writes to a device.", true),
		b.family("container_fs_writes_bytes_total", "Bytes written to a device.", true),
	}
	var net [8]*dto.MetricFamily
	for i, what := range [...]string{"bytes", "packets", "errors", "packets_dropped"} {
		net[i] = b.family("container_network_receive_"+what+"_total", "Received on an interface: "+what+".", true)
		net[4+i] = b.family("container_network_transmit_"+what+"_total", "Sent on an interface: "+what+".", true)
	}
	for i := range c.last {
		m, ls := &c.last[i], labels[i]
		put(usage, m.stats.cpuUsage, with(ls, "cpu", "total"))
		for kind, v := range map[string]float64{"pgfault": m.stats.faults, "pgmajfault": m.stats.majorFaults} {
			put(failures, v, with(with(ls, "failure_type", kind), "scope", "hierarchy"))
		}
		put(info, 1, infoLabels(m, ls))
		for _, s := range m.stats.io {
			ls := with(ls, "device", c.devices.name(s.device))
			for j, v := range [...]uint64{s.reads, s.readBytes, s.writes, s.writtenByte} {
				put(io[j], float64(v), ls)
			}
		}
		for _, s := range m.net {
			ls := with(ls, "interface", s.name)
			for j := range 4 {
				put(net[j], float64(s.received[j]), ls)
				put(net[4+j], float64(s.sent[j]), ls)
			}
		}
	}
}

func infoLabels(m *measured, ls []*dto.LabelPair) []*dto.LabelPair {
	ls = with(with(ls, "runtime", m.runtime), "state", m.who.state)
	if m.who.health != "" {
		ls = with(ls, "health", m.who.health)
	}
	return ls
}

// ownLocked adds what tells about the collecting itself.
func (c *Collector) ownLocked(b *builder) {
	put(b.family("hulotte_container_skipped", "Containers that are not measured because there are too many.", false), float64(c.skipped), nil)
	up := b.family("hulotte_container_engine_up", "Whether a container engine answers on its socket.", false)
	for _, e := range c.engines {
		if ok, known := e.state(); known {
			v := 0.0
			if ok {
				v = 1
			}
			put(up, v, []*dto.LabelPair{pair("socket", e.socket)})
		}
	}
}
