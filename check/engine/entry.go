package engine

import (
	"sync/atomic"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// entry is one check with all that is known of it. Engine.mu guards the fields, but for id, hash and view.
type entry struct {
	id   string
	hash uint64

	host     *check.Host
	declared *check.Spec // as it was declared, with defaults; read-only
	kind     *check.Kind
	prober   check.Prober // nil for a passive check
	version  uint64       // grows when the above change
	period   Period       // in which it is asked; always when nil
	notify   Period       // in which people are told; always when nil
	gone     bool         // no longer declared: whoever still holds the entry lets go of it

	machine  *state.Machine
	restored bool               // its state came from a document, or it has a result
	results  []check.PastResult // the newest last, at most keptResults
	newest   time.Time          // of its history, so that its lines have an order
	untold   []check.Change     // those that the history does not have yet
	decided  time.Time          // when a person last decided about its acknowledgement, on whichever node
	ahead    *decision          // of another node, about a problem that is not seen here yet

	doing   doing
	why     string        // the reason of the next or current asking: see check.PastResult.By
	again   string        // asked for meanwhile, for this reason
	ticket  uint64        // of its place in the queue
	current *asking       // while it is running or abandoned
	slots   slots         // when it is due
	planned time.Duration // the slot of the next or current asking
	turn    item          // the next asking
	wake    item          // the next look at what passes by itself: acknowledgements, freshness
	lane    *lane
	latency time.Duration

	held    *heldResult   // what came while doing is deciding
	waiters []*heldResult // those that wait for this one
	hold    holding

	downtimes []*downtime // that are meant for it, whether on or not
	on        []string    // IDs of those that are on; replaced, never changed
	around    state.Around
	sampled   time.Time // when its series got their newest samples

	// view is what readers see. It is replaced, never changed.
	view atomic.Pointer[check.View]
}

// doing is what happens with a check.
type doing int8

const (
	idle      doing = iota // its turn is in the timeline, if it has one
	queued                 // it is due and waits for room
	running                // it is being asked
	deciding               // it was asked, and what it depends on is being asked
	abandoned              // it was asked, and does not come back
)

// keptResults is how many answers an explanation shows; each takes some 100 bytes.
const keptResults = 8

func (e *Engine) newEntry(id string) *entry {
	c := &entry{id: id, hash: hashOf(id)}
	c.turn.what = func(now time.Duration) { e.turnDue(c, now) }
	c.wake.what = func(time.Duration) { e.lookAt(c, time.Now()) }
	return c
}

// isHost says whether it is the host check.
func (c *entry) isHost() bool { return c.declared.Name == check.HostCheck }

func settingsOf(s *check.Spec) state.Settings {
	return state.Settings{
		Host: s.Name == check.HostCheck, MaxAttempts: s.MaxAttempts, Volatile: s.Volatile,
		Flap: !s.NoFlapDetection, FlapLow: s.FlapLow, FlapHigh: s.FlapHigh, StaleStatus: s.StaleStatus,
	}
}

// arm gives an entry what it is made of now. Its state stays. e.mu is held.
func (e *Engine) arm(c *entry, p *prepared) {
	e.letGo(c)
	c.host, c.declared, c.kind, c.prober = p.host, p.declared, p.kind, p.prober
	c.version++
	c.slots = newSlots(e.start, c.hash, time.Duration(p.spec.Interval))
	c.lane = e.laneOf(p.kind)
	e.armPeriods(c)
	if c.machine == nil {
		c.machine = state.New(settingsOf(&p.spec))
	} else {
		c.machine.SetSettings(settingsOf(&p.spec))
	}
	e.armDowntimes(c, p.labels)
	v := &check.View{ID: c.id, Spec: p.spec.Public(), MaxAttempts: p.spec.MaxAttempts, Labels: p.labels}
	if old := c.view.Load(); old != nil {
		e.counts.count(old, -1)
	}
	c.view.Store(v)
	e.counts.count(v, 1)
	e.show(c)
}

func (e *Engine) armPeriods(c *entry) {
	c.period, c.notify = e.periods[c.declared.Period], e.periods[c.declared.NotifyPeriod]
}

// retire takes an entry out of use. e.mu is held.
func (e *Engine) retire(c *entry) {
	c.gone = true
	c.unqueue()
	e.letGo(c)
	e.line.drop(&c.turn)
	e.line.drop(&c.wake)
	e.release(c)
	v := c.view.Load()
	e.counts.count(v, -1)
	e.keep.forget(c)
	if c.restored {
		e.series.end(c)
	}
}

// show replaces the view after anything in it changed. e.mu is held.
func (e *Engine) show(c *entry) {
	old := c.view.Load()
	v := *old
	v.State = c.machine.State()
	v.Latency = check.Duration(c.latency)
	v.Downtimes = c.on
	v.Handled = state.Handled(v.State, c.around)
	e.counts.count(old, -1)
	e.counts.count(&v, 1)
	c.view.Store(&v)
}

// counts are what Summary shows, kept up to date with every view.
type counts struct {
	checks, handled, unhandled [5]int // by status
	up, down, unreachable      int    // host checks
}

func (n *counts) count(v *check.View, by int) {
	n.checks[v.Status] += by
	switch {
	case !v.Problem():
	case v.Handled == "":
		n.unhandled[v.Status] += by
	default:
		n.handled[v.Status] += by
	}
	if v.Spec.Name != check.HostCheck {
		return
	}
	switch {
	case v.Status == model.Pending:
	case state.Down(v.State) && v.Unreachable:
		n.unreachable += by
	case state.Down(v.State):
		n.down += by
	default:
		n.up += by
	}
}
