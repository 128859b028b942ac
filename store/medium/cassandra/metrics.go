package cassandra

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what the medium tells of itself. Its label values are constants of this package: tables and operations.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	inFlight prometheus.Gauge
	waiting  prometheus.Gauge
	watch    watchMetrics

	reg prometheus.Registerer
	own []prometheus.Collector
}

type watchMetrics struct {
	polls    *prometheus.CounterVec
	resyncs  prometheus.Counter
	watchers prometheus.Gauge
}

// hostCounts looks at the nodes of the datacentre at each scrape.
type hostCounts func() (connected, known int)

func newMetrics(reg prometheus.Registerer, hosts hostCounts) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_cassandra_requests_total",
			Help: "Requests to the cluster by how they ended, after their retries: ok, refused (the condition of a lightweight transaction did not hold), failed, uncertain (not known whether the write took place), cancelled.",
		}, []string{"table", "operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hulotte_cassandra_request_duration_seconds",
			Help:    "Time of a request to the cluster, with its retries.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 20},
		}, []string{"table", "operation"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_cassandra_retries_total",
			Help: "Attempts after the first one.",
		}, []string{"table", "operation"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_cassandra_requests_in_flight",
			Help: "Requests that wait for the cluster's answer.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_cassandra_requests_waiting",
			Help: "Requests that wait for their turn, because max_in_flight are in flight.",
		}),
		watch: watchMetrics{
			polls: prometheus.NewCounterVec(prometheus.CounterOpts{
				Name: "hulotte_cassandra_watch_polls_total",
				Help: "Looks at a watched kind of documents, by outcome: unchanged, changed, failed.",
			}, []string{"outcome"}),
			resyncs: prometheus.NewCounter(prometheus.CounterOpts{
				Name: "hulotte_cassandra_watch_resyncs_total",
				Help: "Times that a watched kind was listed anew, because more had changed than its index of changes holds.",
			}),
			watchers: prometheus.NewGauge(prometheus.GaugeOpts{
				Name: "hulotte_cassandra_watchers",
				Help: "Watches of documents that are under way.",
			}),
		},
		reg: reg,
	}
	connected := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hulotte_cassandra_hosts_connected",
		Help: "Nodes of the datacentre that are connected.",
	}, func() float64 { n, _ := hosts(); return float64(n) })
	known := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hulotte_cassandra_hosts_known",
		Help: "Nodes that the datacentre has.",
	}, func() float64 { _, n := hosts(); return float64(n) })
	m.own = []prometheus.Collector{m.requests, m.seconds, m.retries, m.inFlight, m.waiting, m.watch.polls, m.watch.resyncs, m.watch.watchers, connected, known}
	return m, m.register()
}

func (m *metrics) register() error {
	if m.reg == nil {
		return nil
	}
	for i, c := range m.own {
		if err := m.reg.Register(c); err != nil {
			m.own = m.own[:i]
			m.unregister()
			return err
		}
	}
	return nil
}

func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.own {
		m.reg.Unregister(c)
	}
}

func (m *metrics) ended(r request, outcome string, since time.Time) {
	m.requests.WithLabelValues(r.table, r.op, outcome).Inc()
	m.seconds.WithLabelValues(r.table, r.op).Observe(time.Since(since).Seconds())
}
