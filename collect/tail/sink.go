package tail

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// The waits between two tries of a push: the first is short, as a store that is busy for a moment is the usual case.
const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// deliverer pushes until the sink takes it.
type deliverer struct {
	sink    Sink
	mask    *logformat.Masker
	log     *slog.Logger
	metrics *metrics
}

// deliver returns when every record is taken or refused for good, and then true; false when ctx ended before.
func (d *deliverer) deliver(ctx context.Context, source string, streams []model.Stream) bool {
	if len(streams) == 0 {
		return true
	}
	if d.mask != nil {
		for _, s := range streams {
			for i := range s.Records {
				r := &s.Records[i]
				r.Line = d.mask.Mask(r.Line)
				for k := range r.Fields { // they are this record's own
					r.Fields[k].Value = d.mask.Mask(r.Fields[k].Value)
				}
			}
		}
	}
	return d.push(ctx, source, streams)
}

func (d *deliverer) push(ctx context.Context, source string, streams []model.Stream) bool {
	backoff := minBackoff
	for try := 0; ctx.Err() == nil; try++ {
		refused, err := d.sink.Push(ctx, copyOfStreams(streams)) // the sink may change what it gets
		switch {
		case err == nil:
			d.noteRefused(source, refused)
			if try > 0 {
				d.log.Info("logs are taken again", "tries", try+1)
			}
			return true
		case ctx.Err() != nil:
			return false
		case model.KindOf(err) == model.Invalid:
			return d.isolate(ctx, source, streams, err)
		}
		d.metrics.waits.Inc()
		if try == 0 {
			d.log.Warn("logs are not taken: reading waits", "err", err)
		}
		wait := backoff/2 + rand.N(backoff/2+1)
		var after interface{ RetryAfter() time.Duration }
		if errors.As(err, &after) {
			wait = max(wait, min(after.RetryAfter(), maxBackoff))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
		backoff = min(2*backoff, maxBackoff)
	}
	return false
}

func copyOfStreams(streams []model.Stream) []model.Stream {
	out := slices.Clone(streams)
	for i := range out {
		out[i].Records = slices.Clone(out[i].Records)
	}
	return out
}

// isolate halves what is refused as a whole until the record is found that is to blame, and goes on without it.
func (d *deliverer) isolate(ctx context.Context, source string, streams []model.Stream, err error) bool {
	n := 0
	for _, s := range streams {
		n += len(s.Records)
	}
	if n <= 1 {
		d.metrics.refused.WithLabelValues(source, "invalid").Add(float64(n))
		d.log.Warn("a log record is refused for good and left out", "stream", model.FormatLabels(streams[0].Labels), "err", err)
		return true
	}
	first, second := halve(streams, n/2)
	return d.push(ctx, source, first) && d.push(ctx, source, second)
}

// halve parts streams behind the first n records.
func halve(streams []model.Stream, n int) (first, second []model.Stream) {
	for _, s := range streams {
		k := min(n, len(s.Records))
		n -= k
		if k > 0 {
			first = append(first, model.Stream{Labels: s.Labels, Records: s.Records[:k]})
		}
		if k < len(s.Records) {
			second = append(second, model.Stream{Labels: s.Labels, Records: s.Records[k:]})
		}
	}
	return first, second
}

func (d *deliverer) noteRefused(source string, refused model.Refusals) {
	for _, r := range refused {
		d.metrics.refused.WithLabelValues(source, string(r.Reason)).Add(float64(r.Count))
		d.log.Warn("log records are refused for good and left out", "reason", r.Reason, "records", r.Count, "stream", r.Stream, "why", r.Text)
	}
}
