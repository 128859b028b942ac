package scrape

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// recorder is a store that remembers what reached it, and when: "+" is a new series, "=" a known one.
type recorder struct {
	seen      map[string]storage.SeriesRef
	log       []string
	appendErr error
}

func (r *recorder) AppenderV2(context.Context) storage.AppenderV2 { return r }
func (r *recorder) Commit() error                                 { r.log = append(r.log, "commit"); return nil }
func (r *recorder) Rollback() error                               { r.log = append(r.log, "rollback"); return nil }

func (r *recorder) Append(_ storage.SeriesRef, ls labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	if r.appendErr != nil {
		return 0, r.appendErr
	}
	key := ls.String()
	if _, ok := r.seen[key]; !ok {
		r.seen[key] = storage.SeriesRef(len(r.seen) + 1)
	}
	return r.seen[key], nil
}

func newTarget() *promscrape.Target {
	return promscrape.NewTarget(labels.FromStrings("__address__", "h:1"), &config.ScrapeConfig{}, nil, nil)
}

// scrapeOf appends n series named by prefix in one scrape of the target, and returns its appender and how many
// of them got no reference.
func scrapeOf(t *testing.T, s *sink, target *promscrape.Target, prefix string, n int) (app storage.AppenderV2, without int) {
	t.Helper()
	app = s.AppenderV2(promscrape.ContextWithTarget(t.Context(), target))
	for i := range n {
		ref, err := app.Append(0, labels.FromStrings("__name__", fmt.Sprint(prefix, i)), 0, 1, 1, nil, nil, storage.AOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if ref == 0 {
			without++
		}
	}
	return app, without
}

func TestNewSeriesAreHeldBackUntilTheScrapeIsAccepted(t *testing.T) {
	store := &recorder{seen: map[string]storage.SeriesRef{}}
	s, target := newSink(store, prometheus.NewRegistry()), newTarget()

	app, without := scrapeOf(t, s, target, "a", freeNew+500)
	if len(store.seen) != freeNew || without != 500 {
		t.Fatalf("before it is accepted %d series are stored and %d wait, want %d and 500", len(store.seen), without, freeNew)
	}
	if err := app.Commit(); err != nil || len(store.seen) != freeNew+500 {
		t.Fatalf("after it: %d series, error %v", len(store.seen), err)
	}

	// What was usual last time goes to the store at once.
	if _, without := scrapeOf(t, s, target, "a", freeNew+500); without != 0 {
		t.Errorf("the second time %d series wait", without)
	}
}

func TestRefusedScrapeLeavesLittleBehind(t *testing.T) {
	store := &recorder{seen: map[string]storage.SeriesRef{}}
	s, target := newSink(store, prometheus.NewRegistry()), newTarget()
	for i := range 20 {
		app, _ := scrapeOf(t, s, target, fmt.Sprint("gen", i, "_"), 5*freeNew)
		if err := app.Rollback(); err != nil {
			t.Fatal(err)
		}
		// The scrape manager then commits reports and staleness markers with another appender.
		if err := s.AppenderV2(promscrape.ContextWithTarget(t.Context(), target)).Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if len(store.seen) != freeNew {
		t.Errorf("20 refused scrapes left %d series, want %d", len(store.seen), freeNew)
	}

	app, _ := scrapeOf(t, s, target, "good", 10)
	if err := app.Commit(); err != nil || len(store.seen) != freeNew+10 {
		t.Errorf("the next good scrape: %d series, error %v", len(store.seen), err)
	}
}

func TestOneTargetsRefusalIsNotAnothers(t *testing.T) {
	store := &recorder{seen: map[string]storage.SeriesRef{}}
	s, bad, good := newSink(store, prometheus.NewRegistry()), newTarget(), newTarget()
	app, _ := scrapeOf(t, s, bad, "bad", 10)
	_ = app.Rollback()
	if _, without := scrapeOf(t, s, good, "good", 10); without != 0 {
		t.Errorf("%d series of the other target wait", without)
	}
}

func TestHeldBackSamplesHaveABound(t *testing.T) {
	store := &recorder{seen: map[string]storage.SeriesRef{}}
	s, target := newSink(store, prometheus.NewRegistry()), newTarget()
	s.state(target).rolledBack()
	ctx := promscrape.ContextWithTarget(t.Context(), target)
	app := s.AppenderV2(ctx).(*sinkAppender)
	for range maxHeldBack - 1 {
		app.heldBack.add(sample{labels: labels.FromStrings("__name__", "x")}, storage.AOptions{})
	}
	_, err := app.Append(0, labels.FromStrings("__name__", "last"), 0, 1, 1, nil, nil, storage.AOptions{})
	if err != nil || app.heldBack.n != 0 || len(store.seen) != 2 {
		t.Errorf("%d samples wait, %d series stored, error %v", app.heldBack.n, len(store.seen), err)
	}
}

func TestReleaseLeavesOutSingleSamplesOnly(t *testing.T) {
	f := func(appendErr error, wantOK bool) {
		t.Helper()
		store := &recorder{seen: map[string]storage.SeriesRef{}}
		s, target := newSink(store, prometheus.NewRegistry()), newTarget()
		app, _ := scrapeOf(t, s, target, "a", freeNew+1)
		store.appendErr = appendErr
		if err := app.Commit(); (err == nil) != wantOK {
			t.Errorf("with %v: Commit returned %v", appendErr, err)
		}
	}
	f(storage.ErrOutOfOrderSample, true)
	f(fmt.Errorf("wrapped: %w", storage.ErrDuplicateSampleForTimestamp), true)
	f(storage.ErrTooOldSample, true)
	f(errors.New("disk full"), false)
}

func TestTargetsAreForgotten(t *testing.T) {
	s := newSink(&recorder{seen: map[string]storage.SeriesRef{}}, prometheus.NewRegistry())
	for range 100 {
		s.state(newTarget())
	}
	await(t, func() string { return "targets are not forgotten" }, func() bool {
		runtime.GC()
		n := 0
		s.states.Range(func(any, any) bool { n++; return true })
		return n == 0
	})
}

func TestReportsBecomeCounts(t *testing.T) {
	s, target := newSink(&recorder{seen: map[string]storage.SeriesRef{}}, prometheus.NewRegistry()), newTarget()
	if s.counts(target) != unknownCounts {
		t.Errorf("counts before the first scrape: %+v", s.counts(target))
	}
	app := s.AppenderV2(promscrape.ContextWithTarget(t.Context(), target))
	report := func(family string, v float64) {
		_, _ = app.Append(0, labels.EmptyLabels(), 0, time.Now().UnixMilli(), v, nil, nil, storage.AOptions{MetricFamilyName: family})
	}
	report("scrape_samples_scraped\xff", 7)
	report("scrape_samples_post_metric_relabeling\xff", 5)
	report("scrape_series_added\xff", 3)
	report("scrape_samples_scraped", 1e6) // a target's own metric of that name
	if got, want := s.counts(target), (Counts{7, 5, 3, -1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}
