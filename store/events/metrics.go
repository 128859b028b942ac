package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/store"
)

type metrics struct {
	records, bytes, busy, noSpace                     prometheus.Counter
	refused                                           *prometheus.CounterVec
	encodeFailures, cuts, cutFailures                 prometheus.Counter
	replayed, replaySkipped, replayDamaged            prometheus.Counter
	damagedGroups, followDropped                      prometheus.Counter
	selects, read, skipped, searched                  prometheus.Counter
	merges, mergeFailures, mergedBytes, retentionGone prometheus.Counter
	appendSeconds                                     prometheus.Histogram
}

func newMetrics(s *Store, reg prometheus.Registerer) *metrics {
	with := promauto.With(reg)
	count := func(name, help string) prometheus.Counter {
		return with.NewCounter(prometheus.CounterOpts{Name: "hulotte_events_" + name, Help: help})
	}
	gauge := func(name, help string, f func() float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: "hulotte_events_" + name, Help: help}, f)
	}
	gauge("head_bytes", "Bytes of records in memory that are not encoded yet, with those that are being taken.", func() float64 { return float64(s.budget.InUse()) })
	gauge("head_encoded_bytes", "Bytes of encoded records in memory, which wait to become blocks.", func() float64 { return float64(s.encodedBytes()) })
	gauge("head_streams", "Streams in memory, counted once for each day and generation.", func() float64 { return float64(s.headStreams()) })
	gauge("heads", "Generations in memory: the one that is written to, and those that are becoming blocks.", func() float64 { return float64(len(s.headList())) })
	gauge("directory_bytes", "Bytes of directories of blocks that are kept in memory.", func() float64 { return float64(s.directories.inUse()) })
	gauge("followers", "Readers that follow what is appended.", func() float64 { return float64(s.hub.count()) })
	gauge("deletions_active", "Deletions that are not carried out yet.", func() float64 { return float64(len(s.deletions.ids())) })
	return &metrics{
		records:        count("appended_total", "Records that were taken."),
		bytes:          count("appended_bytes_total", "Bytes of lines and fields of records that were taken."),
		busy:           count("busy_total", "Appends that waited for too long and were not taken."),
		noSpace:        count("no_space_total", "Appends that were not taken because the medium had no room."),
		refused:        with.NewCounterVec(prometheus.CounterOpts{Name: "hulotte_events_refused_total", Help: "Records that were refused, by reason."}, []string{"reason"}),
		encodeFailures: count("encode_failures_total", "Times that records could not be encoded, which is an error in this program."),
		cuts:           count("cuts_total", "Generations of records that became blocks."),
		cutFailures:    count("cut_failures_total", "Times that records could not become blocks; it is tried again."),
		replayed:       count("replayed_total", "Records that were read from the journal at the start."),
		replaySkipped:  count("replay_skipped_total", "Records of the journal that were in blocks already at the start."),
		replayDamaged:  count("replay_damaged_total", "Stretches and entries of the journal that could not be read at the start."),
		damagedGroups:  count("damaged_reads_total", "Times that a search met a damaged block or group and went on without it."),
		followDropped:  count("follow_dropped_total", "Records that followers missed because they were slow."),
		selects:        count("selects_total", "Searches."),
		read:           count("select_read_bytes_total", "Bytes that searches read from blocks."),
		skipped:        count("select_groups_skipped_total", "Groups in the range of a search that it did not read."),
		searched:       count("select_searched_bytes_total", "Bytes of records, as they came, in what searches looked at."),
		merges:         count("merges_total", "Merges of blocks."),
		mergeFailures:  count("merge_failures_total", "Merges of blocks that failed; the blocks stay as they are."),
		mergedBytes:    count("merge_bytes_total", "Bytes of blocks that merges read."),
		retentionGone:  count("retention_blocks_deleted_total", "Blocks that were deleted because of their age or size."),
		appendSeconds: with.NewHistogram(prometheus.HistogramOpts{Name: "hulotte_events_append_seconds", Help: "How long appends took until they were durable.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
	}
}

func (m *metrics) selected(stats store.EventStats) {
	m.selects.Inc()
	m.read.Add(float64(stats.BytesRead))
	m.skipped.Add(float64(stats.GroupsSkipped))
	m.searched.Add(float64(stats.BytesSearched))
}
