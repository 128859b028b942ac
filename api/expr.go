package api

import (
	"net/http"

	"github.com/prometheus/prometheus/promql/parser"
)

// parsed returns the expression of the query parameter.
func (a *api) parsed(r *http.Request) (parser.Expr, error) {
	text, err := a.expressionParam(r, "query")
	if err != nil {
		return nil, err
	}
	expr, err := a.Parser.ParseExpr(text)
	if err != nil {
		return nil, badParam("query", err)
	}
	return expr, nil
}

// formatQuery answers /api/v1/format_query: the expression over several lines, indented.
func (a *api) formatQuery(r *http.Request) (*result, error) {
	expr, err := a.parsed(r)
	if err != nil {
		return nil, err
	}
	if err := checkShape(r.Form.Get("query"), maxFormatOperators); err != nil {
		return nil, badParam("query", err)
	}
	return &result{data: expr.Pretty(0)}, nil
}

// parseQuery answers /api/v1/parse_query: the expression as a tree.
func (a *api) parseQuery(r *http.Request) (*result, error) {
	expr, err := a.parsed(r)
	if err != nil {
		return nil, err
	}
	return &result{data: exprTree(expr)}, nil
}
