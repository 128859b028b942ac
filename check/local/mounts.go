package local

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Point, Device, Type string
	Options             []string // of the mount and of the file system
	ReadOnly            bool
}

// Mounts lists what is mounted, in the order in which it was. Where several are mounted over each other, the last one counts.
func Mounts() ([]Mount, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("cannot list mounts: %w", err)
	}
	return parseMounts(string(b)), nil
}

// parseMounts reads lines of proc_pid_mountinfo(5):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
func parseMounts(text string) []Mount {
	var mounts []Mount
	at := map[string]int{}
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(left), strings.Fields(right)
		if !ok || len(f) < 6 || len(g) < 3 {
			continue
		}
		m := Mount{Point: unescape(f[4]), Type: g[0], Device: unescape(g[1]), Options: append(strings.Split(f[5], ","), strings.Split(g[2], ",")...)}
		for _, o := range m.Options {
			m.ReadOnly = m.ReadOnly || o == "ro"
		}
		if i, ok := at[m.Point]; ok {
			mounts[i] = m
			continue
		}
		at[m.Point] = len(mounts)
		mounts = append(mounts, m)
	}
	return mounts
}

// unescape replaces \040 and the like.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// Usage is how full a file system is.
type Usage struct {
	Total, Free, Available uint64 // bytes; Available is what others than root can have
	Inodes, InodesFree     uint64 // 0 for file systems that have none
}

// UsedPercent is what df(1) shows.
func (u Usage) UsedPercent() float64 {
	used := u.Total - u.Free
	if used+u.Available == 0 {
		return 0
	}
	return 100 * float64(used) / float64(used+u.Available)
}

// InodesUsedPercent is what df -i shows.
func (u Usage) InodesUsedPercent() float64 {
	if u.Inodes == 0 {
		return 0
	}
	return 100 * float64(u.Inodes-u.InodesFree) / float64(u.Inodes)
}

// ErrHangs is what is said of a file system that does not answer: a network file system whose server is gone.
var ErrHangs = fmt.Errorf("the file system does not answer: it hangs")

// Waiter asks file systems questions that may never be answered. A question that hangs holds one goroutine and a thread for as long
// as it does, so that there is never more than one for a path.
type Waiter struct {
	mu   sync.Mutex // guards asks
	asks map[string]*question
}

type question struct {
	done   chan struct{} // closed by whoever asks
	answer any
	err    error
}

// NewWaiter makes a waiter; a process needs one.
func NewWaiter() *Waiter { return &Waiter{asks: map[string]*question{}} }

// maxHanging bounds the questions that hang.
const maxHanging = 64

// Do runs f, which may hang, and waits for it as long as the context says. While one with the same key runs, it is waited for instead.
func (w *Waiter) Do(ctx context.Context, key string, f func() (any, error)) (any, error) {
	w.mu.Lock()
	a, ok := w.asks[key]
	if !ok {
		if len(w.asks) >= maxHanging {
			w.mu.Unlock()
			return nil, fmt.Errorf("%d file systems hang already", maxHanging)
		}
		a = &question{done: make(chan struct{})}
		w.asks[key] = a
		go func() {
			answer, err := f()
			w.mu.Lock()
			defer w.mu.Unlock()
			a.answer, a.err = answer, err
			delete(w.asks, key)
			close(a.done)
		}()
	}
	w.mu.Unlock()
	select {
	case <-a.done:
		return a.answer, a.err
	case <-ctx.Done():
		return nil, ErrHangs
	}
}

// Statfs tells how full the file system at path is.
func (w *Waiter) Statfs(ctx context.Context, path string) (Usage, error) {
	u, err := w.Do(ctx, "statfs "+path, func() (any, error) { return statfs(path) })
	if err != nil {
		return Usage{}, err
	}
	return u.(Usage), nil
}

func statfs(path string) (Usage, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Usage{}, err
	}
	size := uint64(s.Frsize) //nolint:gosec // a size
	if size == 0 {
		size = uint64(s.Bsize) //nolint:gosec // a size
	}
	return Usage{Total: s.Blocks * size, Free: s.Bfree * size, Available: s.Bavail * size, Inodes: s.Files, InodesFree: s.Ffree}, nil
}
