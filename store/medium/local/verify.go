package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// verification is one walk over the medium, on one goroutine.
type verification struct {
	found    func(medium.Finding)
	progress func(medium.Summary)
	sum      medium.Summary
}

func newVerification(found func(medium.Finding), progress func(medium.Summary)) *verification {
	if progress == nil {
		progress = func(medium.Summary) {}
	}
	return &verification{found: found, progress: progress}
}

// isGone says whether an error means that a file or folder is no longer there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotFolder(err) }

func (v *verification) find(f medium.Finding) {
	v.sum.Findings++
	v.found(f)
}

func (v *verification) report() { v.progress(v.sum) }

// stranger reports a path that is none of the medium's, unless it has gone meanwhile.
func (v *verification) stranger(fsys vfs.FS, path, area string) error {
	info, err := fsys.Stat(path)
	if isGone(err) {
		return nil
	}
	what := "file"
	if err == nil && info.IsDir() {
		what = "folder"
	}
	v.find(medium.Finding{Area: area, Where: path, Problem: "this " + what + " does not belong here: Hulotte neither made it nor reads it"})
	return nil
}

// leftover reports a temporary file. When another process may be writing it, it has to be old.
func (v *verification) leftover(fsys vfs.FS, path, area string, others bool) error {
	info, err := fsys.Stat(path)
	if isGone(err) {
		return nil // finished meanwhile
	}
	if err != nil {
		return diskError(err)
	}
	if others && time.Since(info.ModTime()) < leftoverAge {
		return nil
	}
	v.find(medium.Finding{Area: area, Where: path,
		Problem: fmt.Sprintf("an interrupted write left this file of %d bytes; it is removed at the next start", info.Size())})
	return nil
}

// Verify reads every segment, blob and document from the disk, and looks for files that do not belong there. Of a journal it
// reads what was there when it came to it.
func (m *Medium) Verify(ctx context.Context, found func(medium.Finding), progress func(medium.Summary)) (medium.Summary, error) {
	v := newVerification(found, progress)
	for _, step := range []func(context.Context, *verification) error{
		m.verifyFolder, m.journals.verify, m.blobs.verify, m.documents.verify,
	} {
		if err := step(ctx, v); err != nil {
			return v.sum, fmt.Errorf("cannot verify the local medium in %s: %w", m.dir, err)
		}
	}
	v.report()
	return v.sum, nil
}

// verifyFolder looks at what lies in the medium's own folder, and in damaged/.
func (m *Medium) verifyFolder(ctx context.Context, v *verification) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	fsys := m.journals.fsys
	if _, err := readFormat(fsys, m.dir); err != nil {
		v.find(medium.Finding{Area: "medium", Where: filepath.Join(m.dir, formatFile), Problem: err.Error(),
			Effect: "nothing can be read once the medium was closed"})
	}
	entries, err := fsys.ReadDir(m.dir)
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		path := filepath.Join(m.dir, e.Name())
		switch name := e.Name(); {
		case name == damagedDir:
			err = v.setAside(ctx, fsys, m.dir, path)
		case slices.Contains(ownEntries, name):
		case vfs.IsTemp(name):
			err = v.leftover(fsys, path, "medium", true)
		default:
			err = v.stranger(fsys, path, "medium")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ownEntries is what belongs into the medium's folder. lost+found is there when a disk is mounted on it.
var ownEntries = []string{formatFile, lockFile, "journal", "blob", "document", "lost+found"}

// setAside reports the copies of damaged bytes that wait for a person.
func (v *verification) setAside(ctx context.Context, fsys vfs.FS, root, dir string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := fsys.ReadDir(dir)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			if err := v.setAside(ctx, fsys, root, path); err != nil {
				return err
			}
			continue
		}
		if vfs.IsTemp(e.Name()) {
			if err := v.leftover(fsys, path, "damaged", true); err != nil {
				return err
			}
			continue
		}
		info, err := fsys.Stat(path)
		if err != nil {
			continue // removed meanwhile
		}
		name, err := filepath.Rel(filepath.Join(root, damagedDir), path)
		if err != nil {
			name = path
		}
		v.find(medium.Finding{Area: "damaged", Name: filepath.ToSlash(name), Where: path,
			Problem: fmt.Sprintf("%d bytes that were found damaged earlier lie here; remove the file when you do not need it", info.Size())})
	}
	return nil
}
