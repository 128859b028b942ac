package zabbix

import (
	"context"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/check/local"
)

func procItems() map[string]item {
	return map[string]item{
		"proc.num":      limited(5, procNum),
		"proc.mem":      limited(5, procMem),
		"proc.cpu.util": limited(6, procCPUUtil),
	}
}

// procFilter is the parameters name, user and cmdline.
type procFilter struct {
	name    string
	uid     *uint32
	cmdline *regexp.Regexp
}

// newProcFilter reads them; cmdline is parameter number at.
func newProcFilter(k Key, at int) (f procFilter, err error) {
	f.name = k.Param(0)
	if name := k.Param(1); name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return f, invalid(1)
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return f, invalid(1)
		}
		id := uint32(uid)
		f.uid = &id
	}
	if text := k.Param(at); text != "" {
		if f.cmdline, err = regexp.Compile(text); err != nil {
			return f, invalid(at)
		}
	}
	return f, nil
}

func (f procFilter) matches(p local.Process) bool {
	if f.name != "" && f.name != p.Name && f.name != filepath.Base(p.Argv0) {
		return false
	}
	if f.uid != nil && *f.uid != p.UID {
		return false
	}
	return f.cmdline == nil || f.cmdline.MatchString(p.Cmdline)
}

// stateBytes are the states of proc.num.
func stateBytes(name string) (string, bool) {
	switch name {
	case "", "all":
		return "", true
	case "disk":
		return "D", true
	case "run":
		return "R", true
	case "sleep":
		return "S", true
	case "trace":
		return "Tt", true
	case "zomb":
		return "Z", true
	}
	return "", false
}

func procNum(ctx context.Context, _ *Agent, k Key) (string, error) {
	states, ok := stateBytes(k.Param(2))
	if !ok {
		return "", invalid(2)
	}
	f, err := newProcFilter(k, 3)
	if err != nil {
		return "", err
	}
	n := 0
	err = local.Processes(ctx, func(p local.Process) bool {
		if f.matches(p) && (states == "" || states[0] == p.State || len(states) > 1 && states[1] == p.State) {
			n++
		}
		return true
	})
	return strconv.Itoa(n), err
}

func procMem(ctx context.Context, _ *Agent, k Key) (string, error) {
	f, err := newProcFilter(k, 3)
	if err != nil {
		return "", err
	}
	value := func(p local.Process) uint64 { return p.Virtual }
	switch k.Param(4) {
	case "", "vsize", "size":
	case "rss":
		value = func(p local.Process) uint64 { return p.RSS }
	default:
		return "", invalid(4)
	}
	var sum, low, high, n uint64
	err = local.Processes(ctx, func(p local.Process) bool {
		if !f.matches(p) || p.Virtual == 0 { // threads of the kernel have no memory of their own
			return true
		}
		v := value(p)
		if n == 0 || v < low {
			low = v
		}
		sum, high, n = sum+v, max(high, v), n+1
		return true
	})
	if err != nil {
		return "", err
	}
	switch k.Param(2) {
	case "", "sum":
		return formatUint(sum), nil
	case "max":
		return formatUint(high), nil
	case "min":
		return formatUint(low), nil
	case "avg":
		if n == 0 {
			return "0", nil
		}
		return formatFloat(float64(sum) / float64(n)), nil
	}
	return "", invalid(2)
}

// procCPU remembers the processor time of the processes of each question, to answer with the use since it was last asked.
type procCPU struct {
	mu   sync.Mutex // guards last
	last map[string]procSample
}

type procSample struct {
	at  time.Time
	cpu map[procID]float64
}

// procID is a process and when it started, as numbers are used again.
type procID struct {
	pid     int
	started time.Duration
}

// maxProcQuestions bounds what is remembered; the first pause is how long the first question waits for a second look.
const (
	maxProcQuestions = 256
	firstPause       = time.Second
)

func newProcCPU() *procCPU { return &procCPU{last: map[string]procSample{}} }

func procCPUUtil(ctx context.Context, a *Agent, k Key) (string, error) {
	f, err := newProcFilter(k, 3)
	if err != nil {
		return "", err
	}
	var part func(local.Process) float64
	switch k.Param(2) {
	case "", "total":
		part = func(p local.Process) float64 { return p.CPU }
	case "user":
		part = func(p local.Process) float64 { return p.User }
	case "system":
		part = func(p local.Process) float64 { return p.Kern }
	default:
		return "", invalid(2)
	}
	if _, ok := average(k.Param(4)); !ok {
		return "", invalid(4)
	}
	sample := func() (procSample, error) {
		s := procSample{time.Now(), map[procID]float64{}}
		err := local.Processes(ctx, func(p local.Process) bool {
			if f.matches(p) {
				s.cpu[procID{p.PID, p.Started}] = part(p)
			}
			return true
		})
		return s, err
	}
	key := k.String()
	a.procCPU.mu.Lock()
	before, known := a.procCPU.last[key]
	a.procCPU.mu.Unlock()
	if !known || time.Since(before.at) < firstPause {
		if before, err = sample(); err != nil {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(firstPause):
		}
	}
	now, err := sample()
	if err != nil {
		return "", err
	}
	a.procCPU.mu.Lock()
	if len(a.procCPU.last) >= maxProcQuestions {
		clear(a.procCPU.last)
	}
	a.procCPU.last[key] = now
	a.procCPU.mu.Unlock()
	used := 0.0
	for id, cpu := range now.cpu {
		if was, ok := before.cpu[id]; ok {
			used += max(0, cpu-was)
		}
	}
	return formatFloat(100 * used / now.at.Sub(before.at).Seconds()), nil
}
