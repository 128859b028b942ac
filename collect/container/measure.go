package container

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// measured is a container in one gather.
type measured struct {
	tracked
	who   about
	stats stats
	net   []netStat
	at    time.Time
}

// maxTries is how often the files of a container's runtime are looked for: they are written before it starts.
const maxTries = 3

// measureLocked finds all containers and reads their numbers.
func (c *Collector) measureLocked(now time.Time) {
	c.at = now
	clear(c.before)
	for _, m := range c.last {
		c.before[m.path] = m
	}
	if c.tree == nil {
		if c.tree = openCgroups(c.opts.SysFS); c.tree == nil {
			c.last = nil
			return
		}
		c.host = c.namespace("1")
		if c.host == "" {
			c.host = c.namespace("self")
		}
	}
	list, skipped := walk(c.tree.root(), c.opts.MaxContainers)
	c.skipped = skipped
	told := c.askLocked(list, now)
	c.last = make([]measured, 0, len(list))
	for _, f := range list {
		c.last = append(c.last, c.oneLocked(f, told, now))
	}
	for path, t := range c.known {
		if !t.seen {
			delete(c.known, path)
		}
		t.seen = false
	}
	c.networksLocked()
}

// askLocked returns what the engines tell, by identifier. They are asked sooner when there is a container that nobody
// has told of.
func (c *Collector) askLocked(list []found, now time.Time) map[string]about {
	unknown := false
	for _, f := range list {
		if t := c.known[f.path]; t == nil || t.about.name == "" && t.tried < maxTries {
			unknown = unknown || isIdentifier(f.id)
		}
	}
	told := map[string]about{}
	for _, e := range c.engines {
		for id, a := range e.containers(now, unknown) {
			told[id] = a
		}
	}
	return told
}

func (c *Collector) oneLocked(f found, told map[string]about, now time.Time) measured {
	t := c.known[f.path]
	if t == nil {
		t = &tracked{found: f}
		c.known[f.path] = t
	}
	t.seen = true
	m := measured{who: t.about, stats: c.tree.read(f.path), at: now}
	if a, ok := told[f.id]; ok {
		t.about, m.who = a, a
	} else if t.about.pod == "" && t.tried < maxTries {
		t.tried++
		if a, ok := c.oci.about(f.id); ok {
			t.about, t.tried = a, maxTries
		}
		m.who = t.about
	}
	if m.who.name == "" {
		m.who.name = f.id
	}
	if m.who.state == "" {
		m.who.state = "running"
	}
	c.processesLocked(t, m.stats.pids)
	m.tracked = *t
	m.runtime = cmp.Or(t.runtime, m.who.runtime, "unknown")
	return m
}

// processesLocked finds the oldest process of a container, by which it learns when the container started and in which
// network it is. It looks again when that process has ended.
func (c *Collector) processesLocked(t *tracked, pids []int) {
	if len(pids) == 0 || t.pid != 0 && slices.Contains(pids, t.pid) {
		return
	}
	boot := c.boot()
	const enough = 64 // the first is the oldest as a rule
	oldest := math.Inf(1)
	for _, pid := range pids[:min(len(pids), enough)] {
		text, err := readFile(nil, filepath.Join(c.opts.ProcFS, strconv.Itoa(pid), "stat"))
		if err != nil {
			continue
		}
		if ticks, err := parseStart(text); err == nil && float64(ticks) < oldest {
			oldest, t.pid = float64(ticks), pid
		}
	}
	if t.pid == 0 {
		return
	}
	if t.started == 0 && boot > 0 {
		t.started = boot + oldest/ticksPerSecond
	}
	t.netns = c.namespace(strconv.Itoa(t.pid))
}

// namespace returns the name of a process's network namespace; "" when it may not be seen.
func (c *Collector) namespace(pid string) string {
	name, err := os.Readlink(filepath.Join(c.opts.ProcFS, pid, "ns/net"))
	if err != nil {
		return ""
	}
	return name
}

// boot returns when the machine started, seconds since the epoch; 0 when unknown.
func (c *Collector) boot() float64 {
	text, err := readFile(nil, filepath.Join(c.opts.ProcFS, "stat"))
	if err != nil {
		return 0
	}
	start := 0.0
	eachKeyed(text, func(key []byte, v uint64) {
		if string(key) == "btime" {
			start = float64(v)
		}
	})
	return start
}

// networksLocked reads each network namespace once: the containers of a pod share one, and their traffic belongs to the
// pod's sandbox, else to the one that started first. That of the machine itself is not theirs.
func (c *Collector) networksLocked() {
	owner := map[string]int{}
	for i, m := range c.last {
		if m.netns == "" || m.netns == c.host || m.pid == 0 {
			continue
		}
		if j, taken := owner[m.netns]; !taken || ownsNetwork(m, c.last[j]) {
			owner[m.netns] = i
		}
	}
	for _, i := range owner {
		m := &c.last[i]
		if text, err := readFile(nil, filepath.Join(c.opts.ProcFS, strconv.Itoa(m.pid), "net/dev")); err == nil {
			m.net = parseNetDev(text)
		}
	}
}

func ownsNetwork(a, b measured) bool {
	if s, t := a.who.workload == sandbox, b.who.workload == sandbox; s != t {
		return s
	}
	return cmp.Or(cmp.Compare(a.started, b.started), strings.Compare(a.path, b.path)) < 0
}
