// Package spanstest is for the tests of those who use store.Spans and of those who implement it: Memory, the simplest implementation that
// keeps the contract, and Test, the suite that every implementation passes.
package spanstest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Memory keeps spans in a list and looks at every one of them. Its zero value is empty and ready for use.
type Memory struct {
	mu    sync.Mutex
	spans []held // by trace, start, id
}

// held is one span with what it belongs to.
type held struct {
	group model.SpanGroup // without spans
	span  model.Span
}

// AppendSpans implements store.SpanAppender. It refuses nothing.
func (m *Memory) AppendSpans(_ context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range groups {
		owner := model.SpanGroup{Resource: cloneResource(g.Resource), Scope: cloneScope(g.Scope)}
		for _, s := range g.Spans {
			m.spans = append(m.spans, held{owner, CloneSpan(s)})
		}
	}
	slices.SortStableFunc(m.spans, func(a, b held) int {
		return cmp.Or(a.span.TraceID.Compare(b.span.TraceID), cmp.Compare(a.span.Start, b.span.Start), slices.Compare(a.span.ID[:], b.span.ID[:]))
	})
	return nil, nil
}

// Traces implements store.SpanReader.
func (m *Memory) Traces(ctx context.Context, ids []model.TraceID, start, end int64, limit int, f func(model.Trace) error) (store.SpanStats, error) {
	var stats store.SpanStats
	for _, id := range ids {
		spans := m.matching(func(h held) bool {
			return h.span.TraceID == id && (start == 0 && end == 0 || h.span.Start >= start && h.span.Start < end)
		})
		spans = withoutRepeats(spans)
		if len(spans) == 0 {
			continue
		}
		t := model.Trace{ID: id}
		if limit > 0 && len(spans) > limit {
			t.Truncated = len(spans) - limit
			spans = spans[:limit]
		}
		t.Groups = grouped(spans)
		stats.SpansYielded += int64(len(spans))
		if err := f(t); err != nil {
			return stats, err
		}
		if err := ctx.Err(); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

// SelectSpans implements store.SpanReader. Each batch is one trace.
func (m *Memory) SelectSpans(ctx context.Context, q store.SpanQuery, f func(int, store.SpanBatch) error) (store.SpanStats, error) {
	var stats store.SpanStats
	batches := m.batches(q)
	time := func(b *batch) int64 { return b.spans[0].span.Start }
	switch q.Order {
	case store.Forward:
		slices.SortStableFunc(batches, func(a, b *batch) int { return cmp.Compare(time(a), time(b)) })
	case store.Backward:
		time = func(b *batch) int64 { return b.newest }
		slices.SortStableFunc(batches, func(a, b *batch) int { return cmp.Compare(time(b), time(a)) })
	}
	for _, b := range batches {
		if q.Order != store.AnyOrder && q.Enough != nil && q.Enough(time(b)) {
			return stats, nil
		}
		if err := ctx.Err(); err != nil {
			return stats, err
		}
		stats.HeadSpans += int64(len(b.spans))
		stats.SpansYielded += int64(len(b.spans))
		if err := f(0, b); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

func (m *Memory) batches(q store.SpanQuery) (out []*batch) {
	spans := withoutRepeats(m.matching(func(h held) bool { return h.span.Start >= q.Start && h.span.Start < q.End }))
	for first := 0; first < len(spans); {
		end := first + 1
		for end < len(spans) && spans[end].span.TraceID == spans[first].span.TraceID {
			end++
		}
		if b := newBatch(spans[first:end], q); b != nil {
			out = append(out, b)
		}
		first = end
	}
	return out
}

// SpanFields implements store.SpanReader.
func (m *Memory) SpanFields(_ context.Context, start, end int64, limit int) ([]store.SpanFieldInfo, error) {
	found := map[store.SpanField]*store.SpanFieldInfo{}
	note := func(scope store.SpanScope, attributes []model.Attribute) {
		for _, a := range attributes {
			key := store.SpanField{Scope: scope, Name: a.Key}
			if found[key] == nil {
				found[key] = &store.SpanFieldInfo{SpanField: key, Kind: a.Value.Kind}
			}
			found[key].Spans++
		}
	}
	for _, h := range m.matching(func(h held) bool { return h.span.Start >= start && h.span.Start < end }) {
		note(store.OnSpan, h.span.Attributes)
		note(store.OnResource, h.group.Resource.Attributes)
		note(store.OnScope, h.group.Scope.Attributes)
		for _, e := range h.span.Events {
			note(store.OnEvent, e.Attributes)
		}
		for _, l := range h.span.Links {
			note(store.OnLink, l.Attributes)
		}
	}
	var out []store.SpanFieldInfo
	for _, info := range found {
		out = append(out, *info)
	}
	slices.SortFunc(out, func(a, b store.SpanFieldInfo) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), strings.Compare(a.Name, b.Name))
	})
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

// SpanValues implements store.SpanReader.
func (m *Memory) SpanValues(_ context.Context, field store.SpanField, start, end int64, filter *store.SpanFilter, limit int) ([]store.SpanValueInfo, error) {
	var out []store.SpanValueInfo
	for _, h := range m.matching(func(h held) bool {
		return h.span.Start >= start && h.span.Start < end && filter.Passes(&h.group, &h.span)
	}) {
		field.Each(&h.group, &h.span, func(v model.Value) bool {
			for i := range out {
				if out[i].Value.Equal(v) {
					out[i].Spans++
					return true
				}
			}
			out = append(out, store.SpanValueInfo{Value: v, Spans: 1})
			return true
		})
	}
	slices.SortFunc(out, func(a, b store.SpanValueInfo) int {
		return cmp.Or(cmp.Compare(b.Spans, a.Spans), a.Value.Compare(b.Value))
	})
	if limit == 0 {
		limit = 1000
	}
	return out[:min(limit, len(out))], nil
}

func (m *Memory) matching(ok func(held) bool) (out []held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.spans {
		if ok(h) {
			out = append(out, h)
		}
	}
	return out
}

// withoutRepeats leaves out spans that are the same in everything as one before.
func withoutRepeats(spans []held) (out []held) {
	for i, h := range spans {
		first := i
		for first > 0 && spans[first-1].span.TraceID == h.span.TraceID && spans[first-1].span.Start == h.span.Start {
			first--
		}
		if !slices.ContainsFunc(spans[first:i], func(x held) bool {
			return sameOwner(x.group, h.group) && EqualSpans(x.span, h.span)
		}) {
			out = append(out, h)
		}
	}
	return out
}

func grouped(spans []held) (out []model.SpanGroup) {
	for _, h := range spans {
		i := slices.IndexFunc(out, func(g model.SpanGroup) bool { return sameOwner(g, h.group) })
		if i < 0 {
			i = len(out)
			out = append(out, h.group)
		}
		out[i].Spans = append(out[i].Spans, CloneSpan(h.span))
	}
	return out
}

// batch is the spans of one trace.
type batch struct {
	spans  []held
	passed []uint64
	newest int64
}

func newBatch(spans []held, q store.SpanQuery) *batch {
	b := &batch{newest: math.MinInt64}
	for _, h := range spans {
		pass := q.Filter.Passes(&h.group, &h.span)
		if !pass && !q.WholeTraces {
			continue
		}
		i := len(b.spans)
		b.spans = append(b.spans, h)
		b.newest = max(b.newest, h.span.Start)
		if i/64 >= len(b.passed) {
			b.passed = append(b.passed, 0)
		}
		if pass {
			b.passed[i/64] |= 1 << (i % 64)
		}
	}
	if !slices.ContainsFunc(b.passed, func(w uint64) bool { return w != 0 }) {
		return nil
	}
	if !q.WholeTraces {
		b.passed = nil
	}
	return b
}

func (b *batch) Len() int         { return len(b.spans) }
func (b *batch) Passed() []uint64 { return b.passed }
func (b *batch) Traces() []store.SpanRun {
	return []store.SpanRun{{Trace: b.spans[0].span.TraceID, End: len(b.spans)}}
}
func (b *batch) IDs() []model.SpanID {
	return each(b, func(s *model.Span) model.SpanID { return s.ID })
}
func (b *batch) Parents() []model.SpanID {
	return each(b, func(s *model.Span) model.SpanID { return s.Parent })
}
func (b *batch) Starts() []int64    { return each(b, func(s *model.Span) int64 { return s.Start }) }
func (b *batch) Durations() []int64 { return each(b, func(s *model.Span) int64 { return s.Duration }) }

func each[T any](b *batch, f func(*model.Span) T) []T {
	out := make([]T, len(b.spans))
	for i := range b.spans {
		out[i] = f(&b.spans[i].span)
	}
	return out
}

func (b *batch) Column(f store.SpanField) (c store.ValueColumn) {
	c.Codes, c.Missing = make([]uint32, len(b.spans)), make([]uint64, (len(b.spans)+63)/64)
	for i := range b.spans {
		found := false
		f.Each(&b.spans[i].group, &b.spans[i].span, func(v model.Value) bool {
			found = true
			c.Codes[i] = uint32(len(c.Dict))
			c.Dict = append(c.Dict, v)
			return false
		})
		if !found {
			c.Missing[i/64] |= 1 << (i % 64)
		}
	}
	if c.Dict == nil {
		return store.ValueColumn{}
	}
	return c
}

func (b *batch) Groups(rows []int) ([]model.SpanGroup, error) {
	var some []held
	for _, i := range rows {
		some = append(some, b.spans[i])
	}
	return grouped(some), nil
}
