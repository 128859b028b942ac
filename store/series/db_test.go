package series

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hulotte-dev/hulotte/store"
)

// start is the time of the first sample of the tests, in milliseconds.
const start = int64(1_700_000_000_000)

func openTest(t *testing.T, opts Options) *DB {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	db, err := Open(opts, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, db) })
	return db
}

func mustClose(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func writer(t *testing.T, db *DB, tenant string) store.Series {
	t.Helper()
	w, err := db.Writer(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func reader(t *testing.T, db *DB, tenant string) store.Series {
	t.Helper()
	r, err := db.Reader(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// write commits one float sample of each of the series.
func write(s storage.AppendableV2, at int64, value float64, series ...labels.Labels) error {
	app := s.AppenderV2(context.Background())
	for _, ls := range series {
		if _, err := app.Append(0, ls, 0, at, value, nil, nil, storage.AOptions{}); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
	return app.Commit()
}

func mustWrite(t *testing.T, s storage.AppendableV2, at int64, value float64, series ...labels.Labels) {
	t.Helper()
	if err := write(s, at, value, series...); err != nil {
		t.Fatal(err)
	}
}

// samples returns the float samples of each series that has the name, by the series' text.
func samples(t *testing.T, s storage.Queryable, name string) map[string][]float64 {
	t.Helper()
	q, err := s.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	got := make(map[string][]float64)
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name))
	for set.Next() {
		it := set.At().Iterator(nil)
		key := set.At().Labels().String()
		for it.Next() == chunkenc.ValFloat {
			_, v := it.At()
			got[key] = append(got[key], v)
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

func wantSamples(t *testing.T, s storage.Queryable, name string, want ...float64) {
	t.Helper()
	got := samples(t, s, name)
	if len(want) == 0 && len(got) == 0 {
		return
	}
	if len(got) != 1 || !slices.Equal(slices.Collect(mapValues(got))[0], want) {
		t.Errorf("samples of %s = %v, want one series of %v", name, got, want)
	}
}

func mapValues(m map[string][]float64) func(func([]float64) bool) {
	return func(yield func([]float64) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestCommittedSamplesAreReadAndSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	up := labels.FromStrings("__name__", "up", "job", "a")
	mustWrite(t, writer(t, db, "default"), start, 1, up)
	mustWrite(t, writer(t, db, "default"), start+1000, 2, up)
	wantSamples(t, reader(t, db, "default"), "up", 1, 2)
	mustClose(t, db)

	db = openTest(t, Options{Dir: dir})
	wantSamples(t, reader(t, db, "default"), "up", 1, 2)
	if got, err := reader(t, db, "default").StartTime(); got != start || err != nil {
		t.Errorf("StartTime = %d, %v; want %d", got, err, start)
	}
}

func TestTenantsAreApart(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	up := labels.FromStrings("__name__", "up")
	mustWrite(t, writer(t, db, "a"), start, 1, up)
	mustWrite(t, writer(t, db, "b"), start, 2, up)
	wantSamples(t, reader(t, db, "a"), "up", 1)
	wantSamples(t, reader(t, db, "b"), "up", 2)
	wantSamples(t, reader(t, db, "default"), "up")
	mustClose(t, db)

	db = openTest(t, Options{Dir: dir})
	if got := db.Names(); !slices.Equal(got, []string{"a", "b", "default"}) {
		t.Errorf("Names after a restart = %v", got)
	}
	wantSamples(t, reader(t, db, "b"), "up", 2)
}

func TestReaderOfAnUnknownTenantIsEmptyAndMakesNothing(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	r := reader(t, db, "ghost")
	wantSamples(t, r, "up")
	if q, err := r.ExemplarQuerier(t.Context()); err != nil {
		t.Error(err)
	} else if got, err := q.Select(0, math.MaxInt64); len(got) != 0 || err != nil {
		t.Errorf("exemplars = %v, %v", got, err)
	}
	if err := write(r, start, 1, labels.FromStrings("__name__", "up")); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("writing through a reader: %v, want ErrReadOnly", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ghost")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading made the tenant's folder: %v", err)
	}
	if got := db.Names(); !slices.Equal(got, []string{"default"}) {
		t.Errorf("Names = %v", got)
	}

	mustWrite(t, writer(t, db, "ghost"), start, 7, labels.FromStrings("__name__", "up"))
	wantSamples(t, r, "up", 7) // the same reader sees what came later
}

func TestTenantsAreBoundedAndNamesChecked(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir, MaxTenants: 2})
	writer(t, db, "a")
	if _, err := db.Writer("b"); !errors.Is(err, store.ErrTooManyTenants) {
		t.Errorf("third tenant: %v, want ErrTooManyTenants", err)
	}
	writer(t, db, "a") // one that exists is still taken
	for _, name := range []string{"", "..", "a/b"} {
		if _, err := db.Writer(name); err == nil {
			t.Errorf("Writer(%q) succeeded", name)
		}
		if _, err := db.Reader(name); err == nil {
			t.Errorf("Reader(%q) succeeded", name)
		}
	}
	mustClose(t, db)

	db = openTest(t, Options{Dir: dir, MaxTenants: 1})
	writer(t, db, "a") // a lower limit does not lock out what is there
}

func TestATenantThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, Options{Dir: dir})
	blocker := filepath.Join(dir, "a")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := db.Writer("a"); err == nil || w != nil {
		t.Fatalf("Writer in place of a file: %v, %v", w, err)
	}
	if err := os.Remove(blocker); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, writer(t, db, "a"), start, 1, labels.FromStrings("__name__", "up"))
}

func TestSeriesAreBounded(t *testing.T) {
	db := openTest(t, Options{MaxSeries: 2})
	w := writer(t, db, "default")
	one, two, three := labels.FromStrings("__name__", "one"), labels.FromStrings("__name__", "two"), labels.FromStrings("__name__", "three")
	mustWrite(t, w, start, 1, one, two)
	if err := write(w, start, 1, three); !errors.Is(err, store.ErrTooManySeries) {
		t.Errorf("third series: %v, want ErrTooManySeries", err)
	}
	mustWrite(t, w, start+1000, 2, one, two)
}

func TestLateSamplesAreTakenWithinTheWindow(t *testing.T) {
	up := labels.FromStrings("__name__", "up")
	db := openTest(t, Options{OutOfOrderWindow: 10 * time.Minute})
	w := writer(t, db, "default")
	mustWrite(t, w, start, 3, up)
	mustWrite(t, w, start-9*time.Minute.Milliseconds(), 1, up)
	mustWrite(t, w, start-1000, 2, up)
	wantSamples(t, w, "up", 1, 2, 3)
	if err := write(w, start-11*time.Minute.Milliseconds(), 0, up); !errors.Is(err, storage.ErrTooOldSample) {
		t.Errorf("a sample before the window: %v, want ErrTooOldSample", err)
	}

	strict := writer(t, openTest(t, Options{OutOfOrderWindow: -1}), "default")
	mustWrite(t, strict, start, 3, up)
	if err := write(strict, start-1000, 2, up); !errors.Is(err, storage.ErrOutOfOrderSample) {
		t.Errorf("a late sample without a window: %v, want ErrOutOfOrderSample", err)
	}
}

func TestUseAfterClose(t *testing.T) {
	db := openTest(t, Options{})
	r := reader(t, db, "ghost")
	mustClose(t, db)
	if _, err := db.Writer("default"); err == nil {
		t.Error("Writer after Close succeeded")
	}
	if _, err := db.Reader("default"); err == nil {
		t.Error("Reader after Close succeeded")
	}
	if _, err := r.Querier(0, 1); err == nil {
		t.Error("Querier after Close succeeded")
	}
	mustClose(t, db) // twice is fine
}

func TestOptionsAreChecked(t *testing.T) {
	bad := func(opts Options) {
		t.Helper()
		if db, err := Open(opts, slog.New(slog.DiscardHandler), nil); err == nil {
			mustClose(t, db)
			t.Errorf("Open(%+v) succeeded", opts)
		}
	}
	dir := t.TempDir()
	bad(Options{})
	bad(Options{Dir: dir, RetentionTime: time.Minute})
	bad(Options{Dir: dir, RetentionBytes: -1})
	bad(Options{Dir: dir, MaxSeries: -1})
}

func TestOpenTwiceWithOneRegistererAfterClose(t *testing.T) {
	reg := prometheus.NewRegistry()
	for range 2 {
		db, err := Open(Options{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), reg)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, writer(t, db, "default"), start, 1, labels.FromStrings("__name__", "up"))
		if _, err := reg.Gather(); err != nil {
			t.Error(err)
		}
		mustClose(t, db)
	}
}
