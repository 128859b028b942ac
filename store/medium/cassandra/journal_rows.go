package cassandra

import (
	"context"
	"errors"
	"fmt"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// raw takes a column's bytes as the driver received them, without a copy: each response has a buffer of its own, which nobody else writes to.
type raw []byte

// UnmarshalCQL implements gocql.Unmarshaler.
func (r *raw) UnmarshalCQL(_ gocql.TypeInfo, data []byte) error {
	*r = data
	return nil
}

// storedRow is a row as it was read.
type storedRow struct {
	seq  uint64
	data raw
}

// Rows are read a page at a time. A page aims at pageBytes, by the size of the rows before it, and never has more than maxPageRows, so
// that large rows behind small ones do not fill the memory.
const (
	pageBytes   = 4 << 20
	maxPageRows = 96
	minPageRows = 8
)

// readRows calls f for the rows of a segment in [from, to) that are there, in order.
func (js *journals) readRows(ctx context.Context, id gocql.UUID, segment, from, to uint64, f func(storedRow) error) error {
	limit := minPageRows
	for from < to {
		page, err := js.pageOfRows(ctx, id, segment, from, to, limit)
		if err != nil {
			return err
		}
		size := 0
		for _, r := range page {
			size += len(r.data)
			if err := f(r); err != nil {
				return err
			}
		}
		if len(page) < limit {
			return nil
		}
		from = page[len(page)-1].seq + 1
		limit = min(max(pageBytes*len(page)/max(size, 1), minPageRows), maxPageRows)
	}
	return nil
}

const endOfRows = 1<<63 - 1

func (js *journals) pageOfRows(ctx context.Context, id gocql.UUID, segment, from, to uint64, limit int) ([]storedRow, error) {
	page := make([]storedRow, 0, limit)
	err := js.s.read(ctx, request{
		table: "journal_rows", op: "select",
		cql:      "SELECT seq, data FROM journal_rows WHERE id = ? AND segment = ? AND seq >= ? AND seq < ? LIMIT ?",
		args:     []any{id, int64(segment), int64(from), int64(min(to, endOfRows)), limit},
		pageSize: limit + 1, // never a second page
	}, func(scan func(...any) error) error {
		var seq int64
		var data raw
		err := scan(&seq, &data)
		page = append(page, storedRow{uint64(seq), data})
		return err
	})
	return page, err
}

// lastRow returns the last row of a segment that can be read.
func (js *journals) lastRow(ctx context.Context, id gocql.UUID, segment uint64) (row, bool, error) {
	to := int64(endOfRows)
	for {
		var seq int64
		var data raw
		found, err := js.s.one(ctx, request{
			table: "journal_rows", op: "select",
			cql:  "SELECT seq, data FROM journal_rows WHERE id = ? AND segment = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
			args: []any{id, int64(segment), to},
		}, &seq, &data)
		if err != nil || !found {
			return row{}, false, err
		}
		r, err := decodeRow(rowKey{id, segment, uint64(seq)}, data)
		if err == nil {
			return r, true, nil
		}
		to = seq // the one before it is below all that was acknowledged behind it, so that verify and Replay must tell of the damage
	}
}

// sealClosing decides the segments that are closing: what is there now counts, what is not never will. It reads at a
// quorum, which makes what it sees durable (Cassandra repairs what it reads before it answers), so that whoever decides
// later decides the same; the caller then stores the decision, on condition that nobody else did.
func (js *journals) sealClosing(ctx context.Context, h journalHead) (journalHead, error) {
	sealed := h
	sealed.revision++
	sealed.state = h.state.clone()
	for _, s := range h.state.segments {
		if s.state != segmentClosing {
			continue
		}
		decided, err := js.decide(ctx, h, s)
		if err != nil {
			return h, fmt.Errorf("cannot decide what counts in segment %d: %w", s.number, err)
		}
		sealed.state.seal(decided)
	}
	return sealed, nil
}

// decide says which rows of a segment count. Those below the watermark were acknowledged and count in any case: when they are missing,
// that is damage, and is not to be forgotten.
func (js *journals) decide(ctx context.Context, h journalHead, s segment) (segment, error) {
	d := decision{segment: s, watermark: h.acknowledgedIn(s.number)}
	d.state, d.last = segmentSealed, h.state.next-1
	last, found, err := js.lastRow(ctx, h.id, s.number)
	if err != nil {
		return s, err
	}
	if found {
		d.watermark = max(d.watermark, last.watermark)
	}
	// A page before the watermark too: it has the first pieces of an entry whose last ones are undecided.
	from := d.watermark - min(d.watermark, maxFragments)
	d.seen = from
	err = js.readRows(ctx, h.id, s.number, from, endOfRows, func(r storedRow) error {
		d.add(r, rowKey{h.id, s.number, r.seq})
		return d.err
	})
	if err != nil {
		return s, err
	}
	d.end()
	return d.segment, d.err
}

// maxFragments is how many rows the largest entry takes.
const maxFragments = medium.MaxEntry/maxRowPayload + 1

func (h *journalHead) acknowledgedIn(segment uint64) uint64 {
	if uint64(h.segment) != segment {
		return 0
	}
	return uint64(max(h.acknowledged, 0))
}

// decision is a segment whose rows are being looked at, in order.
type decision struct {
	segment
	watermark uint64
	seen      uint64 // rows below this number have been looked at
	piecesAt  uint64 // the row where the large entry begins whose pieces are coming
	pieces    uint64 // bytes of it that are there
	err       error
}

func (d *decision) add(r storedRow, key rowKey) {
	d.absent(r.seq)
	d.seen = r.seq + 1
	d.bytes += uint64(len(r.data))
	row, err := decodeRow(key, r.data)
	if err != nil || !row.fragment {
		d.cut(r.seq)
		d.take(r, row) // a damaged row counts, as damage: somebody may have been told that it is there
		return
	}
	if row.off == 0 || row.off != d.pieces {
		d.cut(r.seq)
		d.piecesAt = r.seq
	}
	if row.off != d.pieces { // its beginning is missing, or lies before what was looked at
		d.abandonUndecided(r.seq, r.seq+1)
		return
	}
	d.pieces += uint64(len(row.payload))
	if row.lastFragment() {
		d.pieces = 0
		d.take(r, row)
	}
}

func (d *decision) take(r storedRow, row row) {
	d.rows = r.seq + 1
	d.last = max(d.last, uint64(row.last))
}

// absent is told of the next row that is there.
func (d *decision) absent(seq uint64) {
	if seq > d.seen {
		d.cut(d.seen)
		d.abandonUndecided(d.seen, seq)
	}
}

// cut gives up a large entry whose pieces are not all there; there are some below to.
func (d *decision) cut(to uint64) {
	if d.pieces > 0 {
		d.abandonUndecided(d.piecesAt, to)
		d.pieces = 0
	}
}

func (d *decision) abandonUndecided(from, to uint64) {
	from = max(from, d.watermark)
	if from >= to {
		return
	}
	if n := len(d.abandoned); n > 0 && d.abandoned[n-1].to >= from {
		d.abandoned[n-1].to = max(d.abandoned[n-1].to, to)
		return
	}
	if len(d.abandoned) == maxAbandoned {
		d.err = errors.New("too many rows in it are missing above the last that is known to be acknowledged")
		return
	}
	d.abandoned = append(d.abandoned, numbers{from, to})
}

// end closes the list: what is abandoned at the end is simply not counted.
func (d *decision) end() {
	d.cut(d.seen)
	d.rows = max(d.rows, d.watermark)
	for n := len(d.abandoned); n > 0 && d.abandoned[n-1].from >= d.rows; n-- {
		d.abandoned = d.abandoned[:n-1]
	}
	if n := len(d.abandoned); n > 0 && d.abandoned[n-1].to >= d.rows {
		d.rows = d.abandoned[n-1].from
		d.abandoned = d.abandoned[:n-1]
	}
}
