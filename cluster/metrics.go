package cluster

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	beats    *prometheus.CounterVec
	lastBeat prometheus.Gauge
	twins    prometheus.Counter
}

func newMetrics(m *Member, reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	for _, s := range []State{Alive, Silent, Stopped} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "hulotte_cluster_nodes", Help: "Nodes on the same medium by state, this one included.",
			ConstLabels: prometheus.Labels{"state": string(s)},
		}, func() float64 { return float64(m.count(s)) })
	}
	out := &metrics{
		beats: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_cluster_heartbeats_total", Help: "Renewals of this node's document by result.",
		}, []string{"result"}),
		lastBeat: f.NewGauge(prometheus.GaugeOpts{
			Name: "hulotte_cluster_last_heartbeat_timestamp_seconds", Help: "When this node's document was last renewed.",
		}),
		twins: f.NewCounter(prometheus.CounterOpts{
			Name: "hulotte_cluster_twins_total", Help: "How often another process was seen to go by this node's id.",
		}),
	}
	out.beats.WithLabelValues("ok")
	out.beats.WithLabelValues("failed")
	return out
}

func (m *metrics) beat(err error) {
	if err != nil {
		m.beats.WithLabelValues("failed").Inc()
		return
	}
	m.beats.WithLabelValues("ok").Inc()
	m.lastBeat.Set(float64(time.Now().UnixMilli()) / 1000)
}

func (m *Member) count(s State) (n int) {
	for _, one := range m.Nodes() {
		if one.State == s {
			n++
		}
	}
	return n
}
