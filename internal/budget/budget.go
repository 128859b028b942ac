// Package budget bounds what a store has in memory.
package budget

import (
	"context"
	"sync"
)

// Budget bounds the bytes of what is in memory as it came: that of appends that are under way, and that in a head which
// is not encoded yet. Beside it stands a gate, which closes while what is encoded takes more than it may because cutting does not
// keep up. It is safe for concurrent use.
type Budget struct {
	limit int64

	mu    sync.Mutex
	used  int64
	freed chan struct{} // closed, and made anew, whenever something may go on
	gate  func() bool   // open? called under mu
}

// New returns one of limit bytes. The gate must not use the budget.
func New(limit int64, gate func() bool) *Budget {
	return &Budget{limit: limit, freed: make(chan struct{}), gate: gate}
}

// Acquire waits until n more bytes may be in memory. More than the limit are let in when nothing else is there.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	for {
		freed, ok := b.Try(n)
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

// Try is Acquire without waiting: when there is no room, what it returns is closed once it is worth trying again.
func (b *Budget) Try(n int64) (<-chan struct{}, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gate() && (b.used+n <= b.limit || b.used == 0) {
		b.used += n
		return nil, true
	}
	return b.freed, false
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.used < 0 {
		panic("BUG: more of a budget was given back than taken")
	}
	b.wakeLocked()
}

// Wake lets those who wait look again.
func (b *Budget) Wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wakeLocked()
}

func (b *Budget) wakeLocked() {
	close(b.freed)
	b.freed = make(chan struct{})
}

// InUse is the bytes that were taken and not given back.
func (b *Budget) InUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
