package local

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type journalMetrics struct {
	appends, failedAppends, bytes prometheus.Counter
	syncSeconds                   prometheus.Histogram
	failedSyncs, failedWrites     prometheus.Counter
	queueWaits                    prometheus.Counter
	damagedBytes                  prometheus.Counter
	tornTails, tornBytes          prometheus.Counter
}

func newJournalMetrics(reg prometheus.Registerer, s *journals) *journalMetrics {
	with := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_journal_" + name, Help: help})
	}
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_journal_queue_bytes",
		Help: "Bytes of entries that wait to be written or are being written, in all journals."},
		func() float64 { return float64(s.queued.Load()) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_journal_open", Help: "Journals that are open for appending."},
		func() float64 { return float64(len(s.allOpen())) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_journal_segments", Help: "Files of the journals that are open for appending."},
		func() float64 { return float64(s.countSegments()) })
	return &journalMetrics{
		appends:       counter("appends_total", "Entries that were appended and acknowledged."),
		failedAppends: counter("append_failures_total", "Entries that could not be written or synced."),
		bytes:         counter("append_bytes_total", "Bytes that were written for acknowledged entries, with their framing."),
		syncSeconds: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "hulotte_journal_sync_seconds",
			Help:    "Time that one sync of a journal to the disk took. Entries that waited at the same time share one; the count is that of syncs.",
			Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10},
		}),
		failedSyncs:  counter("sync_failures_total", "Syncs that failed: a disk or file system is broken."),
		failedWrites: counter("write_failures_total", "Writes that failed, because the disk is full or broken."),
		queueWaits:   counter("queue_waits_total", "Appends that had to wait because the queue of a journal was full."),
		damagedBytes: counter("damaged_bytes_total", "Bytes that were found damaged, each place once while the process runs."),
		tornTails:    counter("torn_tails_total", "Ends of segments that an interrupted write left behind and that were cut off."),
		tornBytes:    counter("torn_bytes_total", "Bytes of the ends that were cut off."),
	}
}

func (s *journals) allOpen() []*journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*journal, 0, len(s.open))
	for _, j := range s.open {
		all = append(all, j)
	}
	return all
}

func (s *journals) countSegments() int {
	n := 0
	for _, j := range s.allOpen() {
		n += len(j.snapshot())
	}
	return n
}
