package store

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// Events is the log records of one tenant. It is safe for concurrent use.
type Events interface {
	EventAppender
	EventReader
}

// EventAppender takes records.
type EventAppender interface {
	// AppendRecords keeps the records. When it returns without an error, everything but what it refused is durable and
	// seen by every later Select. It takes the strings only for the length of the call. Records may come in
	// any order of time. On an error nothing is promised: whoever has the records sends them again
	// (ErrNoSpace, ErrBusy: later; the others say what is wrong with them).
	AppendRecords(ctx context.Context, streams []model.Stream) (model.Refusals, error)
}

// EventReader finds records.
type EventReader interface {
	// Select calls f with the records that q asks for, until f or q.Enough ends it. An error of f is returned as it is.
	// What was appended before the call is found; what is appended meanwhile may be.
	Select(ctx context.Context, q EventQuery, f func(worker int, b EventBatch) error) (EventStats, error)

	// Streams returns the streams that match all matchers and have records from start on and before end (nanoseconds), sorted by labels. The counts
	// are of that range, and may be estimated where a block reaches beyond it.
	Streams(ctx context.Context, start, end int64, matchers ...*labels.Matcher) ([]StreamInfo, error)

	// Follow calls f once without records as soon as it follows, and then with the records that are appended to matching streams
	// from that moment on, in the order in which they come, until ctx ends or f returns an error, which it returns. Whoever is slow
	// loses records: dropped counts those since the last call. The records are f's only until it returns. Whoever calls Select
	// after the first call misses no record.
	Follow(ctx context.Context, matchers []*labels.Matcher, f func(stream labels.Labels, records []model.Record, dropped int) error) error
}

// StreamInfo tells of a stream without reading it.
type StreamInfo struct {
	Labels  labels.Labels
	Records int64
	Bytes   int64 // of lines and fields, as they came
	Chunks  int64 // pieces in which it is stored
}

// EventOrder is in which order Select yields.
type EventOrder int8

// The orders. Rows of one batch always ascend in time.
const (
	AnyOrder EventOrder = iota // f is called by up to Workers goroutines at once
	Forward                    // one call at a time, the oldest first, as far as Enough says
	Backward                   // one call at a time, the newest first, as far as Enough says
)

// EventQuery says which records Select yields.
type EventQuery struct {
	// Start and End bound the time in nanoseconds: Start <= time < End.
	Start, End int64
	// Matchers all hold for the labels of the stream. None matches every stream.
	Matchers []*labels.Matcher
	// Filters all hold for every record that is yielded.
	Filters []RecordFilter
	// Hints hold for the records that are looked for: the engine may leave out those for which one does not hold, and may
	// yield them too.
	Hints []FieldHint

	Order EventOrder
	// Workers is how many goroutines may call f at once in AnyOrder, numbered from 0; 0 is one for each processor.
	Workers int
	// Enough, when it is not nil, is asked in the orders Forward and Backward between batches: everything that is still to be
	// yielded is at next or later (Forward), at next or earlier (Backward). True ends Select. Batches of such a Select
	// overlap in time, and whoever wants rows in strict order keeps them until Enough tells that none can come between.
	Enough func(next int64) bool
}

// RecordFilter is a condition on a record's text.
type RecordFilter struct {
	// AnyField also looks at the values of the record's fields, and passes when one of them or the line does.
	AnyField bool
	// Needles is a necessary condition, by which whole blocks are skipped: a text that passes contains, of each list, at
	// least one string. Fold compares without regard to the case of ASCII letters.
	Needles [][]string
	Fold    bool
	// Match decides; it is called by several goroutines at once. Nil: the needles decide.
	Match func(text string) bool
	// Not turns the filter around: what would pass does not, and the needles are no condition any more.
	Not bool
}

// Source says where a field of a record comes from.
type Source int8

// The sources.
const (
	Stored Source = iota // the record's Fields
	JSON                 // the top level and the nested objects of a line that is a JSON object, keys joined by "_"
	Logfmt               // the pairs of a line in logfmt
)

// FieldHint is a condition on one field. Hints do not apply to records whose stream has a label of that name; hints on JSON and
// Logfmt are about the parsed line alone: they do not apply to records which have a stored field of that name either.
type FieldHint struct {
	Source Source
	// Name is the field's name as queries write it: of a key in a line, every character but ASCII letters, digits and _ is an _,
	// and a leading digit has an _ before it. The first of several keys that become one name counts.
	Name string
	// Any, when it is not empty, is the values of which the field has one; none of them is empty. Else the field is a number (as
	// strconv.ParseFloat reads it) from Min to Max, both included; what has a value that is no number is not left out.
	Any      []string
	Min, Max float64
}

// EventBatch is some records of one stream, ascending in time. It and everything that comes from it may be used only
// until the call of f that brought it returns, and by one goroutine; strings that are kept must be cloned.
type EventBatch interface {
	// Stream returns the labels, which may be kept. StreamID is the same for the same stream within one Select and differs
	// between streams.
	Stream() labels.Labels
	StreamID() uint64
	Len() int
	Times() []int64
	// TimeRange returns two times between which all are, both included. It costs nothing.
	TimeRange() (oldest, newest int64)
	// Lines returns the lines. It costs more than a column, so that whoever does not need them does not ask.
	Lines() []string
	// LineLengths returns how many bytes each line has. It costs much less than the lines.
	LineLengths() []uint32
	// FieldNames returns the names of the stored fields that some record of the batch has, sorted; it may name a few more.
	FieldNames() []string
	// Column returns a stored field of all records; one that none has is Absent everywhere.
	Column(name string) Column
	// Parsed returns the fields of the lines as the source's parser finds them, without parsing the lines again. It answers
	// false when it cannot, then the caller parses Lines; it can only when every line of the batch is whole and valid in that
	// format. Keys are as the line has them, nested ones joined by "_"; values are unescaped, numbers and true and false as
	// they are written, arrays and null are left out.
	Parsed(source Source) (ParsedLines, bool)
}

// ParsedLines is the fields that were found in the lines of a batch.
type ParsedLines interface {
	// Names returns the fields that some line has, in order of their first appearance; it may name a few more.
	Names() []string
	Column(name string) Column
}

// Column is one field of the records of a batch. Its zero value is a field that no record has.
type Column struct {
	// Dict and Codes: record i has the value Dict[Codes[i]]. A nil Codes with a Dict of one value: all records have it.
	Dict  []string
	Codes []uint32
	// Texts is the values by record, when there are too many different ones for a Dict.
	Texts []string
	// Numbers, when it is not nil, is the values by record as strconv.ParseFloat reads them; Text tells how they are written.
	Numbers []float64
	Text    func(i int) string
	// Missing has bit i%64 of word i/64 set where record i does not have the field; nil when all have it. What the other
	// parts hold there means nothing.
	Missing []uint64
}

// Absent says whether no record has the field.
func (c *Column) Absent() bool {
	return c.Dict == nil && c.Texts == nil && c.Numbers == nil
}

// Has says whether record i has the field.
func (c *Column) Has(i int) bool {
	return !c.Absent() && (c.Missing == nil || c.Missing[i/64]>>(i%64)&1 == 0)
}

// Value returns the field of record i, or "" when it does not have it.
func (c *Column) Value(i int) string {
	switch {
	case !c.Has(i):
		return ""
	case c.Codes != nil:
		return c.Dict[c.Codes[i]]
	case c.Dict != nil:
		return c.Dict[0]
	case c.Texts != nil:
		return c.Texts[i]
	}
	return c.Text(i)
}

// EventStats says what a Select cost.
type EventStats struct {
	Blocks, Groups         int64 // in the range of time
	GroupsSkipped          int64 // of them, those that were left out without reading them
	HeadRecords            int64 // looked at in memory
	RecordsRead            int64 // looked at in blocks
	RecordsYielded         int64
	BytesRead              int64 // compressed, from the medium
	BytesSearched          int64 // of lines and fields, as they came, in the groups and heads that were looked at
	RecordsTotal, BytesAll int64 // of the matching streams in the range of time, estimated, looked at or not
}

// Add adds other to s.
func (s *EventStats) Add(other EventStats) {
	s.Blocks += other.Blocks
	s.Groups += other.Groups
	s.GroupsSkipped += other.GroupsSkipped
	s.HeadRecords += other.HeadRecords
	s.RecordsRead += other.RecordsRead
	s.RecordsYielded += other.RecordsYielded
	s.BytesRead += other.BytesRead
	s.BytesSearched += other.BytesSearched
	s.RecordsTotal += other.RecordsTotal
	s.BytesAll += other.BytesAll
}

// EventTenants finds the records of a tenant by its name, as Tenants does for series.
type EventTenants interface {
	// EventReader returns the tenant's records for reading; a tenant that nobody has written to has none.
	EventReader(tenant string) (EventReader, error)
	// EventWriter returns the tenant's records for writing, creating the tenant when it is new (ErrTooManyTenants).
	EventWriter(tenant string) (Events, error)
	// Names lists the tenants that hold records, sorted.
	Names() []string
}

// ErrBusy is returned by AppendRecords when records come faster than they can be written. Sending again later is right.
var ErrBusy = model.NewError(model.Unavailable, "too many records at once: the store is busy")

// EventDeletion asks for the deletion of records.
type EventDeletion struct {
	ID      string `json:"id"`    // given by the store
	Query   string `json:"query"` // as the user wrote it, for display
	Start   int64  `json:"start"` // nanoseconds: Start <= time < End
	End     int64  `json:"end"`
	Created int64  `json:"created"` // nanoseconds
	// Done says that no byte of the records is left; before it they are only hidden from every Select.
	Done bool `json:"done"`

	Selection DeletionSelection `json:"selection"`
}

// DeletionSelection is what can be kept as text and understood again after a restart.
type DeletionSelection struct {
	Matchers []DeletionMatcher `json:"matchers"`
	Filters  []DeletionFilter  `json:"filters,omitempty"`
}

// DeletionMatcher is a labels.Matcher: Type is one of = != =~ !~.
type DeletionMatcher struct{ Name, Type, Value string }

// DeletionFilter is a line filter: Op is one of |= != |~ !~.
type DeletionFilter struct{ Op, Text string }

// EventDeleter is implemented by Events whose records can be deleted.
type EventDeleter interface {
	// DeleteRecords hides the records at once and removes them for good with the next merge of their blocks. It returns the
	// deletion with its ID.
	DeleteRecords(ctx context.Context, d EventDeletion) (EventDeletion, error)
	// Deletions returns what was asked for, newest first, also what is done, as long as it is remembered.
	Deletions(ctx context.Context) ([]EventDeletion, error)
	// CancelDeletion forgets a deletion that is not done: what is not removed yet is seen again. One that is done is
	// Conflict, an unknown one NotFound.
	CancelDeletion(ctx context.Context, id string) error
}
