package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/semaphore"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// journal implements medium.Journal. An entry is put into the row that is being filled. Rows are sent in order, several at once,
// each in a goroutine; a row that is not full goes as soon as few others are in flight, so that entries which wait at
// the same time share one. An entry is acknowledged when its rows are durable and the journal is surely still ours.
//
// The keeper (journal_keeper.go) is the one goroutine that changes the journal's row in the table: signs of life, new segments, truncation.
// When a row's writing has failed, nobody knows whether it will turn up; then nothing more is sent until the keeper has
// decided what counts in that segment and begun another.
type journal struct {
	js   *journals
	name string
	id   gocql.UUID
	room *semaphore.Weighted // bytes of entries that wait
	kick chan struct{}       // wakes the keeper; capacity 1
	done chan struct{}       // closed by the keeper when it ends

	mu       sync.Mutex // guards what follows; nothing waits under it
	closing  bool
	over     error // why nothing can be appended any more: the claim was lost
	last     medium.Position
	building *outRow
	ready    []*outRow // full rows
	inFlight int

	segment   uint64 // being written
	seq       uint64 // of the next row in it
	sentLast  medium.Position
	sentBytes uint64
	acked     ackedRows
	doubtful  bool // a row failed: what counts in the segment must be decided
	hold      bool // nothing is sent: the segment is full or failed
	midEntry  bool // but the other pieces of an entry that was begun: all are in one segment, where Replay looks for them

	sign        time.Time // beginning of the last successful sign of life
	unconfirmed []*appending
	truncations []truncation
	trouble     error // the last thing that went wrong; nil when the cluster has answered since

	closeErr error // of the keeper, after done
}

// appending is an Append that waits.
type appending struct {
	rows   int        // that are not durable yet
	result chan error // capacity 1, sent to once
}

// outRow is a row on its way. Its bytes begin with room for the head, so that they are copied once only.
type outRow struct {
	row
	buf     []byte
	waiting []*appending
	weight  int64
}

func newJournal(js *journals, head journalHead, sign time.Time) *journal {
	j := &journal{
		js: js, name: head.name, id: head.id, sign: sign,
		room: semaphore.NewWeighted(js.limits.queueBytes),
		kick: make(chan struct{}, 1), done: make(chan struct{}),
		last: medium.Position(head.state.next - 1),
	}
	j.beginSegment(head)
	js.metrics.open.Inc()
	return j
}

// Append implements medium.Journal.
func (j *journal) Append(ctx context.Context, entry []byte) (medium.Position, error) {
	at, err := j.append(ctx, 0, entry)
	if err != nil {
		return 0, fmt.Errorf("cannot append to journal %q: %w", j.name, err)
	}
	return at, nil
}

// AppendAt implements medium.Journal.
func (j *journal) AppendAt(ctx context.Context, at medium.Position, entry []byte) error {
	if at == 0 {
		return fmt.Errorf("cannot append to journal %q: %w", j.name, errBelowLast)
	}
	if _, err := j.append(ctx, at, entry); err != nil {
		return fmt.Errorf("cannot append to journal %q at %d: %w", j.name, at, err)
	}
	return nil
}

var errBelowLast = model.NewError(model.Invalid, "the position is not above all before it")

// entryOverhead is what an entry without bytes takes in the queue, which bounds their number.
const entryOverhead = 256

func (j *journal) append(ctx context.Context, at medium.Position, entry []byte) (medium.Position, error) {
	if len(entry) > medium.MaxEntry {
		return 0, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", medium.ErrTooLarge, len(entry), medium.MaxEntry)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err := j.js.s.enter(); err != nil {
		return 0, err
	}
	defer j.js.s.leave()
	weight := int64(len(entry)) + entryOverhead
	if !j.room.TryAcquire(weight) {
		j.js.metrics.waits.Inc()
		if j.room.Acquire(ctx, weight) != nil {
			return 0, fmt.Errorf("the queue is full: %w", context.Cause(ctx))
		}
	}
	at, a, err := j.enqueue(at, entry, weight)
	if err != nil {
		j.room.Release(weight)
		return 0, err
	}
	patience := time.NewTimer(j.patience())
	defer patience.Stop()
	select {
	case err := <-a.result:
		return at, err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-patience.C:
		return 0, j.tooLate()
	}
}

// patience is how long an entry in the queue may take: as long as one call to the cluster, and then one attempt.
func (j *journal) patience() time.Duration { return j.js.s.opts.GiveUpAfter + j.js.s.opts.Timeout }

// tooLate says what was in an entry's way. It may be on its way still.
func (j *journal) tooLate() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.trouble != nil {
		return errors.Join(j.trouble, medium.ErrUncertain)
	}
	return errors.Join(fmt.Errorf("%w: it was not durable after %s", errUnavailable, j.patience()), medium.ErrUncertain)
}

// enqueue gives an entry its position and its place in a row.
func (j *journal) enqueue(at medium.Position, entry []byte, weight int64) (medium.Position, *appending, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.closing:
		return 0, nil, medium.ErrClosed
	case j.over != nil:
		return 0, nil, j.over
	case at == 0:
		at = j.last + 1
	case at <= j.last:
		return 0, nil, fmt.Errorf("%w: the last one is %d", errBelowLast, j.last)
	}
	j.last = at
	a := &appending{result: make(chan error, 1)}
	if len(entry)+2*binary.MaxVarintLen64 > maxRowPayload {
		j.addPieces(a, at, entry, weight)
	} else {
		j.addEntry(a, at, entry, weight)
	}
	j.sendLocked()
	return at, a, nil
}

// newRow has room for n bytes.
func newRow(first medium.Position, n int) *outRow {
	r := &outRow{buf: make([]byte, maxRowHead, maxRowHead+n+4)}
	r.first, r.last = first, first
	return r
}

func (j *journal) addEntry(a *appending, at medium.Position, entry []byte, weight int64) {
	r := j.building
	if r != nil && len(r.buf)-maxRowHead+len(entry)+2*binary.MaxVarintLen64 > maxRowPayload {
		j.rowIsFull()
		r = nil
	}
	if r == nil {
		r = newRow(at, max(512, len(entry)+2*binary.MaxVarintLen64))
		j.building = r
	}
	r.buf = appendEntry(r.buf, uint64(at-r.last), entry)
	r.last = at
	r.count++
	r.add(a, weight)
}

func (r *outRow) add(a *appending, weight int64) {
	r.waiting = append(r.waiting, a)
	r.weight += weight
	a.rows++
}

func (j *journal) rowIsFull() {
	if j.building != nil {
		j.ready = append(j.ready, j.building)
		j.building = nil
	}
}

// addPieces cuts an entry that is larger than a row.
func (j *journal) addPieces(a *appending, at medium.Position, entry []byte, weight int64) {
	j.rowIsFull()
	for off := 0; off < len(entry); off += maxRowPayload {
		piece := entry[off:min(off+maxRowPayload, len(entry))]
		r := newRow(at, len(piece))
		r.buf = append(r.buf, piece...)
		r.count, r.fragment, r.total, r.off = 1, true, uint64(len(entry)), uint64(off)
		r.add(a, weight)
		weight = 0
		j.ready = append(j.ready, r)
	}
}

// sendLocked sends what may be sent.
func (j *journal) sendLocked() {
	for (!j.hold || j.midEntry) && j.over == nil {
		var r *outRow
		switch {
		case len(j.ready) > 0 && j.inFlight < j.js.limits.inFlight:
			r = j.ready[0]
			j.ready[0] = nil
			j.ready = j.ready[1:]
		case len(j.ready) == 0 && j.building != nil && j.inFlight < j.js.limits.partFilled:
			r, j.building = j.building, nil
		default:
			return
		}
		j.send(r)
	}
}

func (j *journal) send(r *outRow) {
	key := rowKey{j.id, j.segment, j.seq}
	r.watermark = j.acked.below
	payload := len(r.buf) - maxRowHead
	data := r.finish(key)
	j.seq++
	j.inFlight++
	j.midEntry = r.fragment && r.off+uint64(payload) < r.total
	j.sentLast = r.last
	j.sentBytes += uint64(len(data))
	if j.sentBytes >= j.js.limits.segmentBytes || j.seq >= j.js.limits.segmentRows {
		j.hold = true
	}
	go j.write(key, r, data)
}

// finish puts the head before the payload and the checksum behind it.
func (r *outRow) finish(key rowKey) []byte {
	var head [maxRowHead]byte
	h := r.appendHead(head[:0])
	data := r.buf[maxRowHead-len(h):]
	copy(data, h)
	r.buf = nil
	return binary.BigEndian.AppendUint32(data, key.checksum(data))
}

// write writes one row and tells those who wait for it.
func (j *journal) write(key rowKey, r *outRow, data []byte) {
	began := time.Now()
	err := j.js.insert(context.Background(), request{
		table: "journal_rows", op: "insert", cql: "INSERT INTO journal_rows (id, segment, seq, data) VALUES (?, ?, ?, ?)",
		args: []any{key.id, int64(key.segment), int64(key.seq), data},
	})
	j.room.Release(r.weight)
	j.js.metrics.row(len(data), len(r.waiting), began, err)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.inFlight--
	if err != nil {
		j.doubtful, j.hold, j.trouble = true, true, err
		for _, a := range r.waiting {
			a.finish(err)
		}
	} else {
		j.trouble = nil
		j.acked.add(key.seq)
		for _, a := range r.waiting {
			if a.rows--; a.rows == 0 {
				j.confirm(a)
			}
		}
	}
	j.sendLocked()
	if j.inFlight == 0 && (j.hold || j.closing) { // the keeper waits for this
		j.wake()
	}
}

// finish tells the one who waits; only the first call counts.
func (a *appending) finish(err error) {
	select {
	case a.result <- err:
	default:
	}
}

// confirm acknowledges an entry that is durable, now or when it is certain again that the journal is ours.
func (j *journal) confirm(a *appending) {
	if j.over != nil {
		a.finish(errors.Join(j.over, medium.ErrUncertain))
		return
	}
	if j.trusted(time.Now()) {
		a.finish(nil)
		return
	}
	j.unconfirmed = append(j.unconfirmed, a)
	j.wake()
}

// trusted says whether nobody can have taken the journal yet. The wall clock is asked too, since the other one stands still while a
// machine is suspended.
func (j *journal) trusted(now time.Time) bool {
	trust := j.js.trust()
	return now.Sub(j.sign) < trust && now.Round(0).Sub(j.sign.Round(0)) < trust
}

func (j *journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// Truncate implements medium.Journal.
func (j *journal) Truncate(ctx context.Context, before medium.Position) error {
	if err := j.truncate(ctx, before); err != nil {
		return fmt.Errorf("cannot truncate journal %q: %w", j.name, err)
	}
	return nil
}

// truncation is a Truncate that waits for the keeper.
type truncation struct {
	before medium.Position
	result chan error // capacity 1
}

func (j *journal) truncate(ctx context.Context, before medium.Position) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := j.js.s.enter(); err != nil {
		return err
	}
	defer j.js.s.leave()
	t := truncation{before, make(chan error, 1)}
	j.mu.Lock()
	err := j.over
	if j.closing {
		err = medium.ErrClosed
	}
	if err == nil {
		j.truncations = append(j.truncations, t)
		j.wake()
	}
	j.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err := <-t.result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close implements medium.Journal.
func (j *journal) Close() error {
	j.mu.Lock()
	again := j.closing
	j.closing = true
	j.wake()
	j.mu.Unlock()
	<-j.done
	if again || j.closeErr == nil {
		return nil
	}
	return fmt.Errorf("cannot close journal %q in good order: %w", j.name, j.closeErr)
}

// ackedRows are the rows of a segment that are durable.
type ackedRows struct {
	below uint64              // all below it
	above map[uint64]struct{} // those in flight at once bound it
}

func (r *ackedRows) add(seq uint64) {
	if seq != r.below {
		r.above[seq] = struct{}{}
		return
	}
	r.below++
	for {
		if _, ok := r.above[r.below]; !ok {
			return
		}
		delete(r.above, r.below)
		r.below++
	}
}

// failAll ends all that waits to be sent. Nothing of it was sent, so that err is the whole truth.
func (j *journal) failAllLocked(err error) {
	j.rowIsFull()
	for _, r := range j.ready {
		j.room.Release(r.weight)
		for _, a := range r.waiting {
			a.finish(err)
		}
	}
	j.ready = nil
}

// doubtLocked ends those whose entries are durable while it is not certain that the journal is still ours.
func (j *journal) doubtLocked(err error) {
	for _, a := range j.unconfirmed {
		a.finish(errors.Join(err, medium.ErrUncertain))
	}
	j.unconfirmed = nil
}
