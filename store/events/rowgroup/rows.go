// Package rowgroup turns a few thousand log records into bytes and searches them there. A group is the unit in which the events
// engine compresses, skips and reads: its lines are taken apart into columns that are coded by what they hold, and put together
// again byte for byte.
//
// An Encoder makes three pieces of a group: Data, the columns; Filters, what tells without reading Data that a text cannot be in
// it; and Meta, which says how many records of which streams there are and where everything lies. Open takes a Meta, Select
// searches. SelectRows is the same search over records that are not encoded.
//
// What must always be true: Rows gives back what Encode took, byte for byte; Select yields what SelectRows yields, but for records
// that a hint excludes; and no stored bytes, however damaged, make a decoder panic or take more memory than a group may have.
package rowgroup

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// The limits of one group. They bound what a decoder needs: a row is numbered in 13 bits, and a group of MaxBytes takes some
// 10 MiB while it is searched. Larger groups compress better by a few percent, and are skipped less often.
const (
	MaxRows  = 8192
	MaxBytes = 2 << 20 // of lines and fields; where the caller cuts, not what is refused: a single record may be longer
	// MaxLine is what all lines and fields of a group may have together; more is refused, by decoders too.
	MaxLine = 256 << 20
)

// Rows is the records of a group, sorted by stream, then by time. Streams says which stream a record belongs to, as an index
// of a table that the caller keeps. Fields may be nil when no record has any.
type Rows struct {
	Streams []uint32
	Times   []int64
	Lines   []string
	Fields  [][]model.Field // each sorted by name, each name once, no empty value
}

// Len is the number of records.
func (r *Rows) Len() int { return len(r.Times) }

// fields returns the stored fields of record i.
func (r *Rows) fields(i int) []model.Field {
	if r.Fields == nil {
		return nil
	}
	return r.Fields[i]
}

// RowBytes is the size of a record as everybody counts it: its line, and the names and values of its fields.
func RowBytes(line string, fields []model.Field) int {
	n := len(line)
	for _, f := range fields {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

func (r *Rows) check() error {
	n := r.Len()
	switch {
	case n == 0 || n > MaxRows:
		return model.NewError(model.Invalid, fmt.Sprintf("cannot encode a group of %d records: it takes 1 to %d", n, MaxRows))
	case len(r.Streams) != n || len(r.Lines) != n || r.Fields != nil && len(r.Fields) != n:
		return model.NewError(model.Invalid, fmt.Sprintf("cannot encode a group: %d times, %d streams, %d lines, %d lists of fields", n, len(r.Streams), len(r.Lines), len(r.Fields)))
	}
	total := 0
	for i := range n {
		if i > 0 && (r.Streams[i] < r.Streams[i-1] || r.Streams[i] == r.Streams[i-1] && r.Times[i] < r.Times[i-1]) {
			return model.NewError(model.Invalid, fmt.Sprintf("cannot encode a group: record %d is out of order: they go by stream, then by time", i))
		}
		total += RowBytes(r.Lines[i], r.fields(i))
	}
	if total > MaxLine {
		return model.NewError(model.Invalid, fmt.Sprintf("cannot encode a group of %d bytes: it takes at most %d", total, MaxLine))
	}
	return nil
}

// Stream is what Select has to know of a stream of the caller's table.
type Stream struct {
	Labels labels.Labels
	ID     uint64
	Wanted bool     // false: its records are not looked at
	Hide   []*Query // records that one of these selects are left out: deletions that are not carried out yet
}

// Run is a row of records of one stream, in a group.
type Run struct {
	Stream           uint32 // index of the caller's table
	First, Rows      int
	Bytes            int64 // as RowBytes counts them
	MinTime, MaxTime int64
}

// Info tells of a group without reading more than its Meta.
type Info struct {
	Rows             int
	Bytes            int64 // as RowBytes counts them
	MinTime, MaxTime int64
	DataLen          int64
	FiltersLen       int64
	Runs             []Run
}

// runs finds the streams' runs in rows.
func (r *Rows) runs() []Run {
	var out []Run
	for i, s := range r.Streams {
		if i == 0 || s != r.Streams[i-1] {
			out = append(out, Run{Stream: s, First: i, MinTime: r.Times[i]})
		}
		run := &out[len(out)-1]
		run.Rows++
		run.Bytes += int64(RowBytes(r.Lines[i], r.fields(i)))
		run.MaxTime = r.Times[i]
	}
	return out
}
