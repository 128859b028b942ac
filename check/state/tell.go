package state

import (
	"cmp"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// quiet says why nobody should hear of the check now; "" when people should.
func (s *step) quiet() string {
	switch {
	case bad(s.st.Status) && s.st.Ack != nil:
		return "acknowledged"
	case s.a.Downtime:
		return "downtime"
	case s.st.Unreachable:
		return "unreachable"
	case !s.a.NotifyPeriod:
		return "period"
	case s.st.Flapping:
		return "flapping"
	}
	return ""
}

// tell marks the change that people should hear of: a settled status other than the one that they heard of last, and
// the begin and end of flapping. What was kept from them while they should not hear is told when that ends, if it still holds.
func (s *step) tell() {
	st := &s.st
	why := s.quiet()
	if s.flapped >= 0 {
		s.changes[s.flapped].Tell = why == "" || why == "flapping"
	}
	if why != "" || !st.Hard || st.Status == model.Pending || st.Told == st.Status && !s.force {
		return
	}
	st.Told = st.Status
	if s.moved >= 0 {
		s.changes[s.moved].Tell = true
		return
	}
	s.note(check.Notice, cmp.Or(s.ended, "what kept people from hearing of it ended")).Tell = true
}

// downtime takes the begin and end of downtimes over. Who planned them is the caller's to add.
func (s *step) downtime() {
	switch {
	case s.a.Downtime && !s.st.InDowntime:
		s.note(check.DowntimeStart, "")
	case !s.a.Downtime && s.st.InDowntime:
		s.ended = "the downtime ended"
		s.note(check.DowntimeEnd, "")
	}
	s.st.InDowntime = s.a.Downtime
}

// grace is how long a problem stays unreachable without a result after what it stands behind came up: enough for it to be asked
// again, so that the recovery of a router is not followed by the problems of all hosts that will answer in a minute.
const grace = 5 * time.Minute

// reach decides whether a problem is one of its own, or of what the check stands behind.
func (s *step) reach() {
	st := &s.st
	was, is := st.Unreachable, bad(st.Status) && s.behind()
	if s.answered || is || !was {
		st.BehindUp = time.Time{}
	} else {
		if st.BehindUp.IsZero() {
			st.BehindUp = s.at
		}
		is = s.at.Sub(st.BehindUp) < grace
	}
	st.Unreachable = is
	switch {
	case is && !was:
		s.note(check.Unreachable, s.a.why())
	case was && !is && bad(st.Status):
		st.BehindUp = time.Time{}
		s.ended = "reachable again"
		s.note(check.ReachableAgain, "")
	}
}

// behind says whether what the check stands behind is bad enough to explain a problem. A host that answers, if badly, is reachable.
func (s *step) behind() bool {
	if s.set.Host {
		return Down(s.st) && s.a.Unreachable || s.a.Dependency
	}
	return s.a.HostDown || s.a.Unreachable || s.a.Dependency
}

func (a Around) why() string {
	switch {
	case a.Unreachable:
		return "no parent of the host is up"
	case a.HostDown:
		return "the host is down"
	case a.Dependency:
		return "a dependency failed"
	}
	return ""
}

// stale makes a check whose newest result is too old the StaleStatus.
func (s *step) stale(freshness time.Duration) {
	st := &s.st
	if freshness <= 0 || st.Stale {
		return
	}
	newest := st.LastCheck
	if newest.Before(s.from) {
		newest = s.from
	}
	age := s.at.Sub(newest)
	if age <= freshness {
		return
	}
	st.Stale = true
	if st.LastCheck.IsZero() {
		st.Output = fmt.Sprintf("no result since %s, expected every %s", newest.UTC().Format(time.RFC3339), freshness)
	} else {
		st.Output = fmt.Sprintf("no result since %s, expected every %s", st.LastCheck.UTC().Format(time.RFC3339), freshness)
	}
	st.Long, st.Perf = "", nil
	s.note(check.BecameStale, "")
	s.move(s.set.StaleStatus, true)
}

// Handled says why a problem needs nobody now: "acknowledged", "downtime", "unreachable", "host" (its host is down),
// "flapping"; "" for one that nobody handles, and when there is no problem.
func Handled(st check.State, a Around) string {
	switch {
	case !bad(st.Status):
		return ""
	case st.Ack != nil:
		return "acknowledged"
	case a.Downtime:
		return "downtime"
	case a.HostDown && !a.Unreachable:
		return "host"
	case a.Unreachable || a.Dependency || st.Unreachable:
		return "unreachable"
	case st.Flapping:
		return "flapping"
	}
	return ""
}

// Down says whether a host is down by the state of its check: CRITICAL or UNKNOWN, confirmed or not. A WARNING, such as
// from slow answers, is a problem of a host that is up.
func Down(st check.State) bool { return st.Status == model.Critical || st.Status == model.Unknown }
