package engine

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// Several nodes may run the same checks on one medium. What a person decides on one of them holds on all: downtimes are a
// document each, and acknowledgements lie in the documents of states with the time of the decision, so that a node that has
// not heard of one does not take it back by writing its own state. States themselves are not taken over: each node
// sees with its own eyes.

// DocumentChange is one step of a watch.
type DocumentChange struct {
	Document // without Value when it was deleted
	Deleted  bool
	// Synced: there is no document; what was there at the beginning has been yielded.
	Synced bool
}

// Watcher is what Documents may be too: it yields what is there, then one Synced, then every change until ctx ends. Of several changes to one
// document only the last need be yielded. It ends after the first error. Without it other nodes are heard of at the next start.
type Watcher interface {
	Watch(ctx context.Context, kind string) iter.Seq2[DocumentChange, error]
}

// decision is what a person decided about the acknowledgement of a check.
type decision struct {
	at  time.Time
	ack *check.Ack // nil: it was taken back
}

// aheadFor is for how long an acknowledgement waits here for a problem that another node saw earlier.
const aheadFor = 5 * time.Minute

// follow takes over what other nodes decide, until ctx ends. It begins when everything has been loaded.
func (k *keeper) follow(ctx context.Context) {
	docs, ok := k.docs.(Watcher)
	if !ok {
		return
	}
	states := make(chan struct{}) // closed when the other has ended
	go func() {
		defer close(states)
		k.followKind(ctx, docs, stateKind, func() func(DocumentChange) { return k.stateChanged })
	}()
	k.followKind(ctx, docs, downtimeKind, func() func(DocumentChange) { return k.downtimeChanged(ctx) })
	<-states
}

// followKind calls what begin returns for every change, and begins anew after an error.
func (k *keeper) followKind(ctx context.Context, docs Watcher, kind string, begin func() func(DocumentChange)) {
	for wait := firstPutRetry; ctx.Err() == nil; wait = min(2*wait, lastPutRetry) {
		var failed error
		f := begin()
		for c, err := range docs.Watch(ctx, kind) {
			if failed = err; err != nil {
				break
			}
			if c.Synced {
				wait = firstPutRetry
			}
			f(c)
		}
		if ctx.Err() != nil {
			return
		}
		k.log.Debug("what other nodes decide about checks is not heard, trying again", "kind", kind, "err", failed, "next_try_in", wait)
		sleep(ctx, wait)
	}
}

func (k *keeper) stateChanged(c DocumentChange) {
	if i := shardOfKey(c.Key); i >= 0 && !c.Deleted && !c.Synced {
		k.stateElsewhere(i, c.Document)
	}
}

// stateElsewhere takes decisions out of a document that another node wrote.
func (k *keeper) stateElsewhere(i int, doc Document) {
	w := &k.writing[i]
	w.Lock()
	defer w.Unlock()
	if doc.Version <= w.version { // ours, or known
		return
	}
	states := k.acceptLocked(i, doc)
	if w.broken != nil {
		return
	}
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	k.takeOver(i, states)
}

// adopt takes over what was decided elsewhere about a check that is ours too. Engine.mu is held.
func (k *keeper) adopt(c *entry, raw []byte) {
	their, err := decodeKept(c.id, raw)
	if err != nil || !their.Decided.After(c.decided) {
		return
	}
	k.e.adopt(c, decision{their.Decided, their.State.Ack}, time.Now())
}

// adopt makes a decision of another node ours. Its history has been written there.
func (e *Engine) adopt(c *entry, d decision, now time.Time) {
	st := c.machine.State()
	c.ahead = nil
	if d.ack != nil && (st.Status == model.OK || st.Status == model.Pending) {
		if now.Sub(d.at) < aheadFor {
			c.ahead = &d
		}
		return
	}
	c.decided = d.at
	if st.Ack == nil && d.ack == nil {
		return
	}
	st.Ack = d.ack
	c.machine = state.Restore(c.machine.Settings(), st)
	e.show(c)
	e.planWake(c, now)
	e.at(&c.wake, e.now()) // what depends on it being handled is looked at
	e.history.touch()
}

// downtimeChanged takes over those that are planned, changed and ended elsewhere. It is for one watch.
func (k *keeper) downtimeChanged(ctx context.Context) func(DocumentChange) {
	seen := map[string]bool{} // nil when all that was there has been yielded
	return func(c DocumentChange) {
		if c.Synced {
			for _, d := range k.e.Downtimes() { // what ended while nobody watched
				if !seen[d.ID] {
					k.downtimeElsewhere(ctx, d.ID)
				}
			}
			seen = nil
			return
		}
		if seen != nil {
			seen[c.Key] = true
		}
		k.e.mu.Lock()
		t := k.e.downtimes[c.Key]
		known := t != nil && !c.Deleted && c.Version <= t.version
		k.e.mu.Unlock()
		if !known {
			k.downtimeElsewhere(ctx, c.Key)
		}
	}
}

// downtimeElsewhere brings a downtime to what its document says now. It reads it again, as a decision of ours may be on its way.
func (k *keeper) downtimeElsewhere(ctx context.Context, id string) {
	k.e.people.Lock()
	defer k.e.people.Unlock()
	var doc Document
	for d, err := range k.docs.List(ctx, downtimeKind, id) {
		if err != nil {
			k.log.Warn("a downtime of another node cannot be read", "downtime", id, "err", err)
			return
		}
		if d.Key == id {
			doc = d
		}
	}
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	now := time.Now()
	old := k.e.downtimes[id]
	switch {
	case doc.Version == 0 && old == nil, old != nil && doc.Version == old.version:
		return
	case doc.Version == 0:
		k.e.dropDowntime(old)
	default:
		k.useDowntimes([]Document{doc})
		if old != nil {
			k.keepBegun(id, old.Began)
		}
	}
	for _, c := range *k.e.order.Load() {
		if slices.Contains(c.on, id) || slices.ContainsFunc(c.downtimes, func(t *downtime) bool { return t.ID == id }) {
			k.e.lookAt(c, now)
		}
	}
	k.e.history.touch()
}

// keepBegun joins where a flexible downtime began here with where it began elsewhere.
func (k *keeper) keepBegun(id string, began map[string]time.Time) {
	t := k.e.downtimes[id]
	if t == nil {
		return
	}
	joined := maps.Clone(t.Began)
	for c, at := range began {
		if joined[c].IsZero() {
			if joined == nil {
				joined = map[string]time.Time{}
			}
			joined[c], t.unkept = at, true
		}
	}
	if t.unkept {
		t.Began = joined
		k.e.listDowntimes()
		k.noteDowntime()
	}
}
