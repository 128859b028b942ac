package local

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

const snapshotSuffix = ".snapshot"

func snapshotPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%0*d%s", segmentDigits, number, snapshotSuffix))
}

func parseSnapshotName(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, snapshotSuffix)
	if !ok || len(digits) != segmentDigits {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number > 0 && number <= maxSequence
}

// snapshotter is the one snapshot that is being written.
type snapshotter struct {
	running sync.WaitGroup
	mu      sync.Mutex
	busy    bool
	// after is how large the logs have to be for the next try, above 0 when the last one failed.
	after int64
}

func (s *snapshotter) wait() { s.running.Wait() }

// start says whether a snapshot is to be written now. Whoever got true calls end.
func (s *snapshotter) start(logs, limit int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || logs < max(limit, s.after) {
		return false
	}
	s.busy = true
	s.running.Add(1)
	return true
}

func (s *snapshotter) end(after int64) {
	s.mu.Lock()
	s.busy, s.after = false, after
	s.mu.Unlock()
	s.running.Done()
}

// snapshotEntry is a document in a snapshot.
type snapshotEntry struct {
	name documentName
	*stored
}

// compact begins to write a snapshot when the logs have grown beyond twice of what is live and a constant: all writing
// together is at most some 1.5 times that of the logs, and a start reads at most some 3 times what is live. The committer calls it.
func (d *documents) compact() {
	logs, live := d.sizes()
	if !d.snapshots.start(logs, d.o.logBytes+2*live) {
		return
	}
	if err := d.endLog(); err != nil {
		d.log.Error("cannot end the log of documents", "error", err)
		d.snapshots.end(0)
		return
	}
	entries, number := d.snapshotEntries()
	go func() {
		if err := d.writeSnapshot(entries, number); err != nil {
			d.metrics.snapshotFailures.Inc()
			d.log.Error("cannot write a snapshot of the documents; it is tried again when the logs have grown by a quarter", "error", err)
			d.snapshots.end(logs + logs/4)
			return
		}
		d.snapshots.end(0)
	}()
}

// sizes returns the bytes of all logs since the snapshot, and of what is live.
func (d *documents) sizes() (logs, live int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, l := range d.logs {
		logs += l.counts
	}
	return logs + d.current.counts, d.bytes
}

// snapshotEntries returns all documents as they are, in order of version, and the number of a snapshot of them. No change is under way to
// the disk meanwhile.
func (d *documents) snapshotEntries() ([]snapshotEntry, uint64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	number := d.next
	for _, g := range d.pending {
		number = min(number, g.changes[0].version)
	}
	entries := d.entriesLocked()
	slices.SortFunc(entries, func(a, b snapshotEntry) int { return cmp.Compare(a.version, b.version) })
	return entries, number
}

// entriesLocked returns all documents, in no order.
func (d *documents) entriesLocked() []snapshotEntry {
	entries := make([]snapshotEntry, 0, d.count)
	for kindName, k := range d.kinds {
		for key, s := range k.documents {
			entries = append(entries, snapshotEntry{documentName{kindName, key}, s})
		}
	}
	return entries
}

// writeSnapshot writes a snapshot, and lets go of what it makes superfluous.
func (d *documents) writeSnapshot(entries []snapshotEntry, number uint64) error {
	begun := time.Now()
	err := vfs.Replace(d.fsys, snapshotPath(d.dir, number), fileMode, func(w io.Writer) error {
		return fillSnapshot(w, entries, number)
	})
	if err != nil {
		return err
	}
	d.metrics.snapshots.Inc()
	d.metrics.snapshotSeconds.Observe(time.Since(begun).Seconds())
	d.files.Lock()
	defer d.files.Unlock()
	d.mu.Lock()
	d.snapshot = number
	d.logs = slices.DeleteFunc(slices.Clone(d.logs), func(l segment) bool { return l.first < number })
	d.mu.Unlock()
	return d.removeBelow(number)
}

// fillSnapshot writes the documents, in order of version, as records of one file, which ends with a closing record.
func fillSnapshot(w io.Writer, entries []snapshotEntry, number uint64) error {
	b := bufio.NewWriterSize(w, windowSize)
	h := fileHeader{kind: snapshotFrames, mark: newMark(), first: 1, created: time.Now().UnixMilli()}
	if _, err := b.Write(appendFileHeader(nil, h)); err != nil {
		return err
	}
	var rec, payload []byte
	for _, e := range entries {
		payload = appendDocument(payload[:0], e.name, e.value)
		rec = appendRecord(rec[:0], recordHeader{mark: h.mark, kind: putRecord, sequence: e.version}, payload)
		if _, err := b.Write(rec); err != nil {
			return err
		}
	}
	rec = appendRecord(rec[:0], recordHeader{mark: h.mark, kind: closeRecord, sequence: number}, nil)
	if _, err := b.Write(rec); err != nil {
		return err
	}
	return b.Flush()
}

// removeBelow removes the logs and snapshots that the snapshot with this number supersedes. A crash may bring some of them
// back: the next start removes them again.
func (d *documents) removeBelow(number uint64) error {
	found, err := d.readFolder()
	if err != nil {
		return err
	}
	for _, n := range found.logs {
		if n < number {
			err = errors.Join(err, ignoreNotExist(d.fsys.Remove(segmentPath(d.dir, n))))
		}
	}
	for _, n := range found.snapshots {
		if n < number {
			err = errors.Join(err, ignoreNotExist(d.fsys.Remove(snapshotPath(d.dir, n))))
		}
	}
	return err
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// documentFolder is what the folder of documents holds, in order of number.
type documentFolder struct{ logs, snapshots []uint64 }

func (d *documents) readFolder() (documentFolder, error) {
	var found documentFolder
	entries, err := d.fsys.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	for _, e := range entries { // in order of name
		if n, ok := parseSegmentName(e.Name()); ok {
			found.logs = append(found.logs, n)
		}
		if n, ok := parseSnapshotName(e.Name()); ok {
			found.snapshots = append(found.snapshots, n)
		}
	}
	return found, err
}

// newest is the number of the newest snapshot, 0 when there is none, and the logs that it does not cover.
func (f documentFolder) newest() (snapshot uint64, logs []uint64) {
	if n := len(f.snapshots); n > 0 {
		snapshot = f.snapshots[n-1]
	}
	from, _ := slices.BinarySearch(f.logs, snapshot)
	return snapshot, f.logs[from:]
}
