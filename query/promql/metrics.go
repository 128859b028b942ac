package promql

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
	samples  prometheus.Counter
	peak     prometheus.Histogram
	slow     prometheus.Counter
	running  prometheus.Gauge
	waiting  prometheus.Gauge
	waited   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, o Options) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		queries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_query_total",
			Help: "PromQL queries by kind (instant, range) and result (success, invalid, failed, limit, timeout, canceled, refused, storage).",
		}, []string{"kind", "result"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "hulotte_query_duration_seconds",
			Help:                            "Time from the start of a PromQL query to its result, waiting included.",
			Buckets:                         []float64{.001, .01, .1, .5, 1, 5, 10, 30, 120},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"kind"}),
		samples: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_query_samples_read_total",
			Help: "Samples that PromQL queries have read.",
		}),
		peak: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "hulotte_query_samples_peak",
			Help:    "Most samples that a PromQL query held in memory at once.",
			Buckets: prometheus.ExponentialBuckets(100, 10, 7),
		}),
		slow: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_query_slow_total",
			Help: "PromQL queries that took longer than the slow query limit and were logged.",
		}),
		running: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_query_running",
			Help: "PromQL queries that run now.",
		}),
		waiting: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_query_waiting",
			Help: "PromQL queries that wait for their turn.",
		}),
		waited: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "hulotte_query_wait_seconds",
			Help:    "Time that PromQL queries waited for their turn.",
			Buckets: []float64{.001, .01, .1, 1, 10, 60},
		}),
	}
	f.NewGauge(prometheus.GaugeOpts{
		Name: "hulotte_query_concurrent_max",
		Help: "PromQL queries that may run at the same time.",
	}).Set(float64(o.MaxConcurrent))
	return m
}

func (m *metrics) observe(q *query, err error, took time.Duration) {
	m.queries.WithLabelValues(q.kind, outcome(err)).Inc()
	m.duration.WithLabelValues(q.kind).Observe(took.Seconds())
	if s := q.Stats().Samples; s != nil {
		m.samples.Add(float64(s.SamplesRead))
		m.peak.Observe(float64(s.PeakSamples))
	}
}
