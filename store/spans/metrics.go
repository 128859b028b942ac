package spans

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/store"
)

type metrics struct {
	spans, bytes, busy, noSpace                       prometheus.Counter
	refused                                           *prometheus.CounterVec
	encodeFailures, cuts, cutFailures                 prometheus.Counter
	replayed, replaySkipped, replayDamaged            prometheus.Counter
	damaged                                           prometheus.Counter
	reads, read, skipped, looked                      prometheus.Counter
	merges, mergeFailures, mergedBytes, retentionGone prometheus.Counter
	appendSeconds                                     prometheus.Histogram
}

func newMetrics(s *Store, reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	count := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_spans_" + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_spans_" + name, Help: help}, f)
	}
	gauge("head_bytes", "Bytes of spans in memory that are not encoded yet, with those that are being taken.", func() float64 { return float64(s.budget.InUse()) })
	gauge("head_encoded_bytes", "Bytes of encoded spans in memory, which wait to become blocks.", func() float64 { return float64(s.encodedBytes()) })
	gauge("heads", "Generations in memory: the one that is written to, and those that are becoming blocks.", func() float64 { return float64(len(s.headList())) })
	gauge("directory_bytes", "Bytes of directories of blocks that are kept in memory.", func() float64 { return float64(s.directories.inUse()) })
	return &metrics{
		spans:          count("appended_total", "Spans that were taken."),
		bytes:          count("appended_bytes_total", "Bytes of spans that were taken, as the journal has them before compression."),
		busy:           count("busy_total", "Appends that waited for too long and were not taken."),
		noSpace:        count("no_space_total", "Appends that were not taken because the medium had no room."),
		refused:        with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_spans_refused_total", Help: "Spans that were refused, by reason."}, []string{"reason"}),
		encodeFailures: count("encode_failures_total", "Times that spans could not be encoded, which is an error in this program."),
		cuts:           count("cuts_total", "Generations of spans that became blocks."),
		cutFailures:    count("cut_failures_total", "Times that spans could not become blocks; it is tried again."),
		replayed:       count("replayed_total", "Spans that were read from the journal at the start."),
		replaySkipped:  count("replay_skipped_total", "Spans of the journal that were in blocks already at the start."),
		replayDamaged:  count("replay_damaged_total", "Stretches and entries of the journal that could not be read at the start."),
		damaged:        count("damaged_reads_total", "Times that a search met a damaged block or group and went on without it."),
		reads:          count("reads_total", "Searches, and readings of traces by their ids."),
		read:           count("read_bytes_total", "Bytes that searches read from blocks."),
		skipped:        count("read_groups_skipped_total", "Groups in the range of a search that it did not read."),
		looked:         count("read_spans_total", "Spans that searches looked at."),
		merges:         count("merges_total", "Merges of blocks."),
		mergeFailures:  count("merge_failures_total", "Merges of blocks that failed; the blocks stay as they are."),
		mergedBytes:    count("merge_bytes_total", "Bytes of blocks that merges read."),
		retentionGone:  count("retention_blocks_deleted_total", "Blocks that were deleted because of their age or size."),
		appendSeconds: with.NewHistogram(prometheus.HistogramOpts{Name: "hulotte_spans_append_seconds", Help: "How long appends took until they were durable.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
	}
}

func (m *metrics) note(stats store.SpanStats) {
	m.reads.Inc()
	m.read.Add(float64(stats.BytesRead))
	m.skipped.Add(float64(stats.GroupsSkipped))
	m.looked.Add(float64(stats.SpansRead + stats.HeadSpans))
}
