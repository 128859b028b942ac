package hosts

import (
	"math"
	"time"
)

// sparkPoints and sparkStep make an hour: as far back as "what changed" goes. While the oldest data is younger
// than ten minutes, sparkStepYoung makes ten minutes, so that a course is seen soon after the first start.
const (
	sparkPoints    = 60
	sparkStep      = time.Minute
	sparkStepYoung = 10 * time.Second
)

func newSparks(step time.Duration) map[string]*grid {
	grids := map[string]*grid{}
	for name, expr := range sparkQueries() {
		grids[name] = &grid{expr: expr, step: step, points: sparkPoints}
	}
	return grids
}

// Sparks are small courses of the last hour (of the last ten minutes while there is no older data), one row a host: From is the time of the first point in seconds,
// Step the distance in seconds; null where there is nothing.
type Sparks struct {
	From int64           `json:"from"`
	Step int64           `json:"step"`
	Rows Table[SparkRow] `json:"rows"`
}

// SparkRow is the sparklines of one host.
type SparkRow struct {
	Host int   `json:"host"`
	CPU  []Num `json:"cpu"` // percent
	Mem  []Num `json:"mem"` // percent
	Net  []Num `json:"net"` // bytes per second, both directions
	IO   []Num `json:"io"`  // percent, the busiest device
}

// sparkQueries are the expressions behind the sparklines, by name.
func sparkQueries() map[string]string {
	window := "[" + rateWindow + "]"
	return map[string]string{
		"cpu": `100 * (1 - avg by (job, instance) (sum without (mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}` + window + `))))`,
		"mem": `100 * (1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)`,
		"net": `sum by (job, instance) (rate(node_network_receive_bytes_total{device!~"` + innerPattern + `"}` + window +
			`)) + sum by (job, instance) (rate(node_network_transmit_bytes_total{device!~"` + innerPattern + `"}` + window + `))`,
		"io": `100 * max by (job, instance) (rate(node_disk_io_time_seconds_total` + window + `))`,
	}
}

// sparksOf puts the grids' courses in the order of the hosts, and today's figures at the end, so that a host
// that has just started to report has a point as soon as it has a figure.
func sparksOf(hosts []*Host, grids map[string]*grid, r *reading) Sparks {
	end, step := grids["cpu"].end, grids["cpu"].step
	out := Sparks{From: end.Add(-(sparkPoints - 1) * step).Unix(), Step: int64(step.Seconds())}
	courses := map[*Host]map[string][]Num{}
	for name, g := range grids {
		for _, s := range g.series {
			h := r.host(s.metric)
			if h == nil {
				continue
			}
			if courses[h] == nil {
				courses[h] = map[string][]Num{}
			}
			courses[h][name] = whole(s.values)
		}
	}
	for i, h := range hosts {
		c := courses[h]
		row := SparkRow{
			Host: i,
			CPU:  append(c["cpu"], wholeNum(h.CPUUsed)), Mem: append(c["mem"], wholeNum(h.MemUsedPct)),
			Net: append(c["net"], wholeNum(plus(h.NetRx, h.NetTx))), IO: append(c["io"], wholeNum(h.DiskUtil)),
		}
		out.Rows = append(out.Rows, row.padded())
	}
	return out
}

// padded gives all courses the same length, what is missing at the front.
func (s SparkRow) padded() SparkRow {
	for _, c := range []*[]Num{&s.CPU, &s.Mem, &s.Net, &s.IO} {
		for len(*c) < sparkPoints+1 {
			*c = append([]Num{None}, *c...)
		}
	}
	return s
}

// whole drops what no eye sees in a sparkline, and a third of the bytes.
func whole(values []float64) []Num {
	out := make([]Num, len(values))
	for i, v := range values {
		out[i] = wholeNum(Num(v))
	}
	return out
}

func wholeNum(n Num) Num {
	if !n.Known() {
		return None
	}
	return Num(math.Max(0, math.Round(float64(n))))
}
