package hosts

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// machineGauges are the gauges that a host has once, with the field that each one fills.
func machineGauges() map[string]func(h *Host, v Num) {
	return map[string]func(h *Host, v Num){
		"node_boot_time_seconds":          func(h *Host, v Num) { h.Booted, h.boot = v, time.UnixMilli(int64(v*1000)) },
		"node_load1":                      func(h *Host, v Num) { h.Load1 = v },
		"node_load5":                      func(h *Host, v Num) { h.Load5 = v },
		"node_load15":                     func(h *Host, v Num) { h.Load15 = v },
		"node_memory_MemTotal_bytes":      func(h *Host, v Num) { h.MemTotal = v },
		"node_memory_MemAvailable_bytes":  func(h *Host, v Num) { h.MemAvailable = v },
		"node_memory_MemFree_bytes":       func(h *Host, v Num) { h.MemFree = v },
		"node_memory_Cached_bytes":        func(h *Host, v Num) { h.MemCached = v },
		"node_memory_SwapTotal_bytes":     func(h *Host, v Num) { h.SwapTotal = v },
		"node_memory_SwapFree_bytes":      func(h *Host, v Num) { h.SwapUsed = v }, // turned round by derive
		"node_procs_running":              func(h *Host, v Num) { h.Running = v },
		"node_procs_blocked":              func(h *Host, v Num) { h.Blocked = v },
		"node_timex_offset_seconds":       func(h *Host, v Num) { h.ClockOffset = v },
		"node_timex_maxerror_seconds":     func(h *Host, v Num) { h.limits.clockError = v },
		"node_timex_sync_status":          func(h *Host, v Num) { h.ClockSync = clockWord(v) },
		"node_nf_conntrack_entries":       func(h *Host, v Num) { h.facts.conntrack = v },
		"node_nf_conntrack_entries_limit": func(h *Host, v Num) { h.facts.conntrackLimit = v },
		"node_filefd_allocated":           func(h *Host, v Num) { h.facts.files = v },
		"node_filefd_maximum":             func(h *Host, v Num) { h.facts.filesLimit = v },
	}
}

func clockWord(sync Num) string {
	if sync == 1 {
		return "synchronised"
	}
	return "unsynchronised"
}

// readMachine fills in the gauges that a host has once, in one query.
func readMachine(ctx context.Context, r *reading) error {
	fields := machineGauges()
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	v, err := r.gauges(ctx, r.scope.any(names))
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, l labels.Labels, value Num) { fields[l.Get(nameLabel)](h, value) })
	return nil
}

// derive computes what follows from several gauges.
func (h *Host) derive(at time.Time) {
	h.Age = Num(max(0, at.Sub(h.lastSeen).Seconds()))
	h.SwapUsed = h.SwapTotal - h.SwapUsed
	h.MemUsedPct = percent(h.MemTotal-h.MemAvailable, h.MemTotal)
	h.limits.conntrackPct = percent(h.facts.conntrack, h.facts.conntrackLimit)
	h.limits.filesPct = percent(h.facts.files, h.facts.filesLimit)
	h.limits.load15PerCPU = h.Load15 / h.CPUs
	h.SwapPages = min(h.facts.swapIn, h.facts.swapOut)
	if h.facts.distribution != "" {
		h.OS = h.facts.distribution
	}
}

// percent is part of whole in per cent, None when the whole is nothing.
func percent(part, whole Num) Num {
	if whole <= 0 || !part.Known() || !whole.Known() {
		return None
	}
	return 100 * part / whole
}

// readOS replaces the kernel's name by that of the distribution.
func readOS() stage {
	return gaugeStage(func(s scope) string { return s.of("node_os_info") }, func(h *Host, l labels.Labels, _ Num) {
		if name := l.Get("pretty_name"); name != "" {
			h.facts.distribution = name
		}
	})
}

// readHardware reads who built the machine.
func readHardware() stage {
	return gaugeStage(func(s scope) string { return s.of("node_dmi_info") }, func(h *Host, l labels.Labels, _ Num) {
		vendor, product := l.Get("system_vendor"), l.Get("product_name")
		h.Machine = joinWords(vendor, product)
	})
}

func joinWords(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + " " + b
}

// readCPUCount counts the CPUs.
func readCPUCount(ctx context.Context, r *reading) error {
	selector := r.scope.of("node_cpu_seconds_total", `mode="idle"`)
	if r.past {
		selector = "last_over_time(" + selector + "[" + promDuration(r.keep) + "])"
	}
	v, err := r.src.vector(ctx, "count by (job, instance) ("+selector+")", r.at)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, _ labels.Labels, value Num) { h.CPUs = value })
	return nil
}

// readCPU fills in the shares of CPU time by mode.
func readCPU(ctx context.Context, r *reading) error {
	v, err := r.rates(ctx, r.scope.of("node_cpu_seconds_total"), "mode")
	if err != nil {
		return err
	}
	modes := map[*Host]map[string]Num{}
	r.each(v, func(h *Host, l labels.Labels, value Num) {
		if modes[h] == nil {
			modes[h] = map[string]Num{}
		}
		modes[h][l.Get("mode")] = value
	})
	for h, m := range modes {
		h.setCPU(m)
	}
	return nil
}

// setCPU turns seconds by mode into shares of their sum, so that they add up to 100 % even when the two
// samples were not taken at exactly the same distance.
func (h *Host) setCPU(seconds map[string]Num) {
	var total Num
	for _, s := range seconds {
		total += s
	}
	if total <= 0 {
		return
	}
	share := func(modes ...string) Num {
		var sum Num
		for _, m := range modes {
			sum += seconds[m]
		}
		return 100 * sum / total
	}
	h.CPUUser = share("user", "nice")
	h.CPUSystem = share("system", "irq", "softirq")
	h.CPUIOWait = share("iowait")
	h.CPUSteal = share("steal")
	h.CPUUsed = h.CPUUser + h.CPUSystem + h.CPUSteal
}

// readSteal reads the share of time that the hypervisor took, over five minutes.
func readSteal(ctx context.Context, r *reading) error {
	if r.past {
		return nil
	}
	expr := "100 * avg by (job, instance) (rate(" + r.scope.of("node_cpu_seconds_total", `mode="steal"`) + "[" + slowWindow + "]))"
	v, err := r.src.vector(ctx, expr, r.at)
	if err != nil {
		return err
	}
	r.each(v, func(h *Host, _ labels.Labels, value Num) { h.facts.slowSteal = value })
	return nil
}
