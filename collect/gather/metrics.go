package gather

import "github.com/prometheus/client_golang/prometheus"

// metrics tell how gathering itself does.
type metrics struct {
	rounds  *prometheus.CounterVec
	missed  *prometheus.CounterVec
	seconds *prometheus.CounterVec
	samples *prometheus.CounterVec
	dropped *prometheus.CounterVec
	series  *prometheus.GaugeVec
	hung    *prometheus.GaugeVec
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_gather_" + name, Help: help}, append([]string{"source"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "hulotte_gather_" + name, Help: help}, []string{"source"})
	}
	return &metrics{
		rounds:  counter("rounds_total", "Gathers of a source by result: ok, incomplete or failed.", "result"),
		missed:  counter("missed_rounds_total", "Gathers that were left out because the one before took too long."),
		seconds: counter("seconds_total", "Time that the gathers of a source took."),
		samples: counter("samples_total", "Samples appended."),
		dropped: counter("dropped_samples_total", "Samples that were not appended, by reason.", "reason"),
		series:  gauge("series", "Series that the source has now."),
		hung:    gauge("hung", "1 while a gather of the source has passed its timeout and has not returned."),
	}
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.rounds, m.missed, m.seconds, m.samples, m.dropped, m.series, m.hung}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

// sourceMetrics are the metrics of one source. Sources of one job share series, so the gauges are sums over them.
type sourceMetrics struct {
	ok, incomplete, failed prometheus.Counter
	missed, seconds        prometheus.Counter
	samples                prometheus.Counter
	dropped                *prometheus.CounterVec
	series, hung           prometheus.Gauge
	had, hangs             float64 // this source's part of the gauges
}

func (m *metrics) forSource(s Source) *sourceMetrics {
	return &sourceMetrics{
		ok:         m.rounds.WithLabelValues(s.Job, "ok"),
		incomplete: m.rounds.WithLabelValues(s.Job, "incomplete"),
		failed:     m.rounds.WithLabelValues(s.Job, "failed"),
		missed:     m.missed.WithLabelValues(s.Job),
		seconds:    m.seconds.WithLabelValues(s.Job),
		samples:    m.samples.WithLabelValues(s.Job),
		dropped:    m.dropped.MustCurryWith(prometheus.Labels{"source": s.Job}),
		series:     m.series.WithLabelValues(s.Job),
		hung:       m.hung.WithLabelValues(s.Job),
	}
}

func (m *sourceMetrics) observe(r round) {
	switch {
	case r.err != nil:
		m.failed.Inc()
	case r.warning != nil:
		m.incomplete.Inc()
	default:
		m.ok.Inc()
	}
	m.seconds.Add(r.took.Seconds())
	if r.committed {
		m.samples.Add(float64(r.added))
	}
	m.setSeries(float64(r.series))
	for reason, n := range r.dropped {
		m.dropped.WithLabelValues(reason).Add(float64(n))
	}
}

func (m *sourceMetrics) setSeries(n float64) {
	m.series.Add(n - m.had)
	m.had = n
}

func (m *sourceMetrics) setHung(n float64) {
	m.hung.Add(n - m.hangs)
	m.hangs = n
}

// forget takes the source's part out of the gauges.
func (m *sourceMetrics) forget() {
	m.setSeries(0)
	m.setHung(0)
}
