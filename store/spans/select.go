package spans

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// reading is one call of a reader: what there was at one moment.
type reading struct {
	t      *tenant
	blocks []*block.Block // acquired
	heads  []snapshot

	mu    sync.Mutex
	stats store.SpanStats
}

// read takes what there is at start <= time < end at this moment: every span is in exactly one block or head. The caller closes it.
func (t *tenant) read(start, end int64) *reading {
	r := &reading{t: t}
	r.blocks = t.s.blocks.Snapshot(t.name, start, end, func() {
		for _, h := range t.s.headList() {
			for _, p := range h.all(t.name) {
				if x, ok := p.snapshot(start, end); ok {
					r.heads = append(r.heads, x)
				}
			}
		}
	})
	r.stats.Blocks = int64(len(r.blocks))
	return r
}

func (r *reading) close() {
	for _, b := range r.blocks {
		b.Release()
	}
	r.t.s.metrics.note(r.stats)
}

func (r *reading) add(stats store.SpanStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Add(stats)
}

func isDamage(err error) bool {
	return errors.Is(err, medium.ErrCorrupt) || errors.Is(err, vfs.ErrFault)
}

// leaveOut says whether an error is damage, which a reading goes on without; it is logged and counted.
func (r *reading) leaveOut(ctx context.Context, where string, err error) bool {
	if err == nil || ctx.Err() != nil || !isDamage(err) {
		return false
	}
	r.t.s.metrics.damaged.Inc()
	r.t.s.log.Error("spans cannot be read and are left out of a search: `hulotte storage verify` tells of all damage", "where", where, "err", err)
	return true
}

// unit is what is searched in one go: a group, or spans of the head that are not encoded. Everything in it is at min or later and at max or earlier.
type unit struct {
	min, max int64
	where    string // for the log
	open     func() (*spangroup.Group, error)
	chunks   []chunk // when open is nil
}

// units returns what may hold spans of the time; what is damaged is left out.
func (r *reading) units(ctx context.Context, start, end int64) ([]unit, error) {
	var out []unit
	for i := range r.heads {
		h := &r.heads[i]
		for _, g := range h.groups {
			out = append(out, unit{min: g.summary.First, max: g.summary.Last, where: "memory", open: func() (*spangroup.Group, error) { return g.group, nil }})
		}
		out = append(out, chunkUnits(h.chunks)...)
	}
	for _, b := range r.blocks {
		c, err := r.t.s.directories.of(ctx, b)
		if r.leaveOut(ctx, b.Name(), err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for n, g := range c.dir.groups {
			if g.summary.First < end && g.summary.Last >= start {
				out = append(out, unit{min: g.summary.First, max: g.summary.Last, where: b.Name(), open: func() (*spangroup.Group, error) { return r.t.s.directories.open(c, n) }})
			}
		}
	}
	return out, nil
}

// chunkUnits puts chunks together, some group's worth in each.
func chunkUnits(chunks []chunk) (out []unit) {
	spans := 0
	for i, c := range chunks {
		if i == 0 || spans+c.spans > spangroup.MaxSpans {
			out = append(out, unit{min: c.min, max: c.max, where: "memory"})
			spans = 0
		}
		u := &out[len(out)-1]
		u.min, u.max = min(u.min, c.min), max(u.max, c.max)
		u.chunks = append(u.chunks, c)
		spans += c.spans
	}
	return out
}

// SelectSpans implements store.SpanReader.
func (t *tenant) SelectSpans(ctx context.Context, q store.SpanQuery, f func(worker int, b store.SpanBatch) error) (store.SpanStats, error) {
	if q.Start >= q.End {
		return store.SpanStats{}, nil
	}
	if ctx.Err() != nil {
		return store.SpanStats{}, context.Cause(ctx)
	}
	r := t.read(q.Start, q.End)
	defer r.close()
	units, err := r.units(ctx, q.Start, q.End)
	if err != nil {
		return r.stats, err
	}
	work := func(worker int, u unit) error {
		return r.search(ctx, u, q, func(b store.SpanBatch) error { return f(worker, b) })
	}
	if q.Order == store.AnyOrder {
		workers := q.Workers
		if workers <= 0 {
			workers = t.s.workers
		}
		err = parallel(ctx, workers, units, work)
	} else {
		err = ordered(ctx, q, units, work)
	}
	return r.stats, err
}

// search searches a unit. What is damaged is left out, and the log says so.
func (r *reading) search(ctx context.Context, u unit, q store.SpanQuery, f func(store.SpanBatch) error) error {
	var stats store.SpanStats
	var ended error // f's own
	err := vfs.Guard(func() (err error) {
		stats, err = u.search(q, func(b store.SpanBatch) error {
			ended = f(b)
			return ended
		})
		return err
	})
	r.add(stats)
	switch {
	case ended != nil:
		return ended
	case r.leaveOut(ctx, u.where, err):
		return nil
	}
	return err
}

func (u *unit) search(q store.SpanQuery, f func(store.SpanBatch) error) (store.SpanStats, error) {
	if u.open == nil {
		groups, err := decodeChunks(u.chunks)
		if err != nil {
			return store.SpanStats{}, err
		}
		return spangroup.Slice(groups, q, f)
	}
	g, err := u.open()
	if err != nil {
		return store.SpanStats{}, err
	}
	if g.Skip(q) {
		return store.SpanStats{Groups: 1, GroupsSkipped: 1}, nil
	}
	return g.Select(q, f)
}

// parallel works on units with several goroutines, in no order.
func parallel(ctx context.Context, workers int, units []unit, work func(worker int, u unit) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan unit)
	var group sync.WaitGroup
	for n := range min(workers, len(units)) {
		group.Go(func() {
			for u := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := work(n, u); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, u := range units {
		next <- u
	}
	close(next)
	group.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// ordered works on one unit after the other, in order of time, until there is enough.
func ordered(ctx context.Context, q store.SpanQuery, units []unit, work func(worker int, u unit) error) error {
	backward := q.Order == store.Backward
	slices.SortStableFunc(units, func(a, b unit) int {
		if backward {
			return cmp.Compare(b.max, a.max)
		}
		return cmp.Compare(a.min, b.min)
	})
	for _, u := range units {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		next := u.min
		if backward {
			next = u.max
		}
		if q.Enough != nil && q.Enough(next) {
			return nil
		}
		if err := work(0, u); err != nil {
			return err
		}
	}
	return nil
}

// hint returns the range that a range of 0, 0 stands for: everything.
func hint(start, end int64) (int64, int64) {
	if start == 0 && end == 0 {
		return math.MinInt64, math.MaxInt64
	}
	return start, end
}
