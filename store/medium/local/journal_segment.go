package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// segment is what is known of one file of a journal.
type segment struct {
	first uint64
	path  string
	// prev is first of the segment before it, 0 when it was the first of all; unknown when the header is damaged.
	prev     uint64
	prevEnd  int64
	headless bool
	// stray is the first position of another segment, whose file has this one's name; 0 when all is well.
	stray uint64
	// counts is how many bytes of it count, 0 when nothing but the file itself tells.
	counts int64
}

// segmentFirsts returns which segments a journal's folder has, in order; ErrNotFound when it has none.
func (s *journals) segmentFirsts(dir string) ([]uint64, error) {
	entries, err := s.fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, medium.ErrNotFound
	}
	if err != nil {
		return nil, diskError(err)
	}
	var firsts []uint64
	for _, e := range entries { // in order of name, which is that of the positions
		if first, ok := parseSegmentName(e.Name()); ok && !e.IsDir() {
			firsts = append(firsts, first)
		}
	}
	if len(firsts) == 0 {
		return nil, medium.ErrNotFound
	}
	return firsts, nil
}

// segments reads the headers of all segments in a folder; none is not an error. One that is removed meanwhile is left out.
func (s *journals) segments(dir string) ([]segment, error) {
	firsts, err := s.segmentFirsts(dir)
	if err != nil && !errors.Is(err, medium.ErrNotFound) {
		return nil, err
	}
	var segs []segment
	for _, first := range firsts {
		seg, err := s.readSegmentHeader(dir, first)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		segs = append(segs, seg)
	}
	chain(segs)
	return segs, nil
}

// chain lets each segment's header say how much of the one before it counts. What lies between the two was made and never used.
func chain(segs []segment) {
	for i := range segs {
		if segs[i].headless || segs[i].prev == 0 {
			continue
		}
		for k := i - 1; k >= 0 && segs[k].first >= segs[i].prev; k-- {
			segs[k].counts = fileHeaderSize
			if segs[k].first == segs[i].prev {
				segs[k].counts = segs[i].prevEnd
			}
		}
	}
}

func (s *journals) readSegmentHeader(dir string, first uint64) (segment, error) {
	seg := segment{first: first, path: segmentPath(dir, first)}
	b, err := readHead(s.fsys, seg.path)
	if err != nil {
		return seg, err
	}
	h, err := parseFileHeader(b, journalFrames)
	switch {
	case errors.Is(err, errFrameHeader):
		seg.headless = true // whoever reads the records reports it
		return seg, nil
	case err != nil:
		return seg, fmt.Errorf("%s: %w", seg.path, err)
	}
	if h.first != first { // somebody has renamed or copied it
		seg.headless, seg.stray = true, h.first
		return seg, nil
	}
	seg.prev, seg.prevEnd = h.prev, h.prevEnd
	return seg, nil
}

// readHead returns the first bytes of a file, fewer if it is shorter or they cannot be read.
func readHead(fsys vfs.FS, path string) ([]byte, error) {
	f, err := vfs.Open(fsys, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	w := window{ctx: context.Background(), r: f, size: min(info.Size(), fileHeaderSize)}
	return w.peek(0, fileHeaderSize)
}

// scanSegment reads one segment; see scanFile.
func (s *journals) scanSegment(ctx context.Context, seg segment, onRecord func(record) error, onDamage func(stretch) error) (scanResult, error) {
	f, err := vfs.Open(s.fsys, seg.path)
	if err != nil {
		return scanResult{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return scanResult{}, err
	}
	o := scanOptions{kind: journalFrames, first: seg.first, size: info.Size(), counts: seg.counts}
	res, err := scanFile(ctx, f, o, onRecord, onDamage)
	if errors.Is(err, errFrameVersion) {
		err = fmt.Errorf("%s: %w", seg.path, err)
	}
	return res, err
}

// ending is how a journal stands before it is appended to.
type ending struct {
	segs []segment
	next uint64
	torn stretch
}

// unseen is how many positions are left out after a crash of a journal whose entries were acknowledged before they were on
// the disk: a power cut may have taken entries whose positions somebody has seen, and no position is given twice. The
// committer syncs before so many are at risk.
const unseen = 1 << 23

// recover finds the end of the last segment, makes it durable, and cuts off what is torn behind it. The others ended when the one
// behind them was begun.
func (s *journals) recover(ctx context.Context, name string, segs []segment) (ending, error) {
	if len(segs) == 0 {
		return ending{}, nil
	}
	last := &segs[len(segs)-1]
	end, res, err := s.findEnd(ctx, *last, func(bad stretch) error {
		d := damageIn(*last, bad)
		s.keep(ctx, name, last.path, bad, &d)
		return nil
	})
	if err != nil {
		return ending{}, err
	}
	last.counts = res.end
	if res.torn.bytes() > 0 {
		s.metrics.tornTails.Inc()
		s.metrics.tornBytes.Add(float64(res.torn.bytes()))
		s.log.Warn("cut off what an interrupted write left at the end of a journal: it was not acknowledged as durable",
			"journal", name, "file", last.path, "offset", res.torn.from, "bytes", res.torn.bytes(), "after", res.torn.after)
	}
	if err := s.settle(last.path, res.end); err != nil {
		return ending{}, fmt.Errorf("cannot bring the end of %s to the disk: %w", last.path, diskError(err))
	}
	end.segs = segs
	return end, nil
}

// findEnd reads a journal's last segment.
func (s *journals) findEnd(ctx context.Context, last segment, onDamage func(stretch) error) (ending, scanResult, error) {
	res, err := s.scanSegment(ctx, last, func(record) error { return nil }, onDamage)
	if err != nil {
		return ending{}, res, diskError(err)
	}
	next := max(res.next, last.first)
	if last.stray != 0 {
		next++ // its name is taken
	}
	if !res.closed && res.header.flags&lazySync != 0 {
		next += unseen
	}
	return ending{next: min(next, maxSequence), torn: res.torn}, res, nil
}

// settle makes the file end at size, durably: a process that was killed has left it in memory only.
func (s *journals) settle(path string, size int64) error {
	f, err := s.fsys.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > size {
		if err := errors.Join(err, f.Truncate(size)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// createSegment makes the file of a new segment, durably, under its name only when its header is on the disk.
func (j *journal) createSegment(first uint64, prev segment) (*activeSegment, error) {
	s := j.store
	path := segmentPath(j.dir, first)
	tmp := path + ".tmp-0" // see vfs.IsTemp; there is one writer
	f, err := s.fsys.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return nil, err
	}
	a := &activeSegment{file: f, mark: newMark(), end: fileHeaderSize, room: fileHeaderSize}
	a.segment = segment{first: first, path: path, prev: prev.first, prevEnd: prev.counts}
	h := fileHeader{kind: journalFrames, mark: a.mark, first: first, prev: prev.first, prevEnd: prev.counts, created: time.Now().UnixMilli()}
	if s.o.sync == SyncInterval {
		h.flags = lazySync
	}
	_, err = f.WriteAt(appendFileHeader(nil, h), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.fsys.Rename(tmp, path)
	}
	if err != nil {
		f.Close()
		return nil, errors.Join(err, s.fsys.Remove(tmp))
	}
	if err := s.fsys.SyncDir(filepath.Dir(path)); err != nil {
		// The file stays: it may have taken the place of one that held the next position. See chain.
		f.Close()
		return nil, err
	}
	a.synced = a.end
	return a, nil
}
