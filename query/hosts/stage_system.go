package hosts

import (
	"context"
	"fmt"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
)

// readFailedUnits counts failed systemd units by the cheap per-state totals, and asks for names only of the
// hosts that have any: a fleet has hundreds of units a host, and nearly all are well.
func readFailedUnits(ctx context.Context, r *reading) error {
	v, err := r.gauges(ctx, r.scope.of("node_systemd_units", `state="failed"`))
	if err != nil {
		return err
	}
	failing := map[string]bool{}
	r.each(v, func(h *Host, _ labels.Labels, value Num) {
		h.FailedUnits = value
		if value > 0 {
			failing[h.Instance] = true
		}
	})
	if len(failing) == 0 {
		return nil
	}
	selector := someHosts(keys(failing)).of("node_systemd_unit_state", `state="failed"`)
	v, err = r.gauges(ctx, selector)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, l labels.Labels, value Num) {
		if value == 1 {
			h.limits.failedNames = append(h.limits.failedNames, l.Get("name"))
		}
	})
	for _, h := range r.hosts {
		sort.Strings(h.limits.failedNames)
	}
	return nil
}

// steadyStage reads the least value of a gauge over five minutes: what was there all the time.
func steadyStage(metric string, f func(h *Host, l labels.Labels, v Num), matchers ...string) stage {
	return func(ctx context.Context, r *reading) error {
		if r.past {
			return nil
		}
		v, err := r.src.vector(ctx, fmt.Sprintf("min_over_time(%s[%s])", r.scope.of(metric, matchers...), slowWindow), r.at)
		if err != nil {
			return err
		}
		r.each(v, f)
		return nil
	}
}

// processStages read processes that wait for I/O or for their parent.
func processStages() []stage {
	return []stage{
		steadyStage("node_procs_blocked", func(h *Host, _ labels.Labels, v Num) { h.facts.steadyBlocked = v }),
		steadyStage("node_processes_state", func(h *Host, _ labels.Labels, v Num) { h.facts.steadyZombies = v }, `state="Z"`),
		gaugeStage(func(s scope) string { return s.of("node_processes_state", `state="Z"`) },
			func(h *Host, _ labels.Labels, v Num) { h.Zombies = v }),
	}
}

// redundancyStages read what is there twice and is now there once: RAID arrays and bonds.
func redundancyStages() []stage {
	return []stage{
		gaugeStage(func(s scope) string { return s.of("node_md_disks", `state="failed"`) },
			func(h *Host, _ labels.Labels, v Num) { h.limits.raidFailed = plus(h.limits.raidFailed, v) }),
		readDifference("node_md_disks_required", "node_md_disks", `state="active"`,
			func(h *Host, v Num) { h.limits.raidMissing = plus(h.limits.raidMissing, v) }),
		readDifference("node_bonding_slaves", "node_bonding_active", "",
			func(h *Host, v Num) { h.limits.bondMissing = plus(h.limits.bondMissing, v) }),
	}
}

// readDifference reads by how much a gauge is below what it should be, where it is.
func readDifference(want, have, matcher string, f func(h *Host, v Num)) stage {
	return func(ctx context.Context, r *reading) error {
		if r.past {
			return nil
		}
		var matchers []string
		if matcher != "" {
			matchers = append(matchers, matcher)
		}
		expr := fmt.Sprintf("sum without (state) (%s) - sum without (state) (%s) > 0", r.scope.of(want), r.scope.of(have, matchers...))
		v, err := r.src.vector(ctx, expr, r.at)
		if err != nil {
			return err
		}
		r.each(v, func(h *Host, _ labels.Labels, value Num) { f(h, value) })
		return nil
	}
}

// readContainers counts the containers of each host. They come from another job than the host's own, so only
// the instance counts.
func readContainers(ctx context.Context, r *reading) error {
	if r.past {
		return nil
	}
	expr := "count by (instance) (count by (instance, name, id) (" + r.scope.of("container_last_seen", `name!=""`) + "))"
	v, err := r.src.vector(ctx, expr, r.at)
	if err != nil {
		return err
	}
	for _, s := range v {
		if h := r.hosts[s.Metric.Get(instanceLabel)]; h != nil {
			h.Containers = Num(s.F)
		}
	}
	return nil
}
