package process

import (
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// proc is a process that is tracked from scan to scan. pid and start together tell it from another that got its number.
type proc struct {
	pid   int
	start uint64
	group *group
	name  string // of its group, or of the one it would have
	known bool   // name is a service's: it needs no waiting
	comm  string // the command's name when name was found
	named uint64 // the scan in which name was found

	seen    uint64 // the last scan that saw it
	stat    stat
	status  status
	io      [2]uint64 // bytes read and written
	fds     int
	fdLimit uint64
	limitAt uint64 // the scan in which fdLimit was read

	hasStatus, hasIO, hasFDs bool // in the last scan
	knowsStatus, knowsIO     bool // in any scan

	cpuPerSecond  float64 // CPU seconds a second between the last two scans
	ioPerSecond   [2]float64
	ratesAreKnown bool
}

const (
	// A name is looked at again after this many scans, because a process may be moved to another cgroup; and at the
	// second scan, because the first may have met it between fork and exec.
	rescan = 30

	// namedAfter is how old a process must be to make a group of its own, so that short commands, of which a build
	// starts thousands, do not use up the groups. Services need not wait.
	namedAfter = 30 * time.Second

	bootEvery = 360 // scans; the boot time moves when the clock is set
)

// scanLocked reads all processes and adds what they did since the last scan to their groups.
func (c *Collector) scanLocked(now time.Time) error {
	pids, skipped, err := c.files.pids()
	if err != nil {
		c.errors.list++
		return fmt.Errorf("cannot list the processes: %w", err)
	}
	c.errors.skipped += uint64(skipped)
	first := c.scans == 0
	elapsed := now.Sub(c.last).Seconds()
	if c.scans%bootEvery == 0 {
		c.boot = c.files.bootTime()
	}
	c.scans++
	c.last = now
	c.groups.begin(now)
	for _, pid := range pids {
		c.processLocked(pid, now, first, elapsed)
	}
	for pid, p := range c.procs {
		if p.seen != c.scans {
			delete(c.procs, pid)
		}
	}
	c.groups.end(now)
	return nil
}

func (c *Collector) processLocked(pid int, now time.Time, first bool, elapsed float64) {
	text, err := c.files.file(pid, "stat")
	if err != nil {
		c.countLocked(err, &c.errors.read)
		return
	}
	s, err := parseStat(text)
	if err != nil {
		c.errors.read++
		return
	}
	p, was := c.procs[pid], proc{}
	fresh := p == nil || p.start != s.start
	if fresh {
		p = &proc{pid: pid, start: s.start}
		c.procs[pid] = p
	} else {
		was = *p
	}
	p.stat, p.seen = s, c.scans
	if c.renameLocked(p) {
		p.name, p.known = c.namer.name(pid, s)
		p.comm, p.named = s.comm, c.scans
	}
	c.detailsLocked(p)
	if !fresh { // what could not be read before is no work done since
		if !was.knowsStatus {
			was.status = p.status
		}
		if !was.knowsIO {
			was.io = p.io
		}
	}
	p.group = c.groups.of(p.name, p.known || c.ageLocked(s, now) >= namedAfter, now)
	// What a process did before we first looked is not counted, or a restart of Hulotte would look like a burst of
	// work; but all that a process did which is younger than our last look is.
	if fresh && (first || !c.bornAfterLocked(s, now, elapsed)) {
		was = *p
	}
	p.group.add(p, was, c.boot)
	if !fresh && elapsed > 0 {
		p.rates(was, elapsed)
	}
}

// renameLocked says whether to find the process's name anew.
func (c *Collector) renameLocked(p *proc) bool {
	return p.named == 0 || p.comm != p.stat.comm || c.scans-p.named >= rescan+uint64(p.pid%8) || p.named == c.scans-1 && !p.ratesAreKnown
}

// ageLocked is how long the process has run.
func (c *Collector) ageLocked(s stat, now time.Time) time.Duration {
	if c.boot == 0 {
		return namedAfter
	}
	started := c.boot + float64(s.start)/ticksPerSecond
	return time.Duration((float64(now.UnixNano())/1e9 - started) * 1e9)
}

// bornAfterLocked says whether the process started after the scan before; btime is in whole seconds, hence the slack.
func (c *Collector) bornAfterLocked(s stat, now time.Time, elapsed float64) bool {
	return c.boot != 0 && c.ageLocked(s, now).Seconds() <= elapsed+1
}

// detailsLocked reads what stat does not have. Kernel threads have nothing of it.
func (c *Collector) detailsLocked(p *proc) {
	p.hasStatus, p.hasIO, p.hasFDs = false, false, false
	if p.stat.kernel {
		return
	}
	var failed error
	note := func(err error) bool {
		if err != nil && failed == nil {
			failed = err
		}
		return err == nil
	}
	if text, err := c.files.file(p.pid, "status"); note(err) {
		if s, err := parseStatus(text); note(err) {
			p.status, p.hasStatus, p.knowsStatus = s, true, true
		}
	}
	if text, err := c.files.file(p.pid, "io"); note(err) {
		if read, written, err := parseIO(text); note(err) {
			p.io, p.hasIO, p.knowsIO = [2]uint64{read, written}, true, true
		}
	}
	if n, err := c.files.openFDs(p.pid); note(err) {
		p.fds, p.hasFDs = n, true
		if p.limitAt == 0 || c.scans-p.limitAt >= rescan {
			if text, err := c.files.file(p.pid, "limits"); err == nil {
				p.fdLimit, p.limitAt = parseFDLimit(text), c.scans
			}
		}
	}
	if failed != nil {
		c.countLocked(failed, &c.errors.partial)
	}
}

// countLocked counts an error, but not that a process has ended.
func (c *Collector) countLocked(err error, counter *uint64) {
	if !kernelfile.Gone(err) {
		*counter++
	}
}

func (p *proc) rates(was proc, elapsed float64) {
	p.cpuPerSecond = float64(since(was.stat.utime, p.stat.utime)+since(was.stat.stime, p.stat.stime)) / ticksPerSecond / elapsed
	p.ioPerSecond = [2]float64{}
	if p.hasIO && was.hasIO {
		for i := range p.io {
			p.ioPerSecond[i] = float64(since(was.io[i], p.io[i])) / elapsed
		}
	}
	p.ratesAreKnown = true
}

// since is how much a counter grew; one that went backwards did not.
func since(was, is uint64) uint64 {
	if is < was {
		return 0
	}
	return is - was
}
