package local

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// journal is open for appending. Appenders encode into the group that is filling, under a short lock, and wait for it; the
// committer (journal_commit.go) takes a group, writes and syncs it, while the next one fills.
type journal struct {
	store *journals
	name  string
	dir   string

	// room is the bytes of entries that may wait or be under way. Who waits for it does so in order.
	room *semaphore.Weighted

	mu      sync.Mutex // no I/O under it; may be taken by who holds disk, not the other way round
	filling *group
	next    uint64 // position of the next entry
	ending  bool   // Close was called
	active  *activeSegment
	segs    []segment // those before active, oldest first; replaced, never changed in place

	// disk is held (by putting something in) by whoever writes to segments, makes or removes them.
	disk chan struct{}
	// free is above the position of every entry that was ever in a group that has been written or has failed; under disk.
	free uint64
	// spare is the group that is not filling; under disk.
	spare *group
	// safe is a position such that no power cut takes an entry below it; under disk.
	safe uint64

	wake      chan struct{} // there is something in filling, or ending is set
	dirty     chan struct{} // there is something to sync; never closed
	finished  chan struct{} // closed by the committer at its end
	stopSync  chan struct{} // closed by Close, for the syncer
	syncerEnd chan struct{} // closed by the syncer at its end
	closeErr  error         // of Close, once finished is closed

	// syncing is held while a file is synced in the background, and by whoever closes that file. Under disk, above mu.
	syncing sync.Mutex
}

// group is entries that are made durable together.
type group struct {
	buf     []byte // drafts of records
	waiters []*waiter
	next    uint64 // above the positions in it
}

// waiter is one appender that waits for its group.
type waiter struct{ done chan error }

// keepBuffer is the largest buffer that is kept when little was in it: a burst does not hold memory for ever.
const keepBuffer = 1 << 20

func (g *group) reset() {
	if cap(g.buf) > keepBuffer && len(g.buf) < cap(g.buf)/4 {
		g.buf = nil
	}
	clear(g.waiters)
	g.buf, g.waiters = g.buf[:0], g.waiters[:0]
}

func newJournal(s *journals, name, dir string) *journal {
	return &journal{
		store: s, name: name, dir: dir,
		room:    semaphore.NewWeighted(s.o.queueBytes),
		filling: &group{}, spare: &group{},
		disk: make(chan struct{}, 1), wake: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
		finished: make(chan struct{}), stopSync: make(chan struct{}), syncerEnd: make(chan struct{}),
	}
}

// Append hands the entry to the next group and waits until that is durable.
func (j *journal) Append(ctx context.Context, entry []byte) (medium.Position, error) {
	at, err := j.append(ctx, 0, entry)
	if err != nil {
		return 0, fmt.Errorf("cannot append to the journal %q: %w", j.name, err)
	}
	return medium.Position(at), nil
}

// AppendAt is Append with a given position.
func (j *journal) AppendAt(ctx context.Context, at medium.Position, entry []byte) error {
	err := errPositionTooHigh
	switch {
	case at == 0:
		err = errPositionUsed
	case at < maxSequence:
		_, err = j.append(ctx, uint64(at), entry)
	}
	if err != nil {
		return fmt.Errorf("cannot append to the journal %q at position %d: %w", j.name, at, err)
	}
	return nil
}

var errPositionUsed = model.NewError(model.Invalid, "the position is not above all that were used before")

// append adds the entry at a position, or at the next one when at is 0.
func (j *journal) append(ctx context.Context, at uint64, entry []byte) (uint64, error) {
	if len(entry) > medium.MaxEntry {
		return 0, fmt.Errorf("the entry has %d bytes, at most %d are allowed: %w", len(entry), medium.MaxEntry, medium.ErrTooLarge)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	crc := crc32c(entry)
	size := recordHeaderSize + int64(len(entry))
	if err := j.takeRoom(ctx, size); err != nil {
		return 0, err
	}
	w := j.store.waiter()
	at, err := j.enqueue(at, entry, crc, w)
	if err != nil {
		j.giveRoom(size)
		return 0, err
	}
	return at, j.await(ctx, w)
}

// await waits for the group of w.
func (j *journal) await(ctx context.Context, w *waiter) error {
	select {
	case err := <-w.done:
		j.store.waiters.Put(w)
		return err
	case <-ctx.Done():
		// The entry is under way, and w is left to the committer.
		return errors.Join(medium.ErrUncertain, context.Cause(ctx))
	}
}

func (j *journal) takeRoom(ctx context.Context, size int64) error {
	if !j.room.TryAcquire(size) {
		j.store.metrics.queueWaits.Inc()
		if err := j.room.Acquire(ctx, size); err != nil {
			return fmt.Errorf("the queue of entries is full: %w", context.Cause(ctx))
		}
	}
	j.store.queued.Add(size)
	return nil
}

func (j *journal) giveRoom(size int64) {
	j.store.queued.Add(-size)
	j.room.Release(size)
}

// enqueue encodes the entry into the group that is filling.
func (j *journal) enqueue(at uint64, entry []byte, crc uint32, w *waiter) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.ending:
		return 0, medium.ErrClosed
	case at != 0 && at < j.next:
		return 0, fmt.Errorf("%w: the next one is %d", errPositionUsed, j.next)
	case at == 0:
		at = j.next
	}
	if at >= maxSequence {
		return 0, errPositionTooHigh
	}
	g := j.filling
	g.buf = appendRecordDraftCRC(g.buf, entryRecord, at, entry, crc)
	g.waiters = append(g.waiters, w)
	j.next = at + 1
	g.next = j.next
	if len(g.waiters) == 1 {
		notify(j.wake)
	}
	return at, nil
}

// notify leaves one message in a channel of capacity 1.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (j *journal) releaseDisk() { <-j.disk }

// Close waits until what was appended is written, closes the last segment in good order, and gives the journal back.
func (j *journal) Close() error {
	j.mu.Lock()
	j.ending = true
	j.mu.Unlock()
	notify(j.wake)
	<-j.finished
	j.store.closed(j)
	if j.closeErr != nil {
		return fmt.Errorf("cannot close the journal %q: %w", j.name, j.closeErr)
	}
	return nil
}
