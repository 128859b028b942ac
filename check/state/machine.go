// Package state decides: what a result makes of a check's state, whether it flaps, is stale or unreachable, whether a
// downtime is on, and whether people should hear of it. It follows Nagios; docs/checks-states.md lists where it does not.
//
// Everything in it is a function of its arguments: no clock, no goroutine, no I/O. A Machine holds one check.State and
// nothing else that matters, so Restore of a stored State goes on exactly where it was. What must always hold: Hard with a
// status that is not OK means that Status equals HardStatus; Attempt is between 1 and MaxAttempts once there was a result; people are told of a
// recovery only when they were told of the problem.
package state

import (
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// Settings are what the Machine needs of a check.Spec.
type Settings struct {
	Host        bool // it is the check that says whether a host is up
	MaxAttempts int  // 1 when less
	Volatile    bool
	Flap        bool    // flap detection
	FlapLow     float64 // percent; 20 when 0
	FlapHigh    float64 // percent; 30 when 0
	StaleStatus model.Status
}

// Around is what holds around the check at that moment.
type Around struct {
	HostDown     bool // a service's host is down
	Unreachable  bool // none of the host's parents is up
	Dependency   bool // a dependency failed: nobody is told
	NoCheck      bool // a dependency failed that forbids to ask
	Downtime     bool
	NotifyPeriod bool // it is the time of day at which people want to hear
}

// Machine is the state of one check. It is not safe for use by several goroutines at once.
type Machine struct {
	set Settings
	st  check.State
	// from is when freshness counts from at the earliest: while Hulotte did not run, no result could come in.
	from time.Time
}

// New returns the machine of a check that was never asked.
func New(s Settings) *Machine {
	return Restore(s, check.State{Status: model.Pending, HardStatus: model.Pending, Hard: true})
}

// Restore returns a machine that goes on from a stored state.
func Restore(s Settings, st check.State) *Machine {
	m := &Machine{st: st}
	m.SetSettings(s)
	return m
}

// Settings returns the settings, with the defaults filled in.
func (m *Machine) Settings() Settings { return m.set }

// SetSettings changes them. They count from the next result on.
func (m *Machine) SetSettings(s Settings) {
	s.MaxAttempts = max(s.MaxAttempts, 1)
	if s.FlapLow == 0 {
		s.FlapLow = 20
	}
	if s.FlapHigh == 0 {
		s.FlapHigh = 30
	}
	if s.StaleStatus == model.OK {
		s.StaleStatus = model.Unknown
	}
	m.set = s
	// What had all of its attempts has all of the new ones too. See count for those that had one only.
	if st := &m.st; bad(st.Status) && st.Hard && st.Attempt > 1 {
		st.Attempt = s.MaxAttempts
	}
}

// State returns a copy of the state, which shares Long, Perf, Recent and Ack with the machine; they are replaced, never changed.
func (m *Machine) State() check.State { return m.st }

// Retry says whether the next check comes after the retry interval: there is a problem that is not confirmed yet.
func (m *Machine) Retry() bool { return bad(m.st.Status) && !m.st.Hard }

// Result takes an answer. at is now; an answer whose Start is zero or later than that began now. Host and Name of the
// changes are the caller's to fill in.
func (m *Machine) Result(at time.Time, r model.CheckResult, a Around) []check.Change {
	s := m.begin(at, a)
	s.answered = true
	start := r.Start
	if start.IsZero() || start.After(at) {
		start = at
	}
	st := &m.st
	st.Stale = false
	st.LastCheck = start
	if r.Status == model.OK {
		st.LastOK = start
	}
	st.Output, st.Long, st.Perf, st.Duration = r.Output, r.Long, r.Perf, check.Duration(r.Duration)
	s.move(result(r.Status), false)
	s.end()
	return s.changes
}

// Tick does what time and the surroundings bring without a result: the end of an acknowledgement, staleness (freshness is how
// old the newest result may be; 0 is any age), the begin and end of a downtime and of reachability.
func (m *Machine) Tick(at time.Time, a Around, freshness time.Duration) []check.Change {
	s := m.begin(at, a)
	s.stale(freshness)
	s.end()
	return s.changes
}

// step is one call of Result or Tick.
type step struct {
	*Machine
	at      time.Time
	a       Around
	changes []check.Change
	// answered is whether it is a result that was just taken.
	answered bool
	moved    int    // index of the StateChange in changes, or -1
	flapped  int    // index of the FlapStart or FlapStop, or -1
	force    bool   // tell even what people know: volatile
	ended    string // what ended that kept people from hearing
}

func (m *Machine) begin(at time.Time, a Around) *step {
	if m.from.IsZero() {
		m.from = at
	}
	s := &step{Machine: m, at: at, a: a, moved: -1, flapped: -1}
	s.downtime()
	s.expire()
	return s
}

func (s *step) end() {
	s.reach()
	s.tell()
}

// add appends a change that describes the state as it is now.
func (s *step) add(c check.Change) *check.Change {
	c.At, c.To, c.Output = s.at, s.st.Status, s.st.Output
	s.changes = append(s.changes, c)
	return &s.changes[len(s.changes)-1]
}

// note appends a change that leaves the status as it is.
func (s *step) note(typ check.ChangeType, comment string) *check.Change {
	return s.add(check.Change{Type: typ, From: s.st.Status, Hard: s.st.Hard, Attempt: s.st.Attempt, Comment: comment})
}

// move takes the status over. atOnce makes a problem hard as if it had all of its attempts.
func (s *step) move(next model.Status, atOnce bool) {
	st := &s.st
	prev := *st
	attempt := 1 // that of the change: a recovery has that of the problem when it was soft
	switch {
	case bad(next):
		attempt, st.Hard = s.count(prev, next)
		if atOnce {
			attempt, st.Hard = s.set.MaxAttempts, true
		}
		st.Attempt = attempt
	default:
		st.Hard, st.Attempt = true, 1
		if softProblem(prev) {
			attempt = prev.Attempt
		}
	}
	if next != prev.Status {
		st.Status, st.Since = next, s.at
	}
	if st.Hard && next != prev.HardStatus {
		st.HardStatus, st.HardSince = next, s.at
	}
	again := s.set.Volatile && bad(next) && st.Hard
	if next != prev.Status || st.Hard && !prev.Hard && bad(next) || again {
		c := s.add(check.Change{Type: check.StateChange, From: prev.Status, Attempt: attempt, Long: st.Long})
		c.Hard = st.Hard && !softProblem(prev) || st.Hard && bad(next)
		s.moved, s.force = len(s.changes)-1, again
	}
	s.endAck(prev.Status)
	s.flap()
}

// count returns the attempt of a problem, and whether it is hard. While its host is down, a service has no further attempts.
func (s *step) count(prev check.State, next model.Status) (attempt int, hard bool) {
	last := s.set.MaxAttempts
	switch {
	case !bad(prev.Status):
		return 1, s.a.HostDown || last == 1
	case prev.Hard && next == prev.Status:
		return prev.Attempt, true
	case s.a.HostDown || prev.Hard && prev.Attempt > 1:
		return last, true
	case prev.Hard:
		// It was hard at its first attempt because the host was down. Now it has to show that it lasts.
		return 1, last == 1
	}
	attempt = min(prev.Attempt+1, last)
	return attempt, attempt == last
}

// bad says whether a status is a problem.
func bad(s model.Status) bool { return s != model.OK && s != model.Pending }

func softProblem(st check.State) bool { return bad(st.Status) && !st.Hard }

// result is what an answer counts as: no answer may claim that there is none.
func result(s model.Status) model.Status {
	if s < model.OK || s >= model.Pending {
		return model.Unknown
	}
	return s
}
