package promql

import (
	"context"
	"errors"
	"log/slog"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
)

const (
	kindInstant = "instant"
	kindRange   = "range"
)

// maxLoggedQuery bounds the text of a query in the log.
const maxLoggedQuery = 2000

// query measures the execution of Prometheus' query that it holds.
type query struct {
	upstream.Query
	engine     *Engine
	kind       string
	start, end time.Time
	step       time.Duration
}

// Exec runs the query, measures it and logs it when it was slow. It can be called once.
func (q *query) Exec(ctx context.Context) *upstream.Result {
	begin := time.Now()
	res := q.Query.Exec(ctx)
	res.Err = waitError(res.Err)
	took := time.Since(begin)
	q.engine.metrics.observe(q, res.Err, took)
	if limit := q.engine.opts.SlowQuery; limit >= 0 && took >= limit {
		q.logSlow(ctx, res, took)
	}
	return res
}

func (q *query) logSlow(ctx context.Context, res *upstream.Result, took time.Duration) {
	q.engine.metrics.slow.Inc()
	samples := q.Stats().Samples
	attrs := []slog.Attr{
		slog.String("query", cut(q.String(), maxLoggedQuery)),
		slog.Duration("took", took),
		slog.String("kind", q.kind),
		slog.Time("start", q.start), slog.Time("end", q.end), slog.Duration("step", q.step),
		slog.Int64("samples_read", samples.SamplesRead),
		slog.Int("samples_peak", samples.PeakSamples),
		slog.Int("result_series", resultSeries(res.Value)),
		slog.String("tenant", model.Tenant(ctx)),
	}
	if res.Err != nil {
		attrs = append(attrs, slog.String("error", res.Err.Error()))
	}
	q.engine.log.LogAttrs(ctx, slog.LevelWarn, "slow query", attrs...)
}

func resultSeries(v parser.Value) int {
	switch v := v.(type) {
	case upstream.Matrix:
		return len(v)
	case upstream.Vector:
		return len(v)
	}
	return 0
}

// outcome names how a query ended, for the metrics.
func outcome(err error) string {
	var (
		canceled upstream.ErrQueryCanceled
		timeout  upstream.ErrQueryTimeout
		samples  upstream.ErrTooManySamples
		storage  upstream.ErrStorage
		parse    parser.ParseErrors
	)
	switch {
	case err == nil:
		return "success"
	case errors.Is(err, ErrQueueFull):
		return "refused"
	case errors.As(err, &canceled):
		return "canceled"
	case errors.As(err, &timeout):
		return "timeout"
	case errors.As(err, &samples):
		return "limit"
	case errors.As(err, &storage):
		return "storage"
	case errors.As(err, &parse):
		return "invalid"
	}
	return "failed"
}
