package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// eventStore is an engine of records that rests on a medium.
type eventStore interface {
	store.EventTenants
	// Run does what can wait, until ctx ends.
	Run(ctx context.Context) error
	// Flush makes blocks of what is in memory.
	Flush(ctx context.Context) error
	Close() error
}

// eventsLink is the way to the log records, which are there once the medium is. It is safe for concurrent use and
// implements store.EventTenants.
type eventsLink struct {
	open func(context.Context, medium.Medium) (eventStore, error)
	log  *slog.Logger

	mu      sync.RWMutex
	store   eventStore // nil until it could be opened; guarded by mu
	problem error      // why there is none; guarded by mu
}

func newEventsLink(open func(context.Context, medium.Medium) (eventStore, error), log *slog.Logger) *eventsLink {
	return &eventsLink{open: open, log: log, problem: errOpening}
}

// try opens the store once.
func (l *eventsLink) try(ctx context.Context, m medium.Medium) error {
	s, err := l.open(ctx, m)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.problem = err
		return err
	}
	l.store = s
	return nil
}

// run keeps the store working: it opens it on the medium, when that is there, and then does the store's own upkeep.
func (l *eventsLink) run(ctx context.Context, link *mediumLink) error {
	if _, err := l.get(); err != nil {
		m := link.wait(ctx)
		for wait := firstRetry; m != nil; wait = min(2*wait, lastRetry) {
			err := l.try(ctx, m)
			if err == nil || ctx.Err() != nil {
				break
			}
			if model.KindOf(err) != model.Unavailable {
				return err
			}
			l.log.Warn("cannot open the store of log records, trying again", "err", err, "next_try_in", wait)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
	s, err := l.get()
	if err != nil {
		return ctx.Err()
	}
	return s.Run(ctx)
}

// get returns the store, or an error of kind Unavailable that says why there is none.
func (l *eventsLink) get() (eventStore, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.store == nil {
		return nil, fmt.Errorf("log records are not there yet: %w", unavailable{l.problem})
	}
	return l.store, nil
}

// EventReader implements store.EventTenants.
func (l *eventsLink) EventReader(tenant string) (store.EventReader, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.EventReader(tenant)
}

// EventWriter implements store.EventTenants.
func (l *eventsLink) EventWriter(tenant string) (store.Events, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.EventWriter(tenant)
}

// Names implements store.EventTenants.
func (l *eventsLink) Names() []string {
	s, err := l.get()
	if err != nil {
		return nil
	}
	return s.Names()
}

// Flush makes blocks of what is in memory.
func (l *eventsLink) Flush(ctx context.Context) error {
	s, err := l.get()
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

// close closes the store, if it is open.
func (l *eventsLink) close() error {
	s, err := l.get()
	if err != nil {
		return nil //nolint:nilerr // there is nothing to close
	}
	return s.Close()
}

var _ store.EventTenants = (*eventsLink)(nil)
