package api

import (
	"net/http"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql/parser"
)

// queryExemplars answers /api/v1/query_exemplars: the exemplars of the series that an expression selects.
func (a *api) queryExemplars(r *http.Request) (*result, error) {
	start, end, err := timeRange(r)
	if err != nil {
		return nil, err
	}
	if end.Before(start) {
		return nil, badData("end timestamp must not be before start timestamp")
	}
	text, err := a.expressionParam(r, "query")
	if err != nil {
		return nil, err
	}
	expr, err := a.Parser.ParseExpr(text)
	if err != nil {
		return nil, badData("%w", err) // without the parameter's name, as Prometheus has it here
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return nil, nil
	}
	reader, err := a.reader(r.Context())
	if err != nil {
		return nil, err
	}
	q, err := reader.ExemplarQuerier(r.Context())
	if err != nil {
		return nil, executionError(err)
	}
	found, err := q.Select(timestamp.FromTime(start), timestamp.FromTime(end), selectors...)
	if err != nil {
		return nil, executionError(err)
	}
	return &result{data: exemplars(found)}, nil
}
