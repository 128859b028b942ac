package api

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
)

// Bounds of an expression's shape. Prometheus' parser and engine need time that grows with the square of how
// deep an expression nests, and its formatter with the cube: 1,600 bytes of brackets keep it busy for seconds,
// and none of them can be cancelled. People's expressions stay far below.
const (
	maxNesting         = 200
	maxOperators       = 1000
	maxFormatOperators = 250
)

// checkShape refuses an expression that nests deeper than maxNesting or has more operators than allowed. What
// is no PromQL passes: the parser has the better words for it.
func checkShape(expr string, operators int) error {
	lexer := parser.Lex(expr)
	depth, count := 0, 0
	for {
		var item parser.Item
		lexer.NextItem(&item)
		switch {
		case item.Typ == parser.EOF || item.Typ == parser.ERROR:
			return nil
		case item.Typ == parser.LEFT_PAREN || item.Typ == parser.LEFT_BRACKET || item.Typ == parser.LEFT_BRACE:
			depth++
			if item.Typ == parser.LEFT_BRACKET {
				count++ // each subquery goes around what stands before it
			}
		case item.Typ == parser.RIGHT_PAREN || item.Typ == parser.RIGHT_BRACKET || item.Typ == parser.RIGHT_BRACE:
			depth--
		case item.Typ.IsOperator():
			count++
		}
		if depth > maxNesting {
			return fmt.Errorf("the expression nests more than %d levels deep", maxNesting)
		}
		if count > operators {
			return fmt.Errorf("the expression has more than %d operators and ranges", operators)
		}
	}
}
