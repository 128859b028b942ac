package local

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// The folder of documents holds logs, <20 digits>.log, and one snapshot, <20 digits>.snapshot. Both are framed as frame.go
// says. A log has the changes from the sequence number on that its name says, a snapshot all documents as they were before
// the change with its number. So a start reads the newest snapshot and the logs whose number is not below it.

// documentDir is below the medium's folder.
func documentDir(dir string) string { return filepath.Join(dir, "document") }

// documentLog is the log that is written to. What lies before end is on the disk.
type documentLog struct {
	segment
	file vfs.File
	mark uint32
	end  int64
	room int64 // how much of the file is set aside
}

// beginLog makes the log whose least sequence number is first, durably, under its name only when its header is on the disk.
func (d *documents) beginLog(first uint64) error {
	path := segmentPath(d.dir, first)
	tmp := path + ".tmp-0" // see vfs.IsTemp; there is one writer
	f, err := d.fsys.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	l := &documentLog{file: f, mark: newMark(), end: fileHeaderSize, room: fileHeaderSize}
	l.segment = segment{first: first, path: path}
	l.prev, l.prevEnd = d.logBefore(first)
	h := fileHeader{kind: documentFrames, mark: l.mark, first: first, prev: l.prev, prevEnd: l.prevEnd, created: time.Now().UnixMilli()}
	_, err = f.WriteAt(appendFileHeader(nil, h), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.fsys.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), d.fsys.Remove(tmp))
	}
	if err := d.fsys.SyncDir(d.dir); err != nil {
		return errors.Join(err, f.Close(), d.fsys.Remove(path))
	}
	d.active = l
	return nil
}

// logBefore is the log before one that is to begin, and how much of it counts. When there was none since the snapshot it is the last number
// that the snapshot covers, so that a snapshot which is missing is noticed. A log that begins at the same number has nothing
// in it: the new one takes its place.
func (d *documents) logBefore(first uint64) (prev uint64, prevEnd int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.logs)
	if n == 0 {
		return max(d.snapshot, 1) - 1, 0
	}
	last := d.logs[n-1]
	if last.first < first {
		return last.first, last.counts
	}
	d.logs = d.logs[: n-1 : n-1]
	return last.prev, last.prevEnd
}

// noteActiveLocked tells others of the log that is written to.
func (d *documents) noteActiveLocked() {
	d.current = segment{}
	if l := d.active; l != nil {
		d.current = l.segment
		d.current.counts = l.end
	}
}

// Room is set aside as much again as is in the log, within these bounds: a file whose size does not change is cheaper to
// sync, and a full disk shows before anything is written.
const (
	leastDocumentRoom = 64 << 10
	mostDocumentRoom  = 4 << 20
)

// append writes the drafts of records behind the end. The end moves when they are synced.
func (l *documentLog) append(drafts []byte) error {
	need := l.end + int64(len(drafts))
	if need > l.room {
		if err := l.makeRoom(need); err != nil {
			return err
		}
	}
	for b, unsynced := drafts, 0; len(b) > 0; {
		n := sealRecord(b, l.mark, uint32(unsynced))
		b = b[n:]
		unsynced += n
	}
	_, err := l.file.WriteAt(drafts, l.end)
	return err
}

func (l *documentLog) makeRoom(need int64) error {
	size := max(need, l.end+min(max(l.end, leastDocumentRoom), mostDocumentRoom))
	err := l.file.Preallocate(size)
	if vfs.IsNoSpace(err) && size > need {
		size = need
		err = l.file.Preallocate(size)
	}
	if err != nil {
		return err
	}
	l.room = size
	return nil
}

// takeBack cuts off what a failed write may have left behind the end, durably, so that nobody ever reads it.
func (l *documentLog) takeBack() error {
	l.room = l.end
	if err := l.file.Truncate(l.end); err != nil {
		return err
	}
	return l.file.SyncData()
}

// endLog ends the log in good order, if there is one. The next change begins another.
func (d *documents) endLog() error {
	l := d.active
	if l == nil {
		return nil
	}
	if d.isHalted() == nil {
		if err := l.finish(d.nextVersion()); err != nil {
			d.halt(l, err)
		}
	}
	d.mu.Lock()
	l.counts = l.end
	d.logs = append(d.logs[:len(d.logs):len(d.logs)], l.segment)
	d.active = nil
	d.noteActiveLocked()
	d.mu.Unlock()
	if err := d.isHalted(); err != nil {
		return errors.Join(err, l.file.Close())
	}
	return l.file.Close()
}

func (d *documents) nextVersion() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.next
}

// finish writes the closing record and gives back the room that is left.
func (l *documentLog) finish(next uint64) error {
	rec := appendRecord(nil, recordHeader{mark: l.mark, kind: closeRecord, sequence: next}, nil)
	size := l.end + int64(len(rec))
	if _, err := l.file.WriteAt(rec, l.end); err != nil {
		if !vfs.IsNoSpace(err) {
			return err
		}
		size = l.end // the header of the next log says the same
	}
	if err := l.file.Truncate(size); err != nil {
		return err
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.end = size
	return nil
}
