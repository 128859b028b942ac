package plugin

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// sweepEvery is how often processes are looked for that a plugin left behind although it seemed to end cleanly. Looking reads
	// the environment of every process, some milliseconds on a big machine.
	sweepEvery = 10 * time.Second
	// killRounds bounds the chase after a process that forks while it is being killed.
	killRounds = 20
)

// reaper finds and kills what plugins started: by process group, and by the marker in the environment, which children inherit
// however they detach themselves. (A child subreaper, PR_SET_CHILD_SUBREAPER, would be one for the whole of this process, and take
// over orphans of others.)
type reaper struct {
	prefix string // of the names of all runs of this process

	mu    sync.Mutex // guards the following; nothing is waited for under it
	runs  map[string]bool
	last  time.Time
	count uint64
}

func newReaper() reaper {
	return reaper{prefix: newRun(), runs: map[string]bool{}, last: time.Now()}
}

// begin names a run. Its processes are left alone by sweeps until the function is called, and for ever when leave is true.
func (r *reaper) begin(leave bool) (run string, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	run = r.prefix + "-" + strconv.FormatUint(r.count, 36)
	if leave {
		return "left-" + run, func() {}
	}
	r.runs[run] = true
	return run, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.runs, run)
	}
}

// kill kills a run's process group and whatever else carries its marker, until nothing is left.
func (r *reaper) kill(pid int, run string) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for range killRounds {
		if r.killMarked(func(name string) bool { return name == run }) == 0 {
			return
		}
	}
}

// after is called when a plugin has ended. What is left in its group is killed; what left the group is looked for when there is
// reason to (the plugin was killed, or its output is still open), and now and then for all runs.
func (r *reaper) after(pid int, run string, reason bool) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	if reason {
		r.kill(pid, run)
	}
	if r.due() {
		r.Sweep()
	}
}

func (r *reaper) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < sweepEvery {
		return false
	}
	r.last = time.Now()
	return true
}

// Sweep kills the processes of runs that have ended.
func (r *reaper) Sweep() {
	ours := []byte(r.prefix)
	r.killMarked(func(name string) bool {
		if !bytes.HasPrefix([]byte(name), ours) {
			return false
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return !r.runs[name]
	})
}

// killMarked kills the processes whose marker is wanted, and answers how many there were.
func (r *reaper) killMarked(want func(run string) bool) int {
	killed := 0
	for _, pid := range processes() {
		if name := markerOf(pid); name != "" && want(name) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				killed++
			}
		}
	}
	return killed
}

func processes() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// markerOf is the run to which a process belongs; "" for none, for a zombie and for a process that may not be read.
func markerOf(pid int) string {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte(marker+"=")); ok {
			return string(v)
		}
	}
	return ""
}
