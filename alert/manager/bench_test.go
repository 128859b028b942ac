package manager

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/alert"
)

type deaf struct{}

func (deaf) Notify(context.Context, ...*amalert.Alert) (bool, error) { return false, nil }

// manyAlerts is a manager with 10,000 alerts in 1,000 groups, and 100 silences of others.
func manyAlerts(b *testing.B) (*Manager, []alert.Alert) {
	b.Helper()
	m, err := New(Options{
		Documents: newShelf().get,
		Wrap: func(receiver string, i amnotify.Integration) amnotify.Integration {
			return amnotify.NewIntegration(deaf{}, &i, i.Name(), i.Index(), receiver)
		},
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	c, err := ReadConfig([]byte("route: {receiver: all, group_by: [alertname], group_wait: 0s}\nreceivers: [{name: all, webhook_configs: [{url_file: x}]}]\n"+
		"inhibit_rules: [{source_matchers: [severity=\"critical\"], target_matchers: [severity=\"warning\"], equal: [alertname, host]}]\n"), "/x")
	if err == nil {
		err = m.Apply(c)
	}
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = m.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	for i := range 100 {
		if _, err := m.SetSilence(ctx, Silence{Matchers: []Matcher{{Name: "host", Value: fmt.Sprintf("gone%d.*", i), Regexp: true}}, Start: time.Now(), End: time.Now().Add(time.Hour), CreatedBy: "x", Comment: "y"}); err != nil {
			b.Fatal(err)
		}
	}
	all := make([]alert.Alert, 10_000)
	for i := range all {
		all[i] = alert.Alert{Labels: map[string]string{
			"alertname": fmt.Sprint("Alert", i%1000), "host": fmt.Sprint("host", i), "severity": []string{"critical", "warning", "info"}[i%3], "team": fmt.Sprint("team", i%20),
		}, Annotations: map[string]string{"summary": "Something is wrong"}, EndsAt: time.Now().Add(time.Hour)}
	}
	return m, all
}

// BenchmarkRaise is what it costs that rules raise 10,000 alerts again.
func BenchmarkRaise(b *testing.B) {
	m, all := manyAlerts(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Put(b.Context(), alert.FromRule, all...); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	b.ReportMetric(float64(s.HeapAlloc)/(1<<20), "MiB-held")
}

// BenchmarkAlerts is what a list of 10,000 alerts costs.
func BenchmarkAlerts(b *testing.B) {
	m, all := manyAlerts(b)
	if err := m.Put(b.Context(), alert.FromRule, all...); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := len(m.Alerts(nil)); n != len(all) {
			b.Fatalf("%d alerts", n)
		}
	}
}
