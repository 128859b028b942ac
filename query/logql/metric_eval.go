package logql

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// metricEval evaluates one metric query: every expression once for all steps, into a table.
type metricEval struct {
	reader  store.EventReader
	compile func(*LogExpr, rangeNeed) (rangePipeline, error)
	stats   func(store.EventStats)
	steps   steps
	meter   meter
	// uses counts the range aggregations, with what is computed together with them, by their text. Of those that a query has more than
	// once, shared has the tables.
	uses   map[string]int
	shared map[string]*table
}

// evaluate returns the answer to a metric query, which may have so many series; 0 is any number.
func (m *metricEval) evaluate(ctx context.Context, expr MetricExpr, req *Request, maxSeries int) (Result, error) {
	t, err := m.evaluateTable(ctx, expr, req)
	if err != nil {
		return Result{}, err
	}
	if maxSeries > 0 && len(t.series) > maxSeries {
		return Result{}, seriesLimitError(maxSeries)
	}
	switch {
	case !req.Instant():
		return Result{Matrix: t.matrix(m.steps)}, nil
	case t.scalar:
		return Result{Scalar: &promql.Scalar{T: m.steps.millis(0), V: t.number}}, nil
	}
	return Result{Vector: t.vector(m.steps)}, nil
}

func (m *metricEval) evaluateTable(ctx context.Context, expr MetricExpr, req *Request) (*table, error) {
	var err error
	if m.steps, err = newSteps(req); err != nil {
		return nil, err
	}
	m.meter.limit = mostNumbers
	m.uses, m.shared = map[string]int{}, map[string]*table{}
	m.count(expr)
	return m.eval(ctx, expr)
}

var errManySeries = model.NewError(model.Limit, "too many series")

// seriesError is an error of kind model.Limit with the text that Loki's clients know.
type seriesError struct{ most int }

func seriesLimitError(most int) error { return &seriesError{most} }

func (e *seriesError) Error() string {
	return fmt.Sprintf("maximum number of series (%d) reached for a single query; consider reducing query cardinality by adding more specific "+
		"stream selectors, reducing the time range, or aggregating results with functions like sum(), count() or topk()", e.most)
}

func (e *seriesError) Unwrap() error { return errManySeries }

// eval returns the value of an expression, which the caller may change.
func (m *metricEval) eval(ctx context.Context, expr MetricExpr) (*table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch e := expr.(type) {
	case *Literal:
		return numberTable(e.Value), nil
	case *VectorExpr:
		return &table{series: []series{constant(e.Value, labels.EmptyLabels(), m.steps.count)}}, nil
	case *RangeAggregation:
		return m.rangeAggregation(ctx, e, e.Grouping, e.String())
	case *VectorAggregation:
		return m.vectorAggregation(ctx, e)
	case *LabelReplace:
		t, err := m.eval(ctx, e.Expr)
		if err != nil || t.scalar {
			return t, err
		}
		return labelReplace(e, t)
	case *BinaryExpr:
		return m.binary(ctx, e)
	}
	return nil, fmt.Errorf("BUG: metric expression %T", expr)
}

func (m *metricEval) binary(ctx context.Context, e *BinaryExpr) (*table, error) {
	l, err := m.eval(ctx, e.Left)
	if err != nil {
		return nil, err
	}
	r, err := m.eval(ctx, e.Right)
	if err != nil {
		return nil, err
	}
	return applyBinary(e, l, r, m.steps)
}

func (m *metricEval) vectorAggregation(ctx context.Context, e *VectorAggregation) (*table, error) {
	if a, by, ok := fusedBy(e); ok {
		return m.rangeAggregation(ctx, a, by, e.String())
	}
	t, err := m.eval(ctx, e.Expr)
	if err != nil {
		return nil, err
	}
	if t.scalar {
		return nil, invalid("%s takes series, not a number: write vector(%s)", e.Op, formatNumber(t.number))
	}
	switch e.Op {
	case "topk", "approx_topk", "bottomk":
		return rank(e.Op, e.Param, e.Grouping, t), nil
	case "sort", "sort_desc":
		return sortByValue(e.Op, t), nil
	}
	return aggregate(e.Op, e.Grouping, t), nil
}

// rangeAggregation computes a grouped by what is said; text is the whole expression that this computes.
func (m *metricEval) rangeAggregation(ctx context.Context, a *RangeAggregation, by *Grouping, text string) (*table, error) {
	if t, ok := m.shared[text]; ok {
		return t.clone(), nil
	}
	plan, err := newRangePlan(a, by, m.steps, &m.meter)
	if err != nil {
		return nil, err
	}
	pipe, err := m.compile(a.Range.Log, plan.need)
	if err != nil {
		return nil, err
	}
	t, err := plan.run(ctx, m.reader, pipe, m.stats)
	if failed := (*pipelineError)(nil); errors.As(err, &failed) {
		return nil, m.explain(ctx, plan, failed)
	}
	if err != nil {
		return nil, err
	}
	if m.uses[text] > 1 {
		m.shared[text] = t.clone()
	}
	return t, nil
}

func (m *metricEval) count(expr MetricExpr) {
	switch e := expr.(type) {
	case *RangeAggregation:
		m.uses[e.String()]++
	case *VectorAggregation:
		if _, _, ok := fusedBy(e); ok {
			m.uses[e.String()]++
		} else {
			m.count(e.Expr)
		}
	case *LabelReplace:
		m.count(e.Expr)
	case *BinaryExpr:
		m.count(e.Left)
		m.count(e.Right)
	}
}

func (m *metricEval) explain(ctx context.Context, plan *rangePlan, failed *pipelineError) error {
	need := plan.need
	need.all = true
	pipe, err := m.compile(plan.agg.Range.Log, need)
	if err != nil {
		return err
	}
	if err := plan.explain(ctx, m.reader, pipe, m.stats); err != nil {
		return err
	}
	// The record has gone meanwhile.
	return errorText(failed.err, labels.FromStrings(labelError, failed.err, labelErrorDetails, failed.details))
}

// clone copies what expressions change in place.
func (t *table) clone() *table {
	c := *t
	c.series = append([]series(nil), t.series...)
	for i := range c.series {
		c.series[i].values = append([]float64(nil), t.series[i].values...)
	}
	return &c
}
