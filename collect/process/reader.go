package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// reader reads the files of /proc. Its methods are for one goroutine, but commandLine and arguments.
type reader struct {
	root  string
	max   int  // processes
	sized bool // the size of the folder fd is the number of descriptors, if it is not 0

	buf  [16 << 10]byte
	hung atomic.Int32 // calls of arguments that have not returned
}

// procMagic is the type of a proc file system in statfs(2).
const procMagic = 0x9fa0

func newReader(root string, limit int) *reader {
	var st syscall.Statfs_t
	err := syscall.Statfs(root, &st)
	kind := int64(st.Type) //nolint:unconvert // it has 32 bits on some machines
	return &reader{root: root, max: limit, sized: err == nil && kind == procMagic}
}

// pids lists the processes, lowest first, at most max of them; skipped says how many more there are.
func (r *reader) pids() (pids []int, skipped int, err error) {
	dir, err := os.Open(r.root)
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if name[0] < '1' || name[0] > '9' {
				continue
			}
			if pid, err := strconv.Atoi(name); err == nil {
				pids = append(pids, pid)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	slices.Sort(pids)
	if len(pids) > r.max {
		skipped = len(pids) - r.max
		pids = pids[:r.max]
	}
	return pids, skipped, nil
}

// path names a file of a process.
func (r *reader) path(pid int, name string) string {
	return r.root + "/" + strconv.Itoa(pid) + "/" + name
}

// file reads a file of a process into the reader's buffer, which the next call overwrites. What is longer than the
// buffer is cut.
func (r *reader) file(pid int, name string) ([]byte, error) {
	return kernelfile.Read(r.buf[:], r.path(pid, name), len(r.buf))
}

// maxFDs bounds the entries that are counted in one folder of descriptors, for kernels that do not tell their number.
const maxFDs = 100_000

// openFDs counts a process's open file descriptors. Since Linux 6.2 that is the size of the folder.
func (r *reader) openFDs(pid int) (int, error) {
	path := r.path(pid, "fd")
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return 0, err
	}
	dir, err := os.Open(path) // also when the size is known: whoever may not list it may not see the number
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	if r.sized && st.Size > 0 {
		return int(st.Size), nil
	}
	count := 0
	for count < maxFDs {
		names, err := dir.Readdirnames(1024)
		count += len(names)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	return count, nil
}

const (
	maxCommandLine  = 4 << 10 // bytes of a command line that are read
	commandPatience = 300 * time.Millisecond
	maxHungCommands = 4
)

var errCommandHangs = errors.New("reading the command line hangs")

// commandLine reads the arguments of a process.
func (r *reader) commandLine(pid int) ([]string, error) { return r.arguments(pid, maxCommandLine) }

// arguments reads the arguments of a process, at most limit bytes of them. The kernel takes a lock of the process's memory for that, which a
// process stuck in the kernel may hold for ever, so this gives up, and stops trying while some calls hang.
func (r *reader) arguments(pid, limit int) ([]string, error) {
	if r.hung.Load() >= maxHungCommands {
		return nil, errCommandHangs
	}
	type result struct {
		args []string
		err  error
	}
	done := make(chan result, 1) // one result, then garbage
	r.hung.Add(1)
	go func() {
		defer r.hung.Add(-1)
		text, err := kernelfile.Read(nil, r.path(pid, "cmdline"), limit)
		done <- result{splitArgs(text), err}
	}()
	timer := time.NewTimer(commandPatience)
	defer timer.Stop()
	select {
	case res := <-done:
		return res.args, res.err
	case <-timer.C:
		return nil, fmt.Errorf("process %d: %w", pid, errCommandHangs)
	}
}

// bootTime returns when the machine started; 0 when unknown.
func (r *reader) bootTime() float64 {
	f, err := os.Open(filepath.Join(r.root, "stat"))
	if err != nil {
		return 0
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 4<<20)) // one line a CPU and one with a number for each interrupt
	if err != nil {
		return 0
	}
	return parseBootTime(text)
}
