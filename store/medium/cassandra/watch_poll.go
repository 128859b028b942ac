package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// kindWatch looks for changes of one kind while somebody watches it.
type kindWatch struct {
	documents *documents
	kind      *kind
	nudge     chan struct{} // has room for one signal: this process has changed the kind
	stop      context.CancelFunc

	mu       sync.Mutex // guards what follows; no requests under it
	watchers map[*watcher]bool
	based    bool           // last is known
	last     medium.Version // what the watchers have been told up to
}

// subscribe makes w hear of all changes that are not at a quorum when it returns.
func (w *watcher) subscribe(ctx context.Context) (leave func(), err error) {
	k := w.kind
	k.mu.Lock()
	p := k.watch
	if p == nil {
		p = w.documents.startPolling(k)
		k.watch = p
	}
	p.mu.Lock()
	p.watchers[w] = true
	p.mu.Unlock()
	k.mu.Unlock()

	leave = func() { p.leave(w) }
	// A serial read brings to a quorum what was decided before. Without it the listing could miss a change that the poll
	// has seen on one replica.
	h, err := w.documents.readHead(ctx, k, true)
	if err != nil {
		leave()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.based {
		p.based, p.last = true, h.version
	}
	return leave, nil
}

// leave ends the polling with the last watcher.
func (p *kindWatch) leave(w *watcher) {
	p.kind.mu.Lock()
	defer p.kind.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.watchers, w)
	if len(p.watchers) == 0 {
		p.stop()
		p.kind.watch = nil
	}
}

func (d *documents) startPolling(k *kind) *kindWatch {
	p := &kindWatch{documents: d, kind: k, nudge: make(chan struct{}, 1), watchers: map[*watcher]bool{}}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(d.session.closing)
	d.session.start(func(context.Context) { p.run(ctx) })
	return p
}

// wake makes the next look come at once.
func (p *kindWatch) wake() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}

// run looks until the last watcher has left. A nudge shortens the wait to a twentieth, no further, so that a process
// that writes without pause does not look without pause.
func (p *kindWatch) run(ctx context.Context) {
	interval := p.documents.session.opts.WatchInterval
	failing := false
	for {
		if !sleep(ctx, interval/20) {
			return
		}
		timer := time.NewTimer(interval - interval/20)
		select {
		case <-timer.C:
		case <-p.nudge:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		failing = p.look(ctx, failing)
	}
}

// look polls once, and tells of failures when they begin and end.
func (p *kindWatch) look(ctx context.Context, failing bool) bool {
	s := p.documents.session
	changed, err := p.poll(ctx)
	switch {
	case ctx.Err() != nil:
		return failing
	case err != nil:
		s.metrics.watch.polls.WithLabelValues("failed").Inc()
		if !failing {
			s.log.Warn("changes of documents cannot be looked for; this goes on", "kind", p.kind.name, "err", err)
		}
		if errors.Is(err, errFinal) {
			p.each(func(w *watcher) { w.tellFailed(err) })
		}
		return true
	case failing:
		s.log.Info("changes of documents are looked for again", "kind", p.kind.name)
	}
	outcome := "unchanged"
	if changed {
		outcome = "changed"
	}
	s.metrics.watch.polls.WithLabelValues(outcome).Inc()
	return false
}

func (p *kindWatch) each(f func(w *watcher)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.watchers {
		f(w)
	}
}

// poll tells the watchers what has changed since last time.
func (p *kindWatch) poll(ctx context.Context) (changed bool, err error) {
	p.mu.Lock()
	based, last := p.based, p.last
	p.mu.Unlock()
	if !based {
		return false, nil
	}
	h, err := p.documents.readHead(ctx, p.kind, false)
	if err != nil || h.version == last {
		return false, err
	}
	if h.version < last {
		return false, p.wentBack(ctx, last)
	}
	all, whole, err := p.changes(ctx, last, h.version)
	if err == nil && !whole {
		// The head was seen on one replica before a quorum had the rest of its change.
		if _, err = p.documents.readHead(ctx, p.kind, true); err == nil {
			all, whole, err = p.changes(ctx, last, h.version)
		}
	}
	if err != nil {
		return false, err
	}
	if !whole {
		p.documents.session.metrics.watch.resyncs.Inc()
	}
	p.tell(h.version, all, whole)
	return true, nil
}

func (p *kindWatch) tell(version medium.Version, all map[string]news, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = version
	for w := range p.watchers {
		if !whole {
			w.tellBehind()
		}
		for key, n := range all {
			w.tell(key, n)
		}
		w.signal()
	}
}

// wentBack is when the kind has an older version than it had: somebody has put an older copy of the table in its place.
func (p *kindWatch) wentBack(ctx context.Context, last medium.Version) error {
	h, err := p.documents.readHead(ctx, p.kind, true)
	if err != nil || h.version >= last {
		return err
	}
	return fmt.Errorf("%w (%w): table documents, kind %q: its version went back from %d to %d, as after the restore of an older copy",
		errUnavailable, errFinal, p.kind.name, last, h.version)
}

const changesCQL = `SELECT version, name, gone FROM documents WHERE kind = ? AND area = 2 AND slot >= ? AND slot <= ?`

// changes reads the ring's rows of the versions after from, up to to. whole is false when some are missing.
func (p *kindWatch) changes(ctx context.Context, from, to medium.Version) (all map[string]news, whole bool, err error) {
	if to-from > ringSize {
		return nil, false, nil
	}
	all = map[string]news{}
	var found medium.Version
	for _, part := range ringParts(from, to) {
		r := request{table: documentsTable, op: "changes", cql: changesCQL, args: []any{p.kind.name, part[0], part[1]}}
		err := p.documents.session.read(ctx, r, func(scan func(...any) error) error {
			var key string
			var n news
			if err := scan(&n.version, &key, &n.gone); err != nil {
				return err
			}
			if n.version <= from || n.version > to {
				return nil // older, or newer than the head that was read: it comes next time
			}
			found++
			if n.version > all[key].version {
				all[key] = n
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return all, found == to-from, nil
}

// ringParts are the slots of the versions after from, up to to: one range of slots, or two where the ring begins anew.
func ringParts(from, to medium.Version) [][2]int {
	first, last := slot(from+1), slot(to)
	if first <= last {
		return [][2]int{{first, last}}
	}
	return [][2]int{{first, ringSize - 1}, {0, last}}
}
