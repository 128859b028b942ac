package state

import (
	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// history is how many statuses flap detection looks at, and so one more than the changes there can be among them, as in Nagios.
const history = 21

// A change counts between lowWeight, for the oldest, and highWeight, for the newest.
const lowWeight, highWeight = 0.75, 1.25

// flap records the status, and starts or ends flapping. Of a service it records those that are settled: hard, or a recovery.
func (s *step) flap() {
	st := &s.st
	if !st.Hard && !s.set.Host {
		return
	}
	st.Recent = remember(st.Recent, st.Status)
	st.FlapPercent = flapPercent(st.Recent)
	switch {
	case !st.Flapping && s.set.Flap && st.FlapPercent >= s.set.FlapHigh:
		st.Flapping = true
		s.flapped = len(s.changes)
		s.note(check.FlapStart, "")
	case st.Flapping && (!s.set.Flap || st.FlapPercent <= s.set.FlapLow):
		st.Flapping = false
		s.flapped = len(s.changes)
		s.ended = "flapping stopped"
		s.note(check.FlapStop, "")
	}
}

// remember returns a new slice: States that were given away keep theirs.
func remember(recent []byte, status model.Status) []byte {
	if len(recent) >= history {
		recent = recent[len(recent)-history+1:]
	}
	out := make([]byte, 0, len(recent)+1)
	return append(append(out, recent...), byte(status))
}

// flapPercent is the weighted share of changes among the last statuses. Those that were not seen yet count as OK.
func flapPercent(recent []byte) float64 {
	sum := 0.0
	last := byte(model.OK)
	missing := history - len(recent)
	for i, status := range recent {
		x := missing + i // its place among history places; the change to place 0 is out of sight
		if status != last && x > 0 {
			sum += lowWeight + float64(x-1)*(highWeight-lowWeight)/(history-2)
		}
		last = status
	}
	return sum * 100 / (history - 1)
}
