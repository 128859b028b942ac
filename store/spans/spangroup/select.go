package spangroup

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// Skip says that no span of the group can be what q asks for, by the directory alone.
func (g *Group) Skip(q store.SpanQuery) bool {
	return g.summary.Last < q.Start || g.summary.First >= q.End || !g.may(q.Filter)
}

// Select calls f with one batch, if any span passes.
func (g *Group) Select(q store.SpanQuery, f func(store.SpanBatch) error) (store.SpanStats, error) {
	x := &data{g: g, stats: store.SpanStats{Groups: 1, SpansRead: int64(g.summary.Spans)}}
	b, err := x.find(q)
	if err != nil || b == nil {
		return x.stats, err
	}
	x.stats.SpansYielded = int64(len(b.rows))
	if err := f(b); err != nil {
		return x.stats, err
	}
	return x.stats, b.err
}

// find returns the batch of what passes, or nil. The columns that were asked for are read.
func (x *data) find(q store.SpanQuery) (*batch, error) {
	passed, err := x.inTime(q.Start, q.End)
	if err != nil {
		return nil, err
	}
	inTime := slices.Clone(passed)
	bits, err := x.passing(q.Filter)
	if err != nil {
		return nil, err
	}
	for i := range passed {
		passed[i] &= bits[i]
	}
	if !anyBit(passed) {
		return nil, nil
	}
	if err := x.traces(); err != nil {
		return nil, err
	}
	b := &batch{x: x}
	b.choose(passed, inTime, q.WholeTraces)
	for _, field := range q.Fields {
		if _, err := x.values(field); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// inTime returns a bit for each row that starts in the range.
func (x *data) inTime(start, end int64) ([]uint64, error) {
	if s := &x.g.summary; s.First >= start && s.Last < end {
		return fullBits(x.rows()), nil
	}
	if err := x.loadStarts(); err != nil {
		return nil, err
	}
	out := make([]uint64, (x.rows()+63)/64)
	for i, at := range x.starts {
		if at >= start && at < end {
			out[i/64] |= 1 << (i % 64)
		}
	}
	return out, nil
}

// batch is rows of a group.
type batch struct {
	x      *data
	rows   []int
	runs   []store.SpanRun
	passed []uint64
	err    error // of reading something that was not asked for beforehand
}

// choose takes the rows that passed or, of a trace with one that passed, all in time.
func (b *batch) choose(passed, inTime []uint64, whole bool) {
	at := func(bits []uint64, i int) bool { return bits[i/64]>>(i%64)&1 == 1 }
	from := 0
	for n, end := range b.x.ends {
		first, found := len(b.rows), false
		for i := from; i < end; i++ {
			found = found || at(passed, i)
		}
		for i := from; i < end && found; i++ {
			if !at(passed, i) && (!whole || !at(inTime, i)) {
				continue
			}
			k := len(b.rows)
			b.rows = append(b.rows, i)
			if whole && k/64 >= len(b.passed) {
				b.passed = append(b.passed, 0)
			}
			if whole && at(passed, i) {
				b.passed[k/64] |= 1 << (k % 64)
			}
		}
		if len(b.rows) > first {
			b.runs = append(b.runs, store.SpanRun{Trace: b.x.traceIDs[n], First: first, End: len(b.rows)})
		}
		from = end
	}
}

// Len implements store.SpanBatch, as what follows.
func (b *batch) Len() int                { return len(b.rows) }
func (b *batch) Traces() []store.SpanRun { return b.runs }
func (b *batch) Passed() []uint64        { return b.passed }
func (b *batch) IDs() []model.SpanID     { b.note(b.x.loadIDs()); return gather(b.x.ids, b.rows) }
func (b *batch) Parents() []model.SpanID {
	b.note(b.x.loadParents())
	return gather(b.x.parents, b.rows)
}
func (b *batch) Starts() []int64 { b.note(b.x.loadStarts()); return gather(b.x.starts, b.rows) }
func (b *batch) Durations() []int64 {
	b.note(b.x.loadDurations())
	return gather(b.x.durations, b.rows)
}

func (b *batch) note(err error) {
	if b.err == nil {
		b.err = err
	}
}

// gather takes rows out of a column; of one that could not be read, zeros.
func gather[T any](column []T, rows []int) []T {
	out := make([]T, len(rows))
	for k, i := range rows {
		if i < len(column) {
			out[k] = column[i]
		}
	}
	return out
}

// Column implements store.SpanBatch.
func (b *batch) Column(f store.SpanField) store.ValueColumn {
	c, err := b.x.values(f)
	b.note(err)
	if err != nil || c.Absent() {
		return store.ValueColumn{}
	}
	out := store.ValueColumn{Dict: c.Dict, Kind: c.Kind}
	if c.Codes != nil {
		out.Codes = gather(c.Codes, b.rows)
	}
	if c.Numbers != nil {
		out.Numbers = gather(c.Numbers, b.rows)
	}
	if c.Texts != nil {
		out.Texts = gather(c.Texts, b.rows)
	}
	found := false
	missing := make([]uint64, (len(b.rows)+63)/64)
	for k, i := range b.rows {
		if c.Has(i) {
			found = true
		} else {
			missing[k/64] |= 1 << (k % 64)
		}
	}
	if !found {
		return store.ValueColumn{}
	}
	if anyBit(missing) {
		out.Missing = missing
	}
	return out
}

// Groups implements store.SpanBatch.
func (b *batch) Groups(rows []int) ([]model.SpanGroup, error) {
	return b.x.whole(gather(b.rows, rows))
}

// Fields returns the attributes that spans have, by kind of value.
func (g *Group) Fields() ([]store.SpanFieldInfo, error) { return g.fields, nil }

// Values returns the values of a field among the spans that start in the range and pass the filter, with the number of spans, the most frequent first.
func (g *Group) Values(field store.SpanField, start, end int64, filter *store.SpanFilter, limit int) ([]store.SpanValueInfo, store.SpanStats, error) {
	x := &data{g: g, stats: store.SpanStats{Groups: 1, SpansRead: int64(g.summary.Spans)}}
	b, err := x.find(store.SpanQuery{Start: start, End: end, Filter: filter})
	if err != nil || b == nil {
		return nil, x.stats, err
	}
	var sums Values
	if several(field) {
		spans, err := x.loadSeveral(field)
		if err != nil {
			return nil, x.stats, err
		}
		for _, i := range b.rows {
			sums.AddSpan(field, &model.SpanGroup{}, &spans[i])
		}
		return sums.List(limit), x.stats, nil
	}
	c, err := x.values(field)
	if err != nil {
		return nil, x.stats, err
	}
	sums.addColumn(&c, b.rows)
	return sums.List(limit), x.stats, nil
}

// Values adds up the spans of values. Its zero value is empty.
type Values struct {
	known map[valueKey]*store.SpanValueInfo
	seen  []model.Value
}

// valueKey makes a value the key of a map: lists by how they are written.
type valueKey struct {
	kind model.ValueKind
	bits int64
	text string
}

// Add adds n spans that have the value.
func (s *Values) Add(v model.Value, n int64) {
	key := valueKey{v.Kind, v.Bits, v.Text}
	if len(v.Nested) > 0 {
		key.text = string(spancodec.AppendValue(nil, &v))
	}
	if x := s.known[key]; x != nil {
		x.Spans += n
		return
	}
	if s.known == nil {
		s.known = map[valueKey]*store.SpanValueInfo{}
	}
	s.known[key] = &store.SpanValueInfo{Value: v, Spans: n}
}

// addColumn adds the values that rows have. Those of a dictionary are counted by their codes, which takes a tenth of the time of looking each of
// them up.
func (s *Values) addColumn(c *store.ValueColumn, rows []int) {
	if c.Codes == nil || c.Numbers != nil || c.Texts != nil {
		for _, i := range rows {
			if c.Has(i) {
				s.Add(c.Value(i), 1)
			}
		}
		return
	}
	counts := make([]int64, len(c.Dict))
	for _, i := range rows {
		if c.Missing == nil || c.Missing[i/64]>>(i%64)&1 == 0 {
			counts[c.Codes[i]]++
		}
	}
	for code, n := range counts {
		if n > 0 {
			s.Add(c.Dict[code], n)
		}
	}
}

// AddSpan adds a span with all values that it has of a field, each once.
func (s *Values) AddSpan(f store.SpanField, g *model.SpanGroup, span *model.Span) {
	s.seen = s.seen[:0]
	f.Each(g, span, func(v model.Value) bool {
		if !slices.ContainsFunc(s.seen, v.Equal) {
			s.seen = append(s.seen, v)
			s.Add(v, 1)
		}
		return true
	})
}

// List returns at most limit values, those with the most spans first.
func (s *Values) List(limit int) []store.SpanValueInfo {
	out := make([]store.SpanValueInfo, 0, len(s.known))
	for _, x := range s.known {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b store.SpanValueInfo) int {
		return cmp.Or(cmp.Compare(b.Spans, a.Spans), a.Value.Compare(b.Value))
	})
	return out[:min(limit, len(out))]
}

// Slice is Select for spans in memory: it encodes them, which costs less than a second way of doing everything. The groups hold at most MaxSpans spans.
func Slice(groups []model.SpanGroup, q store.SpanQuery, f func(store.SpanBatch) error) (store.SpanStats, error) {
	var passing []model.SpanGroup
	spans, traces := int64(0), map[model.TraceID]bool{}
	for i := range groups {
		for k := range groups[i].Spans {
			s := &groups[i].Spans[k]
			spans++
			if s.Start >= q.Start && s.Start < q.End && q.Filter.Passes(&groups[i], s) {
				traces[s.TraceID] = true
			}
		}
	}
	stats := store.SpanStats{HeadSpans: spans}
	if len(traces) == 0 {
		return stats, nil
	}
	for i := range groups {
		g := model.SpanGroup{Resource: groups[i].Resource, Scope: groups[i].Scope}
		for _, s := range groups[i].Spans {
			if traces[s.TraceID] {
				g.Spans = append(g.Spans, s)
			}
		}
		passing = append(passing, g)
	}
	data, summary, err := Encode(nil, passing)
	if err != nil {
		return stats, err
	}
	g, err := Open(bytes.NewReader(data), int64(len(data)), summary.Directory)
	if err != nil {
		return stats, err
	}
	found, err := g.Select(q, f)
	stats.SpansYielded = found.SpansYielded
	return stats, err
}
