package api

import (
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// StateSpan is a time in which a check was in one state.
type StateSpan struct {
	From    time.Time    `json:"from"`
	To      time.Time    `json:"to"`
	Status  model.Status `json:"status"`
	Hard    bool         `json:"hard"`
	Handled bool         `json:"handled"` // acknowledged or in downtime
}

// Timeline makes spans of a check's changes, the newest of which come first. Before the first change the check was what that
// change says it came from; without any it is what it is now. Before a check was first asked it is PENDING.
func Timeline(now check.State, changes []check.Change, from, to time.Time) []StateSpan {
	cur := StateSpan{From: from, Status: now.Status, Hard: now.Hard, Handled: now.Ack != nil}
	if now.Since.After(from) && len(changes) == 0 {
		cur.Status, cur.Hard, cur.Handled = model.Pending, true, false
	}
	for i := len(changes) - 1; i >= 0; i-- {
		if c := changes[i]; c.Type == check.StateChange {
			cur.Status, cur.Hard = c.From, true
			break
		}
	}
	if len(changes) > 0 {
		cur.Handled = false
	}
	var out []StateSpan
	for i := len(changes) - 1; i >= 0; i-- {
		next := after(cur, changes[i])
		if next == cur || changes[i].At.Before(from) {
			next.From = cur.From
			cur = next
			continue
		}
		if changes[i].At.After(to) {
			break
		}
		cur.To = changes[i].At
		if cur.To.After(cur.From) {
			out = append(out, cur)
		}
		next.From = changes[i].At
		cur = next
	}
	cur.To = to
	if cur.To.After(cur.From) {
		out = append(out, cur)
	}
	return out
}

// after is the state that follows a change.
func after(s StateSpan, c check.Change) StateSpan {
	switch c.Type {
	case check.StateChange:
		s.Status, s.Hard = c.To, c.Hard
		if c.To == model.OK {
			s.Handled = false
		}
	case check.AckSet, check.DowntimeStart:
		s.Handled = true
	case check.AckRemoved, check.DowntimeEnd:
		s.Handled = false
	}
	return s
}

// availability is the share of the time, from 0 to 1, by status; time before the first answer does not count.
func availability(spans []StateSpan) map[string]float64 {
	var total time.Duration
	by := map[model.Status]time.Duration{}
	for _, s := range spans {
		if s.Status == model.Pending {
			continue
		}
		by[s.Status] += s.To.Sub(s.From)
		total += s.To.Sub(s.From)
	}
	out := map[string]float64{}
	for status, d := range by {
		out[status.String()] = d.Seconds() / total.Seconds()
	}
	return out
}
