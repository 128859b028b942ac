package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/alert/manager"
)

// verdict is the explanation in one sentence. this is nil when there is no such alert.
func (e *Explainer) verdict(x *Explanation, this *alert.Alert) string {
	if len(x.Receivers) == 0 {
		return "Nobody is told: no route takes it."
	}
	nobody := "Nobody is told: "
	if !x.Raised {
		nobody = "Nobody would be told: "
	}
	if why := e.quiet(x); why != "" {
		if before := e.before(x); before != "" {
			return before + "; not again: " + why + "."
		}
		return nobody + why + "."
	}
	var said, silent []string
	for i := range x.Receivers {
		s := &x.Receivers[i]
		switch {
		case s.Receiver == manager.UnheardReceiver:
			silent = append(silent, "it says that alerting works, and no route asks for it by its name")
		case len(s.Integrations) == 0:
			silent = append(silent, fmt.Sprintf("the route's receiver %q has no integrations", s.Receiver))
		case !s.Active:
			silent = append(silent, e.muted(s))
		case this == nil:
			said = append(said, fmt.Sprintf("%s by %s %s after it fires, and every %s while it lasts", s.Receiver, by(s), s.GroupWait, s.RepeatInterval))
		default:
			said = append(said, e.told(s))
		}
	}
	switch {
	case len(said) == 0:
		return nobody + strings.Join(slices.Compact(silent), "; ") + "."
	case this == nil:
		return "It would be told to " + strings.Join(said, "; and to ") + "."
	}
	return strings.Join(said, ". ") + "."
}

// Waiting adds to an explanation of labels that an alert with them waits to fire: since when its condition is true, and for how long it has
// to be.
func (e *Explainer) Waiting(x *Explanation, since time.Time, wait time.Duration) {
	text := "It waits: its condition is true since " + e.clock(since)
	if fires := since.Add(wait); fires.After(e.now()) {
		text += fmt.Sprintf(", and it fires at %s if that lasts", e.clock(fires))
	}
	x.Verdict = text + ". " + x.Verdict
}

// quiet is why an alert is not told to anybody, whatever the route.
func (e *Explainer) quiet(x *Explanation) string {
	if len(x.SilencedBy) > 0 {
		q := x.SilencedBy[0]
		if i := slices.IndexFunc(x.SilencedBy, func(q Quiet) bool { return !q.Ack }); i >= 0 {
			q = x.SilencedBy[i]
		}
		word := "silenced"
		if q.Ack {
			word = "acknowledged"
		}
		until := "until it resolves"
		if !q.Until.IsZero() {
			until = "until " + e.clock(q.Until)
		}
		text := fmt.Sprintf("%s by %s %s", word, q.By, until)
		if q.Comment != "" {
			text += fmt.Sprintf(" (%s)", q.Comment)
		}
		return text
	}
	if len(x.InhibitedBy) > 0 {
		i := x.InhibitedBy[0]
		return fmt.Sprintf("inhibited by %s, which fires too (%s)", i.Name, i.Rule)
	}
	return ""
}

// before says who was told already.
func (e *Explainer) before(x *Explanation) string {
	var said []string
	for i := range x.Receivers {
		if s := &x.Receivers[i]; !s.LastTold.IsZero() {
			said = append(said, fmt.Sprintf("Told to %s by %s at %s", s.Receiver, by(s), e.clock(s.LastTold)))
		}
	}
	return strings.Join(said, ", ")
}

func (e *Explainer) muted(s *Step) string {
	verb := "keeps"
	if len(s.MutedBy) > 1 {
		verb = "keep"
	}
	text := fmt.Sprintf("%s %s the route to %s quiet", quoted(s.MutedBy), verb, s.Receiver)
	if !s.LastTold.IsZero() {
		text += fmt.Sprintf(" (it was told at %s)", e.clock(s.LastTold))
	}
	return text
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	word := "the time interval "
	if len(all) > 1 {
		word = "the time intervals "
	}
	return word + strings.Join(all, " and ")
}

// told says what a receiver that is told was told, and will be.
func (e *Explainer) told(s *Step) string {
	switch {
	case s.failed != nil && s.LastTold.IsZero():
		return fmt.Sprintf("%s could not be told by %s: the try at %s failed (%s); the next one is before %s", s.Receiver, s.failed.Integration, e.clock(s.failed.At), s.failed.Error, e.clock(s.Next))
	case s.LastTold.IsZero():
		return fmt.Sprintf("%s is told by %s at %s", s.Receiver, by(s), e.clock(s.Next))
	case s.failed != nil:
		return fmt.Sprintf("Told to %s at %s, but the try by %s at %s failed (%s); the next one is before %s", s.Receiver, e.clock(s.LastTold), s.failed.Integration,
			e.clock(s.failed.At), s.failed.Error, e.clock(s.Next))
	}
	return fmt.Sprintf("Told to %s by %s at %s; again at %s if it is still firing", s.Receiver, by(s), e.clock(s.LastTold), e.clock(s.Next))
}

// by are the kinds of a receiver's integrations.
func by(s *Step) string {
	var kinds []string
	for _, i := range s.Integrations {
		if !slices.Contains(kinds, i.Kind) {
			kinds = append(kinds, i.Kind)
		}
	}
	if n := len(kinds); n > 1 {
		return strings.Join(kinds[:n-1], ", ") + " and " + kinds[n-1]
	}
	return strings.Join(kinds, "")
}

// clock is a time as people say it: without the date when it is today.
func (e *Explainer) clock(t time.Time) string {
	now := e.now()
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}
