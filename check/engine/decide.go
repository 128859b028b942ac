package engine

import (
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// An answer that is bad is not believed at once: the checks on which it depends (the host, the host's parents, dependencies) are
// asked first, those in front of them before, so that a dead switch does not make its hosts look dead one after the other.

// heldResult is an answer that waits for those of others.
type heldResult struct {
	c       *entry
	res     model.CheckResult
	why     string
	missing int
}

const (
	// recentEnough is how old the answer of another check may be, before the asking that it explains, to need no new one.
	recentEnough = time.Second
	// reachGrace is added to the time limits of those that are asked first, after which the answer is taken without them.
	reachGrace = 2 * time.Second
)

// consider takes an answer now or, when it is bad, after those of the checks that may explain it. All these have e.mu held.
func (e *Engine) consider(c *entry, res model.CheckResult, why string) {
	h := &heldResult{c: c, res: res, why: why}
	limit := e.askFirst(h)
	if h.missing == 0 {
		e.settle(h)
		return
	}
	c.doing, c.held = deciding, h
	e.at(&c.turn, e.now()+limit)
}

// askFirst has the checks asked that may explain a bad answer, and returns how long that may take.
func (e *Engine) askFirst(h *heldResult) (limit time.Duration) {
	st := h.c.machine.State()
	if h.res.Status == model.OK || !e.asking || e.stopping || st.Status != model.OK && st.Status != model.Pending && st.Hard {
		return 0
	}
	for _, a := range e.ahead(h.c) {
		as := a.machine.State()
		if a.prober == nil || a.gone || a.doing == abandoned || a == h.c || state.Down(as) || as.LastCheck.After(h.res.Start.Add(-recentEnough)) {
			continue
		}
		e.ask(a, check.ByReach)
		a.waiters = append(a.waiters, h)
		h.missing++
		limit = max(limit, time.Duration(a.declared.Timeout)+abandonAfter+reachGrace)
	}
	return limit
}

// ahead are the checks on which one directly depends.
func (e *Engine) ahead(c *entry) []*entry {
	var out []*entry
	add := func(host, name string) {
		if a := e.checks[host+"/"+name]; a != nil {
			out = append(out, a)
		}
	}
	if c.isHost() {
		for _, p := range c.host.Parents {
			add(p, check.HostCheck)
		}
	} else {
		add(c.host.Name, check.HostCheck)
	}
	for _, d := range c.declared.DependsOn {
		host, name := d.Host, d.Name
		if host == "" {
			host = c.host.Name
		}
		if name == "" {
			name = check.HostCheck
		}
		add(host, name)
	}
	return out
}

// decide takes an answer that has waited long enough.
func (e *Engine) decide(c *entry) {
	h := c.held
	c.held, c.doing = nil, idle
	e.settle(h)
}

// settle takes an answer, plans the next asking, and lets those go on that waited for it.
func (e *Engine) settle(h *heldResult) {
	c := h.c
	e.line.drop(&c.turn)
	e.take(c, h.res, h.why)
	e.planNext(c)
	e.release(c)
}

// release lets those go on that waited for a check.
func (e *Engine) release(c *entry) {
	waiters := c.waiters
	c.waiters = nil
	for _, h := range waiters {
		h.missing--
		if h.missing == 0 && h.c.held == h {
			e.decide(h.c)
		}
	}
}

// take makes an answer part of the state.
func (e *Engine) take(c *entry, res model.CheckResult, why string) {
	now := time.Now()
	c.remember(res, why)
	before := c.machine.State()
	st := before
	st.Status = res.Status
	changes := c.machine.Result(now, res, e.around(c, st, now))
	c.restored = true
	e.metrics.results[res.Status].Inc()
	e.after(c, changes, res.Status != model.OK && before.Attempt != c.machine.State().Attempt, now)
	if d := c.ahead; d != nil && res.Status != model.OK {
		e.adopt(c, *d, now)
	} else if d != nil && now.Sub(d.at) > aheadFor {
		c.ahead = nil
	}
	e.holdOn(c)
	c.sampled = now
	e.series.add(c, res.Metrics, now)
}

// remember keeps an answer for explanations.
func (c *entry) remember(res model.CheckResult, why string) {
	if len(c.results) == keptResults {
		c.results = append(c.results[:0], c.results[1:]...)
	}
	r := check.PastResult{At: res.Start, Status: res.Status, Duration: check.Duration(res.Duration), By: why}
	if res.Status != model.OK {
		r.Output = res.Output
	}
	c.results = append(c.results, r)
}

// around is what holds around a check that is in state st.
func (e *Engine) around(c *entry, st check.State, now time.Time) state.Around {
	a := e.graph.Around(c.id, e.stateOf)
	c.on = e.downtimesOn(c, st, now)
	a.Downtime = len(c.on) > 0
	a.NotifyPeriod = c.notify == nil || c.notify.Contains(now)
	c.around = a
	return a
}

func (e *Engine) stateOf(id string) (check.State, bool) {
	if c := e.checks[id]; c != nil {
		return c.machine.State(), true
	}
	return check.State{}, false
}

// lookAt does what passes without an answer.
func (e *Engine) lookAt(c *entry, now time.Time) {
	if c.gone {
		return
	}
	st := c.machine.State()
	changes := c.machine.Tick(now, e.around(c, st, now), time.Duration(c.declared.Freshness))
	e.after(c, changes, false, now)
	if !c.restored || now.Sub(c.sampled) < sampleEvery {
		return
	}
	c.sampled = now
	e.series.add(c, nil, now)
}

// after publishes what changed, and has everything looked at that it concerns.
func (e *Engine) after(c *entry, changes []check.Change, kept bool, now time.Time) {
	e.show(c)
	e.keep.note(c, kept || len(changes) > 0 && !onlyFirst(changes))
	e.note(c, changes)
	e.publish(c, changes)
	e.planWake(c, now)
}

// note makes changes part of what is kept, until the history has them.
func (e *Engine) note(c *entry, changes []check.Change) {
	for i := range changes {
		e.complete(c, &changes[i])
	}
	if e.keep.docs != nil && e.opts.Events != nil {
		c.untold = append(c.untold, changes...)
	}
}

// publish hands changes on, and has everything looked at that they concern.
func (e *Engine) publish(c *entry, changes []check.Change) {
	for i := range changes {
		e.history.add(changes[i])
		e.handlers.add(c, c.view.Load(), &changes[i])
	}
	if len(changes) > 0 {
		for _, id := range e.graph.Dependents(c.id) {
			if d := e.checks[id]; d != nil {
				e.at(&d.wake, e.now())
			}
		}
	}
}

// told is called when the history has changes, or will never have them.
func (e *Engine) told(changes []check.Change) {
	for i := range changes {
		c := e.checks[changes[i].Host+"/"+changes[i].Name]
		if c == nil {
			continue
		}
		at := slices.IndexFunc(c.untold, func(ch check.Change) bool { return ch.At.Equal(changes[i].At) })
		if at < 0 {
			continue
		}
		c.untold = slices.Delete(c.untold, at, at+1)
		if len(c.untold) == 0 {
			c.untold = nil
		}
		e.keep.unsaved[shardOf(c.hash)] = true
	}
}

// onlyFirst says whether all that happened is that a check was good when it was first asked. When that is lost, it happens again.
func onlyFirst(changes []check.Change) bool {
	return len(changes) == 1 && changes[0].Type == check.StateChange && changes[0].From == model.Pending && changes[0].To == model.OK
}

// complete fills in what the state machine leaves to its caller. Lines of one history have an order, so no two have the same time.
func (e *Engine) complete(c *entry, ch *check.Change) {
	ch.Host, ch.Name = c.declared.Host, c.declared.Name
	if !ch.At.After(c.newest) {
		ch.At = c.newest.Add(1)
	}
	c.newest = ch.At
	switch {
	case ch.Type == check.DowntimeStart:
		ch.By, ch.Comment = e.downtimeWords(c.on)
	case ch.Type == check.DowntimeEnd && e.actor != "":
		ch.By, ch.Comment = e.actor, "ended before its time"
	}
}

const (
	// sampleEvery is how often the series of a check that is asked less often are repeated: below the 5 minutes for which
	// PromQL looks back, so that a daily check has a value at any time.
	sampleEvery = 2 * time.Minute
	// lookEvery bounds a wait for something that the wall clock brings, which may be set.
	lookEvery = 5 * time.Minute
	// lookSoon is how often something is looked at whose time cannot be told.
	lookSoon = 30 * time.Second
)

// planWake sets when the check is looked at next without an answer.
func (e *Engine) planWake(c *entry, now time.Time) {
	var next time.Duration
	by := func(d time.Duration) {
		d = min(max(d, time.Millisecond), lookEvery)
		if next == 0 || d < next {
			next = d
		}
	}
	st := c.machine.State()
	if st.Ack != nil && !st.Ack.Until.IsZero() {
		by(st.Ack.Until.Sub(now))
	}
	if fresh := time.Duration(c.declared.Freshness); fresh > 0 && !st.Stale {
		from := st.LastCheck
		if from.Before(e.start) {
			from = e.start
		}
		by(from.Add(fresh + time.Millisecond).Sub(now))
	}
	if c.notify != nil && c.view.Load().Problem() {
		by(lookSoon)
	}
	for _, d := range c.downtimes {
		if ends, ok := d.ends(c, now); ok {
			by(ends)
		}
	}
	if c.restored && (c.prober == nil || c.slots.interval > sampleEvery) {
		by(c.sampled.Add(sampleEvery).Sub(now))
	}
	if next == 0 {
		e.line.drop(&c.wake)
		return
	}
	e.at(&c.wake, e.now()+next)
}
