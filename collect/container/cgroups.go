package container

import (
	"math"
	"os"
	"path/filepath"
	"strings"
)

// cgroups reads one version of control groups.
type cgroups interface {
	// root is the folder whose tree has a folder for each container.
	root() string
	// read measures the group at a path. What the kernel does not tell is NaN.
	read(path string) stats
}

// stats are the numbers of a control group.
type stats struct {
	cpuUsage, cpuUser, cpuSystem float64 // seconds
	periods, throttled           float64
	throttledTime                float64 // seconds
	quota, period, shares        float64 // microseconds; quota is NaN when there is none
	memUsage, memInactive        float64 // bytes, as all memory
	memRSS, memCache, memMapped  float64
	memSwap, memPeak, memKernel  float64
	memLimit, memSwapLimit       float64 // 0 is unlimited, as cAdvisor has it
	memReservation               float64 // likewise
	memFailures, oomKills        float64
	faults, majorFaults          float64
	threads, threadsMax          float64 // threadsMax 0 is unlimited
	io                           []ioStat
	pressure                     [3][2]float64 // cpu, memory, io; some, full; seconds
	pids                         []int
}

func noStats() stats {
	nan := math.NaN()
	s := stats{
		cpuUsage: nan, cpuUser: nan, cpuSystem: nan, periods: nan, throttled: nan, throttledTime: nan, quota: nan, period: nan, shares: nan,
		memUsage: nan, memInactive: nan, memRSS: nan, memCache: nan, memMapped: nan, memSwap: nan, memPeak: nan, memKernel: nan,
		memLimit: nan, memSwapLimit: nan, memReservation: nan, memFailures: nan, oomKills: nan, faults: nan, majorFaults: nan,
		threads: nan, threadsMax: nan,
	}
	for i := range s.pressure {
		s.pressure[i] = [2]float64{nan, nan}
	}
	return s
}

// workingSet is what cannot be dropped without cost: usage less the file pages that nobody used lately.
func (s stats) workingSet() float64 { return max(s.memUsage-s.memInactive, 0) }

// openCgroups finds the hierarchy: version 2 when its root has the controllers that count, else version 1, which has a
// folder a controller. nil when there is none.
func openCgroups(sysfs string) cgroups {
	base := filepath.Join(sysfs, "fs/cgroup")
	if text, err := os.ReadFile(filepath.Join(base, "cgroup.controllers")); err == nil {
		if has := strings.Fields(string(text)); len(has) > 0 {
			return &v2{base: base}
		}
	}
	one := &v1{base: base, dirs: map[string]string{}}
	for _, controller := range []string{"cpu", "cpuacct", "memory", "blkio", "pids"} {
		for _, dir := range []string{controller, "cpu,cpuacct", "cpuacct,cpu"} {
			if strings.Contains(dir, controller) && one.dirs[controller] == "" && isDir(filepath.Join(base, dir)) {
				one.dirs[controller] = filepath.Join(base, dir)
			}
		}
	}
	if len(one.dirs) == 0 {
		return nil
	}
	return one
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// files reads files of one folder into numbers.
type files struct {
	dir string
	buf []byte
}

func (f *files) text(name string) ([]byte, bool) {
	text, err := readFile(f.buf, f.dir+"/"+name)
	if err != nil {
		return nil, false
	}
	f.buf = text
	return text, true
}

// number returns NaN when the file is not there.
func (f *files) number(name string) float64 {
	text, ok := f.text(name)
	if !ok {
		return math.NaN()
	}
	v, err := parseNumber(text)
	if err != nil {
		return math.NaN()
	}
	return v
}

// limit is a number whose "max" is 0.
func (f *files) limit(name string) float64 {
	v := f.number(name)
	if math.IsInf(v, 1) {
		return 0
	}
	return v
}

// keyed sets what wanted points at, from a file of "key value" lines.
func (f *files) keyed(name string, wanted map[string]*float64) {
	text, ok := f.text(name)
	if !ok {
		return
	}
	eachKeyed(text, func(key []byte, v uint64) {
		if to := wanted[string(key)]; to != nil {
			*to = float64(v)
		}
	})
}

// pids lists the processes of a group and of the groups inside it.
func pids(dir string, buf []byte) []int {
	var out []int
	dirs := 0
	var visit func(dir string, depth int)
	visit = func(dir string, depth int) {
		if dirs++; dirs > 1000 || depth > maxDepth || len(out) >= maxPIDs {
			return
		}
		if text, err := readFile(buf, dir+"/cgroup.procs"); err == nil {
			buf = text
			out = parsePIDs(out, text)
		}
		for _, name := range children(dir) {
			visit(dir+"/"+name, depth+1)
		}
	}
	visit(dir, 0)
	return out
}
