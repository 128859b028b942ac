package hosts

import (
	"context"
	"sort"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// Overview is the first screen: every host that reports, worst first, and what changed. Disks, interfaces and
// devices point at their host by its row.
type Overview struct {
	At         int64            `json:"at"` // milliseconds since the epoch
	Counts     Counts           `json:"counts"`
	Hosts      Table[Host]      `json:"hosts"`
	Disks      Table[Disk]      `json:"disks"`
	Interfaces Table[Interface] `json:"interfaces"`
	Devices    Table[Device]    `json:"devices"`
	Sparks     Sparks           `json:"sparks"`
	Down       Table[Target]    `json:"targets_down"`
	Changes    Table[Change]    `json:"changes"`
	// Cut says that only each host's worst disks and busiest interfaces and devices are listed, since there are many hosts.
	Cut bool `json:"cut"`
	// MoreChanges is how many changes were left out, the oldest ones.
	MoreChanges int `json:"more_changes"`
}

// Counts are the numbers at the head of the page.
type Counts struct {
	Hosts       int `json:"hosts"`
	OK          int `json:"ok"`
	Warning     int `json:"warn"`
	Critical    int `json:"crit"`
	Unknown     int `json:"unknown"`
	TargetsUp   int `json:"targets_up"`
	TargetsDown int `json:"targets_down"`
}

// Target is a scrape target that is down.
type Target struct {
	Job      string `json:"job"`
	Instance string `json:"instance"`
}

const (
	// cutHosts is from how many hosts on their rows are cut to what a line shows.
	cutHosts      = 20
	cutDisks      = 3
	cutInterfaces = 2
	cutDevices    = 1
	// maxChanges and maxDown are more than anybody reads on a first screen.
	maxChanges = 100
	maxDown    = 100
)

// Overview reads all hosts of the context's tenant.
func (hs *Hosts) Overview(ctx context.Context) (*Overview, error) {
	c, release, err := hs.tenantCourses(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	live, gone, err := hs.read(ctx, "")
	if err != nil {
		return nil, err
	}
	if err := c.advance(ctx, hs.src, live.at); err != nil {
		return nil, err
	}
	rules := ruleTable()
	live.forecast(c.avail.matrix())
	live.judgeAll(rules)
	gone.judgeAll(rules)
	list, err := c.latestChanges(ctx, live, gone.sorted(), hs.opts.ChangesEvery, c.fill.matrix())
	if err != nil {
		return nil, err
	}
	out := &Overview{At: live.at.UnixMilli()}
	if err := out.targets(ctx, hs.src, live.at); err != nil {
		return nil, err
	}
	for instance, h := range gone.hosts {
		live.hosts[instance] = h
	}
	out.hosts(live.sorted())
	out.Sparks = sparksOf(live.sorted(), c.sparks, live)
	if out.Cut {
		out.Sparks.cut()
	}
	out.Changes, out.MoreChanges = list, max(0, len(list)-maxChanges)
	out.Changes = out.Changes[:len(list)-out.MoreChanges]
	return out, nil
}

// hosts fills in the tables and the counts.
func (o *Overview) hosts(list []*Host) {
	o.Cut = len(list) > cutHosts
	for i, h := range list {
		o.Hosts = append(o.Hosts, *h)
		o.Counts.add(h.Status)
		for j, d := range h.disks {
			if !o.Cut || j < cutDisks || d.Severity != OK {
				d.Host = i
				o.Disks = append(o.Disks, d)
			}
		}
		for j, n := range h.nets {
			if !o.Cut || j < cutInterfaces && !n.Inner {
				n.Host = i
				o.Interfaces = append(o.Interfaces, n)
			}
		}
		for j, d := range h.devs {
			if !o.Cut || j < cutDevices {
				d.Host = i
				o.Devices = append(o.Devices, d)
			}
		}
	}
}

func (c *Counts) add(s Severity) {
	c.Hosts++
	switch s {
	case OK:
		c.OK++
	case Warning:
		c.Warning++
	case Critical:
		c.Critical++
	case Unknown:
		c.Unknown++
	}
}

// targets counts the scrape targets and lists those that are down.
func (o *Overview) targets(ctx context.Context, src Source, at time.Time) error {
	up, err := src.vector(ctx, "up", at)
	if err != nil {
		return err
	}
	for _, s := range up {
		if s.F != 0 {
			o.Counts.TargetsUp++
			continue
		}
		o.Counts.TargetsDown++
		o.Down = append(o.Down, targetOf(s))
	}
	sort.Slice(o.Down, func(i, j int) bool {
		a, b := o.Down[i], o.Down[j]
		return a.Job < b.Job || a.Job == b.Job && a.Instance < b.Instance
	})
	o.Down = o.Down[:min(len(o.Down), maxDown)]
	return nil
}

func targetOf(s promql.Sample) Target {
	return Target{Job: s.Metric.Get(jobLabel), Instance: s.Metric.Get(instanceLabel)}
}

// cut keeps the two courses that a line shows.
func (s *Sparks) cut() {
	for i := range s.Rows {
		s.Rows[i].Net, s.Rows[i].IO = nil, nil
	}
}
