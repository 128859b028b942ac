package hosts

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
)

// pressureStages read pressure stall information: "waiting" is the time in which something waited, "stalled"
// the time in which everything did. For a CPU only the first says something about a whole machine.
func pressureStages() []stage {
	return []stage{
		slowRateStage("node_pressure_cpu_waiting_seconds_total", nil, func(h *Host, _ labels.Labels, v Num) { h.PSICPU = 100 * v }),
		slowRateStage("node_pressure_memory_stalled_seconds_total", nil, func(h *Host, _ labels.Labels, v Num) { h.PSIMem = 100 * v }),
		slowRateStage("node_pressure_io_stalled_seconds_total", nil, func(h *Host, _ labels.Labels, v Num) { h.PSIIO = 100 * v }),
	}
}

// swapStages read how many pages go in and out. Pages that only go out are memory being tidied; both at once,
// for minutes, is thrashing.
func swapStages() []stage {
	return []stage{
		slowRateStage("node_vmstat_pswpin", nil, func(h *Host, _ labels.Labels, v Num) { h.facts.swapIn = v }),
		slowRateStage("node_vmstat_pswpout", nil, func(h *Host, _ labels.Labels, v Num) { h.facts.swapOut = v }),
	}
}

// readOOM counts the processes killed for lack of memory lately.
func readOOM(ctx context.Context, r *reading) error {
	if r.past {
		return nil
	}
	v, err := r.src.samples(ctx, r.scope.of("node_vmstat_oom_kill")+"[15m]", r.at)
	if err != nil {
		return err
	}
	for _, s := range v {
		if h := r.host(s.Metric); h != nil {
			h.limits.oomKills = Num(increase(s))
		}
	}
	return nil
}

// readTemperature finds the hottest sensor, and the one that is nearest to its own critical mark.
func readTemperature(ctx context.Context, r *reading) error {
	if r.past {
		return nil
	}
	expr := "max by (job, instance) (" + r.scope.of("node_hwmon_temp_celsius") + " or " + r.scope.of("node_thermal_zone_temp") + ")"
	v, err := r.src.vector(ctx, expr, r.at)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, _ labels.Labels, value Num) { h.Temperature = value })
	crit := r.scope.of("node_hwmon_temp_crit_celsius")
	expr = "min by (job, instance) ((" + crit + " > 0) - on (job, instance, chip, sensor) group_left () " + r.scope.of("node_hwmon_temp_celsius") + ")"
	v, err = r.src.vector(ctx, expr, r.at)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, _ labels.Labels, value Num) { h.limits.tempCrit = value })
	return nil
}
