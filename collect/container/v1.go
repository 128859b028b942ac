package container

import (
	"math"
	"slices"
	"strings"
)

// v1 reads control groups version 1 (Documentation/admin-guide/cgroup-v1/), which has a hierarchy a controller. A
// container has the same path in all of them.
type v1 struct {
	base string
	dirs map[string]string // by controller
	buf  []byte
}

// root takes the hierarchy of the controller that every engine uses.
func (v *v1) root() string {
	for _, controller := range []string{"memory", "cpuacct", "cpu", "pids", "blkio"} {
		if dir := v.dirs[controller]; dir != "" {
			return dir
		}
	}
	return v.base
}

func (v *v1) read(path string) stats {
	s := noStats()
	at := func(controller string) *files {
		dir := v.dirs[controller]
		if dir == "" {
			dir = "/nowhere"
		}
		return &files{dir: dir + path, buf: v.buf}
	}
	v.cpu(at("cpuacct"), at("cpu"), &s)
	v.memory(at("memory"), &s)
	v.blkio(at("blkio"), &s)
	p := at("pids")
	s.threads, s.threadsMax = p.number("pids.current"), p.limit("pids.max")
	v.buf = p.buf
	s.pids = pids(v.root()+path, v.buf)
	return s
}

func (v *v1) cpu(acct, cpu *files, s *stats) {
	s.cpuUsage = acct.number("cpuacct.usage") / 1e9
	acct.keyed("cpuacct.stat", map[string]*float64{"user": &s.cpuUser, "system": &s.cpuSystem})
	s.cpuUser, s.cpuSystem = s.cpuUser/ticksPerSecond, s.cpuSystem/ticksPerSecond
	cpu.keyed("cpu.stat", map[string]*float64{"nr_periods": &s.periods, "nr_throttled": &s.throttled, "throttled_time": &s.throttledTime})
	s.throttledTime /= 1e9
	s.period, s.shares = cpu.number("cpu.cfs_period_us"), cpu.number("cpu.shares")
	if s.quota = cpu.number("cpu.cfs_quota_us"); math.IsInf(s.quota, 1) {
		s.quota = math.NaN()
	}
}

// ticksPerSecond is what the kernel tells user space (USER_HZ): 100 on every architecture that Go supports.
const ticksPerSecond = 100

func (v *v1) memory(f *files, s *stats) {
	s.memUsage, s.memPeak = f.number("memory.usage_in_bytes"), f.number("memory.max_usage_in_bytes")
	s.memLimit, s.memReservation = f.limit("memory.limit_in_bytes"), f.limit("memory.soft_limit_in_bytes")
	s.memSwapLimit = f.limit("memory.memsw.limit_in_bytes")
	s.memFailures, s.memKernel = f.number("memory.failcnt"), f.number("memory.kmem.usage_in_bytes")
	f.keyed("memory.stat", map[string]*float64{ // total_ counts the groups inside too, as version 2 does
		"total_rss": &s.memRSS, "total_cache": &s.memCache, "total_inactive_file": &s.memInactive, "total_mapped_file": &s.memMapped,
		"total_swap": &s.memSwap, "total_pgfault": &s.faults, "total_pgmajfault": &s.majorFaults,
	})
	f.keyed("memory.oom_control", map[string]*float64{"oom_kill": &s.oomKills})
}

func (v *v1) blkio(f *files, s *stats) {
	byDevice := map[string]*ioStat{}
	add := func(name string, read, written func(*ioStat) *uint64) bool {
		text, ok := f.text(name)
		if !ok {
			return false
		}
		eachBlkio(text, func(device, op string, value uint64) {
			io := byDevice[device]
			if io == nil {
				io = &ioStat{device: device}
				byDevice[device] = io
			}
			switch op {
			case "Read":
				*read(io) = value
			case "Write":
				*written(io) = value
			}
		})
		return true
	}
	readBytes, writtenBytes := func(s *ioStat) *uint64 { return &s.readBytes }, func(s *ioStat) *uint64 { return &s.writtenByte }
	reads, writes := func(s *ioStat) *uint64 { return &s.reads }, func(s *ioStat) *uint64 { return &s.writes }
	if !add("blkio.throttle.io_service_bytes_recursive", readBytes, writtenBytes) { // with what nested groups did, on kernels that have it
		add("blkio.throttle.io_service_bytes", readBytes, writtenBytes)
	}
	if !add("blkio.throttle.io_serviced_recursive", reads, writes) {
		add("blkio.throttle.io_serviced", reads, writes)
	}
	for _, io := range byDevice {
		s.io = append(s.io, *io)
	}
	slices.SortFunc(s.io, func(a, b ioStat) int { return strings.Compare(a.device, b.device) })
}
