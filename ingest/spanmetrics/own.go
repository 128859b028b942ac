package spanmetrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// own is what the package says about itself.
type own struct {
	overflowed prometheus.Counter
	unpaired   prometheus.Counter
	dropped    prometheus.Counter
	samples    prometheus.Counter
	refused    prometheus.Counter
	failures   prometheus.Counter
}

func newOwn(reg prometheus.Registerer, m *Metrics) *own {
	with := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_span_metrics_" + name, Help: help})
	}
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_span_metrics_series", Help: "Series that are derived from spans now."}, m.seriesCount)
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_span_metrics_pending_spans", Help: "Spans that wait for the other side of their call."},
		func() float64 { return float64(m.pending.size()) })
	return &own{
		overflowed: counter("overflowed_total", "Spans, services and calls that were counted under the name "+Overflow+", as there are too many different ones."),
		unpaired:   counter("unpaired_spans_total", "Spans that are one side of a call whose other side did not come, and which do not say who it is."),
		dropped:    counter("dropped_spans_total", "Spans that are left out of the service graph as too many wait for the other side of their call."),
		samples:    counter("samples_total", "Samples derived from spans that were written."),
		refused:    counter("samples_refused_total", "Samples derived from spans that the store of series refused."),
		failures:   counter("write_failures_total", "Times that the series of a tenant could not be written; the next interval has their increments."),
	}
}

func (m *Metrics) seriesCount() float64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n := int64(0)
	for _, t := range m.tenants {
		n += t.series.Load()
	}
	return float64(n)
}
