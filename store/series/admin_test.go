package series

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

func TestDeleteSnapshotAndStats(t *testing.T) {
	db := openTest(t, Options{MaxSeries: 100})
	w := writer(t, db, "default")
	mustWrite(t, w, start, 1, labels.FromStrings("__name__", "a", "x", "1"), labels.FromStrings("__name__", "a", "x", "2"), labels.FromStrings("__name__", "b"))
	mustWrite(t, w, start+1000, 2, labels.FromStrings("__name__", "b"))

	stats, err := w.(store.SeriesStatser).SeriesStats(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if stats.NumSeries != 3 || stats.SeriesLimit != 100 || stats.ChunkCount != 3 || stats.MinTime != start || stats.MaxTime != start+1000 {
		t.Errorf("stats %+v", stats)
	}
	if want := []store.NameCount{{Name: "a", Count: 2}}; !slices.Equal(stats.SeriesByMetric, want) {
		t.Errorf("SeriesByMetric = %v, want %v", stats.SeriesByMetric, want)
	}
	if absentStats, err := reader(t, db, "ghost").(store.SeriesStatser).SeriesStats(t.Context(), 1); err != nil || absentStats.NumSeries != 0 {
		t.Errorf("stats of an unknown tenant: %+v, %v", absentStats, err)
	}

	dir, err := w.(store.SeriesSnapshotter).SnapshotSeries(true)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	if err != nil || len(blocks) != 1 {
		t.Errorf("the snapshot has the blocks %v, %v; want one of the head", blocks, err)
	}

	d := w.(store.SeriesDeleter)
	if err := d.DeleteSeries(t.Context(), math.MinInt64, math.MaxInt64, labels.MustNewMatcher(labels.MatchEqual, "__name__", "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.CleanTombstones(); err != nil {
		t.Fatal(err)
	}
	wantSamples(t, w, "a")
	wantSamples(t, w, "b", 1, 2)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the snapshot is gone: %v", err)
	}
}
