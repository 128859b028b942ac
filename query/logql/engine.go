package logql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Options say where an engine finds records, and bound what a query may take. Zero means the default, a negative number no limit
// where that makes sense.
type Options struct {
	// Tenants returns a tenant's records. It must be set.
	Tenants func(tenant string) (store.EventReader, error)

	DefaultEntries  int           // entries of a log query that says nothing: 100
	MaxEntries      int           // entries of an answer: 5,000; scans have no such limit
	MaxQueryLength  int           // bytes of a query: 128 KiB
	MaxRange        time.Duration // of start to end; none
	MaxSeries       int           // of a metric query's answer: 500
	MaxSteps        int           // at which a metric query is evaluated: 11,000
	MaxBytes        int64         // of lines that a query may have to look at, by the store's estimate; none
	Timeout         time.Duration // of a query, waiting included: 1m
	MaxConcurrent   int           // queries that run at the same time: 20
	MaxQueued       int           // that wait for their turn; further ones are refused: 200
	SlowQuery       time.Duration // from which a query is logged: 10s; negative: none is
	InstantLookback time.Duration // how far back an instant log query looks: 1h
}

func (o Options) withDefaults() Options {
	o.DefaultEntries = cmp.Or(o.DefaultEntries, 100)
	o.MaxEntries = cmp.Or(o.MaxEntries, 5000)
	o.MaxQueryLength = cmp.Or(o.MaxQueryLength, 128<<10)
	o.MaxSeries = cmp.Or(o.MaxSeries, 500)
	o.MaxSteps = cmp.Or(o.MaxSteps, 11_000)
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	o.MaxConcurrent = max(1, cmp.Or(o.MaxConcurrent, 20))
	o.MaxQueued = max(0, cmp.Or(o.MaxQueued, 200))
	o.SlowQuery = cmp.Or(o.SlowQuery, 10*time.Second)
	o.InstantLookback = cmp.Or(o.InstantLookback, time.Hour)
	return o
}

// Engine answers queries for the tenant of the context (model.Tenant). It is safe for concurrent use.
type Engine struct {
	opts    Options
	log     *slog.Logger
	queue   *queue
	metrics *metrics
}

// New returns an engine.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) *Engine {
	o = o.withDefaults()
	m := newMetrics(reg, o)
	return &Engine{opts: o, log: log, queue: newQueue(o.MaxConcurrent, o.MaxQueued, m), metrics: m}
}

// ErrStop ends Each without an error when its function returns it.
var ErrStop = errors.New("enough")

// Active lists the queries that run now, oldest first.
func (e *Engine) Active() []Active { return e.queue.list() }

// Workers is how many goroutines call the function of Each.
func (e *Engine) Workers() int { return runtime.GOMAXPROCS(0) }

// Query answers one query. Its error's model.Kind is Invalid for a query that is wrong, Limit for one that asks for too much,
// Unavailable when too many wait; one that took too long is context.DeadlineExceeded.
func (e *Engine) Query(ctx context.Context, req Request) (Result, error) {
	expr, err := e.parse(req.Query)
	if err != nil {
		return Result{}, e.refuse(err)
	}
	var res Result
	stats, err := e.run(ctx, &req, expr, false, func(ctx context.Context, q *running) error {
		var err error
		if l, ok := expr.(*LogExpr); ok {
			res.Streams, err = e.logQuery(ctx, l, &req, q)
		} else {
			res, err = e.evalMetric(ctx, expr.(MetricExpr), &req, q)
		}
		return err
	})
	res.Stats = stats
	for i := range res.Streams {
		res.Stats.Entries += len(res.Streams[i].Entries)
	}
	return res, err
}

// Scan calls f with the entries that a log query finds, one call at a time, in the request's direction, without keeping them: a
// limit of 0 is none. The labels are those of the request's Categorize. An error of f ends the scan and is returned as it is.
func (e *Engine) Scan(ctx context.Context, req Request, f func(stream labels.Labels, x Entry) error) (Stats, error) {
	log, err := e.parseLog(req.Query)
	if err != nil {
		return Stats{}, e.refuse(err)
	}
	n := 0
	stats, err := e.run(ctx, &req, log, true, func(ctx context.Context, q *running) error {
		return e.scan(ctx, log, &req, q, req.Limit, func(l labels.Labels, x Entry) error {
			n++
			return f(l, x)
		})
	})
	stats.Entries = n
	return stats, err
}

// Each calls f with the entries that a log query finds, in any order, by several goroutines at once, numbered from 0 to Workers()-1. The
// entry's strings are valid until f returns; labels may be kept. ErrStop from f ends it without an error.
func (e *Engine) Each(ctx context.Context, req Request, f func(worker int, stream labels.Labels, x Entry) error) (Stats, error) {
	log, err := e.parseLog(req.Query)
	if err != nil {
		return Stats{}, e.refuse(err)
	}
	return e.run(ctx, &req, log, true, func(ctx context.Context, q *running) error {
		err := e.each(ctx, log, &req, q, f)
		if errors.Is(err, ErrStop) {
			return nil
		}
		return err
	})
}

// run waits for the query's turn and runs it. A scan may have any number of entries.
func (e *Engine) run(ctx context.Context, req *Request, expr Expr, scan bool, f func(context.Context, *running) error) (Stats, error) {
	if err := e.check(req, expr, scan); err != nil {
		return Stats{}, e.refuse(err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	begin := time.Now()
	q, err := e.queue.enter(ctx, req.Query)
	if err != nil {
		return Stats{}, e.refuse(fmt.Errorf("cannot begin the query: %w", err))
	}
	defer e.queue.leave(q)
	queued := time.Since(begin)
	if q.reader, err = e.opts.Tenants(q.Tenant); err == nil {
		if err = e.checkBytes(ctx, q.reader, req, expr); err == nil {
			err = f(ctx, q)
		}
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	stats := Stats{EventStats: q.stats, Queued: queued, Exec: time.Since(begin) - queued}
	e.finish(q, &stats, err)
	return stats, err
}

func (e *Engine) refuse(err error) error {
	e.metrics.queries.WithLabelValues(outcome(err)).Inc()
	return err
}

// finish counts a query that ran, and logs a slow one.
func (e *Engine) finish(q *running, s *Stats, err error) {
	e.metrics.queries.WithLabelValues(outcome(err)).Inc()
	e.metrics.duration.Observe((s.Queued + s.Exec).Seconds())
	e.metrics.searched.Add(float64(s.BytesSearched))
	if e.opts.SlowQuery > 0 && s.Queued+s.Exec >= e.opts.SlowQuery {
		e.metrics.slow.Inc()
		e.log.Warn("slow query", "query", shorten(q.Query), "tenant", q.Tenant, "took", s.Queued+s.Exec, "waited", s.Queued,
			"searched_bytes", s.BytesSearched, "error", err)
	}
}

func (e *Engine) parse(query string) (Expr, error) {
	if most := e.opts.MaxQueryLength; most > 0 && len(query) > most {
		return nil, limitError("the query has %d bytes, and the limit is %d", len(query), most)
	}
	return Parse(query)
}

func (e *Engine) parseLog(query string) (*LogExpr, error) {
	x, err := e.parse(query)
	if err != nil {
		return nil, err
	}
	if l, ok := x.(*LogExpr); ok {
		return l, nil
	}
	return nil, invalid("only log queries are possible here, and this is a metric query")
}

// check says what is wrong with a request before it takes a turn.
func (e *Engine) check(req *Request, expr Expr, scan bool) error {
	length := req.End.Sub(req.Start)
	_, log := expr.(*LogExpr)
	switch {
	case length < 0:
		return invalid("the end of the query is before its start")
	case e.opts.MaxRange > 0 && length > e.opts.MaxRange:
		return limitError("the query time range exceeds the limit (query length: %s, limit: %s)", formatDuration(length), formatDuration(e.opts.MaxRange))
	case log && e.opts.MaxEntries > 0 && req.Limit > e.opts.MaxEntries && !scan:
		return limitError("max entries limit per query exceeded, limit > max_entries_limit (%d > %d)", req.Limit, e.opts.MaxEntries)
	case req.Limit < 0:
		return invalid("the limit is negative")
	case !log && !req.Instant() && req.Step <= 0:
		return invalid("step must be longer than nothing")
	case !log && !req.Instant() && e.opts.MaxSteps > 0 && length/req.Step >= time.Duration(e.opts.MaxSteps):
		return limitError("exceeded maximum resolution of %d points per time series: make the step longer (it is %s) or the range shorter", e.opts.MaxSteps, formatDuration(req.Step))
	}
	return nil
}

// checkBytes refuses a query of which the store says that it would have to look at more than is allowed.
func (e *Engine) checkBytes(ctx context.Context, r store.EventReader, req *Request, expr Expr) error {
	if e.opts.MaxBytes <= 0 {
		return nil
	}
	var sum int64
	var failed error
	Logs(expr, func(l *LogExpr) {
		streams, err := r.Streams(ctx, req.Start.UnixNano(), req.End.UnixNano()+1, l.Matchers...)
		if err != nil {
			failed = err
		}
		for i := range streams {
			sum += streams[i].Bytes
		}
	})
	if failed == nil && sum > e.opts.MaxBytes {
		return limitError("the query would read too many bytes (query: %s, limit: %s); narrow the selector or the time range",
			formatBytes(uint64(sum)), formatBytes(uint64(e.opts.MaxBytes)))
	}
	return failed
}

var errLimit = model.NewError(model.Limit, "limit exceeded")

// overLimit is an error of kind model.Limit.
type overLimit struct{ text string }

func (e *overLimit) Error() string { return e.text }
func (e *overLimit) Unwrap() error { return errLimit }

func limitError(format string, args ...any) error { return &overLimit{fmt.Sprintf(format, args...)} }
