package container

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// maxFile bounds what is read of one file: the longest are memory.stat and cgroup.procs.
const maxFile = 1 << 20

// readFile reads a small file of the kernel into buf, at most maxFile bytes of it.
func readFile(buf []byte, path string) ([]byte, error) { return kernelfile.Read(buf, path, maxFile) }

// parseNumber reads a file of one number. "max", and what version 1 has for it (the highest multiple of a page), is
// +Inf; -1 is no quota, and so +Inf too.
func parseNumber(text []byte) (float64, error) {
	s := string(bytes.TrimSpace(text))
	if s == "max" || s == "-1" {
		return math.Inf(1), nil
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, err
	}
	if v >= 1<<62 { // memory.limit_in_bytes of a group without limit
		return math.Inf(1), nil
	}
	return float64(v), nil
}

// eachKeyed calls f for each "key value" line, as in memory.stat; lines of another form are passed over.
func eachKeyed(text []byte, f func(key []byte, value uint64)) {
	for line := range bytes.Lines(text) {
		key, rest, ok := bytes.Cut(bytes.TrimRight(line, "\n"), []byte(" "))
		if !ok {
			continue
		}
		if v, err := strconv.ParseUint(string(rest), 10, 64); err == nil {
			f(key, v)
		}
	}
}

// ioStat is what a device did for a container.
type ioStat struct {
	device                                string // major:minor
	reads, writes, readBytes, writtenByte uint64
}

// maxDevices bounds the devices of one container.
const maxDevices = 256

// parseIOStat reads io.stat of version 2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0" (cgroup-v2.rst, "IO").
func parseIOStat(text []byte) []ioStat {
	var out []ioStat
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) < 2 || !isDevice(f[0]) || len(out) == maxDevices {
			continue
		}
		s := ioStat{device: f[0]}
		for _, kv := range f[1:] {
			key, value, _ := strings.Cut(kv, "=")
			v, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				continue
			}
			switch key {
			case "rbytes":
				s.readBytes = v
			case "wbytes":
				s.writtenByte = v
			case "rios":
				s.reads = v
			case "wios":
				s.writes = v
			}
		}
		out = append(out, s)
	}
	return out
}

// eachBlkio calls f for each "8:0 Read 123" line of a blkio file of version 1 (blkio-controller.rst).
func eachBlkio(text []byte, f func(device, op string, value uint64)) {
	n := 0
	for line := range bytes.Lines(text) {
		p := strings.Fields(string(line))
		if len(p) != 3 || !isDevice(p[0]) {
			continue
		}
		if n++; n > 8*maxDevices {
			return
		}
		if v, err := strconv.ParseUint(p[2], 10, 64); err == nil {
			f(p[0], p[1], v)
		}
	}
}

// isDevice tells "major:minor".
func isDevice(s string) bool {
	major, minor, ok := strings.Cut(s, ":")
	_, err1 := strconv.ParseUint(major, 10, 32)
	_, err2 := strconv.ParseUint(minor, 10, 32)
	return ok && err1 == nil && err2 == nil
}

// parsePressure returns the total stall times of a *.pressure file in seconds: some is when a task waited, full when
// all did (psi.rst). A line is "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", microseconds.
func parsePressure(text []byte) (some, full float64, ok bool) {
	for line := range bytes.Lines(text) {
		kind, rest, _ := bytes.Cut(line, []byte(" "))
		i := bytes.LastIndex(rest, []byte("total="))
		if i < 0 {
			continue
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(rest[i+len("total="):])), 10, 64)
		if err != nil {
			continue
		}
		switch string(kind) {
		case "some":
			some, ok = float64(v)/1e6, true
		case "full":
			full = float64(v) / 1e6
		}
	}
	return some, full, ok
}

// netStat is what an interface carried: bytes, packets, errors, dropped; received, then sent.
type netStat struct {
	name     string
	received [4]uint64
	sent     [4]uint64
}

// maxInterfaces bounds the interfaces of one container.
const maxInterfaces = 64

// parseNetDev reads /proc/PID/net/dev (proc_pid_net(5)), without the loopback interface: two lines of heading, then
// "eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ...".
func parseNetDev(text []byte) []netStat {
	var out []netStat
	for line := range bytes.Lines(text) {
		name, rest, ok := strings.Cut(string(line), ":")
		name = strings.TrimSpace(name)
		f := strings.Fields(rest)
		if !ok || len(f) < 12 || name == "lo" || name == "" || len(out) == maxInterfaces {
			continue
		}
		s := netStat{name: strings.ToValidUTF8(name, "_")}
		good := true
		for i := range 4 {
			var err1, err2 error
			s.received[i], err1 = strconv.ParseUint(f[i], 10, 64)
			s.sent[i], err2 = strconv.ParseUint(f[8+i], 10, 64)
			good = good && err1 == nil && err2 == nil
		}
		if good {
			out = append(out, s)
		}
	}
	return out
}

// maxPIDs bounds the processes of one container that are counted by name.
const maxPIDs = 100_000

// parsePIDs reads cgroup.procs: one number a line. It appends to pids.
func parsePIDs(pids []int, text []byte) []int {
	for line := range bytes.Lines(text) {
		if len(pids) >= maxPIDs {
			break
		}
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parseStart returns when a process started, ticks since the machine did: field 22 of /proc/PID/stat (proc_pid_stat(5)).
func parseStart(text []byte) (uint64, error) {
	end := bytes.LastIndexByte(text, ')')
	f := strings.Fields(string(text[end+1:]))
	if end < 0 || len(f) < 20 {
		return 0, fmt.Errorf("malformed stat %.80q", text)
	}
	return strconv.ParseUint(f[19], 10, 64)
}
