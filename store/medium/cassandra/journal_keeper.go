package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// keeper changes a journal's row in the table while the journal is open.
type keeper struct {
	*journal
	head  journalHead // as it was last written or read
	stale bool        // the row may be newer than head: a change of it ended in uncertainty
	again time.Duration

	numbers int64     // of signs of life, the last that was used
	failing time.Time // since when no new segment could be begun; zero when that is not so
}

// run ends when the journal has been closed.
func (k *keeper) run() {
	defer close(k.done)
	defer k.js.metrics.open.Dec()
	defer k.js.forget(k.name)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !k.step() {
		timer.Reset(k.untilNext())
		select {
		case <-k.kick:
		case <-timer.C:
		}
	}
}

func (k *keeper) interval() time.Duration { return k.js.trust() / signsPerTrust }

// untilNext is when there may be something to do without being woken.
func (k *keeper) untilNext() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over != nil {
		return time.Hour
	}
	return max(min(k.interval(), k.interval()-time.Since(k.sign)), k.again, time.Millisecond)
}

// step does what is due, one thing after the other, and says whether the journal is closed.
func (k *keeper) step() (closed bool) {
	ctx := context.Background()
	for {
		k.again = 0
		switch d := k.due(); {
		case d.end:
			return true
		case d.release:
			k.closeErr = k.replace(ctx, false)
			k.end()
			return true
		case d.replace:
			k.replaceSegment(ctx)
		case d.sign:
			k.showLife(ctx)
		case d.truncate:
			k.truncateSegments(ctx)
		case d.sweep:
			k.sweep(ctx)
		default:
			return false
		}
		if k.again > 0 {
			return false
		}
	}
}

type due struct{ end, release, replace, sign, truncate, sweep bool }

func (k *keeper) due() due {
	k.mu.Lock()
	defer k.mu.Unlock()
	idle := k.inFlight == 0
	if k.over != nil {
		return due{end: k.closing && idle}
	}
	if before := k.truncateBelow(); k.seq > 0 && k.sentLast < before {
		k.hold = true // so that all that is not needed any more lies in segments that are sealed
	}
	return due{
		release:  k.closing && idle && len(k.ready) == 0 && k.building == nil,
		replace:  k.hold && idle,
		sign:     time.Since(k.sign) >= k.interval() || len(k.unconfirmed) > 0,
		truncate: len(k.truncations) > 0 && !k.hold,
		sweep:    len(k.head.state.leaving) > 0,
	}
}

func (j *journal) truncateBelow() medium.Position {
	var before medium.Position
	for _, t := range j.truncations {
		before = max(before, t.before)
	}
	return before
}

// replaceSegment begins a new segment. When that cannot be done for as long as any call waits for the cluster, nobody waits for
// it in vain: what is in the queue fails with the reason, and what comes after it takes part in the next attempt.
func (k *keeper) replaceSegment(ctx context.Context) {
	begun := time.Now()
	err := k.replace(ctx, true)
	if err == nil {
		k.failing = time.Time{}
		return
	}
	k.again = k.interval() / 8
	if k.failing.IsZero() {
		k.failing = begun
	}
	reason := fmt.Errorf("cannot begin a new segment: %w", err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.trouble = reason
	if time.Since(k.failing) < k.js.s.opts.GiveUpAfter {
		return
	}
	k.failAllLocked(reason)
	if !k.trusted(time.Now()) {
		k.doubtLocked(reason)
	}
}

// replace seals the segment that is being written and begins a new one, or gives the journal back.
func (k *keeper) replace(ctx context.Context, begin bool) error {
	for {
		old, err := k.fresh(ctx)
		if err != nil {
			return err
		}
		h, decided, err := k.sealed(ctx, old)
		if err != nil {
			return err
		}
		if decided && begin {
			h.state.begin()
		} else if decided {
			h.owner = ""
		}
		since := time.Now()
		done, err := k.js.change(ctx, old, h)
		k.stale = !done
		if err != nil {
			return err
		}
		if done {
			k.head = h
			k.signed(since)
		}
		if done && decided {
			if begin {
				k.mu.Lock()
				k.beginSegment(h)
				k.sendLocked()
				k.mu.Unlock()
			}
			return nil
		}
	}
}

// fresh returns the row as it is, and ends the journal when it has another writer.
func (k *keeper) fresh(ctx context.Context) (journalHead, error) {
	if !k.stale {
		return k.head, nil
	}
	now, err := k.js.stillMine(ctx, k.head)
	if errors.Is(err, medium.ErrInUse) {
		k.lost(err)
	}
	if err != nil {
		return now, err
	}
	now.state.leaving = slices.Clone(now.state.leaving)
	k.head, k.stale = now, false
	return now, nil
}

// sealed returns the row with what is known of the segment, and whether what counts in it is decided. When it is not, the
// first step is to say that nothing more counts that arrives from now on.
func (k *keeper) sealed(ctx context.Context, old journalHead) (journalHead, bool, error) {
	h := old
	h.state = old.state.clone()
	h.revision++
	h.renewal++
	k.mu.Lock()
	known := segment{number: k.segment, state: segmentSealed, rows: k.seq, last: uint64(k.sentLast), bytes: k.sentBytes}
	h.segment, h.acknowledged = int64(k.segment), int64(k.acked.below)
	doubtful := k.doubtful
	k.mu.Unlock()
	s := h.state.find(known.number)
	switch {
	case s == nil, s.state == segmentSealed:
	case s.state == segmentClosing:
		d, err := k.js.decide(ctx, h, *s)
		if err == nil {
			h.state.seal(d)
		}
		return h, err == nil, err
	case doubtful:
		s.state = segmentClosing
		return h, false, nil
	default:
		h.state.seal(known)
	}
	return h, true, nil
}

// signsAtOnce is how many attempts at a sign of life may be under way at once: one that was sent through a node which
// does not answer is not waited for before the next.
const signsAtOnce = 3

// renewal is the end of one attempt at a sign of life.
type renewal struct {
	head  journalHead
	since time.Time
	done  bool
	err   error
}

// showLife renews the claim. Attempts have numbers that are never used twice, and any of them that succeeds will do; that an older one may take
// effect after a newer one only shows once more that the writer was alive.
func (k *keeper) showLife(ctx context.Context) {
	old, err := k.fresh(ctx)
	if err != nil {
		k.noLife(err)
		return
	}
	results := make(chan renewal, signsAtOnce)
	hurry := time.NewTicker(k.interval() / 2)
	defer hurry.Stop()
	begun, ended := 0, 0
	begin := func() {
		begun++
		k.numbers = max(k.numbers, old.renewal) + 1
		h := old
		h.renewal = k.numbers
		k.mu.Lock()
		h.segment, h.acknowledged = int64(k.segment), int64(k.acked.below)
		k.mu.Unlock()
		since := time.Now()
		go func() {
			done, err := k.js.renew(ctx, h)
			results <- renewal{h, since, done, err}
		}()
	}
	for begin(); ; {
		select {
		case r := <-results:
			ended++
			switch {
			case r.err == nil && r.done:
				k.head = r.head
				k.signed(r.since)
				return
			case r.err == nil: // somebody else has it; the next step sees who
				k.stale, k.again = true, time.Millisecond
				return
			case ended == begun:
				k.stale = true
				k.noLife(r.err)
				return
			}
		case <-hurry.C:
			if begun < signsAtOnce {
				begin()
			}
		}
	}
}

// noLife is told when a sign of life could not be given. Who waits for an acknowledgement meanwhile waits as long as for
// anything else that the cluster does not answer.
func (k *keeper) noLife(err error) {
	k.again = k.interval() / 8
	k.js.metrics.renewalsFailed.Inc()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trusted(time.Now()) {
		return
	}
	k.trouble = fmt.Errorf("cannot renew the claim on the journal: %w", err)
	if time.Since(k.sign) > k.js.trust()+k.js.s.opts.GiveUpAfter {
		k.doubtLocked(k.trouble)
	}
}

// signed is a successful sign of life that began at since.
func (k *keeper) signed(since time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sign = since
	if k.trusted(time.Now()) {
		for _, a := range k.unconfirmed {
			a.finish(nil)
		}
		k.unconfirmed = nil
	}
}

// lost ends the journal for its user: somebody else writes to it.
func (k *keeper) lost(err error) {
	k.js.metrics.lost.Inc()
	k.js.s.log.Error("journal lost to another writer", "journal", k.name, "error", err)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = err
	k.failAllLocked(err)
	k.doubtLocked(err)
	k.finishTruncations(k.truncations, err)
	k.truncations = nil
}

// end refuses what is left when the journal is closed.
func (k *keeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doubtLocked(medium.ErrClosed)
	k.finishTruncations(k.truncations, medium.ErrClosed)
	k.truncations = nil
}

func (*keeper) finishTruncations(all []truncation, err error) {
	for _, t := range all {
		t.result <- err
	}
}

// truncateSegments takes the segments out of the state; sweep deletes their rows later.
func (k *keeper) truncateSegments(ctx context.Context) {
	k.mu.Lock()
	waiting, before := k.truncations, k.truncateBelow()
	k.truncations = nil
	k.mu.Unlock()
	k.finishTruncations(waiting, k.dropBelow(ctx, before))
}

func (k *keeper) dropBelow(ctx context.Context, before medium.Position) error {
	for {
		old, err := k.fresh(ctx)
		if err != nil {
			return err
		}
		h := old
		h.state = old.state.clone()
		h.revision++
		h.renewal++
		if len(h.state.truncate(before)) == 0 {
			return nil
		}
		since := time.Now()
		done, err := k.js.change(ctx, old, h)
		k.stale = !done
		if err != nil {
			return err
		}
		if done {
			k.head = h
			k.signed(since)
			return nil
		}
	}
}

// sweepAtOnce bounds how long the keeper is away from its other duties.
const sweepAtOnce = 8

// sweep deletes rows of segments that were let go of. That they are gone is noted with the next change of the state; until then it costs at most
// a repetition.
func (k *keeper) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, k.interval())
	defer cancel()
	some := k.head.state.leaving[:min(len(k.head.state.leaving), sweepAtOnce)]
	if err := k.js.deleteRows(ctx, k.head.id, some); err != nil {
		k.again = k.interval()
		k.js.s.log.Warn("cannot delete truncated entries, will be tried again", "journal", k.name, "error", err)
		return
	}
	k.head.state.leaving = slices.Clone(k.head.state.leaving[len(some):])
}

// beginSegment writes to the newest segment from now on. The caller holds mu, or is the only one yet.
func (j *journal) beginSegment(h journalHead) {
	j.segment = h.state.segments[len(h.state.segments)-1].number
	j.seq, j.sentBytes, j.sentLast = 0, 0, 0
	j.acked = ackedRows{above: map[uint64]struct{}{}}
	j.doubtful, j.hold = false, false
	j.js.metrics.segments.Inc()
}
