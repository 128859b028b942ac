package discovery

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the discovery tells of itself.
type metrics struct {
	duration prometheus.Histogram
	failures *prometheus.CounterVec
	d        *Discovery
	services *prometheus.Desc
	warnings *prometheus.Desc
}

func newMetrics(reg prometheus.Registerer, d *Discovery) *metrics {
	m := &metrics{
		d: d,
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hulotte_discovery_scan_duration_seconds", Help: "Time that a scan for services took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_discovery_errors_total", Help: "What the discovery of services could not do, by what it was.",
		}, []string{"what"}),
		services: prometheus.NewDesc("hulotte_discovery_services", "Services that are known, by kind and state.", []string{"kind", "state"}, nil),
		warnings: prometheus.NewDesc("hulotte_discovery_warnings", "Things that the last scan could not see.", nil, nil),
	}
	for _, what := range []string{"processes", "state"} {
		m.failures.WithLabelValues(what)
	}
	if reg != nil {
		reg.MustRegister(m.duration, m.failures, m)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.services
	ch <- m.warnings
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	type key struct {
		kind  string
		state State
	}
	counts := map[key]int{}
	for _, s := range m.d.Services() {
		counts[key{s.Kind, s.State}]++
	}
	for k, n := range counts {
		ch <- prometheus.MustNewConstMetric(m.services, prometheus.GaugeValue, float64(n), k.kind, string(k.state))
	}
	ch <- prometheus.MustNewConstMetric(m.warnings, prometheus.GaugeValue, float64(len(m.d.Warnings())))
}
