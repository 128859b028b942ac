package local

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/store/medium"
)

type documentMetrics struct {
	puts, deletes, conflicts, failures, bytes prometheus.Counter
	full, queueWaits                          prometheus.Counter
	syncSeconds, snapshotSeconds              prometheus.Histogram
	syncFailures, writeFailures               prometheus.Counter
	snapshots, snapshotFailures               prometheus.Counter
	damagedBytes, tornTails                   prometheus.Counter
	watchers                                  prometheus.Gauge
}

func newDocumentMetrics(reg prometheus.Registerer, d *documents) *documentMetrics {
	with := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_document_" + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return with.NewHistogram(prometheus.HistogramOpts{Name: "hulotte_document_" + name, Help: help,
			Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10}})
	}
	gauge := func(name, help string, f func() float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_document_" + name, Help: help}, f)
	}
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_documents", Help: "Documents that there are."}, d.locked(func() float64 { return float64(d.count) }))
	gauge("live_bytes", "Bytes of all documents in memory, with their names and an allowance for each.", d.locked(func() float64 { return float64(d.bytes) }))
	gauge("limit_bytes", "Bytes that all documents together may have.", func() float64 { return float64(d.o.maxBytes) })
	gauge("log_bytes", "Bytes of the logs of documents since the snapshot.", func() float64 { logs, _ := d.sizes(); return float64(logs) })
	gauge("halted", "1 when documents can only be read because the disk failed, else 0.", d.locked(func() float64 {
		if d.halted != nil {
			return 1
		}
		return 0
	}))
	return &documentMetrics{
		puts:       counter("puts_total", "Documents that were written and acknowledged."),
		deletes:    counter("deletes_total", "Documents that were deleted and acknowledged."),
		conflicts:  counter("conflicts_total", "Changes that were refused because somebody else had changed the document."),
		failures:   counter("failures_total", "Changes that could not be written or synced."),
		bytes:      counter("log_written_bytes_total", "Bytes that were written to the log for acknowledged changes, with their framing."),
		full:       counter("limit_refusals_total", "Changes that were refused because the documents had reached their size."),
		queueWaits: counter("queue_waits_total", "Changes that had to wait because as much as fits was waiting already."),
		syncSeconds: seconds("sync_seconds",
			"Time that one sync of the log took. Changes that wait at the same time share one; the count is that of syncs."),
		snapshotSeconds:  seconds("snapshot_seconds", "Time that writing one snapshot took."),
		syncFailures:     counter("sync_failures_total", "Syncs that failed, after which documents can only be read."),
		writeFailures:    counter("write_failures_total", "Writes to the log that failed, because the disk is full or broken."),
		snapshots:        counter("snapshots_total", "Snapshots that were written."),
		snapshotFailures: counter("snapshot_failures_total", "Snapshots that could not be written."),
		damagedBytes:     counter("damaged_bytes_total", "Bytes that were found damaged at the start."),
		tornTails:        counter("torn_tails_total", "Ends of logs that an interrupted write left behind and that were cut off."),
		watchers:         with.NewGauge(prometheus.GaugeOpts{Name: "hulotte_document_watchers", Help: "Watches of documents."}),
	}
}

// locked lets f read under mu.
func (d *documents) locked(f func() float64) func() float64 {
	return func() float64 {
		d.mu.RLock()
		defer d.mu.RUnlock()
		return f()
	}
}

func (m *documentMetrics) committed(g *documentGroup) {
	m.bytes.Add(float64(len(g.buf)))
	for _, c := range g.changes {
		if c.value == nil {
			m.deletes.Inc()
		} else {
			m.puts.Inc()
		}
	}
}

// refused counts a change that did not come to be written.
func (m *documentMetrics) refused(err error) {
	switch {
	case errors.Is(err, medium.ErrConflict):
		m.conflicts.Inc()
	case errors.Is(err, errDocumentsFull):
		m.full.Inc()
	case errors.Is(err, errDocumentsHalt):
		m.failures.Inc()
	}
}

func (m *documentMetrics) timed(sync func() error) error {
	begun := time.Now()
	err := sync()
	m.syncSeconds.Observe(time.Since(begun).Seconds())
	return err
}
