package cassandra

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// change is one Put or Delete on its way. The writers of one kind in this process queue up, and one goroutine takes those
// that wait together into one transaction: the transactions of one partition would otherwise outbid each other.
type change struct {
	key      string
	value    []byte // nil deletes
	expected medium.Version
	queued   time.Time
	picked   bool        // a transaction may have it; guarded by kind.mu
	done     chan answer // has room for the one answer

	// settled is closed with the answer, for those who read a document whose writer did not wait for it.
	settled chan struct{}
}

func newChange(key string, value []byte, expected medium.Version) *change {
	return &change{key: key, value: value, expected: expected, queued: time.Now(), done: make(chan answer, 1), settled: make(chan struct{})}
}

type answer struct {
	version medium.Version
	err     error
}

// answer tells the caller of c what became of it, and those who read the document if the caller has left.
func (k *kind) answer(c *change, a answer) {
	c.done <- a
	k.mu.Lock()
	defer k.mu.Unlock()
	close(c.settled)
	if k.abandoned[c.key] == c {
		delete(k.abandoned, c.key)
	}
}

const (
	// maxGroup and maxGroupBytes bound a transaction. A mutation of Cassandra has at most 16 MiB by default, and is written four times:
	// as a proposal and as the change itself, each to the commit log and to a memtable.
	maxGroup      = 64
	maxGroupBytes = 2 << 20
)

// Put implements medium.Documents.
func (d *documents) Put(ctx context.Context, kindName, key string, value []byte, expected medium.Version) (medium.Version, error) {
	err := medium.ValidDocument(kindName, key, value)
	var v medium.Version
	if err == nil {
		// The value is the caller's again when Put returns, which may be before the transaction ends.
		v, err = d.change(ctx, kindName, newChange(key, append(make([]byte, 0, len(value)), value...), expected))
	}
	if err != nil {
		return 0, fmt.Errorf("cannot write document %s %q: %w", kindName, key, err)
	}
	return v, nil
}

// Delete implements medium.Documents.
func (d *documents) Delete(ctx context.Context, kindName, key string, expected medium.Version) error {
	err := errors.Join(medium.ValidName(kindName), medium.ValidKey(key))
	if err == nil && expected == medium.Absent {
		err = medium.ErrConflict
	}
	if err == nil {
		_, err = d.change(ctx, kindName, newChange(key, nil, expected))
	}
	if err != nil {
		return fmt.Errorf("cannot delete document %s %q: %w", kindName, key, err)
	}
	return nil
}

// change queues c and waits for its answer.
func (d *documents) change(ctx context.Context, kindName string, c *change) (medium.Version, error) {
	if err := d.session.enter(); err != nil {
		return 0, err
	}
	defer d.session.leave()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if c.expected > math.MaxInt64 {
		return 0, medium.ErrConflict // the column has no such versions
	}
	k := d.kind(kindName)
	patience := time.NewTimer(d.session.opts.GiveUpAfter)
	defer patience.Stop()
	select {
	case k.room <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-patience.C:
		return 0, d.waited(c)
	}
	defer func() { <-k.room }()
	d.enqueue(k, c)
	for {
		select {
		case a := <-c.done:
			return a.version, a.err
		case <-ctx.Done():
			if k.withdraw(c) {
				return 0, context.Cause(ctx)
			}
			k.abandon(c)
			return 0, errors.Join(context.Cause(ctx), medium.ErrUncertain)
		case <-patience.C:
			if k.withdraw(c) {
				return 0, d.waited(c)
			}
		}
	}
}

func (d *documents) waited(c *change) error {
	return fmt.Errorf("%w: waited %s behind other writes of this kind", errUnavailable, time.Since(c.queued).Round(10*time.Millisecond))
}

// enqueue adds c to the kind's queue, and starts to work on it unless somebody does.
func (d *documents) enqueue(k *kind, c *change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = append(k.queue, c)
	if k.writing {
		return
	}
	k.writing = true
	d.session.start(func(ctx context.Context) {
		for group := k.next(); group != nil; group = k.next() {
			d.commit(ctx, k, group)
		}
	})
}

// withdraw takes c out of the queue, if no transaction has it.
func (k *kind) withdraw(c *change) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, q := range k.queue {
		if q == c {
			k.queue = append(k.queue[:i], k.queue[i+1:]...)
			return true
		}
	}
	return !c.picked
}

// abandon has the reads of the document wait for c, whose caller was told that reading tells what became of it.
func (k *kind) abandon(c *change) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-c.settled:
		return
	default:
	}
	if k.abandoned == nil {
		k.abandoned = map[string]*change{}
	}
	k.abandoned[c.key] = c
}

// await waits for an abandoned change of the document.
func (k *kind) await(ctx context.Context, key string) error {
	k.mu.Lock()
	c := k.abandoned[key]
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c.settled:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// next takes the changes of the next transaction from the queue, in order, each document once. nil is an empty queue, and ends the work.
func (k *kind) next() []*change {
	k.mu.Lock()
	defer k.mu.Unlock()
	var group, rest []*change
	keys, bytes := map[string]bool{}, 0
	for _, c := range k.queue {
		full := len(group) > 0 && (len(group) == maxGroup || bytes+len(c.value) > maxGroupBytes)
		if full || keys[c.key] {
			keys[c.key] = true // what follows on the same document keeps its place behind it
			rest = append(rest, c)
			continue
		}
		keys[c.key], c.picked = true, true
		bytes += len(c.value)
		group = append(group, c)
	}
	k.queue = rest
	if group == nil {
		k.writing = false
	}
	return group
}
