package events

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// selection is one Select: what there was at one moment, and how it is searched.
type selection struct {
	t     *tenant
	q     store.EventQuery
	query *rowgroup.Query
	f     func(worker int, b store.EventBatch) error

	blocks  []*block.Block // acquired
	heads   []snapshot
	applied [][]string // by head snapshot: the deletions that do not concern it
	hide    []*deletion

	mu    sync.Mutex
	stats store.EventStats
}

// unit is what is searched in one go: a group, or records of the head. Everything in it is at min or later and at max or earlier.
type unit struct {
	min, max int64
	run      func(ctx context.Context, w *selectWorker, yield func(store.EventBatch) error) (store.EventStats, error)
	where    string // for the log
}

// selectWorker is what one goroutine of a Select uses again.
type selectWorker struct {
	number  int
	scratch *rowgroup.Scratch
	streams []rowgroup.Stream
}

// Select implements store.EventReader.
func (t *tenant) Select(ctx context.Context, q store.EventQuery, f func(int, store.EventBatch) error) (store.EventStats, error) {
	if q.Start >= q.End {
		return store.EventStats{}, nil
	}
	if ctx.Err() != nil {
		return store.EventStats{}, context.Cause(ctx)
	}
	s := &selection{t: t, q: q, query: rowgroup.Prepare(q), f: f}
	s.snapshot(q.Matchers, q.Start, q.End)
	defer s.release()
	var err error
	if q.Order == store.AnyOrder {
		err = s.parallel(ctx)
	} else {
		err = s.ordered(ctx)
	}
	t.s.metrics.selected(s.stats)
	return s.stats, err
}

// snapshot takes what there is at this moment: every record is in exactly one block or head.
func (s *selection) snapshot(matchers []*labels.Matcher, start, end int64) {
	s.blocks = s.t.s.blocks.Snapshot(s.t.name, start, end, func() {
		s.hide = s.t.s.deletions.of(s.t.name)
		for _, h := range s.t.s.headList() {
			for _, p := range h.all(s.t.name) {
				if x, ok := p.snapshot(matchers, start, end); ok {
					s.heads = append(s.heads, x)
					s.applied = append(s.applied, h.applied)
				}
			}
		}
	})
	s.stats.Blocks = int64(len(s.blocks))
}

func (s *selection) release() {
	for _, b := range s.blocks {
		b.Release()
	}
}

// worker returns one with a scratch of the pool.
func (s *selection) worker(n int) *selectWorker {
	return &selectWorker{number: n, scratch: s.t.s.scratches.Get().(*rowgroup.Scratch)}
}

func (s *selection) done(w *selectWorker) { s.t.s.scratches.Put(w.scratch) }

// run searches a unit. What is damaged is left out, and the log says so.
func (s *selection) run(ctx context.Context, u unit, w *selectWorker) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var stats store.EventStats
	var ended error // f's own
	err := vfs.Guard(func() (err error) {
		stats, err = u.run(ctx, w, func(b store.EventBatch) error {
			ended = s.f(w.number, b)
			return ended
		})
		return err
	})
	s.mu.Lock()
	s.stats.Add(stats)
	s.mu.Unlock()
	switch {
	case ended != nil:
		return ended
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && isDamage(err):
		s.t.s.damaged(u.where, err)
		return nil
	}
	return err
}

func isDamage(err error) bool {
	return errors.Is(err, medium.ErrCorrupt) || errors.Is(err, vfs.ErrFault)
}

func (s *Store) damaged(where string, err error) {
	s.metrics.damagedGroups.Inc()
	s.log.Error("records cannot be read and are left out of a search: `hulotte storage verify` tells of all damage", "where", where, "err", err)
}

// parallel searches with several goroutines, in no order.
func (s *selection) parallel(ctx context.Context) error {
	workers := s.q.Workers
	if workers <= 0 {
		workers = s.t.s.workers
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	units := make(chan unit, 2*workers)
	var group sync.WaitGroup
	for n := range workers {
		group.Go(func() {
			w := s.worker(n)
			defer s.done(w)
			for u := range units {
				if err := s.run(ctx, u, w); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := s.each(ctx, func(u unit) error {
		select {
		case units <- u:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(units)
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// each calls f with all units.
func (s *selection) each(ctx context.Context, f func(unit) error) error {
	for i := range s.heads {
		for _, u := range s.headUnits(i) {
			if err := f(u); err != nil {
				return err
			}
		}
	}
	for _, b := range s.blocks {
		units, err := s.blockUnits(ctx, b)
		if err != nil {
			return err
		}
		for _, u := range units {
			if err := f(u); err != nil {
				return err
			}
		}
	}
	return nil
}

// blockUnits returns the groups of a block that may hold something.
func (s *selection) blockUnits(ctx context.Context, b *block.Block) ([]unit, error) {
	dir, err := s.t.s.directories.of(ctx, b)
	if err != nil {
		if ctx.Err() == nil && isDamage(err) {
			s.t.s.damaged(b.Name(), err)
			return nil, nil
		}
		return nil, err
	}
	view := s.view(&dir.table, dir.match(s.q.Matchers), b.Entry().Applied)
	var out []unit
	for i := range dir.groups {
		g := &dir.groups[i]
		if u, ok := s.groupUnit(view, g.group, g.info, g.streams); ok {
			u.where = b.Name()
			out = append(out, u)
		}
	}
	return out, nil
}

// view is a table as a Select sees it.
type view struct {
	table  *table
	wanted []bool // by stream; nil is all
	hide   []hidden
}

// hidden is a deletion, and the streams that it concerns.
type hidden struct {
	query   *rowgroup.Query
	streams []bool // nil is all
}

func (s *selection) view(t *table, wanted []bool, applied []string) *view {
	v := &view{table: t, wanted: wanted}
	for _, d := range s.hide {
		if d.concerns(applied) && d.Start < s.q.End && d.End > s.q.Start {
			v.hide = append(v.hide, hidden{d.query, t.match(d.matchers)})
		}
	}
	return v
}

func (v *view) wants(stream uint32) bool { return v.wanted == nil || v.wanted[stream] }

// stream returns a stream of the table as rowgroup wants it.
func (v *view) stream(i uint32) rowgroup.Stream {
	out := rowgroup.Stream{Labels: v.table.labels[i], ID: v.table.ids[i], Wanted: v.wants(i)}
	for _, h := range v.hide {
		if h.streams == nil || h.streams[i] {
			out.Hide = append(out.Hide, h.query)
		}
	}
	return out
}

// groupUnit returns the unit of a group whose streams are those of the table, by the group's own numbers.
func (s *selection) groupUnit(v *view, g *rowgroup.Group, info rowgroup.Info, streams []uint32) (unit, bool) {
	u := unit{}
	found := false
	for _, r := range info.Runs {
		if r.MinTime >= s.q.End || r.MaxTime < s.q.Start || !v.wants(streams[r.Stream]) {
			continue
		}
		if !found {
			u.min, u.max, found = r.MinTime, r.MaxTime, true
		}
		u.min, u.max = min(u.min, r.MinTime), max(u.max, r.MaxTime)
	}
	u.run = func(ctx context.Context, w *selectWorker, yield func(store.EventBatch) error) (store.EventStats, error) {
		w.streams = w.streams[:0]
		for _, i := range streams {
			w.streams = append(w.streams, v.stream(i))
		}
		return g.Select(ctx, s.query, w.streams, w.scratch, yield)
	}
	return u, found
}

// headUnits returns what a part of the head has.
func (s *selection) headUnits(i int) []unit {
	x := &s.heads[i]
	v := s.view(&x.table, x.wanted, s.applied[i])
	var out []unit
	for _, g := range x.groups {
		if u, ok := s.groupUnit(v, g.group, g.info, g.streams); ok {
			u.where = "memory"
			out = append(out, u)
		}
	}
	for from := 0; from < len(x.parts); {
		to, rows := from, 0
		for to < len(x.parts) && (to == from || rows+x.parts[to].tail.rows <= rowgroup.MaxRows) {
			rows += x.parts[to].tail.rows
			to++
		}
		out = append(out, s.tailUnit(x.p.start, v, x.parts[from:to]))
		from = to
	}
	return out
}

// tailUnit returns the unit of records that are not encoded yet.
func (s *selection) tailUnit(dayStart int64, v *view, parts []jobPart) unit {
	u := unit{min: dayStart + int64(parts[0].tail.min), max: dayStart + int64(parts[0].tail.max), where: "memory"}
	for _, x := range parts {
		u.min, u.max = min(u.min, dayStart+int64(x.tail.min)), max(u.max, dayStart+int64(x.tail.max))
	}
	u.run = func(ctx context.Context, w *selectWorker, yield func(store.EventBatch) error) (store.EventStats, error) {
		var rows rowBuffer
		w.streams = w.streams[:0]
		for n, x := range parts {
			w.streams = append(w.streams, v.stream(x.stream))
			if err := rows.add(dayStart, uint32(n), x.tail); err != nil {
				return store.EventStats{}, err
			}
		}
		return rowgroup.SelectRows(ctx, rows.rows, s.query, w.streams, yield)
	}
	return u
}
