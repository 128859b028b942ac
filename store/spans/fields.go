package spans

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

const (
	defaultValues = 1000
	// groupValues bounds the values that one group adds: more are of no use to who picks one, and take memory.
	groupValues = 10_000
)

// SpanFields implements store.SpanReader.
func (t *tenant) SpanFields(ctx context.Context, start, end int64, limit int) ([]store.SpanFieldInfo, error) {
	var mu sync.Mutex
	sums := fieldSums{}
	err := t.eachUnit(ctx, start, end, func(r *reading, u unit) error {
		fields, err := u.fields()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		sums.add(fields)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sums.list(limit), nil
}

// eachUnit calls f with everything that may hold spans of the time, from several goroutines.
func (t *tenant) eachUnit(ctx context.Context, start, end int64, f func(*reading, unit) error) error {
	start, end = hint(start, end)
	if start >= end {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := t.read(start, end)
	defer r.close()
	units, err := r.units(ctx, start, end)
	if err != nil {
		return err
	}
	return parallel(ctx, t.s.workers, units, func(_ int, u unit) error {
		err := vfs.Guard(func() error { return f(r, u) })
		if r.leaveOut(ctx, u.where, err) {
			return nil
		}
		return err
	})
}

func (u *unit) fields() ([]store.SpanFieldInfo, error) {
	if u.open == nil {
		groups, err := decodeChunks(u.chunks)
		if err != nil {
			return nil, err
		}
		return fieldsOf(groups), nil
	}
	g, err := u.open()
	if err != nil {
		return nil, err
	}
	return g.Fields()
}

// fieldSums adds up what groups tell of their fields, by kind of value.
type fieldSums map[store.SpanField]*[model.BytesValue + 1]int64

func (s fieldSums) add(fields []store.SpanFieldInfo) {
	for _, x := range fields {
		s.note(x.SpanField, x.Kind, x.Spans)
	}
}

func (s fieldSums) note(f store.SpanField, kind model.ValueKind, n int64) {
	if s[f] == nil {
		s[f] = new([model.BytesValue + 1]int64)
	}
	s[f][kind] += n
}

func (s fieldSums) list(limit int) []store.SpanFieldInfo {
	out := make([]store.SpanFieldInfo, 0, len(s))
	for f, byKind := range s {
		info := store.SpanFieldInfo{SpanField: f}
		most := int64(-1)
		for kind, n := range byKind {
			info.Spans += n
			if n > most {
				info.Kind, most = model.ValueKind(kind), n
			}
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b store.SpanFieldInfo) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name))
	})
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}

// fieldsOf looks at spans in memory.
func fieldsOf(groups []model.SpanGroup) []store.SpanFieldInfo {
	sums := fieldSums{}
	note := func(scope store.SpanScope, list []model.Attribute, n int64) {
		for i := range list {
			sums.note(store.SpanField{Scope: scope, Name: list[i].Key}, list[i].Value.Kind, n)
		}
	}
	for i := range groups {
		g := &groups[i]
		note(store.OnResource, g.Resource.Attributes, int64(len(g.Spans)))
		note(store.OnScope, g.Scope.Attributes, int64(len(g.Spans)))
		for k := range g.Spans {
			s := &g.Spans[k]
			note(store.OnSpan, s.Attributes, 1)
			for e := range s.Events {
				note(store.OnEvent, s.Events[e].Attributes, 1)
			}
			for l := range s.Links {
				note(store.OnLink, s.Links[l].Attributes, 1)
			}
		}
	}
	return sums.list(0)
}

// SpanValues implements store.SpanReader.
func (t *tenant) SpanValues(ctx context.Context, field store.SpanField, start, end int64, filter *store.SpanFilter, limit int) ([]store.SpanValueInfo, error) {
	if limit <= 0 {
		limit = defaultValues
	}
	start, end = hint(start, end)
	var mu sync.Mutex
	var sums spangroup.Values
	err := t.eachUnit(ctx, start, end, func(r *reading, u unit) error {
		values, stats, err := u.values(field, start, end, filter)
		r.add(stats)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for _, x := range values {
			sums.Add(x.Value, x.Spans)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sums.List(limit), nil
}

func (u *unit) values(field store.SpanField, start, end int64, filter *store.SpanFilter) ([]store.SpanValueInfo, store.SpanStats, error) {
	if u.open == nil {
		groups, err := decodeChunks(u.chunks)
		if err != nil {
			return nil, store.SpanStats{}, err
		}
		return valuesOf(groups, field, start, end, filter), store.SpanStats{HeadSpans: spansOf(groups)}, nil
	}
	g, err := u.open()
	if err != nil {
		return nil, store.SpanStats{}, err
	}
	if filter != nil && g.Skip(store.SpanQuery{Start: start, End: end, Filter: filter}) {
		return nil, store.SpanStats{Groups: 1, GroupsSkipped: 1}, nil
	}
	return g.Values(field, start, end, filter, groupValues)
}

func spansOf(groups []model.SpanGroup) (n int64) {
	for i := range groups {
		n += int64(len(groups[i].Spans))
	}
	return n
}

// valuesOf looks at spans in memory.
func valuesOf(groups []model.SpanGroup, field store.SpanField, start, end int64, filter *store.SpanFilter) []store.SpanValueInfo {
	var sums spangroup.Values
	for i := range groups {
		g := &groups[i]
		for k := range g.Spans {
			if s := &g.Spans[k]; s.Start >= start && s.Start < end && filter.Passes(g, s) {
				sums.AddSpan(field, g, s)
			}
		}
	}
	return sums.List(groupValues)
}
