package logql

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// logQuery answers a log query that keeps its entries.
func (e *Engine) logQuery(ctx context.Context, log *LogExpr, req *Request, q *running) ([]Stream, error) {
	limit := req.Limit
	if limit == 0 {
		limit = e.opts.DefaultEntries
	}
	g := grouping{out: []Stream{}, at: map[uint64][]int{}}
	if err := e.scan(ctx, log, req, q, limit, g.add); err != nil {
		return nil, err
	}
	slices.SortFunc(g.out, func(a, b Stream) int { return labels.Compare(a.Labels, b.Labels) })
	return g.out, nil
}

// grouping collects entries by their labels.
type grouping struct {
	out []Stream
	at  map[uint64][]int
}

func (g *grouping) add(l labels.Labels, x Entry) error {
	h := l.Hash()
	for _, i := range g.at[h] {
		if labels.Equal(g.out[i].Labels, l) {
			g.out[i].Entries = append(g.out[i].Entries, x)
			return nil
		}
	}
	g.at[h] = append(g.at[h], len(g.out))
	g.out = append(g.out, Stream{Labels: l, Entries: []Entry{x}})
	return nil
}

// timeRange returns from when on and before when a log query looks.
func (e *Engine) timeRange(req *Request) (start, end int64) {
	if req.Instant() {
		end = nanos(req.End)
		return nanos(req.End.Add(-e.opts.InstantLookback)), end + min(1, math.MaxInt64-end)
	}
	return nanos(req.Start), nanos(req.End)
}

// nanos is UnixNano for any time: those that do not fit are the first or the last.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// scan calls f with the entries in strict order, as many as limit; 0 is all.
func (e *Engine) scan(ctx context.Context, log *LogExpr, req *Request, q *running, limit int, f func(labels.Labels, Entry) error) error {
	p, err := compile(log, need{Line: true, All: true})
	if err != nil {
		return err
	}
	start, end := e.timeRange(req)
	query := p.query(start, end)
	o := &inOrder{backward: req.Direction == Backward, left: limit, limited: limit > 0, interval: int64(req.Interval), f: f}
	query.Order = store.Forward
	if o.backward {
		query.Order = store.Backward
	}
	query.Enough = o.enough
	r := p.runner()
	stats, err := q.reader.Select(ctx, query, func(_ int, b store.EventBatch) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return r.each(b, o.backward, o.wanted, func(x *record) error {
			l, entry := r.entry(x, req.Categorize)
			entry.Line = strings.Clone(entry.Line)
			o.add(l, entry)
			return nil
		})
	})
	q.addStats(stats)
	if err == nil {
		err = o.failed
	}
	if err != nil {
		return err
	}
	return o.flush(nil)
}

// entry is the record as an answer has it. Its line is valid as long as the record.
func (r *runner) entry(x *record, categorize bool) (labels.Labels, Entry) {
	entry := Entry{Time: x.time, Line: x.line, Structured: r.intern.of(x.eachStructured), Parsed: r.intern.of(x.eachMade)}
	if categorize {
		return r.intern.of(x.eachStream), entry
	}
	return r.intern.of(x.each), entry
}

// inOrder brings entries of batches that overlap in time into strict order. It keeps those of which it does not know yet whether
// others come between, and no more than are still wanted.
type inOrder struct {
	backward bool
	limited  bool
	left     int // how many are wanted, when limited
	interval int64
	f        func(labels.Labels, Entry) error

	pending []pendingEntry
	sorted  bool
	bounded bool  // only entries nearer than bound are wanted
	bound   int64 // of the worst that is pending, when these are enough
	last    int64 // time of the last that was handed out
	any     bool
	failed  error
}

type pendingEntry struct {
	labels labels.Labels
	entry  Entry
}

// nearer says whether an entry at time a comes before one at b.
func (o *inOrder) nearer(a, b int64) bool {
	if o.backward {
		return a > b
	}
	return a < b
}

// wanted says whether an entry at that time could be one of those that are wanted.
func (o *inOrder) wanted(t int64) bool { return !o.bounded || o.nearer(t, o.bound) }

func (o *inOrder) add(l labels.Labels, x Entry) {
	o.pending = append(o.pending, pendingEntry{l, x})
	o.sorted = false
	if o.limited && o.interval == 0 && len(o.pending) >= 2*o.left+100 {
		o.cut()
	}
}

// cut forgets pending entries that are too many.
func (o *inOrder) cut() {
	o.sort()
	if len(o.pending) >= o.left {
		clear(o.pending[o.left:])
		o.pending = o.pending[:o.left]
		if o.bounded = o.left > 0; o.bounded {
			o.bound = o.pending[o.left-1].entry.Time
		}
	}
}

func (o *inOrder) sort() {
	if o.sorted {
		return
	}
	slices.SortStableFunc(o.pending, func(a, b pendingEntry) int {
		switch {
		case o.nearer(a.entry.Time, b.entry.Time):
			return -1
		case o.nearer(b.entry.Time, a.entry.Time):
			return 1
		}
		return labels.Compare(a.labels, b.labels)
	})
	o.sorted = true
}

// enough hands out what nothing can come before any more, and says whether that is all that is wanted.
func (o *inOrder) enough(next int64) bool {
	if o.limited && o.interval == 0 {
		o.cut()
	}
	o.failed = o.flush(&next)
	return o.failed != nil || o.limited && o.left == 0
}

// flush hands out the entries before next, or all.
func (o *inOrder) flush(next *int64) error {
	o.sort()
	n := 0
	defer func() {
		o.pending = slices.Delete(o.pending, 0, n)
		o.bounded = o.bounded && len(o.pending) > 0
	}()
	for n < len(o.pending) && (next == nil || o.nearer(o.pending[n].entry.Time, *next)) {
		if o.limited && o.left == 0 {
			return nil
		}
		x := &o.pending[n]
		n++
		if o.any && o.interval > 0 && max(x.entry.Time-o.last, o.last-x.entry.Time) < o.interval {
			continue
		}
		o.any, o.last = true, x.entry.Time
		o.left--
		if err := o.f(x.labels, x.entry); err != nil {
			return err
		}
	}
	return nil
}

// each calls f with the entries in any order, by several goroutines.
func (e *Engine) each(ctx context.Context, log *LogExpr, req *Request, q *running, f func(int, labels.Labels, Entry) error) error {
	p, err := compile(log, need{Line: true, All: true})
	if err != nil {
		return err
	}
	start, end := e.timeRange(req)
	query := p.query(start, end)
	query.Order, query.Workers = store.AnyOrder, e.Workers()
	runners := make([]*runner, query.Workers)
	stats, err := q.reader.Select(ctx, query, func(worker int, b store.EventBatch) error {
		if runners[worker] == nil {
			runners[worker] = p.runner()
		}
		r := runners[worker]
		return r.each(b, false, nil, func(x *record) error {
			l, entry := r.entry(x, req.Categorize)
			return f(worker, l, entry)
		})
	})
	q.addStats(stats)
	return err
}
