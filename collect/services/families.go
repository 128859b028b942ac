package services

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

const (
	// maxFamilySeries keeps one family, such as one with a series a table, from taking the place of all others.
	maxFamilySeries = 2000
	// maxLabelBytes is more than any name that people give; a longer value is cut.
	maxLabelBytes = 512
)

// droppedSeries is the family that counts what did not fit. It is there only when something did not.
const droppedSeries = "hulotte_service_dropped_series"

// families collects what one gather gives, within its limits. A family keeps the type and help that it was first added with.
type families struct {
	byName  map[string]*dto.MetricFamily
	series  int
	max     int
	dropped int
	first   string // the family that first lost one
	errs    []error
	upPairs []string // labels of the family that says whether the service answers
}

func newFamilies(maxSeries int) *families {
	return &families{byName: map[string]*dto.MetricFamily{}, max: maxSeries}
}

// gauge adds a value that goes up and down; pairs are label names and values in turn.
func (f *families) gauge(name, help string, v float64, pairs ...string) {
	if m := f.metric(dto.MetricType_GAUGE, name, help, pairs); m != nil {
		m.Gauge = &dto.Gauge{Value: &v}
	}
}

// counter adds a value that only goes up.
func (f *families) counter(name, help string, v float64, pairs ...string) {
	if m := f.metric(dto.MetricType_COUNTER, name, help, pairs); m != nil {
		m.Counter = &dto.Counter{Value: &v}
	}
}

// untyped adds a value of which the exporter does not say what it is.
func (f *families) untyped(name, help string, v float64, pairs ...string) {
	if m := f.metric(dto.MetricType_UNTYPED, name, help, pairs); m != nil {
		m.Untyped = &dto.Untyped{Value: &v}
	}
}

// of adds a value of the type given, one of the three above.
func (f *families) of(t dto.MetricType, name, help string, v float64, pairs ...string) {
	switch t {
	case dto.MetricType_COUNTER:
		f.counter(name, help, v, pairs...)
	case dto.MetricType_UNTYPED:
		f.untyped(name, help, v, pairs...)
	default:
		f.gauge(name, help, v, pairs...)
	}
}

// quantile is one of a summary.
type quantile struct{ q, v float64 }

func (f *families) summary(name, help string, count uint64, sum float64, qs []quantile, pairs ...string) {
	m := f.metric(dto.MetricType_SUMMARY, name, help, pairs)
	if m == nil {
		return
	}
	m.Summary = &dto.Summary{SampleCount: &count, SampleSum: &sum}
	for _, q := range qs {
		m.Summary.Quantile = append(m.Summary.Quantile, &dto.Quantile{Quantile: proto.Float64(q.q), Value: proto.Float64(q.v)})
	}
}

// bucket is one of a histogram: how many were at most le.
type bucket struct {
	le    float64
	count uint64
}

func (f *families) histogram(name, help string, count uint64, sum float64, bs []bucket, pairs ...string) {
	m := f.metric(dto.MetricType_HISTOGRAM, name, help, pairs)
	if m == nil {
		return
	}
	m.Histogram = &dto.Histogram{SampleCount: &count, SampleSum: &sum}
	for _, b := range bs {
		if !math.IsInf(b.le, 1) { // count says it
			m.Histogram.Bucket = append(m.Histogram.Bucket, &dto.Bucket{UpperBound: proto.Float64(b.le), CumulativeCount: proto.Uint64(b.count)})
		}
	}
}

func (f *families) metric(t dto.MetricType, name, help string, pairs []string) *dto.Metric {
	if len(pairs)%2 != 0 {
		panic("BUG: a label without value for " + name)
	}
	fam := f.byName[name]
	if f.series >= f.max || fam != nil && (fam.GetType() != t || len(fam.Metric) >= maxFamilySeries) {
		f.drop(name)
		return nil
	}
	if fam == nil {
		fam = &dto.MetricFamily{Name: &name, Help: &help, Type: t.Enum()}
		f.byName[name] = fam
	}
	f.series++
	m := &dto.Metric{}
	for i := 0; i < len(pairs); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(pairs[i]), Value: proto.String(labelValue(pairs[i+1]))})
	}
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	fam.Metric = append(fam.Metric, m)
	return m
}

// family adds a whole one, as a page had it.
func (f *families) family(fam *dto.MetricFamily) {
	name := fam.GetName()
	room := min(f.max-f.series, maxFamilySeries)
	if f.byName[name] != nil {
		room = 0
	}
	for len(fam.Metric) > max(room, 0) {
		f.drop(name)
		fam.Metric = fam.Metric[:len(fam.Metric)-1]
	}
	if len(fam.Metric) > 0 {
		f.byName[name] = fam
		f.series += len(fam.Metric)
	}
}

// labelValue makes a label's value of what a service said.
func labelValue(s string) string {
	if len(s) > maxLabelBytes {
		s = s[:maxLabelBytes]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func (f *families) drop(name string) {
	f.dropped++
	if f.first == "" {
		f.first = name
	}
}

// warn notes that a part could not be read though the rest was.
func (f *families) warn(err error) {
	if err != nil && len(f.errs) < 10 {
		f.errs = append(f.errs, err)
	}
}

func (f *families) has(name string) bool { return f.byName[name] != nil }

// isZero says whether the only series of an untyped family is 0.
func (f *families) isZero(name string) bool {
	fam := f.byName[name]
	return fam != nil && len(fam.Metric) == 1 && fam.Metric[0].GetUntyped() != nil && fam.Metric[0].GetUntyped().GetValue() == 0
}

func (f *families) warning() error {
	errs := f.errs
	if f.dropped > 0 {
		errs = append(slices.Clone(errs), fmt.Errorf("dropped %d series, of %s first: the limits are %d series in all and %d of one family", f.dropped, f.first, f.max, maxFamilySeries))
	}
	return errors.Join(errs...)
}

// result returns the families sorted by name.
func (f *families) result() []*dto.MetricFamily {
	if f.dropped > 0 {
		n, name, help := float64(f.dropped), droppedSeries, "Series of the service that this gather dropped because of its limits."
		f.byName[name] = &dto.MetricFamily{Name: &name, Help: &help, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: &n}}}}
	}
	out := make([]*dto.MetricFamily, 0, len(f.byName))
	for _, fam := range f.byName {
		out = append(out, fam)
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// truth is a gauge's value for yes and no.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// isWord says whether what a service calls a value can be part of a family's name.
func isWord(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	for _, c := range s {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
