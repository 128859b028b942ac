package engine

import (
	"context"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// While a check is OK its connection is held, if its kind can (check.Holder). When the other side breaks it, the check is asked at
// once; when that answer is bad, again in such short steps that the last attempt falls within hardWithin, so that a death is a hard
// state by then, whatever max_attempts is. When the answer is good, it is asked once more after confirmAfter, as some programs die
// slowly; a peer that merely does not keep idle connections is then left alone for a while, longer each time.

const (
	hardWithin   = 1500 * time.Millisecond
	maxHurry     = time.Second
	minHurry     = 100 * time.Millisecond
	confirmAfter = time.Second

	// heldLong is for how long a peer must have kept a connection to be connected to again at once.
	heldLong = 5 * time.Minute
	// firstPause and lastPause are for how long a peer is left alone that does not.
	firstPause = time.Minute
	lastPause  = time.Hour
)

// holding is a check's held connection. Engine.mu guards it.
type holding struct {
	cancel context.CancelFunc // nil when none is held
	since  time.Time
	pause  time.Duration // how long the peer was last left alone
	until  time.Time     // it is left alone until then
	broke  bool          // the connection broke, and it is not settled yet what that means
	again  int           // askings in a row since then that were good
}

// hurry says in how long a check is asked again whose connection broke.
func (c *entry) hurry() (time.Duration, bool) {
	h := &c.hold
	if !h.broke {
		return 0, false
	}
	st := c.machine.State()
	switch {
	case st.Status == model.OK && h.again == 0:
		h.again++
		return confirmAfter, true
	case st.Status == model.OK || st.Hard:
		h.broke = false
		return 0, false
	}
	h.again = 0
	steps := max(c.declared.MaxAttempts-1, 1)
	return min(max(hardWithin/time.Duration(steps), minHurry), maxHurry), true
}

// holdOn holds the connection of a check that is OK, and gives up that of one that is not. e.mu is held.
func (e *Engine) holdOn(c *entry) {
	holder, ok := c.prober.(check.Holder)
	if !ok {
		return
	}
	h := &c.hold
	switch {
	case c.machine.State().Status != model.OK:
		e.letGo(c)
	case h.cancel != nil || e.stopping || c.gone || e.held >= e.opts.Holds || h.broke && h.again == 0 || time.Now().Before(h.until):
	default:
		ctx, cancel := context.WithCancel(e.asks)
		h.cancel, h.since = cancel, time.Now()
		e.held++
		e.workers.Go(func() { e.holdOne(ctx, c, holder) })
	}
}

// letGo closes a held connection.
func (e *Engine) letGo(c *entry) {
	if c.hold.cancel != nil {
		c.hold.cancel()
		c.hold.cancel = nil
		e.held--
	}
}

// holdOne holds a connection until it breaks or ctx ends.
func (e *Engine) holdOne(ctx context.Context, c *entry, holder check.Holder) {
	err := holdSafely(ctx, holder)
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() != nil { // it was let go
		return
	}
	h := &c.hold
	e.letGo(c)
	if time.Since(h.since) < heldLong {
		h.pause = min(max(2*h.pause, firstPause), lastPause)
		h.until = time.Now().Add(h.pause)
	} else {
		h.pause, h.until = 0, time.Time{}
	}
	if err != nil {
		e.log.Debug("a connection cannot be held", "check", c.id, "err", err, "next_try_in", h.pause)
		return
	}
	e.metrics.broken.Inc()
	h.broke, h.again = true, 0
	e.ask(c, check.ByBroken)
}

// holdSafely turns a panic into an error.
func holdSafely(ctx context.Context, holder check.Holder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errPanic
		}
	}()
	return holder.Hold(ctx)
}
