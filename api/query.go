package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

var errTruncated = errors.New("results truncated due to limit")

// reader returns the series of the request's tenant.
func (a *api) reader(ctx context.Context) (store.Series, error) {
	s, err := a.Tenants.Reader(model.Tenant(ctx))
	if err != nil {
		return nil, &apiError{kind: errInternal, err: err}
	}
	return s, nil
}

// queryOptions are the parameters that instant and range queries share.
type queryOptions struct {
	expr    string
	limit   int
	timeout time.Duration
	stats   string
	engine  promql.QueryOpts
}

func (a *api) queryOptions(r *http.Request) (queryOptions, error) {
	var (
		o   = queryOptions{stats: r.Form.Get("stats")}
		err error
	)
	if o.expr, err = a.expressionParam(r, "query"); err != nil {
		return o, err
	}
	if o.timeout, err = timeoutParam(r); err != nil {
		return o, err
	}
	o.engine, err = engineOptions(r)
	return o, err
}

func engineOptions(r *http.Request) (promql.QueryOpts, error) {
	var lookback time.Duration
	if v := r.Form.Get("lookback_delta"); v != "" {
		d, err := parseDuration(v)
		if err != nil {
			return nil, badData("error parsing lookback delta duration: %w", err)
		}
		lookback = d
	}
	const header = "X-Prometheus-Use-Start-Timestamps"
	var useStart *bool
	if v := r.Header.Get(header); v != "" {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return nil, badData("error parsing %s header: %w", header, err)
		}
		useStart = &b
	}
	return promql.NewPrometheusQueryOpts(r.Form.Get("stats") == "all", lookback, useStart), nil
}

// query answers /api/v1/query: an expression at one point in time.
func (a *api) query(r *http.Request) (*result, error) {
	limit, err := limitParam(r)
	if err != nil {
		return nil, err
	}
	ts, err := timeParam(r, "time", a.Now())
	if err != nil {
		return nil, err
	}
	o, err := a.queryOptions(r)
	if err != nil {
		return nil, err
	}
	o.limit = limit
	return a.evaluate(r.Context(), o, func(ctx context.Context, q storage.Queryable) (promql.Query, error) {
		return a.Engine.NewInstantQuery(ctx, q, o.engine, o.expr, ts)
	})
}

// queryRange answers /api/v1/query_range: an expression at every step between two points in time.
func (a *api) queryRange(r *http.Request) (*result, error) {
	limit, err := limitParam(r)
	if err != nil {
		return nil, err
	}
	start, end, step, err := a.rangeParams(r)
	if err != nil {
		return nil, err
	}
	o, err := a.queryOptions(r)
	if err != nil {
		return nil, err
	}
	o.limit = limit
	return a.evaluate(r.Context(), o, func(ctx context.Context, q storage.Queryable) (promql.Query, error) {
		return a.Engine.NewRangeQuery(ctx, q, o.engine, o.expr, start, end, step)
	})
}

func (a *api) rangeParams(r *http.Request) (start, end time.Time, step time.Duration, err error) {
	fail := func(name string, err error) (time.Time, time.Time, time.Duration, error) {
		return start, end, 0, badParam(name, err)
	}
	if start, err = parseTime(r.Form.Get("start")); err != nil {
		return fail("start", err)
	}
	if end, err = parseTime(r.Form.Get("end")); err != nil {
		return fail("end", err)
	}
	if end.Before(start) {
		return fail("end", errors.New("end timestamp must not be before start time"))
	}
	if step, err = parseDuration(r.Form.Get("step")); err != nil {
		return fail("step", err)
	}
	if step <= 0 {
		return fail("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if end.Sub(start)/step > time.Duration(a.Limits.MaxPoints) {
		return start, end, 0, badData("exceeded maximum resolution of %s points per timeseries. Try decreasing the query resolution (?step=XX)", thousands(a.Limits.MaxPoints))
	}
	return start, end, step, nil
}

// evaluate runs the query that prepare returns over the tenant's series. The result holds the engine's memory
// until its close.
func (a *api) evaluate(ctx context.Context, o queryOptions, prepare func(context.Context, storage.Queryable) (promql.Query, error)) (*result, error) {
	series, err := a.reader(ctx)
	if err != nil {
		return nil, err
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	q, err := prepare(ctx, series)
	if err != nil {
		return nil, constructionError(err)
	}
	res := q.Exec(ctx)
	if res.Err != nil {
		q.Close()
		if isBusy(res.Err) {
			return nil, constructionError(res.Err)
		}
		return nil, executionError(res.Err)
	}
	data := queryData{value: res.Value}
	warnings := res.Warnings
	if cut := truncate(&data.value, o.limit); cut {
		warnings.Add(errTruncated)
	}
	warnings = addStats(&data, warnings, q, o.stats)
	return &result{data: data, warnings: warnings, expr: o.expr, close: q.Close}, nil
}

// addStats adds the statistics that the stats parameter asks for.
func addStats(data *queryData, warnings annotations.Annotations, q promql.Query, param string) annotations.Annotations {
	switch param {
	case "":
		return warnings
	case "true", "all":
	default:
		warnings.Add(fmt.Errorf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use %q or %q", cutText(param, 100), "true", "all"))
	}
	data.stats = stats.NewQueryStats(q.Stats())
	return warnings
}

// truncate cuts v to limit series and says whether it did; 0 means no limit.
func truncate(v *parser.Value, limit int) bool {
	if limit <= 0 {
		return false
	}
	switch t := (*v).(type) {
	case promql.Matrix:
		if len(t) > limit {
			*v = t[:limit]
			return true
		}
	case promql.Vector:
		if len(t) > limit {
			*v = t[:limit]
			return true
		}
	}
	return false
}

// matchersOf returns the only set, or none when there is no set.
func matchersOf(sets [][]*labels.Matcher) []*labels.Matcher {
	if len(sets) == 0 {
		return nil
	}
	return sets[0]
}
