package api

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// sampleSlices is into how many slices of time a range is cut when only some of its records are looked at: each gives as
// many, its newest, so that what happened only for a while is seen too.
const sampleSlices = 16

// logSample tells which records were looked at.
type logSample struct {
	Records int  `json:"records"`
	Sampled bool `json:"sampled"` // there are more than those
	Slices  int  `json:"slices"`
	stats   logql.Stats
}

// sample calls f with at most that many of the records that a log query finds, taken evenly over the range. When there are not
// more, all of them are looked at.
func (a *api) sample(ctx context.Context, query string, start, end time.Time, most int, f func(labels.Labels, logql.Entry) error) (logSample, error) {
	out := logSample{Slices: sampleSlices}
	if end.Sub(start) < sampleSlices {
		out.Slices = 1
	}
	width := end.Sub(start) / time.Duration(out.Slices)
	for i := range out.Slices {
		// What earlier slices did not need is there for the later ones.
		quota := (most - out.Records) / (out.Slices - i)
		q := logql.Request{Query: query, Start: start.Add(time.Duration(i) * width), End: start.Add(time.Duration(i+1) * width), Limit: quota + 1, Categorize: true}
		if i == out.Slices-1 {
			q.End = end
		}
		n := 0
		stats, err := a.scanLogs(ctx, q, func(l labels.Labels, e logql.Entry) error {
			if n++; n > quota {
				out.Sampled = true
				return nil
			}
			out.Records++
			return f(l, e)
		})
		if err != nil {
			return out, err
		}
		addLogStats(&out.stats, stats)
	}
	return out, nil
}

// scanLogs runs a log query and takes its time.
func (a *api) scanLogs(ctx context.Context, q logql.Request, f func(labels.Labels, logql.Entry) error) (logql.Stats, error) {
	begin := time.Now()
	stats, err := a.Logs.LogQL.Scan(ctx, q, f)
	if stats.Exec == 0 {
		stats.Exec = time.Since(begin)
	}
	return stats, err
}
