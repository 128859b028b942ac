package engine

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
)

// metrics are the engine's own.
type metrics struct {
	lag           prometheus.Histogram
	results       [4]prometheus.Counter // by status
	timeouts      prometheus.Counter
	abandoned     prometheus.Counter
	panics        prometheus.Counter
	skipped       prometheus.Counter
	broken        prometheus.Counter
	changes       *prometheus.CounterVec
	historyDrops  prometheus.Counter
	samples       prometheus.Counter
	badSamples    prometheus.Counter
	seriesDrops   prometheus.Counter
	writes        prometheus.Counter
	writeFailures prometheus.Counter
	conflicts     prometheus.Counter
	handlerRuns   *prometheus.CounterVec
	handlerDrops  prometheus.Counter
}

// lagBuckets are seconds: from what the schedule's resolution allows to where checks are noticeably late.
var lagBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

func newMetrics(e *Engine, reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "hulotte_check_" + name, Help: help})
	}
	m := &metrics{
		lag: f.NewHistogram(prometheus.HistogramOpts{
			Name: "hulotte_check_lag_seconds", Help: "How long after its time a check was asked.", Buckets: lagBuckets,
		}),
		timeouts:      counter("timeouts_total", "Checks that did not answer within their time limit."),
		abandoned:     counter("abandoned_total", "Checks that ignored their time limit and were left behind."),
		panics:        counter("panics_total", "Checks that failed by a fault of their own."),
		skipped:       counter("skipped_total", "Turns of checks that were left out, because too much was due or the one before still ran."),
		broken:        counter("connections_broken_total", "Held connections that the other side broke."),
		historyDrops:  counter("history_dropped_total", "Changes that could not be written to the history."),
		samples:       counter("samples_total", "Samples of results that were written."),
		badSamples:    counter("samples_rejected_total", "Samples of results that the store refused, such as those out of order."),
		seriesDrops:   counter("results_unsampled_total", "Results whose samples were lost because the store was away or slow."),
		writes:        counter("state_writes_total", "Documents with states that were written."),
		writeFailures: counter("state_write_failures_total", "Documents with states that could not be written, and are tried again."),
		conflicts:     counter("state_conflicts_total", "Documents with states that another process had changed meanwhile."),
		handlerDrops:  counter("event_handlers_dropped_total", "Event handlers that were not run because too many waited."),
		changes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_check_changes_total", Help: "Changes of checks, by what changed.",
		}, []string{"type"}),
		handlerRuns: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_check_event_handlers_total", Help: "Event handlers that were run.",
		}, []string{"result"}),
	}
	results := f.NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_results_total", Help: "Answers of checks, by status.",
	}, []string{"status"})
	for s := range m.results {
		m.results[s] = results.WithLabelValues(strings.ToLower(model.Status(s).String()))
	}
	m.observe(e, f)
	return m
}

// observe registers what is read when it is asked for.
func (m *metrics) observe(e *Engine, f promauto.Factory) {
	gauge := func(name, help string, read func() int) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_check_" + name, Help: help}, func() float64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return float64(read())
		})
	}
	gauge("scheduled", "Checks that are declared.", func() int { return len(e.checks) })
	gauge("running", "Checks that are being asked.", func() int { return e.sumLanes(func(l *lane) int { return l.running }) })
	gauge("queued", "Checks that are due and wait for others to end.", func() int { return e.sumLanes(func(l *lane) int { return l.waiting }) })
	gauge("stuck", "Checks that ignored their time limit and have not returned.", func() int { return e.stuck })
	gauge("connections_held", "Connections that are held to notice a death at once.", func() int { return e.held })
	gauge("downtimes", "Downtimes that are kept.", func() int { return len(e.downtimes) })
	for s := model.OK; s <= model.Pending; s++ {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hulotte_check_states", Help: "Checks by their status.",
			ConstLabels: prometheus.Labels{"status": strings.ToLower(s.String())},
		}, func() float64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return float64(e.counts.checks[s])
		})
	}
}

func (e *Engine) sumLanes(f func(*lane) int) int {
	n := 0
	for _, l := range e.lanes {
		n += f(l)
	}
	return n
}
