package series

import (
	"context"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/tsdb/index"

	"github.com/hulotte-dev/hulotte/store"
)

// SeriesStats counts what the tenant holds; see store.SeriesStatser. The top lists are those of the head, and up
// to 30 seconds old.
func (t *tenant) SeriesStats(ctx context.Context, limit int) (store.SeriesStats, error) {
	if err := ctx.Err(); err != nil {
		return store.SeriesStats{}, err
	}
	head := t.tsdb.Head()
	s := store.SeriesStats{
		NumSeries:           head.NumSeries(),
		StaleSeries:         head.NumStaleSeries(),
		SeriesLimit:         uint64(t.opts.MaxSeries),
		ChunkCount:          t.chunkCount(),
		MinTime:             head.MinTime(),
		MaxTime:             head.MaxTime(),
		HeadStorageKind:     "tsdb",
		OutOfOrderWindowMS:  millis(t.opts.OutOfOrderWindow),
		RetentionTimeMS:     millis(t.opts.RetentionTime),
		RetentionBytesLimit: t.opts.RetentionBytes,
		Blocks:              t.blockStats(),
		DiskBytes:           head.Size(),
	}
	for _, b := range s.Blocks {
		s.DiskBytes += b.Bytes
	}
	top := head.PostingsCardinalityStats(model.MetricNameLabel, limit)
	s.NumLabelPairs = top.NumLabelPairs
	s.SeriesByMetric = nameCounts(top.CardinalityMetricsStats)
	s.ValuesByLabelName = nameCounts(top.CardinalityLabelStats)
	s.BytesByLabelName = nameCounts(top.LabelValueStats)
	s.SeriesByLabelPair = nameCounts(top.LabelValuePairsStats)
	return s, nil
}

func nameCounts(stats []index.Stat) []store.NameCount {
	counts := make([]store.NameCount, 0, len(stats))
	for _, s := range stats {
		counts = append(counts, store.NameCount{Name: s.Name, Count: s.Count})
	}
	return counts
}

func (t *tenant) blockStats() []store.BlockStats {
	blocks := t.tsdb.Blocks()
	stats := make([]store.BlockStats, 0, len(blocks))
	for _, b := range blocks {
		m := b.Meta()
		stats = append(stats, store.BlockStats{
			ID: m.ULID.String(), MinTime: m.MinTime, MaxTime: m.MaxTime,
			NumSeries: m.Stats.NumSeries, NumSamples: m.Stats.NumSamples, Bytes: b.Size(),
		})
	}
	return stats
}

// chunkCount returns the number of chunks in the head, which tsdb tells through its metrics only.
func (t *tenant) chunkCount() int64 { return int64(t.ownMetric("prometheus_tsdb_head_chunks")) }

// ownMetric returns the value of one of the tsdb's own metrics, summed over its labels; 0 when it has none.
func (t *tenant) ownMetric(name string) float64 {
	families, err := t.own.Gather()
	if err != nil {
		t.log.Warn("cannot read the metrics of the tsdb", "err", err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
