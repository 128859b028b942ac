package remotewrite

import (
	"context"
	"sync/atomic"
)

// budget bounds the memory that requests use at one time, and how many of them are worked on.
type budget struct {
	maxBytes int64
	used     atomic.Int64
	turns    chan struct{} // holds a token for each request that is worked on
}

func newBudget(maxBytes int64, concurrent int) *budget {
	return &budget{maxBytes: maxBytes, turns: make(chan struct{}, concurrent)}
}

// lease is what one request has taken of the budget. It is used by one goroutine.
type lease struct {
	from  *budget
	bytes int64
	turn  bool
}

// take takes n bytes more, or fails with errBusy.
func (l *lease) take(n int64) error {
	if l.from.used.Add(n) > l.from.maxBytes {
		l.from.used.Add(-n)
		return errBusy
	}
	l.bytes += n
	return nil
}

// wait waits for the request's turn to be worked on.
func (l *lease) wait(ctx context.Context) error {
	select {
	case l.from.turns <- struct{}{}:
		l.turn = true
		return nil
	case <-ctx.Done():
		return errBusy
	}
}

// giveBack ends the lease.
func (l *lease) giveBack() {
	l.from.used.Add(-l.bytes)
	if l.turn {
		<-l.from.turns
	}
}
