package api

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// node is a node of an expression's tree, with the keys that Prometheus' API uses.
type node map[string]any

// exprTree returns e as a tree for JSON; a nil expression is null.
func exprTree(e parser.Expr) any {
	switch e := e.(type) {
	case *parser.AggregateExpr:
		return node{
			"type": "aggregation", "op": e.Op.String(), "expr": exprTree(e.Expr), "param": exprTree(e.Param),
			"grouping": orEmpty(e.Grouping), "without": e.Without,
		}
	case *parser.BinaryExpr:
		return node{
			"type": "binaryExpr", "op": e.Op.String(), "lhs": exprTree(e.LHS), "rhs": exprTree(e.RHS),
			"matching": matchingTree(e.VectorMatching), "bool": e.ReturnBool,
		}
	case *parser.Call:
		return callTree(e)
	case *parser.MatrixSelector:
		return matrixTree(e)
	case *parser.SubqueryExpr:
		return subqueryTree(e)
	case *parser.DurationExpr:
		return durationTree(e)
	case *parser.NumberLiteral:
		return node{"type": "numberLiteral", "val": strconv.FormatFloat(e.Val, 'f', -1, 64)}
	case *parser.ParenExpr:
		return node{"type": "parenExpr", "expr": exprTree(e.Expr)}
	case *parser.StringLiteral:
		return node{"type": "stringLiteral", "val": e.Val}
	case *parser.UnaryExpr:
		return node{"type": "unaryExpr", "op": e.Op.String(), "expr": exprTree(e.Expr)}
	case *parser.VectorSelector:
		n := selectorTree(e)
		n["type"] = "vectorSelector"
		return n
	}
	return nil
}

func matchingTree(m *parser.VectorMatching) any {
	if m == nil {
		return nil
	}
	return node{
		"card": m.Card.String(), "labels": orEmpty(m.MatchingLabels), "on": m.On, "include": orEmpty(m.Include),
		"fillValues": node{"lhs": m.FillValues.LHS, "rhs": m.FillValues.RHS},
	}
}

func callTree(e *parser.Call) node {
	args := []any{}
	for _, arg := range e.Args {
		args = append(args, exprTree(arg))
	}
	return node{
		"type": "call",
		"func": node{"name": e.Func.Name, "argTypes": e.Func.ArgTypes, "variadic": e.Func.Variadic, "returnType": e.Func.ReturnType},
		"args": args,
	}
}

// selectorTree returns what instant and range selectors share.
func selectorTree(e *parser.VectorSelector) node {
	matchers := []node{}
	for _, m := range e.LabelMatchers {
		matchers = append(matchers, matcherTree(m))
	}
	return node{
		"name": e.Name, "offset": e.OriginalOffset.Milliseconds(), "offsetExpr": durationTree(e.OriginalOffsetExpr),
		"matchers": matchers, "timestamp": e.Timestamp, "startOrEnd": preprocessorTree(e.StartOrEnd),
		"anchored": e.Anchored, "smoothed": e.Smoothed,
	}
}

func matcherTree(m *labels.Matcher) node {
	return node{"name": m.Name, "value": m.Value, "type": m.Type.String()}
}

func matrixTree(e *parser.MatrixSelector) any {
	vs, ok := e.VectorSelector.(*parser.VectorSelector)
	if !ok {
		return nil
	}
	n := selectorTree(vs)
	n["type"] = "matrixSelector"
	n["range"] = e.Range.Milliseconds()
	n["rangeExpr"] = durationTree(e.RangeExpr)
	return n
}

func subqueryTree(e *parser.SubqueryExpr) node {
	return node{
		"type": "subquery", "expr": exprTree(e.Expr),
		"range": e.Range.Milliseconds(), "rangeExpr": durationTree(e.RangeExpr),
		"offset": e.OriginalOffset.Milliseconds(), "offsetExpr": durationTree(e.OriginalOffsetExpr),
		"step": e.Step.Milliseconds(), "stepExpr": durationTree(e.StepExpr),
		"timestamp": e.Timestamp, "startOrEnd": preprocessorTree(e.StartOrEnd),
	}
}

// durationTree returns an expression in the place of a duration. The typed nil pointers that the parser leaves
// where there is none are null.
func durationTree(e parser.Expr) any {
	switch e := e.(type) {
	case *parser.DurationExpr:
		if e == nil {
			return nil
		}
		return node{"type": "durationExpr", "op": e.Op.String(), "lhs": durationTree(e.LHS), "rhs": durationTree(e.RHS), "wrapped": e.Wrapped}
	case *parser.NumberLiteral:
		if e == nil {
			return nil
		}
		return node{"type": "numberLiteral", "val": strconv.FormatFloat(e.Val, 'f', -1, 64), "duration": e.Duration}
	}
	return exprTree(e)
}

// preprocessorTree returns start or end of @ start() and @ end().
func preprocessorTree(i parser.ItemType) any {
	if i == 0 {
		return nil
	}
	return i.String()
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
