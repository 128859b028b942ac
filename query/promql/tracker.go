package promql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hulotte-dev/hulotte/model"
)

// ErrQueueFull is returned for a query that would have to wait behind Options.MaxQueued others.
var ErrQueueFull error = queueFull{}

type queueFull struct{}

func (queueFull) Error() string { return "too many queries are waiting" }

// Busy says that the same query may succeed later.
func (queueFull) Busy() bool { return true }

// Active is a query that runs now.
type Active struct {
	Query  string    `json:"query"`
	Tenant string    `json:"tenant"`
	Start  time.Time `json:"start"`
}

// slotSize is the space of one running query in the file of active queries.
const slotSize = 1024

// tracker hands out the right to run. It implements Prometheus' promql.QueryTracker.
//
// The file has slotSize bytes for each query that may run, written in place when a query starts and blanked
// when it ends; the operating system keeps the pages when the process dies, so nothing is ever synced:
//
//	+--------------------------+--------------------------+----
//	| JSON of an Active, NULs  | NULs (slot is free)      | ...
//	+--------------------------+--------------------------+----
type tracker struct {
	free    chan int      // indexes of free slots; never closed
	queue   chan struct{} // one token for each that waits; never closed
	log     *slog.Logger
	metrics *metrics
	file    *os.File // nil when no file was asked for

	mu      sync.Mutex // guards running; no I/O under it
	running []*Active  // by slot, nil when the slot is free
}

func openTracker(path string, slots, queued int, log *slog.Logger, m *metrics) (*tracker, error) {
	t := &tracker{
		free:    make(chan int, slots),
		queue:   make(chan struct{}, queued),
		log:     log,
		metrics: m,
		running: make([]*Active, slots),
	}
	for i := range slots {
		t.free <- i
	}
	if path == "" {
		return t, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open the file of active queries: %w", err)
	}
	t.file = file
	t.reportUnfinished()
	if err := file.Truncate(0); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot empty the file of active queries: %w", err), file.Close())
	}
	return t, nil
}

// reportUnfinished logs the queries that ran when the process last died: one of them may be the cause.
func (t *tracker) reportUnfinished() {
	data, err := io.ReadAll(io.LimitReader(t.file, 1<<20))
	if err != nil {
		t.log.Warn("cannot read the file of active queries", "error", err)
		return
	}
	for slot := range slices.Chunk(data, slotSize) {
		slot, _, _ = bytes.Cut(slot, []byte{0})
		var a Active
		if len(slot) == 0 || json.Unmarshal(slot, &a) != nil {
			continue // free, or torn by the crash
		}
		t.log.Warn("a query was running when the process last ended", "query", a.Query, "tenant", a.Tenant, "start", a.Start)
	}
}

// GetMaxConcurrent returns how many queries may run at the same time.
func (t *tracker) GetMaxConcurrent() int { return cap(t.free) }

// Insert waits until the query may run and returns its slot, for Delete. It fails with ErrQueueFull at once
// when the queue is full, and with the context's error when that ends first.
func (t *tracker) Insert(ctx context.Context, query string) (int, error) {
	slot, err := t.acquire(ctx)
	if err != nil {
		return 0, err
	}
	a := &Active{Query: query, Tenant: model.Tenant(ctx), Start: time.Now()}
	t.mu.Lock()
	t.running[slot] = a
	t.mu.Unlock()
	t.metrics.running.Inc()
	t.write(slot, encodeSlot(a))
	return slot, nil
}

func (t *tracker) acquire(ctx context.Context) (int, error) {
	select {
	case slot := <-t.free:
		return slot, nil
	default:
	}
	select {
	case t.queue <- struct{}{}:
		defer func() { <-t.queue }()
	default:
		return 0, fmt.Errorf("%w: %d queries run and %d wait; try again later, or raise query.max_concurrent", ErrQueueFull, cap(t.free), cap(t.queue))
	}
	t.metrics.waiting.Inc()
	defer t.metrics.waiting.Dec()
	begin := time.Now()
	defer func() { t.metrics.waited.Observe(time.Since(begin).Seconds()) }()
	select {
	case slot := <-t.free:
		return slot, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete gives the slot back.
func (t *tracker) Delete(slot int) {
	t.mu.Lock()
	t.running[slot] = nil
	t.mu.Unlock()
	t.metrics.running.Dec()
	t.write(slot, []byte{0})
	t.free <- slot
}

// Close removes the file: nothing runs any more.
func (t *tracker) Close() error {
	if t.file == nil {
		return nil
	}
	return errors.Join(t.file.Close(), os.Remove(t.file.Name()))
}

func (t *tracker) active() []Active {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []Active{}
	for _, a := range t.running {
		if a != nil {
			list = append(list, *a)
		}
	}
	slices.SortFunc(list, func(a, b Active) int { return a.Start.Compare(b.Start) })
	return list
}

// write is best effort: a full disk must not stop queries.
func (t *tracker) write(slot int, b []byte) {
	if t.file == nil {
		return
	}
	if _, err := t.file.WriteAt(b, int64(slot)*slotSize); err != nil {
		t.log.Debug("cannot write the file of active queries", "error", err)
	}
}

// encodeSlot returns a as JSON, its query cut so that the whole fits in a slot with a NUL at its end.
func encodeSlot(a *Active) []byte {
	short := *a
	for limit := slotSize * 3 / 4; limit > 0; limit /= 2 {
		short.Query = cut(a.Query, limit)
		b, err := json.Marshal(short)
		if err != nil {
			return []byte{0}
		}
		if len(b) < slotSize {
			return append(b, 0)
		}
	}
	return []byte{0}
}

// cut shortens s to at most limit bytes and an ellipsis, never inside a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
