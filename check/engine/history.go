package engine

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

const (
	// historyWaiting bounds the changes that wait for the log store: 20,000 of 1 KiB are 20 MiB.
	historyWaiting = 20_000
	historyBatch   = 2000
	// historyEvery is how soon a change is published: pages show a problem within a second.
	historyEvery = 200 * time.Millisecond
	// historyTries is how often a batch is given to a store that is away, with growing pauses, before newer ones push it out.
	firstHistoryRetry = time.Second
	lastHistoryRetry  = 15 * time.Second
)

// history hands changes on: to Notify, to the log store, and to the pages. It never makes the engine wait.
type history struct {
	e       *Engine
	o       *Options
	log     *slog.Logger
	metrics *metrics
	poke    chan struct{} // holds one token when something waits; never closed

	mu      sync.Mutex     // taken after Engine.mu; no I/O under it
	before  []check.Change // of an earlier process: the log store may have them
	waiting []check.Change // for the log store
	news    []check.Change // for Notify
	changed bool           // and the pages have not heard of it
}

func newHistory(e *Engine) *history {
	return &history{e: e, o: &e.opts, log: e.log, metrics: e.metrics, poke: make(chan struct{}, 1)}
}

// recover takes changes that an earlier process could not write, or not for sure. Engine.mu is held, as for add.
func (h *history) recover(changes []check.Change) {
	h.mu.Lock()
	h.before = append(h.before, changes...)
	h.mu.Unlock()
	h.again()
}

// add takes a change. When too many wait the oldest are dropped, and counted.
func (h *history) add(ch check.Change) {
	h.metrics.changes.WithLabelValues(string(ch.Type)).Inc()
	h.mu.Lock()
	h.changed = true
	if h.o.Notify != nil {
		h.news = h.pushed(h.news, ch)
	}
	if h.o.Events != nil {
		h.waiting = h.pushed(h.waiting, ch)
	}
	h.mu.Unlock()
	h.again()
}

// touch tells the pages of a change whose line in the history another node writes.
func (h *history) touch() {
	h.mu.Lock()
	h.changed = true
	h.mu.Unlock()
	h.again()
}

func (h *history) pushed(list []check.Change, ch check.Change) []check.Change {
	if len(list) >= historyWaiting {
		h.metrics.historyDrops.Add(historyBatch)
		h.e.told(list[:historyBatch])
		list = append(list[:0], list[historyBatch:]...)
	}
	return append(list, ch)
}

// run hands on until ctx ends, then what is left, once.
func (h *history) run(ctx context.Context) {
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
			defer cancel()
			h.tell()
			for h.send(last) == nil && h.left() > 0 {
			}
			return
		case <-h.poke:
		}
		if !sleep(ctx, max(historyEvery, wait)) {
			continue
		}
		h.tell()
		if err := h.send(ctx); err != nil && ctx.Err() == nil {
			wait = min(max(2*wait, firstHistoryRetry), lastHistoryRetry)
			h.log.Warn("cannot write the history of checks, trying again", "err", err, "waiting", h.left(), "next_try_in", wait)
			h.again()
			continue
		}
		wait = 0
		if h.left() > 0 {
			h.again()
		}
	}
}

func (h *history) again() {
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

func (h *history) left() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.waiting) + len(h.before)
}

// tell tells Notify and the pages.
func (h *history) tell() {
	h.mu.Lock()
	news, changed := h.news, h.changed
	h.news, h.changed = nil, false
	h.mu.Unlock()
	for _, ch := range news {
		h.o.Notify(ch)
	}
	if changed && h.o.Publish != nil {
		h.o.Publish(Topic, time.Now())
	}
}

// send gives one batch to the log store.
func (h *history) send(ctx context.Context) error {
	if h.o.Events == nil {
		return nil
	}
	if err := h.join(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	batch := append([]check.Change(nil), h.waiting[:min(len(h.waiting), historyBatch)]...)
	h.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	refused, err := h.o.Events(ctx, streamsOf(batch, h.o.Node))
	if err != nil && retry(err) {
		return err
	}
	if err != nil {
		h.metrics.historyDrops.Add(float64(len(batch)))
		h.log.Error("changes of checks were refused", "err", err, "count", len(batch))
	}
	for _, r := range refused {
		h.metrics.historyDrops.Add(float64(r.Count))
		h.log.Error("changes of a check were refused", "stream", r.Stream, "count", r.Count, "reason", r.Text)
	}
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	h.e.told(batch)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = h.waiting[h.sent(batch):]
	if len(h.waiting) == 0 {
		h.waiting = nil
	}
	return nil
}

// join puts what an earlier process left in front of what waits, but for what the log store has.
func (h *history) join(ctx context.Context) error {
	h.mu.Lock()
	before := slices.Clone(h.before)
	h.mu.Unlock()
	if len(before) == 0 {
		return nil
	}
	slices.SortStableFunc(before, func(a, b check.Change) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Name, b.Name), a.At.Compare(b.At))
	})
	var missing, there []check.Change
	for len(before) > 0 {
		n := 1
		for n < len(before) && before[n].Host == before[0].Host && before[n].Name == before[0].Name {
			n++
		}
		has, err := h.written(ctx, before[:n])
		if err != nil {
			return err
		}
		for _, ch := range before[:n] {
			if has[ch.At.UnixNano()] {
				there = append(there, ch)
			} else {
				missing = append(missing, ch)
			}
		}
		before = before[n:]
	}
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	h.e.told(there)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = nil
	h.waiting = append(missing, h.waiting...)
	return nil
}

// written returns the times of those changes of one check that the log store has.
func (h *history) written(ctx context.Context, changes []check.Change) (map[int64]bool, error) {
	if h.o.History == nil {
		return nil, nil
	}
	id := changes[0].Host + "/" + changes[0].Name
	found, err := h.o.History(ctx, id, changes[0].At, changes[len(changes)-1].At, historyBatch)
	if model.KindOf(err) == model.Unavailable || ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		h.log.Warn("cannot tell which changes the history has: some may be in it twice", "check", id, "err", err)
	}
	has := map[int64]bool{}
	for i := range found {
		has[found[i].At.UnixNano()] = true
	}
	return has, nil
}

// sent counts those of batch that still stand at the beginning: others were pushed out meanwhile.
func (h *history) sent(batch []check.Change) int {
	if len(h.waiting) == 0 {
		return 0
	}
	first := &h.waiting[0]
	for i := range batch {
		if batch[i].At.Equal(first.At) && batch[i].Host == first.Host && batch[i].Name == first.Name {
			return len(batch) - i
		}
	}
	return 0
}

// retry says whether an error may pass.
func retry(err error) bool {
	k := model.KindOf(err)
	return k != model.Invalid && k != model.Limit
}

// streamsOf makes streams of changes, in order of time in each.
func streamsOf(batch []check.Change, node string) []model.Stream {
	index := map[string]int{}
	var out []model.Stream
	for i := range batch {
		ch := &batch[i]
		id := ch.Host + "/" + ch.Name
		at, ok := index[id]
		if !ok {
			at = len(out)
			index[id] = at
			out = append(out, model.Stream{Labels: recordLabels(ch.Host, ch.Name)})
		}
		out[at].Records = append(out[at].Records, encodeChange(ch, node))
	}
	return out
}
