package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Holdable is a medium whose deletions of blobs can be held back for a while. A backup reads documents first and blobs last; a
// blob that a saved document names must not be deleted in between. Engines get the Holdable and notice nothing: a blob whose
// deletion waits is gone for them. Backups get Hold.Medium, for which it is still there.
//
// What waits is noted in documents, so that a deletion that was acknowledged is done after a crash too. Putting a blob
// whose deletion waits deletes it first, and with it what the hold was for: Hold.Err tells, and the backup fails.
//
// It cannot hold back what does not go through it: other nodes on the same cluster, and a medium that drops expired blobs by itself.
type Holdable struct {
	medium.Medium
	o       HoldOptions
	kind    string
	waiting prometheus.Gauge
	lost    prometheus.Counter

	// work is held while deletions are done or noted, so that they and Release do not meet. I/O happens under it; mu may be taken under it.
	work sync.Mutex

	mu      sync.Mutex // no I/O under it
	holds   map[*Hold]struct{}
	pending map[string]struct{} // names of blobs whose deletion waits
}

// HoldOptions bounds holds. Its zero value works.
type HoldOptions struct {
	// Node is whose deletions these are, for media that nodes share: one part of a name; "" is "local".
	Node string
	// MaxTime is how long a hold lasts at most; 0 is a day. MaxNames is how many deletions may wait; 0 is 10,000. A hold that
	// exceeds one of them is lost, the deletions are done, and the backup fails: a forgotten one must not fill the disk.
	MaxTime    time.Duration
	MaxNames   int
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

const (
	postponedPrefix = ownPrefix + "postponed/"
	defaultHoldTime = 24 * time.Hour
	defaultHoldMax  = 10_000 // what one kind of documents is meant for
)

var errHoldLost = model.NewError(model.Limit, "the deletions of blobs were not held back any longer")

// NewHoldable wraps a medium, and does the deletions that waited when the process last ended.
func NewHoldable(ctx context.Context, m medium.Medium, o HoldOptions) (*Holdable, error) {
	if o.Node == "" {
		o.Node = "local"
	}
	if o.MaxTime <= 0 {
		o.MaxTime = defaultHoldTime
	}
	if o.MaxNames <= 0 {
		o.MaxNames = defaultHoldMax
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	with := promauto.With(o.Registerer)
	h := &Holdable{Medium: m, o: o, kind: postponedPrefix + o.Node, holds: map[*Hold]struct{}{}, pending: map[string]struct{}{},
		waiting: with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_blob_deletes_waiting", Help: "Deletions of blobs that wait for a backup to end."}),
		lost:    with.NewCounter(prometheus.CounterOpts{Name: "hulotte_blob_holds_lost_total", Help: "Backups that failed because deletions of blobs could not wait for them any longer."}),
	}
	if err := medium.ValidName(h.kind); err != nil {
		return nil, fmt.Errorf("cannot hold back deletions: the node: %w", err)
	}
	if err := h.load(ctx); err != nil {
		return nil, fmt.Errorf("cannot do the deletions of blobs that waited: %w", err)
	}
	return h, nil
}

func (h *Holdable) load(ctx context.Context) error {
	for d, err := range h.Documents().List(ctx, h.kind, "") {
		if err != nil {
			return err
		}
		h.pending[d.Key] = struct{}{}
	}
	if len(h.pending) > 0 {
		h.o.Log.Info("doing the deletions of blobs that waited for a backup when the process ended", "blobs", len(h.pending))
	}
	h.waiting.Set(float64(len(h.pending)))
	return h.deletePending(ctx)
}

// Blobs returns the blobs without those whose deletion waits.
func (h *Holdable) Blobs() medium.Blobs { return heldBlobs{h.Medium.Blobs(), h} }

// Hold begins to hold deletions back. The caller releases it, also after an error.
func (h *Holdable) Hold() *Hold {
	held := &Hold{h: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds[held] = struct{}{}
	held.timer = time.AfterFunc(h.o.MaxTime, func() {
		h.lose(fmt.Errorf("%w: they had waited for %s", errHoldLost, h.o.MaxTime))
	})
	return held
}

// Hold keeps blobs from being deleted until it is released or lost.
type Hold struct {
	h     *Holdable
	timer *time.Timer
	err   error // under h.mu
}

// Medium is what a backup reads.
func (o *Hold) Medium() medium.Medium { return o.h.Medium }

// Err says why the hold was lost, or nil.
func (o *Hold) Err() error {
	o.h.mu.Lock()
	defer o.h.mu.Unlock()
	return o.err
}

// releaseTime bounds the deletions at the end of a hold.
const releaseTime = 10 * time.Minute

// Release lets the deletions be done, when this was the last hold. What fails is tried again at the next Release or start.
func (o *Hold) Release() error {
	o.timer.Stop()
	o.h.mu.Lock()
	delete(o.h.holds, o)
	o.h.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(context.Background(), releaseTime, errors.New("the deletions took too long"))
	defer cancel()
	if err := o.h.deletePending(ctx); err != nil {
		return fmt.Errorf("cannot do the deletions of blobs that waited: %w", err)
	}
	return nil
}

// lose ends all holds and does the deletions.
func (h *Holdable) lose(err error) {
	h.loseHolds(err)
	ctx, cancel := context.WithTimeoutCause(context.Background(), releaseTime, errors.New("the deletions took too long"))
	defer cancel()
	if err := h.deletePending(ctx); err != nil {
		h.o.Log.Error("cannot do the deletions of blobs that waited; they are tried again at the next start", "error", err)
	}
}

func (h *Holdable) loseHolds(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for held := range h.holds {
		if held.err == nil {
			held.err = err
			h.lost.Inc()
			h.o.Log.Warn("deletions of blobs are not held back any longer: a backup that runs will fail", "reason", err)
		}
		delete(h.holds, held)
	}
}

// Close ends all holds, and closes the medium. The deletions that wait are done at the next start.
func (h *Holdable) Close() error {
	h.mu.Lock()
	for held := range h.holds {
		held.timer.Stop()
	}
	h.mu.Unlock()
	h.loseHolds(fmt.Errorf("%w: the medium is closed", errHoldLost))
	h.work.Lock() // whoever deletes at the moment goes first
	defer h.work.Unlock()
	return h.Medium.Close()
}

// held says whether deletions wait at the moment.
func (h *Holdable) held() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.holds) > 0
}

// gone says whether the deletion of a blob waits.
func (h *Holdable) gone(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.pending[name]
	return ok
}

// deletePending does the deletions that wait, unless deletions are held back.
func (h *Holdable) deletePending(ctx context.Context) error {
	h.work.Lock()
	defer h.work.Unlock()
	h.mu.Lock()
	names := slices.Sorted(maps.Keys(h.pending))
	h.mu.Unlock()
	for _, name := range names {
		if h.held() {
			return nil
		}
		if err := h.deleteNow(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// deleteNow deletes a blob whose deletion waits, and then the note of it. It needs work.
func (h *Holdable) deleteNow(ctx context.Context, name string) error {
	if err := h.Medium.Blobs().Delete(ctx, name); err != nil {
		return err
	}
	if _, err := medium.Update(ctx, h.Documents(), h.kind, name, func([]byte) ([]byte, error) { return nil, nil }); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pending, name)
	h.waiting.Set(float64(len(h.pending)))
	return nil
}

// postpone notes a deletion. It needs work.
func (h *Holdable) postpone(ctx context.Context, name string) error {
	value, err := json.Marshal(map[string]time.Time{"since": time.Now().UTC()})
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, h.Documents(), h.kind, name, func([]byte) ([]byte, error) { return value, nil })
	if err != nil {
		return fmt.Errorf("cannot note that it waits for a backup to end: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending[name] = struct{}{}
	h.waiting.Set(float64(len(h.pending)))
	return nil
}

// full says whether no more deletions may wait.
func (h *Holdable) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.pending) >= h.o.MaxNames
}

// heldBlobs is what engines see.
type heldBlobs struct {
	medium.Blobs
	h *Holdable
}

// Delete deletes, or notes that it is to be done.
func (b heldBlobs) Delete(ctx context.Context, name string) error {
	if err := medium.ValidName(name); err != nil {
		return fmt.Errorf("cannot delete blob: %w", err)
	}
	if !b.h.held() && !b.h.gone(name) {
		return b.Blobs.Delete(ctx, name)
	}
	if b.h.full() {
		b.h.lose(fmt.Errorf("%w: %d of them waited", errHoldLost, b.h.o.MaxNames))
	}
	b.h.work.Lock()
	defer b.h.work.Unlock()
	switch {
	case b.h.gone(name):
		return nil
	case !b.h.held():
		return b.Blobs.Delete(ctx, name)
	}
	if err := b.h.postpone(ctx, name); err != nil {
		return fmt.Errorf("cannot delete blob %q: %w", name, err)
	}
	return nil
}

// Put makes room for a blob of the same name as one whose deletion waits.
func (b heldBlobs) Put(ctx context.Context, name string, content io.Reader, o medium.PutOptions) (medium.BlobInfo, error) {
	if b.h.gone(name) {
		if err := b.replace(ctx, name); err != nil {
			return medium.BlobInfo{}, fmt.Errorf("cannot put blob %q: %w", name, err)
		}
	}
	return b.Blobs.Put(ctx, name, content, o)
}

func (b heldBlobs) replace(ctx context.Context, name string) error {
	b.h.loseHolds(fmt.Errorf("%w: the blob %q was deleted and put again", errHoldLost, name))
	b.h.work.Lock()
	defer b.h.work.Unlock()
	if !b.h.gone(name) {
		return nil
	}
	return b.h.deleteNow(ctx, name)
}

// Open does not find what is to be deleted.
func (b heldBlobs) Open(ctx context.Context, name string) (medium.Blob, error) {
	if b.h.gone(name) {
		return nil, fmt.Errorf("cannot open blob %q: %w", name, medium.ErrNotFound)
	}
	return b.Blobs.Open(ctx, name)
}

// List leaves out what is to be deleted.
func (b heldBlobs) List(ctx context.Context, prefix string) iter.Seq2[medium.BlobInfo, error] {
	return func(yield func(medium.BlobInfo, error) bool) {
		for info, err := range b.Blobs.List(ctx, prefix) {
			if err == nil && b.h.gone(info.Name) {
				continue
			}
			if !yield(info, err) {
				return
			}
		}
	}
}
