package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// keeper keeps states and downtimes as documents. What changed is written within keepWithin; results that changed nothing are
// written with them, at the latest keepAll later or when the process ends.
type keeper struct {
	e    *Engine
	docs Documents // nil: nothing is kept
	log  *slog.Logger
	poke chan struct{} // holds one token when something is to be written soon; never closed

	writing [shards]struct {
		sync.Mutex        // one write of a document at a time; taken before Engine.mu
		version    uint64 // of the document as far as known; guarded by the mutex beside it
		broken     error  // why it is left alone; likewise
	}

	// The rest is guarded by Engine.mu.
	loaded    bool
	members   [shards][]*entry
	others    [shards]map[string]json.RawMessage // states of checks that are not declared here
	changed   map[int]bool                       // documents to be written soon
	unsaved   [shards]bool                       // documents that lack results
	downtimes bool                               // a flexible downtime began
}

const (
	keepWithin = 500 * time.Millisecond
	keepAll    = 10 * time.Minute
	// keepersAtOnce is how many documents are written at the same time; media make such writes durable together.
	keepersAtOnce = 16
	// loadPatience is for how long checks are not asked because what is kept about them cannot be read: the medium may come a
	// moment after us. Then watching matters more, and what is kept is put together with what was seen when it comes.
	loadPatience = 30 * time.Second
	// lastSave bounds the writing at the end of the process.
	lastSave = 8 * time.Second
	// firstPutRetry and lastPutRetry are the pauses while the documents are away.
	firstPutRetry = time.Second
	lastPutRetry  = 30 * time.Second
)

func newKeeper(e *Engine, docs Documents, log *slog.Logger) *keeper {
	return &keeper{e: e, docs: docs, log: log, poke: make(chan struct{}, 1), changed: map[int]bool{}, loaded: docs == nil}
}

// ready says whether decisions of people can be kept.
func (k *keeper) ready() error {
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	if !k.loaded {
		return errLoading
	}
	return nil
}

// note remembers that a check has a new result, and whether that changed anything. Engine.mu is held, as for forget.
func (k *keeper) note(c *entry, changed bool) {
	if k.docs == nil {
		return
	}
	i := shardOf(c.hash)
	k.unsaved[i] = true
	if !changed || k.changed[i] {
		return
	}
	k.changed[i] = true
	k.wake()
}

func (k *keeper) noteDowntime() {
	k.downtimes = true
	k.wake()
}

func (k *keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// forget keeps the state of a check that is no longer declared beside the others.
func (k *keeper) forget(c *entry) {
	if k.docs == nil || !c.restored {
		return
	}
	raw, err := json.Marshal(&kept{c.machine.State(), c.untold, c.decided})
	if err != nil {
		return
	}
	i := shardOf(c.hash)
	k.addOther(i, c.id, raw)
	k.unsaved[i] = true
}

func (k *keeper) addOther(i int, id string, raw json.RawMessage) {
	if k.others[i] == nil {
		k.others[i] = map[string]json.RawMessage{}
	}
	k.others[i][id] = raw
}

// sort puts the checks into their shards, and gives new ones the state that was kept. Engine.mu is held.
func (k *keeper) sort(list []*entry) {
	for i := range k.members {
		k.members[i] = k.members[i][:0]
	}
	for _, c := range list {
		i := shardOf(c.hash)
		k.members[i] = append(k.members[i], c)
		if raw, ok := k.others[i][c.id]; ok {
			delete(k.others[i], c.id)
			k.restore(c, raw)
		}
	}
	for i := range k.members {
		clear(k.members[i][len(k.members[i]):cap(k.members[i])])
	}
}

// restore gives a check the state that was kept. When the check was asked already, the kept state comes first and the answer after it.
func (k *keeper) restore(c *entry, raw json.RawMessage) {
	old, err := decodeKept(c.id, raw)
	if err != nil {
		k.log.Error("the state of a check cannot be read: it begins anew", "check", c.id, "err", err)
		return
	}
	st := old.State
	seen, had := c.machine.State(), c.restored
	now := time.Now()
	c.machine = state.Restore(c.machine.Settings(), st)
	c.restored, c.decided = true, latest(c.decided, old.Decided)
	if !st.LastCheck.After(now) {
		c.newest = latest(c.newest, st.LastCheck)
	}
	if len(old.Untold) > 0 && k.e.opts.Events != nil {
		c.untold = append(old.Untold, c.untold...)
		c.newest = latest(c.newest, old.Untold[len(old.Untold)-1].At)
		k.e.history.recover(old.Untold)
	}
	var changes []check.Change
	if had && seen.LastCheck.After(st.LastCheck) {
		res := model.CheckResult{
			Status: seen.Status, Output: seen.Output, Long: seen.Long, Perf: seen.Perf, Start: seen.LastCheck, Duration: time.Duration(seen.Duration),
		}
		changes = c.machine.Result(now, res, k.e.around(c, seen, now))
	}
	k.e.after(c, changes, false, now)
	k.e.at(&c.wake, k.e.now()) // once everything is restored, what is around it is known
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// load reads everything, and tries until it can or ctx ends. opened is called once: when it has, or patience ends.
func (k *keeper) load(ctx context.Context, opened func()) {
	if k.docs == nil {
		opened()
		return
	}
	patience := time.AfterFunc(loadPatience, func() {
		k.log.Warn("what is kept about checks cannot be read yet: they are asked as if they were new, and joined with it when it comes")
		opened()
	})
	defer patience.Stop()
	for wait := firstPutRetry; ; wait = min(2*wait, lastPutRetry) {
		err := k.loadOnce(ctx)
		if err == nil {
			opened()
			return
		}
		if ctx.Err() != nil {
			return
		}
		k.log.Warn("cannot read what is kept about checks, trying again", "err", err, "next_try_in", wait)
		if !sleep(ctx, wait) {
			return
		}
	}
}

// sleep waits; it reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (k *keeper) loadOnce(ctx context.Context) error {
	var read [shards]map[string]json.RawMessage
	for doc, err := range k.docs.List(ctx, stateKind, "") {
		if err != nil {
			return err
		}
		i := shardOfKey(doc.Key)
		if i < 0 {
			continue
		}
		read[i] = k.accept(i, doc)
	}
	var downtimes []Document
	for doc, err := range k.docs.List(ctx, downtimeKind, "") {
		if err != nil {
			return err
		}
		downtimes = append(downtimes, doc)
	}
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	k.useDowntimes(downtimes)
	for i := range read {
		k.takeOver(i, read[i])
	}
	k.loaded = true
	return nil
}

// shardOfKey is the reverse of shardKey, -1 for what is none.
func shardOfKey(key string) int {
	i, err := strconv.ParseUint(key, 16, shardBits)
	if err != nil || shardKey(int(i)) != key {
		return -1
	}
	return int(i)
}

// accept takes note of a document's version and returns the states in it.
func (k *keeper) accept(i int, doc Document) map[string]json.RawMessage {
	w := &k.writing[i]
	w.Lock()
	defer w.Unlock()
	return k.acceptLocked(i, doc)
}

func (k *keeper) acceptLocked(i int, doc Document) map[string]json.RawMessage {
	w := &k.writing[i]
	states, err := decodeShard(doc.Value)
	w.version, w.broken = doc.Version, nil
	switch {
	case errors.Is(err, errNewer):
		w.broken = err
		k.log.Error("states of checks are neither read nor written", "document", stateKind+"/"+doc.Key, "err", err)
	case err != nil:
		k.log.Error("a document with states of checks cannot be read: they begin anew", "document", stateKind+"/"+doc.Key, "err", err)
	}
	return states
}

// takeOver gives states to their checks and remembers the rest.
func (k *keeper) takeOver(i int, states map[string]json.RawMessage) {
	now := time.Now()
	for id, raw := range states {
		if c := k.e.checks[id]; c != nil && !k.loaded {
			k.restore(c, raw)
			continue
		} else if c != nil {
			k.adopt(c, raw)
			continue // its state is newer here
		}
		if !tooOld(raw, now) {
			k.addOther(i, id, raw)
		}
	}
}

func (k *keeper) useDowntimes(docs []Document) {
	for _, doc := range docs {
		d, err := decodeDowntime(doc.Value)
		if err == nil && d.ID != doc.Key {
			err = errors.New("its id is not its key")
		}
		if err == nil {
			err = k.e.useDowntime(d, doc.Version)
		}
		if err != nil {
			k.log.Error("a downtime cannot be read: it is left out", "document", downtimeKind+"/"+doc.Key, "err", err)
		}
	}
}

// run writes what changed until ctx ends, then everything.
func (k *keeper) run(ctx context.Context) {
	if k.docs == nil {
		return
	}
	all := time.NewTicker(keepAll / 64)
	defer all.Stop()
	for part := 0; ; {
		select {
		case <-ctx.Done():
			k.last(ctx)
			return
		case <-all.C:
			k.noteUnsaved(part, 64)
			part = (part + 1) % 64
			k.dropOver(ctx)
		case <-k.poke:
			if sleep(ctx, keepWithin) { // by then the history has been written, as a rule
				k.saveChanged(ctx)
			}
		}
	}
}

// noteUnsaved has one of n parts of the documents written that lack results.
func (k *keeper) noteUnsaved(part, n int) {
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	for i := part; i < shards; i += n {
		if k.unsaved[i] {
			k.changed[i] = true
		}
	}
	if len(k.changed) > 0 {
		k.wake()
	}
}

func (k *keeper) last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
	defer cancel()
	k.noteUnsaved(0, 1)
	if err := k.saveOnce(ctx); err != nil {
		k.log.Error("the last states of checks are not kept", "err", err)
	}
}

// saveChanged writes what changed, and tries until it can or ctx ends.
func (k *keeper) saveChanged(ctx context.Context) {
	for wait := firstPutRetry; ctx.Err() == nil; wait = min(2*wait, lastPutRetry) {
		err := k.saveOnce(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			return
		}
		k.log.Warn("cannot keep the states of checks, trying again", "err", err, "next_try_in", wait)
		sleep(ctx, wait)
	}
}

func (k *keeper) saveOnce(ctx context.Context) error {
	k.e.mu.Lock()
	if !k.loaded {
		k.e.mu.Unlock()
		return errLoading
	}
	todo := k.changed
	k.changed = map[int]bool{}
	k.e.mu.Unlock()
	err := k.save(ctx, todo)
	return errors.Join(err, k.saveDowntimes(ctx))
}

// save writes documents now. Those that it cannot write are written later, and it returns the first error.
func (k *keeper) save(ctx context.Context, which map[int]bool) error {
	if k.docs == nil {
		return nil
	}
	todo := make(chan int, len(which))
	for _, i := range slices.Sorted(maps.Keys(which)) {
		todo <- i
	}
	close(todo)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var first error
	for range min(keepersAtOnce, len(which)) {
		wg.Go(func() {
			for i := range todo {
				if err := k.saveShard(ctx, i); err != nil {
					mu.Lock()
					first = cmpErr(first, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// saveShard writes one document. When somebody else wrote it meanwhile, what is theirs stays in it.
func (k *keeper) saveShard(ctx context.Context, i int) error {
	w := &k.writing[i]
	w.Lock()
	defer w.Unlock()
	if w.broken != nil {
		return w.broken
	}
	for {
		value, err := k.encode(i)
		if err != nil {
			return fmt.Errorf("document %s: %w", shardKey(i), err)
		}
		version, err := k.docs.Put(ctx, stateKind, shardKey(i), value, w.version)
		if err == nil {
			w.version = version
			k.e.metrics.writes.Inc()
			return nil
		}
		k.failed(i)
		if model.KindOf(err) != model.Conflict || ctx.Err() != nil {
			k.e.metrics.writeFailures.Inc()
			return err
		}
		k.e.metrics.conflicts.Inc()
		if err := k.reread(ctx, i); err != nil {
			return err
		}
	}
}

// failed has a document written later.
func (k *keeper) failed(i int) {
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	k.unsaved[i], k.changed[i] = true, true
	k.wake()
}

// reread reads a document that is not at the version that was expected: another process keeps checks there too.
func (k *keeper) reread(ctx context.Context, i int) error {
	w := &k.writing[i]
	w.version = 0
	for doc, err := range k.docs.List(ctx, stateKind, shardKey(i)) {
		if err != nil {
			return err
		}
		states := k.acceptLocked(i, doc)
		if w.broken != nil {
			return w.broken
		}
		k.e.mu.Lock()
		k.takeOver(i, states)
		k.e.mu.Unlock()
	}
	return nil
}

// encode writes the document as it should be now.
func (k *keeper) encode(i int) ([]byte, error) {
	k.e.mu.Lock()
	var states []namedState
	for _, c := range k.members[i] {
		if c.restored {
			states = append(states, namedState{c.id, kept{c.machine.State(), slices.Clone(c.untold), c.decided}})
		}
	}
	now := time.Now()
	maps.DeleteFunc(k.others[i], func(_ string, raw json.RawMessage) bool { return tooOld(raw, now) })
	others := maps.Clone(k.others[i])
	k.unsaved[i] = false
	delete(k.changed, i)
	k.e.mu.Unlock()
	return encodeShard(k.e.opts.Node, states, others)
}

func (k *keeper) putDowntime(ctx context.Context, d check.Downtime, version uint64) (uint64, error) {
	if err := k.ready(); err != nil || k.docs == nil {
		return 0, err
	}
	value, err := json.Marshal(&d)
	if err != nil {
		return 0, err
	}
	return k.docs.Put(ctx, downtimeKind, d.ID, value, version)
}

// deleteDowntime deletes a document. One that is not there any more is no error.
func (k *keeper) deleteDowntime(ctx context.Context, id string, version uint64) error {
	if err := k.ready(); err != nil || k.docs == nil {
		return err
	}
	err := k.docs.Delete(ctx, downtimeKind, id, version)
	for doc, e := range k.docs.List(ctx, downtimeKind, id) {
		if model.KindOf(err) != model.Conflict || e != nil {
			break
		}
		if doc.Key == id {
			return k.docs.Delete(ctx, downtimeKind, id, doc.Version)
		}
	}
	if model.KindOf(err) == model.Conflict {
		return nil
	}
	return err
}

// saveDowntimes writes the flexible ones that began.
func (k *keeper) saveDowntimes(ctx context.Context) error {
	k.e.mu.Lock()
	any := k.downtimes
	k.downtimes = false
	k.e.mu.Unlock()
	if !any {
		return nil
	}
	k.e.people.Lock()
	defer k.e.people.Unlock()
	k.e.mu.Lock()
	var todo []*downtime
	for _, t := range k.e.downtimes {
		if t.unkept {
			todo = append(todo, t)
		}
	}
	k.e.mu.Unlock()
	for _, t := range todo {
		if err := k.saveDowntime(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) saveDowntime(ctx context.Context, t *downtime) error {
	k.e.mu.Lock()
	d := t.Downtime
	t.unkept = false
	k.e.mu.Unlock()
	version, err := k.putDowntime(ctx, d, t.version)
	k.e.mu.Lock()
	defer k.e.mu.Unlock()
	if err != nil {
		t.unkept = true
		if model.KindOf(err) == model.Conflict { // it is joined with what was changed there when that is heard of
			k.log.Debug("a downtime was changed by another node", "downtime", t.ID)
			return nil
		}
		k.downtimes = true
		return err
	}
	t.version = version
	return nil
}

// dropOver forgets downtimes that ended long ago.
func (k *keeper) dropOver(ctx context.Context) {
	k.e.mu.Lock()
	now := time.Now()
	var todo []*downtime
	for _, t := range k.e.downtimes {
		if over(t.Downtime, now) {
			todo = append(todo, t)
		}
	}
	k.e.mu.Unlock()
	k.e.people.Lock()
	defer k.e.people.Unlock()
	for _, t := range todo {
		if err := k.deleteDowntime(ctx, t.ID, t.version); err != nil {
			return
		}
		k.e.mu.Lock()
		k.e.dropDowntime(t)
		k.e.mu.Unlock()
	}
}
