package cassandra

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	m, err := Open(t.Context(), testOptions(t), testLog(t), reg)
	check(t, err)
	kind := kindName(t)
	v, err := m.Documents().Put(t.Context(), kind, "a", []byte("1"), medium.Absent)
	check(t, err)
	if _, err := m.Documents().Put(t.Context(), kind, "a", []byte("2"), v+1); err == nil {
		t.Error("a write at another version succeeds")
	}
	_, err = m.Documents().Get(t.Context(), kind, "a")
	check(t, err)
	if n := testutil.ToFloat64(m.session.metrics.requests.WithLabelValues("documents", "get", "ok")); n != 1 {
		t.Errorf("%v reads are counted, want 1", n)
	}
	if n := testutil.ToFloat64(m.session.metrics.requests.WithLabelValues("documents", "change", "ok")); n != 2 {
		t.Errorf("%v changes are counted, want 2 that were answered", n)
	}
	if n := testutil.ToFloat64(m.session.metrics.inFlight); n != 0 {
		t.Errorf("%v requests are in flight", n)
	}
	for name, want := range map[string]float64{"hulotte_cassandra_hosts_known": 3, "hulotte_cassandra_hosts_connected": 3} {
		if n := gauge(t, reg, name); n != want {
			t.Errorf("%s is %v, want %v", name, n, want)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("the metrics have problems: %v, %v", problems, err)
	}
	check(t, m.Close())
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 0 {
		t.Errorf("a closed medium still has %d metrics, %v", n, err)
	}
}

func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	check(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Errorf("there is no %s", name)
	return -1
}
