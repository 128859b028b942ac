package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is one line of what ps(1) shows.
type Process struct {
	PID, Parent int
	Name        string // as the kernel has it, at most 15 bytes
	State       byte   // R, S, D, Z, T, ...
	UID         uint32
	Cmdline     string // arguments with spaces between them; empty for threads of the kernel
	Argv0       string
	Virtual     uint64        // bytes of address space
	RSS         uint64        // bytes in memory
	CPU         float64       // seconds used, in user and kernel mode
	User, Kern  float64       // its two parts
	Started     time.Duration // after the boot
	Threads     int
}

// maxCmdline is what is kept of a command line.
const maxCmdline = 4096

// ticks is USER_HZ, which is 100 on every architecture that Linux runs Go on.
const ticks = 100

// Processes calls visit for each process until it answers false. Those that end meanwhile are left out.
func Processes(ctx context.Context, visit func(Process) bool) error {
	dir, err := os.Open("/proc")
	if err != nil {
		return fmt.Errorf("cannot list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("cannot list processes: %w", err)
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if p, ok := readProcess(pid); ok && !visit(p) {
			return nil
		}
	}
	return nil
}

func readProcess(pid int) (Process, bool) {
	base := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(base + "/stat")
	if err != nil {
		return Process{}, false
	}
	p, ok := parseStat(string(stat))
	if !ok {
		return Process{}, false
	}
	fi, err := os.Stat(base)
	if err != nil {
		return Process{}, false
	}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		p.UID = sys.Uid
	}
	p.Cmdline, p.Argv0 = readCmdline(base + "/cmdline")
	return p, true
}

// parseStat reads /proc/PID/stat, proc(5). The name stands in parentheses and may hold anything.
func parseStat(stat string) (Process, bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Process{}, false
	}
	f := strings.Fields(stat[end+1:])
	if len(f) < 22 {
		return Process{}, false
	}
	num := func(i int) uint64 { // by the number of proc(5); state is 3
		n, _ := strconv.ParseUint(f[i-3], 10, 64) // what does not fit is 0
		return n
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(stat[:open]))
	return Process{
		PID: pid, Parent: int(num(4)), Name: stat[open+1 : end], State: f[0][0], //nolint:gosec // a process id
		User: float64(num(14)) / ticks, Kern: float64(num(15)) / ticks, CPU: float64(num(14)+num(15)) / ticks, Threads: int(num(20)), //nolint:gosec // a count
		Started: time.Duration(num(22)) * (time.Second / ticks), Virtual: num(23), RSS: num(24) * uint64(os.Getpagesize()), //nolint:gosec // sizes
	}, true
}

func readCmdline(path string) (line, argv0 string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	b := make([]byte, maxCmdline)
	n, _ := f.Read(b) // an error is an empty one
	b = bytes.TrimRight(b[:n], "\x00")
	argv0, _, _ = strings.Cut(string(b), "\x00")
	return strings.ReplaceAll(string(b), "\x00", " "), argv0
}
