package local

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// ProcessOptions are those of a check of the kind process.
type ProcessOptions struct {
	Name           string      `json:"name" doc:"Name of the program, as ps shows it or the last part of its path."`
	Match          string      `json:"match" doc:"Regular expression that the command line matches."`
	User           string      `json:"user" doc:"User, by name or number."`
	CountWarning   check.Range `json:"count_warning" doc:"Range of good numbers of processes beyond which the check is WARNING."`
	CountCritical  check.Range `json:"count_critical" doc:"Range beyond which it is CRITICAL; 1: by default, at least one."`
	CPUWarning     check.Range `json:"cpu_warning" doc:"Range of good percentages of one processor that all of them use together since the last check."`
	CPUCritical    check.Range `json:"cpu_critical" doc:"As cpu_warning, for CRITICAL."`
	MemoryWarning  check.Range `json:"memory_warning" doc:"Range of good bytes of memory (RSS) that all of them have together."`
	MemoryCritical check.Range `json:"memory_critical" doc:"As memory_warning, for CRITICAL."`
	Zombies        string      `json:"zombies" doc:"Status when one of them is a zombie; CRITICAL by default."`
}

type process struct {
	o      ProcessOptions
	match  *regexp.Regexp
	zombie model.Status
	users  users

	mu   sync.Mutex // guards the following
	last map[processID]float64
	at   time.Time
}

// processID is a process and when it started: numbers are used again.
type processID struct {
	pid     int
	started time.Duration
}

func newProcess(p check.Params) (check.Prober, error) {
	c := &process{zombie: model.Critical}
	if err := check.Decode(p.Options, &c.o); err != nil {
		return nil, err
	}
	if c.o.Name == "" && c.o.Match == "" && c.o.User == "" {
		return nil, errors.New("name, match and user: all are missing; say which processes are meant, such as name: nginx")
	}
	if c.o.Match != "" {
		var err error
		if c.match, err = regexp.Compile(c.o.Match); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	if c.o.Zombies != "" {
		if err := c.zombie.UnmarshalText([]byte(c.o.Zombies)); err != nil {
			return nil, fmt.Errorf("zombies: %w", err)
		}
	}
	if !c.o.CountWarning.Set() && !c.o.CountCritical.Set() {
		c.o.CountCritical = mustRange("1:")
	}
	return probe(c.probe), nil
}

// wants says whether a process is meant. The kernel keeps 15 bytes of a name.
func (c *process) wants(p Process) bool {
	if n := c.o.Name; n != "" && n != p.Name && n != filepath.Base(p.Argv0) && n[:min(len(n), 15)] != p.Name {
		return false
	}
	if c.match != nil {
		text := p.Cmdline
		if text == "" { // a thread of the kernel or a zombie
			text = "[" + p.Name + "]"
		}
		if !c.match.MatchString(text) {
			return false
		}
	}
	return c.o.User == "" || c.o.User == strconv.FormatUint(uint64(p.UID), 10) || c.o.User == c.users.name(p.UID)
}

func (c *process) probe(ctx context.Context) model.CheckResult {
	var r report
	count, zombies := 0, 0
	memory := 0.0
	cpu := map[processID]float64{}
	err := Processes(ctx, func(p Process) bool {
		if !c.wants(p) {
			return true
		}
		if count++; count <= 20 {
			r.lines = append(r.lines, fmt.Sprintf("%d %c %s %s", p.PID, p.State, c.users.name(p.UID), cutText(firstOf(p.Cmdline, "["+p.Name+"]"), 120)))
		}
		if p.State == 'Z' {
			zombies++
		}
		memory += float64(p.RSS)
		cpu[processID{p.PID, p.Started}] = p.CPU
		return true
	})
	if err != nil {
		return unknown("PROCESS", err)
	}
	if s := r.rate("processes", float64(count), "", c.o.CountWarning, c.o.CountCritical); s != model.OK {
		r.fail(s, "%d processes of %s", count, c.what())
	}
	r.perf = append(r.perf, model.Perf{Label: "zombies", Value: float64(zombies)})
	if zombies > 0 {
		r.fail(c.zombie, "%d of %d are zombies", zombies, count)
	}
	if s := r.rate("memory", memory, "B", c.o.MemoryWarning, c.o.MemoryCritical); s != model.OK {
		r.fail(s, "they have %s of memory", humanSize(memory))
	}
	if used, ok := c.used(cpu); ok {
		if s := r.rate("cpu", hundredths(used), "%", c.o.CPUWarning, c.o.CPUCritical); s != model.OK {
			r.fail(s, "they use %.1f%% of a processor", used)
		}
	}
	return r.result("PROCESS", fmt.Sprintf("%d processes of %s", count, c.what()))
}

func (c *process) what() string {
	return strings.TrimSpace(firstOf(c.o.Name, c.o.Match) + " " + c.o.User)
}

// used is the processor time since the last check, in percent of one processor. The first time there is none.
func (c *process) used(now map[processID]float64) (percent float64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, at := c.last, c.at
	c.last, c.at = now, time.Now()
	elapsed := c.at.Sub(at).Seconds()
	if last == nil || elapsed <= 0 {
		return 0, false
	}
	for id, cpu := range now {
		if was, ok := last[id]; ok {
			percent += 100 * (cpu - was) / elapsed
		}
	}
	return percent, true
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func cutText(text string, limit int) string {
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}

// users remembers the names of user ids.
type users struct {
	mu    sync.Mutex // guards names
	names map[uint32]string
}

// maxUsers bounds what is remembered, on machines with a directory of many.
const maxUsers = 10_000

// name is the user's name, or its number when it has none.
func (u *users) name(uid uint32) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if name, ok := u.names[uid]; ok {
		return name
	}
	id := strconv.FormatUint(uint64(uid), 10)
	name := id
	if found, err := user.LookupId(id); err == nil {
		name = found.Username
	}
	if u.names == nil || len(u.names) >= maxUsers {
		u.names = map[uint32]string{}
	}
	u.names[uid] = name
	return name
}
