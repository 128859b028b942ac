package local

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// verify reads everything, and looks for files that do not belong there.
func (d *documents) verify(ctx context.Context, v *verification) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	defer d.calls.end()
	count, size, err := d.check(ctx, v.find)
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	v.sum.Documents += count
	v.sum.DocumentBytes += size
	v.report()
	entries, err := d.fsys.ReadDir(d.dir)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		if err := d.verifyEntry(v, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (d *documents) verifyEntry(v *verification, name string) error {
	path := filepath.Join(d.dir, name)
	_, isLog := parseSegmentName(name)
	_, isSnapshot := parseSnapshotName(name)
	switch {
	case isLog, isSnapshot:
		return nil
	case vfs.IsTemp(name):
		return v.leftover(d.fsys, path, "document", true)
	}
	return v.stranger(d.fsys, path, "document")
}

// check reads the snapshot and the logs from the disk, as they were when it was called, and calls find for everything that is wrong: bytes
// that do not read, and documents that the files do not have as they are in memory. It returns how many documents there were, and
// the bytes of their values. While it runs no snapshot replaces the files.
func (d *documents) check(ctx context.Context, find func(medium.Finding)) (count, size int64, err error) {
	d.files.RLock()
	defer d.files.RUnlock()
	l, entries := d.checked()
	l.onDamage = func(m medium.Damage) {
		find(medium.Finding{Area: "document", Where: m.Where, Problem: m.Problem,
			Effect: fmt.Sprintf("what was changed after version %d, and before %d if that is not 0, may be missing after the next start", m.After, m.Before)})
	}
	if l.snapshot > 0 {
		if err := l.readSnapshot(ctx, l.snapshot); err != nil {
			return 0, 0, diskError(err)
		}
	}
	if err := l.readLogs(ctx); err != nil {
		return 0, 0, diskError(err)
	}
	for _, e := range entries {
		count++
		size += int64(len(e.value))
		if f := d.compare(e, l.to.findLocked(e.name)); f.Problem != "" {
			find(f)
		}
	}
	return count, size, nil
}

// checked returns what there is at one moment: in files, and in memory.
func (d *documents) checked() (*documentLoader, []snapshotEntry) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	l := &documentLoader{d: d, to: &documents{kinds: map[string]*kind{}}, next: 1, snapshot: d.snapshot, logs: slices.Clone(d.logs), namesOnly: true}
	if d.current.path != "" {
		l.logs = append(l.logs, d.current)
	}
	return l, d.entriesLocked()
}

// compare says what is wrong with a document that is in memory as e and in the files as s.
func (d *documents) compare(e snapshotEntry, s *stored) medium.Finding {
	f := medium.Finding{Area: "document", Name: e.name.kind + "/" + e.name.key, Where: d.dir}
	switch {
	case e.lost():
		f.Problem = fmt.Sprintf("version %d was found damaged at a start", e.version)
		f.Effect = "the document cannot be read: delete it, or write it anew, at this version"
	case s == nil || s.version != e.version:
		f.Problem = fmt.Sprintf("the files do not have its version %d", e.version)
		f.Effect = "the document will be missing, or older, after the next start"
	}
	return f
}
