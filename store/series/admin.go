package series

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// DeleteSeries deletes samples; see store.SeriesDeleter.
func (t *tenant) DeleteSeries(ctx context.Context, mint, maxt int64, matchers ...*labels.Matcher) error {
	if err := t.tsdb.Delete(ctx, mint, maxt, matchers...); err != nil {
		return fmt.Errorf("cannot delete series of tenant %q: %w", t.name, err)
	}
	return nil
}

// CleanTombstones rewrites the blocks that hold deleted samples; see store.SeriesDeleter.
func (t *tenant) CleanTombstones() error {
	if err := t.tsdb.CleanTombstones(); err != nil {
		return fmt.Errorf("cannot clean the tombstones of tenant %q: %w", t.name, err)
	}
	return nil
}

// snapshotsDir is the folder in a tenant's folder that holds its snapshots, as in Prometheus.
const snapshotsDir = "snapshots"

// SnapshotSeries copies the series; see store.SeriesSnapshotter. The blocks are hard links, so that a snapshot
// costs little as long as the blocks live; it is up to the caller to delete it.
func (t *tenant) SnapshotSeries(withHead bool) (string, error) {
	parent := filepath.Join(t.dir, snapshotsDir)
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return "", fmt.Errorf("cannot make a snapshot of tenant %q: %w", t.name, err)
	}
	dir, err := os.MkdirTemp(parent, time.Now().UTC().Format("20060102T150405Z-"))
	if err != nil {
		return "", fmt.Errorf("cannot make a snapshot of tenant %q: %w", t.name, err)
	}
	if err := t.tsdb.Snapshot(dir, withHead); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("cannot make a snapshot of tenant %q: %w", t.name, err)
	}
	return dir, nil
}
