package local

import (
	"errors"
	"fmt"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// activeSegment is the segment that is written to, by who holds disk.
type activeSegment struct {
	segment
	file vfs.File
	mark uint32
	// end is behind the last record that counts: written and, when always synced, on the disk. It changes under disk and mu; either
	// is enough to read it. counts of segment is unused.
	end int64
	// synced is the offset before which all is known to be on the disk. Under mu.
	synced int64
	// room is how much of the file is set aside for records.
	room int64
	// failed is why nothing more may be written to it. Under mu.
	failed error
}

func (a *activeSegment) empty() bool { return a.end == fileHeaderSize }

// start starts the committer and, when syncs are made in the background, the syncer.
func (j *journal) start() {
	go j.commitLoop()
	if j.store.o.sync == SyncInterval {
		go j.syncLoop()
	} else {
		close(j.syncerEnd)
	}
}

func (j *journal) commitLoop() {
	for range j.wake {
		j.disk <- struct{}{}
		g, ending := j.swap()
		if len(g.waiters) > 0 {
			j.commit(g)
		}
		if ending {
			break
		}
		j.releaseDisk()
	}
	close(j.stopSync)
	<-j.syncerEnd
	j.closeErr = j.finish() // disk stays held: nothing is written any more
	close(j.finished)
}

// swap takes the group that was filling, and lets the spare one fill.
func (j *journal) swap() (g *group, ending bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	g = j.filling
	j.filling, j.spare = j.spare, g
	return g, j.ending
}

// commit writes a group and tells those who wait for it.
func (j *journal) commit(g *group) {
	err := j.write(g)
	if err != nil {
		err = diskError(err)
		j.store.metrics.failedAppends.Add(float64(len(g.waiters)))
	} else {
		j.store.metrics.appends.Add(float64(len(g.waiters)))
		j.store.metrics.bytes.Add(float64(len(g.buf)))
	}
	j.free = g.next
	j.giveRoom(int64(len(g.buf)))
	for _, w := range g.waiters {
		w.done <- err // it has room for one
	}
	g.reset()
}

// write writes a group to the active segment, or to a new one when that is full or there is none.
func (j *journal) write(g *group) error {
	n := int64(len(g.buf))
	if a := j.active; a != nil && (j.failure(a) != nil || !a.empty() && a.end+n > j.store.o.segmentBytes) {
		_ = j.endSegment(a) // it is in the log; what counts of it stays, and the group goes to the next one
	}
	if j.active == nil {
		if err := j.begin(); err != nil {
			return fmt.Errorf("cannot begin a new segment: %w", err)
		}
	}
	a := j.active
	if err := j.makeRoom(a, n); err != nil {
		return err
	}
	a.seal(g.buf, j.syncedUpTo(a))
	if _, err := a.file.WriteAt(g.buf, a.end); err != nil {
		j.store.metrics.failedWrites.Inc()
		return errors.Join(fmt.Errorf("cannot write: %w", err), j.takeBack(a))
	}
	if j.store.o.sync == SyncInterval {
		j.advance(a, n, 0)
		return j.syncLater(a, g.next)
	}
	if err := j.sync(a, a.file.SyncData); err != nil {
		j.abandon(a, err)
		return errors.Join(medium.ErrUncertain, fmt.Errorf("cannot sync: %w", err))
	}
	j.advance(a, n, a.end+n)
	return nil
}

// seal completes the records of a group, now that it is known where they go.
func (a *activeSegment) seal(buf []byte, synced int64) {
	for at := a.end; len(buf) > 0; {
		unsynced := min(at-synced, allUnsynced)
		n := sealRecord(buf, a.mark, uint32(unsynced))
		buf = buf[n:]
		at += int64(n)
	}
}

// advance makes n bytes behind the end count.
func (j *journal) advance(a *activeSegment, n, synced int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a.end += n
	a.synced = max(a.synced, synced)
}

func (j *journal) syncedUpTo(a *activeSegment) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return a.synced
}

// syncLater leaves it to the syncer to bring to the disk what was written; but when a power cut could take too many positions, the
// highest of which is below next, they are waited for.
func (j *journal) syncLater(a *activeSegment, next uint64) error {
	if next-j.safe < unseen/2 {
		notify(j.dirty)
		return nil
	}
	j.syncBehind()
	if err := j.failure(a); err != nil {
		return errors.Join(medium.ErrUncertain, fmt.Errorf("cannot sync: %w", err))
	}
	j.safe = next
	return nil
}

// syncLoop syncs what was written, one interval after the first write at the latest.
func (j *journal) syncLoop() {
	defer close(j.syncerEnd)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		select {
		case <-j.dirty:
		case <-j.stopSync:
			return
		}
		timer.Reset(j.store.o.interval)
		select {
		case <-timer.C:
			j.syncBehind()
		case <-j.stopSync:
			return
		}
	}
}

// syncBehind syncs the active segment while others write to it.
func (j *journal) syncBehind() {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	a := j.active
	if a == nil || a.failed != nil || a.synced == a.end {
		j.mu.Unlock()
		return
	}
	end := a.end
	j.mu.Unlock()
	err := j.sync(a, a.file.SyncData)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		a.failed = err
		return
	}
	a.synced = max(a.synced, end)
}

// failure returns why a segment must not be written to any more.
func (j *journal) failure(a *activeSegment) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return a.failed
}

// sync is one sync of a file, counted and timed. A failure says nothing of what is on the disk, and a later success
// nothing either: the kernel forgets what it could not write. So nobody syncs that file again; see abandon.
func (j *journal) sync(a *activeSegment, sync func() error) error {
	m := j.store.metrics
	begun := time.Now()
	err := sync()
	m.syncSeconds.Observe(time.Since(begun).Seconds())
	if err != nil {
		m.failedSyncs.Inc()
		j.store.log.Error("cannot sync a segment of a journal: the disk or its file system has failed",
			"journal", j.name, "file", a.path, "error", err)
	}
	return err
}

// Room is set aside as much again as is in the segment, within these bounds: a file whose size does not change is cheaper to sync,
// and a full disk shows before anything of a group is written.
const (
	leastRoom = 128 << 10
	mostRoom  = 8 << 20
)

// makeRoom sets room aside for n more bytes.
func (j *journal) makeRoom(a *activeSegment, n int64) error {
	need := a.end + n
	if need <= a.room {
		return nil
	}
	size := max(need, min(a.end+min(max(a.end, leastRoom), mostRoom), j.store.o.segmentBytes))
	err := a.file.Preallocate(size)
	if vfs.IsNoSpace(err) && size > need {
		size = need
		err = a.file.Preallocate(size)
	}
	if err == nil {
		a.room = size
		return nil
	}
	j.store.metrics.failedWrites.Inc()
	return errors.Join(fmt.Errorf("cannot set room aside: %w", err), j.takeBack(a))
}

// takeBack cuts off what a failed write may have left behind the end, for good, so that nobody ever reads it.
func (j *journal) takeBack(a *activeSegment) error {
	a.room = a.end
	err := a.file.Truncate(a.end)
	if err == nil {
		err = j.sync(a, a.file.SyncData)
	}
	if err == nil {
		j.advance(a, 0, a.end)
		return nil
	}
	j.abandon(a, err)
	return err
}

// abandon gives up a segment that cannot be trusted with more: what counts of it ends where it was, and the header of the next
// segment will say so. Until there is one, nothing can be appended.
//
// When every append waits for its sync, what counts was synced before. In the other case it may have been lost, although it was
// acknowledged; it still counts, so that whoever reads it is told what is missing.
func (j *journal) abandon(a *activeSegment, err error) {
	j.store.log.Error("gave up a segment of a journal; the next append begins another", "journal", j.name, "file", a.path,
		"counts", a.end, "synced", j.syncedUpTo(a), "error", err)
	if j.store.o.sync != SyncInterval {
		// Helps those who read the file before the next segment exists. That it fails is no news.
		if a.file.Truncate(a.end) == nil {
			_ = a.file.SyncData()
		}
	}
	j.leave(a)
}

// leave makes the active segment one of those before, and closes its file.
func (j *journal) leave(a *activeSegment) {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	a.counts = a.end
	j.segs = append(j.segs[:len(j.segs):len(j.segs)], a.segment)
	j.active = nil
	j.mu.Unlock()
	a.file.Close()
}

// endSegment closes the active segment in good order; if it has failed before, or does now, it is given up.
func (j *journal) endSegment(a *activeSegment) error {
	if err := j.closeSegment(a); err != nil {
		j.abandon(a, err)
		return err
	}
	j.leave(a)
	return nil
}

// closeSegment syncs what was written, writes the closing record, and gives back the room that is left.
func (j *journal) closeSegment(a *activeSegment) error {
	// No background sync is under way at once: what that would learn must not be lost.
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if err := j.failure(a); err != nil {
		return err
	}
	if j.syncedUpTo(a) < a.end {
		if err := j.sync(a, a.file.SyncData); err != nil {
			return err
		}
		j.advance(a, 0, a.end)
	}
	rec := appendRecord(nil, recordHeader{mark: a.mark, kind: closeRecord, sequence: j.free}, nil)
	size := a.end + int64(len(rec))
	if _, err := a.file.WriteAt(rec, a.end); err != nil {
		if !vfs.IsNoSpace(err) {
			return err
		}
		size = a.end // the header of the next segment says the same
	}
	if err := a.file.Truncate(size); err != nil {
		return err
	}
	return j.sync(a, a.file.Sync)
}

// begin makes a new active segment behind those that there are.
func (j *journal) begin() error {
	var prev segment
	segs := j.segs
	if n := len(segs); n > 0 {
		prev = segs[n-1]
		if prev.first == j.free {
			// Nothing was ever in it: the new one takes its place.
			segs = segs[:n-1]
			prev = segment{first: prev.prev, counts: prev.prevEnd}
		}
	}
	a, err := j.createSegment(j.free, prev)
	if err != nil {
		return diskError(err)
	}
	j.safe = j.free
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segs, j.active = segs, a
	return nil
}

// finish ends the last segment in good order. When it has failed, acknowledged entries may be lost, and Close says so.
func (j *journal) finish() error {
	var failed error
	if a := j.active; a != nil {
		failed = j.endSegment(a)
		if failed == nil {
			return nil
		}
	}
	// Whatever a failed sync left behind is settled by the header of a new segment.
	if err := j.begin(); err != nil {
		return errors.Join(diskError(failed), err)
	}
	return diskError(errors.Join(failed, j.endSegment(j.active)))
}
