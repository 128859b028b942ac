package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// blockEngine is an engine that rests on a medium.
type blockEngine interface {
	// Run does what can wait, until ctx ends.
	Run(ctx context.Context) error
	// Flush makes blocks of what is in memory.
	Flush(ctx context.Context) error
	Close() error
}

// engineLink is the way to an engine, which is there once the medium is. It is safe for concurrent use.
type engineLink[E blockEngine] struct {
	what string // that it keeps, in the plural
	open func(context.Context, medium.Medium) (E, error)
	log  *slog.Logger

	mu      sync.RWMutex
	engine  E     // when problem is nil; guarded by mu
	problem error // why there is none; guarded by mu
}

func newEngineLink[E blockEngine](what string, open func(context.Context, medium.Medium) (E, error), log *slog.Logger) *engineLink[E] {
	return &engineLink[E]{what: what, open: open, log: log, problem: errOpening}
}

// try opens the engine once.
func (l *engineLink[E]) try(ctx context.Context, m medium.Medium) error {
	e, err := l.open(ctx, m)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.engine, l.problem = e, err
	return err
}

// tryNow opens the engine if the medium is there; an error is one that waiting does not mend.
func (l *engineLink[E]) tryNow(ctx context.Context, link *mediumLink) error {
	m, err := link.get()
	if err != nil {
		return nil //nolint:nilerr // run waits for it
	}
	if err := l.try(ctx, m); err != nil && model.KindOf(err) != model.Unavailable {
		return err
	}
	return nil
}

// run keeps the engine working: it opens it on the medium, when that is there, and then does the engine's own upkeep.
func (l *engineLink[E]) run(ctx context.Context, link *mediumLink) error {
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
			l.log.Warn("cannot open the store of "+l.what+", trying again", "err", err, "next_try_in", wait)
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
	e, err := l.get()
	if err != nil {
		return ctx.Err()
	}
	return e.Run(ctx)
}

// get returns the engine, or an error of kind Unavailable that says why there is none.
func (l *engineLink[E]) get() (e E, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.problem != nil {
		return e, fmt.Errorf("%s are not there yet: %w", l.what, unavailable{l.problem})
	}
	return l.engine, nil
}

// Flush makes blocks of what is in memory.
func (l *engineLink[E]) Flush(ctx context.Context) error {
	e, err := l.get()
	if err != nil {
		return err
	}
	return e.Flush(ctx)
}

// close closes the engine, if it is open.
func (l *engineLink[E]) close() error {
	e, err := l.get()
	if err != nil {
		return nil //nolint:nilerr // there is nothing to close
	}
	return e.Close()
}
