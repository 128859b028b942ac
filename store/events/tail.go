package events

import (
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// tail is the records of one stream on one day that are not encoded yet, as bytes of records one after the other. The bytes are never
// changed once they are written, so that a copy of the chunks' headers is a snapshot. They hold no pointers: a million
// records are a few hundred things for the garbage collector.
type tail struct {
	chunks   [][]byte // records are whole in one chunk
	rows     int
	bytes    int64 // of the records as they are here
	raw      int64 // as they came
	min, max uint64
}

const (
	minChunk = 256
	maxChunk = 64 << 10
)

func (t *tail) add(s section) {
	n := len(t.chunks)
	if n == 0 || cap(t.chunks[n-1])-len(t.chunks[n-1]) < len(s.body) {
		size := minChunk
		if n > 0 {
			size = min(2*cap(t.chunks[n-1]), maxChunk)
		}
		t.chunks = append(t.chunks, make([]byte, 0, max(size, len(s.body))))
		n++
	}
	t.chunks[n-1] = append(t.chunks[n-1], s.body...)
	if t.rows == 0 {
		t.min, t.max = s.min, s.max
	}
	t.min, t.max = min(t.min, s.min), max(t.max, s.max)
	t.rows += s.records
	t.bytes += int64(len(s.body))
	t.raw += s.raw
}

// snapshot is the tail as it is now, for readers.
func (t *tail) snapshot() tail {
	out := *t
	out.chunks = slices.Clone(t.chunks)
	return out
}

// rowBuffer puts the records of tails together as rows. The strings are those of the tails.
type rowBuffer struct {
	rows   rowgroup.Rows
	raw    int
	fields []model.Field // the records' fields lie here, one after the other
	order  []int
	old    rowgroup.Rows // of a sort: the rows as they were
}

func (b *rowBuffer) reset() {
	r := &b.rows
	clear(r.Lines)
	clear(r.Fields)
	r.Streams, r.Times, r.Lines, r.Fields = r.Streams[:0], r.Times[:0], r.Lines[:0], r.Fields[:0]
	b.raw, b.fields = 0, nil
}

// add appends the records of a tail, ascending in time, as those of a stream.
func (b *rowBuffer) add(dayStart int64, stream uint32, t tail) error {
	first := len(b.rows.Times)
	sorted := true
	for _, chunk := range t.chunks {
		for len(chunk) > 0 {
			if len(b.fields) > 0 && cap(b.fields)-len(b.fields) < 64 {
				b.fields = make([]model.Field, 0, 4096)
			}
			inDay, line, fields, rest, ok := nextRecord(chunk, b.fields)
			if !ok || inDay >= uint64(dayLength) {
				return corrupt("a record of the head cannot be read")
			}
			added := fields[len(b.fields):len(fields):len(fields)]
			b.fields, chunk = fields, rest
			at := dayStart + int64(inDay)
			sorted = sorted && (len(b.rows.Times) == first || at >= b.rows.Times[len(b.rows.Times)-1])
			b.append(stream, at, line, added)
		}
	}
	if len(b.rows.Times)-first != t.rows {
		return corrupt("a stream of the head has %d records, not %d", len(b.rows.Times)-first, t.rows)
	}
	if !sorted {
		b.sort(first)
	}
	return nil
}

func (b *rowBuffer) append(stream uint32, at int64, line string, fields []model.Field) {
	r := &b.rows
	r.Streams = append(r.Streams, stream)
	r.Times = append(r.Times, at)
	r.Lines = append(r.Lines, line)
	r.Fields = append(r.Fields, fields)
	b.raw += rowgroup.RowBytes(line, fields)
}

// sort sorts the rows from first on by time; those of one time stay in order.
func (b *rowBuffer) sort(first int) {
	r := &b.rows
	times, lines, fields := r.Times[first:], r.Lines[first:], r.Fields[first:]
	b.order = b.order[:0]
	for i := range times {
		b.order = append(b.order, i)
	}
	slices.SortStableFunc(b.order, func(i, j int) int {
		switch {
		case times[i] < times[j]:
			return -1
		case times[i] > times[j]:
			return 1
		}
		return 0
	})
	old := &b.old
	old.Times, old.Lines, old.Fields = append(old.Times[:0], times...), append(old.Lines[:0], lines...), append(old.Fields[:0], fields...)
	for to, from := range b.order {
		times[to], lines[to], fields[to] = old.Times[from], old.Lines[from], old.Fields[from]
	}
	clear(old.Lines) // nothing is held
	clear(old.Fields)
}
