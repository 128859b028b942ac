package series

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// A queue of requests on disk is a folder of segments, numbered without end, and a file with the place up to which
// they are sent. A segment is a header and records:
//
//	segment:  "HULFWD" version(2 bytes, 1)  record*
//	record:   length(4) crc(4) samples(4) time(8) payload(length)
//
// Numbers are little endian. crc is the Castagnoli CRC-32 of samples, time and payload; time is when the record was
// written, in milliseconds since the epoch. A torn record at the end of a segment is what a crash leaves: it was
// never acknowledged. A process always begins a segment of its own.
const (
	segmentMagic   = "HULFWD\x01\x00"
	segmentSuffix  = ".queue"
	recordHeader   = 20
	maxRecordBytes = 64 << 20 // more is a damaged length: the appender cuts requests long before
	positionFile   = "position"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// queued is one record: a request's body and what is known of it.
type queued struct {
	segment uint64
	end     int64 // the offset behind it
	samples int
	time    time.Time
	payload []byte
}

// queueSegment is one file of the queue.
type queueSegment struct {
	number  uint64
	size    int64
	unsent  int // samples
	records int // unsent
}

// queueDrops counts the samples that left the queue unsent.
type queueDrops struct{ size, age, corrupt uint64 }

// queue is safe for one reader and many writers.
type queue struct {
	dir          string
	segmentBytes int64
	maxBytes     int64
	log          *slog.Logger
	ready        chan struct{} // has a token when there may be something to read; never closed

	// mu guards what follows. Writing happens under it: the order on disk is the order of commits.
	mu       sync.Mutex
	segments []*queueSegment // oldest first; the last one is written to
	out      *os.File
	newest   uint64 // the number of the last segment ever made
	dirty    bool   // written since the last sync
	drops    queueDrops

	// The place that is read next, in segments[0].
	offset  int64
	in      *os.File // segments[0], nil when not open
	saved   time.Time
	unsaved bool
}

func openQueue(dir string, segmentBytes, maxBytes int64, log *slog.Logger) (*queue, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	q := &queue{dir: dir, segmentBytes: segmentBytes, maxBytes: maxBytes, log: log, ready: make(chan struct{}, 1)}
	if err := q.load(); err != nil {
		return nil, err
	}
	if err := q.roll(); err != nil {
		return nil, err
	}
	q.wake()
	return q, nil
}

// load finds the segments and the place up to which they are sent.
func (q *queue) load() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	number, offset := q.position()
	q.newest = number
	for _, e := range entries {
		n, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), segmentSuffix), 16, 64)
		if err != nil || !strings.HasSuffix(e.Name(), segmentSuffix) {
			continue
		}
		q.newest = max(q.newest, n)
		if n < number { // sent, but not removed before the process ended
			if err := os.Remove(q.path(n)); err != nil {
				return err
			}
			continue
		}
		from := int64(len(segmentMagic))
		if n == number {
			from = max(offset, from)
		}
		q.segments = append(q.segments, q.scan(n, from))
	}
	slices.SortFunc(q.segments, func(a, b *queueSegment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	q.offset = int64(len(segmentMagic))
	if len(q.segments) > 0 && q.segments[0].number == number {
		q.offset = max(offset, q.offset)
	}
	return nil
}

// position reads the file with the place up to which everything is sent. Without it, everything is sent again.
func (q *queue) position() (number uint64, offset int64) {
	raw, err := os.ReadFile(filepath.Join(q.dir, positionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0
	}
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%x %d\n", &number, &offset)
	}
	if err != nil {
		q.log.Warn("cannot read how far the queue was sent: it is sent again from its start", "err", err)
		return 0, 0
	}
	return number, offset
}

// scan counts the records of a segment from an offset on.
func (q *queue) scan(number uint64, from int64) *queueSegment {
	s := &queueSegment{number: number}
	f, err := os.Open(q.path(number))
	if err != nil {
		q.log.Warn("cannot open a segment of the queue", "segment", number, "err", err)
		return s
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		s.size = info.Size()
	}
	if !hasMagic(f) {
		return s
	}
	for {
		length, samples, _, _, err := readRecordHeader(f, from, s.size)
		if err != nil {
			return s
		}
		s.unsent += samples
		s.records++
		from += recordHeader + length
	}
}

func (q *queue) path(number uint64) string {
	return filepath.Join(q.dir, fmt.Sprintf("%016x%s", number, segmentSuffix))
}

// roll begins a new segment.
func (q *queue) roll() error {
	q.newest++
	number := q.newest
	f, err := os.OpenFile(q.path(number), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(segmentMagic); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	if q.out != nil {
		if err := errors.Join(q.out.Sync(), q.out.Close()); err != nil {
			q.log.Warn("cannot close a segment of the queue", "err", err)
		}
	}
	q.out = f
	q.segments = append(q.segments, &queueSegment{number: number, size: int64(len(segmentMagic))})
	return nil
}

// hasMagic says whether the file begins like a segment of a version that this program knows.
func hasMagic(f *os.File) bool {
	var b [len(segmentMagic)]byte
	_, err := f.ReadAt(b[:], 0)
	return err == nil && string(b[:]) == segmentMagic
}

// appendRecord appends a record in the form above.
func appendRecord(dst []byte, samples int, at time.Time, payload []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, 0, 0, 0, 0) // the crc
	dst = binary.LittleEndian.AppendUint32(dst, uint32(samples))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at.UnixMilli()))
	dst = append(dst, payload...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

var errTorn = errors.New("a record is torn or damaged")

// readRecordHeader reads the header of the record at the offset of a file with so many bytes.
func readRecordHeader(f *os.File, at, size int64) (length int64, samples int, written time.Time, crc uint32, err error) {
	var h [recordHeader]byte
	if at+recordHeader > size {
		return 0, 0, written, 0, errTorn
	}
	if _, err := f.ReadAt(h[:], at); err != nil {
		return 0, 0, written, 0, err
	}
	length = int64(binary.LittleEndian.Uint32(h[0:]))
	if length > maxRecordBytes || at+recordHeader+length > size {
		return 0, 0, written, 0, errTorn
	}
	written = time.UnixMilli(int64(binary.LittleEndian.Uint64(h[12:])))
	return length, int(binary.LittleEndian.Uint32(h[8:])), written, binary.LittleEndian.Uint32(h[4:]), nil
}

// append writes records, made by appendRecord, at once. On an error none of them is in the queue.
func (q *queue) append(records []byte, count, samples int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := q.segments[len(q.segments)-1]
	if last.size > q.segmentBytes {
		if err := q.roll(); err != nil {
			return err
		}
		last = q.segments[len(q.segments)-1]
	}
	if _, err := q.out.WriteAt(records, last.size); err != nil {
		// What was written of it is behind the end of the segment: the next record goes over it.
		return errors.Join(err, q.out.Truncate(last.size))
	}
	last.size += int64(len(records))
	last.unsent += samples
	last.records += count
	q.dirty = true
	q.dropOverSize()
	q.wake()
	return nil
}

// dropOverSize drops the oldest segments while the queue is larger than allowed, with mu held.
func (q *queue) dropOverSize() {
	for q.bytesLocked() > q.maxBytes && len(q.segments) > 1 {
		if n := q.segments[0].unsent; n > 0 {
			q.drops.size += uint64(n)
			q.log.Warn("the queue is full: its oldest samples are dropped", "samples", n, "max_bytes", q.maxBytes)
		}
		q.nextSegment()
	}
}

func (q *queue) bytesLocked() int64 {
	var n int64
	for _, s := range q.segments {
		n += s.size
	}
	return n
}

// nextSegment removes the segment that is read, with mu held, and goes to the next one.
func (q *queue) nextSegment() {
	if q.in != nil {
		_ = q.in.Close()
		q.in = nil
	}
	if err := os.Remove(q.path(q.segments[0].number)); err != nil {
		q.log.Warn("cannot remove a segment of the queue", "err", err)
	}
	q.segments = q.segments[1:]
	q.offset = int64(len(segmentMagic))
	q.unsaved = true
}

// next returns the oldest record that is not acknowledged; nil when there is none.
func (q *queue) next(oldest time.Time) (*queued, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		r, err := q.readLocked()
		switch {
		case errors.Is(err, errTorn):
			if q.skipDamagedLocked() {
				continue
			}
			return nil, nil
		case err != nil || r == nil:
			return nil, err
		case r.time.Before(oldest):
			q.drops.age += uint64(r.samples)
			q.doneLocked(r)
		default:
			return r, nil
		}
	}
}

// skipDamagedLocked goes to the next segment after one that ends, or is torn or damaged, at the place that is read.
// It returns false when that is the segment that is being written.
func (q *queue) skipDamagedLocked() bool {
	if len(q.segments) == 1 {
		return false
	}
	s := q.segments[0]
	if s.unsent > 0 || q.offset < s.size && s.records > 0 {
		q.drops.corrupt += uint64(s.unsent)
		q.log.Error("a segment of the queue is damaged: the rest of it is dropped", "segment", s.number, "offset", q.offset, "samples", s.unsent)
	}
	q.nextSegment()
	return true
}

// readLocked reads the record at the place that is read next.
func (q *queue) readLocked() (*queued, error) {
	s := q.segments[0]
	if q.offset >= s.size {
		if len(q.segments) == 1 {
			return nil, nil
		}
		return nil, errTorn // its end
	}
	if q.in == nil {
		f, err := os.Open(q.path(s.number))
		if err != nil {
			return nil, err
		}
		q.in = f
	}
	if !hasMagic(q.in) {
		return nil, errTorn
	}
	length, samples, written, crc, err := readRecordHeader(q.in, q.offset, s.size)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, recordHeader-8+length)
	if _, err := q.in.ReadAt(raw, q.offset+8); err != nil {
		return nil, err
	}
	if crc32.Checksum(raw, castagnoli) != crc {
		return nil, errTorn
	}
	return &queued{
		segment: s.number, end: q.offset + recordHeader + length,
		samples: samples, time: written, payload: raw[recordHeader-8:],
	}, nil
}

// done acknowledges a record: it is not returned again, except when the process dies within a second.
func (q *queue) done(r *queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doneLocked(r)
}

func (q *queue) doneLocked(r *queued) {
	s := q.segments[0]
	if s.number != r.segment {
		return // dropped for its size meanwhile
	}
	q.offset = r.end
	s.unsent -= r.samples
	s.records--
	q.unsaved = true
}

// isDropped says whether the record was dropped for its size since it was read.
func (q *queue) isDropped(r *queued) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.segments[0].number != r.segment
}

// settle brings the queue to the disk: what was written, and, at most once a second, how far it was sent.
func (q *queue) settle(now time.Time, force bool) error {
	q.mu.Lock()
	out, dirty := q.out, q.dirty
	save := q.unsaved && (force || now.Sub(q.saved) >= time.Second)
	number, offset := q.segments[0].number, q.offset
	q.dirty = false
	if save {
		q.unsaved, q.saved = false, now
	}
	q.mu.Unlock()

	var errs []error
	if dirty {
		if err := out.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // a closed one was synced when it was
			errs = append(errs, err)
		}
	}
	if save {
		errs = append(errs, vfs.WriteFile(vfs.OS{}, filepath.Join(q.dir, positionFile), fmt.Appendf(nil, "%x %d\n", number, offset), 0o640))
	}
	return errors.Join(errs...)
}

// counts returns what waits in the queue and what left it unsent.
func (q *queue) counts() (bytes int64, samples int, drops queueDrops) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.segments {
		samples += s.unsent
	}
	return q.bytesLocked(), samples, q.drops
}

func (q *queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue) close() error {
	err := q.settle(time.Now(), true)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.in != nil {
		_ = q.in.Close()
	}
	return errors.Join(err, q.out.Close())
}
