package rule

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// ParserOf returns a parser for rules in another language than PromQL, whose expressions check accepts or refuses. Such an
// expression is carried through Prometheus' rule engine as a string literal; QueryOf takes it out again.
func ParserOf(check func(expr string) error) parser.Parser {
	return foreign{parser.NewParser(parser.Options{}), check}
}

type foreign struct {
	parser.Parser
	check func(expr string) error
}

// ParseExpr implements parser.Parser.
func (f foreign) ParseExpr(expr string) (parser.Expr, error) {
	expr = strings.TrimSpace(expr)
	if err := f.check(expr); err != nil {
		return nil, err
	}
	return &parser.StringLiteral{Val: expr}, nil
}

// QueryOf returns a QueryFunc over an engine of that language.
func QueryOf(query func(ctx context.Context, expr string, at time.Time) (promql.Vector, error)) QueryFunc {
	return func(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
		return query(ctx, expressionText(expr), at)
	}
}

// expressionText is an expression as it was written. PromQL that is a string alone is no rule, so that nothing is mistaken for one.
func expressionText(expr string) string {
	if text, err := strconv.Unquote(expr); err == nil {
		return text
	}
	return expr // of `query` in a template
}
