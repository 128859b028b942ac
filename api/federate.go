package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// federate answers /federate: the latest sample of each series that matches, in an exposition format, for
// another server to scrape.
func (a *api) federate(w http.ResponseWriter, r *http.Request) {
	r, err := a.prepare(w, r)
	if err != nil {
		a.federateError(w, err)
		return
	}
	sets, err := a.selectors(r)
	if err != nil {
		a.federateError(w, badData("%w", err))
		return
	}
	latest, err := a.latestSamples(r.Context(), sets)
	if err != nil {
		a.federateError(w, executionError(err))
		return
	}
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	w.Header().Set("Content-Type", string(format))
	enc := expfmt.NewEncoder(w, format)
	err = eachFamily(latest, federationLabels(a.ExternalLabels()), format.FormatType(), enc.Encode)
	if c, ok := enc.(expfmt.Closer); ok && err == nil {
		err = c.Close()
	}
	if err != nil {
		a.metrics.federation.Inc()
		a.log.Warn("cannot write an answer of /federate", "error", err)
		// A part must not be taken for the whole.
		panic(http.ErrAbortHandler)
	}
}

// federateError answers in plain text: those who call /federate read no JSON.
func (a *api) federateError(w http.ResponseWriter, err error) {
	a.metrics.federation.Inc()
	e := asAPIError(err)
	plain(w, e.statusCode(), e.err.Error()+"\n")
}

// latestSamples returns the newest sample of each series within the lookback, without those that have gone
// stale, sorted by metric.
func (a *api) latestSamples(ctx context.Context, sets [][]*labels.Matcher) ([]promql.Sample, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	series, err := a.reader(ctx)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	mint, maxt := timestamp.FromTime(now.Add(-a.LookbackDelta)), timestamp.FromTime(now)
	q, err := series.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(a.log, q)
	samples, err := a.readLatest(ctx, selectAll(ctx, q, true, &storage.SelectHints{Start: mint, End: maxt}, sets), maxt)
	slices.SortStableFunc(samples, func(a, b promql.Sample) int {
		return strings.Compare(a.Metric.Get(model.MetricNameLabel), b.Metric.Get(model.MetricNameLabel))
	})
	return samples, err
}

func (a *api) readLatest(ctx context.Context, set storage.SeriesSet, maxt int64) ([]promql.Sample, error) {
	var (
		samples []promql.Sample
		iter    chunkenc.Iterator
	)
	buffer := storage.NewBuffer(a.LookbackDelta.Milliseconds())
	for set.Next() {
		if len(samples)%checkEvery == checkEvery-1 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(samples) == a.Limits.FederateSeries {
			return nil, badData("more than %d series match: narrow match[]", a.Limits.FederateSeries)
		}
		series := set.At()
		iter = series.Iterator(iter)
		buffer.Reset(iter)
		sample, ok := newest(buffer, maxt)
		if err := buffer.Err(); err != nil {
			return nil, err
		}
		if ok && !isStale(sample) {
			sample.Metric = series.Labels()
			samples = append(samples, sample)
		}
	}
	return samples, set.Err()
}

// newest returns the last sample that is not after maxt.
func newest(it *storage.BufferedSeriesIterator, maxt int64) (promql.Sample, bool) {
	switch it.Seek(maxt) {
	case chunkenc.ValFloat:
		t, f := it.At()
		return promql.Sample{T: t, F: f}, true
	case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
		t, h := it.AtFloatHistogram(nil)
		return promql.Sample{T: t, H: h}, true
	}
	last, ok := it.PeekBack(1)
	if !ok {
		return promql.Sample{}, false
	}
	switch last.Type() {
	case chunkenc.ValFloat:
		return promql.Sample{T: last.T(), F: last.F()}, true
	case chunkenc.ValHistogram:
		return promql.Sample{T: last.T(), H: last.H().ToFloat(nil)}, true
	case chunkenc.ValFloatHistogram:
		return promql.Sample{T: last.T(), H: last.FH().Copy()}, true // the buffer reuses its own
	}
	return promql.Sample{}, false
}

func isStale(s promql.Sample) bool {
	if s.H != nil {
		return value.IsStaleNaN(s.H.Sum)
	}
	return value.IsStaleNaN(s.F)
}

// eachFamily calls emit for each run of samples that are one metric of one type. samples are sorted by metric.
func eachFamily(samples []promql.Sample, external []labels.Label, format expfmt.FormatType, emit func(*dto.MetricFamily) error) error {
	var family *dto.MetricFamily
	flush := func() error {
		if family == nil {
			return nil
		}
		return emit(family)
	}
	for _, s := range samples {
		name := s.Metric.Get(model.MetricNameLabel)
		if name == "" || !expressible(s.H, format) {
			continue
		}
		if typ := familyType(s.H); family == nil || family.GetName() != name || family.GetType() != typ {
			if err := flush(); err != nil {
				return err
			}
			family = &dto.MetricFamily{Name: &name, Type: &typ}
		}
		family.Metric = append(family.Metric, exposed(s, external))
	}
	return flush()
}

// expressible says whether the format has native histograms: only protobuf has. Those with custom buckets
// become classic histograms, which every format has.
func expressible(h *histogram.FloatHistogram, format expfmt.FormatType) bool {
	if h == nil || h.UsesCustomBuckets() {
		return true
	}
	switch format {
	case expfmt.TypeProtoDelim, expfmt.TypeProtoText, expfmt.TypeProtoCompact:
		return true
	}
	return false
}

func familyType(h *histogram.FloatHistogram) dto.MetricType {
	switch {
	case h == nil:
		return dto.MetricType_UNTYPED
	case h.CounterResetHint == histogram.GaugeType:
		return dto.MetricType_GAUGE_HISTOGRAM
	}
	return dto.MetricType_HISTOGRAM
}

// exposed returns the sample with its labels and those of external that it does not have.
func exposed(s promql.Sample, external []labels.Label) *dto.Metric {
	m := &dto.Metric{TimestampMs: &s.T}
	s.Metric.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && l.Value != "" {
			m.Label = append(m.Label, labelPair(l.Name, l.Value))
		}
	})
	for _, l := range external {
		if !s.Metric.Has(l.Name) {
			m.Label = append(m.Label, labelPair(l.Name, l.Value))
		}
	}
	switch {
	case s.H == nil:
		m.Untyped = &dto.Untyped{Value: &s.F}
	case s.H.UsesCustomBuckets():
		m.Histogram = classicHistogram(s.H)
	default:
		m.Histogram = nativeHistogram(s.H)
	}
	return m
}

// federationLabels returns the external labels, sorted, and an instance label, empty if need be: it keeps the
// scraping server from adding its own.
func federationLabels(external labels.Labels) []labels.Label {
	var list []labels.Label
	external.Range(func(l labels.Label) { list = append(list, l) })
	if !external.Has("instance") {
		list = append(list, labels.Label{Name: "instance"})
	}
	slices.SortFunc(list, func(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func labelPair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}

func nativeHistogram(h *histogram.FloatHistogram) *dto.Histogram {
	return &dto.Histogram{
		SampleCountFloat: &h.Count,
		SampleSum:        &h.Sum,
		Schema:           &h.Schema,
		ZeroThreshold:    &h.ZeroThreshold,
		ZeroCountFloat:   &h.ZeroCount,
		PositiveSpan:     bucketSpans(h.PositiveSpans),
		PositiveCount:    h.PositiveBuckets,
		NegativeSpan:     bucketSpans(h.NegativeSpans),
		NegativeCount:    h.NegativeBuckets,
	}
}

func bucketSpans(spans []histogram.Span) []*dto.BucketSpan {
	var out []*dto.BucketSpan
	for _, s := range spans {
		out = append(out, &dto.BucketSpan{Offset: &s.Offset, Length: &s.Length})
	}
	return out
}

// classicHistogram returns a histogram with custom buckets as cumulative buckets. The encoders add +Inf.
func classicHistogram(h *histogram.FloatHistogram) *dto.Histogram {
	out := &dto.Histogram{SampleCountFloat: &h.Count, SampleSum: &h.Sum}
	counts := make([]float64, len(h.CustomValues)+1)
	for it := h.PositiveBucketIterator(); it.Next(); {
		if b := it.At(); int(b.Index) < len(counts) {
			counts[b.Index] = b.Count
		}
	}
	total := 0.0
	for i := range h.CustomValues {
		total += counts[i]
		cumulative := total
		out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &h.CustomValues[i], CumulativeCountFloat: &cumulative})
	}
	return out
}
