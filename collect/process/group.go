package process

import (
	"slices"
	"strings"
	"time"
)

// group is what the processes of one name are and did.
type group struct {
	name  string
	born  time.Time
	alive time.Time // when it last had a member

	// What its members did since we first saw them; never goes down.
	utime, stime            uint64 // clock ticks
	minflt, majflt          uint64
	voluntary, nonvoluntary uint64
	read, written           uint64 // bytes
	sawStatus, sawIO        bool   // some member's could be read ever

	now members
}

// members is what a group's living members are, in the current scan.
type members struct {
	procs, threads    uint64
	resident, virtual uint64 // pages, bytes
	swapped           uint64 // bytes
	fds               uint64
	worstFD           float64
	hasFDs, hasStatus bool
	oldest            float64 // seconds since the epoch; 0 when unknown
	states            [len(stateNames)]uint64
}

// stateNames are process-exporter's words for the states of a process.
var stateNames = [...]string{"Running", "Sleeping", "Waiting", "Zombie", "Other"}

func stateIndex(state byte) int {
	switch state {
	case 'R':
		return 0
	case 'S':
		return 1
	case 'D':
		return 2
	case 'Z':
		return 3
	}
	return 4
}

// add counts a living member, and what it did since it was as was says.
func (g *group) add(p *proc, was proc, boot float64) {
	g.utime += since(was.stat.utime, p.stat.utime)
	g.stime += since(was.stat.stime, p.stat.stime)
	g.minflt += since(was.stat.minflt, p.stat.minflt)
	g.majflt += since(was.stat.majflt, p.stat.majflt)
	m := &g.now
	m.procs++
	m.threads += p.stat.threads
	m.resident += p.stat.rss
	m.virtual += p.stat.vsize
	m.states[stateIndex(p.stat.state)]++
	if started := boot + float64(p.stat.start)/ticksPerSecond; boot > 0 && (m.oldest == 0 || started < m.oldest) {
		m.oldest = started
	}
	if p.hasStatus {
		g.sawStatus, m.hasStatus = true, true
		g.voluntary += since(was.status.voluntary, p.status.voluntary)
		g.nonvoluntary += since(was.status.nonvoluntary, p.status.nonvoluntary)
		m.swapped += p.status.swap
	}
	if p.hasIO {
		g.sawIO = true
		g.read += since(was.io[0], p.io[0])
		g.written += since(was.io[1], p.io[1])
	}
	if p.hasFDs {
		m.hasFDs = true
		m.fds += uint64(p.fds)
		if p.fdLimit > 0 {
			m.worstFD = max(m.worstFD, float64(p.fds)/float64(p.fdLimit))
		}
	}
}

// groups are all groups, bounded in number.
type groups struct {
	max    int
	byName map[string]*group
	other  *group
	turned map[string]bool // names that had no room in the current scan
}

func newGroups(limit int) *groups {
	return &groups{max: limit, byName: map[string]*group{}, turned: map[string]bool{}}
}

// A group without members is still told, with no processes, so that an alert on a service that died can fire. It is
// told for as long as it lived, within these bounds: a build's compiler is forgotten soon, a database is not.
const (
	minEmpty = 10 * time.Minute
	maxEmpty = 24 * time.Hour
)

func (g *group) forgottenAt() time.Time {
	return g.alive.Add(min(max(g.alive.Sub(g.born), minEmpty), maxEmpty))
}

// maxTurned bounds the names without room that are counted: the number is for people.
const maxTurned = 10_000

// begin starts a scan.
func (gs *groups) begin(now time.Time) {
	clear(gs.turned)
	if gs.other == nil {
		gs.other = &group{name: otherGroup, born: now}
	}
	gs.other.now = members{}
	for _, g := range gs.byName {
		g.now = members{}
	}
}

// of returns the group called name. A new one is made only when ready and when there is room; else it is other.
func (gs *groups) of(name string, ready bool, now time.Time) *group {
	g, ok := gs.byName[name]
	switch {
	case ok:
	case !ready:
		return gs.other
	case len(gs.byName) >= gs.max && !gs.makeRoom(now):
		if len(gs.turned) < maxTurned {
			gs.turned[name] = true
		}
		return gs.other
	default:
		g = &group{name: name, born: now}
		gs.byName[name] = g
	}
	g.alive = now
	return g
}

// makeRoom forgets the group that has been empty for the longest time. Those that were alive in this scan or the
// last one stay.
func (gs *groups) makeRoom(now time.Time) bool {
	var oldest *group
	for _, g := range gs.byName {
		if now.Sub(g.alive) > minEmpty && (oldest == nil || g.alive.Before(oldest.alive)) {
			oldest = g
		}
	}
	if oldest != nil {
		delete(gs.byName, oldest.name)
	}
	return oldest != nil
}

// end ends a scan.
func (gs *groups) end(now time.Time) {
	for name, g := range gs.byName {
		if now.After(g.forgottenAt()) {
			delete(gs.byName, name)
		}
	}
}

// sorted returns all groups by name.
func (gs *groups) sorted() []*group {
	out := make([]*group, 0, len(gs.byName)+1)
	for _, g := range gs.byName {
		out = append(out, g)
	}
	if gs.other != nil {
		out = append(out, gs.other)
	}
	slices.SortFunc(out, func(a, b *group) int { return strings.Compare(a.name, b.name) })
	return out
}
