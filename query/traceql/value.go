package traceql

import (
	"cmp"
	"math"
	"strings"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// source is one span, as expressions see it.
type source interface {
	// value returns the field's first value; its kind is NoValue when the span does not have it.
	value(f *Field) model.Value
}

// eval returns the value of an expression without conditions; NoValue when a field in it is absent or no number where one is needed.
func eval(x FieldExpr, src source) model.Value {
	switch x := x.(type) {
	case *Literal:
		return x.Value
	case *Field:
		return src.value(x)
	case *Unary:
		return negate(eval(x.X, src))
	case *Binary:
		return arithmetic(x.Op, eval(x.Left, src), eval(x.Right, src))
	}
	return model.Value{}
}

func negate(v model.Value) model.Value {
	switch v.Kind {
	case model.IntValue:
		return model.Int64(-v.Bits)
	case model.FloatValue:
		x, _ := v.Float()
		return model.Float64(-x)
	}
	return model.Value{}
}

// arithmetic of integers is of integers as far as they go, except for / and ^, which are of floats.
func arithmetic(op string, a, b model.Value) model.Value {
	x, ok := a.Float()
	y, also := b.Float()
	if !ok || !also {
		return model.Value{}
	}
	if a.Kind == model.IntValue && b.Kind == model.IntValue {
		if v, ok := integers(op, a.Bits, b.Bits); ok {
			return model.Int64(v)
		}
	}
	return model.Float64(floats(op, x, y))
}

func integers(op string, a, b int64) (int64, bool) {
	switch op {
	case "+":
		return a + b, (a+b > a) == (b > 0)
	case "-":
		return a - b, (a-b < a) == (b > 0)
	case "*":
		if a == 0 || b == 0 {
			return 0, true
		}
		c := a * b
		return c, c/b == a && (a != -1 || b != math.MinInt64) && (b != -1 || a != math.MinInt64)
	case "%":
		if b != 0 && b != -1 {
			return a % b, true
		}
		return 0, b == -1
	}
	return 0, false
}

func floats(op string, x, y float64) float64 {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	case "%":
		return math.Mod(x, y)
	}
	return math.Pow(x, y)
}

// storeOps are the comparisons as the store has them.
var storeOps = map[string]store.SpanOp{
	"=": store.Equal, "!=": store.NotEqual, "<": store.Less, "<=": store.LessOrEqual, ">": store.Greater, ">=": store.GreaterOrEqual,
	"=~": store.Matches, "!~": store.NotMatches,
}

// mirrored is the operator with its sides exchanged.
func mirrored(op string) string {
	switch op {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return op
}

// compareBy compares as store.SpanFilter does; what is absent passes nothing.
func compareBy(op string, a, b model.Value) bool {
	if a.Kind == model.NoValue || b.Kind == model.NoValue {
		return false
	}
	f := store.SpanFilter{Op: storeOps[op], Value: b}
	return f.PassesValue(a)
}

// compareFloats compares numbers.
func compareFloats(op string, a, b float64) bool {
	if a != a || b != b {
		return op == "!=" && !(a != a && b != b)
	}
	switch order := cmp.Compare(a, b); op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return cmp.Compare(a, b) >= 0
}

// normal returns the value that a field is compared with: ids as the store writes them.
func normal(f *Field, v model.Value) model.Value {
	if f.Scope != store.IntrinsicScope || v.Kind != model.StringValue {
		return v
	}
	switch f.Name {
	case store.IntrinsicTraceID, store.IntrinsicLinkTrace:
		if id, err := model.ParseTraceID(strings.ToLower(v.Text)); err == nil {
			return model.TextValue(id.String())
		}
	case store.IntrinsicSpanID, store.IntrinsicParentID, store.IntrinsicLinkSpan:
		if id, err := model.ParseSpanID(strings.ToLower(v.Text)); err == nil {
			return model.TextValue(id.String())
		}
	}
	return v
}

// shown is a field's value as results show it: statuses and kinds by their names.
func shown(f *Field, v model.Value) model.Value {
	if f.Scope != store.IntrinsicScope || v.Kind != model.IntValue {
		return v
	}
	switch f.Name {
	case store.IntrinsicStatus:
		return model.TextValue(model.SpanStatus(min(max(v.Bits, -1), 100)).String())
	case store.IntrinsicKind:
		return model.TextValue(model.SpanKind(min(max(v.Bits, -1), 100)).String())
	}
	return v
}
