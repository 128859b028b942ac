package cassandra

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// journalMetrics is what the journals tell of themselves; rows are requests too, and counted there.
type journalMetrics struct {
	entries, rows, bytes, waits, segments, lost, renewalsFailed prometheus.Counter
	failed                                                      prometheus.Counter
	open                                                        prometheus.Gauge
	seconds                                                     prometheus.Histogram

	reg prometheus.Registerer
}

func newJournalMetrics(reg prometheus.Registerer) (*journalMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "hulotte_cassandra_journal_" + name, Help: help})
	}
	m := &journalMetrics{
		entries:        counter("entries_total", "Entries (and pieces of large ones) that were written."),
		rows:           counter("rows_total", "Rows that were written; each has the entries that waited at the same time."),
		bytes:          counter("written_bytes_total", "Bytes of the rows that were written."),
		failed:         counter("rows_failed_total", "Rows that could not be written, after all retries. Each ends its segment."),
		waits:          counter("queue_waits_total", "Appends that waited because the queue was full."),
		segments:       counter("segments_total", "Segments that were begun."),
		lost:           counter("lost_total", "Journals that another writer took while they were open here."),
		renewalsFailed: counter("renewals_failed_total", "Signs of life that could not be given. While none succeeds nothing is acknowledged."),
		open:           prometheus.NewGauge(prometheus.GaugeOpts{Name: "hulotte_cassandra_journals_open", Help: "Journals that are open for appending."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hulotte_cassandra_journal_write_duration_seconds", Help: "Time until a row was durable, or had failed.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 20},
		}),
		reg: reg,
	}
	return m, registerAll(reg, m.all())
}

func (m *journalMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.entries, m.rows, m.bytes, m.failed, m.waits, m.segments, m.lost, m.renewalsFailed, m.open, m.seconds}
}

func (m *journalMetrics) unregister() { unregisterAll(m.reg, m.all()) }

func (m *journalMetrics) row(bytes, entries int, began time.Time, err error) {
	m.seconds.Observe(time.Since(began).Seconds())
	if err != nil {
		m.failed.Inc()
		return
	}
	m.rows.Inc()
	m.entries.Add(float64(entries))
	m.bytes.Add(float64(bytes))
}

func registerAll(reg prometheus.Registerer, all []prometheus.Collector) error {
	if reg == nil {
		return nil
	}
	for i, c := range all {
		if err := reg.Register(c); err != nil {
			unregisterAll(reg, all[:i])
			return err
		}
	}
	return nil
}

func unregisterAll(reg prometheus.Registerer, all []prometheus.Collector) {
	if reg == nil {
		return
	}
	for _, c := range all {
		reg.Unregister(c)
	}
}
