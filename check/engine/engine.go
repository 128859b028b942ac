// Package engine asks the declared checks on their clock, feeds the answers to the state machine of check/state, and remembers and
// publishes what comes of it: states, acknowledgements and downtimes as documents, changes as log records, results as series.
//
// One mutex guards all that decides (it is held for microseconds, never during I/O); whoever reads gets immutable
// views without it. What must always hold: a check is asked by one goroutine at a time; a slot that was missed
// is counted, never made up for; what a person did is durable when the call returns.
package engine

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/state"
	"github.com/hulotte-dev/hulotte/model"
)

// Summary and Explanation are what the engine answers; see there.
type (
	Summary     = check.Summary
	Explanation = check.Explanation
)

// Documents is where states and people's decisions are kept. It means the same as the Documents of store/medium: an
// error has a model.Kind, NotFound, Conflict (not at the expected version) and Unavailable (away for now) among them. Versions
// grow, and are not used twice. It may be a Watcher too.
type Documents interface {
	Put(ctx context.Context, kind, key string, value []byte, expected uint64) (uint64, error)
	Delete(ctx context.Context, kind, key string, expected uint64) error
	// List yields the documents of a kind whose key begins with prefix.
	List(ctx context.Context, kind, prefix string) iter.Seq2[Document, error]
}

// Document is one of them.
type Document struct {
	Key     string
	Version uint64 // 0 is "does not exist"
	Value   []byte // JSON; read-only
}

// Series is where the samples of results go.
type Series = storage.AppendableV2

// Period is a time period by its name in Options.Periods.
type Period interface {
	Contains(at time.Time) bool
}

// Options are what an Engine is made of. Kinds are required; without the sinks (nil) nothing is kept or published.
type Options struct {
	Kinds []check.Kind

	Documents Documents
	Series    Series
	// Events takes changes as log records; History reads them back, newest first.
	Events  func(ctx context.Context, streams []model.Stream) (model.Refusals, error)
	History func(ctx context.Context, id string, from, to time.Time, limit int) ([]check.Change, error)
	// Publish is told of changes (topic Topic), at most a few times a second. It must not block.
	Publish func(topic string, at time.Time)
	// Notify is told of every change, in order, from one goroutine at a time; a slow one delays the history. May be nil.
	Notify func(check.Change)

	Periods map[string]Period

	// Node is the name of this machine or process, written to the history.
	Node string
	// Concurrency is how many checks are asked at once; 0 is 1,000. Queue is how many due ones may wait for that;
	// 0 is 20,000. What is due beyond it skips its turn.
	Concurrency int
	Queue       int
	// Holds is how many connections are held at most; 0 is 1,000, negative none.
	Holds int
	// EventHandlers lets the commands run that specs name.
	EventHandlers bool
}

// Topic is what Publish is called with.
const Topic = "checks"

const (
	defaultConcurrency = 1000
	defaultQueue       = 20_000
	defaultHolds       = 1000
)

func (o Options) withDefaults() Options {
	o.Concurrency = cmp.Or(max(o.Concurrency, 0), defaultConcurrency)
	o.Queue = cmp.Or(max(o.Queue, 0), defaultQueue)
	o.Holds = cmp.Or(o.Holds, defaultHolds)
	return o
}

// Engine is all checks of this node. Its methods may be called by many goroutines, before and while it runs.
type Engine struct {
	opts     Options
	log      *slog.Logger
	metrics  *metrics
	kinds    map[string]*check.Kind
	start    time.Time     // monotonic zero of the schedule
	poke     chan struct{} // holds one token when something earlier came into the timeline; never closed
	keep     *keeper
	history  *history
	series   *series
	handlers *handlers

	order atomic.Pointer[[]*entry]     // all checks, by ID; never changed in place
	hosts atomic.Pointer[[]check.Host] // by name; likewise

	setting sync.Mutex         // one Set at a time; taken before mu
	sources map[string]*source // guarded by setting
	people  sync.Mutex         // one decision of a person at a time, until it is kept; taken before mu, held during I/O

	// workers are the goroutines that ask and hold.
	workers sync.WaitGroup
	asks    context.Context // ends when nothing is asked any more

	// mu guards what follows and the entries' fields. No I/O under it, and no other lock but those of the outgoing buffers.
	mu           sync.Mutex
	checks       map[string]*entry
	graph        *state.Graph
	periods      map[string]Period
	downtimes    map[string]*downtime
	allDowntimes []check.Downtime // the same, by ID; replaced, never changed
	line         timeline
	lanes        map[string]*lane
	counts       counts
	asking       bool   // checks are planned: what was kept is there
	stopping     bool   // nothing new is asked
	stuck        int    // probers that do not return
	held         int    // connections
	actor        string // who ends a downtime at this moment
}

// New returns an engine that has nothing to do yet; Set gives it checks. It starts nothing.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Engine, error) {
	e := &Engine{
		opts: o.withDefaults(), log: log, kinds: map[string]*check.Kind{}, start: time.Now(), poke: make(chan struct{}, 1),
		sources: map[string]*source{}, checks: map[string]*entry{}, downtimes: map[string]*downtime{}, lanes: map[string]*lane{},
		periods: o.Periods, asks: context.Background(),
	}
	if len(o.Kinds) == 0 {
		return nil, errors.New("cannot make the check engine: no kinds of checks were given")
	}
	for i := range o.Kinds {
		k := &o.Kinds[i]
		if e.kinds[k.Name] != nil {
			return nil, errors.New("cannot make the check engine: there are two kinds named " + k.Name)
		}
		e.kinds[k.Name] = k
	}
	e.graph, _ = state.NewGraph(nil, nil) // nothing cannot be wrong
	e.metrics = newMetrics(e, reg)
	e.keep = newKeeper(e, o.Documents, log)
	e.history = newHistory(e)
	e.series = newSeries(o.Series, log, e.metrics)
	e.handlers = newHandlers(o.EventHandlers, log, e.metrics, e.handlerDone)
	e.order.Store(new([]*entry))
	e.hosts.Store(new([]check.Host))
	return e, nil
}

// Run asks the checks until ctx ends, and returns nil once everything is kept and published. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	asks, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	e.mu.Lock()
	e.asks = asks
	e.mu.Unlock()

	sinks, stopSinks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSinks()
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	defer stopKeeping()
	var publishing, keeping, running sync.WaitGroup
	publishing.Go(func() { e.history.run(sinks) })
	publishing.Go(func() { e.series.run(sinks) })
	keeping.Go(func() { e.keep.run(keep) })
	running.Go(func() {
		e.keep.load(ctx, e.beginAsking)
		e.keep.follow(ctx)
	})
	running.Go(func() { e.schedule(ctx) })
	running.Go(func() { e.handlers.run(ctx) })
	running.Wait() // until ctx ends
	e.stop()
	stopSinks()
	publishing.Wait()
	stopKeeping() // last, so that it keeps nothing as untold that was told
	keeping.Wait()
	return nil
}

// beginAsking plans the first asking of every check.
func (e *Engine) beginAsking() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asking || e.stopping {
		return
	}
	e.asking = true
	now := e.now()
	for _, c := range *e.order.Load() {
		if c.doing == idle {
			e.planFirst(c, now, len(e.checks))
		}
	}
}

// stop waits for those who ask and hold, whose context has ended, and leaves those behind that do not heed it.
func (e *Engine) stop() {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	late := time.AfterFunc(abandonAfter, e.giveUpAll)
	defer late.Stop()
	ended := make(chan struct{}) // closed when all have ended
	go func() {
		e.workers.Wait()
		close(ended)
	}()
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C: // only who ignores the end of its context can make this happen
		e.log.Warn("connections that are held do not heed their end: they are left behind")
	}
}

// stopPatience bounds the wait for those who ask and hold.
const stopPatience = 3 * time.Second

// giveUpAll leaves all probers behind that still run.
func (e *Engine) giveUpAll() {
	for _, c := range *e.order.Load() {
		e.mu.Lock()
		a := c.current
		e.mu.Unlock()
		if a != nil {
			e.giveUp(a)
		}
	}
}

// handlerDone writes the run of an event handler into the history.
func (e *Engine) handlerDone(id string, ch check.Change) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.checks[id]; c != nil {
		e.record(c, ch)
	}
}

// record writes a line into the history of a check that changes nothing. e.mu is held.
func (e *Engine) record(c *entry, ch check.Change) {
	changes := []check.Change{ch}
	e.note(c, changes)
	e.keep.note(c, true)
	e.history.add(changes[0])
}

// SetPeriods replaces the time periods.
func (e *Engine) SetPeriods(periods map[string]Period) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.periods = periods
	for _, c := range *e.order.Load() {
		e.armPeriods(c)
	}
}
