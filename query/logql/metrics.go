package logql

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
)

type metrics struct {
	queries  *prometheus.CounterVec
	duration prometheus.Histogram
	searched prometheus.Counter
	slow     prometheus.Counter
	running  prometheus.Gauge
	waiting  prometheus.Gauge
	dropped  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, o Options) *metrics {
	f := promauto.With(reg)
	f.NewGauge(prometheus.GaugeOpts{
		Name: "hulotte_log_query_max_running", Help: "LogQL queries that may run at the same time.",
	}).Set(float64(o.MaxConcurrent))
	return &metrics{
		queries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_log_query_total",
			Help: "LogQL queries by result (success, invalid, limit, refused, timeout, canceled, failed).",
		}, []string{"result"}),
		duration: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "hulotte_log_query_duration_seconds",
			Help:    "Time from the start of a LogQL query to its result, waiting included.",
			Buckets: []float64{.001, .01, .1, .5, 1, 5, 10, 30, 120},
		}),
		searched: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_log_query_searched_bytes_total",
			Help: "Bytes of lines and fields, as they came, that LogQL queries have looked at.",
		}),
		slow: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_log_query_slow_total",
			Help: "LogQL queries that took longer than the slow query limit and were logged.",
		}),
		running: f.NewGauge(prometheus.GaugeOpts{Name: "hulotte_log_query_running", Help: "LogQL queries that run now."}),
		waiting: f.NewGauge(prometheus.GaugeOpts{Name: "hulotte_log_query_waiting", Help: "LogQL queries that wait for their turn."}),
		dropped: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_log_query_follow_dropped_total",
			Help: "Log records that somebody who follows has not got, because they were slow.",
		}),
	}
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, errQueueFull):
		return "refused"
	}
	switch model.KindOf(err) {
	case model.Invalid:
		return "invalid"
	case model.Limit:
		return "limit"
	}
	return "failed"
}
