package tail

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	lines     *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	refused   *prometheus.CounterVec
	errors    *prometheus.CounterVec
	truncated prometheus.Counter
	rotated   *prometheus.CounterVec
	waits     prometheus.Counter
	badTimes  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, t *Tailer) *metrics {
	with := promauto.With(reg)
	const prefix = "hulotte_tail_"
	m := &metrics{
		lines:     with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "records_total", Help: "Log records that were read, by kind of source: file, journal, container, own."}, []string{"source"}),
		bytes:     with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "read_bytes_total", Help: "Bytes of the log records that were read, by kind of source."}, []string{"source"}),
		refused:   with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "refused_records_total", Help: "Log records that the store has refused for good, by kind of source and reason."}, []string{"source", "reason"}),
		errors:    with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "errors_total", Help: "Files, journals and containers that could not be read, each try, by kind of source."}, []string{"source"}),
		truncated: with.NewCounter(prometheus.CounterOpts{Name: prefix + "cut_lines_total", Help: "Lines and records that were cut because they were too long."}),
		rotated:   with.NewCounterVec(prometheus.CounterOpts{Name: prefix + "rotations_total", Help: "Files that were seen to be rotated, by how: renamed, truncated, removed."}, []string{"how"}),
		waits:     with.NewCounter(prometheus.CounterOpts{Name: prefix + "waits_total", Help: "Pushes that were not taken at once, each try: reading waited."}),
		badTimes:  with.NewCounter(prometheus.CounterOpts{Name: prefix + "future_times_total", Help: "Records whose time lay in the future and was replaced by that of reading."}),
	}
	if own := t.opts.Own; own != nil {
		with.NewCounterFunc(prometheus.CounterOpts{Name: prefix + "own_dropped_lines_total", Help: "Lines of this process' own log that were not followed, as too many came at once."}, func() float64 { return float64(own.dropped.Load()) })
	}
	gauge := func(name, help string, value func(files, open int, lag int64) float64) {
		with.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, func() float64 { return value(t.totals()) })
	}
	gauge("files", "Files that are followed.", func(files, _ int, _ int64) float64 { return float64(files) })
	gauge("open_files", "Files that are kept open.", func(_, open int, _ int64) float64 { return float64(open) })
	with.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "watched_folders", Help: "Folders of which the kernel tells when something in them changes; others are only looked at every now and then."}, func() float64 { return float64(t.watching.Load()) })
	gauge("lag_bytes", "Bytes of the followed files that are not delivered yet.", func(_, _ int, lag int64) float64 { return float64(lag) })
	return m
}

// totals are what the gauges show.
func (t *Tailer) totals() (files, open int, lag int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.files {
		files++
		if f.opened.Load() {
			open++
		}
		lag += max(f.seenSize.Load()-f.offset.Load(), 0)
	}
	return files, open, lag
}
