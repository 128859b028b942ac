package engine

import (
	"context"
	"errors"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// asking is one call of a prober.
type asking struct {
	c         *entry
	lane      *lane
	prober    check.Prober
	version   uint64 // of what the check was made of then
	timeout   time.Duration
	abandoned bool // it does not come back; guarded by Engine.mu
}

// begin asks a check in a goroutine of its own. There is room in its lane.
func (e *Engine) begin(c *entry) {
	a := e.prepareAsking(c)
	e.workers.Add(1)
	go e.work(a)
}

func (e *Engine) prepareAsking(c *entry) *asking {
	c.unqueue()
	c.doing = running
	c.lane.running++
	c.latency = max(e.now()-max(c.turn.at, c.planned), 0)
	e.metrics.lag.Observe(c.latency.Seconds())
	c.current = &asking{c: c, lane: c.lane, prober: c.prober, version: c.version, timeout: time.Duration(c.declared.Timeout)}
	return c.current
}

// work asks, and goes on with the next that waits.
func (e *Engine) work(a *asking) {
	for a != nil {
		res := e.call(a)
		e.mu.Lock()
		if a.abandoned {
			e.cameBack(a)
			e.mu.Unlock()
			return // whoever gave it up has said Done
		}
		a = e.answered(a, res)
		e.mu.Unlock()
	}
	e.workers.Done()
}

// call asks within the time limit.
func (e *Engine) call(a *asking) model.CheckResult {
	ctx, cancel := context.WithTimeout(e.asks, a.timeout)
	defer cancel()
	guard := time.AfterFunc(a.timeout+abandonAfter, func() { e.giveUp(a) })
	defer guard.Stop()
	start := time.Now()
	res, panicked := probe(ctx, a.prober)
	if panicked != nil {
		e.metrics.panics.Inc()
		e.log.Error("a check panicked", "check", a.c.id, "kind", a.c.declared.Kind, "panic", panicked)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.metrics.timeouts.Inc()
	}
	res = complete(res, start, time.Now())
	bound(&res)
	return res
}

// answered takes an answer, and returns what its goroutine asks next: nil for nothing.
func (e *Engine) answered(a *asking, res model.CheckResult) *asking {
	c := a.c
	a.lane.running--
	c.doing, c.current = idle, nil
	switch {
	case c.gone || e.asks.Err() != nil: // the end of the process is no answer
	case c.version != a.version: // it was declared anew meanwhile
		e.planFirst(c, e.now(), 1)
	default:
		e.consider(c, res, c.why)
	}
	if e.stopping || a.lane.running >= a.lane.limit {
		return nil
	}
	if next := a.lane.next(); next != nil {
		next.doing = idle
		return e.prepareAsking(next)
	}
	return nil
}

// giveUp leaves a prober behind that ignores its time limit. It is not asked again until it returns.
func (e *Engine) giveUp(a *asking) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a.c.current != a || a.c.doing != running {
		return
	}
	a.abandoned = true
	c := a.c
	e.metrics.abandoned.Inc()
	e.stuck++
	e.log.Warn("a check ignores its time limit: it is not asked again until it returns", "check", c.id, "timeout", a.timeout)
	a.lane.running--
	c.doing = abandoned
	if !c.gone && e.asks.Err() == nil {
		e.take(c, abandonedResult(a.timeout, time.Now().Add(-a.timeout-abandonAfter)), c.why)
		e.release(c)
	}
	if next := a.lane.next(); next != nil && !e.stopping {
		next.doing = idle
		e.begin(next)
	}
	e.workers.Done()
}

// cameBack is called when a prober returns after all.
func (e *Engine) cameBack(a *asking) {
	c := a.c
	e.stuck--
	c.doing, c.current = idle, nil
	if c.gone {
		return
	}
	e.log.Info("a check that hung has returned", "check", c.id)
	e.planNext(c)
}
