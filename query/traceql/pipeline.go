package traceql

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// found is a spanset with what the pipeline tells of it.
type found struct {
	rows       spanset
	attributes []model.Attribute // of by() and aggregates
}

// maxGroups is how many spansets by() makes of one trace; what comes beyond is left out.
const maxGroups = 1000

// evaluate runs the pipeline over a trace and returns the spansets that are left, none of them empty.
func (p *Pipeline) evaluate(v *view) []found {
	all := make(spanset, len(v.rows))
	for i := range all {
		all[i] = int32(i)
	}
	return p.evaluateOn(v, []found{{rows: all}})
}

func (p *Pipeline) evaluateOn(v *view, sets []found) []found {
	for _, s := range p.Stages {
		sets = runStage(s, v, sets)
		if len(sets) == 0 {
			return nil
		}
	}
	return sets
}

func runStage(s Stage, v *view, sets []found) (out []found) {
	switch s := s.(type) {
	case SpansetExpr:
		for _, set := range sets {
			for _, rows := range evaluateSpanset(s, v, set) {
				if len(rows.rows) > 0 {
					out = append(out, rows)
				}
			}
		}
	case *ScalarFilter:
		for _, set := range sets {
			if s.passes(v, set.rows) {
				set.attributes = s.note(v, set)
				out = append(out, set)
			}
		}
	case *By:
		for _, set := range sets {
			out = append(out, s.split(v, set, maxGroups-len(out))...)
		}
	case *Coalesce:
		return []found{{rows: together(sets)}}
	default:
		return sets
	}
	return out
}

// evaluateSpanset selects of a set. Only a group in parentheses that stands alone gives more than one set.
func evaluateSpanset(x SpansetExpr, v *view, set found) []found {
	switch x := x.(type) {
	case *SpansetFilter:
		out := found{attributes: set.attributes}
		for _, i := range set.rows {
			if x.node.passes(spanAt{v, i}) {
				out.rows = append(out.rows, i)
			}
		}
		return []found{out}
	case *Group:
		return x.Pipeline.evaluateOn(v, []found{set})
	case *SpansetOperation:
		left, right := together(evaluateSpanset(x.Left, v, set)), together(evaluateSpanset(x.Right, v, set))
		return []found{{rows: v.combine(x.Op, left, right), attributes: set.attributes}}
	}
	return nil
}

func together(sets []found) (rows spanset) {
	if len(sets) == 1 {
		return sets[0].rows
	}
	for _, s := range sets {
		rows = append(rows, s.rows...)
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}

// split makes a set for each combination of values, in the order of their first span.
func (b *By) split(v *view, set found, most int) []found {
	var out []found
	index := map[string]int{}
	for _, i := range set.rows {
		var key strings.Builder
		values := make([]model.Value, len(b.Fields))
		for k, x := range b.Fields {
			values[k] = eval(x, spanAt{v, i})
			writeKey(&key, values[k])
		}
		n, ok := index[key.String()]
		if !ok {
			if len(out) >= most {
				continue
			}
			n = len(out)
			index[key.String()] = n
			group := found{attributes: append([]model.Attribute(nil), set.attributes...)}
			for k, x := range b.Fields {
				value := values[k]
				if f, ok := x.(*Field); ok {
					value = shown(f, value)
				}
				group.attributes = append(group.attributes, model.Attribute{Key: "by(" + x.String() + ")", Value: value})
			}
			out = append(out, group)
		}
		out[n].rows = append(out[n].rows, i)
	}
	return out
}

// note returns the attributes of a set with its aggregates.
func (f *ScalarFilter) note(v *view, set found) []model.Attribute {
	attributes := append([]model.Attribute(nil), set.attributes...)
	for _, side := range []ScalarExpr{f.Left, f.Right} {
		eachAggregate(side, func(a *Aggregate) {
			if x, ok := a.of(v, set.rows); ok {
				attributes = append(attributes, model.Attribute{Key: a.String(), Value: a.shown(x)})
			}
		})
	}
	return attributes
}

func eachAggregate(x ScalarExpr, f func(*Aggregate)) {
	switch x := x.(type) {
	case *Aggregate:
		f(x)
	case *ScalarOperation:
		eachAggregate(x.Left, f)
		eachAggregate(x.Right, f)
	}
}

func (f *ScalarFilter) passes(v *view, rows spanset) bool {
	left, ok := scalarOf(f.Left, v, rows)
	right, also := scalarOf(f.Right, v, rows)
	return ok && also && compareFloats(f.Op, left, right)
}

// scalarOf returns a number of a set, or false when there is none: no span has the field.
func scalarOf(x ScalarExpr, v *view, rows spanset) (float64, bool) {
	switch x := x.(type) {
	case *Literal:
		return x.Value.Float()
	case *Aggregate:
		return x.of(v, rows)
	case *ScalarOperation:
		left, ok := scalarOf(x.Left, v, rows)
		right, also := scalarOf(x.Right, v, rows)
		return floats(x.Op, left, right), ok && also
	}
	return 0, false
}

// of returns the aggregate of a set. Spans without the field do not count.
func (a *Aggregate) of(v *view, rows spanset) (float64, bool) {
	if a.Expr == nil {
		return float64(len(rows)), true
	}
	sum, least, most, n := 0.0, math.Inf(1), math.Inf(-1), 0
	for _, i := range rows {
		x, ok := eval(a.Expr, spanAt{v, i}).Float()
		if !ok {
			continue
		}
		n++
		sum, least, most = sum+x, min(least, x), max(most, x)
	}
	switch a.Func {
	case "avg":
		sum /= float64(n)
	case "min":
		sum = least
	case "max":
		sum = most
	}
	return sum, n > 0
}

// shown is the aggregate as results show it: a number of spans, a duration, or a number.
func (a *Aggregate) shown(x float64) model.Value {
	switch {
	case a.Expr == nil:
		return model.Int64(int64(x))
	case typeOf(a.Expr) == DurationType:
		return model.TextValue(time.Duration(x).String())
	}
	return model.Float64(x)
}

// writeKey appends a value to a key that differs between different values.
func writeKey(key *strings.Builder, v model.Value) {
	key.WriteByte(byte(v.Kind))
	for shift := 0; shift < 64; shift += 8 {
		key.WriteByte(byte(v.Bits >> shift))
	}
	for _, n := range []int{len(v.Text), len(v.Nested)} {
		key.WriteByte(byte(n))
		key.WriteByte(byte(n >> 8))
		key.WriteByte(byte(n >> 16))
		key.WriteByte(byte(n >> 24))
	}
	key.WriteString(v.Text)
	for _, a := range v.Nested {
		writeKey(key, model.TextValue(a.Key))
		writeKey(key, a.Value)
	}
}
