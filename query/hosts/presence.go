package hosts

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// witnesses are metrics that every host has, besides node_uname_info: a host whose uname collector is off is
// still a host.
var witnesses = []string{"node_boot_time_seconds", "node_memory_MemTotal_bytes", "node_load1"}

// findLive puts the hosts that report into the reading, with who they are and how old their newest sample is.
func findLive(ctx context.Context, r *reading) error {
	named, err := r.src.vector(ctx, "timestamp("+r.scope.of("node_uname_info")+")", r.at)
	if err != nil {
		return err
	}
	expr := ""
	for i, name := range witnesses {
		if i > 0 {
			expr += " or "
		}
		expr += "timestamp(" + r.scope.of(name) + ")"
	}
	seen, err := r.src.vector(ctx, fmt.Sprintf("max by (job, instance) (%s)", expr), r.at)
	if err != nil {
		return err
	}
	for _, s := range named {
		r.admit(s, true)
	}
	for _, s := range seen {
		r.admit(s, false)
	}
	return nil
}

// admit adds the host of a sample whose value is the time of the host's newest sample. Of several jobs with
// the same instance the one that names the machine wins, then the freshest.
func (r *reading) admit(s promql.Sample, named bool) {
	instance, job := s.Metric.Get(instanceLabel), s.Metric.Get(jobLabel)
	if instance == "" {
		return // a series without an instance says nothing about which host it is from
	}
	seen := time.UnixMilli(int64(s.F * 1000))
	h := r.hosts[instance]
	switch {
	case h == nil:
		h = newHost(instance, job)
		r.hosts[instance] = h
	case h.Job == job && !named && seen.After(h.lastSeen):
		h.lastSeen = seen
		return
	case h.Job == job && !named, !seen.After(h.lastSeen):
		return
	case !named && h.Kernel != "":
		return
	}
	h.Job, h.lastSeen = job, seen
	if named {
		h.nameFrom(s.Metric)
	}
}

func newHost(instance, job string) *Host {
	h := &Host{Instance: instance, Name: instance, Job: job, Status: OK}
	for _, n := range h.figures() {
		*n = None
	}
	return h
}

// figures lists the fields that are None until a stage knows better.
func (h *Host) figures() []*Num {
	return []*Num{
		&h.CPUs, &h.Booted, &h.Age, &h.CPUUsed, &h.CPUUser, &h.CPUSystem, &h.CPUIOWait, &h.CPUSteal,
		&h.Load1, &h.Load5, &h.Load15, &h.MemTotal, &h.MemAvailable, &h.MemUsedPct, &h.MemCached, &h.MemFree,
		&h.SwapTotal, &h.SwapUsed, &h.SwapPages, &h.PSICPU, &h.PSIMem, &h.PSIIO, &h.NetRx, &h.NetTx,
		&h.DiskUtil, &h.DiskRead, &h.DiskWrit, &h.Temperature, &h.Containers, &h.FailedUnits, &h.Running,
		&h.Blocked, &h.Zombies, &h.ClockOffset,
		&h.limits.conntrackPct, &h.limits.filesPct, &h.limits.load15PerCPU, &h.limits.clockError, &h.limits.oomKills,
		&h.limits.raidFailed, &h.limits.raidMissing, &h.limits.bondMissing, &h.limits.tempCrit,
		&h.facts.conntrack, &h.facts.conntrackLimit, &h.facts.files, &h.facts.filesLimit, &h.facts.swapIn, &h.facts.swapOut,
		&h.facts.slowSteal, &h.facts.steadyBlocked, &h.facts.steadyZombies,
	}
}

// unameLabels are the labels that node_uname_info has of itself; any other was added by the operator.
var unameLabels = map[string]bool{
	nameLabel: true, instanceLabel: true, jobLabel: true, "domainname": true, "machine": true,
	"nodename": true, "release": true, "sysname": true, "version": true,
}

func (h *Host) nameFrom(l labels.Labels) {
	if name := l.Get("nodename"); name != "" {
		h.Name = name
	}
	h.OS, h.Kernel, h.Arch = l.Get("sysname"), l.Get("release"), l.Get("machine")
	h.Labels = nil
	l.Range(func(label labels.Label) {
		if unameLabels[label.Name] {
			return
		}
		if h.Labels == nil {
			h.Labels = map[string]string{}
		}
		h.Labels[label.Name] = label.Value
	})
}

// findGone returns a reading of the hosts that do not report now but did within keep.
func findGone(ctx context.Context, live *reading) (*reading, error) {
	gone := &reading{src: live.src, at: live.at, scope: live.scope, past: true, keep: live.keep, hosts: map[string]*Host{}}
	all := append([]string{"node_uname_info"}, witnesses...)
	v, err := gone.gauges(ctx, live.scope.any(all))
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, s := range v {
		instance := s.Metric.Get(instanceLabel)
		if live.hosts[instance] != nil || instance == "" {
			continue
		}
		if gone.hosts[instance] == nil {
			gone.hosts[instance] = newHost(instance, s.Metric.Get(jobLabel))
			missing = append(missing, instance)
		}
		if s.Metric.Get(nameLabel) == "node_uname_info" {
			gone.hosts[instance].Job = s.Metric.Get(jobLabel)
			gone.hosts[instance].nameFrom(s.Metric)
		}
	}
	if len(missing) == 0 {
		return gone, nil
	}
	gone.scope = someHosts(missing)
	return gone, gone.datePast(ctx)
}

// pastStep is how exactly the time of a gone host's last sample is found.
const pastStep = "10s"

// datePast finds when each gone host was last seen.
func (r *reading) datePast(ctx context.Context) error {
	for _, name := range append([]string{"node_uname_info"}, witnesses...) {
		expr := fmt.Sprintf("max by (job, instance) (max_over_time(timestamp(%s)[%s:%s]))", r.scope.of(name), promDuration(r.keep), pastStep)
		v, err := r.src.vector(ctx, expr, r.at)
		if err != nil {
			return err
		}
		r.each(v, func(h *Host, _ labels.Labels, value Num) {
			if seen := time.UnixMilli(int64(value * 1000)); seen.After(h.lastSeen) {
				h.lastSeen = seen
			}
		})
	}
	return nil
}
