package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// Explain says why a check is in its state.
func (e *Engine) Explain(id string) (Explanation, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.checks[id]
	if c == nil {
		return Explanation{}, noCheck(id)
	}
	v := *c.view.Load()
	x := Explanation{ID: id, Ack: v.Ack, LastCheck: v.LastCheck, Results: slices.Clone(c.results)}
	slices.Reverse(x.Results)
	if c.turn.pos != 0 && c.doing == idle {
		x.NextCheck = e.wall(c.turn.at)
	}
	for _, a := range e.ahead(c) {
		av := a.view.Load()
		r := check.Related{ID: a.id, Status: av.Status, Hard: av.Hard, Since: av.Since, Output: av.Output}
		if a.isHost() {
			x.Parents = append(x.Parents, r)
		} else {
			x.Dependencies = append(x.Dependencies, r)
		}
	}
	now := time.Now()
	for _, t := range c.downtimes {
		if _, _, ok := state.Next(t.Downtime, now); ok || slices.Contains(c.on, t.ID) {
			x.Downtimes = append(x.Downtimes, t.Downtime)
		}
	}
	x.Why = e.why(c, &v, now)
	return x, nil
}

// Dependents returns the checks that stand behind one, directly or through others.
func (e *Engine) Dependents(id string) []string {
	e.mu.Lock()
	g := e.graph
	e.mu.Unlock()
	return g.Dependents(id)
}

// why are sentences about a check.
func (e *Engine) why(c *entry, v *check.View, now time.Time) []string {
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	switch {
	case v.Status == model.Pending && c.prober == nil:
		say("No result has come yet. It is never asked: results come from outside.")
	case v.Status == model.Pending:
		say("It has not been asked yet.")
	case v.Stale:
		say("It is %s because no result came for longer than %s.", v.Status, time.Duration(c.declared.Freshness))
	default:
		say("It has been %s for %s; the last answer: %s", v.Status, ago(now.Sub(v.Since)), v.Output)
	}
	if v.Problem() {
		why = append(why, whyProblem(c, v)...)
		why = append(why, e.whyHandled(c, v)...)
	}
	if v.Flapping {
		say("It flaps: %.0f %% of its last results were changes, %.0f %% or more begin flapping.", v.FlapPercent, c.declared.FlapHigh)
	}
	return append(why, e.whyNext(c, v, now)...)
}

func whyProblem(c *entry, v *check.View) []string {
	switch {
	case v.Hard:
		return []string{fmt.Sprintf("The state is hard: it is confirmed after %d of %d attempts.", v.Attempt, v.MaxAttempts)}
	case c.prober != nil:
		return []string{fmt.Sprintf("The state is soft: attempt %d of %d; it is asked every %s until it is confirmed.",
			v.Attempt, v.MaxAttempts, time.Duration(c.declared.RetryInterval))}
	}
	return []string{fmt.Sprintf("The state is soft: result %d of %d that confirm it.", v.Attempt, v.MaxAttempts)}
}

func (e *Engine) whyHandled(c *entry, v *check.View) []string {
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if v.Ack != nil {
		say("%s acknowledged it: %s", v.Ack.By, v.Ack.Comment)
	}
	for _, id := range v.Downtimes {
		if t := e.downtimes[id]; t != nil {
			say("A downtime that %s planned is on: %s", t.By, t.Comment)
		}
	}
	switch a := c.around; {
	case a.HostDown:
		say("Its host is down, so nobody is told of it.")
	case a.Unreachable:
		say("It is unreachable: none of the hosts in front of it is up (%s).", strings.Join(c.host.Parents, ", "))
	case a.Dependency:
		say("What it depends on failed, so nobody is told of it.")
	case !a.NotifyPeriod:
		say("Nobody is told of it outside the time period %q.", c.declared.NotifyPeriod)
	}
	return why
}

func (e *Engine) whyNext(c *entry, v *check.View, now time.Time) []string {
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	switch {
	case c.doing == running:
		say("It is being asked at this moment.")
	case c.doing == queued:
		say("It is due, and waits for others to end.")
	case c.doing == deciding:
		say("A bad answer is there; what it depends on is asked before it counts.")
	case c.doing == abandoned:
		say("Its last asking hangs: it ignores its time limit of %s, and it is not asked again until it returns.", time.Duration(c.declared.Timeout))
	case c.prober == nil, c.turn.pos == 0:
	case c.period != nil && !c.period.Contains(now):
		say("It is not asked now: it is outside the time period %q.", c.declared.Period)
	case e.forbidden(c):
		say("It is not asked now: something failed without which it is not to be asked.")
	default:
		say("It is asked next in %s (%s).", ago(time.Until(e.wall(c.turn.at))), c.why)
	}
	if c.hold.cancel != nil {
		say("A connection to it is held: when it breaks, it is asked at once.")
	}
	return why
}

// ago writes how long something is, in two units at most.
func ago(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 24*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
