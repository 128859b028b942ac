package engine

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

const (
	// seriesWaiting bounds the results that wait for the series' store: some 30 seconds of 50,000 checks a minute.
	seriesWaiting = 30_000
	seriesBatch   = 2000
	seriesEvery   = time.Second

	job = "check"
)

// sampled is what one result gives: those of the check's view, and more. stale ends the series instead.
type sampled struct {
	view    *check.View
	address string // the one asked
	metrics []model.CheckMetric
	at      int64 // milliseconds
	stale   bool
}

// series writes samples. It never makes the engine wait.
type series struct {
	to      Series
	log     *slog.Logger
	metrics *metrics
	poke    chan struct{} // holds one token when enough waits; never closed

	mu      sync.Mutex // taken after Engine.mu; no I/O under it
	waiting []sampled
	spare   []sampled
}

func newSeries(to Series, log *slog.Logger, m *metrics) *series {
	return &series{to: to, log: log, metrics: m, poke: make(chan struct{}, 1)}
}

func (s *series) add(c *entry, metrics []model.CheckMetric, at time.Time) {
	s.push(sampled{view: c.view.Load(), address: addressOf(c.host), metrics: metrics, at: timestamp.FromTime(at)})
}

// end marks the series of a check stale that is no longer declared.
func (s *series) end(c *entry) {
	s.push(sampled{view: c.view.Load(), address: addressOf(c.host), at: timestamp.FromTime(time.Now()), stale: true})
}

func (s *series) push(r sampled) {
	if s.to == nil {
		return
	}
	s.mu.Lock()
	full := len(s.waiting) >= seriesWaiting
	if !full {
		s.waiting = append(s.waiting, r)
	}
	enough := len(s.waiting) == seriesBatch
	s.mu.Unlock()
	if full {
		s.metrics.seriesDrops.Inc()
	}
	if enough {
		select {
		case s.poke <- struct{}{}:
		default:
		}
	}
}

// run writes until ctx ends, then what is left.
func (s *series) run(ctx context.Context) {
	if s.to == nil {
		return
	}
	every := time.NewTicker(seriesEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSave)
			defer cancel()
			s.flush(last)
			return
		case <-every.C:
		case <-s.poke:
		}
		s.flush(ctx)
	}
}

// flush writes what waits. A batch that the store does not take is lost, and counted: newer values matter more.
func (s *series) flush(ctx context.Context) {
	s.mu.Lock()
	batch := s.waiting
	s.waiting, s.spare = s.spare[:0], nil
	s.mu.Unlock()
	for part := range slices.Chunk(batch, seriesBatch) {
		if err := s.write(ctx, part); err != nil {
			s.metrics.seriesDrops.Add(float64(len(part)))
			s.log.Warn("cannot write the samples of checks", "err", err, "results", len(part))
		}
	}
	clear(batch)
	s.mu.Lock()
	s.spare = batch[:0]
	s.mu.Unlock()
}

func (s *series) write(ctx context.Context, batch []sampled) error {
	w := &sampleWriter{to: s.to.AppenderV2(ctx), b: labels.NewBuilder(labels.EmptyLabels()), metrics: s.metrics}
	for i := range batch {
		w.result(&batch[i])
		if w.err != nil {
			return errors.Join(w.err, w.to.Rollback())
		}
	}
	return w.to.Commit()
}

// sampleWriter writes the samples of one batch.
type sampleWriter struct {
	to      storage.AppenderV2
	b       *labels.Builder
	metrics *metrics
	base    labels.Labels // of the check at hand
	at      int64
	stale   bool
	err     error // the first that ends the batch
}

func (w *sampleWriter) result(r *sampled) {
	v := r.view
	if v.Status == model.Pending && !r.stale {
		return
	}
	w.base, w.at, w.stale = w.labelsOf(v, r.address), r.at, r.stale
	w.add("check_status", "Answer of the check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.", float64(v.Status))
	w.add("check_state_hard", "Whether the state is confirmed.", flag(v.Hard))
	w.add("check_duration_seconds", "How long the answer took.", time.Duration(v.Duration).Seconds())
	for i := range v.Perf {
		w.perf(&v.Perf[i])
	}
	for i := range r.metrics {
		m := &r.metrics[i]
		if len(m.Name) > 0 && commonmodel.LegacyValidation.IsValidMetricName(m.Name) {
			w.add(m.Name, m.Help, m.Value, m.Labels...)
		}
	}
}

// labelsOf are the labels that all series of a check have. instance is the address asked.
func (w *sampleWriter) labelsOf(v *check.View, address string) labels.Labels {
	w.b.Reset(labels.EmptyLabels())
	for name, val := range v.Labels {
		if commonmodel.LegacyValidation.IsValidLabelName(name) && !strings.HasPrefix(name, "__") {
			w.b.Set(name, val)
		}
	}
	w.b.Set("job", job)
	w.b.Set("instance", address)
	return w.b.Labels()
}

func (w *sampleWriter) perf(p *model.Perf) {
	if math.IsNaN(p.Value) {
		return
	}
	own := []model.Field{{Name: "label", Value: p.Label}, {Name: "unit", Value: p.Unit}}
	w.add("check_perfdata", "Performance data of the check.", p.Value, own...)
	limit := func(name, help, text string) {
		if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) {
			w.add(name, help, n, own...)
		}
	}
	limit("check_perfdata_warning", "Warning threshold of performance data, where it is one number.", p.Warn)
	limit("check_perfdata_critical", "Critical threshold of performance data, where it is one number.", p.Crit)
	if p.Min != nil {
		w.add("check_perfdata_min", "Least possible value of performance data.", *p.Min, own...)
	}
	if p.Max != nil {
		w.add("check_perfdata_max", "Greatest possible value of performance data.", *p.Max, own...)
	}
}

func (w *sampleWriter) add(name, help string, v float64, own ...model.Field) {
	if w.err != nil {
		return
	}
	w.b.Reset(w.base)
	for _, f := range own {
		if f.Name != commonmodel.MetricNameLabel {
			w.b.Set(f.Name, f.Value)
		}
	}
	w.b.Set(commonmodel.MetricNameLabel, name)
	if w.stale {
		v = math.Float64frombits(value.StaleNaN)
	}
	o := storage.AOptions{MetricFamilyName: name, Metadata: metadata.Metadata{Type: commonmodel.MetricTypeGauge, Help: help}}
	_, err := w.to.Append(0, w.b.Labels(), 0, w.at, v, nil, nil, o)
	switch {
	case err == nil:
		w.metrics.samples.Inc()
	case oneSample(err):
		w.metrics.badSamples.Inc()
	default:
		w.err = err
	}
}

// oneSample says whether an error is about one sample only.
func oneSample(err error) bool {
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrDuplicateSampleForTimestamp) ||
		errors.Is(err, storage.ErrOutOfBounds) || errors.Is(err, storage.ErrTooOldSample) || model.KindOf(err) == model.Invalid
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
