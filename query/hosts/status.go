package hosts

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// judge applies the rules to a host and its disks: the reasons, worst first, and the status that follows.
func (h *Host) judge(rules map[string]Rule) {
	if h.Stale {
		h.Status = Unknown
		h.Reasons = []Reason{{Rule: ruleStale, Severity: Unknown, Text: "no data for " + words(seconds(h.Age))}}
		return
	}
	h.judgeDisks(rules)
	h.judgeMemory(rules)
	h.judgeCPU(rules)
	h.judgeNetwork(rules)
	h.judgeSystem(rules)
	sort.SliceStable(h.Reasons, func(i, j int) bool { return h.Reasons[i].Severity.rank() > h.Reasons[j].Severity.rank() })
	if len(h.Reasons) > 0 {
		h.Status = h.Reasons[0].Severity
	}
}

// check adds a reason when the figure has reached a mark of the rule, and returns how bad it is.
func (h *Host) check(r Rule, figure Num, subject, format string, args ...any) Severity {
	s := r.grade(figure)
	if s != OK {
		h.Reasons = append(h.Reasons, Reason{Rule: r.ID, Severity: s, Subject: subject, Text: fmt.Sprintf(format, args...)})
	}
	return s
}

func (h *Host) judgeDisks(rules map[string]Rule) {
	for i := range h.disks {
		h.judgeDisk(&h.disks[i], rules)
	}
	sortDisks(h.disks)
}

func (h *Host) judgeDisk(d *Disk, rules map[string]Rule) {
	grades := []Severity{
		h.check(rules[ruleDiskUsed], d.UsedPct, d.Mount, "%s is %s full, %s free", d.Mount, pct(d.UsedPct), size(d.Available)),
		h.check(rules[ruleDiskInodes], d.InodesPct, d.Mount, "%s has used %s of its inodes", d.Mount, pct(d.InodesPct)),
		h.check(rules[ruleDiskFullIn], d.FullIn/3600, d.Mount, "%s is full in %s at this pace", d.Mount, words(seconds(d.FullIn))),
	}
	if d.turnedReadOnly {
		grades = append(grades, h.check(rules[ruleDiskReadOnly], 1, d.Mount, "%s has turned read-only", d.Mount))
	}
	if d.Error && diskTypes[d.Type] {
		grades = append(grades, h.check(rules[ruleDiskError], 1, d.Mount, "%s does not answer", d.Mount))
	}
	for _, s := range grades {
		if s.rank() > d.Severity.rank() {
			d.Severity = s
		}
	}
}

func (h *Host) judgeMemory(rules map[string]Rule) {
	available := percent(h.MemAvailable, h.MemTotal)
	h.check(rules[ruleMemory], available, "", "%s of memory available (%s)", pct(available), size(h.MemAvailable))
	h.check(rules[ruleSwap], h.SwapPages, "", "swapping in and out, %.0f pages/s each", float64(h.SwapPages))
	h.check(rules[rulePSIMemory], h.PSIMem, "", "stalled for lack of memory %s of the time", pct(h.PSIMem))
	h.check(rules[ruleOOM], h.limits.oomKills, "", "%s killed for lack of memory in the last 15 minutes", count(h.limits.oomKills, "process", "processes"))
}

func (h *Host) judgeCPU(rules map[string]Rule) {
	h.check(rules[rulePSICPU], h.PSICPU, "", "work waits for a CPU %s of the time", pct(h.PSICPU))
	h.check(rules[rulePSIIO], h.PSIIO, "", "stalled on I/O %s of the time", pct(h.PSIIO))
	h.check(rules[ruleSteal], h.facts.slowSteal, "", "%s of CPU time is taken by the hypervisor", pct(h.facts.slowSteal))
	if !h.PSICPU.Known() {
		h.check(rules[ruleLoad], h.limits.load15PerCPU, "", "load %.1f on %s", float64(h.Load15), count(h.CPUs, "CPU", "CPUs"))
	}
	h.check(rules[ruleTemperature], h.limits.tempCrit, "", "a sensor is %.0f °C from its critical mark, hottest %.0f °C", float64(h.limits.tempCrit), float64(h.Temperature))
}

func (h *Host) judgeNetwork(rules map[string]Rule) {
	for _, n := range h.nets {
		h.check(rules[ruleNetErrors], n.errorShare, n.Device, "%s of packets on %s have errors", pct(n.errorShare), n.Device)
	}
	h.check(rules[ruleBond], h.limits.bondMissing, "", "%s missing in a network bond", count(h.limits.bondMissing, "link", "links"))
	h.check(rules[ruleConntrack], h.limits.conntrackPct, "", "connection tracking table is %s full", pct(h.limits.conntrackPct))
}

func (h *Host) judgeSystem(rules map[string]Rule) {
	h.check(rules[ruleUnits], h.FailedUnits, "", "%s", failedWords(h.FailedUnits, h.limits.failedNames))
	h.check(rules[ruleRAID], h.limits.raidFailed, "", "%s failed in a RAID array", count(h.limits.raidFailed, "disk", "disks"))
	if !(h.limits.raidFailed > 0) {
		h.check(rules[ruleRAID], h.limits.raidMissing, "", "%s missing in a RAID array", count(h.limits.raidMissing, "disk", "disks"))
	}
	h.check(rules[ruleFiles], h.limits.filesPct, "", "%s of the kernel's file handles are in use", pct(h.limits.filesPct))
	h.check(rules[ruleZombies], h.facts.steadyZombies, "", "%.0f zombie processes for 5 minutes", float64(h.facts.steadyZombies))
	h.check(rules[ruleBlocked], h.facts.steadyBlocked, "", "%.0f processes blocked on I/O for 5 minutes", float64(h.facts.steadyBlocked))
	if h.ClockSync == "unsynchronised" {
		h.check(rules[ruleClock], h.limits.clockError, "", "clock is not synchronised")
	}
}

// failedNamesShown is how many failed units a reason names; the rest are counted.
const failedNamesShown = 3

func failedWords(n Num, names []string) string {
	text := count(n, "unit", "units") + " failed"
	if len(names) == 0 {
		return text
	}
	shown := names[:min(failedNamesShown, len(names))]
	text += ": " + strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func count(n Num, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%.0f %s", float64(n), many)
}

func pct(n Num) string {
	switch v := float64(n); {
	case v >= 99.95:
		return "100 %"
	case v >= 10:
		// Cut, not rounded: 94.96 % is not yet 95 %.
		return fmt.Sprintf("%d %%", int(v))
	default:
		return fmt.Sprintf("%.1f %%", v)
	}
}

func size(n Num) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if v < 10 && i > 0 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", v, units[i])
}

func seconds(n Num) time.Duration {
	if !n.Known() {
		return 0
	}
	return time.Duration(float64(n) * float64(time.Second))
}

// words writes a duration with one unit, two where the first is small.
func words(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func ruleTable() map[string]Rule {
	table := map[string]Rule{}
	for _, r := range Rules() {
		table[r.ID] = r
	}
	return table
}
