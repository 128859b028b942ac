package events

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// streamSums adds up what is known of streams.
type streamSums struct {
	start, end int64
	byID       map[uint64]*store.StreamInfo
}

// Streams implements store.EventReader. Where records reach beyond the range, their number within it is estimated as if they were spread
// evenly; those that a deletion hides are counted until they are gone.
func (t *tenant) Streams(ctx context.Context, start, end int64, matchers ...*labels.Matcher) ([]store.StreamInfo, error) {
	if start >= end {
		return nil, nil
	}
	s := &selection{t: t}
	s.snapshot(matchers, start, end)
	defer s.release()
	sums := streamSums{start, end, map[uint64]*store.StreamInfo{}}
	for _, x := range s.heads {
		sums.head(&x)
	}
	for _, b := range s.blocks {
		if err := sums.block(ctx, t.s, b, matchers); err != nil {
			return nil, err
		}
	}
	out := make([]store.StreamInfo, 0, len(sums.byID))
	for _, info := range sums.byID {
		out = append(out, *info)
	}
	slices.SortFunc(out, func(a, b store.StreamInfo) int { return labels.Compare(a.Labels, b.Labels) })
	return out, nil
}

func (s *streamSums) head(x *snapshot) {
	for _, g := range x.groups {
		s.group(&x.table, x.wanted, g.info, g.streams)
	}
	for _, part := range x.parts {
		s.add(&x.table, part.stream, int64(part.tail.rows), part.tail.raw, x.p.start+int64(part.tail.min), x.p.start+int64(part.tail.max))
	}
}

func (s *streamSums) block(ctx context.Context, st *Store, b *block.Block, matchers []*labels.Matcher) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	dir, err := st.directories.of(ctx, b)
	if err != nil {
		if ctx.Err() == nil && isDamage(err) {
			st.damaged(b.Name(), err)
			return nil
		}
		return err
	}
	wanted := dir.match(matchers)
	for i := range dir.groups {
		s.group(&dir.table, wanted, dir.groups[i].info, dir.groups[i].streams)
	}
	return nil
}

func (s *streamSums) group(t *table, wanted []bool, info rowgroup.Info, streams []uint32) {
	for _, r := range info.Runs {
		if i := streams[r.Stream]; wanted == nil || wanted[i] {
			s.add(t, i, int64(r.Rows), r.Bytes, r.MinTime, r.MaxTime)
		}
	}
}

func (s *streamSums) add(t *table, stream uint32, records, bytes, first, last int64) {
	if first >= s.end || last < s.start || records == 0 {
		return
	}
	if first < s.start || last >= s.end {
		share := float64(min(last, s.end)-max(first, s.start)) / float64(last-first)
		records, bytes = max(1, int64(share*float64(records))), int64(share*float64(bytes))
	}
	info := s.byID[t.ids[stream]]
	if info == nil {
		info = &store.StreamInfo{Labels: t.labels[stream]}
		s.byID[t.ids[stream]] = info
	}
	info.Records += records
	info.Bytes += bytes
	info.Chunks++
}
