package hosts

import "math"

// Rule is one line of the table of thresholds: a figure and the marks from which on it is a warning or critical.
type Rule struct {
	ID    string
	What  string  // the figure, in words for the documentation
	Warn  float64 // NaN: never a warning
	Crit  float64 // NaN: never critical
	Below bool    // the figure is bad when it is at or below the marks
	Unit  string
}

const (
	ruleDiskUsed     = "disk-used"
	ruleDiskInodes   = "disk-inodes"
	ruleDiskFullIn   = "disk-full-in"
	ruleDiskReadOnly = "disk-read-only"
	ruleDiskError    = "disk-error"
	ruleMemory       = "memory-available"
	ruleSwap         = "swap-thrash"
	rulePSICPU       = "pressure-cpu"
	rulePSIMemory    = "pressure-memory"
	rulePSIIO        = "pressure-io"
	ruleLoad         = "load"
	ruleSteal        = "cpu-steal"
	ruleUnits        = "units-failed"
	ruleRAID         = "raid"
	ruleBond         = "bond"
	ruleNetErrors    = "network-errors"
	ruleTemperature  = "temperature"
	ruleConntrack    = "conntrack"
	ruleFiles        = "open-files"
	ruleZombies      = "zombies"
	ruleBlocked      = "blocked"
	ruleClock        = "clock"
	ruleOOM          = "oom-kill"
	ruleStale        = "stale"
)

// Rules is the table of thresholds, the only place where they are. They are set so that a healthy machine,
// a busy one too, has none: what is listed wants a person's eye.
func Rules() []Rule {
	never := math.NaN()
	return []Rule{
		{ID: ruleStale, What: "age of the newest sample (the status is unknown, not warning)", Warn: 150, Crit: never, Unit: "s"},
		{ID: ruleDiskUsed, What: "a file system's space in use, as df counts it", Warn: 90, Crit: 95, Unit: "%"},
		{ID: ruleDiskInodes, What: "a file system's inodes in use", Warn: 90, Crit: 95, Unit: "%"},
		{ID: ruleDiskFullIn, What: "time until a file system is full, if it goes on filling as it does", Warn: 24, Crit: 4, Below: true, Unit: "h"},
		{ID: ruleDiskReadOnly, What: "file systems that turned read-only in the last 7 days", Warn: never, Crit: 1, Unit: "count"},
		{ID: ruleDiskError, What: "file systems on a disk or the network that do not answer", Warn: 1, Crit: never, Unit: "count"},
		{ID: ruleMemory, What: "memory available", Warn: 10, Crit: 5, Below: true, Unit: "%"},
		{ID: ruleSwap, What: "pages swapped in and out at the same time, each, over 5 minutes", Warn: 200, Crit: 2000, Unit: "pages/s"},
		{ID: rulePSICPU, What: "time in which something waited for a CPU, over 5 minutes", Warn: 70, Crit: 95, Unit: "%"},
		{ID: rulePSIMemory, What: "time in which everything waited for memory, over 5 minutes", Warn: 10, Crit: 30, Unit: "%"},
		{ID: rulePSIIO, What: "time in which everything waited for I/O, over 5 minutes", Warn: 30, Crit: 60, Unit: "%"},
		{ID: ruleLoad, What: "15-minute load per CPU, on kernels without pressure figures", Warn: 2, Crit: 5, Unit: ""},
		{ID: ruleSteal, What: "CPU time taken by the hypervisor, over 5 minutes", Warn: 10, Crit: 25, Unit: "%"},
		{ID: ruleUnits, What: "failed systemd units", Warn: 1, Crit: never, Unit: "count"},
		{ID: ruleRAID, What: "disks failed or missing in a RAID array", Warn: never, Crit: 1, Unit: "count"},
		{ID: ruleBond, What: "links missing in a network bond", Warn: 1, Crit: never, Unit: "count"},
		{ID: ruleNetErrors, What: "packets with errors on an interface, over 5 minutes", Warn: 1, Crit: 10, Unit: "%"},
		{ID: ruleTemperature, What: "a sensor's distance to its own critical mark", Warn: 5, Crit: 0, Below: true, Unit: "°C"},
		{ID: ruleConntrack, What: "connection tracking entries in use", Warn: 80, Crit: 95, Unit: "%"},
		{ID: ruleFiles, What: "file handles of the kernel in use", Warn: 80, Crit: 95, Unit: "%"},
		{ID: ruleZombies, What: "zombie processes, at least that many for 5 minutes", Warn: 50, Crit: never, Unit: "count"},
		{ID: ruleBlocked, What: "processes blocked on I/O, at least that many for 5 minutes", Warn: 8, Crit: never, Unit: "count"},
		{ID: ruleClock, What: "clock not synchronised and its possible error", Warn: 16, Crit: never, Unit: "s"},
		{ID: ruleOOM, What: "processes killed for lack of memory in the last 15 minutes", Warn: 1, Crit: never, Unit: "count"},
	}
}

// grade says how bad a figure is; one that is not known is not bad.
func (r Rule) grade(n Num) Severity {
	if !n.Known() {
		return OK
	}
	v := float64(n)
	reached := func(mark float64) bool { return v >= mark }
	if r.Below {
		reached = func(mark float64) bool { return v <= mark }
	}
	switch {
	case reached(r.Crit):
		return Critical
	case reached(r.Warn):
		return Warning
	}
	return OK
}
