package remotewrite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
)

// metadataAppender is what a store that keeps metadata apart from samples has besides its appender.
type metadataAppender interface {
	AppendMetadata(metric string, m metadata.Metadata)
}

// batch brings one request into one transaction. What the store refuses for good is counted and left out; any other
// error ends the request, and the transaction with it.
type batch struct {
	limits   *Limits
	cache    *cache
	budget   *lease
	tenant   string
	maxTime  int64 // milliseconds; samples after it are refused
	app      storage.AppenderV2
	examples storage.ExemplarAppenderV2 // nil: the store takes no exemplars apart from samples
	meta     metadataAppender           // nil: the store takes no metadata apart from samples

	last    *known // the series before, which predicts the next
	scratch []byte // raw labels put together
	held    []exemplar.Exemplar

	seen       int // samples, histograms and exemplars in the request so far
	samples    int // taken
	histograms int // taken
	exemplars  int // taken
	noExemplar int // exemplars that were not
	metadata   int
	misses     int // series that were not in the cache
	refused    refusals
}

// count counts n samples before they are looked at.
func (b *batch) count(n int) error {
	if b.seen += n; b.seen > b.limits.MaxSamples {
		return tooLarge(fmt.Sprintf("the request has more than %d samples", b.limits.MaxSamples))
	}
	return nil
}

// series returns the series that raw labels name. Its errors are those of the labels.
func (b *batch) series(raw []byte) (*known, error) {
	k := b.cache.get(b.tenant, raw, b.last)
	if k == nil {
		ls, err := b.limits.parseLabels(raw)
		if err != nil {
			return nil, err
		}
		b.misses++
		k = b.cache.add(b.tenant, raw, b.ownLabels(ls), b.last)
	}
	b.last = k
	return k, nil
}

// ownLabels returns the store's own copy of the labels when it has the series, so that there are not two.
func (b *batch) ownLabels(ls labels.Labels) labels.Labels {
	g, ok := b.app.(storage.GetRef)
	if !ok {
		return ls
	}
	if ref, own := g.GetRef(ls, ls.Hash()); ref != 0 && !own.IsEmpty() {
		return own
	}
	return ls
}

// float appends one float sample. st is its start timestamp, 0 when there is none.
func (b *batch) float(k *known, st, t int64, v float64, opts storage.AOptions) error {
	if t > b.maxTime {
		b.refused.add(inFuture, 1, k.labels, t, nil)
		return nil
	}
	ref, err := b.app.Append(storage.SeriesRef(k.ref.Load()), k.labels, st, t, v, nil, nil, opts)
	if err != nil {
		return b.handle(err, k, t)
	}
	k.learn(ref)
	b.samples++
	return nil
}

// histogramCost is how many bytes of memory a byte of an encoded histogram may become: a bucket's varint of one
// byte is an int64.
const histogramCost = 8

// histogram appends one native histogram: io.prometheus.write.v2.Histogram, of which prometheus.Histogram is the
// same but for the start timestamp.
func (b *batch) histogram(k *known, raw []byte, opts storage.AOptions) error {
	if err := b.budget.take(int64(len(raw)) * histogramCost); err != nil {
		return err
	}
	var p writev2.Histogram
	if err := p.Unmarshal(raw); err != nil {
		return malformed(err)
	}
	if p.Timestamp > b.maxTime {
		b.refused.add(inFuture, 1, k.labels, p.Timestamp, nil)
		return nil
	}
	h, fh, err := histogramOf(&p)
	if err != nil {
		b.refused.add(invalidHistogram, 1, k.labels, p.Timestamp, err)
		return nil
	}
	ref, err := b.app.Append(storage.SeriesRef(k.ref.Load()), k.labels, p.StartTimestamp, p.Timestamp, 0, h, fh, opts)
	if err != nil {
		return b.handle(err, k, p.Timestamp)
	}
	k.learn(ref)
	b.histograms++
	return nil
}

// histogramOf returns the histogram in the form that it has, the other nil, at a resolution that PromQL knows.
func histogramOf(p *writev2.Histogram) (*histogram.Histogram, *histogram.FloatHistogram, error) {
	tooFine := func(schema int32) bool {
		return histogram.IsExponentialSchemaReserved(schema) && schema > histogram.ExponentialSchemaMax
	}
	if p.IsFloatHistogram() {
		fh := p.ToFloatHistogram()
		if tooFine(fh.Schema) {
			return nil, fh, fh.ReduceResolution(histogram.ExponentialSchemaMax)
		}
		return nil, fh, nil
	}
	h := p.ToIntHistogram()
	if tooFine(h.Schema) {
		return h, nil, h.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	return h, nil, nil
}

// handle counts a sample that the store refused for good. Any other error it returns.
func (b *batch) handle(err error, k *known, t int64) error {
	if partial := (*storage.AppendPartialError)(nil); errors.As(err, &partial) {
		b.noExemplar += len(partial.ExemplarErrors) // the sample itself was taken
		return nil
	}
	why, ok := reasonOf(err)
	if !ok {
		return err
	}
	b.refused.add(why, 1, k.labels, t, err)
	return nil
}

// flushExemplars appends the exemplars held of the series. Exemplars never fail a request: they are examples.
func (b *batch) flushExemplars(k *known) {
	if len(b.held) == 0 {
		return
	}
	held := b.held
	b.held = b.held[:0]
	future := len(held)
	held = slices.DeleteFunc(held, func(e exemplar.Exemplar) bool { return e.Ts > b.maxTime })
	b.noExemplar += future - len(held)
	if b.examples == nil || len(held) == 0 {
		b.noExemplar += len(held)
		return
	}
	slices.SortFunc(held, exemplar.Compare)
	_, err := b.examples.AppendExemplars(storage.SeriesRef(k.ref.Load()), k.labels, held)
	refused := 0
	if partial := (*storage.AppendPartialError)(nil); errors.As(err, &partial) {
		refused = len(partial.ExemplarErrors)
	} else if err != nil {
		refused = len(held)
	}
	b.noExemplar += refused
	b.exemplars += len(held) - refused
}
