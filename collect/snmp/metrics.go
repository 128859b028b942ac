package snmp

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/internal/snmpsession"
)

// Metrics count what is asked of all devices; nil counts nothing.
type Metrics struct {
	polls     *prometheus.CounterVec
	errors    *prometheus.CounterVec
	duration  prometheus.Histogram
	questions prometheus.Counter
	retries   prometheus.Counter
	pdus      prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	m := &Metrics{
		polls: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_snmp_polls_total", Help: "Readings of network devices, by result: ok, partial (some modules failed) or failed.",
		}, []string{"result"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_snmp_errors_total", Help: "Modules that could not be read of a device, by reason: timeout, refused (the user, a password), limit (the agent does not end) or answer.",
		}, []string{"reason"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name: "hulotte_snmp_poll_duration_seconds", Help: "How long readings of network devices take.", Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 60},
		}),
		questions: f.NewCounter(prometheus.CounterOpts{Name: "hulotte_snmp_questions_total", Help: "Questions sent to network devices, repeated ones too."}),
		retries:   f.NewCounter(prometheus.CounterOpts{Name: "hulotte_snmp_retries_total", Help: "Questions to network devices that were repeated."}),
		pdus:      f.NewCounter(prometheus.CounterOpts{Name: "hulotte_snmp_pdus_total", Help: "Values read from network devices."}),
	}
	for _, r := range []string{"ok", "partial", "failed"} {
		m.polls.WithLabelValues(r)
	}
	for _, r := range []string{"timeout", "refused", "limit", "answer"} {
		m.errors.WithLabelValues(r)
	}
	return m
}

func (m *Metrics) polled(result string, took time.Duration) {
	if m != nil {
		m.polls.WithLabelValues(result).Inc()
		m.duration.Observe(took.Seconds())
	}
}

func (m *Metrics) failed(err error) {
	if m != nil && err != nil {
		m.errors.WithLabelValues(reasonOf(err)).Inc()
	}
}

func (m *Metrics) asked(s *snmpsession.Session) {
	if m != nil {
		m.questions.Add(float64(s.Questions))
		m.retries.Add(float64(s.Retries))
		m.pdus.Add(float64(s.Values))
	}
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, snmpsession.ErrNoAnswer), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "timeout"
	case errors.Is(err, snmpsession.ErrEndless):
		return "limit"
	case strings.Contains(err.Error(), "the agent refused"), strings.Contains(err.Error(), "does not know the user"):
		return "refused"
	}
	return "answer"
}
