package gather

import (
	"math"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// families appends everything that a Gather returned; a.err says what stopped it.
func (a *appender) families(families []*dto.MetricFamily, classic bool) {
	for _, f := range families {
		if f == nil {
			continue
		}
		opts := storage.AOptions{MetricFamilyName: f.GetName(), Metadata: familyMetadata(f)}
		for _, m := range f.GetMetric() {
			if !a.metric(f, m, opts, classic) {
				return
			}
		}
	}
}

func familyMetadata(f *dto.MetricFamily) metadata.Metadata {
	return metadata.Metadata{Type: metricType(f.GetType()), Help: f.GetHelp(), Unit: f.GetUnit()}
}

func metricType(t dto.MetricType) model.MetricType {
	switch t {
	case dto.MetricType_COUNTER:
		return model.MetricTypeCounter
	case dto.MetricType_GAUGE:
		return model.MetricTypeGauge
	case dto.MetricType_SUMMARY:
		return model.MetricTypeSummary
	case dto.MetricType_HISTOGRAM:
		return model.MetricTypeHistogram
	case dto.MetricType_GAUGE_HISTOGRAM:
		return model.MetricTypeGaugeHistogram
	}
	return model.MetricTypeUnknown
}

// metric appends the samples of one metric. It reports whether to go on.
func (a *appender) metric(f *dto.MetricFamily, m *dto.Metric, opts storage.AOptions, classic bool) bool {
	name, pairs, smp := f.GetName(), m.GetLabel(), sample{t: m.GetTimestampMs()}
	switch {
	case m == nil:
		return true
	case m.Counter != nil:
		smp.v, smp.start = m.Counter.GetValue(), millis(m.Counter.GetCreatedTimestamp())
		opts.Exemplars = exemplars(opts.Exemplars, m.Counter.GetExemplar(), a.sampleTime(smp))
		return a.add(name, "", pairs, bound{}, smp, opts)
	case m.Gauge != nil:
		smp.v = m.Gauge.GetValue()
		return a.add(name, "", pairs, bound{}, smp, opts)
	case m.Untyped != nil:
		smp.v = m.Untyped.GetValue()
		return a.add(name, "", pairs, bound{}, smp, opts)
	case m.Summary != nil:
		return a.summary(name, pairs, m.Summary, smp, opts)
	case m.Histogram != nil:
		return a.histogram(f, pairs, m.Histogram, smp, opts, classic)
	}
	return true
}

func (a *appender) summary(name string, pairs []*dto.LabelPair, s *dto.Summary, smp sample, opts storage.AOptions) bool {
	for _, q := range s.GetQuantile() {
		smp.v = q.GetValue()
		if !a.add(name, "", pairs, bound{model.QuantileLabel, q.GetQuantile()}, smp, opts) {
			return false
		}
	}
	smp.start = millis(s.GetCreatedTimestamp())
	return a.sumAndCount(name, pairs, s.GetSampleSum(), float64(s.GetSampleCount()), smp, opts)
}

func (a *appender) sumAndCount(name string, pairs []*dto.LabelPair, sum, count float64, smp sample, opts storage.AOptions) bool {
	smp.v = sum
	if !a.add(name, "_sum", pairs, bound{}, smp, opts) {
		return false
	}
	smp.v = count
	return a.add(name, "_count", pairs, bound{}, smp, opts)
}

func (a *appender) histogram(f *dto.MetricFamily, pairs []*dto.LabelPair, h *dto.Histogram, smp sample, opts storage.AOptions, classic bool) bool {
	smp.start = millis(h.GetCreatedTimestamp())
	native := isNative(h)
	if native && !a.native(f, pairs, h, smp, opts) {
		return false
	}
	if native && (!classic || len(h.GetBucket()) == 0) {
		return true
	}
	count := float64(h.GetSampleCount())
	if h.GetSampleCountFloat() > 0 {
		count = h.GetSampleCountFloat()
	}
	return a.buckets(f.GetName(), pairs, h, count, smp, opts) &&
		a.sumAndCount(f.GetName(), pairs, h.GetSampleSum(), count, smp, opts)
}

// buckets appends the classic buckets, with the last one (+Inf) that client libraries may leave out.
func (a *appender) buckets(name string, pairs []*dto.LabelPair, h *dto.Histogram, count float64, smp sample, opts storage.AOptions) bool {
	inf := false
	for _, b := range h.GetBucket() {
		inf = inf || math.IsInf(b.GetUpperBound(), +1)
		smp.v = float64(b.GetCumulativeCount())
		if b.GetCumulativeCountFloat() > 0 {
			smp.v = b.GetCumulativeCountFloat()
		}
		withExemplar := opts
		withExemplar.Exemplars = exemplars(nil, b.GetExemplar(), a.sampleTime(smp))
		if !a.add(name, "_bucket", pairs, bound{model.BucketLabel, b.GetUpperBound()}, smp, withExemplar) {
			return false
		}
	}
	if inf {
		return true
	}
	smp.v = count
	return a.add(name, "_bucket", pairs, bound{model.BucketLabel, math.Inf(+1)}, smp, opts)
}

// sampleTime is the timestamp that the sample will have, milliseconds.
func (a *appender) sampleTime(s sample) int64 {
	if s.t != 0 {
		return s.t
	}
	return a.at
}
