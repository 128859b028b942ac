package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/config"
)

// part is one thing that is started and stopped.
type part struct {
	name string
	// start makes the part work and returns how to end it. It must not block longer than its work needs; what
	// goes on afterwards runs in goroutines that stop waits for.
	start func(ctx context.Context) (stopFunc, error)
	// stopTimeout is how long stop may take before the process goes on without it.
	stopTimeout time.Duration
	// reload applies a new configuration; nil when nothing of the part can change.
	reload func(old, new *config.Config) error
}

// stopFunc ends a part; nil when there is nothing to end. It gives up when ctx ends.
type stopFunc func(ctx context.Context) error

// stack is the started parts.
type stack struct {
	log *slog.Logger
	// starting is told the name of the part that is about to start.
	starting func(name string)
	// failed gets the error of the first part that ends by itself; never closed.
	failed chan error

	running []running
}

type running struct {
	part
	stop stopFunc
}

// start starts the parts in order. When one fails, those before it are stopped again.
func (s *stack) start(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("stopped before %s had started", p.name), s.stop())
		}
		s.starting(p.name)
		begin := time.Now()
		stop, err := p.start(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("cannot start %s: %w", p.name, err), s.stop())
		}
		s.running = append(s.running, running{p, stop})
		s.log.Debug("started", "part", p.name, "took", time.Since(begin))
	}
	return nil
}

// stop stops what runs, the last started first. One that fails or hangs does not keep the others from stopping.
func (s *stack) stop() error {
	var errs []error
	for _, r := range slices.Backward(s.running) {
		if r.stop == nil {
			continue
		}
		begin := time.Now()
		if err := stopWithin(r); err != nil {
			errs = append(errs, fmt.Errorf("cannot stop %s cleanly: %w", r.name, err))
		}
		s.log.Debug("stopped", "part", r.name, "took", time.Since(begin))
	}
	s.running = nil
	return errors.Join(errs...)
}

// stopWithin does not trust the part to look at its context.
func stopWithin(r running) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.stopTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select { // it may just have made it
	case err := <-done:
		return err
	case <-time.After(time.Second):
		return fmt.Errorf("still busy after %s", r.stopTimeout)
	}
}

// run turns a function that blocks until its context ends into a started part. When it ends by itself, with
// or without an error, the whole process stops: a Hulotte that silently lacks a part would look healthy.
func (s *stack) run(name string, f func(ctx context.Context) error) stopFunc {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var result error
	go func() {
		defer close(done)
		err := f(ctx)
		if ctx.Err() != nil {
			if !errors.Is(err, context.Canceled) {
				result = err
			}
			return
		}
		if err == nil {
			err = errors.New("ended for no reason given")
		}
		select {
		case s.failed <- fmt.Errorf("%s failed: %w", name, err):
		default: // another part was first
		}
	}()
	return func(stopCtx context.Context) error {
		cancel()
		select {
		case <-done:
			return result
		case <-stopCtx.Done():
			return stopCtx.Err()
		}
	}
}
