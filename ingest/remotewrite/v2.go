package remotewrite

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/internal/wire"
)

// The numbers of the fields of remote write 2.0 (io.prometheus.write.v2.Request and below, see
// https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/).
const (
	v2RequestSymbols = 4
	v2RequestSeries  = 5

	v2SeriesLabels     = 1
	v2SeriesSamples    = 2
	v2SeriesHistograms = 3
	v2SeriesExemplars  = 4
	v2SeriesMetadata   = 5

	v2ExemplarLabels    = 1
	v2ExemplarValue     = 2
	v2ExemplarTimestamp = 3
)

// v2Request is the state of reading an io.prometheus.write.v2.Request.
type v2Request struct {
	*batch
	data       []byte
	symbols    []symbol
	refs       []uint32 // scratch: the label references of one message
	labelBytes int64    // of the labels put together so far
}

// symbol is the place of a string in the request.
type symbol struct{ from, to uint32 }

// v2 appends an io.prometheus.write.v2.Request.
func (b *batch) v2(request []byte) error {
	r := v2Request{batch: b, data: request}
	if err := r.readSymbols(); err != nil {
		return err
	}
	f := wire.Fields{Rest: request}
	for f.Next() {
		if f.Num == v2RequestSeries && f.Want(wire.Bytes) {
			if err := r.series(f.Bytes); err != nil {
				return err
			}
		}
	}
	return malformed(f.Err)
}

// symbolCost is the memory of a symbol, in bytes; one can be encoded in two.
const symbolCost = 8

func (r *v2Request) readSymbols() error {
	f := wire.Fields{Rest: r.data}
	for f.Next() {
		if f.Num != v2RequestSymbols || !f.Want(wire.Bytes) {
			continue
		}
		if len(r.symbols) == cap(r.symbols) { // it is about to double
			if err := r.budget.take(int64(max(len(r.symbols), 64)) * symbolCost); err != nil {
				return err
			}
		}
		to := len(r.data) - len(f.Rest)
		r.symbols = append(r.symbols, symbol{uint32(to - len(f.Bytes)), uint32(to)})
	}
	if f.Err == nil && len(r.symbols) > 0 && r.symbols[0].from != r.symbols[0].to {
		return malformed(fmt.Errorf("the first symbol is not the empty string"))
	}
	return malformed(f.Err)
}

// symbol returns the bytes of a symbol.
func (r *v2Request) symbol(ref uint32) ([]byte, error) {
	if int64(ref) >= int64(len(r.symbols)) {
		return nil, fmt.Errorf("%w: the symbol %d is referred to, the request has %d", errLabels, ref, len(r.symbols))
	}
	s := r.symbols[ref]
	return r.data[s.from:s.to], nil
}

// series appends an io.prometheus.write.v2.TimeSeries.
func (r *v2Request) series(series []byte) error {
	var meta []byte
	r.refs = r.refs[:0]
	samples, examples := 0, 0
	f := wire.Fields{Rest: series}
	for f.Next() {
		switch f.Num {
		case v2SeriesLabels:
			r.readRefs(&f)
		case v2SeriesSamples, v2SeriesHistograms:
			if f.Want(wire.Bytes) {
				samples++
			}
		case v2SeriesExemplars:
			if f.Want(wire.Bytes) {
				examples++
			}
		case v2SeriesMetadata:
			if f.Want(wire.Bytes) {
				meta = f.Bytes
			}
		}
	}
	if f.Err != nil {
		return malformed(f.Err)
	}
	if err := r.count(samples + examples); err != nil {
		return err
	}
	k, err := r.knownSeries()
	if err != nil {
		return r.refuseSeries(err, samples)
	}
	if samples == 0 {
		r.refused.add(withoutSample, 1, k.labels, 0, nil)
		return nil
	}
	return r.appendSeries(k, series, meta)
}

// knownSeries puts the labels together as remote write 1.0 sends them, so that a series is known by the same bytes
// whichever protocol it comes in.
func (r *v2Request) knownSeries() (*known, error) {
	if len(r.refs)%2 != 0 {
		return nil, fmt.Errorf("%w: an odd number of label references", errLabels)
	}
	if len(r.refs)/2 > r.limits.MaxLabels {
		return nil, fmt.Errorf("%w: more than %d labels", errLabels, r.limits.MaxLabels)
	}
	raw := r.scratch[:0]
	for i := 0; i < len(r.refs); i += 2 {
		name, err := r.symbol(r.refs[i])
		if err != nil {
			return nil, err
		}
		value, err := r.symbol(r.refs[i+1])
		if err != nil {
			return nil, err
		}
		// Before they are copied: a few bytes of references can name a large symbol many times.
		if len(name) > r.limits.MaxLabelName || len(value) > r.limits.MaxLabelValue {
			return nil, r.limits.checkLabel(name, value)
		}
		raw = appendLabel(raw, name, value)
	}
	r.scratch = raw
	if r.labelBytes += int64(len(raw)); r.labelBytes > maxLabelGrowth*r.limits.MaxUncompressed {
		return nil, tooLarge("the labels of the request are too large when their symbols are put in")
	}
	return r.batch.series(raw)
}

// maxLabelGrowth bounds how much larger than the largest request its labels may become by putting the symbols in;
// real requests grow two or three times.
const maxLabelGrowth = 4

// appendLabel appends a prometheus.TimeSeries' field labels with a prometheus.Label in it.
func appendLabel(dst, name, value []byte) []byte {
	dst = append(dst, fieldLabels<<3|wire.Bytes)
	dst = binary.AppendUvarint(dst, uint64(bytesFieldSize(name)+bytesFieldSize(value)))
	dst = wire.AppendBytes(dst, fieldLabelName, name)
	return wire.AppendBytes(dst, fieldLabelValue, value)
}

// bytesFieldSize returns the size of a length-delimited field with a number below 16.
func bytesFieldSize(b []byte) int {
	size := 2 + len(b)
	for n := len(b) >> 7; n > 0; n >>= 7 {
		size++
	}
	return size
}

// readRefs reads label references, packed or not, into r.refs.
func (r *v2Request) readRefs(f *wire.Fields) {
	switch f.Wire {
	case wire.Varint:
		r.addRef(f, f.Value)
	case wire.Bytes:
		packed := wire.Fields{Rest: f.Bytes}
		for len(packed.Rest) > 0 && f.Err == nil {
			v, ok := packed.Uvarint()
			if !ok {
				f.Fail(packed.Err)
				return
			}
			r.addRef(f, v)
		}
	default:
		f.Fail(wire.ErrWireType)
	}
}

func (r *v2Request) addRef(f *wire.Fields, v uint64) {
	// One more than the limit is enough to know that there are too many.
	if len(r.refs) <= 2*r.limits.MaxLabels+1 {
		r.refs = append(r.refs, uint32(v))
	}
}

func (r *v2Request) appendSeries(k *known, series, meta []byte) error {
	opts, sum, err := r.options(k, meta)
	if err != nil {
		return err
	}
	before := r.samples + r.histograms
	f := wire.Fields{Rest: series}
	for f.Next() {
		var err error
		switch f.Num {
		case v2SeriesSamples:
			err = r.sample(k, f.Bytes, opts)
		case v2SeriesHistograms:
			err = r.histogram(k, f.Bytes, opts)
		case v2SeriesExemplars:
			err = r.exemplar(f.Bytes)
		}
		if err != nil {
			return err
		}
	}
	r.flushExemplars(k)
	if sum != 0 && r.samples+r.histograms > before {
		k.meta.Store(sum)
		r.metadata++
	}
	return nil
}

func (r *v2Request) sample(k *known, raw []byte, opts storage.AOptions) error {
	st, t, v, err := parseSample(raw)
	if err != nil {
		return malformed(err)
	}
	return r.float(k, st, t, v, opts)
}

// exemplar holds an io.prometheus.write.v2.Exemplar until the series' samples are appended.
func (r *v2Request) exemplar(raw []byte) error {
	e := exemplar.Exemplar{HasTs: true}
	r.refs = r.refs[:0]
	f := wire.Fields{Rest: raw}
	for f.Next() {
		switch f.Num {
		case v2ExemplarLabels:
			r.readRefs(&f)
		case v2ExemplarValue:
			if f.Want(wire.Fixed64) {
				e.Value = f.Float()
			}
		case v2ExemplarTimestamp:
			if f.Want(wire.Varint) {
				e.Ts = int64(f.Value)
			}
		}
	}
	if f.Err != nil {
		return malformed(f.Err)
	}
	if ls, err := r.exemplarLabels(); err != nil {
		r.noExemplar++ // its sample is taken all the same
	} else {
		e.Labels = ls
		r.held = append(r.held, e)
	}
	return nil
}

func (r *v2Request) exemplarLabels() (labels.Labels, error) {
	if len(r.refs)%2 != 0 || len(r.refs) > 2*exemplar.ExemplarMaxLabelSetLength {
		return labels.EmptyLabels(), errLabels
	}
	b := labels.NewScratchBuilder(len(r.refs) / 2)
	for i := 0; i < len(r.refs); i += 2 {
		name, err := r.symbol(r.refs[i])
		if err != nil {
			return labels.EmptyLabels(), err
		}
		value, err := r.symbol(r.refs[i+1])
		if err != nil {
			return labels.EmptyLabels(), err
		}
		if len(name)+len(value) > 4*exemplar.ExemplarMaxLabelSetLength { // of at most four bytes a character
			return labels.EmptyLabels(), storage.ErrExemplarLabelLength
		}
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels(), nil
}

// options returns what goes with every sample of the series: its metadata and their sum, when they are not the ones
// that went with it the last time.
func (r *v2Request) options(k *known, raw []byte) (opts storage.AOptions, sum uint64, err error) {
	if len(raw) == 0 {
		return opts, 0, nil
	}
	var m writev2.Metadata
	if err := m.Unmarshal(raw); err != nil {
		return opts, 0, malformed(err)
	}
	help, err := r.symbol(m.HelpRef)
	if err != nil {
		return opts, 0, malformed(err)
	}
	unit, err := r.symbol(m.UnitRef)
	if err != nil {
		return opts, 0, malformed(err)
	}
	if sum = r.metadataSum(m.Type, help, unit); k.meta.Load() == sum {
		return opts, 0, nil
	}
	opts.Metadata = metadata.Metadata{
		Type: metricType(m.Type),
		Help: string(help[:min(len(help), maxMetadataText)]),
		Unit: string(unit[:min(len(unit), maxMetadataText)]),
	}
	opts.MetricFamilyName = family(k.labels.Get(model.MetricNameLabel), opts.Metadata.Type)
	return opts, sum, nil
}

// maxMetadataText bounds a help text and a unit, in bytes: a request can name one large symbol for many series.
const maxMetadataText = 4096

// metadataSum hashes metadata, and the day: they are told once a day again, so that the store knows they still hold.
func (r *v2Request) metadataSum(t writev2.Metadata_MetricType, help, unit []byte) uint64 {
	day := uint64(time.Now().Unix() / (24 * 3600))
	return maphash.Bytes(r.cache.seed, help) ^ maphash.Bytes(r.cache.seed, unit)<<1 ^ uint64(t)<<32 ^ day
}

func metricType(t writev2.Metadata_MetricType) model.MetricType {
	switch t {
	case writev2.Metadata_METRIC_TYPE_COUNTER:
		return model.MetricTypeCounter
	case writev2.Metadata_METRIC_TYPE_GAUGE:
		return model.MetricTypeGauge
	case writev2.Metadata_METRIC_TYPE_HISTOGRAM:
		return model.MetricTypeHistogram
	case writev2.Metadata_METRIC_TYPE_GAUGEHISTOGRAM:
		return model.MetricTypeGaugeHistogram
	case writev2.Metadata_METRIC_TYPE_SUMMARY:
		return model.MetricTypeSummary
	case writev2.Metadata_METRIC_TYPE_INFO:
		return model.MetricTypeInfo
	case writev2.Metadata_METRIC_TYPE_STATESET:
		return model.MetricTypeStateset
	}
	return model.MetricTypeUnknown
}

// family returns the name of the family that a series belongs to: a classic histogram or summary has several
// series, whose names end in what they are.
func family(name string, t model.MetricType) string {
	suffixes := map[model.MetricType][]string{
		model.MetricTypeHistogram:      {"_bucket", "_count", "_sum"},
		model.MetricTypeGaugeHistogram: {"_bucket", "_gcount", "_gsum"},
		model.MetricTypeSummary:        {"_count", "_sum"},
	}
	for _, s := range suffixes[t] {
		if cut, ok := strings.CutSuffix(name, s); ok {
			return cut
		}
	}
	return name
}
