package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/query/logql"
)

// encodingFlagsHeader is how a client asks for a form of the answer.
const encodingFlagsHeader = "X-Loki-Response-Encoding-Flags"

const categorizeLabels = "categorize-labels"

// wantsCategories says whether the client reads labels by category. Browsers cannot set a header on a WebSocket: a
// parameter does the same.
func wantsCategories(r *http.Request) bool {
	for _, flags := range append(r.Header.Values(encodingFlagsHeader), r.Form["encoding_flags"]...) {
		for f := range strings.SplitSeq(flags, ",") {
			if strings.TrimSpace(f) == categorizeLabels {
				return true
			}
		}
	}
	return false
}

// lokiQuery answers a query at one moment. A log query, which Loki documents as an error, is answered with the latest
// entries of the hour before: older clients ask so.
func (a *api) lokiQuery(r *http.Request) (lokiAnswer, error) {
	q, e, err := a.lokiCommon(r)
	if err != nil {
		return nil, err
	}
	at, err := a.lokiTimeParam(r, "time", a.Now())
	if err != nil {
		return nil, err
	}
	q.Start, q.End = at, at
	if _, ok := e.(*logql.LogExpr); ok {
		q.Start = at.Add(-defaultSince)
	}
	return a.lokiRun(r, q)
}

// lokiQueryRange answers a query over a range of time.
func (a *api) lokiQueryRange(r *http.Request) (lokiAnswer, error) {
	q, e, err := a.lokiCommon(r)
	if err != nil {
		return nil, err
	}
	if q.Start, q.End, err = a.lokiRange(r, defaultSince); err != nil {
		return nil, err
	}
	if q.Interval, err = lokiDurationParam(r, "interval", 0); err != nil {
		return nil, err
	}
	if _, ok := e.(*logql.LogExpr); !ok {
		if q.Step, err = a.lokiStep(r, q.Start, q.End); err != nil {
			return nil, err
		}
	} else if !q.Start.Before(q.End) {
		return nil, badData("end timestamp must not be before or equal to start time")
	}
	res, err := a.runLogRange(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return lokiResult{Result: res, categorized: q.Categorize}, nil
}

// lokiCommon reads what both kinds of queries have.
func (a *api) lokiCommon(r *http.Request) (logql.Request, logql.Expr, error) {
	text, e, err := a.lokiExpr(r, "query")
	if err != nil {
		return logql.Request{}, nil, err
	}
	q := logql.Request{Query: text, Categorize: wantsCategories(r)}
	if q.Limit, err = a.lokiLimit(r, defaultEntries, a.Logs.Limits.MaxEntries); err != nil {
		return q, e, err
	}
	q.Direction, err = lokiDirection(r)
	return q, e, err
}

func (a *api) lokiRun(r *http.Request, q logql.Request) (lokiAnswer, error) {
	res, err := a.runLogQuery(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return lokiResult{Result: res, categorized: q.Categorize}, nil
}

// runLogQuery runs a query and takes its time.
func (a *api) runLogQuery(ctx context.Context, q logql.Request) (logql.Result, error) {
	if a.Logs.LogQL == nil {
		return logql.Result{}, errNoLogs
	}
	begin := time.Now()
	res, err := a.Logs.LogQL.Query(ctx, q)
	if res.Stats.Exec == 0 {
		res.Stats.Exec = time.Since(begin)
	}
	return res, err
}

// runLogRange is runLogQuery for a range, whose samples are series even when the range is one moment.
func (a *api) runLogRange(ctx context.Context, q logql.Request) (logql.Result, error) {
	res, err := a.runLogQuery(ctx, q)
	if err != nil || res.Streams != nil || res.Matrix != nil {
		return res, err
	}
	res.Matrix = promql.Matrix{}
	for _, s := range res.Vector {
		res.Matrix = append(res.Matrix, promql.Series{Metric: s.Metric, Floats: []promql.FPoint{{T: s.T, F: s.F}}})
	}
	if res.Scalar != nil {
		res.Matrix = append(res.Matrix, promql.Series{Floats: []promql.FPoint{{T: res.Scalar.T, F: res.Scalar.V}}})
	}
	res.Vector, res.Scalar = nil, nil
	return res, nil
}

// lokiFormatQuery answers with the query in several lines where it is long.
func (a *api) lokiFormatQuery(r *http.Request) (lokiAnswer, error) {
	text, _, err := a.lokiExpr(r, "query")
	if err != nil {
		return nil, err
	}
	pretty, err := logql.Format(text)
	if err != nil {
		return nil, &apiError{kind: errBadData, err: err}
	}
	return lokiJSON{map[string]string{"status": "success", "data": pretty}}, nil
}
