package tail

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

// reader reads pieces of files for one push. Each worker has one.
type reader struct {
	t     *Tailer
	buf   []byte
	taken int // bytes of this push
	out   []model.Stream
	reads []readPiece
	lines []line // of the piece at hand
	// fields is memory for those of the records.
	fields []model.Field
	// source is the text that the lines are parts of, beginning at sourceAt in the file; "" when they are not.
	source   string
	sourceAt int64
}

// readPiece is what becomes true when the push is acknowledged.
type readPiece struct {
	f        *file
	offset   int64
	done     [outputs]int64
	packed   bool
	finished bool
}

// line is one line of a file, or one wrapped line of a container's.
type line struct {
	start, end int64 // in the file, with its end of line
	text       string
	time       int64 // as the wrapper tells it; 0 without one
	output     int8
	partial    bool // the next line of the output goes on with it
	whole      int  // bytes that it had, when it was cut; else 0
}

func newReader(t *Tailer) *reader { return &reader{t: t, buf: make([]byte, t.opts.Batch)} }

func (r *reader) begin() {
	r.taken, r.out, r.reads, r.fields = 0, nil, r.reads[:0], nil
}

func (r *reader) full() bool { return r.taken > len(r.buf)/2 }

func (r *reader) streams() []model.Stream { return r.out }

// commit moves the positions, after everything that was read is acknowledged.
func (r *reader) commit() {
	for _, p := range r.reads {
		p.f.mu.Lock()
		p.f.offset.Store(p.offset)
		p.f.done = p.done
		p.f.save()
		if p.finished {
			p.f.finishLocked()
		}
		p.f.mu.Unlock()
	}
}

// read reads a piece of a file; more says that there is more to be had at once.
func (r *reader) read(f *file) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		f.failLocked(err)
		return false
	}
	f.failed = false
	more, err := r.readLocked(f)
	if err != nil {
		f.failLocked(err)
		return false
	}
	f.warned = false
	return more
}

// failLocked counts and logs an error of a file; one that is gone is dropped.
func (f *file) failLocked(err error) {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errMoved) {
		f.t.drop(f)
		return
	}
	f.t.metrics.errors.WithLabelValues("file").Inc()
	if !f.warned {
		f.t.log.Warn("cannot read a log file: trying again", "file", f.pathNow(), "err", err)
	}
	f.failed, f.warned, f.grown = true, true, time.Now()
	if f.packed != nil && !f.packed.young(f.grown) { // what is damaged stays damaged
		f.finishLocked()
	}
	f.closeLocked()
}

func (r *reader) readLocked(f *file) (more bool, err error) {
	now := time.Now()
	size, removed, err := f.sizeLocked()
	if err != nil {
		return false, err
	}
	if size != f.lastSize {
		f.lastSize, f.grown = size, now
		f.seenSize.Store(size)
	}
	f.looked = now
	if size < f.offset.Load() && f.packed == nil {
		return r.truncated(f), nil
	}
	at := f.offset.Load()
	n, err := f.readAt(r.buf, at+f.scanned)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if same, err := f.checkHeadLocked(); err != nil {
		return false, err
	} else if !same {
		return r.truncated(f), nil
	}
	damaged := f.packed != nil && f.packed.err != nil
	end := f.packed != nil && f.packed.finished() && n < len(r.buf) // nothing will be added any more
	if damaged && end && f.packed.young(now) {                      // it is still being written: it is unpacked again later
		end = false
		defer f.retryLocked(now)
	}
	if !end && f.gone.Load() && n < len(r.buf) && f.packed == nil {
		idle := now.Sub(f.grown)
		end = idle > r.t.opts.renamedIdle || removed && idle > r.t.opts.removedIdle
	}
	p := readPiece{f: f, offset: at, done: f.done, packed: f.packed != nil, finished: end}
	if n > 0 {
		more = r.piece(f, &p, r.buf[:n], end, now)
	}
	if p.offset != at || p.done != f.done || end {
		r.reads = append(r.reads, p)
	}
	r.taken += int(p.offset - at)
	return more || n == len(r.buf) && p.offset > at, nil
}

// retryLocked closes a file that is to be opened again some seconds later.
func (f *file) retryLocked(now time.Time) {
	f.closeLocked()
	f.failed, f.grown = true, now
}

// sizeLocked returns the size, and whether the file has no name any more.
func (f *file) sizeLocked() (size int64, removed bool, err error) {
	if f.packed != nil {
		return max(f.packed.size(), f.lastSize), false, nil
	}
	info, err := f.fd.Stat()
	if err != nil {
		return 0, false, err
	}
	removed = links(info) == 0
	if removed {
		f.gone.Store(true)
	}
	return info.Size(), removed, nil
}

// truncated begins a file again, and what it held before is looked for in the copy that was made of it.
func (r *reader) truncated(f *file) (more bool) {
	r.t.metrics.rotated.WithLabelValues("truncated").Inc()
	r.t.rescueCopy(f)
	f.restartLocked()
	r.t.askScan() // which begins with the copy
	return true
}

// piece makes records of what was read at p.offset+f.scanned.
func (r *reader) piece(f *file, p *readPiece, buf []byte, end bool, now time.Time) (more bool) {
	if f.encoding == encodingUnknown {
		f.encoding = f.in.encoding
		found, bom := detectEncoding(f.beginning(buf, p.offset))
		if f.encoding == encodingUnknown {
			f.encoding = found
		}
		if p.offset == 0 && f.scanned == 0 && bom > 0 && found == f.encoding {
			p.offset += int64(bom)
			buf = buf[bom:]
		}
	}
	if f.scanned > 0 {
		return r.longLine(f, p, buf, end)
	}
	if skip := r.zeros(f, p, buf); skip > 0 {
		return true
	}
	if f.align {
		i, n := f.encoding.lineEnd(buf)
		if i >= 0 {
			f.align = false
			p.offset += int64(i + n)
			return true
		}
	}
	complete := f.encoding.lastLineEnd(buf)
	if end && complete < len(buf) && len(buf) < len(r.buf) {
		complete = len(buf)
	}
	if complete == 0 {
		if len(buf) > r.t.opts.MaxLine {
			f.scanned = int64(len(buf) &^ 1)
			return len(buf) >= len(r.buf)-4
		}
		return false
	}
	r.split(f, buf[:complete], p.offset)
	idle := len(buf) < len(r.buf) && now.Sub(f.grown) > r.t.opts.FlushAfter
	begin, done := p.offset, p.done
	r.records(f, p, begin+int64(complete), idle, end && complete == len(buf), now)
	if p.offset == begin && p.done == done && len(buf) == len(r.buf) { // a record that fills the buffer alone is cut, or nothing would ever move
		r.records(f, p, begin+int64(complete), true, true, now)
	}
	return false
}

// beginning returns the first bytes of the file.
func (f *file) beginning(buf []byte, offset int64) []byte {
	if len(f.head) > 0 || offset > 0 {
		return f.head
	}
	return buf[:min(len(buf), headBytes)]
}

// longLine goes on in a line that is longer than a piece: nothing of it is kept but where it began.
func (r *reader) longLine(f *file, p *readPiece, buf []byte, end bool) (more bool) {
	i, n := f.encoding.lineEnd(buf)
	if i < 0 && (!end || len(buf) == len(r.buf)) {
		f.scanned += int64(len(buf) &^ 1)
		return len(buf) == len(r.buf)
	}
	if i < 0 {
		i, n = len(buf), 0
	}
	whole := f.scanned + int64(i)
	head := make([]byte, r.t.opts.MaxLine)
	k, err := f.readAt(head, p.offset)
	if k == 0 || err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	f.scanned = 0
	if f.align { // its beginning was not read
		f.align = false
		p.offset += whole + int64(n)
		return true
	}
	l := r.wrapped(f, head[:k], p.offset, p.offset+whole+int64(n))
	l.whole = int(whole)
	r.lines = append(r.lines[:0], l)
	r.source = ""
	r.records(f, p, l.end, true, true, time.Now())
	return true
}

// holeBytes is how many zero bytes in a row are a hole: a block of most file systems. Fewer may be what somebody logged.
const holeBytes = 4096

// zeros skips the zero bytes that a hole in a file reads as: a program that does not append leaves one when its file is truncated.
func (r *reader) zeros(f *file, p *readPiece, buf []byte) (skipped int64) {
	if len(buf) == 0 || buf[0] != 0 || f.encoding == utf16BE || f.encoding == utf16LE {
		return 0
	}
	n := len(buf) - len(bytes.TrimLeft(buf, "\x00"))
	if n < holeBytes && (!f.restarted || p.offset > 0) {
		return 0
	}
	if n == len(buf) && f.fd != nil {
		if at := dataFrom(f.fd, p.offset+int64(n)); at > p.offset+int64(n) {
			n = int(at - p.offset)
		}
	}
	p.offset += int64(n)
	return int64(n)
}

// finishLocked ends a file for good.
func (f *file) finishLocked() {
	packed := f.unpack
	if f.packed != nil && f.packed.err != nil {
		f.t.metrics.errors.WithLabelValues("file").Inc()
		f.t.log.Warn("a compressed log file is damaged: what is before the damage was read", "err", f.packed.err)
	}
	f.closeLocked()
	if packed {
		f.t.saved.put(position{fileID: f.id, Path: f.name, Offset: f.offset.Load(), Head: hashHead(f.head), Len: len(f.head), Packed: true, Done: true})
	}
	f.t.drop(f)
}

// drop forgets a file. Its position is kept.
func (t *Tailer) drop(f *file) {
	f.closeLocked()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files[f.id] == f {
		t.forgetLocked(f)
	}
}

// regular says whether info is of a file that can be followed.
func regular(info os.FileInfo) bool { return info.Mode().IsRegular() }
