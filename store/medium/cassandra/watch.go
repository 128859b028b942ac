package cassandra

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Watch implements medium.Documents. All watchers of a kind in this process share one look at its head for every
// WatchInterval, which costs one row, and a read of what has changed. A change made by this process is looked for at once.
// While the cluster is away the watch goes on: the failures are counted and logged, and what was missed follows afterwards.
func (d *documents) Watch(ctx context.Context, kindName string) iter.Seq2[medium.Change, error] {
	return func(yield func(medium.Change, error) bool) {
		err := d.watch(ctx, kindName, func(c medium.Change) bool { return yield(c, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(medium.Change{}, fmt.Errorf("cannot watch the documents %s: %w", kindName, err))
		}
	}
}

func (d *documents) watch(ctx context.Context, kindName string, yield func(medium.Change) bool) error {
	if err := medium.ValidName(kindName); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := d.session.enter(); err != nil {
		return err
	}
	defer d.session.leave()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(d.session.closing, func() { stop(context.Cause(d.session.closing)) })()

	w := &watcher{documents: d, kind: d.kind(kindName), seen: map[string]medium.Version{}, yield: yield, wake: make(chan struct{}, 1)}
	d.session.metrics.watch.watchers.Inc()
	defer d.session.metrics.watch.watchers.Dec()
	return w.run(ctx)
}

// watcher is one caller's Watch.
type watcher struct {
	documents *documents
	kind      *kind
	yield     func(medium.Change) bool
	// seen is the state that the caller knows: it tells repetitions apart, and what is gone after a resync. Only run's goroutine uses it.
	seen map[string]medium.Version
	wake chan struct{} // has room for one signal: there is news

	mu     sync.Mutex // guards the news
	news   map[string]news
	behind bool  // the ring does not have all of it: list the kind anew
	failed error // the watch cannot go on
}

// news is the latest change of one document that the caller has not seen.
type news struct {
	version medium.Version
	gone    bool
}

func (w *watcher) run(ctx context.Context) error {
	// Whatever is committed after the subscription comes as news, and all before is in the listing.
	leave, err := w.subscribe(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := w.begin(ctx); err != nil {
		return err
	}
	if !w.yield(medium.Change{Type: medium.Synced}) {
		return errEnough
	}
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := w.catchUp(ctx); err != nil {
			return err
		}
	}
}

// begin yields what is there.
func (w *watcher) begin(ctx context.Context) error {
	left := false
	err := w.documents.list(ctx, w.kind.name, "", func(doc medium.Document) bool {
		w.seen[doc.Key] = doc.Version
		left = !w.yield(medium.Change{Type: medium.Put, Document: doc}) || ctx.Err() != nil
		return !left
	})
	switch {
	case err == nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && left:
		return errEnough
	}
	return err
}

// take returns the news and forgets it.
func (w *watcher) take() (all map[string]news, behind bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all, behind, err = w.news, w.behind, w.failed
	w.news, w.behind = nil, false
	return all, behind, err
}

// tell adds to the news. Several changes of one document become one, so that a slow caller costs no more memory than there are documents.
func (w *watcher) tell(key string, n news) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.behind || n.version < w.news[key].version {
		return
	}
	if w.news == nil {
		w.news = map[string]news{}
	}
	w.news[key] = n
}

// tellBehind says that the news is incomplete.
func (w *watcher) tellBehind() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news, w.behind = nil, true
}

func (w *watcher) tellFailed(err error) {
	w.mu.Lock()
	w.failed = err
	w.mu.Unlock()
	w.signal()
}

func (w *watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// catchUp yields the news, in order. What cannot be read now, because the cluster is away, stays news.
func (w *watcher) catchUp(ctx context.Context) error {
	all, behind, err := w.take()
	if err != nil {
		return err
	}
	if behind {
		if all, err = w.compare(ctx); err != nil {
			w.tellBehind()
			return w.later(ctx, err)
		}
	}
	maps.DeleteFunc(all, func(key string, n news) bool {
		return n.version <= w.seen[key] || n.gone && w.seen[key] == medium.Absent
	})
	order := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Compare(all[a].version, all[b].version) })
	for len(order) > 0 {
		chunk := order[:min(len(order), w.documents.fetchSize(w.kind))]
		if err := w.tellCaller(ctx, chunk, all); err != nil {
			for _, key := range order {
				w.tell(key, all[key])
			}
			return w.later(ctx, err)
		}
		order = order[len(chunk):]
	}
	return nil
}

// later decides whether the watch goes on after err: it does when the cluster is away.
func (w *watcher) later(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if model.KindOf(err) != model.Unavailable || errors.Is(err, errFinal) {
		return err
	}
	if !sleep(ctx, w.documents.session.opts.WatchInterval) {
		return context.Cause(ctx)
	}
	w.signal()
	return nil
}

// tellCaller yields the latest state of some documents.
func (w *watcher) tellCaller(ctx context.Context, keys []string, all map[string]news) error {
	docs, err := w.documents.fetch(ctx, w.kind, keys, all)
	if err != nil {
		return err
	}
	for _, key := range keys {
		doc, there := docs[key]
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case all[key].gone:
			delete(w.seen, key)
			if !w.yield(medium.Change{Type: medium.Deleted, Document: medium.Document{Kind: w.kind.name, Key: key, Version: all[key].version}}) {
				return errEnough
			}
		case there && doc.Version > w.seen[key]:
			w.seen[key] = doc.Version
			if !w.yield(medium.Change{Type: medium.Put, Document: doc}) {
				return errEnough
			}
		}
	}
	return nil
}

// compare finds what has changed since the caller's state by looking at all documents.
func (w *watcher) compare(ctx context.Context) (map[string]news, error) {
	h, err := w.documents.readHead(ctx, w.kind, true)
	if err != nil {
		return nil, err
	}
	all := make(map[string]news, len(w.seen))
	for key := range w.seen {
		all[key] = news{h.version, true}
	}
	r := request{table: documentsTable, op: "versions", cql: versionsCQL, args: []any{w.kind.name}}
	return all, w.documents.session.read(ctx, r, func(scan func(...any) error) error {
		var key string
		var n news
		if err := scan(&key, &n.version); err != nil {
			return err
		}
		all[key] = n
		return nil
	})
}

const (
	versionsCQL = `SELECT key, version FROM documents WHERE kind = ? AND area = 1 AND slot = 0`
	fetchCQL    = `SELECT key, version, value FROM documents WHERE kind = ? AND area = 1 AND slot = 0 AND key IN ?`
)

// maxFetch is how many documents are asked for by name at once.
const maxFetch = 100

func (d *documents) fetchSize(k *kind) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return min(maxFetch, d.pageSize(k.head))
}

// fetch reads the documents among keys that are not gone, at the version in news or a later one. One that is missing in the
// result was deleted since, which is news of its own.
func (d *documents) fetch(ctx context.Context, k *kind, keys []string, all map[string]news) (map[string]medium.Document, error) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return all[key].gone })
	if len(keys) == 0 {
		return nil, nil
	}
	docs, err := d.fetchOnce(ctx, k, keys)
	old := func(key string) bool { return docs[key].Version < all[key].version }
	if err != nil || !slices.ContainsFunc(keys, old) {
		return docs, err
	}
	// A change was seen on one replica before a quorum had it.
	if _, err := d.readHead(ctx, k, true); err != nil {
		return nil, err
	}
	return d.fetchOnce(ctx, k, keys)
}

func (d *documents) fetchOnce(ctx context.Context, k *kind, keys []string) (map[string]medium.Document, error) {
	docs := map[string]medium.Document{}
	r := request{table: documentsTable, op: "fetch", cql: fetchCQL, args: []any{k.name, keys}}
	return docs, d.session.read(ctx, r, func(scan func(...any) error) error {
		doc := medium.Document{Kind: k.name}
		var value []byte
		err := scan(&doc.Key, &doc.Version, &value)
		if err == nil {
			doc.Value, err = parseValue(k.name, doc.Key, doc.Version, value)
		}
		docs[doc.Key] = doc
		return err
	})
}
