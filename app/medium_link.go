package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// mediumLink is the process's way to its medium, which may be away when the process starts, and later. It is safe
// for concurrent use.
type mediumLink struct {
	open func(context.Context) (medium.Medium, error)
	log  *slog.Logger

	failures prometheus.Counter
	opened   chan struct{} // closed when medium is there

	mu      sync.Mutex
	medium  medium.Medium // nil until it could be opened; guarded by mu
	problem error         // why it does not work now; guarded by mu
	since   time.Time     // it has been so since then; guarded by mu
}

// MediumHealth is how the medium is doing.
type MediumHealth struct {
	Open    bool      `json:"open"`
	Healthy bool      `json:"healthy"`
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"since"`
}

func newMediumLink(open func(context.Context) (medium.Medium, error), log *slog.Logger, reg prometheus.Registerer) *mediumLink {
	l := &mediumLink{open: open, log: log, opened: make(chan struct{}), problem: errOpening, since: time.Now()}
	f := promauto.With(reg)
	l.failures = f.NewCounter(prometheus.CounterOpts{
		Name: "hulotte_medium_open_failures_total", Help: "How often the medium could not be opened.",
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hulotte_medium_up", Help: "Whether the medium is open and the last write to it went well.",
	}, func() float64 {
		if l.health().Healthy {
			return 1
		}
		return 0
	})
	return l
}

var errOpening = model.NewError(model.Unavailable, "it is being opened")

// get returns the medium, or an error of kind Unavailable that says why there is none.
func (l *mediumLink) get() (medium.Medium, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.medium == nil {
		return nil, fmt.Errorf("the medium is not there yet: %w", unavailable{l.problem})
	}
	return l.medium, nil
}

// unavailable gives an error that kind: whatever keeps a medium from being opened may pass.
type unavailable struct{ cause error }

func (u unavailable) Error() string   { return u.cause.Error() }
func (u unavailable) Unwrap() []error { return []error{errOpening, u.cause} }

// documents is get for those who need only them.
func (l *mediumLink) documents() (medium.Documents, error) {
	m, err := l.get()
	if err != nil {
		return nil, err
	}
	return m.Documents(), nil
}

// wait returns the medium once it is there, nil when ctx ends before.
func (l *mediumLink) wait(ctx context.Context) medium.Medium {
	select {
	case <-l.opened:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.medium
	case <-ctx.Done():
		return nil
	}
}

// try opens the medium once.
func (l *mediumLink) try(ctx context.Context) error {
	m, err := l.open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.failures.Inc()
			l.report(err)
		}
		return err
	}
	l.mu.Lock()
	l.medium = m
	l.mu.Unlock()
	l.report(nil)
	close(l.opened)
	return nil
}

const (
	firstRetry = time.Second
	// lastRetry bounds how long the medium is left alone after it has come back, and how much the log says meanwhile.
	lastRetry = 30 * time.Second
)

// connect tries until the medium is open or ctx ends.
func (l *mediumLink) connect(ctx context.Context) {
	if _, err := l.get(); err == nil {
		return
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := l.try(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		l.log.Warn("cannot open the medium, trying again: metrics are collected, kept and shown meanwhile", "err", err, "next_try_in", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// report notes how the last use of the medium went, and logs when that changes.
func (l *mediumLink) report(err error) {
	l.mu.Lock()
	before, since := l.problem, l.since
	l.problem = err
	if (before == nil) != (err == nil) {
		l.since = time.Now()
	}
	open := l.medium != nil
	l.mu.Unlock()
	switch {
	case err != nil && before == nil:
		l.log.Error("the medium does not work", "err", err)
	case err == nil && before != nil && open:
		l.log.Info("the medium works", "after", time.Since(since).Round(time.Millisecond))
	}
}

func (l *mediumLink) health() MediumHealth {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := MediumHealth{Open: l.medium != nil, Healthy: l.medium != nil && l.problem == nil, Since: l.since}
	if l.problem != nil {
		h.Problem = l.problem.Error()
	}
	return h
}

// close closes the medium, if it is open.
func (l *mediumLink) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.medium == nil {
		return nil
	}
	return l.medium.Close()
}
