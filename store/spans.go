package store

import (
	"context"
	"regexp"

	"github.com/hulotte-dev/hulotte/model"
)

// Spans is the spans of one tenant. It is safe for concurrent use.
type Spans interface {
	SpanAppender
	SpanReader
}

// SpanAppender takes spans.
type SpanAppender interface {
	// AppendSpans keeps the spans. When it returns without an error, everything but what it refused is durable and seen by every later
	// call of a reader. It takes the strings only for the length of the call. Spans of one trace may come in any number
	// of calls, in any order of time. On an error nothing is promised: whoever has the spans sends them again (ErrNoSpace, ErrBusy:
	// later; the others say what is wrong with them).
	AppendSpans(ctx context.Context, groups []model.SpanGroup) (model.Refusals, error)
}

// SpanReader finds spans. What was appended before a call is found; what is appended meanwhile may be.
type SpanReader interface {
	// Traces calls f once for each of the ids of which there are spans, whole, wherever its spans lie, in no order and one call at
	// a time, until f returns an error, which it returns. A span that came twice, the same in everything, is there once. The
	// range is a hint by which blocks are left out: spans that start outside of it may be left out; 0, 0 is all there is. At most
	// limit spans of each trace are given (0: no limit), the first by start. What f is given it may keep.
	Traces(ctx context.Context, ids []model.TraceID, start, end int64, limit int, f func(model.Trace) error) (SpanStats, error)

	// SelectSpans calls f with the spans that q asks for, until f or q.Enough ends it. An error of f is returned as it is. Spans of one
	// trace that came at different times may come in different batches.
	SelectSpans(ctx context.Context, q SpanQuery, f func(worker int, b SpanBatch) error) (SpanStats, error)

	// SpanFields returns the attributes that spans which start in the range have, sorted by scope and name, at most limit of them
	// (0: no limit). Blocks that reach beyond the range count whole.
	SpanFields(ctx context.Context, start, end int64, limit int) ([]SpanFieldInfo, error)

	// SpanValues returns the values that a field has among spans that start in the range and pass the filter (nil: all), with the
	// number of spans, the most frequent first, at most limit of them (0: 1000). It may be short of values when there are very many.
	// Without a filter, values and counts of blocks that reach beyond the range may count whole.
	SpanValues(ctx context.Context, field SpanField, start, end int64, filter *SpanFilter, limit int) ([]SpanValueInfo, error)
}

// SpanTenants finds the spans of a tenant by its name.
type SpanTenants interface {
	// SpanReader returns the tenant's spans for reading; a tenant that nobody has written to has none.
	SpanReader(tenant string) (SpanReader, error)
	// SpanWriter returns the tenant's spans for writing, creating the tenant when it is new (ErrTooManyTenants).
	SpanWriter(tenant string) (Spans, error)
	// Names lists the tenants that hold spans, sorted.
	Names() []string
}

// SpanScope is where a field of a span is found.
type SpanScope int8

// The scopes.
const (
	// AnyScope is the span's own attribute of that name, or else the resource's.
	AnyScope SpanScope = iota
	// IntrinsicScope is what every span has, named by the constants Intrinsic….
	IntrinsicScope
	OnSpan
	OnResource
	OnEvent // of any of the span's events
	OnLink  // of any of the span's links
	OnScope // OpenTelemetry's instrumentation scope
)

// The intrinsic fields of a span.
const (
	IntrinsicName          = "name"
	IntrinsicKind          = "kind"                 // IntValue: model.SpanKind
	IntrinsicStatus        = "status"               // IntValue: model.SpanStatus
	IntrinsicStatusMessage = "statusMessage"        // absent when empty
	IntrinsicDuration      = "duration"             // IntValue: nanoseconds
	IntrinsicStart         = "start"                // IntValue: nanoseconds since the epoch
	IntrinsicEvent         = "event:name"           // of any of the span's events
	IntrinsicEventSince    = "event:timeSinceStart" // IntValue: nanoseconds, of any event
	IntrinsicLinkTrace     = "link:traceID"         // StringValue: 32 hexadecimal digits
	IntrinsicLinkSpan      = "link:spanID"          // StringValue: 16 hexadecimal digits
	IntrinsicScopeName     = "instrumentation:name"
	IntrinsicScopeVersion  = "instrumentation:version"
	IntrinsicTraceID       = "trace:id"      // StringValue: 32 hexadecimal digits
	IntrinsicSpanID        = "span:id"       // StringValue: 16 hexadecimal digits
	IntrinsicParentID      = "span:parentID" // StringValue; absent for a root
)

// SpanField names a field of spans.
type SpanField struct {
	Scope SpanScope
	Name  string
}

// SpanFieldInfo tells of a field.
type SpanFieldInfo struct {
	SpanField
	Kind  model.ValueKind // of most of its values
	Spans int64           // that have it, estimated
}

// SpanValueInfo is a value with the number of spans that have it.
type SpanValueInfo struct {
	Value model.Value
	Spans int64
}

// SpanOp compares a field with a value.
type SpanOp int8

// The comparisons. Fields that are absent pass Absent alone; values of different kinds pass none of the others, but integers and floats
// compare as numbers. Strings order by bytes. A field with several values (of events and links) passes when one of them does.
const (
	Equal SpanOp = iota
	NotEqual
	Less
	LessOrEqual
	Greater
	GreaterOrEqual
	Matches    // the whole text, by Pattern; StringValue alone
	NotMatches // StringValue alone
	Present
	Absent
)

// SpanFilter is a condition on a span: a comparison, or a tree of them. Its zero value passes everything. A filter is not changed
// while it is used.
type SpanFilter struct {
	// All: every one passes. Any: at least one passes. Not: it does not pass. At most one of the three is set; when none is, Field is compared
	// by Op with Value (or Pattern).
	All []*SpanFilter
	Any []*SpanFilter
	Not *SpanFilter

	Field   SpanField
	Op      SpanOp
	Value   model.Value
	Pattern *regexp.Regexp // anchored at both ends by whoever makes it
}

// SpanQuery says which spans SelectSpans yields.
type SpanQuery struct {
	// Start and End bound the spans' start in nanoseconds: Start <= start < End.
	Start, End int64
	// Filter passes for every span that is yielded; nil passes all.
	Filter *SpanFilter
	// WholeTraces yields, beside the spans that pass, all others that are stored together with them and of the same trace, and
	// SpanBatch.Passed tells which pass.
	WholeTraces bool
	// Fields are those whose columns f will ask for; others cost more.
	Fields []SpanField

	Order EventOrder
	// Workers and Enough are as in EventQuery; the time is the spans' start.
	Workers int
	Enough  func(next int64) bool
}

// SpanBatch is some spans, those of one trace together and ascending in their start. It and everything that comes from it may be used only until the
// call of f that brought it returns, and by one goroutine; strings that are kept must be cloned.
type SpanBatch interface {
	Len() int
	// Traces tells which spans are of which trace, in the order of the rows.
	Traces() []SpanRun
	// Passed has bit i%64 of word i/64 set where span i passes the filter; nil when all do.
	Passed() []uint64
	IDs() []model.SpanID
	Parents() []model.SpanID
	Starts() []int64
	Durations() []int64
	// Column returns a field of all spans; one that none has is Absent everywhere. Of several values (events, links) it is the first.
	Column(f SpanField) ValueColumn
	// Groups returns whole spans, those of the rows given, ascending; they may be kept.
	Groups(rows []int) ([]model.SpanGroup, error)
}

// SpanRun is spans of one trace: rows First to End-1.
type SpanRun struct {
	Trace      model.TraceID
	First, End int
}

// ValueColumn is one field of the spans of a batch. Its zero value is a field that no span has.
type ValueColumn struct {
	// Dict and Codes: span i has the value Dict[Codes[i]]. A nil Codes with a Dict of one value: all spans have it.
	Dict  []model.Value
	Codes []uint32
	// Numbers, when it is not nil, is the values by span, all of the kind Kind (IntValue, or FloatValue by its bits).
	Kind    model.ValueKind
	Numbers []int64
	// Texts is the values by span, all StringValue, when there are too many different ones for a Dict.
	Texts []string
	// Missing has bit i%64 of word i/64 set where span i does not have the field; nil when all have it. What the other parts
	// hold there means nothing.
	Missing []uint64
}

// Absent says whether no span has the field.
func (c *ValueColumn) Absent() bool { return c.Dict == nil && c.Numbers == nil && c.Texts == nil }

// Has says whether span i has the field.
func (c *ValueColumn) Has(i int) bool {
	return !c.Absent() && (c.Missing == nil || c.Missing[i/64]>>(i%64)&1 == 0)
}

// Value returns the field of span i; its kind is NoValue when the span does not have it.
func (c *ValueColumn) Value(i int) model.Value {
	switch {
	case !c.Has(i):
		return model.Value{}
	case c.Numbers != nil:
		return model.Value{Kind: c.Kind, Bits: c.Numbers[i]}
	case c.Texts != nil:
		return model.TextValue(c.Texts[i])
	case c.Codes != nil:
		return c.Dict[c.Codes[i]]
	}
	return c.Dict[0]
}

// SpanStats says what a call of a reader cost.
type SpanStats struct {
	Blocks, Groups int64 // in the range of time
	GroupsSkipped  int64 // of them, those that were left out without reading them
	HeadSpans      int64 // looked at in memory
	SpansRead      int64 // looked at in blocks
	SpansYielded   int64
	BytesRead      int64 // compressed, from the medium
}

// Add adds other to s.
func (s *SpanStats) Add(other SpanStats) {
	s.Blocks += other.Blocks
	s.Groups += other.Groups
	s.GroupsSkipped += other.GroupsSkipped
	s.HeadSpans += other.HeadSpans
	s.SpansRead += other.SpansRead
	s.SpansYielded += other.SpansYielded
	s.BytesRead += other.BytesRead
}
