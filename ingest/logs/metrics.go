package logs

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics is what the way in tells of itself.
type metrics struct {
	lines     *prometheus.CounterVec // by protocol
	bytes     *prometheus.CounterVec // by protocol
	truncated *prometheus.CounterVec // by protocol
	discarded *prometheus.CounterVec // by protocol and reason
	seconds   prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	protocol := []string{"protocol"}
	return &metrics{
		lines: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_received_lines_total", Help: "Log records that came in, kept or not, by protocol.",
		}, protocol),
		bytes: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_received_bytes_total", Help: "Bytes of the lines and fields of the log records that came in, kept or not, by protocol.",
		}, protocol),
		truncated: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_truncated_lines_total", Help: "Lines that were cut because they were too long, by protocol.",
		}, protocol),
		discarded: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_logs_discarded_lines_total", Help: "Log records that were not kept, by protocol and reason. A sender may have sent them again.",
		}, []string{"protocol", "reason"}),
		seconds: with.NewHistogram(prometheus.HistogramOpts{
			Name: "hulotte_logs_append_seconds", Help: "Time that the store took for a push.",
			Buckets: []float64{0.001, 0.01, 0.1, 1, 10},
		}),
	}
}

// protocolMetrics is those of one protocol, found once.
type protocolMetrics struct {
	protocol                string
	lines, bytes, truncated prometheus.Counter
}

func (m *metrics) of(protocol string) protocolMetrics {
	return protocolMetrics{
		protocol: protocol, lines: m.lines.WithLabelValues(protocol),
		bytes: m.bytes.WithLabelValues(protocol), truncated: m.truncated.WithLabelValues(protocol),
	}
}
