package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

const (
	// resolution is how long the schedule sleeps at least, so that thousands of checks a second do not wake it for each. It is
	// part of every scheduling delay.
	resolution = 5 * time.Millisecond
	// maxJitter and jitterPart (of the interval) bound what is added to each slot, so that a check does not stay in step with
	// what else happens at that second on the other side. The next slot is not moved by it.
	maxJitter  = 250 * time.Millisecond
	jitterPart = 100
	// maxDue is how much is done in one go, a few milliseconds' worth, before others may have the lock.
	maxDue = 1000
	// firstRate is how many checks a second are asked for the first time, or again after a long absence: what is few is known
	// within a moment, and many do not come at once.
	firstRate = 1000
	// leastSpread is over how much time even a few are spread.
	leastSpread = time.Second
)

// now is the time of the schedule.
func (e *Engine) now() time.Duration { return time.Since(e.start) }

// wall is what the clock shows at a time of the schedule.
func (e *Engine) wall(at time.Duration) time.Time { return e.start.Add(at) }

// schedule does what is due until ctx ends.
func (e *Engine) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.poke:
		case <-timer.C:
		}
		timer.Reset(e.doDue())
	}
}

// doDue does what is due and returns how long there is nothing to do.
func (e *Engine) doDue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for range maxDue {
		it := e.line.due(now)
		if it == nil {
			break
		}
		it.what(now)
	}
	switch {
	case len(e.line) == 0:
		return time.Hour
	case e.line[0].at <= now:
		return 0 // let others have the lock
	}
	return max(e.line[0].at-e.now(), resolution)
}

// at puts an item into the timeline. e.mu is held.
func (e *Engine) at(it *item, when time.Duration) {
	if e.line.set(it, when) {
		select {
		case e.poke <- struct{}{}:
		default:
		}
	}
}

// plan sets the time of the next asking at the slot behind now.
func (e *Engine) plan(c *entry, now time.Duration) {
	c.planned, c.why = c.slots.after(now), check.BySchedule
	jitter := min(c.slots.interval/jitterPart, maxJitter)
	e.at(&c.turn, c.planned+rand.N(jitter))
}

// planAt sets it at a time of its own, for a reason of its own.
func (e *Engine) planAt(c *entry, at time.Duration, why string) {
	c.planned, c.why = at, why
	e.at(&c.turn, at)
}

// planFirst sets the first asking since the start, or since the check was declared. among is how many begin with it. A check that missed no slot
// waits for its next one, as if nothing had happened.
func (e *Engine) planFirst(c *entry, now time.Duration, among int) {
	if c.prober == nil {
		return
	}
	st := c.machine.State()
	known := c.restored && st.Status != model.Pending
	if at := e.wall(now); known && !st.LastCheck.After(at) && at.Sub(st.LastCheck) < c.slots.interval {
		if c.machine.Retry() {
			e.planAt(c, now+min(max(st.LastCheck.Add(time.Duration(c.declared.RetryInterval)).Sub(at), 0), c.slots.interval), check.ByRetry)
			return
		}
		e.plan(c, now)
		return
	}
	spread := max(time.Duration(among)*time.Second/firstRate, leastSpread)
	spread = min(spread, c.slots.interval)
	e.planAt(c, now+time.Duration(c.hash%uint64(spread)), check.BySchedule)
}

// planNext sets the next asking after an answer.
func (e *Engine) planNext(c *entry) {
	if c.prober == nil || c.gone || e.stopping {
		return
	}
	now := e.now()
	if c.again != "" {
		why := c.again
		c.again = ""
		e.ask(c, why)
		return
	}
	if gap, ok := c.hurry(); ok {
		e.planAt(c, now+gap, check.ByBroken)
		return
	}
	if c.why == check.BySchedule {
		e.metrics.skipped.Add(float64(c.slots.between(c.planned, now)))
	}
	if !c.machine.Retry() {
		e.plan(c, now)
		return
	}
	retry := time.Duration(c.declared.RetryInterval)
	next := max(c.planned, now-retry) + retry
	if next <= now {
		next = now + retry
	}
	e.planAt(c, next, check.ByRetry)
}

// turnDue is called when a check's time has come.
func (e *Engine) turnDue(c *entry, now time.Duration) {
	switch {
	case c.doing == deciding: // what it depends on takes too long
		e.decide(c)
	case c.doing != idle:
	case c.period != nil && !c.period.Contains(e.wall(now)), e.forbidden(c):
		e.plan(c, now)
	case !e.enqueue(c, false):
		e.metrics.skipped.Inc()
		e.plan(c, now)
	}
}

// forbidden says whether a dependency failed without which the check is not to be asked.
func (e *Engine) forbidden(c *entry) bool {
	return len(c.declared.DependsOn) > 0 && e.graph.Around(c.id, e.stateOf).NoCheck
}

// ask has a check asked at once. What is being asked now is asked again after it, unless the reason is reachability.
func (e *Engine) ask(c *entry, why string) {
	if !e.asking { // it is asked as soon as anything is
		return
	}
	switch c.doing {
	case idle:
		e.line.drop(&c.turn)
		c.why, c.planned = why, e.now()
		c.turn.at = c.planned
		e.enqueue(c, true)
	case queued:
		c.why = why
		e.enqueue(c, true)
	case running, deciding, abandoned:
		if why != check.ByReach {
			c.again = why
		}
	}
}
