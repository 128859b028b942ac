package spans

import (
	"bytes"
	"cmp"
	"context"
	"reflect"
	"slices"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// Traces implements store.SpanReader.
func (t *tenant) Traces(ctx context.Context, ids []model.TraceID, start, end int64, limit int, f func(model.Trace) error) (store.SpanStats, error) {
	if ctx.Err() != nil {
		return store.SpanStats{}, context.Cause(ctx)
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, model.TraceID.Compare)
	ids = slices.Compact(ids)
	r := t.read(hint(start, end))
	defer r.close()
	found := map[model.TraceID]*assembly{}
	for _, id := range ids {
		found[id] = &assembly{}
	}
	if err := r.collect(ctx, ids, found); err != nil {
		return r.stats, err
	}
	for _, id := range ids {
		trace, ok := found[id].trace(id, limit)
		if !ok {
			continue
		}
		r.stats.SpansYielded += int64(trace.Len())
		if err := f(trace); err != nil {
			return r.stats, err
		}
	}
	return r.stats, nil
}

// collect gathers the spans of traces from wherever they lie.
func (r *reading) collect(ctx context.Context, ids []model.TraceID, found map[model.TraceID]*assembly) error {
	for i := range r.heads {
		h := &r.heads[i]
		for _, c := range h.chunks {
			if !c.mentions(ids) {
				continue
			}
			groups, err := decodeGroups(c.body, c.spans)
			if err != nil {
				return err
			}
			take(groups, found)
			r.stats.HeadSpans += int64(c.spans)
		}
		for _, g := range h.groups {
			if wanted := g.has(ids); len(wanted) > 0 {
				if err := r.from(ctx, "memory", g.group, wanted, found); err != nil {
					return err
				}
			}
		}
	}
	for _, b := range r.blocks {
		if err := r.fromBlock(ctx, b, ids, found); err != nil {
			return err
		}
	}
	return nil
}

// mentions says whether the bytes of an id are somewhere in the chunk; few chunks are decoded for nothing.
func (c *chunk) mentions(ids []model.TraceID) bool {
	if len(ids) > 8 {
		return true
	}
	return slices.ContainsFunc(ids, func(id model.TraceID) bool { return bytes.Contains(c.body, id[:]) })
}

// has returns the ids that the group may have.
func (g *memGroup) has(ids []model.TraceID) (out []model.TraceID) {
	for _, id := range ids {
		if slices.Contains(g.summary.TraceHashes, spangroup.HashTrace(id)) {
			out = append(out, id)
		}
	}
	return out
}

func (r *reading) fromBlock(ctx context.Context, b *block.Block, ids []model.TraceID, found map[model.TraceID]*assembly) error {
	c, err := r.t.s.directories.of(ctx, b)
	if r.leaveOut(ctx, b.Name(), err) {
		return nil
	}
	if err != nil {
		return err
	}
	r.stats.Groups += int64(len(c.dir.groups))
	wanted := map[int][]model.TraceID{}
	for _, id := range ids {
		var groups []int
		err := vfs.Guard(func() (err error) {
			groups, err = c.dir.lookup(ctx, b, spangroup.HashTrace(id))
			return err
		})
		if r.leaveOut(ctx, b.Name(), err) {
			groups, err = all(len(c.dir.groups)), nil // the groups may be sound although the index is not
		}
		if err != nil {
			return err
		}
		for _, n := range groups {
			wanted[n] = append(wanted[n], id)
		}
	}
	r.stats.GroupsSkipped += int64(len(c.dir.groups) - len(wanted))
	for n := range c.dir.groups {
		if len(wanted[n]) == 0 {
			continue
		}
		g, err := r.t.s.directories.open(c, n)
		if r.leaveOut(ctx, b.Name(), err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.from(ctx, b.Name(), g, wanted[n], found); err != nil {
			return err
		}
	}
	return nil
}

func all(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// from takes spans out of a group.
func (r *reading) from(ctx context.Context, where string, g *spangroup.Group, ids []model.TraceID, found map[model.TraceID]*assembly) error {
	var groups []model.SpanGroup
	var stats store.SpanStats
	err := vfs.Guard(func() (err error) {
		groups, stats, err = g.Trace(ids)
		return err
	})
	stats.Groups, stats.GroupsSkipped, stats.SpansYielded = 0, 0, 0 // counted by whoever knows the others
	r.stats.Add(stats)
	if r.leaveOut(ctx, where, err) {
		return nil
	}
	if err != nil {
		return err
	}
	take(groups, found)
	return nil
}

// assembly is the spans of a trace that were found until now.
type assembly struct{ spans []owned }

// owned is a span with what it belongs to.
type owned struct {
	resource *model.Resource
	scope    *model.Scope
	span     *model.Span
}

func take(groups []model.SpanGroup, found map[model.TraceID]*assembly) {
	for i := range groups {
		g := &groups[i]
		for k := range g.Spans {
			if a := found[g.Spans[k].TraceID]; a != nil {
				a.spans = append(a.spans, owned{g.Resource, g.Scope, &g.Spans[k]})
			}
		}
	}
}

// trace puts the spans together: sorted, each once, those of one resource and scope in one group.
func (a *assembly) trace(id model.TraceID, limit int) (model.Trace, bool) {
	if len(a.spans) == 0 {
		return model.Trace{}, false
	}
	slices.SortStableFunc(a.spans, func(x, y owned) int {
		return cmp.Or(cmp.Compare(x.span.Start, y.span.Start), bytes.Compare(x.span.ID[:], y.span.ID[:]))
	})
	spans := withoutRepeats(a.spans)
	out := model.Trace{ID: id}
	if limit > 0 && len(spans) > limit {
		out.Truncated = len(spans) - limit
		spans = spans[:limit]
	}
	var owners ownerTable
	for _, x := range spans {
		i := owners.of(x)
		if i == len(out.Groups) {
			out.Groups = append(out.Groups, model.SpanGroup{Resource: x.resource, Scope: x.scope})
		}
		g := &out.Groups[i]
		g.Spans = append(g.Spans, *x.span)
	}
	return out, true
}

// withoutRepeats takes out spans that are the same in everything. Equal ones have the same start and id.
func withoutRepeats(spans []owned) []owned {
	var out []owned
	first := 0 // of those with the start and id of the last one
	for _, x := range spans {
		if len(out) > 0 && (out[first].span.Start != x.span.Start || out[first].span.ID != x.span.ID) {
			first = len(out)
		}
		repeated := slices.ContainsFunc(out[first:], func(y owned) bool {
			return reflect.DeepEqual(x.span, y.span) && sameOwner(x, y)
		})
		if !repeated {
			out = append(out, x)
		}
	}
	return out
}

func sameOwner(x, y owned) bool {
	return (x.resource == y.resource || reflect.DeepEqual(x.resource, y.resource)) && (x.scope == y.scope || reflect.DeepEqual(x.scope, y.scope))
}

// ownerTable numbers resources with their scopes.
type ownerTable struct {
	known []owned
	byPtr map[[2]any]int
}

func (t *ownerTable) of(x owned) int {
	key := [2]any{x.resource, x.scope}
	if i, ok := t.byPtr[key]; ok {
		return i
	}
	if t.byPtr == nil {
		t.byPtr = map[[2]any]int{}
	}
	i := slices.IndexFunc(t.known, func(y owned) bool { return sameOwner(x, y) })
	if i < 0 {
		i = len(t.known)
		t.known = append(t.known, x)
	}
	t.byPtr[key] = i
	return i
}
