package logql

import (
	"context"

	"github.com/hulotte-dev/hulotte/store"
)

// evalMetric answers a metric query.
func (e *Engine) evalMetric(ctx context.Context, expr MetricExpr, req *Request, q *running) (Result, error) {
	m := &metricEval{reader: q.reader, compile: compileRange, stats: q.addStats}
	return m.evaluate(ctx, expr, req, max(e.opts.MaxSeries, 0))
}

// compileRange makes the log query of a range ready.
func compileRange(log *LogExpr, n rangeNeed) (rangePipeline, error) {
	p, err := compile(log, need{Line: n.line, All: n.all, Labels: n.labels})
	if err != nil {
		return rangePipeline{}, err
	}
	return rangePipeline{query: p.query, runner: func() func(store.EventBatch) (columnar, error) {
		r := p.runner()
		return func(b store.EventBatch) (columnar, error) { return r.batch(b) }
	}}, nil
}
