package container

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"
)

// Row is one container, as a table shows it. Numbers are 0 when unknown, and for containers that do not run.
type Row struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	Image      string  `json:"image"`
	Runtime    string  `json:"runtime"` // docker, containerd, crio, podman, lxc, systemd-nspawn or unknown
	State      string  `json:"state"`   // running, exited, paused, ... in the engine's words
	Health     string  `json:"health"`  // healthy, unhealthy, starting, or "" without a health check
	Namespace  string  `json:"namespace"`
	Pod        string  `json:"pod"`
	Container  string  `json:"container"` // its name in the pod
	CPU        float64 `json:"cpu"`       // percent of one core, between the last two gathers
	WorkingSet uint64  `json:"working_set"`
	Limit      uint64  `json:"limit"`   // of memory, bytes; 0 is none
	Receive    float64 `json:"receive"` // bytes a second
	Transmit   float64 `json:"transmit"`
	Read       float64 `json:"read"` // bytes a second from storage
	Write      float64 `json:"write"`
	Throttled  float64 `json:"throttled"` // share of the CPU periods in which it was throttled, 0 to 1
	Processes  int     `json:"processes"`
	Started    int64   `json:"started"` // milliseconds since the epoch
}

// freshFor is how old a gather may be for List to do without one of its own.
const freshFor = 15 * time.Second

// List returns the containers, those that use most CPU first, and then those that an engine knows and that do not run.
// It goes by the last gather, and measures only when that is older than 15 s; rates are 0 until there were two.
func (c *Collector) List(ctx context.Context) ([]Row, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.at) > freshFor {
		c.measureLocked(now)
	}
	var rows []Row
	running := map[string]bool{}
	for i := range c.last {
		m := &c.last[i]
		running[m.id] = true
		before, ok := c.before[m.path]
		rows = append(rows, m.row(before, ok))
	}
	for _, e := range c.engines {
		for id, a := range e.containers(now, false) {
			if !running[id] && a.state != "running" {
				running[id] = true
				rows = append(rows, Row{ID: id, Name: a.name, Image: a.image, Runtime: a.runtime, State: a.state, Namespace: a.namespace, Pod: a.pod, Container: a.workload})
			}
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.CPU, a.CPU), cmp.Compare(b.WorkingSet, a.WorkingSet), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return rows, nil
}

func (m *measured) row(before measured, ok bool) Row {
	r := Row{
		ID: m.id, Name: m.who.name, Image: m.who.image, Runtime: m.runtime, State: m.who.state, Health: m.who.health,
		Namespace: m.who.namespace, Pod: m.who.pod, Container: m.who.workload, Processes: len(m.stats.pids),
		WorkingSet: whole(m.stats.workingSet()), Limit: whole(m.stats.memLimit), Started: int64(m.started * 1000),
	}
	elapsed := m.at.Sub(before.at).Seconds()
	if !ok || elapsed <= 0 {
		return r
	}
	r.CPU = 100 * grown(before.stats.cpuUsage, m.stats.cpuUsage) / elapsed
	if periods := grown(before.stats.periods, m.stats.periods); periods > 0 {
		r.Throttled = grown(before.stats.throttled, m.stats.throttled) / periods
	}
	received, sent := traffic(m.net)
	receivedBefore, sentBefore := traffic(before.net)
	r.Receive, r.Transmit = grown(receivedBefore, received)/elapsed, grown(sentBefore, sent)/elapsed
	read, written := storage(m.stats.io)
	readBefore, writtenBefore := storage(before.stats.io)
	r.Read, r.Write = grown(readBefore, read)/elapsed, grown(writtenBefore, written)/elapsed
	return r
}

// grown is how much a counter grew; 0 when it went backwards or is unknown.
func grown(was, is float64) float64 {
	if d := is - was; d > 0 {
		return d
	}
	return 0
}

func whole(v float64) uint64 {
	if math.IsNaN(v) || v < 0 {
		return 0
	}
	return uint64(v)
}

func traffic(net []netStat) (received, sent float64) {
	for _, s := range net {
		received += float64(s.received[0])
		sent += float64(s.sent[0])
	}
	return received, sent
}

func storage(io []ioStat) (read, written float64) {
	for _, s := range io {
		read += float64(s.readBytes)
		written += float64(s.writtenByte)
	}
	return read, written
}
