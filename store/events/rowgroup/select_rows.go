package rowgroup

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// SelectRows calls f with the records of rows that q selects and whose stream is wanted: one batch for each stream that has
// any. It means what Group.Select means, for records that are not encoded: those of the head. It takes no hints. streams is the table that rows.Streams
// points into. The strings of the batches are those of rows.
func SelectRows(ctx context.Context, rows Rows, q *Query, streams []Stream, f func(store.EventBatch) error) (store.EventStats, error) {
	var stats store.EventStats
	for first := 0; first < rows.Len(); {
		if err := ctx.Err(); err != nil {
			return stats, context.Cause(ctx)
		}
		end := first + 1
		for end < rows.Len() && rows.Streams[end] == rows.Streams[first] {
			end++
		}
		if s := &streams[rows.Streams[first]]; s.Wanted {
			b := selectRun(&rows, first, end, q, s, &stats)
			if len(b.times) > 0 {
				stats.RecordsYielded += int64(len(b.times))
				if err := f(b); err != nil {
					return stats, err
				}
			}
		}
		first = end
	}
	stats.RecordsTotal, stats.BytesAll = stats.HeadRecords, stats.BytesSearched
	return stats, nil
}

func selectRun(rows *Rows, first, end int, q *Query, s *Stream, stats *store.EventStats) *rowsBatch {
	b := &rowsBatch{stream: s}
	from, _ := slices.BinarySearch(rows.Times[first:end], q.start)
	to, _ := slices.BinarySearch(rows.Times[first:end], q.end)
	for i := first + from; i < first+to; i++ {
		line, fields := rows.Lines[i], rows.fields(i)
		stats.HeadRecords++
		stats.BytesSearched += int64(RowBytes(line, fields))
		if !q.passes(line, fields) || s.hides(rows.Times[i], line, fields) {
			continue
		}
		b.times = append(b.times, rows.Times[i])
		b.lines = append(b.lines, line)
		b.fields = append(b.fields, fields)
	}
	return b
}

// hides says whether a record of the stream is deleted.
func (s *Stream) hides(time int64, line string, fields []model.Field) bool {
	for _, q := range s.Hide {
		if q.Selects(time, line, fields) {
			return true
		}
	}
	return false
}

// rowsBatch is a batch of plain records.
type rowsBatch struct {
	stream *Stream
	times  []int64
	lines  []string
	fields [][]model.Field
}

// Stream implements store.EventBatch.
func (b *rowsBatch) Stream() labels.Labels { return b.stream.Labels }

// StreamID implements store.EventBatch.
func (b *rowsBatch) StreamID() uint64 { return b.stream.ID }

// Len implements store.EventBatch.
func (b *rowsBatch) Len() int { return len(b.times) }

// TimeRange implements store.EventBatch.
func (b *rowsBatch) TimeRange() (oldest, newest int64) { return b.times[0], b.times[len(b.times)-1] }

// Times implements store.EventBatch.
func (b *rowsBatch) Times() []int64 { return b.times }

// Lines implements store.EventBatch.
func (b *rowsBatch) Lines() []string { return b.lines }

// LineLengths implements store.EventBatch.
func (b *rowsBatch) LineLengths() []uint32 {
	out := make([]uint32, len(b.lines))
	for i, line := range b.lines {
		out[i] = uint32(len(line)) //nolint:gosec // a line is below 4 GiB
	}
	return out
}

// FieldNames implements store.EventBatch.
func (b *rowsBatch) FieldNames() []string {
	var names []string
	for i, fields := range b.fields {
		if i > 0 && sameNames(fields, b.fields[i-1]) {
			continue
		}
		for _, f := range fields {
			if at, ok := slices.BinarySearch(names, f.Name); !ok {
				names = slices.Insert(names, at, f.Name)
			}
		}
	}
	return names
}

func sameNames(a, b []model.Field) bool {
	return slices.EqualFunc(a, b, func(a, b model.Field) bool { return a.Name == b.Name })
}

// Column implements store.EventBatch.
func (b *rowsBatch) Column(name string) store.Column {
	texts := make([]string, len(b.times))
	missing := make([]uint64, (len(b.times)+63)/64)
	found := 0
	at := 0
	for i, fields := range b.fields {
		// Most records have their fields in the same places.
		if at >= len(fields) || fields[at].Name != name {
			at = slices.IndexFunc(fields, func(f model.Field) bool { return f.Name == name })
		}
		if at < 0 {
			at = 0
			missing[i/64] |= 1 << (i % 64)
			continue
		}
		found++
		texts[i] = fields[at].Value
	}
	switch found {
	case 0:
		return store.Column{}
	case len(texts):
		return store.Column{Texts: texts}
	}
	return store.Column{Texts: texts, Missing: missing}
}

// Parsed implements store.EventBatch: it cannot, nothing has been taken apart yet.
func (b *rowsBatch) Parsed(store.Source) (store.ParsedLines, bool) { return nil, false }
