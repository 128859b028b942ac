package series

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/store"
)

// tenantCounts is what a tenant's appenders count.
type tenantCounts struct {
	samples      atomic.Uint64 // committed
	refusedSpace atomic.Uint64 // transactions refused for want of disk space
}

// AppenderV2 starts a transaction. When the disk is almost full its first Append fails with store.ErrNoSpace.
func (t *tenant) AppenderV2(ctx context.Context) storage.AppenderV2 {
	if t.space.full() {
		t.counts.refusedSpace.Add(1)
		return refusing{fmt.Errorf("cannot write series of tenant %q: %w", t.name, store.ErrNoSpace)}
	}
	a := &appender{AppenderV2: t.tsdb.AppenderV2(ctx), tenant: t}
	if t.destinations != nil {
		if rs := t.destinations.storage.Load(); rs != nil {
			a.tracker = rs.AppenderV2(ctx)
		}
	}
	return a
}

// appender adds to tsdb's own: metadata is kept, a full disk is told apart, and a commit can wait for the disk.
type appender struct {
	storage.AppenderV2
	tenant  *tenant
	samples uint64
	tracker storage.AppenderV2 // of the destinations: counts what comes, to know how far behind they are; may be nil

	// The last metadata noted: a scrape repeats it for every sample of a family.
	lastFamily   string
	lastMetadata metadata.Metadata
}

var (
	_ storage.ExemplarAppenderV2 = (*appender)(nil)
	_ storage.GetRef             = (*appender)(nil)
)

func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err != nil && !errors.Is(err, (*storage.AppendPartialError)(nil)) {
		return ref, err
	}
	a.samples++
	if a.tracker != nil {
		_, _ = a.tracker.Append(0, ls, st, t, v, h, fh, storage.AOptions{}) // it only counts
	}
	if !opts.Metadata.IsEmpty() {
		a.noteMetadata(ls, opts)
	}
	return ref, err
}

func (a *appender) noteMetadata(ls labels.Labels, opts storage.AOptions) {
	family := opts.MetricFamilyName
	if family == "" {
		family = ls.Get(model.MetricNameLabel)
	}
	if family == a.lastFamily && opts.Metadata == a.lastMetadata {
		return
	}
	family = a.tenant.meta.note(family, opts.Metadata)
	a.lastFamily, a.lastMetadata = family, opts.Metadata
}

func (a *appender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, exemplars []exemplar.Exemplar) (storage.SeriesRef, error) {
	return a.AppenderV2.(storage.ExemplarAppenderV2).AppendExemplars(ref, ls, exemplars)
}

func (a *appender) GetRef(ls labels.Labels, hash uint64) (storage.SeriesRef, labels.Labels) {
	return a.AppenderV2.(storage.GetRef).GetRef(ls, hash)
}

func (a *appender) Commit() error {
	t := a.tenant
	if err := a.AppenderV2.Commit(); err != nil {
		return t.commitError(err)
	}
	if t.opts.SyncCommits {
		if err := t.wal.wait(); err != nil {
			return t.commitError(err)
		}
	}
	t.counts.samples.Add(a.samples)
	if a.tracker != nil {
		_ = a.tracker.Commit()
	}
	return nil
}

// commitError tells a full disk apart, and stops writes at once instead of at the next look at the free space.
func (t *tenant) commitError(err error) error {
	if isNoSpace(err) {
		t.counts.refusedSpace.Add(1)
		t.space.noteFull()
		return fmt.Errorf("cannot write series of tenant %q: %w: %w", t.name, store.ErrNoSpace, err)
	}
	return fmt.Errorf("cannot write series of tenant %q: %w", t.name, err)
}

// isNoSpace says that the disk, the quota or the allowed size of a file is full.
func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// AppendMetadata notes what a metric family is; see store.MetadataAppender.
func (t *tenant) AppendMetadata(metric string, m metadata.Metadata) { t.meta.note(metric, m) }

// Metadata returns what is known of metrics; see store.MetadataReader.
func (t *tenant) Metadata(metric string, limit, limitPerMetric int) []store.MetricMetadata {
	return t.meta.list(metric, limit, limitPerMetric)
}

// refusing is the appender of a tenant that cannot be written to.
type refusing struct{ err error }

var _ storage.ExemplarAppenderV2 = refusing{}

func (r refusing) Append(storage.SeriesRef, labels.Labels, int64, int64, float64, *histogram.Histogram, *histogram.FloatHistogram, storage.AOptions) (storage.SeriesRef, error) {
	return 0, r.err
}

func (r refusing) AppendExemplars(storage.SeriesRef, labels.Labels, []exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, r.err
}

// Commit fails, because a caller may ignore the errors of single samples.
func (r refusing) Commit() error   { return r.err }
func (r refusing) Rollback() error { return nil }
