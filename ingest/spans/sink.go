// Package spans is what every span goes through on its way in, whichever protocol brought it: it is counted, kept, and shown to those who
// derive something from spans.
//
//	sink := spans.New(app, registerer)
//	sink.Observe(metrics.Observe)
//	mux.Handle("POST /v1/traces", receiver.Traces(sink.From("otlp")))
package spans

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hulotte-dev/hulotte/model"
)

// Append keeps spans, for the tenant of the context. It takes the strings only for the length of the call.
type Append func(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error)

// Observer is shown spans that were kept; those that the store refused among them as well. It must be fast, keeps nothing of
// what it is given, and is called by many at one time.
type Observer func(tenant string, groups []model.SpanGroup)

// Sink is the way in of all protocols. It is safe for concurrent use.
type Sink struct {
	to        Append
	observers []Observer

	received  *prometheus.CounterVec // by protocol
	discarded *prometheus.CounterVec // by protocol and reason
}

// New returns a sink in front of to.
func New(to Append, reg prometheus.Registerer) *Sink {
	with := promauto.With(reg)
	return &Sink{
		to: to,
		received: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_spans_received_total", Help: "Spans that came in, kept or not, by protocol.",
		}, []string{"protocol"}),
		discarded: with.NewCounterVec(prometheus.CounterOpts{
			Name: "hulotte_spans_discarded_total", Help: "Spans that were not kept, by protocol and reason. A sender may have sent them again.",
		}, []string{"protocol", "reason"}),
	}
}

// Observe adds an observer. It is called before the sink is used.
func (s *Sink) Observe(f Observer) { s.observers = append(s.observers, f) }

// From is the Sink as one protocol sees it: what comes through it is counted under the protocol's name.
type From struct {
	sink     *Sink
	protocol string
	received prometheus.Counter
}

// From returns the way in for a protocol.
func (s *Sink) From(protocol string) *From {
	return &From{sink: s, protocol: protocol, received: s.received.WithLabelValues(protocol)}
}

// AppendSpans keeps the spans of the tenant of ctx. The refusals say which it did not keep, for good. On an error nothing is promised;
// model.KindOf says whether sending again helps (Limit, Unavailable).
func (f *From) AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	n := 0
	for i := range groups {
		n += len(groups[i].Spans)
	}
	f.received.Add(float64(n))
	refused, err := f.sink.to(ctx, groups)
	if err != nil {
		f.discard(reasonOf(err), n)
		return nil, err
	}
	for _, r := range refused {
		f.discard(r.Reason, r.Count)
	}
	for _, observe := range f.sink.observers {
		observe(model.Tenant(ctx), groups)
	}
	return refused, nil
}

func (f *From) discard(why model.RefusalReason, spans int) {
	f.sink.discarded.WithLabelValues(f.protocol, string(why)).Add(float64(spans))
}

// The reasons for which the spans of a whole request are not kept.
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
