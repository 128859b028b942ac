// Package logs is what every log record goes through on its way in, whichever protocol brought it: limits for each
// tenant, masking of secrets, levels, and one form of labels and fields.
//
//	sink := logs.New(logs.Options{}, app, log, registerer)
//	loki.New(..., sink.From("loki"), ...)
//
// It is on the path of every line, so that what is in order already is only looked at: a push without anything to change
// allocates nothing.
package logs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
)

// Append keeps records, for the tenant of the context. It takes the strings only for the length of the call.
type Append func(ctx context.Context, streams []model.Stream) (model.Refusals, error)

// Sink is the way in of all protocols. It is safe for concurrent use.
type Sink struct {
	limits  Limits
	level   func(string) string
	mask    func(string) string
	service []string
	now     func() time.Time
	to      Append
	log     *slog.Logger
	rates   rates
	metrics *metrics
	pushes  sync.Pool // *push
}

// New returns a sink in front of to.
func New(o Options, to Append, log *slog.Logger, reg prometheus.Registerer) *Sink {
	s := &Sink{
		limits: o.Limits.withDefaults(), level: o.Level, mask: o.Mask, service: o.ServiceLabels, now: o.Now,
		to: to, log: log, metrics: newMetrics(reg),
	}
	if s.level == nil {
		s.level = Level
	}
	if s.service == nil {
		s.service = ServiceLabels()
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.rates.rate, s.rates.burst = float64(s.limits.Rate), float64(s.limits.Burst)
	s.pushes.New = func() any { return new(push) }
	return s
}

// From is the Sink as one protocol sees it: what comes through it is counted under the protocol's name.
type From struct {
	sink  *Sink
	count protocolMetrics
}

// From returns the way in for a protocol.
func (s *Sink) From(protocol string) *From {
	return &From{sink: s, count: s.metrics.of(protocol)}
}

// Push keeps the records of the tenant of ctx. The refusals say which it did not keep, for good. On an error nothing is
// kept; model.KindOf says whether sending again helps (Limit, Unavailable), and an error may have a method
// RetryAfter() time.Duration.
//
// A record without a time (0) gets that of its arrival. Labels and fields may come in any order, with empty values and
// with names that Loki does not allow. Push may change streams and records in place; labels and fields it does not
// change, so that callers may share them. Strings it takes only for the length of the call.
func (f *From) Push(ctx context.Context, streams []model.Stream) (model.Refusals, error) {
	s := f.sink
	now := s.now()
	lines, bytes := measure(streams)
	f.count.lines.Add(float64(lines))
	f.count.bytes.Add(float64(bytes))
	if err := s.rates.take(model.Tenant(ctx), lines, bytes, now); err != nil {
		f.discard(model.RateLimited, lines)
		return nil, err
	}
	p := s.pushes.Get().(*push)
	defer s.release(p)
	p.begin(s, now)
	kept := p.streams(streams)
	f.count.truncated.Add(float64(p.truncated))
	for _, r := range p.refused {
		f.discard(r.Reason, r.Count)
	}
	if len(kept) == 0 {
		return slices.Clone(p.refused), nil
	}
	begin := time.Now()
	refused, err := s.to(ctx, kept)
	s.metrics.seconds.Observe(time.Since(begin).Seconds())
	if err != nil {
		f.discard(reasonOf(err), lines)
		return nil, err
	}
	for _, r := range refused {
		f.discard(r.Reason, r.Count)
	}
	return slices.Concat(p.refused, refused), nil
}

// measure returns how many lines there are, and how many bytes they and their fields have.
func measure(streams []model.Stream) (lines, bytes int) {
	for i := range streams {
		records := streams[i].Records
		lines += len(records)
		for j := range records {
			bytes += len(records[j].Line)
			for _, f := range records[j].Fields {
				bytes += len(f.Name) + len(f.Value)
			}
		}
	}
	return lines, bytes
}

func (f *From) discard(why model.RefusalReason, lines int) {
	f.sink.metrics.discarded.WithLabelValues(f.count.protocol, string(why)).Add(float64(lines))
}

// The reasons for which a whole push is not kept.
const (
	canceled    model.RefusalReason = "canceled"
	unavailable model.RefusalReason = "unavailable"
	failed      model.RefusalReason = "failed"
)

func reasonOf(err error) model.RefusalReason {
	switch kind := model.KindOf(err); {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return canceled
	case kind == model.Unavailable:
		return unavailable
	case kind == model.Limit:
		return model.RateLimited
	}
	return failed
}

// maxKept bounds the fields of a push whose memory is used again: a rare large one must not keep its own.
const maxKept = 64 << 10

func (s *Sink) release(p *push) {
	if cap(p.fields) > maxKept {
		p.fields = nil
	}
	p.sink = nil
	clear(p.fields[:cap(p.fields)]) // no strings of others are held
	p.refused = p.refused[:0]
	s.pushes.Put(p)
}
