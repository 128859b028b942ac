package remotewrite

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/internal/wire"
)

// The numbers of the fields of remote write 1.0 (prometheus.WriteRequest and below, see
// https://prometheus.io/docs/specs/prw/remote_write_spec/).
const (
	v1RequestSeries   = 1
	v1RequestMetadata = 3

	v1SeriesSamples    = 2
	v1SeriesExemplars  = 3
	v1SeriesHistograms = 4

	sampleValue     = 1
	sampleTimestamp = 2
	sampleStart     = 3 // remote write 2.0 only

	v1ExemplarLabels    = 1
	v1ExemplarValue     = 2
	v1ExemplarTimestamp = 3
)

// v1 appends a prometheus.WriteRequest.
func (b *batch) v1(request []byte) error {
	f := wire.Fields{Rest: request}
	for f.Next() {
		var err error
		switch {
		case f.Num == v1RequestSeries && f.Want(wire.Bytes):
			err = b.v1Series(f.Bytes)
		case f.Num == v1RequestMetadata && f.Want(wire.Bytes):
			err = b.v1Metadata(f.Bytes)
		}
		if err != nil {
			return err
		}
	}
	return malformed(f.Err)
}

// v1Series appends a prometheus.TimeSeries.
func (b *batch) v1Series(series []byte) error {
	raw, rest, samples, err := b.splitSeries(series)
	if err != nil {
		return malformed(err)
	}
	if err := b.count(samples); err != nil || samples == 0 {
		return err
	}
	k, err := b.series(raw)
	if err != nil {
		return b.refuseSeries(err, samples)
	}
	f := wire.Fields{Rest: rest}
	for f.Next() {
		var err error
		switch f.Num {
		case v1SeriesSamples:
			err = b.v1Sample(k, f.Bytes)
		case v1SeriesHistograms:
			err = b.histogram(k, f.Bytes, storage.AOptions{})
		case v1SeriesExemplars:
			err = b.v1Exemplar(f.Bytes)
		}
		if err != nil {
			return err
		}
	}
	b.flushExemplars(k)
	return malformed(f.Err)
}

// refuseSeries counts the samples of a series whose labels are wrong. An error of the encoding it returns.
func (b *batch) refuseSeries(err error, samples int) error {
	why, ok := reasonOf(err)
	if !ok {
		return malformed(err)
	}
	b.refused.add(why, max(samples, 1), labels.EmptyLabels(), 0, err)
	return nil
}

// splitSeries splits a prometheus.TimeSeries into its labels and the rest, and counts the samples, histograms and
// exemplars in the rest. Senders write the labels first, so that they are one piece; when they are not, they are
// put together in the scratch buffer.
func (b *batch) splitSeries(series []byte) (raw, rest []byte, samples int, err error) {
	f := wire.Fields{Rest: series}
	split, others, together := 0, false, true
	for f.Next() {
		switch f.Num {
		case fieldLabels:
			if f.Want(wire.Bytes) && !others {
				split = len(series) - len(f.Rest)
			}
			together = together && !others
			continue
		case v1SeriesSamples, v1SeriesExemplars, v1SeriesHistograms:
			if f.Want(wire.Bytes) {
				samples++
			}
		}
		others = true
	}
	if f.Err != nil {
		return nil, nil, 0, f.Err
	}
	if together {
		return series[:split], series[split:], samples, nil
	}
	return b.gatherLabels(series), series, samples, nil
}

// gatherLabels puts the labels of a checked series together in the scratch buffer.
func (b *batch) gatherLabels(series []byte) []byte {
	b.scratch = b.scratch[:0]
	f := wire.Fields{Rest: series}
	for f.Next() {
		if f.Num == fieldLabels {
			b.scratch = wire.AppendBytes(b.scratch, fieldLabels, f.Bytes)
		}
	}
	return b.scratch
}

// v1Sample appends a prometheus.Sample.
func (b *batch) v1Sample(k *known, raw []byte) error {
	_, t, v, err := parseSample(raw)
	if err != nil {
		return malformed(err)
	}
	return b.float(k, 0, t, v, storage.AOptions{})
}

// parseSample reads a prometheus.Sample or io.prometheus.write.v2.Sample, which has a start timestamp besides.
func parseSample(raw []byte) (st, t int64, v float64, err error) {
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch f.Num {
		case sampleValue:
			if f.Want(wire.Fixed64) {
				v = f.Float()
			}
		case sampleTimestamp:
			if f.Want(wire.Varint) {
				t = int64(f.Value)
			}
		case sampleStart:
			if f.Want(wire.Varint) {
				st = int64(f.Value)
			}
		}
	}
	return st, t, v, f.Err
}

// v1Exemplar holds a prometheus.Exemplar until the series' samples are appended.
func (b *batch) v1Exemplar(raw []byte) error {
	e := exemplar.Exemplar{HasTs: true}
	ls := labels.NewScratchBuilder(2)
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch f.Num {
		case v1ExemplarLabels:
			if !f.Want(wire.Bytes) {
				break
			}
			name, value, err := parseLabel(f.Bytes)
			if err != nil {
				return malformed(err)
			}
			ls.Add(string(name), string(value))
		case v1ExemplarValue:
			if f.Want(wire.Fixed64) {
				e.Value = f.Float()
			}
		case v1ExemplarTimestamp:
			if f.Want(wire.Varint) {
				e.Ts = int64(f.Value)
			}
		}
	}
	ls.Sort()
	e.Labels = ls.Labels()
	b.held = append(b.held, e)
	return malformed(f.Err)
}

// v1Metadata passes a prometheus.MetricMetadata on.
func (b *batch) v1Metadata(raw []byte) error {
	var m prompb.MetricMetadata
	if err := m.Unmarshal(raw); err != nil {
		return malformed(err)
	}
	b.metadata++
	if b.meta == nil || m.MetricFamilyName == "" {
		return nil
	}
	name, ok := prompb.MetricMetadata_MetricType_name[int32(m.Type)]
	if !ok {
		return malformed(fmt.Errorf("metric type %d is not known", m.Type))
	}
	b.meta.AppendMetadata(m.MetricFamilyName, metadata.Metadata{
		Type: model.MetricType(strings.ToLower(name)), Help: m.Help, Unit: m.Unit,
	})
	return nil
}
