package rowgroup

import (
	"context"
	"slices"

	"github.com/hulotte-dev/hulotte/store"
)

// Select calls f with the records that q selects and whose stream is wanted, one batch for each run of a stream that has
// any, in the order of the runs. streams is the caller's table, which the runs point into; it is long enough for all of them. An error of f is
// returned as it is. What turns out to be damaged while f reads a batch ends f by a panic, which Select turns into its error. The statistics tell of
// this group alone.
func (g *Group) Select(ctx context.Context, q *Query, streams []Stream, s *Scratch, f func(store.EventBatch) error) (stats store.EventStats, err error) {
	stats.Groups = 1
	if err := ctx.Err(); err != nil {
		return stats, context.Cause(ctx)
	}
	if !g.total(q, streams, &stats) {
		stats.GroupsSkipped = 1
		return stats, nil
	}
	s.reset()
	skip, read, err := g.skips(ctx, q, streams, s)
	stats.BytesRead += read
	if err != nil || skip {
		stats.GroupsSkipped = int64(flag(err == nil, 1))
		return stats, err
	}
	r, err := g.newReading(ctx, s)
	if err != nil {
		return stats, err
	}
	defer func() {
		stats.BytesRead += r.read
		if x := recover(); x != nil {
			d, ok := x.(damaged)
			if !ok {
				panic(x)
			}
			err = d.error
		}
	}()
	sel := r.selected(q, streams, &stats)
	if r.err != nil || sel.empty() {
		return stats, r.err
	}
	err = r.yield(sel, streams, &stats, f)
	return stats, err
}

// damaged is the panic of a batch whose columns cannot be read.
type damaged struct{ error }

// total counts the records of the wanted streams in the range, as if they were spread evenly, and says whether there are any.
func (g *Group) total(q *Query, streams []Stream, stats *store.EventStats) bool {
	any := false
	for _, run := range g.info.Runs {
		if !q.wants(&run, streams) {
			continue
		}
		any = true
		share := q.share(&run)
		stats.RecordsTotal += int64(share * float64(run.Rows))
		stats.BytesAll += int64(share * float64(run.Bytes))
	}
	return any
}

func (q *Query) wants(run *Run, streams []Stream) bool {
	return run.MinTime < q.end && run.MaxTime >= q.start && streams[run.Stream].Wanted
}

// share is how much of the run's time lies in the range.
func (q *Query) share(run *Run) float64 {
	if run.MinTime >= q.start && run.MaxTime < q.end {
		return 1
	}
	return float64(min(run.MaxTime, q.end)-max(run.MinTime, q.start)) / float64(run.MaxTime-run.MinTime)
}

// skips says whether the filters of the group exclude all of its records.
func (g *Group) skips(ctx context.Context, q *Query, streams []Stream, s *Scratch) (bool, int64, error) {
	k := skipper{g: g, ctx: ctx, s: s}
	skip := !k.mayPass(q.filters)
	for i := range q.hints {
		h := &q.hints[i]
		skip = skip || !g.labelled(q, streams, h) && k.skips(h)
	}
	return skip && k.err == nil, k.read, k.err
}

// labelled says whether a wanted stream has a label of the hint's name: the hint does not apply to its records.
func (g *Group) labelled(q *Query, streams []Stream, h *hint) bool {
	return slices.ContainsFunc(g.info.Runs, func(r Run) bool { return q.wants(&r, streams) && hasLabel(&streams[r.Stream], h) })
}

// selected is the records that pass.
func (r *reading) selected(q *Query, streams []Stream, stats *store.EventStats) bitmap {
	sel := r.none(r.g.info.Rows)
	for _, run := range r.g.info.Runs {
		if !q.wants(&run, streams) {
			continue
		}
		first, end := r.inRange(&run, q)
		sel.setRange(first, end)
		stats.RecordsRead += int64(end - first)
		stats.BytesSearched += run.Bytes * int64(end-first) / int64(run.Rows)
	}
	for i := range q.hints {
		if r.err == nil && !sel.empty() {
			r.applyHint(sel, &q.hints[i], streams)
		}
	}
	r.applyFilters(sel, q)
	for _, run := range r.g.info.Runs {
		for _, hide := range streams[run.Stream].Hide {
			if r.err == nil && q.wants(&run, streams) {
				r.hide(sel, &run, hide)
			}
		}
	}
	return sel
}

// inRange is the records of a run that are in the range of time.
func (r *reading) inRange(run *Run, q *Query) (first, end int) {
	first, end = run.First, run.First+run.Rows
	if run.MinTime >= q.start && run.MaxTime < q.end {
		return first, end
	}
	times := r.loadTimes()
	if r.err != nil {
		return first, first
	}
	from, _ := slices.BinarySearch(times[first:end], q.start)
	to, _ := slices.BinarySearch(times[first:end], q.end)
	return first + from, first + max(from, to)
}

// hide takes the records of a run that a deletion is about out of sel.
func (r *reading) hide(sel bitmap, run *Run, q *Query) {
	if run.MinTime >= q.end || run.MaxTime < q.start {
		return
	}
	gone := r.none(r.g.info.Rows)
	gone.setRange(r.inRange(run, q))
	gone.and(sel)
	r.applyFilters(gone, q)
	if r.err == nil {
		sel.andNot(gone)
	}
}

// applyFilters takes the records that do not pass out of sel.
func (r *reading) applyFilters(sel bitmap, q *Query) {
	for i := range q.filters {
		if r.err != nil || sel.empty() {
			return
		}
		f := &q.filters[i]
		pass := r.passing(sel, f)
		switch {
		case r.err != nil:
		case pass == nil && !f.Not:
			clear(sel)
		case f.Not && pass != nil:
			sel.andNot(pass)
		case !f.Not:
			sel.and(pass)
		}
	}
}

// passing is the records of sel that have a text which passes, before Not; nil: none.
func (r *reading) passing(sel bitmap, f *filter) bitmap {
	out := r.matching(r.dir.lines, f, sel)
	if !f.AnyField || r.dir.fields == noColumn {
		return out
	}
	if packed := r.dir.packed(); packed != noColumn {
		return r.packedPassing(out, packed, f, sel)
	}
	fields := &r.dir.columns[r.dir.fields]
	for _, index := range r.children(r.dir.fields) {
		out = r.lift(out, index, fields, r.matching(index, f, nil))
	}
	return out
}

// matching is the values of a column that pass; nil: none. Only those of within are looked at, unless it is nil.
func (r *reading) matching(index int, f *filter, within bitmap) bitmap {
	c := &r.dir.columns[index]
	switch c.kind {
	case kindConst, kindDict:
		return r.findDict(index, c, f.text)
	case kindAlias:
		return r.matching(c.inner, f, within)
	case kindIndirect:
		return r.spread(index, c, r.matching(c.inner, f, nil))
	}
	var out bitmap
	for _, any := range f.needles {
		var found bitmap
		for _, n := range any {
			if one := r.find(index, n, f.Fold); found == nil {
				found = one
			} else if one != nil {
				found.or(one)
			}
		}
		if found == nil || r.err != nil {
			return nil
		}
		if out == nil {
			out = found
		} else {
			out.and(found)
		}
	}
	if out == nil {
		out = r.full(c.n)
	}
	if f.Match == nil {
		return out
	}
	if within != nil {
		out.and(within)
	}
	for i := range out.all {
		r.buf = r.append(r.buf[:0], index, i)
		if r.err != nil {
			return nil
		}
		if !f.Match(textOf(r.buf)) {
			out.clear(i)
		}
	}
	return out
}

// yield hands the selected records on.
func (r *reading) yield(sel bitmap, streams []Stream, stats *store.EventStats, f func(store.EventBatch) error) error {
	most := sel.count()*2 > r.g.info.Rows
	for _, run := range r.g.info.Runs {
		n := sel.countRange(run.First, run.First+run.Rows)
		if n == 0 {
			continue
		}
		b := &batch{r: r, stream: &streams[run.Stream], rows: r.s.codes.take(n)[:0], most: most, oldest: run.MinTime, newest: run.MaxTime}
		for i := range sel.in(run.First, run.First+run.Rows) {
			b.rows = append(b.rows, uint32(i)) //nolint:gosec // below MaxRows
		}
		stats.RecordsYielded += int64(n)
		if err := f(b); err != nil {
			return err
		}
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
	}
	return r.err
}
