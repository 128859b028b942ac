// Package logql is LogQL, the language of log queries, written from its public documentation: parser, formatter, the
// stages of log pipelines, metric queries, and the engine that answers both from a store.EventReader.
//
// A query is parsed to an Expr (Parse), its stages are compiled (compile) and planned: what the store can decide by its
// columns and token filters goes into a store.EventQuery, the rest is evaluated over the batches that the store yields,
// column by column where that is possible and record by record where not. Both give the same answers.
//
// Beyond the documentation: a selector may match everything ({} is valid), and `|= any("text")` looks for the text in the
// line and in every stored field.
package logql

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Expr is a query: a *LogExpr or a MetricExpr. String writes it in its canonical form, which parses to an equal Expr.
type Expr interface {
	String() string
	expr()
}

// MetricExpr is an Expr whose result are samples: *RangeAggregation, *VectorAggregation, *BinaryExpr, *LabelReplace,
// *VectorExpr, *Literal.
type MetricExpr interface {
	Expr
	metricExpr()
}

// LogExpr is a log query: {selector} and the stages of its pipeline.
type LogExpr struct {
	Matchers []*labels.Matcher // as written; none matches every stream
	Stages   []Stage
}

// Stage is one step of a pipeline: *LineFilter, *JSONParser, *LogfmtParser, *RegexpParser, *PatternParser, *Unpack,
// *LabelFilterStage, *LineFormat, *LabelFormat, *Decolorize, *Drop, *Keep.
type Stage interface {
	String() string // with its leading operator or pipe
	stage()
}

// LineOp is the operator of a line filter.
type LineOp string

// The operators of line filters.
const (
	LineContains    LineOp = "|="
	LineNotContains LineOp = "!="
	LineMatches     LineOp = "|~"
	LineNotMatches  LineOp = "!~"
	LinePattern     LineOp = "|>"
	LineNotPattern  LineOp = "!>"
)

// Negative says whether the operator keeps the lines that do not match.
func (o LineOp) Negative() bool {
	return o == LineNotContains || o == LineNotMatches || o == LineNotPattern
}

// LineFilter keeps lines: |= "a" or "b" or ip("10.0.0.0/8"). A positive one keeps a line that one of the alternatives
// matches, a negative one keeps a line that none of them matches.
type LineFilter struct {
	Op           LineOp
	Alternatives []LineMatch // one at least
}

// LineMatch is one alternative of a line filter.
type LineMatch struct {
	Func string // "", "ip" or "any"
	Text string
}

// JSONParser is | json, or | json a="x.y[0]", b="z".
type JSONParser struct{ Extractions []Extraction }

// LogfmtParser is | logfmt --strict --keep-empty a="x".
type LogfmtParser struct {
	Strict, KeepEmpty bool
	Extractions       []Extraction
}

// Extraction is name="expression" of a json or logfmt stage.
type Extraction struct{ Name, Expression string }

// RegexpParser is | regexp `(?P<name>...)`.
type RegexpParser struct{ Pattern string }

// PatternParser is | pattern `<name> <_>`.
type PatternParser struct{ Pattern string }

// Unpack is | unpack.
type Unpack struct{}

// LineFormat is | line_format `{{.a}}`.
type LineFormat struct{ Template string }

// LabelFormat is | label_format a=b, c=`{{.d}}`.
type LabelFormat struct{ Formats []LabelAssignment }

// LabelAssignment renames the label Value to Name, or sets Name to what the template Value writes.
type LabelAssignment struct {
	Name, Value string
	Rename      bool
}

// Decolorize is | decolorize.
type Decolorize struct{}

// Drop is | drop a, b="c"; Keep is | keep a, b="c".
type (
	Drop struct{ Labels []LabelChoice }
	Keep struct{ Labels []LabelChoice }
)

// LabelChoice is a name, or a matcher.
type LabelChoice struct {
	Name    string
	Matcher *labels.Matcher // nil: the name alone
}

// LabelFilterStage is | filter.
type LabelFilterStage struct{ Filter LabelFilter }

// LabelFilter is a condition on labels: *AndFilter, *OrFilter, *StringFilter, *NumberFilter, *DurationFilter,
// *BytesFilter, *IPFilter.
type LabelFilter interface {
	String() string
	labelFilter()
}

// AndFilter is a and b (also written a, b or a b); OrFilter is a or b.
type (
	AndFilter struct{ Left, Right LabelFilter }
	OrFilter  struct{ Left, Right LabelFilter }
)

// StringFilter is name="text", with = != =~ !~.
type StringFilter struct{ Matcher *labels.Matcher }

// CompareOp is an operator of a label filter on numbers; Equal is written == (= is read too).
type CompareOp string

// The operators of label filters.
const (
	Equal          CompareOp = "=="
	NotEqual       CompareOp = "!="
	Greater        CompareOp = ">"
	GreaterOrEqual CompareOp = ">="
	Less           CompareOp = "<"
	LessOrEqual    CompareOp = "<="
)

// NumberFilter is name > 1.5.
type NumberFilter struct {
	Name  string
	Op    CompareOp
	Value float64
}

// DurationFilter is name > 10ms.
type DurationFilter struct {
	Name  string
	Op    CompareOp
	Value time.Duration
}

// BytesFilter is name > 1.5MB; 1KB is 1000 bytes, 1KiB is 1024.
type BytesFilter struct {
	Name  string
	Op    CompareOp
	Value uint64
}

// IPFilter is name = ip("10.0.0.0/8"), or != (Op is Equal or NotEqual).
type IPFilter struct {
	Name string
	Op   CompareOp
	Text string
}

// RangeAggregation is op(param, log [range]) by (labels), as in quantile_over_time(0.9, ...).
type RangeAggregation struct {
	Op       string   // rate, rate_counter, count_over_time, ... : the names of RangeOps
	Param    *float64 // of quantile_over_time
	Range    *LogRange
	Grouping *Grouping // nil: none
}

// LogRange is a log query over a range: {a="b"} | stages | unwrap x [5m] offset 1h.
type LogRange struct {
	Log      *LogExpr
	Unwrap   *Unwrap // nil: none
	Interval time.Duration
	Offset   time.Duration // may be negative
}

// Unwrap is | unwrap name, | unwrap conversion(name), and the label filters behind it.
type Unwrap struct {
	Label      string
	Conversion string        // "", "duration", "duration_seconds" or "bytes"
	Filters    []LabelFilter // all hold for the labels after the conversion, as for __error__=""
}

// VectorAggregation is op by (labels) (param, expr).
type VectorAggregation struct {
	Op       string // sum, avg, ... : the names of VectorOps
	Param    int    // of topk, bottomk and approx_topk
	Expr     MetricExpr
	Grouping *Grouping // nil: none
}

// Grouping is by (labels) or without (labels).
type Grouping struct {
	Without bool
	Labels  []string
}

// BinaryOp is an operator between metric expressions: + - * / % ^ == != > >= < <= and or unless.
type BinaryOp string

// BinaryExpr is left op right.
type BinaryExpr struct {
	Op          BinaryOp
	Left, Right MetricExpr
	Bool        bool           // comparisons return 0 or 1
	Matching    VectorMatching // zero: all labels, one to one
}

// Cardinality says which side of a binary operator may have several series for one on the other.
type Cardinality int8

// The cardinalities.
const (
	OneToOne  Cardinality = iota
	ManyToOne             // group_left
	OneToMany             // group_right
)

// VectorMatching is how the series of both sides find each other.
type VectorMatching struct {
	On      bool // only Labels count; else all but Labels do
	Labels  []string
	Card    Cardinality
	Include []string // labels of the one side that group_left or group_right add
}

// LabelReplace is label_replace(expr, dst, replacement, src, regex).
type LabelReplace struct {
	Expr                         MetricExpr
	Dst, Replacement, Src, Regex string
}

// VectorExpr is vector(1).
type VectorExpr struct{ Value float64 }

// Literal is a number.
type Literal struct{ Value float64 }

// RangeOps are the range aggregations, in alphabetical order. VectorOps are the vector aggregations.
var (
	RangeOps = [...]string{
		"absent_over_time", "avg_over_time", "bytes_over_time", "bytes_rate", "count_over_time", "first_over_time", "last_over_time",
		"max_over_time", "min_over_time", "quantile_over_time", "rate", "rate_counter", "stddev_over_time", "stdvar_over_time", "sum_over_time",
	}
	VectorOps = [...]string{
		"approx_topk", "avg", "bottomk", "count", "max", "min", "sort", "sort_desc", "stddev", "stdvar", "sum", "topk",
	}
)

func (*LogExpr) expr()           {}
func (*RangeAggregation) expr()  {}
func (*VectorAggregation) expr() {}
func (*BinaryExpr) expr()        {}
func (*LabelReplace) expr()      {}
func (*VectorExpr) expr()        {}
func (*Literal) expr()           {}

func (*RangeAggregation) metricExpr()  {}
func (*VectorAggregation) metricExpr() {}
func (*BinaryExpr) metricExpr()        {}
func (*LabelReplace) metricExpr()      {}
func (*VectorExpr) metricExpr()        {}
func (*Literal) metricExpr()           {}

func (*LineFilter) stage()       {}
func (*JSONParser) stage()       {}
func (*LogfmtParser) stage()     {}
func (*RegexpParser) stage()     {}
func (*PatternParser) stage()    {}
func (*Unpack) stage()           {}
func (*LabelFilterStage) stage() {}
func (*LineFormat) stage()       {}
func (*LabelFormat) stage()      {}
func (*Decolorize) stage()       {}
func (*Drop) stage()             {}
func (*Keep) stage()             {}

func (*AndFilter) labelFilter()      {}
func (*OrFilter) labelFilter()       {}
func (*StringFilter) labelFilter()   {}
func (*NumberFilter) labelFilter()   {}
func (*DurationFilter) labelFilter() {}
func (*BytesFilter) labelFilter()    {}
func (*IPFilter) labelFilter()       {}

// Logs calls f with every log query inside e: itself, or those of its ranges.
func Logs(e Expr, f func(*LogExpr)) {
	switch e := e.(type) {
	case *LogExpr:
		f(e)
	case *RangeAggregation:
		f(e.Range.Log)
	case *VectorAggregation:
		Logs(e.Expr, f)
	case *BinaryExpr:
		Logs(e.Left, f)
		Logs(e.Right, f)
	case *LabelReplace:
		Logs(e.Expr, f)
	}
}
