package spanmetrics

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

// point is one value that was written.
type point struct {
	start, at int64
	value     float64
	hist      *histogram.Histogram
	exemplars []exemplar.Exemplar
}

func (p point) stale() bool {
	if p.hist != nil {
		return value.IsStaleNaN(p.hist.Sum)
	}
	return value.IsStaleNaN(p.value)
}

// recorder is a store of series in memory that refuses what tsdb refuses.
type recorder struct {
	mu     sync.Mutex
	points map[string][]point // by labels
	refuse error              // of every Append
	fail   error              // of Commit
}

func newRecorder() *recorder { return &recorder{points: map[string][]point{}} }

func (r *recorder) AppenderV2(context.Context) storage.AppenderV2 {
	return &recording{recorder: r, points: map[string][]point{}}
}

type recording struct {
	*recorder
	points map[string][]point
}

func (r *recording) Append(_ storage.SeriesRef, ls labels.Labels, st, at int64, v float64, h *histogram.Histogram, _ *histogram.FloatHistogram, o storage.AOptions) (storage.SeriesRef, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return 0, r.refuse
	}
	if h != nil && !value.IsStaleNaN(h.Sum) {
		if err := h.Validate(); err != nil {
			return 0, err
		}
	}
	key := ls.String()
	for _, before := range [][]point{r.recorder.points[key], r.points[key]} {
		if n := len(before); n > 0 && before[n-1].at >= at {
			return 0, storage.ErrOutOfOrderSample
		}
	}
	if st >= at {
		return 0, errors.New("a start that is not before its sample")
	}
	r.points[key] = append(r.points[key], point{st, at, v, h, o.Exemplars})
	return 1, nil
}

func (r *recording) Commit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	for key, points := range r.points {
		r.recorder.points[key] = append(r.recorder.points[key], points...)
	}
	return nil
}

func (r *recording) Rollback() error { return nil }

// last returns the newest values of the series whose labels contain a text, by labels: a number, or a histogram's count.
func (r *recorder) last(part string) map[string]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]float64{}
	for key, points := range r.points {
		if !strings.Contains(key, part) {
			continue
		}
		p := points[len(points)-1]
		switch {
		case p.stale():
			out[key] = math.NaN()
		case p.hist != nil:
			out[key] = float64(p.hist.Count)
		default:
			out[key] = p.value
		}
	}
	return out
}

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_700_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lab is Metrics over a recorder.
type lab struct {
	*Metrics
	t     testing.TB
	store *recorder
	clock *clock
	reg   *prometheus.Registry
}

func newLab(t testing.TB, o Options) *lab {
	l := &lab{t: t, store: newRecorder(), clock: newClock(), reg: prometheus.NewRegistry()}
	o.Now = l.clock.Now
	l.Metrics = New(o, func(string) (storage.AppendableV2, error) { return l.store, nil }, slog.New(slog.DiscardHandler), l.reg)
	return l
}

// write lets an interval go by and writes.
func (l *lab) write() {
	l.t.Helper()
	l.clock.advance(l.opts.Interval)
	if err := l.Flush(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// giveUp lets all spans that wait for another wait no longer.
func (l *lab) giveUp() {
	l.expire()
	l.expire()
}

// own returns the value of one of our own counters.
func (l *lab) ownCounter(name string) float64 {
	l.t.Helper()
	families, err := l.reg.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	l.t.Fatalf("no metric %s", name)
	return 0
}

// group is spans of one service.
func group(service string, spans ...model.Span) []model.SpanGroup {
	r := &model.Resource{Attributes: []model.Attribute{{Key: "service.name", Value: model.TextValue(service)}}}
	if service == "" {
		r.Attributes = nil
	}
	return []model.SpanGroup{{Resource: r, Scope: &model.Scope{}, Spans: spans}}
}

// span is a span with short ids.
func span(trace, id, parent byte, kind model.SpanKind, name string, d time.Duration, attributes ...string) model.Span {
	s := model.Span{TraceID: model.TraceID{15: trace}, ID: model.SpanID{7: id}, Parent: model.SpanID{7: parent}, Kind: kind, Name: name, Start: 1_700_000_000_000_000_000, Duration: int64(d)}
	for i := 0; i < len(attributes); i += 2 {
		s.Attributes = append(s.Attributes, model.Attribute{Key: attributes[i], Value: model.TextValue(attributes[i+1])})
	}
	return s
}

func failed(s model.Span) model.Span {
	s.Status = model.StatusError
	return s
}
