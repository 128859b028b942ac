package series

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
)

const (
	// forwardBatch is how many samples a request has at most, as in Prometheus.
	forwardBatch = 2000
	// forwardSeriesAge is after how long a series that nobody appends to loses its ref.
	forwardSeriesAge = 2 * time.Hour
	// forwardMetadataAge is how often a series' metadata goes with its samples.
	forwardMetadataAge = 10 * time.Minute
)

// forwardSeries gives series their refs: scraping wants them, to know which series are gone.
type forwardSeries struct {
	external labels.Labels // never changes

	mu     sync.Mutex
	last   storage.SeriesRef
	byRef  map[storage.SeriesRef]*forwardedSeries
	byHash map[uint64][]*forwardedSeries
	swept  time.Time
}

type forwardedSeries struct {
	ref      storage.SeriesRef
	labels   labels.Labels
	sent     labels.Labels // with the external labels
	seen     time.Time
	metadata metadata.Metadata
	told     time.Time // when the metadata was last sent
}

func newForwardSeries(external labels.Labels) *forwardSeries {
	return &forwardSeries{
		external: external,
		byRef:    make(map[storage.SeriesRef]*forwardedSeries),
		byHash:   make(map[uint64][]*forwardedSeries),
		swept:    time.Now(),
	}
}

// get returns the series, making it when it is new.
func (f *forwardSeries) get(ref storage.SeriesRef, ls labels.Labels, now time.Time) *forwardedSeries {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.byRef[ref]
	if s == nil {
		s = f.findLocked(ls)
	}
	s.seen = now
	return s
}

func (f *forwardSeries) findLocked(ls labels.Labels) *forwardedSeries {
	h := ls.Hash()
	for _, s := range f.byHash[h] {
		if labels.Equal(s.labels, ls) {
			return s
		}
	}
	f.last++
	s := &forwardedSeries{ref: f.last, labels: ls.Copy()}
	s.sent = withExternal(s.labels, f.external)
	f.byRef[s.ref] = s
	f.byHash[h] = append(f.byHash[h], s)
	return s
}

// withExternal adds the labels that ls does not have.
func withExternal(ls, external labels.Labels) labels.Labels {
	if external.IsEmpty() {
		return ls
	}
	b := labels.NewBuilder(ls)
	external.Range(func(l labels.Label) {
		if !ls.Has(l.Name) {
			b.Set(l.Name, l.Value)
		}
	})
	return b.Labels()
}

// dueMetadata says whether the metadata has to go with the sample.
func (f *forwardSeries) dueMetadata(s *forwardedSeries, m metadata.Metadata, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.IsEmpty() || s.metadata == m && now.Sub(s.told) < forwardMetadataAge {
		return false
	}
	s.metadata, s.told = m, now
	return true
}

// sweep forgets the series that nobody has appended to for long.
func (f *forwardSeries) sweep(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.swept) < forwardSeriesAge/4 {
		return
	}
	f.swept = now
	for ref, s := range f.byRef {
		if now.Sub(s.seen) < forwardSeriesAge {
			continue
		}
		delete(f.byRef, ref)
		h := s.labels.Hash()
		f.byHash[h] = slices.DeleteFunc(f.byHash[h], func(o *forwardedSeries) bool { return o == s })
		if len(f.byHash[h]) == 0 {
			delete(f.byHash, h)
		}
	}
}

// forwardAppender puts a transaction into requests, and these into the queue when it is committed.
type forwardAppender struct {
	f   *Forwarder
	now time.Time

	// The request that is being filled.
	table   writev2.SymbolsTable
	series  []writev2.TimeSeries
	index   map[storage.SeriesRef]int // of series
	samples int

	// The requests that are full, as records of the queue.
	records []byte
	count   int
	total   int // samples
	err     error
}

var _ storage.ExemplarAppenderV2 = (*forwardAppender)(nil)

func newForwardAppender(f *Forwarder) *forwardAppender {
	a := &forwardAppender{f: f, now: time.Now(), index: make(map[storage.SeriesRef]int)}
	a.table = writev2.NewSymbolTable()
	return a
}

// Append takes a sample. Its order and time are for the server to judge.
func (a *forwardAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if err := validHistogram(h, fh); err != nil {
		return 0, err
	}
	ls = ls.WithoutEmpty()
	if ls.IsEmpty() {
		return 0, errors.New("a series needs labels")
	}
	if a.samples >= forwardBatch { // only now: exemplars of the last sample may have come behind it
		a.finishRequest()
	}
	s := a.f.series.get(ref, ls, a.now)
	ts := a.timeSeries(s)
	switch {
	case h != nil:
		ts.Histograms = append(ts.Histograms, writev2.FromIntHistogram(st, t, h))
	case fh != nil:
		ts.Histograms = append(ts.Histograms, writev2.FromFloatHistogram(st, t, fh))
	default:
		ts.Samples = append(ts.Samples, writev2.Sample{Value: v, Timestamp: t, StartTimestamp: st})
	}
	if a.f.series.dueMetadata(s, opts.Metadata, a.now) {
		ts.Metadata = writev2.Metadata{
			Type:    writev2.FromMetadataType(opts.Metadata.Type),
			HelpRef: a.table.Symbolize(opts.Metadata.Help),
			UnitRef: a.table.Symbolize(opts.Metadata.Unit),
		}
	}
	a.addExemplars(ts, opts.Exemplars)
	a.samples++
	return s.ref, a.err
}

func validHistogram(h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	switch {
	case h != nil:
		return h.Validate()
	case fh != nil:
		return fh.Validate()
	}
	return nil
}

// timeSeries returns the series' place in the request that is being filled.
func (a *forwardAppender) timeSeries(s *forwardedSeries) *writev2.TimeSeries {
	i, ok := a.index[s.ref]
	if !ok {
		i = len(a.series)
		a.index[s.ref] = i
		a.series = append(a.series, writev2.TimeSeries{LabelsRefs: a.table.SymbolizeLabels(s.sent, nil)})
	}
	return &a.series[i]
}

func (a *forwardAppender) addExemplars(ts *writev2.TimeSeries, es []exemplar.Exemplar) {
	for _, e := range es {
		ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{
			LabelsRefs: a.table.SymbolizeLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts,
		})
	}
}

// AppendExemplars takes exemplars of a series that has a sample in the same request.
func (a *forwardAppender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	i, ok := a.index[ref]
	if !ok {
		return 0, fmt.Errorf("cannot queue exemplars of %s without a sample: %w", ls, storage.ErrNotFound)
	}
	a.addExemplars(&a.series[i], es)
	return ref, nil
}

// finishRequest makes a record of the request that is being filled, and begins another one.
func (a *forwardAppender) finishRequest() {
	if a.samples == 0 {
		return
	}
	raw, err := (&writev2.Request{Symbols: a.table.Symbols(), Timeseries: a.series}).Marshal()
	if err != nil {
		a.err = fmt.Errorf("cannot encode samples: %w", err)
		return
	}
	a.records = appendRecord(a.records, a.samples, a.now, snappy.Encode(nil, raw))
	a.count++
	a.total += a.samples
	a.table.Reset()
	a.series, a.samples = nil, 0
	clear(a.index)
}

// Commit puts the transaction into the queue.
func (a *forwardAppender) Commit() error {
	a.finishRequest()
	if a.err != nil || a.count == 0 {
		return a.err
	}
	a.f.series.sweep(a.now)
	if err := a.f.queue.append(a.records, a.count, a.total); err != nil {
		return errQueue(err)
	}
	return nil
}

// Rollback forgets the transaction.
func (a *forwardAppender) Rollback() error { return nil }
