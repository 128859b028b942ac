package traceql

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// foldOptions is how spans become series, the same for all workers.
type foldOptions struct {
	m         *Metrics
	grid      grid
	exemplars int
	maxSeries int

	slots      int     // of time, each with one exemplar of each series
	needsValue bool    // some field is measured
	scale      float64 // by which measured values are multiplied in the result: durations become seconds
}

func (o *foldOptions) prepare() {
	o.scale = 1
	o.slots = min(o.exemplars, maxSlots)
	if o.m.Field != nil {
		o.needsValue = true
		if o.m.Field.Type() == DurationType {
			o.scale = 1e-9
		}
	}
}

// maxSlots bounds the exemplars of one series.
const maxSlots = 100

// slotOf returns the slot of a time.
func (o *foldOptions) slotOf(at int64) int {
	return min(int(float64(at-o.grid.start)/float64(o.grid.step)*float64(o.slots)/float64(o.grid.steps)), o.slots-1)
}

// folder makes series of spans; each worker has its own.
type folder struct {
	*foldOptions
	series []*folded
	byKey  map[string]*folded
	err    error
}

// folded is one series before it has its final values.
type folded struct {
	labels    []model.Value // of by(), by its order, as they are shown
	counts    []float64     // by step; of those that are measured
	values    []float64     // sums, minima or maxima
	hists     []histogram
	exemplars []pick // by slot of time; nil: none are wanted
}

// pick is the exemplar of a slot: the one with the least hash, so that the choice does not depend on the order of the spans.
type pick struct {
	hash  uint64 // 0: none
	at    int64
	value float64
	trace model.TraceID
	span  model.SpanID
}

func newFolder(o *foldOptions) *folder { return &folder{foldOptions: o, byKey: map[string]*folded{}} }

// of returns the series of a combination of values, whose strings are cloned. It returns nil when there are too many.
func (f *folder) of(values []model.Value) *folded {
	var key strings.Builder
	for _, v := range values {
		writeKey(&key, v)
	}
	if s := f.byKey[key.String()]; s != nil {
		return s
	}
	if f.err == nil && (len(f.series) >= f.maxSeries || (len(f.series)+1)*f.grid.steps > maxPoints) {
		f.err = f.tooMany()
	}
	if f.err != nil {
		return nil
	}
	s := &folded{labels: make([]model.Value, len(values)), counts: make([]float64, f.grid.steps)}
	for i, v := range values {
		s.labels[i] = cloneValue(v)
	}
	switch f.m.Func {
	case funcQuantile, funcHistogram:
		s.hists = make([]histogram, f.grid.steps)
	case funcMin, funcMax, funcAvg, funcSum:
		s.values = make([]float64, f.grid.steps)
	}
	if f.exemplars > 0 {
		s.exemplars = make([]pick, f.slots)
	}
	f.byKey[key.String()] = s
	f.series = append(f.series, s)
	return s
}

func (f *folder) tooMany() error { return tooManySeries(f.maxSeries) }

func tooManySeries(most int) error {
	return limited("the query makes more than %d series, or more than %d points: group by fields with fewer values, filter more, keep the topk() of them, or ask for a longer step", most, maxPoints)
}

func cloneValue(v model.Value) model.Value {
	v.Text = strings.Clone(v.Text)
	if v.Nested != nil {
		v.Nested = slices.Clone(v.Nested)
		for i := range v.Nested {
			v.Nested[i].Key, v.Nested[i].Value = strings.Clone(v.Nested[i].Key), cloneValue(v.Nested[i].Value)
		}
	}
	return v
}

// add notes one span of a series: its value x in a bucket; both mean nothing where no field is measured.
func (s *folded) add(function string, step int, x float64, bucket uint8) {
	s.counts[step]++
	switch function {
	case funcQuantile, funcHistogram:
		s.hists[step].add(bucket, x)
	case funcAvg, funcSum:
		s.values[step] += x
	case funcMin:
		if s.counts[step] == 1 || x < s.values[step] {
			s.values[step] = x
		}
	case funcMax:
		if s.counts[step] == 1 || x > s.values[step] {
			s.values[step] = x
		}
	}
}

// example notes a span as a candidate for the exemplar of a slot.
func (s *folded) example(slot int, at int64, x float64, trace model.TraceID, span model.SpanID) {
	hash := binary.LittleEndian.Uint64(span[:]) ^ binary.LittleEndian.Uint64(trace[8:])
	hash = bits.ReverseBytes64(hash*0x9e3779b97f4a7c15) | 1
	p := &s.exemplars[slot]
	if p.hash == 0 || hash < p.hash || hash == p.hash && (at < p.at || at == p.at && x < p.value) {
		*p = pick{hash, at, x, trace, span}
	}
}

// merge adds the series of another folder.
func (f *folder) merge(other *folder) {
	if f.err == nil {
		f.err = other.err
	}
	for _, from := range other.series {
		to := f.of(from.labels)
		if to == nil {
			return
		}
		for i, n := range from.counts {
			if n == 0 {
				continue
			}
			f.mergeStep(to, from, i)
			to.counts[i] += n
		}
		for i, p := range from.exemplars {
			if p.hash != 0 {
				to.example(i, p.at, p.value, p.trace, p.span)
			}
		}
	}
}

func (f *folder) mergeStep(to, from *folded, i int) {
	switch f.m.Func {
	case funcQuantile, funcHistogram:
		to.hists[i].merge(&from.hists[i])
	case funcAvg, funcSum:
		to.values[i] += from.values[i]
	case funcMin:
		if to.counts[i] == 0 || from.values[i] < to.values[i] {
			to.values[i] = from.values[i]
		}
	case funcMax:
		if to.counts[i] == 0 || from.values[i] > to.values[i] {
			to.values[i] = from.values[i]
		}
	}
}

// result returns the final series, sorted.
func (f *folder) result() ([]Series, error) {
	f.series = slices.DeleteFunc(f.series, func(s *folded) bool { // no span has the field that is measured
		return !slices.ContainsFunc(s.counts, func(n float64) bool { return n > 0 })
	})
	var out []Series
	for _, s := range f.series {
		labels := make([]model.Attribute, 0, len(s.labels)+1)
		for i, by := range f.m.By {
			labels = append(labels, model.Attribute{Key: by.Text, Value: s.labels[i]})
		}
		switch f.m.Func {
		case funcQuantile:
			out = append(out, f.quantiles(s, labels)...)
		case funcHistogram:
			out = append(out, f.buckets(s, labels)...)
		default:
			if len(labels) == 0 {
				labels = append(labels, model.Attribute{Key: "__name__", Value: model.TextValue(f.m.Func)})
			}
			out = append(out, Series{Labels: labels, Values: f.values(s)})
		}
		if len(out)*f.grid.steps > maxPoints { // quantiles and buckets are several of one
			return nil, f.tooMany()
		}
	}
	slices.SortFunc(out, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	f.giveExemplars(out)
	return out, nil
}

// values are the points of all functions but those of histograms. Where no span is, a count is 0, and anything else is not there.
func (f *folder) values(s *folded) []float64 {
	out := make([]float64, len(s.counts))
	for i, n := range s.counts {
		switch f.m.Func {
		case funcRate:
			out[i] = n / f.grid.seconds()
		case funcCount:
			out[i] = n
		default:
			out[i] = math.NaN()
			if n > 0 {
				out[i] = s.values[i] * f.scale
			}
			if f.m.Func == funcAvg {
				out[i] /= n
			}
		}
	}
	return out
}

func (f *folder) quantiles(s *folded, labels []model.Attribute) (out []Series) {
	for _, q := range f.m.Quantiles {
		one := Series{Labels: append(slices.Clone(labels), model.Attribute{Key: "p", Value: model.Float64(q)}), Values: make([]float64, len(s.hists))}
		for i := range s.hists {
			one.Values[i] = s.hists[i].quantile(q) * f.scale
		}
		out = append(out, one)
	}
	return out
}

// buckets makes a series of each bucket that has a value at some time.
func (f *folder) buckets(s *folded, labels []model.Attribute) (out []Series) {
	byBucket := map[uint8][]float64{}
	for step := range s.hists {
		h := &s.hists[step]
		for i, n := range h.counts {
			if n == 0 {
				continue
			}
			bucket := h.first + uint8(i)
			if byBucket[bucket] == nil {
				byBucket[bucket] = make([]float64, len(s.hists))
			}
			byBucket[bucket][step] = float64(n)
		}
	}
	for bucket, values := range byBucket {
		le := model.Attribute{Key: "__bucket", Value: model.Float64(bound(bucket) * f.scale)}
		out = append(out, Series{Labels: append(slices.Clone(labels), le), Values: values})
	}
	return out
}

// giveExemplars hands the picks to the series: each series of by() gets its share, of steps that are spread over the range.
func (f *folder) giveExemplars(out []Series) {
	if f.exemplars == 0 || len(f.series) == 0 {
		return
	}
	byLabels := map[string]*folded{}
	for _, s := range f.series {
		var key strings.Builder
		for _, v := range s.labels {
			writeKey(&key, v)
		}
		byLabels[key.String()] = s
	}
	share := max(f.exemplars/len(f.series), 1)
	left := f.exemplars
	for i := range out {
		var key strings.Builder
		for _, a := range out[i].Labels[:len(f.m.By)] {
			writeKey(&key, a.Value)
		}
		s := byLabels[key.String()]
		if s == nil || left <= 0 {
			continue
		}
		out[i].Exemplars = f.chosen(s, &out[i], min(share, left))
		left -= len(out[i].Exemplars)
		if f.m.Func == funcQuantile { // the first quantile of a series has them
			delete(byLabels, key.String())
		}
	}
}

// chosen returns at most n exemplars of a series, ascending in time.
func (f *folder) chosen(s *folded, one *Series, n int) (out []Exemplar) {
	var slots []int
	for i := range s.exemplars {
		if s.exemplars[i].hash != 0 && f.inSeries(one, s.exemplars[i].value) {
			slots = append(slots, i)
		}
	}
	slices.SortFunc(slots, func(a, b int) int {
		return cmp.Or(cmp.Compare(s.exemplars[a].hash, s.exemplars[b].hash), cmp.Compare(a, b))
	})
	slots = slots[:min(n, len(slots))]
	slices.Sort(slots)
	for _, i := range slots {
		p := s.exemplars[i]
		value := p.value * f.scale
		if !f.needsValue {
			value = one.Values[(p.at-f.grid.start)/f.grid.step]
		}
		out = append(out, Exemplar{Time: p.at, Value: value, Trace: p.trace, Span: p.span})
	}
	return out
}

// inSeries says whether a value belongs to the bucket of a histogram's series.
func (f *folder) inSeries(one *Series, value float64) bool {
	if f.m.Func != funcHistogram {
		return true
	}
	le, _ := one.Labels[len(one.Labels)-1].Value.Float()
	return bound(bucketOf(value))*f.scale == le
}
