package traceql

import (
	"regexp"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// node is a compiled condition. A nil node is true.
type node struct {
	op     nodeOp
	kids   []*node
	filter *store.SpanFilter // nodeFilter: decides alone
	test   *test             // nodeTest
}

type nodeOp int8

const (
	nodeTrue nodeOp = iota
	nodeFalse
	nodeAnd
	nodeOr
	nodeNot
	nodeFilter
	nodeTest
)

// test is a comparison that the store cannot decide: of two fields, of arithmetic, or of what a trace knows.
type test struct {
	op          string
	left, right FieldExpr
	pattern     *regexp.Regexp
	ofTrace     bool                // some field needs the whole trace
	mayFilter   *store.SpanFilter   // passes for every span that passes the test; nil: any
	elsewhere   []*store.SpanFilter // each passes for some span of a trace of which a span passes the test
}

// compile returns the node of a condition, whose types the parser has checked.
func compile(x FieldExpr) *node {
	switch x := x.(type) {
	case nil:
		return &node{op: nodeTrue}
	case *Literal:
		if x.Value.Bits == 1 {
			return &node{op: nodeTrue}
		}
		return &node{op: nodeFalse}
	case *Field: // an attribute that is true
		return compileComparison(&Binary{Op: "=", Left: x, Right: &Literal{Type: BooleanType, Value: model.Boolean(true), Text: "true"}})
	case *Unary:
		return notNode(compile(x.X))
	case *Binary:
		switch x.Op {
		case "&&":
			return joinNodes(nodeAnd, compile(x.Left), compile(x.Right))
		case "||":
			return joinNodes(nodeOr, compile(x.Left), compile(x.Right))
		}
		return compileComparison(x)
	}
	return &node{op: nodeFalse}
}

func notNode(n *node) *node {
	switch n.op {
	case nodeTrue:
		return &node{op: nodeFalse}
	case nodeFalse:
		return &node{op: nodeTrue}
	case nodeFilter:
		return &node{op: nodeFilter, filter: &store.SpanFilter{Not: n.filter}}
	}
	return &node{op: nodeNot, kids: []*node{n}}
}

// joinNodes makes one node of two; constants vanish, chains become flat.
func joinNodes(op nodeOp, a, b *node) *node {
	neutral, final := nodeTrue, nodeFalse
	if op == nodeOr {
		neutral, final = nodeFalse, nodeTrue
	}
	switch {
	case a.op == final || b.op == final:
		return &node{op: final}
	case a.op == neutral:
		return b
	case b.op == neutral:
		return a
	}
	out := &node{op: op}
	for _, n := range []*node{a, b} {
		if n.op == op {
			out.kids = append(out.kids, n.kids...)
		} else {
			out.kids = append(out.kids, n)
		}
	}
	return out
}

func compileComparison(b *Binary) *node {
	op, left, right := b.Op, b.Left, b.Right
	if isConstant(left) && !isConstant(right) {
		op, left, right = mirrored(op), right, left
	}
	f, isField := left.(*Field)
	if !isField || !isConstant(right) {
		return &node{op: nodeTest, test: newTest(op, left, right, nil)}
	}
	value := normal(f, eval(right, nil))
	nilLiteral := typeOf(right) == NilType
	switch {
	case f.Scope == store.IntrinsicScope && f.Name == nestedParent && !f.Parent && !nilLiteral:
		if n := rootTest(op, value); n != nil {
			return n
		}
		return &node{op: nodeTest, test: newTest(op, left, right, nil)}
	case f.ofTrace():
		return &node{op: nodeTest, test: newTest(op, left, &Literal{Value: value, Type: typeOf(right)}, b.pattern)}
	}
	filter := &store.SpanFilter{Field: f.SpanField, Op: storeOps[op], Value: value, Pattern: b.pattern}
	switch {
	case nilLiteral && op == "=":
		filter.Op = store.Absent
	case nilLiteral:
		filter.Op = store.Present
	case b.pattern != nil:
		filter.Value = model.Value{}
	}
	return &node{op: nodeFilter, filter: filter}
}

// rootTest returns what a comparison of nestedSetParent says when it divides roots, whose value is -1, from all others, whose value is 0
// or more: nestedSetParent < 0 is how queries ask for roots.
func rootTest(op string, value model.Value) *node {
	limit, ok := value.Float()
	if !ok || limit != limit {
		return nil
	}
	root, zero := compareFloats(op, -1, limit), compareFloats(op, 0, limit)
	switch op {
	case "=", "!=":
		if limit >= 0 && limit == float64(int64(limit)) {
			return nil
		}
	case "<", "<=":
		if limit > 0 || limit == 0 && op == "<=" {
			return nil
		}
	default:
		if limit > 0 || limit == 0 && op == ">" {
			return nil
		}
	}
	parent := store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicParentID}
	switch {
	case root && zero:
		return &node{op: nodeTrue}
	case root:
		return &node{op: nodeFilter, filter: &store.SpanFilter{Field: parent, Op: store.Absent}}
	case zero:
		return &node{op: nodeFilter, filter: &store.SpanFilter{Field: parent, Op: store.Present}}
	}
	return &node{op: nodeFalse}
}

func newTest(op string, left, right FieldExpr, pattern *regexp.Regexp) *test {
	t := &test{op: op, left: left, right: right, pattern: pattern}
	var present []*store.SpanFilter
	for _, x := range []FieldExpr{left, right} {
		eachField(x, func(f *Field) {
			if f.ofTrace() {
				t.ofTrace = true
			} else {
				present = append(present, &store.SpanFilter{Field: f.SpanField, Op: store.Present})
			}
		})
	}
	if typeOf(left) != NilType && typeOf(right) != NilType {
		t.mayFilter = allOf(present)
		t.elsewhere = t.ofOthers()
	}
	return t
}

// ofOthers returns what a comparison with a value says of a span's parent or of the trace's root.
func (t *test) ofOthers() []*store.SpanFilter {
	f, ok := t.left.(*Field)
	if !ok || !isConstant(t.right) {
		return nil
	}
	filter := &store.SpanFilter{Field: f.SpanField, Op: storeOps[t.op], Value: eval(t.right, nil), Pattern: t.pattern}
	if f.Parent {
		own := *f
		own.Parent = false
		if own.ofTrace() {
			return nil
		}
		return []*store.SpanFilter{filter}
	}
	switch f.Name {
	case rootName:
		filter.Field.Name = store.IntrinsicName
	case rootService:
		filter.Field = store.SpanField{Scope: store.OnResource, Name: "service.name"}
	default:
		return nil
	}
	if filter.Op != store.Matches && filter.Op != store.Equal || filter.PassesValue(model.TextValue("")) { // a root without a service has the name ""
		return nil
	}
	root := &store.SpanFilter{Field: store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicParentID}, Op: store.Absent}
	return []*store.SpanFilter{{All: []*store.SpanFilter{root, filter}}}
}

// needs are filters each of which some span of a trace passes (nil: any span) of which a span passes the node.
func (n *node) needs() []*store.SpanFilter {
	f, _ := n.pushdown()
	out := []*store.SpanFilter{f}
	kids := []*node{n}
	if n.op == nodeAnd {
		kids = n.kids
	}
	for _, k := range kids {
		if k.op == nodeTest {
			out = append(out, k.test.elsewhere...)
		}
	}
	return out
}

func isConstant(x FieldExpr) bool {
	constant := true
	eachField(x, func(*Field) { constant = false })
	return constant
}

// eachField calls f with the fields of an expression.
func eachField(x FieldExpr, f func(*Field)) {
	switch x := x.(type) {
	case *Field:
		f(x)
	case *Unary:
		eachField(x.X, f)
	case *Binary:
		eachField(x.Left, f)
		eachField(x.Right, f)
	}
}

// passes evaluates a comparison for a span.
func (t *test) passes(src source) bool {
	left := eval(t.left, src)
	if t.pattern != nil {
		return left.Kind == model.StringValue && t.pattern.MatchString(left.Text) == (t.op == "=~")
	}
	if typeOf(t.right) == NilType || typeOf(t.left) == NilType {
		other := left
		if typeOf(t.left) == NilType {
			other = eval(t.right, src)
		}
		return (other.Kind == model.NoValue) == (t.op == "=")
	}
	return compareBy(t.op, left, eval(t.right, src))
}

// pushdown returns the filter that every span which passes the node passes; nil passes all. It is exact when the filter decides alone.
func (n *node) pushdown() (f *store.SpanFilter, exact bool) {
	switch n.op {
	case nodeTrue:
		return nil, true
	case nodeFalse:
		return &store.SpanFilter{Not: &store.SpanFilter{}}, true
	case nodeFilter:
		return n.filter, true
	case nodeTest:
		return n.test.mayFilter, false
	case nodeNot:
		if inner, exact := n.kids[0].pushdown(); exact {
			return &store.SpanFilter{Not: orAll(inner)}, true
		}
		return nil, false
	case nodeAnd:
		return n.pushdownAnd()
	}
	var list []*store.SpanFilter
	exact = true
	for _, k := range n.kids {
		inner, ok := k.pushdown()
		exact = exact && ok
		if inner == nil {
			return nil, exact && ok
		}
		list = append(list, inner)
	}
	return anyOf(list), exact
}

func (n *node) pushdownAnd() (*store.SpanFilter, bool) {
	var all []*store.SpanFilter
	exact := true
	for _, k := range n.kids {
		inner, ok := k.pushdown()
		exact = exact && ok
		if inner != nil {
			all = append(all, inner)
		}
	}
	return allOf(all), exact
}

// orAll is the filter, or one that passes everything.
func orAll(f *store.SpanFilter) *store.SpanFilter {
	if f == nil {
		return &store.SpanFilter{}
	}
	return f
}

func allOf(list []*store.SpanFilter) *store.SpanFilter {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return &store.SpanFilter{All: list}
}

func anyOf(list []*store.SpanFilter) *store.SpanFilter {
	if len(list) == 1 {
		return list[0]
	}
	return &store.SpanFilter{Any: list}
}

// inColumns says whether the store's filter and the columns of a batch decide.
func (n *node) inColumns() bool {
	for _, k := range n.residual() {
		if !k.columnsDecide() {
			return false
		}
	}
	return true
}

// residual returns the conditions that all hold for a span which passes the filter of pushdown, when it passes the node.
func (n *node) residual() (out []*node) {
	if _, exact := n.pushdown(); exact {
		return nil
	}
	if n.op != nodeAnd {
		return []*node{n}
	}
	for _, k := range n.kids {
		out = append(out, k.residual()...)
	}
	return out
}

// columnsDecide says whether columns alone decide: no field needs the whole trace, and none that is compared by the store's rules has several
// values, of which a column has the first alone.
func (n *node) columnsDecide() bool {
	switch n.op {
	case nodeTest:
		return !n.test.ofTrace
	case nodeFilter:
		return !filterIsManyValued(n.filter)
	}
	for _, k := range n.kids {
		if !k.columnsDecide() {
			return false
		}
	}
	return true
}

func filterIsManyValued(f *store.SpanFilter) bool {
	for _, list := range [][]*store.SpanFilter{f.All, f.Any} {
		for _, x := range list {
			if filterIsManyValued(x) {
				return true
			}
		}
	}
	if f.Not != nil {
		return filterIsManyValued(f.Not)
	}
	field := Field{SpanField: f.Field}
	return field.manyValued()
}

// spanSource is one span, as conditions see it.
type spanSource interface {
	source
	// passes says what the store says.
	passes(f *store.SpanFilter) bool
}

// passes says whether a span passes.
func (n *node) passes(src spanSource) bool {
	switch n.op {
	case nodeTrue:
		return true
	case nodeFilter:
		return src.passes(n.filter)
	case nodeTest:
		return n.test.passes(src)
	case nodeNot:
		return !n.kids[0].passes(src)
	case nodeAnd, nodeOr:
		for _, k := range n.kids {
			if k.passes(src) == (n.op == nodeOr) {
				return n.op == nodeOr
			}
		}
		return n.op == nodeAnd
	}
	return false
}

// eachField calls f with the store's fields that the node asks for.
func (n *node) eachField(f func(store.SpanField)) {
	switch n.op {
	case nodeFilter:
		eachFilterField(n.filter, f)
	case nodeTest:
		for _, x := range []FieldExpr{n.test.left, n.test.right} {
			eachField(x, func(field *Field) {
				if !field.ofTrace() {
					f(field.SpanField)
				}
			})
		}
	}
	for _, k := range n.kids {
		k.eachField(f)
	}
}

func eachFilterField(x *store.SpanFilter, f func(store.SpanField)) {
	for _, list := range [][]*store.SpanFilter{x.All, x.Any} {
		for _, k := range list {
			eachFilterField(k, f)
		}
	}
	if x.Not != nil {
		eachFilterField(x.Not, f)
	}
	if x.Field != (store.SpanField{}) {
		f(x.Field)
	}
}
