package spanmetrics

import (
	"context"
	"errors"
	"fmt"
	"math"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// series is one series in the store. Only Flush uses it.
type series struct {
	labels labels.Labels // empty until it is written for the first time
	ref    storage.SeriesRef
	begun  bool // its first 0 is written
}

// family is what a metric is.
type family struct {
	name string
	metadata.Metadata
}

var (
	callsFamily    = family{"traces_span_metrics_calls_total", metadata.Metadata{Type: prommodel.MetricTypeCounter, Help: "Spans of a service, by name, kind and status."}}
	durationFamily = family{"traces_span_metrics_duration_seconds", metadata.Metadata{Type: prommodel.MetricTypeHistogram, Unit: "seconds", Help: "How long the spans of a service took."}}
	apdexFamily    = family{"traces_span_metrics_apdex_total", metadata.Metadata{Type: prommodel.MetricTypeCounter, Help: "Answers of a service that satisfied, were tolerated or frustrated, by their time and whether they failed."}}
	requestsFamily = family{"traces_service_graph_request_total", metadata.Metadata{Type: prommodel.MetricTypeCounter, Help: "Calls of one service to another."}}
	failedFamily   = family{"traces_service_graph_request_failed_total", metadata.Metadata{Type: prommodel.MetricTypeCounter, Help: "Calls of one service to another that failed."}}
	serverFamily   = family{"traces_service_graph_request_server_seconds", metadata.Metadata{Type: prommodel.MetricTypeHistogram, Unit: "seconds", Help: "How long calls took, as the called measured them."}}
	clientFamily   = family{"traces_service_graph_request_client_seconds", metadata.Metadata{Type: prommodel.MetricTypeHistogram, Unit: "seconds", Help: "How long calls took, as the callers measured them."}}
)

// sample is the value of one series at the time of writing.
type sample struct {
	of       *series
	family   *family
	labels   func() labels.Labels // makes them, the first time
	born     int64                // milliseconds since the epoch
	value    float64
	hist     *histogram.Histogram // nil: it is value
	exemplar example
	ends     bool // it is the last of the series for now: a marker of staleness
}

// Flush writes every series, ends those of which nothing was heard for long, and forgets what is left of them. An error is of the last tenant that
// could not be written; its increments are in the next writing.
func (m *Metrics) Flush(ctx context.Context) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	now := m.opts.Now().UnixMilli()
	m.mu.Lock()
	m.born = now + 1
	tenants := make([]*tenant, 0, len(m.tenants))
	for _, t := range m.tenants {
		tenants = append(tenants, t)
	}
	m.mu.Unlock()
	var failed error
	for _, t := range tenants {
		if err := m.flushTenant(ctx, t, now); err != nil {
			m.own.failures.Inc()
			failed = fmt.Errorf("tenant %q: %w", t.name, err)
		}
	}
	return failed
}

func (m *Metrics) flushTenant(ctx context.Context, t *tenant, now int64) error {
	before := t.born.Swap(now + 1)
	idle := now - m.opts.Idle.Milliseconds()
	var all []sample
	for _, n := range t.list() {
		all = t.collect(all, n, idle)
	}
	chooseExemplars(all)
	err := m.write(ctx, t, all, before, now)
	// A node is forgotten later than the calls that lead to it.
	t.forget(idle - 2*m.opts.Wait.Milliseconds() - m.opts.Interval.Milliseconds())
	return err
}

// collect appends a sample of each of a node's series to dst, and drops what has been idle.
func (t *tenant) collect(dst []sample, n *node, idle int64) []sample {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.operations {
		ends := o.touched < idle
		dst = append(dst,
			sample{of: &o.out[0], family: &callsFamily, labels: n.operationLabels(callsFamily.name, o.key), born: o.born, value: float64(o.spans.count), ends: ends},
			sample{of: &o.out[1], family: &durationFamily, labels: n.operationLabels(durationFamily.name, o.key), born: o.born, hist: o.spans.histogram(), exemplar: o.spans.longest, ends: ends})
		o.spans.longest = example{}
		if ends {
			t.dropOperation(n, o)
		}
	}
	for _, c := range n.calls {
		dst = c.collect(dst, n, c.touched < idle)
		if c.touched < idle {
			delete(n.calls, c.key)
			t.series.Add(-seriesOfCall)
		}
	}
	if a := n.apdex; a != nil {
		for i := range a.counts {
			dst = append(dst, sample{of: &a.out[i], family: &apdexFamily, labels: n.apdexLabels(i), born: a.born, value: float64(a.counts[i]), ends: a.touched < idle})
		}
		if a.touched < idle {
			n.apdex = nil
			t.series.Add(-int64(len(a.counts)))
		}
	}
	return dst
}

func (c *call) collect(dst []sample, n *node, ends bool) []sample {
	add := func(i int, f *family, value float64, d *durations) {
		s := sample{of: &c.out[i], family: f, labels: n.callLabels(f.name, c.key), born: c.born, value: value, ends: ends}
		if d != nil {
			s.hist, s.exemplar = d.histogram(), d.longest
			d.longest = example{}
		}
		dst = append(dst, s)
	}
	add(0, &requestsFamily, float64(c.requests), nil)
	add(1, &failedFamily, float64(c.failed), nil)
	add(2, &serverFamily, 0, &c.server)
	if c.client.count > 0 {
		add(3, &clientFamily, 0, &c.client)
	}
	return dst
}

func (n *node) operationLabels(name string, k opKey) func() labels.Labels {
	return func() labels.Labels {
		return labels.FromStrings(prommodel.MetricNameLabel, name, "service_name", n.name, "span_name", k.name, "span_kind", kindNames[k.kind], "status_code", statusNames[k.status])
	}
}

func (n *node) apdexLabels(level int) func() labels.Labels {
	return func() labels.Labels {
		return labels.FromStrings(prommodel.MetricNameLabel, apdexFamily.name, "service_name", n.name, "level", apdexLevels[level])
	}
}

func (n *node) callLabels(name string, k callKey) func() labels.Labels {
	return func() labels.Labels {
		return labels.FromStrings(prommodel.MetricNameLabel, name, "client", n.name, "server", k.server.name, "connection_type", connectionNames[k.over], "virtual_node", sideNames[k.alone]).WithoutEmpty()
	}
}

// maxExemplars is how many exemplars of a tenant are written at a time. A store keeps 10,000 of a tenant for all of its metrics; so
// those of spans are there for half an hour at least.
const maxExemplars = 80

// chooseExemplars leaves the exemplars of at most maxExemplars series. Which ones is up to the order of maps, which
// is another one each time.
func chooseExemplars(all []sample) {
	var with []int
	for i := range all {
		if !all[i].exemplar.trace.IsZero() {
			with = append(with, i)
		}
	}
	if len(with) <= maxExemplars {
		return
	}
	for _, i := range with[maxExemplars:] {
		all[i].exemplar = example{}
	}
}

// maxTransaction is how many samples are written in one transaction.
const maxTransaction = 5000

// write writes the samples of a tenant at a time; before is when it was written the last time.
func (m *Metrics) write(ctx context.Context, t *tenant, all []sample, before, now int64) error {
	if len(all) == 0 {
		return nil
	}
	to, err := m.to(t.name)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		n := min(len(all), maxTransaction)
		if err := m.writePart(ctx, to, all[:n], before, now); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (m *Metrics) writePart(ctx context.Context, to storage.AppendableV2, part []sample, before, now int64) error {
	w := writer{to: to.AppenderV2(ctx), before: before, now: now}
	for i := range part {
		if err := w.append(&part[i]); err != nil {
			return errors.Join(err, w.to.Rollback())
		}
	}
	if err := w.to.Commit(); err != nil {
		return err
	}
	for _, s := range w.begun {
		s.begun = true
	}
	m.own.samples.Add(float64(w.written))
	m.own.refused.Add(float64(w.refused))
	return nil
}

// writer is one transaction.
type writer struct {
	to               storage.AppenderV2
	before, now      int64     // milliseconds since the epoch
	begun            []*series // whose first 0 is in the transaction
	written, refused int
}

// append appends a sample. Its error is one that ends the transaction.
func (w *writer) append(s *sample) error {
	if s.born >= w.now || s.ends && !s.of.begun { // it has begun after the time of this writing; or it was never there
		return nil
	}
	if s.of.labels.IsEmpty() {
		s.of.labels = s.labels()
	}
	if !s.of.begun {
		// A 0 where nothing was counted yet: without it, what is counted until the first writing would be no increase.
		var zero *histogram.Histogram
		if s.hist != nil {
			zero = emptyHistogram()
		}
		refusal, err := w.put(s, s.born, 0, zero, storage.AOptions{})
		if err != nil || model.KindOf(refusal) == model.Limit {
			return err // refused: there is no room for the series, and the next writing tries again
		}
		w.begun = append(w.begun, s.of)
	}
	options := storage.AOptions{MetricFamilyName: s.family.name, Metadata: s.family.Metadata}
	switch {
	case s.ends && s.hist != nil:
		s.hist = &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)}
	case s.ends:
		s.value = math.Float64frombits(value.StaleNaN)
	case !s.exemplar.trace.IsZero():
		options.Exemplars = []exemplar.Exemplar{s.exemplar.at(w.before, w.now)}
	}
	_, err := w.put(s, w.now, s.value, s.hist, options)
	return err
}

// put appends a value of the series. It returns why the store did not take it, or the error that ends the transaction.
func (w *writer) put(s *sample, at int64, v float64, h *histogram.Histogram, options storage.AOptions) (refusal, err error) {
	start := s.born - 1
	ref, err := w.to.Append(s.of.ref, s.of.labels, start, at, v, h, nil, options)
	if partial := (*storage.AppendPartialError)(nil); errors.As(err, &partial) {
		err = nil // an exemplar is an example
	}
	switch {
	case err == nil:
		s.of.ref = ref
		w.written++
		return nil, nil
	case isRefusal(err):
		w.refused++
		return err, nil
	}
	return nil, err
}

// isRefusal says whether an error is of one sample, and not of the transaction.
func isRefusal(err error) bool {
	for _, of := range []error{storage.ErrOutOfOrderSample, storage.ErrOutOfBounds, storage.ErrTooOldSample, storage.ErrDuplicateSampleForTimestamp} {
		if errors.Is(err, of) {
			return true
		}
	}
	return model.KindOf(err) == model.Limit // too many series
}

// at returns the span as an exemplar. Its time is when the span ended, but within the time since the last writing, as the
// exemplars of a series ascend.
func (x *example) at(before, now int64) exemplar.Exemplar {
	return exemplar.Exemplar{
		Labels: labels.FromStrings("span_id", x.span.String(), "trace_id", x.trace.String()),
		Value:  x.seconds, HasTs: true, Ts: min(max(x.end/1e6, before), now),
	}
}
