package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/query/logql"
	"github.com/hulotte-dev/hulotte/rule"
	"github.com/prometheus/prometheus/promql/parser"
)

// LogQuery bounds what questions about logs may take, beside what bounds every query.
type LogQuery struct {
	MaxEntries  int
	MaxSeries   int
	MaxRange    time.Duration // 0 is no limit
	MaxBytes    int64         // searched; 0 is no limit
	MaxTails    int
	MaxTailSize int64 // bytes
	RuleFiles   []string
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
		{Path: "query.logs.rule_files", value: list(&l.RuleFiles), Live: true,
			Doc: "Files of recording and alerting rules whose expressions are LogQL, in the format of Loki's ruler; globs are possible, and relative names start at the folder of the file that says so. See docs/rules.md."},
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

// LogRuleFiles returns the files of rules in LogQL, or globs of them.
func (c *Config) LogRuleFiles() []string {
	from := c.origins[logRulesKey].file
	out := slices.Clone(c.Query.Logs.RuleFiles)
	for i, name := range out {
		if from != "" && !filepath.IsAbs(name) {
			out[i] = filepath.Join(filepath.Dir(from), name)
		}
	}
	return out
}

const logRulesKey = "query.logs.rule_files"

// LogRuleParser reads the expressions of rules in LogQL.
func LogRuleParser() parser.Parser { return rule.ParserOf(checkLogRule) }

func checkLogRule(expr string) error {
	e, err := logql.Parse(expr)
	if err != nil {
		return err
	}
	if _, ok := e.(logql.MetricExpr); !ok {
		return errors.New("it is a log query, and a rule needs numbers: wrap it, such as in sum(count_over_time({...}[5m]))")
	}
	return nil
}

// checkLogRules reads the files of rules in LogQL now, as checkRules does with the others.
func (c *Config) checkLogRules() Errors {
	_, warnings, err := rule.Load(c.LogRuleFiles(), LogRuleParser())
	if err != nil {
		var errs Errors
		for line := range strings.SplitSeq(err.Error(), "\n") {
			errs = append(errs, Error{Text: line})
		}
		return errs
	}
	for _, w := range warnings {
		w = strings.Replace(w, "rule_files:", logRulesKey+":", 1)
		c.Warnings = append(c.Warnings, Error{File: c.origins[logRulesKey].file, Text: w})
	}
	return nil
}
