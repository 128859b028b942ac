package gather

import (
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// isNative says whether the histogram has native buckets; an empty native histogram has at least a span of
// length 0 or a zero bucket (client_model, message Histogram).
func isNative(h *dto.Histogram) bool {
	return len(h.GetPositiveSpan()) > 0 || len(h.GetNegativeSpan()) > 0 || h.GetZeroThreshold() > 0 || h.GetZeroCount() > 0
}

func (a *appender) native(f *dto.MetricFamily, pairs []*dto.LabelPair, h *dto.Histogram, smp sample, opts storage.AOptions) bool {
	hint := histogram.UnknownCounterReset
	if f.GetType() == dto.MetricType_GAUGE_HISTOGRAM {
		hint = histogram.GaugeType
	}
	var err error
	if isFloat(h) {
		smp.fh = floatHistogram(h, hint)
		err = smp.fh.Validate()
	} else {
		smp.h = intHistogram(h, hint)
		err = smp.h.Validate()
	}
	if err != nil {
		a.scraped++
		a.drop("invalid_histogram", f.GetName(), "", err)
		return true
	}
	opts.Exemplars = nativeExemplars(h, a.sampleTime(smp))
	return a.add(f.GetName(), "", pairs, bound{}, smp, opts)
}

func isFloat(h *dto.Histogram) bool {
	return h.GetSampleCountFloat() > 0 || h.GetZeroCountFloat() > 0 || len(h.GetPositiveCount()) > 0 || len(h.GetNegativeCount()) > 0
}

func intHistogram(h *dto.Histogram, hint histogram.CounterResetHint) *histogram.Histogram {
	return &histogram.Histogram{
		CounterResetHint: hint,
		Schema:           h.GetSchema(),
		ZeroThreshold:    h.GetZeroThreshold(),
		ZeroCount:        h.GetZeroCount(),
		Count:            h.GetSampleCount(),
		Sum:              h.GetSampleSum(),
		PositiveSpans:    spans(h.GetPositiveSpan()),
		NegativeSpans:    spans(h.GetNegativeSpan()),
		PositiveBuckets:  slices.Clone(h.GetPositiveDelta()),
		NegativeBuckets:  slices.Clone(h.GetNegativeDelta()),
	}
}

func floatHistogram(h *dto.Histogram, hint histogram.CounterResetHint) *histogram.FloatHistogram {
	return &histogram.FloatHistogram{
		CounterResetHint: hint,
		Schema:           h.GetSchema(),
		ZeroThreshold:    h.GetZeroThreshold(),
		ZeroCount:        h.GetZeroCountFloat(),
		Count:            h.GetSampleCountFloat(),
		Sum:              h.GetSampleSum(),
		PositiveSpans:    spans(h.GetPositiveSpan()),
		NegativeSpans:    spans(h.GetNegativeSpan()),
		PositiveBuckets:  slices.Clone(h.GetPositiveCount()),
		NegativeBuckets:  slices.Clone(h.GetNegativeCount()),
	}
}

// spans copies the spans, without the empty one that marks an empty native histogram.
func spans(in []*dto.BucketSpan) []histogram.Span {
	if len(in) == 0 || len(in) == 1 && in[0].GetLength() == 0 {
		return nil
	}
	out := make([]histogram.Span, len(in))
	for i, s := range in {
		out[i] = histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()}
	}
	return out
}

// exemplars appends e, when there is one, to dst; sampleTime stands in for a timestamp it does not have.
func exemplars(dst []exemplar.Exemplar, e *dto.Exemplar, sampleTime int64) []exemplar.Exemplar {
	if e == nil {
		return dst
	}
	out := exemplar.Exemplar{Value: e.GetValue(), Ts: sampleTime, Labels: exemplarLabels(e)}
	if e.GetTimestamp() != nil {
		out.Ts, out.HasTs = millis(e.GetTimestamp()), true
	}
	return append(dst, out)
}

// nativeExemplars returns the exemplars that have a timestamp, oldest first, as the store wants them: without one
// nobody could tell them apart from round to round. Those of classic buckets stand in when there are no others.
func nativeExemplars(h *dto.Histogram, sampleTime int64) []exemplar.Exemplar {
	var out []exemplar.Exemplar
	for _, e := range h.GetExemplars() {
		if e.GetTimestamp() != nil {
			out = exemplars(out, e, sampleTime)
		}
	}
	if len(out) == 0 {
		for _, b := range h.GetBucket() {
			if b.GetExemplar().GetTimestamp() != nil {
				out = exemplars(out, b.GetExemplar(), sampleTime)
			}
		}
	}
	slices.SortFunc(out, exemplar.Compare)
	return out
}

func exemplarLabels(e *dto.Exemplar) labels.Labels {
	b := labels.NewScratchBuilder(len(e.GetLabel()))
	for _, p := range e.GetLabel() {
		b.Add(p.GetName(), p.GetValue())
	}
	b.Sort()
	return b.Labels()
}

// millis converts to milliseconds since the epoch; nil is 0.
func millis(t *timestamppb.Timestamp) int64 {
	if t == nil {
		return 0
	}
	return t.AsTime().UnixMilli()
}
