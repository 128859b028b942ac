package logql

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// errQueueFull is returned for a query that would have to wait behind Options.MaxQueued others.
var errQueueFull error = queueFull{}

type queueFull struct{}

func (queueFull) Error() string {
	return "too many outstanding requests: too many queries are waiting, try again later"
}

// Busy says that the same query may succeed later.
func (queueFull) Busy() bool { return true }

var errUnavailable = model.NewError(model.Unavailable, "too many queries are waiting")

func (queueFull) Unwrap() error { return errUnavailable }

// Active is a query that runs now.
type Active struct {
	Query  string    `json:"query"`
	Tenant string    `json:"tenant"`
	Start  time.Time `json:"start"`
}

// running is a query that has its turn.
type running struct {
	Active
	reader store.EventReader

	mu    sync.Mutex // guards stats
	stats store.EventStats
}

func (q *running) addStats(s store.EventStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Add(s)
}

// queue hands out the right to run.
type queue struct {
	turns   chan struct{} // a token for each query that runs; never closed
	waiting chan struct{} // a token for each that waits; never closed
	metrics *metrics

	mu     sync.Mutex // guards active
	active []*running
}

func newQueue(turns, waiting int, m *metrics) *queue {
	return &queue{turns: make(chan struct{}, turns), waiting: make(chan struct{}, waiting), metrics: m}
}

// enter waits for a turn, until ctx ends.
func (q *queue) enter(ctx context.Context, query string) (*running, error) {
	select {
	case q.turns <- struct{}{}:
	default:
		if err := q.wait(ctx); err != nil {
			return nil, err
		}
	}
	r := &running{Active: Active{Query: query, Tenant: model.Tenant(ctx), Start: time.Now()}}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.active = append(q.active, r)
	q.metrics.running.Inc()
	return r, nil
}

func (q *queue) wait(ctx context.Context) error {
	select {
	case q.waiting <- struct{}{}:
	default:
		return errQueueFull
	}
	q.metrics.waiting.Inc()
	defer func() {
		<-q.waiting
		q.metrics.waiting.Dec()
	}()
	select {
	case q.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *queue) leave(r *running) {
	q.mu.Lock()
	q.active = slices.DeleteFunc(q.active, func(x *running) bool { return x == r })
	q.mu.Unlock()
	q.metrics.running.Dec()
	<-q.turns
}

func (q *queue) list() []Active {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Active, len(q.active))
	for i, r := range q.active {
		out[i] = r.Active
	}
	return out
}
