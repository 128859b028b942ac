package remotewrite

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics is what the handler tells of itself.
type metrics struct {
	requests *prometheus.CounterVec // by version and code
	seconds  prometheus.Histogram
	bytes    *prometheus.CounterVec // by form: compressed, uncompressed
	taken    *prometheus.CounterVec // by type: float, histogram, exemplar, metadata
	refused  *prometheus.CounterVec // by reason
	misses   prometheus.Counter
}

func newMetrics(h *Handler, reg prometheus.Registerer) *metrics {
	const prefix = "hulotte_ingest_remotewrite_"
	with := promauto.With(reg)
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "in_flight_bytes", Help: "Memory of the requests that are being read and stored.",
	}, func() float64 { return float64(h.budget.used.Load()) })
	with.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "cached_series", Help: "Series that are found by their labels as they were sent.",
	}, func() float64 { return float64(h.cache.count()) })
	return &metrics{
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "requests_total", Help: "Requests by version of the protocol and HTTP status of the answer.",
		}, []string{"version", "code"}),
		seconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "request_seconds", Help: "Time from a request's header to its answer.",
			Buckets: []float64{0.001, 0.01, 0.1, 1, 10},
		}),
		bytes: with.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "bytes_total", Help: "Bytes of the bodies of requests.",
		}, []string{"form"}),
		taken: with.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "samples_total", Help: "What was stored, by type.",
		}, []string{"type"}),
		refused: with.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "refused_samples_total", Help: "Samples refused for good, by reason.",
		}, []string{"reason"}),
		misses: with.NewCounter(prometheus.CounterOpts{
			Name: prefix + "cache_misses_total", Help: "Series whose labels had to be parsed.",
		}),
	}
}

// note counts one request. b is nil when it did not come as far as the store.
func (m *metrics) note(version, status int, b *batch, took time.Duration) {
	m.requests.WithLabelValues(strconv.Itoa(version), strconv.Itoa(status)).Inc()
	m.seconds.Observe(took.Seconds())
	if b == nil {
		return
	}
	m.taken.WithLabelValues("float").Add(float64(b.samples))
	m.taken.WithLabelValues("histogram").Add(float64(b.histograms))
	m.taken.WithLabelValues("exemplar").Add(float64(b.exemplars))
	m.taken.WithLabelValues("metadata").Add(float64(b.metadata))
	m.misses.Add(float64(b.misses))
	for why, n := range b.refused.counts {
		m.refused.WithLabelValues(string(why)).Add(float64(n))
	}
	if b.noExemplar > 0 {
		m.refused.WithLabelValues("exemplar").Add(float64(b.noExemplar))
	}
}
