// Package traceql is TraceQL, the language of trace queries, written from its public documentation
// (https://grafana.com/docs/tempo/latest/traceql/): parser, canonical text, and the engine that answers searches, metrics queries and comparisons
// from a store.SpanReader.
//
// A query is parsed to a Query (Parse); the conditions of its spanset filters are compiled at once (node). The engine gives the store what it can
// decide by its columns as a store.SpanFilter. Metrics over one filter are computed over the columns that the store yields; everything that
// looks at a trace as a whole (structure, aggregates, duration of the trace) is evaluated over whole traces: the filter finds candidates,
// store.SpanReader.Traces completes them.
//
// What must always be true: a span that a query is about is looked at, or the result says that it is not complete, or there is an error.
package traceql

import (
	"regexp"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// Query is a parsed query. String writes it in its canonical form, which parses to an equal Query.
type Query struct {
	Pipeline *Pipeline
	Metrics  *Metrics // nil: a search
	Hints    []Hint
}

// Hint is one of with(name=value).
type Hint struct {
	Name  string
	Value *Literal
}

// Pipeline is stages, the first of which is a SpansetExpr.
type Pipeline struct{ Stages []Stage }

// Stage is one step of a pipeline: a SpansetExpr, *By, *Select, *Coalesce, *ScalarFilter.
type Stage interface {
	String() string
	stage()
}

// SpansetExpr selects spans of a trace: *SpansetFilter, *SpansetOperation, *Group.
type SpansetExpr interface {
	Stage
	spanset()
}

// SpansetFilter is { condition }.
type SpansetFilter struct {
	Condition FieldExpr // nil: every span
	node      *node
}

// SpansetOperation is {} op {}: && || > >> < << ~, and their negated (!>>) and union (&>>) forms.
type SpansetOperation struct {
	Op          string
	Left, Right SpansetExpr
}

// Group is a pipeline in parentheses.
type Group struct{ Pipeline *Pipeline }

// By is by(a, b): one spanset for each combination of values.
type By struct{ Fields []FieldExpr }

// Select is select(a, b): the attributes that found spans are shown with.
type Select struct{ Fields []*Field }

// Coalesce is coalesce(): one spanset of all.
type Coalesce struct{}

// ScalarFilter is a comparison of aggregates of a spanset: count() > 2.
type ScalarFilter struct {
	Op          string
	Left, Right ScalarExpr
}

// ScalarExpr is a number of a spanset: *Aggregate, *ScalarOperation, *Literal.
type ScalarExpr interface {
	String() string
	scalar()
}

// Aggregate is count(), or avg, min, max or sum of a field.
type Aggregate struct {
	Func string
	Expr FieldExpr // nil for count
}

// ScalarOperation is arithmetic.
type ScalarOperation struct {
	Op          string
	Left, Right ScalarExpr
}

// FieldExpr is an expression of one span: *Field, *Literal, *Unary, *Binary.
type FieldExpr interface {
	String() string
	field()
}

// Field is an attribute or an intrinsic of a span, or of its parent.
type Field struct {
	store.SpanField
	Parent bool
	Text   string // as String writes it
}

// Literal is a value that is written in the query. The Value of a duration is an IntValue in nanoseconds, of a status or kind an IntValue,
// of nil NoValue.
type Literal struct {
	Type  Type
	Value model.Value
	Text  string // of numbers and durations, as written
}

// Unary is !x or -x.
type Unary struct {
	Op string
	X  FieldExpr
}

// Binary is a comparison, && or ||, or arithmetic.
type Binary struct {
	Op          string
	Left, Right FieldExpr
	pattern     *regexp.Regexp // of =~ and !~
}

// Type is what an expression is, as far as the query tells.
type Type int8

// The types.
const (
	AnyType Type = iota // of an attribute
	TextType
	NumberType
	DurationType
	BooleanType
	StatusType
	KindType
	NilType
)

var typeNames = [...]string{"an attribute", `a string such as "x"`, "a number", "a duration such as 100ms", "true or false", "a status (ok, error, unset)", "a kind (server, client, producer, consumer, internal, unspecified)", "nil"}

func (t Type) String() string { return typeNames[t] }

// Metrics is the function that makes series of a pipeline's spans.
type Metrics struct {
	Func      string // rate, count_over_time, min_over_time, …, compare
	Field     *Field // of those that have one
	Quantiles []float64
	By        []*Field
	Compare   *CompareArguments
	Then      []SecondStage
}

// CompareArguments is compare({selection}, topN, start, end).
type CompareArguments struct {
	Selection  *SpansetFilter
	TopN       int
	Start, End int64 // nanoseconds since the epoch; 0, 0: the whole range
}

// SecondStage is topk(n), bottomk(n), or a comparison with a number.
type SecondStage struct {
	Func  string // "topk", "bottomk", or an operator of comparison
	K     int
	Value *Literal
}

func (*SpansetFilter) stage()      {}
func (*SpansetOperation) stage()   {}
func (*Group) stage()              {}
func (*By) stage()                 {}
func (*Select) stage()             {}
func (*Coalesce) stage()           {}
func (*ScalarFilter) stage()       {}
func (*SpansetFilter) spanset()    {}
func (*SpansetOperation) spanset() {}
func (*Group) spanset()            {}
func (*Aggregate) scalar()         {}
func (*ScalarOperation) scalar()   {}
func (*Literal) scalar()           {}
func (*Field) field()              {}
func (*Literal) field()            {}
func (*Unary) field()              {}
func (*Binary) field()             {}

// Filter returns a condition that every span passes which the query's pipeline selects; nil: any span.
func (q *Query) Filter() *store.SpanFilter { return q.Pipeline.yields() }
