package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
)

// Event is one thing that happened to an alert.
type Event struct {
	At   time.Time `json:"at"`
	Type string    `json:"type"` // pending, firing, resolved, ack, unack, silence, silence_end, told, failed
	Text string    `json:"text"`
	By   string    `json:"by,omitempty"`
}

// Span is a time in which an alert of a rule was in a state. End is zero while it lasts.
type Span struct {
	State      alert.State // Pending or Active
	Start, End time.Time
}

// maxEvents bounds a timeline; the newest stay.
const maxEvents = 1000

// Timeline tells what happened to an alert, the newest first: what is kept of silences, acknowledgements and deliveries, and spans, which
// are what the series of its rule say; without any it begins when the alert says that it began.
func (e *Explainer) Timeline(a *alert.Alert, spans []Span) []Event {
	now := e.now()
	out := []Event{}
	add := func(at time.Time, kind, by, format string, args ...any) {
		if !at.IsZero() && !at.After(now) {
			out = append(out, Event{At: at.UTC(), Type: kind, By: by, Text: fmt.Sprintf(format, args...)})
		}
	}
	for i, s := range spans {
		switch s.State {
		case alert.Pending:
			add(s.Start, "pending", "", "Its condition became true.")
			if fires := slices.ContainsFunc(spans[i+1:], func(n Span) bool { return n.State == alert.Active && !n.Start.After(s.End.Add(adjoining)) }); !fires {
				add(s.End, "resolved", "", "Its condition was over before it fired.")
			}
		default:
			add(s.Start, "firing", "", "It began to fire.")
			add(s.End, "resolved", "", "It resolved.")
		}
	}
	if len(spans) == 0 {
		add(a.StartsAt, "firing", "", "It began to fire.")
		if a.State == alert.Resolved {
			add(a.EndsAt, "resolved", "", "It resolved.")
		}
	}
	for _, s := range e.EverySilence(a.Labels) {
		switch s.AckOf() {
		case a.Fingerprint:
			add(s.Start, "ack", s.CreatedBy, "Acknowledged: %s", s.Comment)
			if !s.Endless() || !s.End.After(now) {
				add(s.End, "unack", "", "The acknowledgement ended.")
			}
		case "":
			add(s.Start, "silence", s.CreatedBy, "Silenced until %s: %s", e.clock(s.End), s.Comment)
			add(s.End, "silence_end", "", "The silence of %s ended.", s.CreatedBy)
		}
	}
	for _, d := range e.deliveries(Filter{Fingerprint: a.Fingerprint, Limit: maxEvents}) {
		add(told(&d, a.Fingerprint))
	}
	slices.SortStableFunc(out, func(x, y Event) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(rank(x.Type), rank(y.Type))) })
	return out[:min(len(out), maxEvents)]
}

// adjoining is how far two spans of a rule may be apart and be one after the other: less than two evaluations.
const adjoining = 2 * time.Minute

// rank orders what happened at one moment: consequences stand above.
func rank(kind string) int {
	return slices.Index([]string{"told", "failed", "silence", "ack", "resolved", "firing", "pending"}, kind)
}

func told(d *alert.Delivery, fingerprint string) (at time.Time, kind, by, format string, arg any) {
	what := "firing"
	if i := slices.IndexFunc(d.Alerts, func(t alert.Told) bool { return t.Fingerprint == fingerprint }); i >= 0 && d.Alerts[i].Status != "" {
		what = d.Alerts[i].Status
	}
	var b strings.Builder
	if d.OK {
		fmt.Fprintf(&b, "Told to %s by %s as %s", d.Receiver, d.Integration, what)
	} else {
		fmt.Fprintf(&b, "%s could not be told by %s: %s", d.Receiver, d.Integration, d.Error)
	}
	if n := len(d.Alerts); n > 1 {
		fmt.Fprintf(&b, " (together with %d more)", n-1)
	}
	if d.Attempt > 1 {
		fmt.Fprintf(&b, ", try %d", d.Attempt)
	}
	if kind = "told"; !d.OK {
		kind = "failed"
	}
	return d.At, kind, "", "%s.", strings.TrimSuffix(b.String(), ".")
}
