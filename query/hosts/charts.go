package hosts

import (
	"context"
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Charts is the courses of one host on one time axis: value i of every line is at From + i*Step seconds.
type Charts struct {
	From   int64   `json:"from"`
	Step   int64   `json:"step"`
	Points int     `json:"points"`
	Panels []Panel `json:"panels"`
}

// Panel is one chart. A panel without lines is left out of Charts: the host has no such thing.
type Panel struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Unit    string   `json:"unit"`    // percent, bytes, bytes/s, per second, seconds, celsius or none
	Stacked bool     `json:"stacked"` // the lines are parts of a whole
	Queries []string `json:"queries"` // what Explore opens
	Lines   []Line   `json:"lines"`   // by name, or where there are many the highest ones first
	More    int      `json:"more"`    // how many lower lines were left out
	Max     Num      `json:"max"`     // where the axis ends, null to fit
}

// Line is one course; null where there is no value.
type Line struct {
	Name   string `json:"name"`
	Values []Num  `json:"values"`
}

// maxLines is as many as one can tell apart.
const maxLines = 12

// MaxPoints is how many points a course may have: more than a screen has pixels for.
const MaxPoints = 2000

// panelQuery is an expression with the name of its lines: {label} is replaced by the label's value.
type panelQuery struct {
	expr string
	name string
}

type panelSpec struct {
	Panel
	queries []panelQuery
}

// panels are the charts of a host; w is the range of rates.
func panels(s scope, w string) []panelSpec {
	rate := func(metric string, matchers ...string) string {
		return "rate(" + s.of(metric, matchers...) + "[" + w + "])"
	}
	cpus := "scalar(count(" + s.of("node_cpu_seconds_total", `mode="idle"`) + "))"
	mode := func(modes string) string {
		return "100 * sum(" + rate("node_cpu_seconds_total", `mode=~"`+modes+`"`) + ") / " + cpus
	}
	outer := `device!~"` + innerPattern + `"`
	real := notPseudo()
	return []panelSpec{
		{Panel{ID: "cpu", Title: "CPU by mode", Unit: "percent", Stacked: true, Max: 100}, []panelQuery{
			{mode("user|nice"), "user"}, {mode("system|irq|softirq"), "system"}, {mode("iowait"), "iowait"}, {mode("steal"), "steal"},
		}},
		{Panel{ID: "load", Title: "Load against CPUs", Unit: "none", Max: None}, []panelQuery{
			{s.of("node_load1"), "1 min"}, {s.of("node_load5"), "5 min"}, {s.of("node_load15"), "15 min"},
			{"count by (job) (" + s.of("node_cpu_seconds_total", `mode="idle"`) + ")", "CPUs"},
		}},
		{Panel{ID: "memory", Title: "Memory", Unit: "bytes", Stacked: true, Max: None}, []panelQuery{
			{s.of("node_memory_MemTotal_bytes") + " - " + s.of("node_memory_MemAvailable_bytes"), "used"},
			{s.of("node_memory_MemAvailable_bytes") + " - " + s.of("node_memory_MemFree_bytes"), "reclaimable"},
			{s.of("node_memory_MemFree_bytes"), "free"},
		}},
		{Panel{ID: "swap", Title: "Swap", Unit: "bytes", Max: None}, []panelQuery{
			{"(" + s.of("node_memory_SwapTotal_bytes") + " > 0) - " + s.of("node_memory_SwapFree_bytes"), "used"},
			{s.of("node_memory_SwapTotal_bytes") + " > 0", "size"},
		}},
		{Panel{ID: "pressure", Title: "Pressure: time spent waiting", Unit: "percent", Max: None}, []panelQuery{
			{"100 * " + rate("node_pressure_cpu_waiting_seconds_total"), "CPU, some"},
			{"100 * " + rate("node_pressure_memory_waiting_seconds_total"), "memory, some"},
			{"100 * " + rate("node_pressure_memory_stalled_seconds_total"), "memory, all"},
			{"100 * " + rate("node_pressure_io_waiting_seconds_total"), "I/O, some"},
			{"100 * " + rate("node_pressure_io_stalled_seconds_total"), "I/O, all"},
		}},
		{Panel{ID: "disk-util", Title: "Disk utilisation by device", Unit: "percent", Max: 100}, []panelQuery{
			{"100 * " + rate("node_disk_io_time_seconds_total"), "{device}"},
		}},
		{Panel{ID: "disk-io", Title: "Disk throughput by device", Unit: "bytes/s", Max: None}, []panelQuery{
			{rate("node_disk_read_bytes_total"), "{device} read"}, {rate("node_disk_written_bytes_total"), "{device} write"},
		}},
		{Panel{ID: "disk-await", Title: "Disk latency by device", Unit: "seconds", Max: None}, []panelQuery{
			{"(" + rate("node_disk_read_time_seconds_total") + " + " + rate("node_disk_write_time_seconds_total") + ") / ((" +
				rate("node_disk_reads_completed_total") + " + " + rate("node_disk_writes_completed_total") + ") > 0)", "{device}"},
		}},
		{Panel{ID: "filesystem", Title: "File systems, space in use", Unit: "percent", Max: 100}, []panelQuery{
			{"max by (mountpoint) (100 * (" + s.of("node_filesystem_size_bytes", real) + " - " + s.of("node_filesystem_free_bytes") + ") / (" +
				s.of("node_filesystem_size_bytes") + " - " + s.of("node_filesystem_free_bytes") + " + " + s.of("node_filesystem_avail_bytes") + "))", "{mountpoint}"},
		}},
		{Panel{ID: "network", Title: "Network by interface", Unit: "bytes/s", Max: None}, []panelQuery{
			{rate("node_network_receive_bytes_total", outer), "{device} in"}, {rate("node_network_transmit_bytes_total", outer), "{device} out"},
		}},
		{Panel{ID: "errors", Title: "Network errors and drops", Unit: "per second", Max: None}, []panelQuery{
			{rate("node_network_receive_errs_total", outer) + " + " + rate("node_network_transmit_errs_total", outer), "{device} errors"},
			{rate("node_network_receive_drop_total", outer) + " + " + rate("node_network_transmit_drop_total", outer), "{device} drops"},
			{rate("node_netstat_Tcp_RetransSegs"), "TCP retransmits"},
		}},
		{Panel{ID: "processes", Title: "Processes running and blocked", Unit: "none", Max: None}, []panelQuery{
			{s.of("node_procs_running"), "running"}, {s.of("node_procs_blocked"), "blocked"},
		}},
		{Panel{ID: "temperature", Title: "Temperature by sensor", Unit: "celsius", Max: None}, []panelQuery{
			{s.of("node_hwmon_temp_celsius"), "{chip} {sensor}"}, {s.of("node_thermal_zone_temp"), "{type} {zone}"},
		}},
	}
}

// Charts evaluates the courses of one host between from and to with at most points points.
func (hs *Hosts) Charts(ctx context.Context, instance string, from, to time.Time, points int) (*Charts, error) {
	if !to.After(from) {
		return nil, fmt.Errorf("%w: the range ends at %d, before it starts at %d", ErrInvalid, to.Unix(), from.Unix())
	}
	if points < 2 || points > MaxPoints {
		return nil, fmt.Errorf("%w: points is %d, it must be 2 to %d", ErrInvalid, points, MaxPoints)
	}
	s := oneHost(instance)
	interval, err := hs.interval(ctx, s, to)
	if err != nil {
		return nil, err
	}
	step := niceStep(to.Sub(from)/time.Duration(points-1), interval)
	// Multiples of the step, so that a chart that is drawn anew moves and does not flicker. The last one may lie
	// ahead of the newest sample: what is newest shall be seen.
	from, to = from.Truncate(step), to.Add(step-1).Truncate(step)
	window := max(4*interval, step+interval)
	out := &Charts{From: from.Unix(), Step: int64(step.Seconds()), Points: int(to.Sub(from)/step) + 1}
	specs := panels(s, promDuration(window))
	stages := make([]stage, len(specs))
	for i := range specs {
		stages[i] = func(ctx context.Context, _ *reading) error {
			return specs[i].fill(ctx, hs.src, from, to, step, out.Points)
		}
	}
	if err := (&reading{src: hs.src}).run(ctx, stages...); err != nil {
		return nil, err
	}
	for _, spec := range specs {
		if len(spec.Lines) > 0 {
			out.Panels = append(out.Panels, spec.Panel)
		}
	}
	return out, nil
}

// interval is the distance of a host's samples: the median of the last ten minutes before at, 15 s when
// nothing is known.
func (hs *Hosts) interval(ctx context.Context, s scope, at time.Time) (time.Duration, error) {
	m, err := hs.src.samples(ctx, s.any(witnesses)+"[10m]", at)
	if err != nil {
		return 0, err
	}
	for _, series := range m {
		var gaps []int64
		for i := 1; i < len(series.Floats); i++ {
			gaps = append(gaps, series.Floats[i].T-series.Floats[i-1].T)
		}
		if len(gaps) > 0 {
			sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
			median := time.Duration(gaps[len(gaps)/2]) * time.Millisecond
			return max(time.Second, median.Round(time.Second)), nil
		}
	}
	return 15 * time.Second, nil
}

// niceStep rounds a distance of points up to one that a clock has, and not below that of the samples.
func niceStep(step, interval time.Duration) time.Duration {
	step = max(step, interval)
	for _, nice := range []int{1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400} {
		if d := time.Duration(nice) * time.Second; d >= step {
			return d
		}
	}
	return step.Truncate(24*time.Hour) + 24*time.Hour
}

// fill evaluates the queries of a panel.
func (p *panelSpec) fill(ctx context.Context, src Source, from, to time.Time, step time.Duration, points int) error {
	for _, q := range p.queries {
		m, err := src.Range(ctx, q.expr, from, to, step)
		if err != nil {
			return err
		}
		for _, s := range m {
			p.Lines = append(p.Lines, Line{Name: lineName(q.name, s.Metric), Values: onAxis(s, from, step, points)})
		}
		p.Queries = append(p.Queries, q.expr)
	}
	if len(p.Lines) > maxLines {
		sort.SliceStable(p.Lines, func(i, j int) bool { return highest(p.Lines[i]) > highest(p.Lines[j]) })
		p.More = len(p.Lines) - maxLines
		p.Lines = p.Lines[:maxLines]
	}
	return nil
}

func onAxis(s promql.Series, from time.Time, step time.Duration, points int) []Num {
	values := make([]Num, points)
	for i := range values {
		values[i] = None
	}
	for _, p := range s.Floats {
		if i := int((p.T - from.UnixMilli()) / step.Milliseconds()); i >= 0 && i < points {
			values[i] = Num(p.F)
		}
	}
	return values
}

func lineName(pattern string, l labels.Labels) string {
	name := pattern
	l.Range(func(label labels.Label) { name = strings.ReplaceAll(name, "{"+label.Name+"}", label.Value) })
	return name
}

func highest(l Line) float64 {
	top := math.Inf(-1)
	for _, v := range l.Values {
		if v.Known() {
			top = math.Max(top, float64(v))
		}
	}
	return top
}
