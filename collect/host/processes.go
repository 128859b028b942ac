package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// processes counts the machine's processes and threads by state, as node_exporter's collector of that name does, at less
// than half its cost: that one was a third of all the CPU time of collecting. It reads the threads of a process only
// where there is more than one, and every file with three system calls.
type processes struct {
	procfs string

	threads, maxThreads, pids, maxPIDs, state, threadState *prometheus.Desc
}

// maxThreadsRead bounds the threads whose state is read in a round; with more, a round would take longer than
// everything else together, and states of threads are left out.
const maxThreadsRead = 20_000

// usualStates are told even when nothing is in them (proc_pid_stat(5)): that no process waits for a disk is news too.
const usualStates = "RSDZTI"

func newProcesses(procfs string) func(*slog.Logger) (collector.Collector, error) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("node_processes_"+name, help, labels, nil)
	}
	return func(*slog.Logger) (collector.Collector, error) {
		return &processes{
			procfs:      procfs,
			threads:     desc("threads", "Threads of all processes."),
			maxThreads:  desc("max_threads", "Limit of threads."),
			pids:        desc("pids", "Processes."),
			maxPIDs:     desc("max_processes", "Limit of process numbers."),
			state:       desc("state", "Processes by state.", "state"),
			threadState: desc("threads_state", "Threads by state.", "thread_state"),
		}, nil
	}
}

// counts are the states of processes and threads.
type counts struct {
	pids, threads, read int
	states              [256]int
	threadStates        [256]int
}

// Update implements collector.Collector. Calls may overlap when one hangs, so it keeps nothing between them.
func (p *processes) Update(ch chan<- prometheus.Metric) error {
	c, err := p.count()
	if err != nil {
		return err
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(p.threads, float64(c.threads))
	gauge(p.pids, float64(c.pids))
	for s, n := range c.states {
		if n > 0 || bytes.IndexByte([]byte(usualStates), byte(s)) >= 0 {
			gauge(p.state, float64(n), stateLabel(byte(s)))
		}
	}
	if c.read <= maxThreadsRead {
		for s, n := range c.threadStates {
			if n > 0 || bytes.IndexByte([]byte(usualStates), byte(s)) >= 0 {
				gauge(p.threadState, float64(n), stateLabel(byte(s)))
			}
		}
	}
	for _, limit := range []struct {
		desc *prometheus.Desc
		file string
	}{{p.maxThreads, "sys/kernel/threads-max"}, {p.maxPIDs, "sys/kernel/pid_max"}} {
		text, err := kernelfile.Read(nil, filepath.Join(p.procfs, limit.file), 64)
		if err != nil {
			return err
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", limit.file, err)
		}
		gauge(limit.desc, float64(v))
	}
	return nil
}

func stateLabel(s byte) string {
	if s < ' ' || s > '~' {
		return "?"
	}
	return string(rune(s))
}

func (p *processes) count() (*counts, error) {
	c := &counts{}
	buf := make([]byte, 0, 1024)
	pids, err := numbers(p.procfs)
	if err != nil {
		return nil, fmt.Errorf("cannot list the processes: %w", err)
	}
	for _, pid := range pids {
		dir := p.procfs + "/" + pid
		text, err := kernelfile.Read(buf, dir+"/stat", cap(buf))
		if err != nil {
			continue // it has ended
		}
		state, threads, ok := parseState(text)
		if !ok {
			continue
		}
		c.pids++
		c.threads += threads
		c.states[state]++
		c.threadStates[state]++
		if threads > 1 && c.read <= maxThreadsRead {
			c.ofThreads(dir+"/task", pid, buf)
		}
	}
	return c, nil
}

// ofThreads counts the states of a process's threads, but for the first, whose state is the process's.
func (c *counts) ofThreads(dir, pid string, buf []byte) {
	tids, err := numbers(dir)
	if err != nil {
		return
	}
	for _, tid := range tids {
		if tid == pid {
			continue
		}
		if c.read++; c.read > maxThreadsRead {
			return
		}
		if text, err := kernelfile.Read(buf, dir+"/"+tid+"/stat", cap(buf)); err == nil {
			if state, _, ok := parseState(text); ok {
				c.threadStates[state]++
			}
		}
	}
}

// numbers lists the entries of a folder of /proc that are numbers.
func numbers(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(n string) bool { return n[0] < '1' || n[0] > '9' }), nil
}

// parseState reads the state and the number of threads out of a stat file: fields 3 and 20 of proc_pid_stat(5). The
// command, field 2, may hold anything; the last parenthesis ends it.
func parseState(text []byte) (state byte, threads int, ok bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, false
	}
	f := bytes.Fields(text[end+1:])
	if len(f) < 18 || len(f[0]) != 1 {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(string(f[17]), 10, 31)
	return f[0][0], int(n), err == nil
}
