package series

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"github.com/hulotte-dev/hulotte/store"
)

// seriesLimit refuses new series beyond the limit of a tenant. It is a tsdb.SeriesLifecycleCallback.
type seriesLimit struct {
	max     int64                     // 0: no limit
	head    atomic.Pointer[tsdb.Head] // nil while the log is replayed: what was taken stays
	refused atomic.Uint64
}

// PreCreation is asked before a series is made.
func (l *seriesLimit) PreCreation(labels.Labels) error {
	head := l.head.Load()
	if l.max == 0 || head == nil || int64(head.NumSeries()) < l.max {
		return nil
	}
	l.refused.Add(1)
	return fmt.Errorf("%w: the limit is %d", store.ErrTooManySeries, l.max)
}

// PostCreation does nothing: tsdb counts.
func (l *seriesLimit) PostCreation(labels.Labels) {}

// PostDeletion does nothing: tsdb counts.
func (l *seriesLimit) PostDeletion(map[chunks.HeadSeriesRef]labels.Labels) {}
