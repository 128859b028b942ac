package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/hulotte-dev/hulotte/model"
)

// record is a sound record of a file.
type record struct {
	recordHeader
	offset  int64
	payload []byte // valid until the callback that got it returns
}

// stretch is a run of bytes that are no sound record.
type stretch struct {
	from, to int64
	// after is the last sound sequence number before it in the file, before the first one behind it; 0 when there is none.
	after, before uint64
	problem       string
}

func (s stretch) bytes() int64 { return s.to - s.from }

// scanOptions is what is known of a file before it is read.
type scanOptions struct {
	kind frameKind
	// first is the least sequence number in the file by its name, for when its header is damaged.
	first uint64
	// size is the length of the file. counts says how many bytes of it count, when something outside of it tells: all of
	// them were acknowledged then, and what does not read is damage. It is 0 when nothing tells.
	size, counts int64
}

// scanResult is what a scan found beside the records.
type scanResult struct {
	header   fileHeader
	headless bool // the header is damaged: what it says is made up from first and the records, and no file before it is known
	// end is where the sound part of the file ends: behind it is nothing, zeros, or torn.
	end int64
	// last is the last sound sequence number, 0 when there is none; next is above all that the file can have held.
	last, next uint64
	// closed says that the file ends with a closing record.
	closed bool
	// torn is the part that an interrupted write left at the end; empty when there is none.
	torn stretch
}

// scanFile reads a file from its beginning, and calls onRecord for each sound record and onDamage for each damaged stretch, in the order
// of the file. It ends early with the first error of either, with that of the context, with errFrameVersion, or
// with an error of r; but EIO, which is how a disk says that a sector is lost, is damage like any other. It holds no more than one record, or
// windowSize, in memory.
func scanFile(ctx context.Context, r io.ReaderAt, o scanOptions, onRecord func(record) error, onDamage func(stretch) error) (scanResult, error) {
	s := &scanner{window: window{ctx: ctx, r: r, size: o.size}, o: o, onRecord: onRecord, onDamage: onDamage}
	if o.counts > 0 {
		s.size = min(o.size, o.counts)
	}
	if err := s.readHeader(); err != nil {
		return s.result, err
	}
	err := s.run()
	return s.result, err
}

// errNoMark: neither the header nor any record tells the file's mark.
var errNoMark = model.NewError(model.Corrupt, "no sound record")

// scanner walks over a file. Everything in it is of one scan.
type scanner struct {
	window
	o        scanOptions
	mark     uint32
	offset   int64
	bad      stretch // the stretch that ends at offset, not judged yet
	known    int64   // before it everything was on the disk once, as later records say; see lookAhead
	seen     uint64  // above every sequence number in a header behind offset; see lookAhead
	looked   bool
	result   scanResult
	onRecord func(record) error
	onDamage func(stretch) error
}

func (s *scanner) readHeader() error {
	b, err := s.peek(0, fileHeaderSize)
	if err != nil {
		return err
	}
	h, err := parseFileHeader(b, s.o.kind)
	s.offset = fileHeaderSize
	if err == nil {
		s.setHeader(h)
		return nil
	}
	if !errors.Is(err, errFrameHeader) {
		return err
	}
	return s.doWithoutHeader(err.Error())
}

func (s *scanner) doWithoutHeader(problem string) error {
	s.setHeader(fileHeader{kind: s.o.kind, flags: lazySync, first: max(1, s.o.first)})
	s.result.headless = true
	s.offset = min(fileHeaderSize, s.size)
	s.lost(fileHeaderSize)
	s.result.end = s.offset
	mark, err := s.findMark()
	if err != nil && !errors.Is(err, errNoMark) {
		return err
	}
	s.mark, s.result.header.mark = mark, mark
	if s.unreadable(0, s.offset) {
		problem = "the disk cannot read it"
	}
	return s.onDamage(stretch{from: 0, to: s.offset, problem: problem})
}

func (s *scanner) setHeader(h fileHeader) {
	s.mark = h.mark
	s.result = scanResult{header: h, end: fileHeaderSize, next: h.first}
}

// findMark looks for the first record of any mark.
func (s *scanner) findMark() (uint32, error) {
	for off := int64(fileHeaderSize); off+recordHeaderSize <= s.size; {
		b, err := s.view(off, recordHeaderSize)
		if err != nil {
			return 0, err
		}
		for i := 0; i+recordHeaderSize <= len(b); i++ {
			if h, ok := parseRecordHeader(b[i:]); ok && h.sequence >= s.o.first {
				return h.mark, nil
			}
		}
		off += int64(len(b)) - recordHeaderSize + 1
	}
	return 0, errNoMark
}

func (s *scanner) run() error {
	for s.offset < s.size {
		rec, ok, err := s.step()
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		torn, err := s.judge(rec.sequence)
		if err != nil || torn {
			return err
		}
		if rec, err = s.again(rec); err != nil {
			return err
		}
		if err := s.take(rec); err != nil {
			return err
		}
	}
	return s.finish()
}

// take hands a sound record on.
func (s *scanner) take(rec record) error {
	s.result.end = rec.offset + rec.size()
	s.result.closed = rec.kind == closeRecord
	if s.result.closed {
		s.result.next = max(s.result.next, rec.sequence)
		return nil
	}
	s.result.last = rec.sequence
	s.result.next = max(s.result.next, rec.sequence+1)
	return s.onRecord(rec)
}

// step reads what is at offset and moves on: a sound record, or (ok is false) bytes that it adds to bad.
func (s *scanner) step() (rec record, ok bool, err error) {
	h, ok, err := s.headerAt(s.offset)
	if err != nil {
		return rec, false, err
	}
	if !ok {
		if blank, err := s.blank(); blank || err != nil {
			s.offset = s.size
			return rec, false, err
		}
		to, err := s.resync(s.offset + 1)
		s.spoil(to, "no sound record begins here")
		return rec, false, err
	}
	rec = record{recordHeader: h, offset: s.offset}
	end := s.offset + h.size()
	if end > s.size {
		s.spoil(s.size, fmt.Sprintf("a record of %d bytes runs past the end of the file", h.size()))
		return rec, false, nil
	}
	if rec.payload, err = s.payload(rec); err != nil {
		return rec, false, err
	}
	s.known = max(s.known, h.confirmed(s.offset))
	if got := crc32c(rec.payload); got != h.payloadCRC || s.unreadable(s.offset, end) {
		s.spoil(end, fmt.Sprintf("the checksum of entry %d is %08x, not %08x", h.sequence, got, h.payloadCRC))
		s.result.next = max(s.result.next, h.sequence+1)
		return rec, false, nil
	}
	s.offset = end
	return rec, true, nil
}

// blank says whether nothing but zeros is left: room that was set aside for records to come.
func (s *scanner) blank() (bool, error) {
	if s.o.counts > 0 {
		return false, nil
	}
	zero, err := s.zero(s.offset, s.size)
	return zero && !s.unreadable(s.offset, s.size), err
}

func (s *scanner) payload(rec record) ([]byte, error) {
	b, err := s.peek(rec.offset, int(rec.size()))
	if err != nil {
		return nil, err
	}
	return b[recordHeaderSize:], nil
}

// again gets a record's payload back after judge has used the window.
func (s *scanner) again(rec record) (record, error) {
	var err error
	rec.payload, err = s.payload(rec)
	return rec, err
}

// spoil adds the bytes from offset to to what is bad, and goes on behind them.
func (s *scanner) spoil(to int64, problem string) {
	if s.unreadable(s.offset, to) {
		problem = "the disk cannot read it"
	}
	if s.bad.bytes() == 0 {
		s.bad = stretch{from: s.offset, problem: problem}
	}
	s.bad.to = to
	s.offset = to
}

// headerAt says whether a record of this file that may follow what was read so far begins at off.
func (s *scanner) headerAt(off int64) (recordHeader, bool, error) {
	b, err := s.peek(off, recordHeaderSize)
	if err != nil {
		return recordHeader{}, false, err
	}
	h, ok := parseRecordHeader(b)
	return h, ok && s.follows(h), nil
}

func (s *scanner) follows(h recordHeader) bool {
	if h.mark != s.mark || h.sequence < s.result.header.first {
		return false
	}
	// A closing record names the next sequence, which may be the one that a record before it would have been given.
	return h.sequence > s.result.last
}

// resync returns where the next record begins, from off on, or the end of the file.
func (s *scanner) resync(off int64) (int64, error) {
	var mark [4]byte
	binary.LittleEndian.PutUint32(mark[:], s.mark)
	if s.mark == 0 {
		return s.size, nil
	}
	for off+recordHeaderSize <= s.size {
		b, err := s.view(off, recordHeaderSize)
		if err != nil {
			return off, err
		}
		i := bytes.Index(b, mark[:])
		if i < 0 {
			off += int64(len(b)) - int64(len(mark)) + 1
			continue
		}
		off += int64(i)
		if _, ok, err := s.headerAt(off); ok || err != nil {
			return off, err
		}
		off++
	}
	return s.size, nil
}

// judge decides what bad is, now that a sound record with this sequence number stands behind it (0: the end of the file). It
// says whether the file ends there because it is torn.
func (s *scanner) judge(before uint64) (torn bool, err error) {
	bad := s.bad
	if bad.bytes() == 0 {
		return false, nil
	}
	s.bad = stretch{}
	bad.after, bad.before = s.result.last, before
	if bad, err = s.trim(bad); err != nil {
		return false, err
	}
	if torn, err = s.isTorn(bad); err != nil {
		return false, err
	}
	if torn {
		bad.before = 0
		if bad.to, err = s.lastNonZero(bad.from); err != nil {
			return false, err
		}
		s.result.torn = bad
		s.lost(bad.bytes())
		return true, nil
	}
	s.result.end = bad.to
	s.lost(bad.bytes())
	return false, s.onDamage(bad)
}

// lost moves next on, by as many records as may have been in so many bytes.
func (s *scanner) lost(bytes int64) {
	s.result.next = max(s.result.next, s.seen) + uint64(bytes/recordHeaderSize) + 1
}

// lastNonZero returns the end of what is not zero from off on.
func (s *scanner) lastNonZero(off int64) (int64, error) {
	end := off
	for off < s.size {
		b, err := s.view(off, 1)
		if err != nil {
			return 0, err
		}
		if n := len(bytes.TrimRight(b, "\x00")); n > 0 {
			end = off + int64(n)
		}
		off += int64(len(b))
	}
	return end, nil
}

// trim takes the room for records to come from the end of a stretch that begins with an unreadable header: nobody knows
// where its record ends.
func (s *scanner) trim(bad stretch) (stretch, error) {
	if s.o.counts > 0 || bad.to < s.size {
		return bad, nil
	}
	if _, ok, err := s.headerAt(bad.from); ok || err != nil {
		return bad, err
	}
	end, err := s.lastNonZero(bad.from)
	if end > bad.from && !s.unreadable(end, bad.to) {
		bad.to = end
	}
	return bad, err
}

func (s *scanner) isTorn(bad stretch) (bool, error) {
	if s.o.counts > 0 || s.unreadable(bad.from, bad.to) {
		return false, nil
	}
	if err := s.lookAhead(); err != nil {
		return false, err
	}
	if bad.from < s.known {
		return false, nil
	}
	return s.looksTorn(bad)
}

// lookAhead lets all the records behind offset say what was on the disk. It reads the rest of the file, once.
func (s *scanner) lookAhead() error {
	if s.looked {
		return nil
	}
	s.looked = true
	ahead := *s
	ahead.buf = nil
	ahead.failed = nil
	for ahead.offset < ahead.size {
		rec, ok, err := ahead.step()
		if err != nil {
			return err
		}
		if ok {
			ahead.result.last = rec.sequence
			ahead.result.next = max(ahead.result.next, rec.sequence+1)
		}
	}
	s.known, s.seen = ahead.known, ahead.result.next
	return nil
}

// sector is the least unit that a disk writes whole.
const sector = 512

// looksTorn says whether bad has the look of an interrupted write; see the head of frame.go.
func (s *scanner) looksTorn(bad stretch) (bool, error) {
	if bad.before == 0 {
		if torn, err := s.endsInZeroOrShort(bad); torn || err != nil {
			return torn, err
		}
	}
	for off := bad.from; off < bad.to; {
		next := min(bad.to, off-off%sector+sector)
		b, err := s.peek(off, int(next-off))
		if err != nil {
			return false, err
		}
		if allZero(b) {
			return true, nil
		}
		off = next
	}
	return false, nil
}

// endsInZeroOrShort: the last record of all ends before its last byte was written.
func (s *scanner) endsInZeroOrShort(bad stretch) (bool, error) {
	b, err := s.peek(bad.to-1, 1)
	if err != nil || b[0] == 0 {
		return true, err
	}
	if bad.bytes() < recordHeaderSize {
		return true, nil
	}
	h, ok, err := s.headerAt(bad.from)
	return ok && bad.from+h.size() > s.size, err
}

// finish judges what is left at the end of the file.
func (s *scanner) finish() error {
	if torn, err := s.judge(0); torn || err != nil {
		return err
	}
	if s.o.counts > s.size {
		s.lost(s.o.counts - s.size)
		missing := stretch{from: s.size, to: s.o.counts, after: s.result.last, problem: "the file is shorter than it was"}
		return s.onDamage(missing)
	}
	return nil
}

func (s *scanner) zero(from, to int64) (bool, error) {
	for from < to {
		b, err := s.peek(from, int(min(windowSize, to-from)))
		if err != nil || !allZero(b) {
			return false, err
		}
		from += int64(len(b))
	}
	return true, nil
}

func allZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// windowSize is how much is read at once: large enough that the calls do not count, small enough to read many journals at once.
const windowSize = 256 << 10

// window reads a file through one buffer.
type window struct {
	ctx    context.Context
	r      io.ReaderAt
	size   int64
	buf    []byte
	start  int64
	failed []stretch // what could not be read for EIO and stands as zeros in buf
}

// view returns the bytes at off that the window holds, at least n unless the file ends before. They are valid until the next call.
func (w *window) view(off int64, n int) ([]byte, error) {
	if _, err := w.peek(off, n); err != nil {
		return nil, err
	}
	return w.buf[off-w.start:], nil
}

// peek returns the n bytes at off, or those up to the end of the file. They are valid until the next call.
func (w *window) peek(off int64, n int) ([]byte, error) {
	if int64(n) > w.size-off {
		n = int(max(0, w.size-off))
	}
	if from := off - w.start; from >= 0 && from+int64(n) <= int64(len(w.buf)) {
		return w.buf[from : from+int64(n)], nil
	}
	if err := context.Cause(w.ctx); err != nil {
		return nil, err
	}
	want := int(min(int64(max(n, windowSize)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf, w.start = w.buf[:want], off
	if err := w.fill(); err != nil {
		w.buf = w.buf[:0]
		return nil, err
	}
	return w.buf[:n], nil
}

func (w *window) fill() error {
	err := readFull(w.r, w.buf, w.start)
	if !errors.Is(err, syscall.EIO) {
		return err
	}
	for i := 0; i < len(w.buf); {
		if err := context.Cause(w.ctx); err != nil {
			return err
		}
		next := min(len(w.buf), i+pageSize-int((w.start+int64(i))%pageSize))
		if err := w.fillPage(w.buf[i:next], w.start+int64(i)); err != nil {
			return err
		}
		i = next
	}
	return nil
}

// pageSize is the unit in which the kernel reads: a sector that is lost costs the page around it.
const pageSize = 4096

func (w *window) fillPage(b []byte, off int64) error {
	err := readFull(w.r, b, off)
	if errors.Is(err, syscall.EIO) {
		clear(b)
		w.fail(off, off+int64(len(b)))
		return nil
	}
	return err
}

func (w *window) fail(from, to int64) {
	if n := len(w.failed); n > 0 && w.failed[n-1].from <= from && from <= w.failed[n-1].to {
		w.failed[n-1].to = max(to, w.failed[n-1].to)
		return
	}
	w.failed = append(w.failed, stretch{from: from, to: to})
}

// unreadable says whether some of these bytes could not be read.
func (w *window) unreadable(from, to int64) bool {
	for _, f := range w.failed {
		if f.from < to && from < f.to {
			return true
		}
	}
	return false
}

// readFull reads all of b; a file that ends before that has been cut meanwhile, and what is missing reads as zeros.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
