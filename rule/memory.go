package rule

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// memory is the few series of a unit test of rules. It is not safe for concurrent use but for reading. What is appended is seen at once:
// rules that are tested are evaluated one after the other.
type memory struct {
	series map[uint64][]*memorySeries // by hash of their labels
}

type memorySeries struct {
	labels  labels.Labels
	samples []chunks.Sample // in order of time
}

func newMemory() *memory { return &memory{series: map[uint64][]*memorySeries{}} }

func (m *memory) find(ls labels.Labels) *memorySeries {
	h := ls.Hash()
	for _, s := range m.series[h] {
		if labels.Equal(s.labels, ls) {
			return s
		}
	}
	s := &memorySeries{labels: ls}
	m.series[h] = append(m.series[h], s)
	return s
}

// AppenderV2 implements storage.AppendableV2.
func (m *memory) AppenderV2(context.Context) storage.AppenderV2 { return memoryAppender{m} }

type memoryAppender struct{ to *memory }

func (a memoryAppender) Commit() error   { return nil }
func (a memoryAppender) Rollback() error { return nil }

// Append refuses what the store refuses: what is older than the series' last sample, and another value at its time.
func (a memoryAppender) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	if h != nil {
		fh = h.ToFloat(nil)
	}
	if ls.IsEmpty() {
		return 0, errors.New("a series has no labels")
	}
	s, next := a.to.find(ls), memorySample{t, v, fh}
	if n := len(s.samples); n > 0 {
		last := s.samples[n-1].(memorySample)
		switch {
		case last.t > t:
			return 0, storage.ErrOutOfOrderSample
		case last.t == t && !last.same(next):
			return 0, storage.ErrDuplicateSampleForTimestamp
		case last.t == t:
			return 1, nil
		}
	}
	if fh != nil {
		next.h = fh.Copy()
		next.h.CounterResetHint = s.hint(fh)
	}
	s.samples = append(s.samples, next)
	return 1, nil
}

// hint says of a histogram what the store would when it is read: that it goes on from the one before, as far as that is seen.
func (s *memorySeries) hint(h *histogram.FloatHistogram) histogram.CounterResetHint {
	if h.CounterResetHint == histogram.GaugeType {
		return histogram.GaugeType
	}
	if len(s.samples) == 0 {
		return histogram.UnknownCounterReset
	}
	before := s.samples[len(s.samples)-1].(memorySample).h
	switch {
	case before == nil || before.CounterResetHint == histogram.GaugeType:
	case value.IsStaleNaN(before.Sum) != value.IsStaleNaN(h.Sum):
	case before.Schema != h.Schema || before.ZeroThreshold != h.ZeroThreshold || !histogram.CustomBucketBoundsMatch(before.CustomValues, h.CustomValues):
	case !h.DetectReset(before):
		return histogram.NotCounterReset
	}
	return histogram.UnknownCounterReset
}

// memorySample is a float, or a histogram when that is set.
type memorySample struct {
	t int64
	v float64
	h *histogram.FloatHistogram
}

func (s memorySample) same(o memorySample) bool {
	if s.h != nil && o.h != nil {
		return s.h.Equals(o.h)
	}
	return s.h == nil && o.h == nil && math.Float64bits(s.v) == math.Float64bits(o.v)
}

func (s memorySample) T() int64                      { return s.t }
func (s memorySample) ST() int64                     { return 0 }
func (s memorySample) F() float64                    { return s.v }
func (s memorySample) H() *histogram.Histogram       { return nil }
func (s memorySample) FH() *histogram.FloatHistogram { return s.h }

func (s memorySample) Type() chunkenc.ValueType {
	if s.h != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

func (s memorySample) Copy() chunks.Sample {
	if s.h != nil {
		s.h = s.h.Copy()
	}
	return s
}

// Querier implements storage.Queryable.
func (m *memory) Querier(from, to int64) (storage.Querier, error) {
	return memoryQuerier{m, from, to}, nil
}

type memoryQuerier struct {
	of       *memory
	from, to int64
}

func (q memoryQuerier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, same := range q.of.series {
		for _, s := range same {
			if samples := s.within(q.from, q.to); len(samples) > 0 && matchesAll(s.labels, matchers) {
				found = append(found, storage.NewListSeries(s.labels, samples))
			}
		}
	}
	slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &memorySet{series: found, at: -1}
}

func (s *memorySeries) within(from, to int64) []chunks.Sample {
	a := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].T() >= from })
	b := sort.Search(len(s.samples), func(i int) bool { return s.samples[i].T() > to })
	return s.samples[a:max(a, b)]
}

func matchesAll(ls labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

func (q memoryQuerier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values := map[string]bool{}
	q.each(matchers, func(ls labels.Labels) {
		if v := ls.Get(name); v != "" {
			values[v] = true
		}
	})
	return slices.Sorted(maps.Keys(values)), nil, nil
}

func (q memoryQuerier) LabelNames(_ context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names := map[string]bool{}
	q.each(matchers, func(ls labels.Labels) { ls.Range(func(l labels.Label) { names[l.Name] = true }) })
	return slices.Sorted(maps.Keys(names)), nil, nil
}

func (q memoryQuerier) each(matchers []*labels.Matcher, f func(labels.Labels)) {
	for _, same := range q.of.series {
		for _, s := range same {
			if matchesAll(s.labels, matchers) {
				f(s.labels)
			}
		}
	}
}

func (q memoryQuerier) Close() error { return nil }

type memorySet struct {
	series []storage.Series
	at     int
}

func (s *memorySet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *memorySet) At() storage.Series                { return s.series[s.at] }
func (s *memorySet) Err() error                        { return nil }
func (s *memorySet) Warnings() annotations.Annotations { return nil }
