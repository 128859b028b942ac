package gather

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// sourceID is what must be unique in a Loop: two sources that share it would share their up series.
type sourceID struct{ job, instance string }

func idOf(s Source) sourceID { return sourceID{s.Job, s.Instance} }

// SetSources says which sources a group has from now on, such as those of the services that were discovered; groups do not see each
// other's. A source that is new is gathered at once; one that is no longer there ends, and its series with it (staleness markers); one
// that has the same job, instance, labels and interval as before keeps its clock and its series, and is gathered with the Gatherer and
// the timeout given now. The error names each source that is wrong or clashes with one of another group: the others are taken.
// It may be called at any time, does no I/O and waits for nothing; before Run it takes effect with Run, afterwards it has none.
func (l *Loop) SetSources(group string, sources []Source) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.takenOutside(group)
	before := map[sourceID]*worker{}
	for _, w := range l.groups[group] {
		before[w.id] = w
	}
	var now []*worker
	var errs []error
	for i, s := range sources {
		s, err := s.withDefaults()
		if err == nil && taken[idOf(s)] {
			err = fmt.Errorf("instance %q is taken by another source of this job: their up series would clash", s.Instance)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("source %d of %s (job %q): %w", i, group, s.Job, err))
			continue
		}
		taken[idOf(s)] = true
		if w := before[idOf(s)]; w != nil && w.adopt(s) {
			delete(before, w.id)
			now = append(now, w)
			continue
		}
		now = append(now, newWorker(s, l.opts, l.to, l.slotsOf(s), l.log, l.metrics))
	}
	for _, w := range before {
		w.remove()
	}
	l.groups[group] = now
	if len(now) == 0 {
		delete(l.groups, group)
	}
	select {
	case l.changed <- struct{}{}:
	default: // it is told already
	}
	return errors.Join(errs...)
}

func (l *Loop) takenOutside(group string) map[sourceID]bool {
	taken := map[sourceID]bool{}
	for _, w := range l.fixed {
		taken[w.id] = true
	}
	for name, workers := range l.groups {
		if name == group {
			continue
		}
		for _, w := range workers {
			taken[w.id] = true
		}
	}
	return taken
}

// workers returns those of now: the fixed ones, then the groups by name, each in the order it was given in.
func (l *Loop) workers() []*worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.workersLocked()
}

func (l *Loop) workersLocked() []*worker {
	out := slices.Clone(l.fixed)
	for _, name := range slices.Sorted(maps.Keys(l.groups)) {
		out = append(out, l.groups[name]...)
	}
	return out
}

// startNew starts the workers that do not run yet. One that takes the place of another with the same identity waits until that one has
// written its markers: they would end the new series otherwise.
func (l *Loop) startNew(ctx context.Context, start time.Time, wg *sync.WaitGroup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.running, func(_ sourceID, w *worker) bool { return w.ended() })
	for _, w := range l.workersLocked() {
		if w.started {
			continue
		}
		w.started = true
		prior := l.running[w.id]
		l.running[w.id] = w
		wg.Go(func() {
			if prior != nil {
				<-prior.done // it was removed, or it would not have been replaced
			}
			w.run(ctx, start)
		})
	}
}

// adopt takes what may change of a source without its series ending; false when something else changed too.
func (w *worker) adopt(s Source) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.latest.Labels, s.Labels) || w.latest.Interval != s.Interval || w.latest.Remote != s.Remote {
		return false
	}
	w.latest = s
	return true
}

// remove ends the worker for good.
func (w *worker) remove() { close(w.removed) }

func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// refresh takes over what adopt was given.
func (w *worker) refresh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.source = w.latest
}

// retire ends the series of a source that was removed: what is asked for them from now on has no answer.
func (w *worker) retire(ctx context.Context) {
	w.metrics.forget()
	a := w.appender(ctx, time.Now())
	w.report.begin()
	err := w.series.vanished(a.stale)
	if err == nil {
		err = w.report.vanished(a.stale)
	}
	if err != nil {
		_ = a.to.Rollback() // err says why
	} else {
		err = a.to.Commit()
	}
	if err != nil {
		w.log.Warn("cannot end the series of a source that was removed", "err", err)
	}
}
