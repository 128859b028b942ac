package config

import (
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/query/logql"
)

// LogQuery bounds what questions about logs may take, beside what bounds every query.
type LogQuery struct {
	MaxEntries  int
	MaxSeries   int
	MaxRange    time.Duration // 0 is no limit
	MaxBytes    int64         // searched; 0 is no limit
	MaxTails    int
	MaxTailSize int64 // bytes
}

func logQueryKeys(l *LogQuery) []Key {
	return []Key{
		{Path: "query.logs.max_entries", value: integer(&l.MaxEntries, 1, 1_000_000), Default: "5000",
			Doc: "Lines in one answer; a query that asks for more is refused. Downloads are bounded by themselves."},
		{Path: "query.logs.max_series", value: integer(&l.MaxSeries, 1, 10_000_000), Default: "5000",
			Doc: "Series in one answer of a metric query over logs, or about volumes."},
		{Path: "query.logs.max_range", value: durationOrZero(&l.MaxRange), Default: "0",
			Doc: "The longest time from start to end that a question about logs may have; 0 is no limit."},
		{Path: "query.logs.max_bytes", value: sizeOrZero(&l.MaxBytes), Default: "0",
			Doc: "How many bytes of log lines one query may search; 0 is no limit. What is left out by labels, time and filters on tokens is not searched."},
		{Path: "query.logs.max_tails", value: integer(&l.MaxTails, 1, 100_000), Default: "100",
			Doc: "Tails of live lines that are open at the same time; each holds a connection."},
		{Path: "query.logs.max_tail_size", value: size(&l.MaxTailSize, 64<<10, 1<<30), Default: "4MiB",
			Doc: "What may wait for one slow tail; lines beyond it are dropped, and the client is told how many."},
	}
}

// LogQLOptions are those of the LogQL engine, but for where it finds records.
func (c *Config) LogQLOptions() logql.Options {
	q := c.Query
	return logql.Options{
		MaxEntries: q.Logs.MaxEntries, MaxSeries: q.Logs.MaxSeries, MaxRange: q.Logs.MaxRange, MaxBytes: q.Logs.MaxBytes,
		Timeout: q.Timeout, MaxConcurrent: q.MaxConcurrent, MaxQueued: q.MaxQueued, SlowQuery: off(q.SlowQuery),
	}
}

// LogLimits bound what the API answers about logs.
func (c *Config) LogLimits() api.LogLimits {
	l := c.Query.Logs
	return api.LogLimits{
		MaxEntries: l.MaxEntries, MaxSeries: l.MaxSeries, MaxRange: l.MaxRange,
		MaxTails: l.MaxTails, MaxTailBytes: int(l.MaxTailSize), Timeout: c.Query.Timeout,
	}
}
