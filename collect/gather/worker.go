package gather

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// maxTolerance is how late a gather may start and still carry the timestamp it was due at. Regular timestamps
// take less room in the store; at 10 s a value that is 10 ms younger than its timestamp moves a rate by 0.1 %.
const maxTolerance = 10 * time.Millisecond

// worker runs one source. What stands first is touched by its own goroutine only.
type worker struct {
	source  Source
	to      Appendable
	slots   chan struct{} // one token a running gather; never closed
	log     *slog.Logger
	metrics *sourceMetrics
	opts    Options
	series  *seriesCache
	report  *seriesCache
	hung    *call // the gather that timed out and has not returned; nil most of the time
	logged  string

	id      sourceID
	started bool          // guarded by the Loop's mu
	removed chan struct{} // closed by remove
	done    chan struct{} // closed when run returns

	mu     sync.Mutex
	latest Source // what source becomes with the next gather

	state state
}

func newWorker(s Source, opts Options, to Appendable, slots chan struct{}, log *slog.Logger, m *metrics) *worker {
	target := targetLabels(s)
	return &worker{
		source: s, latest: s, id: idOf(s), to: to, slots: slots, opts: opts,
		removed: make(chan struct{}), done: make(chan struct{}),
		log:     log.With("job", s.Job, "instance", s.Instance),
		metrics: m.forSource(s),
		series:  newSeriesCache(target, opts.MaxSeriesBytes),
		report:  newSeriesCache(target, opts.MaxSeriesBytes),
		state:   newState(s),
	}
}

// run gathers at start and every interval after it, and never twice at once, until the context ends or the source is removed. Sources
// that share an interval and came together share their timestamps, because they share start.
func (w *worker) run(ctx context.Context, start time.Time) {
	defer close(w.done)
	defer w.end()
	asked, cancel := context.WithCancel(ctx) // ends a gather that runs while its source is removed
	defer cancel()
	go func() {
		select {
		case <-w.removed:
			cancel()
		case <-asked.Done():
		}
	}()
	w.onClock(asked, start)
	if ctx.Err() == nil {
		w.retire(ctx)
	}
}

func (w *worker) onClock(ctx context.Context, start time.Time) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for due := start; ; {
		now := time.Now()
		due = followClock(due, now)
		w.refresh()
		w.gather(ctx, stamp(due, now, w.source.Interval))
		due = w.next(due)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// next returns when the source is due after due, leaving out what has passed already.
func (w *worker) next(due time.Time) time.Time {
	due = due.Add(w.source.Interval)
	if late := time.Since(due); late >= w.source.Interval {
		w.metrics.missed.Add(float64(late / w.source.Interval))
		due = due.Add(late.Truncate(w.source.Interval))
	}
	return due
}

// followClock gives due the wall clock of now when that was set since due was computed; when it is due, which
// goes by the monotonic clock, does not change.
func followClock(due, now time.Time) time.Time {
	late := now.Sub(due)
	if step := now.Round(0).Sub(due.Round(0)) - late; step.Abs() > maxTolerance {
		return now.Add(-late)
	}
	return due
}

// stamp returns the timestamp of a gather that was due at due and starts now.
func stamp(due, now time.Time, interval time.Duration) time.Time {
	if late := now.Sub(due); late >= 0 && late <= min(interval/100, maxTolerance) {
		return due
	}
	return now
}

// gather runs one round: call, append, tell.
func (w *worker) gather(ctx context.Context, at time.Time) {
	w.state.begin(at, w.source.Timeout)
	begin := time.Now()
	families, err := w.call(ctx)
	took := time.Since(begin)
	if ctx.Err() != nil {
		w.state.abandon()
		return // stopping
	}
	r := w.store(ctx, at, took, families, err)
	w.metrics.observe(r)
	w.state.finish(r)
	w.logChange(r)
	if r.committed && w.opts.OnGathered != nil {
		w.opts.OnGathered(w.source.Job, at)
	}
}

// logChange logs a failure once, until the text changes or it is over.
func (w *worker) logChange(r round) {
	text := ""
	switch {
	case r.err != nil:
		text = r.err.Error()
	case r.warning != nil:
		text = r.warning.Error()
	}
	if text == w.logged {
		return
	}
	w.logged = text
	switch {
	case r.err != nil:
		w.log.Warn("gather failed", "err", text)
	case r.warning != nil:
		w.log.Warn("gather is incomplete", "err", text)
	default:
		w.log.Info("gather works again")
	}
}

// call is one running Gather.
type call struct {
	began time.Time
	done  chan struct{} // closed by the goroutine of the call once families and err are set

	families []*dto.MetricFamily
	err      error
}

// call runs the source's Gather within the timeout. When it has not returned by then it goes on in the
// background, alone: the next ticks fail at once until it is over.
func (w *worker) call(ctx context.Context) ([]*dto.MetricFamily, error) {
	if err := w.stillHung(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.source.Timeout)
	defer cancel()
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("no turn within %s: %d other gathers run", w.source.Timeout, cap(w.slots))
	}
	defer func() { <-w.slots }()

	c := &call{began: time.Now(), done: make(chan struct{})}
	go c.run(w.source.Gatherer.Gather)
	select {
	case <-c.done:
		return c.families, c.err
	case <-ctx.Done():
		w.hung = c
		w.metrics.setHung(1)
		return nil, fmt.Errorf("no answer within %s", w.source.Timeout)
	}
}

func (w *worker) stillHung() error {
	if w.hung == nil {
		return nil
	}
	select {
	case <-w.hung.done:
		w.log.Info("the gather that hung has returned", "after", time.Since(w.hung.began).Round(time.Millisecond))
		w.hung = nil
		w.metrics.setHung(0)
		return nil
	default:
		return fmt.Errorf("the gather begun at %s has not returned yet", w.hung.began.UTC().Format(time.RFC3339))
	}
}

func (c *call) run(gather func() ([]*dto.MetricFamily, error)) {
	defer close(c.done)
	defer func() {
		if p := recover(); p != nil {
			c.families, c.err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	c.families, c.err = gather()
}

// end leaves the series as they are: the process stops, and a restart must not show a gap nor make an absent()
// rule fire. Who does not come back is found by the lookback of queries, as with Prometheus' own stop.
func (w *worker) end() {
	if w.hung != nil && !w.hung.over() {
		w.log.Warn("a gather still hangs and is left behind", "since", w.hung.began)
	}
	w.state.end()
}

func (c *call) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// round is what one gather came to.
type round struct {
	at        time.Time
	took      time.Duration
	scraped   int // samples that the source gave
	added     int // of them, those that were appended
	newSeries int
	series    int            // held by the cache afterwards
	dropped   map[string]int // by reason; nil when none
	families  []*dto.MetricFamily
	committed bool
	err       error // the source or the store failed: up is 0, or nothing was written
	warning   error // some of it is missing
}

var errTooManySamples = errors.New("too many samples")

// state guards what Status and Metadata read.
type state struct {
	mu       sync.Mutex // never held during I/O
	status   SourceStatus
	metadata []Metadata
}
