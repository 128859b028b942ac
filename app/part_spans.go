package app

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/cluster"
	ingest "github.com/hulotte-dev/hulotte/ingest/spans"
	"github.com/hulotte-dev/hulotte/internal/logging"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/spans"
)

// startSpans opens the store of spans, as soon as the medium is there, and makes the way in that all spans take.
func (a *App) startSpans(ctx context.Context) (stopFunc, error) {
	c := a.config.get()
	id, err := cluster.Identity(c.DataDir)
	if err != nil {
		return nil, err
	}
	log := logging.Quiet(a.log.With("part", "spans"))
	link := newEngineLink("spans", func(ctx context.Context, m medium.Medium) (*spans.Store, error) {
		own := prometheus.NewRegistry() // an attempt that fails leaves none of its metrics behind
		s, err := spans.Open(ctx, c.SpanOptions(id), m, log, own)
		if err != nil {
			return nil, err
		}
		return s, a.registry.Register(own)
	}, log)
	a.made.spans = spansLink{link}
	a.made.spanSink = ingest.New(a.appendSpans, a.registry)
	if err := link.tryNow(ctx, a.made.medium); err != nil {
		return nil, err
	}
	stop := a.stack.run("spans", func(ctx context.Context) error { return link.run(ctx, a.made.medium) })
	return func(ctx context.Context) error { return errors.Join(stop(ctx), link.close()) }, nil
}

// appendSpans keeps spans for the tenant of the context.
func (a *App) appendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error) {
	to, err := a.made.spans.SpanWriter(model.Tenant(ctx))
	if err != nil {
		return nil, err
	}
	return to.AppendSpans(ctx, groups)
}
