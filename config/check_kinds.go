package config

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/kinds"
	"github.com/hulotte-dev/hulotte/check/query"
	"github.com/hulotte-dev/hulotte/query/logql"
)

// checkKinds are the kinds of checks, for reading what is declared: those that ask our own engines have none to ask here.
func checkKinds() []check.Kind {
	none := func(context.Context, string, time.Time) ([]query.Sample, error) {
		return nil, errors.New("there is no engine here")
	}
	return kinds.All(kinds.Options{Query: query.Options{PromQL: none, LogQL: none, ParsePromQL: ParseCheckPromQL, ParseLogQL: ParseCheckLogQL}})
}

// ParseCheckPromQL says what is wrong with the expression of a check.
func ParseCheckPromQL(text string) error {
	_, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	return err
}

// ParseCheckLogQL says what is wrong with the expression of a check.
func ParseCheckLogQL(text string) error {
	_, err := logql.Parse(text)
	return err
}
