package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// watcher is one Watch. Under the documents' mu it has the keys whose state its reader has not seen; there are never more than the
// reader knows and there are now, however slow it is and whatever happens meanwhile.
type watcher struct {
	kind  string
	dirty map[string]unseenChange
	queue []string // keys of dirty, in the order in which they are yielded; some may have left dirty
	wake  chan struct{}

	// initial is true until what was there at the beginning has been yielded.
	initial bool
}

// unseenChange is of a document that has changed since the reader saw it.
type unseenChange struct {
	known   bool   // the reader has seen that it exists
	version uint64 // of the last change
}

// noteLocked notes a change from old to now; nil is a document that does not exist.
func (w *watcher) noteLocked(key string, old, now *stored, version uint64) {
	u, ok := w.dirty[key]
	if !ok {
		u.known = old != nil && !old.lost()
	}
	if now == nil && !u.known {
		delete(w.dirty, key) // it came and went unseen
		return
	}
	u.version = version
	w.dirty[key] = u
	notify(w.wake)
}

// Watch yields what there is, and then what changes.
func (d *documents) Watch(ctx context.Context, kind string) iter.Seq2[medium.Change, error] {
	return func(yield func(medium.Change, error) bool) {
		w, err := d.startWatch(ctx, kind)
		if err == nil {
			defer d.stopWatch(w)
			for {
				var change medium.Change
				if change, err = d.nextChange(ctx, w); err != nil {
					break
				}
				if !yield(change, nil) {
					return
				}
			}
		}
		yield(medium.Change{}, fmt.Errorf("cannot watch the documents of the kind %s: %w", kind, err))
	}
}

func (d *documents) startWatch(ctx context.Context, kind string) (*watcher, error) {
	if err := medium.ValidName(kind); err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		return nil, err
	}
	defer d.calls.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.kindLocked(kind)
	w := &watcher{kind: kind, dirty: map[string]unseenChange{}, wake: make(chan struct{}, 1), initial: true}
	w.queue = k.sortedKeys()
	for key, s := range k.documents {
		w.dirty[key] = unseenChange{version: s.version}
	}
	k.watchers[w] = struct{}{}
	d.metrics.watchers.Inc()
	return w, nil
}

func (d *documents) stopWatch(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kinds[w.kind].watchers, w)
	d.dropLocked(w.kind)
	d.metrics.watchers.Dec()
}

// nextChange waits for the next change that the reader has not seen.
func (d *documents) nextChange(ctx context.Context, w *watcher) (medium.Change, error) {
	for {
		if ctx.Err() != nil {
			return medium.Change{}, context.Cause(ctx)
		}
		change, err := d.takeChange(w)
		if err != nil || change.Type != "" {
			return change, err
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
		case <-d.closing:
			return medium.Change{}, medium.ErrClosed
		}
	}
}

// takeChange returns the next change, without a type when there is none.
func (d *documents) takeChange(w *watcher) (medium.Change, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	documents := d.kinds[w.kind].documents
	for {
		if len(w.queue) == 0 {
			if w.initial {
				w.initial = false
				return medium.Change{Type: medium.Synced}, d.lostLocked(w.kind)
			}
			if w.refill(); len(w.queue) == 0 {
				return medium.Change{}, nil
			}
		}
		key := w.queue[0]
		w.queue = w.queue[1:]
		u, ok := w.dirty[key]
		if !ok {
			continue
		}
		delete(w.dirty, key)
		name := documentName{w.kind, key}
		switch s := documents[key]; {
		case s == nil:
			return medium.Change{Type: medium.Deleted, Document: name.document(&stored{version: u.version})}, nil
		case !s.lost():
			return medium.Change{Type: medium.Put, Document: name.document(s)}, nil
		}
	}
}

// refill queues what is dirty, oldest change first.
func (w *watcher) refill() {
	w.queue = make([]string, 0, len(w.dirty))
	for key := range w.dirty {
		w.queue = append(w.queue, key)
	}
	slices.SortFunc(w.queue, func(a, b string) int { return cmp.Compare(w.dirty[a].version, w.dirty[b].version) })
}

// lostLocked returns an error when documents of the kind are damaged: nobody must take what was yielded for all that there is.
func (d *documents) lostLocked(kind string) error {
	k := d.kinds[kind]
	var err error
	for _, key := range k.sortedKeys() {
		if s := k.documents[key]; s.lost() {
			err = errors.Join(err, d.lostError(documentName{kind, key}, s))
		}
	}
	return err
}
