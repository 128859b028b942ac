package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// documentChange is one change of a document on its way.
type documentChange struct {
	name    documentName
	value   []byte // nil to delete
	version uint64
	growth  int64 // of all documents, by it
}

// stored is the document after the change; nil when it deletes.
func (c *documentChange) stored() *stored {
	if c.value == nil {
		return nil
	}
	return &stored{version: c.version, value: c.value}
}

// documentGroup is changes that are written and synced together.
type documentGroup struct {
	buf     []byte // drafts of their records
	changes []*documentChange
	taken   chan struct{} // closed by the committer when nothing can join any more
	done    chan struct{} // closed by the committer when err is set
	err     error
}

// maxGroupBytes bounds a group: what waits in memory is twice that and one value for each caller. It is much more than a
// disk takes between two syncs.
const maxGroupBytes = 8 << 20

func newDocumentGroup() *documentGroup {
	return &documentGroup{taken: make(chan struct{}), done: make(chan struct{})}
}

// change makes a change durable and visible if the document is at the version expected.
func (d *documents) change(ctx context.Context, c *documentChange, expected uint64) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.calls.end()
	for {
		g, wait, err := d.propose(c, expected)
		if err != nil {
			d.metrics.refused(err)
			return err
		}
		if g != nil {
			return d.await(ctx, g)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (d *documents) await(ctx context.Context, g *documentGroup) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return errors.Join(medium.ErrUncertain, context.Cause(ctx))
	}
}

// propose lets a change join the group that fills, or returns what to wait for before the next try.
func (d *documents) propose(c *documentChange, expected uint64) (*documentGroup, <-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.findLocked(c.name)
	if err := d.allowedLocked(c, old, expected); err != nil {
		return nil, nil, err
	}
	if g := d.pending[c.name]; g != nil {
		return nil, g.done, nil // it may fail, and then expected is still right
	}
	g := d.filling
	size := recordHeaderSize + documentNameSize + len(c.name.kind) + len(c.name.key) + len(c.value)
	if len(g.buf) > 0 && len(g.buf)+size > maxGroupBytes {
		d.metrics.queueWaits.Inc()
		return nil, g.taken, nil
	}
	c.growth = sizeOf(c.name, c.stored()) - sizeOf(c.name, old)
	if err := d.roomLocked(c); err != nil {
		return nil, nil, err
	}
	c.version = d.next
	d.next++
	d.reserved += c.growth
	g.add(c)
	d.pending[c.name] = g
	notify(d.wake)
	return g, nil, nil
}

// allowedLocked says why a change cannot be made to the document old.
func (d *documents) allowedLocked(c *documentChange, old *stored, expected uint64) error {
	var version uint64
	if old != nil {
		version = old.version
	}
	switch {
	case d.o.readOnly:
		return medium.ErrReadOnly
	case version != expected, c.value == nil && old == nil:
		return fmt.Errorf("%w: it is at version %d, %d was expected", medium.ErrConflict, version, expected)
	}
	return d.halted
}

// roomLocked says whether the change fits. What makes documents smaller always does.
func (d *documents) roomLocked(c *documentChange) error {
	if c.growth <= 0 || d.bytes+d.reserved+c.growth <= d.o.maxBytes {
		return nil
	}
	return fmt.Errorf("%w: all together have %d bytes, at most %d are allowed: delete some, or raise storage.medium.local.max_documents_size",
		errDocumentsFull, d.bytes+d.reserved, d.o.maxBytes)
}

func (g *documentGroup) add(c *documentChange) {
	kind := putRecord
	if c.value == nil {
		kind = deleteRecord
	}
	g.buf = appendRecordDraft(g.buf, kind, c.version, appendDocument(nil, c.name, c.value))
	g.changes = append(g.changes, c)
}

func (d *documents) commitLoop() {
	defer close(d.committed)
	for range d.wake {
		g := d.takeGroup()
		if len(g.changes) > 0 {
			d.commit(g)
			d.compact()
		}
	}
}

// takeGroup lets a new group fill and returns the one before.
func (d *documents) takeGroup() *documentGroup {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.filling
	d.filling = newDocumentGroup()
	close(g.taken)
	return g
}

// commit writes a group, makes it visible, and tells those who wait.
func (d *documents) commit(g *documentGroup) {
	g.err = diskError(d.write(g))
	if g.err == nil {
		d.metrics.committed(g)
	} else {
		d.metrics.failures.Add(float64(len(g.changes)))
	}
	d.publish(g)
	close(g.done)
}

func (d *documents) publish(g *documentGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range g.changes {
		delete(d.pending, c.name)
		d.reserved -= c.growth
		if g.err == nil {
			d.setLocked(c.name, c.stored(), c.version)
		}
	}
	d.noteActiveLocked()
}

// write brings a group to the disk. When it fails nothing of it is there, or documents are halted.
func (d *documents) write(g *documentGroup) error {
	if err := d.isHalted(); err != nil {
		return err
	}
	if d.active == nil {
		if err := d.beginLog(g.changes[0].version); err != nil {
			return fmt.Errorf("cannot begin a new log: %w", err)
		}
	}
	l := d.active
	if err := l.append(g.buf); err != nil {
		d.metrics.writeFailures.Inc()
		if undone := l.takeBack(); undone != nil {
			d.halt(l, undone)
			return errors.Join(medium.ErrUncertain, err)
		}
		return err
	}
	if err := d.metrics.timed(l.file.SyncData); err != nil {
		d.halt(l, err)
		return errors.Join(medium.ErrUncertain, fmt.Errorf("cannot sync: %w", err))
	}
	l.end += int64(len(g.buf))
	return nil
}

func (d *documents) isHalted() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.halted
}

// halt refuses all changes from now on. It is for a disk of which nobody knows what it holds: after a sync that has failed, the
// kernel takes what it could not write for written.
func (d *documents) halt(l *documentLog, cause error) {
	d.metrics.syncFailures.Inc()
	d.log.Error("documents can only be read from now on: the disk or its file system has failed", "file", l.path, "error", cause)
	// Whoever opens the log next must not find in the kernel's memory what is not on the disk. That this fails, too, is no news.
	_ = l.file.Truncate(l.end)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halted = fmt.Errorf("%w: %w", errDocumentsHalt, cause)
}
