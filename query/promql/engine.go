// Package promql evaluates PromQL: it wraps Prometheus' engine and adds what a server needs around it.
//
// The wrapper bounds how many queries run and how many wait, keeps the list of those that run (in memory, and
// in a file so that a query that killed the process is named at the next start), measures every query and logs
// the slow ones. What a query returns is Prometheus' engine's answer, unchanged.
//
// Experimental functions and aggregations, fill modifiers and UTF-8 names without quotes are accepted: that lets
// Hulotte answer queries that a Prometheus without feature flags refuses, and changes the meaning of none that it
// accepts. Options that do change results (delayed removal of metric names, start timestamps in rates) keep
// Prometheus' defaults.
package promql

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Defaults of Options; those that Prometheus has too are the same.
const (
	DefaultTimeout       = 2 * time.Minute
	DefaultMaxSamples    = 50_000_000
	DefaultLookbackDelta = 5 * time.Minute
	DefaultMaxConcurrent = 20
	// DefaultMaxQueued is ten screens of dashboard panels waiting behind DefaultMaxConcurrent; more than that
	// cannot be answered within the timeout, so it is kinder to refuse at once.
	DefaultMaxQueued = 200
	DefaultSlowQuery = 10 * time.Second
	// DefaultSubqueryStep is the step of a subquery that names none: Prometheus' default evaluation interval.
	DefaultSubqueryStep = time.Minute
)

// Options of an Engine. The zero value works: zero means the default.
type Options struct {
	Timeout       time.Duration // longest time a query may run, waiting included
	MaxSamples    int           // samples that one query may hold in memory at once
	LookbackDelta time.Duration // how old a sample may be and still be the current value
	MaxConcurrent int           // queries that run at the same time
	MaxQueued     int           // queries that wait for their turn; those beyond are refused

	// SlowQuery is the duration from which a query is logged as slow; negative logs none.
	SlowQuery time.Duration
	// SubqueryStep returns the step of a subquery that names none; nil means DefaultSubqueryStep.
	SubqueryStep func() time.Duration
	// ActiveQueriesFile keeps the running queries, to name them after a crash; empty keeps none.
	ActiveQueriesFile string

	// WithoutExperimental refuses experimental functions, fill modifiers and UTF-8 names without quotes, as
	// Prometheus does by default.
	WithoutExperimental bool
	// DelayedNameRemoval keeps the metric's name until the end of the evaluation (Prometheus'
	// promql-delayed-name-removal feature).
	DelayedNameRemoval bool
	// UseStartTimestamps lets rate() and its kin use samples' start timestamps.
	UseStartTimestamps bool
}

func (o Options) withDefaults() Options {
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxSamples, DefaultMaxSamples)
	setDefault(&o.LookbackDelta, DefaultLookbackDelta)
	setDefault(&o.MaxConcurrent, DefaultMaxConcurrent)
	setDefault(&o.MaxQueued, DefaultMaxQueued)
	setDefault(&o.SlowQuery, DefaultSlowQuery)
	if o.SubqueryStep == nil {
		o.SubqueryStep = func() time.Duration { return DefaultSubqueryStep }
	}
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Engine evaluates PromQL queries. It implements Prometheus' promql.QueryEngine and is safe for concurrent use.
type Engine struct {
	opts    Options
	log     *slog.Logger
	engine  *upstream.Engine
	parser  parser.Parser
	tracker *tracker
	metrics *metrics
}

// New returns an engine. It fails when the file of active queries cannot be opened.
func New(o Options, log *slog.Logger, reg prometheus.Registerer) (*Engine, error) {
	o = o.withDefaults()
	m := newMetrics(reg, o)
	t, err := openTracker(o.ActiveQueriesFile, o.MaxConcurrent, o.MaxQueued, log, m)
	if err != nil {
		return nil, err
	}
	p := o.NewParser()
	e := &Engine{opts: o, log: log, parser: p, tracker: t, metrics: m}
	e.engine = upstream.NewEngine(upstream.EngineOpts{
		Logger:                   log,
		MaxSamples:               o.MaxSamples,
		Timeout:                  o.Timeout,
		ActiveQueryTracker:       t,
		LookbackDelta:            o.LookbackDelta,
		NoStepSubqueryIntervalFn: func(int64) int64 { return o.SubqueryStep().Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true, // costs nothing until a request asks for stats=all
		EnableDelayedNameRemoval: o.DelayedNameRemoval,
		UseStartTimestamps:       o.UseStartTimestamps,
		Parser:                   p,
	})
	return e, nil
}

// Close releases the file of active queries. Queries must have ended before.
func (e *Engine) Close() error { return e.engine.Close() }

// Parser returns the parser whose dialect the engine speaks, for those that read queries without running them.
func (e *Engine) Parser() parser.Parser { return e.parser }

// NewParser returns the parser of an engine with these options, for those who have expressions and no engine yet.
func (o Options) NewParser() parser.Parser {
	return parser.NewParser(parser.Options{
		EnableExperimentalFunctions: !o.WithoutExperimental,
		EnableBinopFillModifiers:    !o.WithoutExperimental,
		EnableUnquotedUTF8Names:     !o.WithoutExperimental,
	})
}

// LookbackDelta returns how old a sample may be and still be the current value.
func (e *Engine) LookbackDelta() time.Duration { return e.opts.LookbackDelta }

// Active lists the queries that run now, oldest first.
func (e *Engine) Active() []Active { return e.tracker.active() }

// NewInstantQuery prepares a query for one point in time. See promql.QueryEngine.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, qs string, ts time.Time) (upstream.Query, error) {
	inner, err := e.engine.NewInstantQuery(ctx, q, opts, qs, ts)
	if err != nil {
		return nil, e.refused(kindInstant, err)
	}
	return &query{Query: inner, engine: e, kind: kindInstant, start: ts, end: ts}, nil
}

// NewRangeQuery prepares a query for the points from start to end, step apart. See promql.QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts upstream.QueryOpts, qs string, start, end time.Time, step time.Duration) (upstream.Query, error) {
	inner, err := e.engine.NewRangeQuery(ctx, q, opts, qs, start, end, step)
	if err != nil {
		return nil, e.refused(kindRange, err)
	}
	return &query{Query: inner, engine: e, kind: kindRange, start: start, end: end, step: step}, nil
}

// refused counts a query that never ran, and gives the errors of waiting the types of those of running, so
// that callers need not tell the two apart.
func (e *Engine) refused(kind string, err error) error {
	err = waitError(err)
	e.metrics.queries.WithLabelValues(kind, outcome(err)).Inc()
	return err
}

func waitError(err error) error {
	const where = "query queue"
	switch {
	case errors.Is(err, context.Canceled):
		return upstream.ErrQueryCanceled(where)
	case errors.Is(err, context.DeadlineExceeded):
		return upstream.ErrQueryTimeout(where)
	}
	return err
}
