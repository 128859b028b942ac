package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// load reads the newest snapshot and the logs behind it, and brings what was read to the disk: a process that was killed may have
// left it in the kernel's memory only.
func (d *documents) load(ctx context.Context) error {
	if !d.o.readOnly {
		if err := errors.Join(vfs.MkdirAll(d.fsys, d.dir, folderMode), vfs.RemoveTemps(d.fsys, d.dir)); err != nil {
			return diskError(err)
		}
	}
	l, err := d.replay(ctx)
	if err != nil {
		return diskError(err)
	}
	d.kinds, d.count, d.bytes = l.to.kinds, l.to.count, l.to.bytes
	d.next, d.logs, d.snapshot, d.damage = min(l.next, maxSequence), l.logs, l.snapshot, l.damage
	if d.o.readOnly {
		return nil
	}
	return diskError(d.settle(l))
}

// maxReplays is how often reading begins anew when a process that writes has removed a file meanwhile, which it does
// once in a snapshot.
const maxReplays = 10

// replay reads everything.
func (d *documents) replay(ctx context.Context) (*documentLoader, error) {
	for try := 0; ; try++ {
		l := &documentLoader{d: d, to: &documents{kinds: map[string]*kind{}}, next: 1}
		err := l.run(ctx)
		if errors.Is(err, fs.ErrNotExist) && try < maxReplays {
			continue
		}
		return l, err
	}
}

// maxLogs is how many logs may be left of as many orderly ends before a start puts them together.
const maxLogs = 16

// settle makes a snapshot of what was read, when there is a reason to; else, or if there is no room for it, it makes the last log end
// where it counts.
//
// After an end without order a sync alone would not do: if it was a failed sync that ended it, the kernel may have records in its memory that
// it takes for written, and that are not on the disk.
func (d *documents) settle(l *documentLoader) error {
	logs, live := d.sizes()
	var failed error
	if l.unclean || len(l.damage) > 0 || len(l.logs) > maxLogs || logs > d.o.logBytes+2*live {
		entries, _ := d.snapshotEntries()
		if failed = d.writeSnapshot(entries, d.next); failed == nil {
			return nil
		}
		d.metrics.snapshotFailures.Inc()
		d.log.Warn("cannot write a snapshot of the documents at the start; the logs stay", "error", failed)
	}
	if err := d.removeBelow(l.snapshot); err != nil {
		return err
	}
	if !l.unclean {
		return nil
	}
	return d.settleLog(l.logs[len(l.logs)-1])
}

func (d *documents) settleLog(last segment) error {
	f, err := d.fsys.OpenFile(last.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(last.counts); err != nil {
		return err
	}
	return f.Sync()
}

// documentLoader reads the files of documents into memory.
type documentLoader struct {
	d        *documents
	to       *documents // where they go; nothing but its documents is used
	next     uint64
	snapshot uint64
	logs     []segment
	unclean  bool // the last log has something in it and no orderly end
	damage   []medium.Damage
	reports  int // calls of report
	// namesOnly leaves the values out, to check what is there without a second copy of it in memory.
	namesOnly bool
	// onDamage is called for each stretch; when it is nil the stretch is set aside.
	onDamage func(medium.Damage)
}

func (l *documentLoader) run(ctx context.Context) error {
	found, err := l.d.readFolder()
	if err != nil {
		return err
	}
	number, firsts := found.newest()
	if number > 0 {
		if err := l.readSnapshot(ctx, number); err != nil {
			return err
		}
	}
	for _, first := range firsts {
		s, err := l.readLogHeader(first)
		if err != nil {
			return err
		}
		l.logs = append(l.logs, s)
	}
	chain(l.logs)
	return l.readLogs(ctx)
}

func (l *documentLoader) readLogHeader(first uint64) (segment, error) {
	s := segment{first: first, path: segmentPath(l.d.dir, first)}
	b, err := readHead(l.d.fsys, s.path)
	if err != nil {
		return s, err
	}
	h, err := parseFileHeader(b, documentFrames)
	switch {
	case errors.Is(err, errFrameHeader):
		s.headless = true // the scan reports it
		return s, nil
	case err != nil:
		return s, fmt.Errorf("%s: %w", s.path, err)
	}
	s.prev, s.prevEnd = h.prev, h.prevEnd
	return s, nil
}

func (l *documentLoader) readSnapshot(ctx context.Context, number uint64) error {
	path := snapshotPath(l.d.dir, number)
	l.snapshot = number
	reports := l.reports
	res, size, err := l.scan(ctx, path, scanOptions{kind: snapshotFrames, first: 1}, true)
	if err != nil {
		return err
	}
	if !res.closed && l.reports == reports {
		l.report(ctx, path, stretch{from: size, to: size, after: res.last, problem: "the snapshot ends without its closing record: what was at its end is missing"})
	}
	l.next = max(l.next, number)
	return nil
}

func (l *documentLoader) readLogs(ctx context.Context) error {
	for i := range l.logs {
		s := &l.logs[i]
		l.findMissing(ctx, i)
		res, _, err := l.scan(ctx, s.path, scanOptions{kind: documentFrames, first: s.first, counts: s.counts}, false)
		if err != nil {
			return err
		}
		s.counts = res.end
		if i == len(l.logs)-1 {
			l.unclean = !res.closed && res.end+res.torn.bytes() > fileHeaderSize
			l.reportTorn(s.path, res)
		}
	}
	return nil
}

// findMissing reports files that should stand before the log i.
func (l *documentLoader) findMissing(ctx context.Context, i int) {
	s := l.logs[i]
	before := l.snapshot
	if i > 0 {
		before = l.logs[i-1].first + 1
	}
	if s.headless || s.prev == 0 || s.prev < before {
		return
	}
	l.report(ctx, s.path, stretch{after: s.prev - 1, before: s.first,
		problem: fmt.Sprintf("a file before it is missing: the log or snapshot with the changes up to version %d", s.prev)})
}

func (l *documentLoader) reportTorn(path string, res scanResult) {
	if res.torn.bytes() == 0 || l.onDamage != nil {
		return
	}
	l.d.metrics.tornTails.Inc()
	l.d.log.Warn("left out what an interrupted write left at the end of the log of documents: it was not acknowledged",
		"file", path, "offset", res.torn.from, "bytes", res.torn.bytes())
}

// scan reads one file. All of it counts when whole is true.
func (l *documentLoader) scan(ctx context.Context, path string, o scanOptions, whole bool) (scanResult, int64, error) {
	f, err := vfs.Open(l.d.fsys, path)
	if err != nil {
		return scanResult{}, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return scanResult{}, 0, err
	}
	o.size = info.Size()
	if whole {
		o.counts = max(o.size, 1)
	}
	res, err := scanFile(ctx, f, o, func(r record) error { return l.apply(ctx, path, r) }, func(bad stretch) error {
		l.damaged(ctx, f, path, bad)
		return nil
	})
	l.next = max(l.next, res.next, res.header.first)
	if errors.Is(err, errFrameVersion) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return res, o.size, err
}

// present stands for a value that is left out.
var present = []byte("null")

// apply takes one sound record.
func (l *documentLoader) apply(ctx context.Context, path string, r record) error {
	name, value, wrong := parseDocument(r.payload)
	if wrong == nil && r.kind != putRecord && r.kind != deleteRecord {
		wrong = fmt.Errorf("%w: it is of the type %d", errDocumentRecord, r.kind)
	}
	if wrong != nil { // what is damaged does not keep the others from being read
		l.report(ctx, path, stretch{from: r.offset, to: r.offset + r.size(), after: r.sequence - 1, before: r.sequence + 1, problem: wrong.Error()})
		return nil //nolint:nilerr // see above
	}
	if r.kind == deleteRecord {
		l.to.setLocked(name, nil, r.sequence)
		return nil
	}
	if !l.namesOnly {
		value = append([]byte(nil), value...)
	} else if value != nil {
		value = present
	}
	l.to.setLocked(name, &stored{version: r.sequence, value: value}, r.sequence)
	if l.to.bytes > 2*l.d.o.maxBytes {
		return fmt.Errorf("%w: those in %s have more than twice the %d bytes that are allowed: raise storage.medium.local.max_documents_size",
			errDocumentsFull, l.d.dir, l.d.o.maxBytes)
	}
	return nil
}

// damaged takes a stretch that does not read. The documents that it says it held are marked as damaged: what is known of them from
// before must not pass for what they are.
func (l *documentLoader) damaged(ctx context.Context, f vfs.File, path string, bad stretch) {
	w := window{ctx: ctx, r: f, size: bad.to}
	for at := bad.from; ; {
		b, err := w.peek(at, recordHeaderSize)
		h, ok := parseRecordHeader(b)
		if err != nil || !ok || h.sequence <= bad.after || at+h.size() > bad.to {
			break
		}
		b, err = w.peek(at+recordHeaderSize, h.length)
		if err != nil {
			break
		}
		if name, _, err := parseDocumentName(b); err == nil && (h.kind == putRecord || h.kind == deleteRecord) {
			l.to.setLocked(name, &stored{version: h.sequence}, h.sequence)
			bad.problem += fmt.Sprintf("; it is version %d of the document %s", h.sequence, name)
		}
		at += h.size()
	}
	l.report(ctx, path, bad)
}

// maxDocumentDamage bounds how many stretches are told apart; the last one stands for all that follow.
const maxDocumentDamage = 1000

func (l *documentLoader) report(ctx context.Context, path string, bad stretch) {
	l.reports++
	m := medium.Damage{
		Where: fmt.Sprintf("%s: bytes %d to %d", path, bad.from, bad.to),
		After: medium.Position(bad.after), Before: medium.Position(bad.before), Bytes: bad.bytes(), Problem: bad.problem,
	}
	if l.onDamage != nil {
		l.onDamage(m)
		return
	}
	l.keep(ctx, path, bad, &m)
	if len(l.damage) >= maxDocumentDamage {
		last := &l.damage[len(l.damage)-1]
		last.Bytes += m.Bytes
		last.Problem = "more damage than can be told apart begins here"
		return
	}
	l.damage = append(l.damage, m)
}

// keep sets damaged bytes aside and tells the log.
func (l *documentLoader) keep(ctx context.Context, path string, bad stretch, m *medium.Damage) {
	log := l.d.log.With("where", m.Where, "problem", m.Problem, "after version", m.After, "before version", m.Before)
	l.d.metrics.damagedBytes.Add(float64(bad.bytes()))
	if l.d.o.readOnly || bad.bytes() == 0 {
		log.Error("documents are damaged; the others are sound")
		return
	}
	kept, _, err := l.d.aside.put(ctx, path, bad.from, bad.to)
	m.Kept = kept
	if err != nil {
		log.Error("documents are damaged, and the damaged bytes could not be set aside; the others are sound", "error", err)
		return
	}
	log.Error("documents are damaged; the others are sound", "kept", kept)
}
