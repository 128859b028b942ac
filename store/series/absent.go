package series

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/store"
)

// absent is the reader of a tenant that nobody had written to when it was asked for. It looks again at every
// query, so that whoever holds it sees the tenant once it exists.
type absent struct {
	db   *DB
	name string
}

var (
	_ store.Series         = absent{}
	_ store.SeriesStatser  = absent{}
	_ store.MetadataReader = absent{}
)

func (a absent) Querier(mint, maxt int64) (storage.Querier, error) {
	t, err := a.db.existing(a.name)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return storage.NoopQuerier(), nil
	}
	return t.Querier(mint, maxt)
}

func (a absent) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	t, err := a.db.existing(a.name)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return storage.NoopChunkedQuerier(), nil
	}
	return t.ChunkQuerier(mint, maxt)
}

func (a absent) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	t, err := a.db.existing(a.name)
	switch {
	case err != nil:
		return nil, err
	case t == nil:
		return noExemplars{}, nil
	}
	return t.ExemplarQuerier(ctx)
}

// AppenderV2 of a reader never makes the tenant.
func (a absent) AppenderV2(ctx context.Context) storage.AppenderV2 {
	t, err := a.db.existing(a.name)
	switch {
	case err != nil:
		return refusing{err}
	case t == nil:
		return refusing{fmt.Errorf("cannot write series of tenant %q: %w", a.name, store.ErrReadOnly)}
	}
	return t.AppenderV2(ctx)
}

func (a absent) StartTime() (int64, error) {
	t, err := a.db.existing(a.name)
	if t == nil || err != nil {
		return math.MaxInt64, err
	}
	return t.StartTime()
}

func (a absent) SeriesStats(ctx context.Context, limit int) (store.SeriesStats, error) {
	t, err := a.db.existing(a.name)
	if t == nil || err != nil {
		return store.SeriesStats{}, err
	}
	return t.SeriesStats(ctx, limit)
}

func (a absent) Metadata(metric string, limit, limitPerMetric int) []store.MetricMetadata {
	if t, _ := a.db.existing(a.name); t != nil {
		return t.Metadata(metric, limit, limitPerMetric)
	}
	return nil
}

type noExemplars struct{}

func (noExemplars) Select(int64, int64, ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	return nil, nil
}
