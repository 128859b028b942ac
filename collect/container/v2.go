package container

import (
	"math"
	"strconv"
	"strings"
)

// v2 reads control groups version 2 (Documentation/admin-guide/cgroup-v2.rst).
type v2 struct {
	base string
	buf  []byte
}

func (v *v2) root() string { return v.base }

func (v *v2) read(path string) stats {
	f := &files{dir: v.base + path, buf: v.buf}
	s := noStats()
	v.cpu(f, &s)
	v.memory(f, &s)
	if text, ok := f.text("io.stat"); ok {
		s.io = parseIOStat(text)
	}
	s.threads, s.threadsMax = f.number("pids.current"), f.limit("pids.max")
	for i, name := range [...]string{"cpu.pressure", "memory.pressure", "io.pressure"} {
		if text, ok := f.text(name); ok {
			if some, full, ok := parsePressure(text); ok {
				s.pressure[i] = [2]float64{some, full}
			}
		}
	}
	s.pids = pids(f.dir, f.buf)
	v.buf = f.buf
	return s
}

func (v *v2) cpu(f *files, s *stats) {
	f.keyed("cpu.stat", map[string]*float64{
		"usage_usec": &s.cpuUsage, "user_usec": &s.cpuUser, "system_usec": &s.cpuSystem,
		"nr_periods": &s.periods, "nr_throttled": &s.throttled, "throttled_usec": &s.throttledTime,
	})
	for _, p := range []*float64{&s.cpuUsage, &s.cpuUser, &s.cpuSystem, &s.throttledTime} {
		*p /= 1e6
	}
	if text, ok := f.text("cpu.max"); ok {
		s.quota, s.period = parseCPUMax(string(text))
	}
	if weight := f.number("cpu.weight"); weight >= 1 && weight <= 10_000 {
		// The inverse of how runtimes turn Docker's shares into a weight.
		s.shares = 2 + math.Round((weight-1)*262142/9999)
	}
}

// parseCPUMax reads "quota period" in microseconds; the quota is NaN when it is "max".
func parseCPUMax(text string) (quota, period float64) {
	quota, period = math.NaN(), math.NaN()
	f := strings.Fields(text)
	if len(f) != 2 {
		return quota, period
	}
	if v, err := strconv.ParseUint(f[0], 10, 63); err == nil {
		quota = float64(v)
	}
	if v, err := strconv.ParseUint(f[1], 10, 63); err == nil {
		period = float64(v)
	}
	return quota, period
}

func (v *v2) memory(f *files, s *stats) {
	s.memUsage = f.number("memory.current")
	s.memSwap = f.number("memory.swap.current")
	s.memPeak = f.number("memory.peak") // since Linux 5.19
	s.memLimit, s.memReservation = f.limit("memory.max"), f.limit("memory.low")
	s.memSwapLimit = f.limit("memory.swap.max")
	f.keyed("memory.stat", map[string]*float64{
		"anon": &s.memRSS, "file": &s.memCache, "inactive_file": &s.memInactive, "file_mapped": &s.memMapped,
		"kernel": &s.memKernel, "pgfault": &s.faults, "pgmajfault": &s.majorFaults,
	})
	f.keyed("memory.events", map[string]*float64{"max": &s.memFailures, "oom_kill": &s.oomKills})
}
