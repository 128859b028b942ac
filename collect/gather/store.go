package gather

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
)

// store appends what a gather gave, or its failure, and commits it.
func (w *worker) store(ctx context.Context, at time.Time, took time.Duration, families []*dto.MetricFamily, gatherErr error) round {
	r := round{at: at, took: took, families: families}
	if len(families) > 0 {
		r.warning = gatherErr
	} else {
		r.err = gatherErr
	}
	a := w.appender(ctx, at)
	if r.err == nil {
		a.families(families, w.source.ClassicHistograms)
		r.err = a.err
	}
	if r.err == nil {
		r.err = w.series.vanished(a.stale)
	}
	if r.err != nil { // nothing of this gather is kept, and what was there before has ended
		r.families = nil
		a = w.restart(ctx, a)
		if err := w.series.vanished(a.stale); err != nil {
			r.err = errors.Join(r.err, err)
		}
	}
	r.scraped, r.added, r.newSeries, r.dropped = a.scraped, a.added, w.series.added, a.dropped
	if r.warning == nil {
		r.warning = a.firstDrop
	}
	w.commit(a, &r)
	r.series = len(w.series.byKey)
	return r
}

// commit appends the report and ends the passes of both caches.
func (w *worker) commit(a *appender, r *round) {
	ok := r.err == nil
	err := w.appendReport(a, *r)
	if err != nil {
		_ = a.to.Rollback() // err says why; a failed rollback adds nothing that one could act on
	} else {
		err = a.to.Commit()
	}
	w.series.end(ok)
	w.report.end(err == nil)
	if err != nil {
		w.series.forgetRefs()
		w.report.forgetRefs()
		r.err = errors.Join(r.err, fmt.Errorf("cannot store the samples: %w", err))
		return
	}
	r.committed = true
}

func (w *worker) appender(ctx context.Context, at time.Time) *appender {
	w.series.begin()
	return &appender{to: w.to.AppenderV2(ctx), series: w.series, at: timestamp.FromTime(at), max: w.opts.MaxSamples}
}

// restart takes back what a appended and begins anew at the same time.
func (w *worker) restart(ctx context.Context, a *appender) *appender {
	_ = a.to.Rollback() // as above
	w.series.forgetRefs()
	again := w.appender(ctx, timestamp.Time(a.at))
	again.scraped = a.scraped
	again.dropped, again.firstDrop = a.dropped, a.firstDrop
	return again
}

// report is one of the series that tell how a gather went.
type report struct {
	name, help, unit string
	value            func(round) float64
}

var reports = [...]report{
	{"up", "1 if the source could be gathered, 0 if not.", "", func(r round) float64 {
		if r.err != nil {
			return 0
		}
		return 1
	}},
	{"scrape_duration_seconds", "Time that gathering the source took.", "seconds", func(r round) float64 { return r.took.Seconds() }},
	{"scrape_samples_scraped", "Samples that the source gave.", "", func(r round) float64 { return float64(r.scraped) }},
	{"scrape_samples_post_metric_relabeling", "Samples that were left after dropping invalid ones.", "", func(r round) float64 { return float64(r.added) }},
	{"scrape_series_added", "Series of the source that are new in this gather.", "", func(r round) float64 { return float64(r.newSeries) }},
}

func (w *worker) appendReport(a *appender, r round) error {
	w.report.begin()
	for _, rep := range reports {
		s, err := w.report.find(rep.name, "", nil, bound{})
		if err != nil {
			return err
		}
		opts := storage.AOptions{MetricFamilyName: rep.name, Metadata: metadata.Metadata{Type: model.MetricTypeGauge, Help: rep.help, Unit: rep.unit}}
		s.ref, err = a.to.Append(s.ref, s.labels, 0, a.at, rep.value(r), nil, nil, opts)
		if _, known := dropReason(err); err != nil && !known {
			return err
		}
		w.report.track(s, false)
	}
	return nil
}

// appender appends one gather.
type appender struct {
	to     storage.AppenderV2
	series *seriesCache
	at     int64 // milliseconds
	max    int   // samples

	scraped   int
	added     int
	dropped   map[string]int
	firstDrop error
	err       error // the first error that ends the gather
}

// sample is one value of a series: a float, or one of the histograms.
type sample struct {
	t     int64 // milliseconds; 0 is the gather's
	start int64 // since when a counter counts, milliseconds; 0 is unknown
	v     float64
	h     *histogram.Histogram
	fh    *histogram.FloatHistogram
}

// add appends a sample. It reports whether to go on.
func (a *appender) add(name, suffix string, pairs []*dto.LabelPair, b bound, smp sample, opts storage.AOptions) bool {
	a.scraped++
	if a.scraped > a.max {
		a.err = fmt.Errorf("%w: more than %d", errTooManySamples, a.max)
		return false
	}
	s, err := a.series.find(name, suffix, pairs, b)
	if err == nil {
		own := smp.t != 0
		if !own {
			smp.t = a.at
		}
		var ref storage.SeriesRef
		ref, err = a.to.Append(s.ref, s.labels, smp.start, smp.t, smp.v, smp.h, smp.fh, opts)
		if ref != 0 {
			s.ref = ref
		}
		a.series.track(s, own)
	}
	if err == nil {
		a.added++
		return true
	}
	reason, known := dropReason(err)
	if !known {
		a.err = fmt.Errorf("cannot append %s%s: %w", name, suffix, err)
		return false
	}
	if reason == reasonExemplar { // the sample itself was taken
		a.added++
	}
	a.drop(reason, name, suffix, err)
	return true
}

// drop counts a sample that was left out. Only the first of a gather is told in words.
func (a *appender) drop(reason, name, suffix string, err error) {
	if a.dropped == nil {
		a.dropped = map[string]int{}
	}
	a.dropped[reason]++
	if a.firstDrop == nil {
		a.firstDrop = fmt.Errorf("dropped %.200s%s: %w", name, suffix, err)
	}
}

// stale ends a series. That the store has it already at this time or later is no error: then it goes on.
func (a *appender) stale(s *series) error {
	ref, err := a.to.Append(s.ref, s.labels, 0, a.at, math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{RejectOutOfOrder: true})
	if ref != 0 {
		s.ref = ref
	}
	if _, known := dropReason(err); known {
		return nil
	}
	return err
}

// reasonExemplar is the reason when only an exemplar was left out.
const reasonExemplar = "exemplar"

// dropReason sorts errors that concern one sample only; known is false for those that concern the whole gather.
func dropReason(err error) (reason string, known bool) {
	var partial *storage.AppendPartialError
	switch {
	case err == nil:
		return "", false
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return "out_of_order", true
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return "duplicate", true
	case errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrTooOldSample):
		return "too_old", true
	case errors.Is(err, errInvalidLabels):
		return "invalid_labels", true
	case errors.Is(err, errTooLarge):
		return "too_large", true
	case errors.As(err, &partial):
		return reasonExemplar, true
	}
	return "", false
}
