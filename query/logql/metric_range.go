package logql

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// rangePipeline is a compiled log query, as metric queries need it.
type rangePipeline struct {
	query  func(start, end int64) store.EventQuery
	runner func() func(store.EventBatch) (columnar, error) // for one goroutine
}

// rangeNeed says what is wanted of the records: all labels, or those that are named.
type rangeNeed struct {
	line   bool
	all    bool
	labels []string
}

// rangePlan is how one range aggregation is computed.
type rangePlan struct {
	agg     *RangeAggregation
	by      *Grouping // of the aggregation or, fused, of sum, min or max around it
	windows windows
	fold    *fold // nil: the samples are kept
	need    rangeNeed
	meter   *meter
}

// newRangePlan plans a, in whose place the query may have op by (...) (a): what sums up what is counted need not be counted apart.
func newRangePlan(a *RangeAggregation, by *Grouping, s steps, m *meter) (*rangePlan, error) {
	p := &rangePlan{agg: a, by: by, windows: newWindows(s, int64(a.Range.Interval), int64(a.Range.Offset)), meter: m}
	p.fold = newFold(a.Op, a.Range.Interval.Seconds(), a.Range.Unwrap != nil)
	if a.Op == "absent_over_time" {
		p.by = &Grouping{}
	}
	sampler, err := newSampler(a)
	if err != nil {
		return nil, err
	}
	names, ok := p.by.columns()
	p.need = rangeNeed{line: a.Op == "bytes_rate" || a.Op == "bytes_over_time", all: !ok, labels: append(sampler.names(), names...)}
	return p, nil
}

// fusedBy returns the grouping with which a vector aggregation can be computed together with the range aggregation in it.
func fusedBy(v *VectorAggregation) (*RangeAggregation, *Grouping, bool) {
	a, ok := v.Expr.(*RangeAggregation)
	if !ok {
		return nil, nil, false
	}
	switch {
	case v.Op == "sum" && (a.Op == "count_over_time" || a.Op == "rate" || a.Op == "bytes_rate" || a.Op == "bytes_over_time" || a.Op == "sum_over_time"):
	case v.Op == "min" && a.Op == "min_over_time", v.Op == "max" && a.Op == "max_over_time":
	default:
		return nil, nil, false
	}
	if a.Grouping != nil && !within(v.Grouping, a.Grouping) {
		return nil, nil, false
	}
	if v.Grouping == nil {
		return a, &Grouping{}, true
	}
	return a, v.Grouping, a.Range.Unwrap == nil || v.Grouping.Without || !contains(v.Grouping.Labels, a.Range.Unwrap.Label)
}

// within says whether what outer groups by is left by inner.
func within(outer, inner *Grouping) bool {
	if inner.Without || outer != nil && outer.Without {
		return false
	}
	if outer == nil {
		return true
	}
	for _, name := range outer.Labels {
		if !contains(inner.Labels, name) {
			return false
		}
	}
	return true
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// meter bounds how many numbers a query keeps in memory, over all its workers.
type meter struct {
	limit int64
	used  atomic.Int64
}

// mostNumbers is how many float64s a metric query may hold: 256 MiB.
const mostNumbers = 32 << 20

var errTooMuch = model.NewError(model.Limit, "the query needs more memory for its samples than one query may have (256 MiB): "+
	"narrow the selector or the time range, make the step longer, or group by fewer labels")

func (m *meter) take(n int) error {
	if n != 0 && m.used.Add(int64(n)) > m.limit {
		return errTooMuch
	}
	return nil
}

// pipelineError says that records have an error label; it is explained by explain.
type pipelineError struct{ failedRow }

func (e *pipelineError) Error() string { return e.err }

// run selects the records and returns the aggregation's value.
func (p *rangePlan) run(ctx context.Context, r store.EventReader, pipe rangePipeline, stats func(store.EventStats)) (*table, error) {
	q := pipe.query(p.windows.from(), p.windows.to())
	q.Order, q.Workers = store.AnyOrder, runtime.GOMAXPROCS(0)
	workers := make([]*rangeWorker, q.Workers)
	st, err := r.Select(ctx, q, func(worker int, b store.EventBatch) error {
		w := workers[worker]
		if w == nil {
			var err error
			if w, err = p.newWorker(pipe); err != nil {
				return err
			}
			workers[worker] = w
		}
		return w.batch(b)
	})
	stats(st)
	if err != nil {
		return nil, err
	}
	all, err := p.join(workers)
	if err != nil {
		return nil, err
	}
	if p.agg.Op == "absent_over_time" {
		return p.absent(all), nil
	}
	return p.finish(all)
}

// rangeWorker aggregates the batches of one goroutine.
type rangeWorker struct {
	p       *rangePlan
	run     func(store.EventBatch) (columnar, error)
	sampler *sampler
	groups  *grouper
	counts  []int
}

func (p *rangePlan) newWorker(pipe rangePipeline) (*rangeWorker, error) {
	s, err := newSampler(p.agg)
	if err != nil {
		return nil, err
	}
	exclude := ""
	if p.agg.Range.Unwrap != nil {
		exclude = p.agg.Range.Unwrap.Label
	}
	return &rangeWorker{p: p, run: pipe.runner(), sampler: s, groups: newGrouper(p.by, exclude)}, nil
}

func (w *rangeWorker) batch(b store.EventBatch) error {
	r, err := w.run(b)
	if err != nil || r.Count() == 0 {
		return err
	}
	selected, values, failed := w.sampler.take(r)
	if failed != nil {
		return &pipelineError{*failed}
	}
	made := len(w.groups.all)
	groups := w.groups.group(r, selected)
	add := w.addCounts
	switch {
	case w.p.fold == nil:
		add = w.keep
	case values != nil:
		add = w.addValues
	}
	if bucket, ok := w.p.windows.only(r.TimeRange()); ok && w.p.fold != nil && values == nil {
		// What is only counted, in one bucket, is counted without its times.
		err = w.addCounts(&bucketRun{selected: selected, groups: &groups, hi: r.Len(), bucket: bucket})
	} else {
		err = w.eachBucket(r, values, selected, &groups, add)
	}
	if err != nil {
		return err
	}
	return w.p.meter.take((len(w.groups.all) - made) * seriesCost)
}

// eachBucket calls add with the rows of every bucket.
func (w *rangeWorker) eachBucket(r columnar, values []float64, selected []uint64, groups *batchGroups, add func(*bucketRun) error) error {
	return w.eachRun(r.Times(), func(lo, hi, bucket int) error {
		return add(&bucketRun{r.Times(), values, selected, groups, lo, hi, bucket})
	})
}

// seriesCost is what a series takes besides its samples, in float64s.
const seriesCost = 40

// bucketRun is rows of a batch that are in one bucket: from lo on and before hi.
type bucketRun struct {
	times    []int64
	values   []float64
	selected []uint64
	groups   *batchGroups
	lo, hi   int
	bucket   int
}

// eachRun calls f with the rows of every bucket. Times ascend.
func (w *rangeWorker) eachRun(times []int64, f func(lo, hi, bucket int) error) error {
	from, to := w.p.windows.from(), w.p.windows.to()
	lo := 0
	for lo < len(times) && times[lo] < from {
		lo++
	}
	for lo < len(times) && times[lo] < to {
		b, end := w.p.windows.bucket(times[lo])
		hi := lo + runLength(times[lo:], end)
		if b >= 0 {
			if err := f(lo, hi, b); err != nil {
				return err
			}
		}
		lo = hi
	}
	return nil
}

// runLength returns how many of the ascending times are not after end; the first is not. It gallops, since runs are often short or
// the whole batch.
func runLength(times []int64, end int64) int {
	if times[len(times)-1] <= end {
		return len(times)
	}
	lo, hi := 0, 1
	for hi < len(times) && times[hi] <= end {
		lo, hi = hi, hi*2
	}
	hi = min(hi, len(times))
	for lo+1 < hi {
		if mid := (lo + hi) / 2; times[mid] <= end {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// fewGroups is up to how many groups are counted in a small table before they go to the cells of their series.
const fewGroups = 512

func (w *rangeWorker) addCounts(r *bucketRun) error {
	codes := r.groups.codes
	if codes == nil {
		return w.addCount(r.groups.series(0), r.bucket, countBits(r.selected, r.lo, r.hi))
	}
	if r.groups.groups > fewGroups || r.hi-r.lo < r.groups.groups {
		return eachBitBetween(r.selected, r.lo, r.hi, func(i int) error { return w.addCount(r.groups.series(codes[i]), r.bucket, 1) })
	}
	counts := append(w.counts[:0], make([]int, r.groups.groups)...)
	w.counts = counts
	countCodes(counts, codes, r.selected, r.lo, r.hi)
	for code, n := range counts {
		if n > 0 {
			if err := w.addCount(r.groups.series(uint32(code)), r.bucket, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *rangeWorker) addCount(s *rangeSeries, bucket, n int) error {
	if n == 0 {
		return nil
	}
	cell, grown := s.cells.at(bucket, w.p.fold.size)
	cell[0] += float64(n)
	return w.p.meter.take(grown)
}

func (w *rangeWorker) addValues(r *bucketRun) error {
	f := w.p.fold
	if r.groups.codes == nil {
		if countBits(r.selected, r.lo, r.hi) == 0 {
			return nil
		}
		cell, grown := r.groups.series(0).cells.at(r.bucket, f.size)
		eachBitIn(r.selected, r.lo, r.hi, func(i int) { f.add(cell, r.times[i], r.values[i]) })
		return w.p.meter.take(grown)
	}
	return eachBitBetween(r.selected, r.lo, r.hi, func(i int) error {
		cell, grown := r.groups.series(r.groups.codes[i]).cells.at(r.bucket, f.size)
		f.add(cell, r.times[i], r.values[i])
		if grown > 0 {
			return w.p.meter.take(grown)
		}
		return nil
	})
}

// keep keeps the samples, of counters with their times.
func (w *rangeWorker) keep(r *bucketRun) error {
	n := countBits(r.selected, r.lo, r.hi)
	if n == 0 {
		return nil
	}
	timed := w.p.agg.Op == "rate_counter"
	if r.groups.codes == nil && !timed {
		b := r.groups.series(0).kept.at(r.bucket)
		b.room(n)
		if n == r.hi-r.lo {
			b.values = append(b.values, r.values[r.lo:r.hi]...)
		} else {
			eachBitIn(r.selected, r.lo, r.hi, func(i int) { b.values = append(b.values, r.values[i]) })
		}
		return w.p.meter.take(n)
	}
	eachBitIn(r.selected, r.lo, r.hi, func(i int) {
		code := uint32(0)
		if r.groups.codes != nil {
			code = r.groups.codes[i]
		}
		b := r.groups.series(code).kept.at(r.bucket)
		b.values = append(b.values, r.values[i])
		if timed {
			b.times = append(b.times, r.times[i])
		}
	})
	if timed {
		n *= 2
	}
	return w.p.meter.take(n)
}

// join merges what the workers have.
func (p *rangePlan) join(workers []*rangeWorker) ([]*rangeSeries, error) {
	var into *grouper
	for _, w := range workers {
		switch {
		case w == nil:
		case into == nil:
			into = w.groups
		default:
			if err := p.absorb(into, w.groups); err != nil {
				return nil, err
			}
		}
	}
	if into == nil {
		return nil, nil
	}
	return into.all, nil
}

func (p *rangePlan) absorb(into, from *grouper) error {
	for key, s := range from.byName {
		known, ok := into.byName[key]
		if !ok {
			into.byName[key] = s
			into.all = append(into.all, s)
			continue
		}
		known.kept.absorb(&s.kept)
		if p.fold != nil {
			if err := p.meter.take(known.cells.absorb(&s.cells, p.fold)); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish computes the values of the series at the steps, on all processors.
func (p *rangePlan) finish(all []*rangeSeries) (*table, error) {
	out := make([]series, len(all))
	errs := make([]error, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	var wait sync.WaitGroup
	for worker := range min(len(errs), len(all)) {
		wait.Go(func() {
			slide := &slider{w: &p.windows, f: p.fold}
			for i := next.Add(1) - 1; i < int64(len(all)) && errs[worker] == nil; i = next.Add(1) - 1 {
				out[i].labels = all[i].labels
				out[i].first, out[i].values = p.values(slide, all[i])
				errs[worker] = p.meter.take(len(out[i].values))
				*all[i] = rangeSeries{labels: all[i].labels} // its memory may go
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errTooMuch
	}
	t := &table{series: out}
	t.tidy()
	return t, nil
}

func (p *rangePlan) values(slide *slider, s *rangeSeries) (first int, values []float64) {
	switch {
	case p.fold != nil:
		return slide.values(&s.cells)
	case p.agg.Op == "rate_counter":
		return s.kept.counterRates(&p.windows)
	}
	return s.kept.quantiles(&p.windows, *p.agg.Param)
}

// absent is 1 at the steps in whose range there is no record, with the labels that the selector says have one value.
func (p *rangePlan) absent(all []*rangeSeries) *table {
	counts := series{}
	if len(all) > 0 {
		slide := &slider{w: &p.windows, f: p.fold}
		counts.first, counts.values = slide.values(&all[0].cells)
	}
	out := constant(1, absentLabels(p.agg.Range.Log.Matchers), p.windows.count)
	for i := range out.values {
		if !isAbsent(counts.at(i)) {
			out.values[i] = absent
		}
	}
	t := &table{series: []series{out}}
	t.tidy()
	return t
}

func absentLabels(matchers []*labels.Matcher) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	seen := map[string]bool{}
	for _, m := range matchers {
		if m.Type != labels.MatchEqual || seen[m.Name] {
			b.Del(m.Name)
		} else {
			b.Set(m.Name, m.Value)
		}
		seen[m.Name] = true
	}
	return b.Labels()
}

// errorText is what Loki says of a record with an error in a metric query.
func errorText(kind string, l labels.Labels) error {
	return invalid("pipeline error: '%s' for series: '%s'.\n"+
		"Use a label filter to intentionally skip this error. (e.g | __error__!=\"%s\").\n"+
		"To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"+
		"The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )", kind, l, kind)
}

// explain looks for the oldest record that makes the aggregation fail, to tell of it with all its labels.
func (p *rangePlan) explain(ctx context.Context, r store.EventReader, pipe rangePipeline, stats func(store.EventStats)) error {
	run := pipe.runner()
	s, err := newSampler(p.agg)
	if err != nil {
		return err
	}
	var found error
	oldest := int64(0)
	q := pipe.query(p.windows.from(), p.windows.to())
	q.Order, q.Workers = store.Forward, 1
	q.Enough = func(next int64) bool { return found != nil && next >= oldest }
	st, err := r.Select(ctx, q, func(_ int, b store.EventBatch) error {
		rows, err := run(b)
		if err != nil || rows.Count() == 0 {
			return err
		}
		_, _, failed := s.take(rows)
		if failed == nil || found != nil && rows.Times()[failed.row] >= oldest {
			return nil
		}
		oldest = rows.Times()[failed.row]
		l := labels.NewBuilder(rows.Labels(failed.row)).Set(labelError, failed.err).Set(labelErrorDetails, failed.details).Labels()
		found = errorText(failed.err, l)
		return nil
	})
	stats(st)
	if err != nil {
		return err
	}
	return found
}
