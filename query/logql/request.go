package logql

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/hulotte-dev/hulotte/store"
)

// Direction is the order in which a log query looks for its entries. Its zero value is Loki's default.
type Direction int8

// The directions.
const (
	Backward Direction = iota // the newest first
	Forward                   // the oldest first
)

// Request asks for the answer to one query.
type Request struct {
	Query string
	// Start and End bound a range query: log queries take Start <= time < End, metric queries evaluate at Start, Start+Step, ... up to
	// End. A request whose Start and End are the same instant is an instant query.
	Start, End time.Time
	Step       time.Duration // of metric queries
	// Interval, when positive, makes a log query leave out entries that are nearer than that to the one before, over all streams.
	Interval  time.Duration
	Limit     int // entries of a log query; 0 is Options.DefaultEntries
	Direction Direction
	// Categorize groups the entries of a log query by the labels of their stream alone; else by all labels.
	Categorize bool
}

// Instant says whether the request is for one point of time.
func (r *Request) Instant() bool { return r.Start.Equal(r.End) }

// Result is the answer: one of its first four is set.
type Result struct {
	Streams []Stream // not nil for a log query, even when it is empty
	Matrix  promql.Matrix
	Vector  promql.Vector
	Scalar  *promql.Scalar

	Warnings []string // sentences about what the answer lacks
	Stats    Stats
}

// Stream is entries with one label set. Streams are sorted by labels; entries are in the request's direction.
type Stream struct {
	// Labels is the final labels of the entries; of a request with Categorize only those that come from the stream.
	Labels  labels.Labels
	Entries []Entry
}

// Entry is one record that went through the pipeline.
type Entry struct {
	Time int64 // nanoseconds since the epoch
	Line string
	// Structured and Parsed are those of the final labels that come from the record's stored fields, and those that the stages made.
	Structured, Parsed labels.Labels
}

// Stats says what an answer cost.
type Stats struct {
	store.EventStats
	Queued  time.Duration // waiting for a turn
	Exec    time.Duration // everything else
	Entries int           // log entries returned
}
