package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/alert"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// deliveryKind is the kind of the log's documents. The key of each begins with the time of its first entry, so that they are in order.
const deliveryKind = "delivery"

const (
	batchBytes   = 64 << 10 // of a document, about: it is written whole, again and again, while it grows
	batchAge     = time.Hour
	maxBatches   = 500 // documents: 32 MiB
	gatherTime   = time.Second
	keepTimeout  = 10 * time.Second
	keepInterval = 15 * time.Second // between tries when the medium is away
	pruneEvery   = time.Hour
	keyTime      = "20060102T150405.000000000Z"
)

// batch is a document: deliveries of one node, in order.
type batch struct {
	Deliveries []*alert.Delivery `json:"deliveries"`
}

// keeper keeps the log on the medium.
type keeper struct {
	n     *Notifier
	node  string // of this process' life: the end of the keys it writes
	poke  chan struct{}
	seq   int // of documents that were begun
	key   string
	open  batch
	size  int
	since time.Time
	dirty bool // the medium does not have what is in open
}

func newKeeper(n *Notifier) *keeper {
	return &keeper{n: n, node: "-" + newID(), poke: make(chan struct{}, 1)}
}

// wake says that there is something to keep.
func (k *keeper) wake() {
	select {
	case k.poke <- struct{}{}:
	default: // it is known
	}
}

func (k *keeper) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { k.watch(ctx) })
	defer wg.Wait()
	again, prune := time.NewTicker(keepInterval), time.NewTicker(pruneEvery)
	defer again.Stop()
	defer prune.Stop()
	for {
		select {
		case <-k.poke:
			if !pause(ctx, gatherTime) { // more may come
				continue
			}
		case <-again.C:
		case <-prune.C:
			k.prune(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
			defer cancel()
			k.flush(last)
			return
		}
		k.flush(ctx)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// flush writes what waits. What cannot be written goes on waiting.
func (k *keeper) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	docs, err := k.n.opts.Documents()
	if err != nil {
		return // the medium is away, and says so itself
	}
	for ctx.Err() == nil {
		if !k.dirty && !k.fill() {
			return
		}
		if err := k.write(ctx, docs); err != nil {
			k.n.metrics.keepFailed.Inc()
			k.n.log.Warn("the delivery log is in memory only until the medium takes it", "err", err)
			return
		}
		k.dirty = false
	}
}

// fill adds what waits to the open document, or begins another.
func (k *keeper) fill() bool {
	if k.key != "" && (k.size >= batchBytes || time.Since(k.since) > batchAge) {
		k.key = ""
	}
	free := batchBytes
	if k.key != "" {
		free = batchBytes - k.size
	}
	more, left := k.n.told.take(free)
	k.n.metrics.keepWaiting.Set(float64(left))
	if len(more) == 0 {
		return false
	}
	if k.key == "" {
		k.since = time.Now()
		k.seq++
		k.key, k.open, k.size = fmt.Sprintf("%s-%06d%s", k.since.UTC().Format(keyTime), k.seq, k.node), batch{}, 0
	}
	for _, d := range more {
		k.open.Deliveries = append(k.open.Deliveries, d)
		k.size += sizeOf(d)
	}
	k.dirty = true
	return true
}

func (k *keeper) write(ctx context.Context, docs medium.Documents) error {
	value, err := json.Marshal(k.open)
	if err != nil {
		return err
	}
	_, err = medium.Update(ctx, docs, deliveryKind, k.key, func([]byte) ([]byte, error) { return value, nil })
	return err
}

// watch takes what is on the medium: from before a restart, and of other nodes.
func (k *keeper) watch(ctx context.Context) {
	for first := true; ctx.Err() == nil; first = false {
		if docs, err := k.n.opts.Documents(); err == nil {
			if first {
				k.prune(ctx)
			}
			for change, err := range docs.Watch(ctx, deliveryKind) {
				if err != nil {
					break
				}
				if change.Type == medium.Put && !strings.HasSuffix(change.Document.Key, k.node) {
					k.take(change.Document)
				}
			}
		}
		if !pause(ctx, keepInterval) {
			return
		}
	}
}

func (k *keeper) take(doc medium.Document) {
	deliveries, err := readBatch(doc.Value)
	if err != nil {
		k.n.log.Error("a document of the delivery log cannot be read, and is left alone", "key", doc.Key, "err", err)
		return
	}
	for _, d := range deliveries {
		k.n.told.add(d, false)
	}
	k.n.opts.Changed()
}

// readBatch reads a document of the log, whose bytes may be damaged.
func readBatch(value []byte) ([]*alert.Delivery, error) {
	if len(value) > medium.MaxDocument {
		return nil, fmt.Errorf("it has %d bytes", len(value))
	}
	var b batch
	if err := json.Unmarshal(value, &b); err != nil {
		return nil, err
	}
	for _, d := range b.Deliveries {
		if d == nil || d.ID == "" || d.At.IsZero() {
			return nil, errors.New("a delivery without ID or time")
		}
		d.Alerts = d.Alerts[:min(len(d.Alerts), maxTold)]
		d.Answer, d.Error = cutBytes(d.Answer, maxAnswer), cutBytes(d.Error, maxError)
	}
	return b.Deliveries, nil
}

// prune deletes documents that are too old, or too many.
func (k *keeper) prune(ctx context.Context) {
	docs, err := k.n.opts.Documents()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := pruneBatches(ctx, docs, time.Now()); err != nil && ctx.Err() == nil {
		k.n.log.Warn("cannot drop what is too old of the delivery log", "err", err)
	}
}

func pruneBatches(ctx context.Context, docs medium.Documents, now time.Time) error {
	type old struct {
		key     string
		version medium.Version
	}
	var all []old
	for doc, err := range docs.List(ctx, deliveryKind, "") {
		if err != nil {
			return err
		}
		all = append(all, old{doc.Key, doc.Version})
	}
	oldest := now.Add(-maxLogAge - batchAge).UTC().Format(keyTime)
	for i, o := range all {
		if o.key >= oldest && len(all)-i <= maxBatches {
			return nil
		}
		if err := docs.Delete(ctx, deliveryKind, o.key, o.version); err != nil && !errors.Is(err, medium.ErrConflict) {
			return err
		}
	}
	return nil
}
