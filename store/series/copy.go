package series

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// copyPrefix begins the names of the folders, among the snapshots, that are made for backups. Snapshots that people
// have asked for are theirs; these are ours to take away.
const copyPrefix = "backup-"

// CopySeries copies the tenant for a backup; see store.SeriesCopier. Blocks are hard links, and the head becomes a
// block, so that the room needed is that of the last two to three hours.
func (t *tenant) CopySeries(ctx context.Context) (string, func() error, error) {
	dir, err := t.copySeries(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("cannot copy the series of tenant %q: %w", t.name, err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}

func (t *tenant) copySeries(ctx context.Context) (string, error) {
	// A snapshot of tsdb leaves out the late samples of the head: they are made a block first.
	if err := t.tsdb.CompactOOOHead(ctx); err != nil {
		return "", err
	}
	parent := filepath.Join(t.dir, snapshotsDir)
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(parent, copyPrefix)
	if err != nil {
		return "", err
	}
	err = t.tsdb.Snapshot(dir, t.headHasSamples())
	if err == nil {
		err = t.meta.save()
	}
	if err == nil {
		err = copyMetadata(t.dir, dir)
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

// headHasSamples is false for a head that is empty, whose times are at the ends of all time.
func (t *tenant) headHasSamples() bool { return t.tsdb.Head().MinTime() <= t.tsdb.Head().MaxTime() }

func copyMetadata(from, to string) error {
	raw, err := os.ReadFile(filepath.Join(from, metadataFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return vfs.WriteFile(vfs.OS{}, filepath.Join(to, metadataFile), raw, 0o640)
}

// removeCopies takes away what a backup has left whose process died.
func removeCopies(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, snapshotsDir, copyPrefix+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range left {
		errs = append(errs, os.RemoveAll(l))
	}
	return errors.Join(errs...)
}
