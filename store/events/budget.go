package events

import (
	"context"
	"sync"
)

// budget bounds the bytes of records that are in memory as they came: those of appends that are under way, and those in the head that
// are not encoded yet. Beside it stands a gate, which closes while the groups in memory take more than they may because cutting does not
// keep up.
type budget struct {
	limit int64

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed, and made anew, whenever something may go on
	gate  func() bool   // open? called under mu
}

func newBudget(limit int64, gate func() bool) *budget {
	return &budget{limit: limit, freed: make(chan struct{}), gate: gate}
}

// acquire waits until n more bytes may be in memory. More than the limit are let in when nothing else is there.
func (b *budget) acquire(ctx context.Context, n int64) error {
	for {
		freed, ok := b.try(n)
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (b *budget) try(n int64) (<-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gate() && (b.used+n <= b.limit || b.used == 0) {
		b.used += n
		return nil, true
	}
	return b.freed, false
}

func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.used < 0 {
		panic("BUG: more of the head's budget was given back than taken")
	}
	b.wakeLocked()
}

// wake lets those who wait look again.
func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakeLocked()
}

func (b *budget) wakeLocked() {
	close(b.freed)
	b.freed = make(chan struct{})
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
