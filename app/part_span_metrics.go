package app

import (
	"context"

	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/ingest/spanmetrics"
	"github.com/hulotte-dev/hulotte/internal/logging"
)

// startSpanMetrics derives series from the spans that come in, for the tenant whose spans they are.
func (a *App) startSpanMetrics(context.Context) (stopFunc, error) {
	c := a.config.get()
	if !c.Traces.Metrics.Enabled {
		return nil, nil
	}
	sink := func(tenant string) (storage.AppendableV2, error) { return a.made.store.Writer(tenant) }
	m := spanmetrics.New(c.SpanMetricsOptions(), sink, logging.Quiet(a.log.With("part", "span metrics")), a.registry)
	a.made.spanSink.Observe(m.Observe)
	return a.stack.run("span metrics", m.Run), nil
}
