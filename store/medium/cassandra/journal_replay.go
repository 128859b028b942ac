package cassandra

import (
	"context"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Replay implements medium.Journals.
//
// Which rows count is known for a sealed segment. In one that is being written, rows below the newest watermark were acknowledged;
// those above it count when they are there and the segment is still open after they were read: whoever decides about
// them later sees them too. If it is not open any more, the decision is awaited, or made here.
//
// One gap is known: a writer that is cut off from everybody may have left a row above the watermark under way inside the cluster,
// on fewer replicas than a quorum. Until that writer is back or somebody opens the journal, two Replays by others may differ in that one row,
// which was not acknowledged.
func (js *journals) Replay(ctx context.Context, name string, from medium.Position, f func(medium.Position, []byte) error) ([]medium.Damage, error) {
	damage, err := js.replay(ctx, name, from, f)
	if err != nil {
		return damage, fmt.Errorf("cannot replay journal %q: %w", name, err)
	}
	return damage, nil
}

func (js *journals) replay(ctx context.Context, name string, from medium.Position, f func(medium.Position, []byte) error) ([]medium.Damage, error) {
	if err := js.begin(ctx, name); err != nil {
		return nil, err
	}
	defer js.s.leave()
	head, found, err := js.readHead(ctx, name)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, medium.ErrNotFound
	}
	r := &replay{js: js, ctx: ctx, head: head, from: from, f: f}
	err = r.run()
	return r.finish(), err
}

// replay is one Replay under way.
type replay struct {
	js   *journals
	ctx  context.Context
	head journalHead
	from medium.Position
	f    func(medium.Position, []byte) error

	// What was read of large entries whose pieces are not complete.
	pieces   []byte
	piecesAt medium.Position
	nextRow  uint64 // the row that goes on

	sound  medium.Position // last sound position
	damage []medium.Damage
	behind bool // the last of damage has no Before yet
	rows   int64
	bytes  int64
}

func (r *replay) run() error {
	for i := range r.head.state.segments {
		s := r.head.state.segments[i]
		if s.state == segmentSealed && medium.Position(s.last) < r.from {
			continue
		}
		r.dropPieces()
		err := r.segment(s)
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) segment(s segment) error {
	switch s.state {
	case segmentSealed:
		return r.sealed(s, 0)
	case segmentClosing:
		decided, err := r.decided(s.number)
		if err != nil {
			return err
		}
		return r.sealed(decided, 0)
	}
	return r.open(s)
}

// decided returns a segment as it is now; when it is closing, as it is sealed, after making the decision if nobody else has. One that is gone is
// sealed without rows.
func (r *replay) decided(number uint64) (segment, error) {
	for {
		h, found, err := r.js.readHead(r.ctx, r.head.name)
		if err != nil {
			return segment{}, err
		}
		if !found || h.id != r.head.id {
			return segment{state: segmentSealed}, nil
		}
		s := h.state.find(number)
		switch {
		case s == nil:
			return segment{state: segmentSealed}, nil
		case s.state != segmentClosing:
			return *s, nil
		}
		sealed, err := r.js.sealClosing(r.ctx, h)
		if err != nil {
			return segment{}, err
		}
		if _, err := r.js.change(r.ctx, h, sealed); err != nil {
			return segment{}, err
		}
	}
}

// sealed replays the rows of a sealed segment from a number on.
func (r *replay) sealed(s segment, from uint64) error {
	next := from
	err := r.js.readRows(r.ctx, r.head.id, s.number, from, s.rows, func(stored storedRow) error {
		if !s.counts(stored.seq) {
			return nil
		}
		if err := r.missing(s, next, stored.seq); err != nil {
			return err
		}
		next = stored.seq + 1
		return r.row(rowKey{r.head.id, s.number, stored.seq}, stored.data)
	})
	if err != nil {
		return err
	}
	return r.missing(s, next, s.rows)
}

// missing looks at rows of which none was read, and notes those that count as damage, unless the segment is gone by now.
func (r *replay) missing(s segment, from, to uint64) error {
	for seq := from; seq < to; seq++ {
		if s.state == segmentSealed && !s.counts(seq) {
			continue
		}
		there, err := r.stillThere(s.number)
		if err != nil || !there {
			return err
		}
		end := seq + 1
		for end < to && (s.state != segmentSealed || s.counts(end)) {
			end++
		}
		r.damaged(rowKey{r.head.id, s.number, seq}, end-seq, 0, "rows that were acknowledged are not there")
		seq = end
	}
	return nil
}

// stillThere says whether the segment was not truncated meanwhile.
func (r *replay) stillThere(number uint64) (bool, error) {
	h, found, err := r.js.readHead(r.ctx, r.head.name)
	return found && h.id == r.head.id && h.state.find(number) != nil, err
}

// open replays a segment that is being written. Rows are held back until it is known that they count; those in flight
// bound their number.
func (r *replay) open(s segment) error {
	o := openSegment{replay: r, segment: s, watermark: r.head.acknowledgedIn(s.number)}
	err := r.js.readRows(r.ctx, r.head.id, s.number, 0, endOfRows, o.add)
	if err == nil {
		err = o.flush(o.watermark)
	}
	if err != nil {
		return err
	}
	now, err := r.decided(s.number)
	if err != nil {
		return err
	}
	if now.state == segmentOpen {
		return o.flushHeld()
	}
	return r.sealed(now, o.done)
}

// openSegment is a segment whose last rows are undecided.
type openSegment struct {
	*replay
	segment
	watermark uint64
	done      uint64 // rows below it were replayed
	held      []storedRow
}

func (o *openSegment) add(stored storedRow) error {
	o.held = append(o.held, stored)
	if row, err := decodeRow(o.key(stored.seq), stored.data); err == nil && row.watermark > o.watermark {
		o.watermark = row.watermark
	}
	return o.flush(min(o.watermark, stored.seq+1))
}

func (o *openSegment) key(seq uint64) rowKey { return rowKey{o.head.id, o.number, seq} }

// flush replays the rows below a number, all of which were acknowledged.
func (o *openSegment) flush(to uint64) error {
	for o.done < to {
		if len(o.held) > 0 && o.held[0].seq == o.done {
			if err := o.first(); err != nil {
				return err
			}
			continue
		}
		end := to
		if len(o.held) > 0 {
			end = min(end, o.held[0].seq)
		}
		if err := o.late(end); err != nil {
			return err
		}
	}
	return nil
}

// late reads rows again that were not there when their neighbours were read: they were in flight, and have been acknowledged since.
func (o *openSegment) late(end uint64) error {
	err := o.js.readRows(o.ctx, o.head.id, o.number, o.done, end, func(stored storedRow) error {
		if err := o.missing(o.segment, o.done, stored.seq); err != nil {
			return err
		}
		o.done = stored.seq + 1
		return o.row(o.key(stored.seq), stored.data)
	})
	if err != nil {
		return err
	}
	err = o.missing(o.segment, o.done, end)
	o.done = end
	return err
}

func (o *openSegment) first() error {
	stored := o.held[0]
	o.held[0].data = nil
	o.held = o.held[1:]
	o.done = stored.seq + 1
	return o.row(o.key(stored.seq), stored.data)
}

// flushHeld replays the undecided rows that are there.
func (o *openSegment) flushHeld() error {
	for len(o.held) > 0 {
		if err := o.first(); err != nil {
			return err
		}
	}
	return nil
}

// row replays one row that counts.
func (r *replay) row(key rowKey, data []byte) error {
	row, err := decodeRow(key, data)
	if err != nil {
		r.damaged(key, 1, int64(len(data)), err.Error())
		return nil
	}
	if !row.fragment {
		r.dropPieces()
		return r.entries(key, &row)
	}
	return r.piece(key, &row)
}

// entries replays a row's entries. Those that its bytes do not hold are damage, which a checksum leaves to bugs.
func (r *replay) entries(key rowKey, row *row) error {
	if row.last < r.from {
		r.ok(row.last)
		return nil
	}
	var own error
	err := row.entries(func(at medium.Position, entry []byte) error {
		own = r.yield(at, entry)
		return own
	})
	if err != nil && own == nil {
		r.damaged(key, 1, int64(len(row.payload)), err.Error())
		return nil
	}
	return own
}

// piece collects an entry. One whose pieces do not all count was never acknowledged, or its damage is noted where they are missing.
func (r *replay) piece(key rowKey, row *row) error {
	goesOn := len(r.pieces) > 0 && r.piecesAt == row.first && r.nextRow == key.seq && uint64(len(r.pieces)) == row.off
	if !goesOn {
		r.dropPieces()
		if row.off > 0 {
			return nil
		}
		r.pieces = make([]byte, 0, row.total) // at most medium.MaxEntry: decodeRow has checked it
	}
	r.pieces = append(r.pieces, row.payload...)
	r.piecesAt, r.nextRow = row.first, key.seq+1
	if !row.lastFragment() {
		return nil
	}
	entry := r.pieces
	r.dropPieces()
	return r.yield(row.first, entry)
}

func (r *replay) dropPieces() { r.pieces = nil }

func (r *replay) yield(at medium.Position, entry []byte) error {
	r.ok(at)
	if at < r.from {
		return nil
	}
	r.rows++
	r.bytes += int64(len(entry))
	if r.rows%1024 == 0 && r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	return r.f(at, entry)
}

// ok notes a sound position, which ends a stretch of damage.
func (r *replay) ok(at medium.Position) {
	if r.behind {
		r.damage[len(r.damage)-1].Before = at
		r.behind = false
	}
	r.sound = at
}

// maxDamage bounds what is told of damage: a journal with more is lost altogether.
const maxDamage = 10_000

// damaged notes rows that cannot be read. Several in a row are one stretch.
func (r *replay) damaged(key rowKey, rows uint64, bytes int64, problem string) {
	r.dropPieces()
	where := key.String()
	if rows > 1 {
		where += fmt.Sprintf(" to %d", key.seq+rows-1)
	}
	if r.behind || len(r.damage) >= maxDamage {
		d := &r.damage[len(r.damage)-1]
		d.Bytes += bytes
		if len(d.Problem) < 1000 {
			d.Problem += "; " + where + ": " + problem
		}
		return
	}
	r.behind = true
	r.damage = append(r.damage, medium.Damage{Where: where, After: r.sound, Bytes: bytes, Problem: problem})
}

// finish returns the damage that concerns what was asked for.
func (r *replay) finish() []medium.Damage {
	var concerned []medium.Damage
	for _, d := range r.damage {
		if d.Before == 0 || d.Before > r.from {
			concerned = append(concerned, d)
		}
	}
	return concerned
}
