package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// verify replays every journal without setting anything aside, and looks for what does not belong into the folders.
func (s *journals) verify(ctx context.Context, v *verification) error {
	names, err := s.names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.verifyOne(ctx, v, name); err != nil {
			return fmt.Errorf("journal %q: %w", name, err)
		}
		v.report()
	}
	return s.verifyFolder(ctx, v, ".", 0)
}

func (s *journals) verifyOne(ctx context.Context, v *verification, name string) error {
	v.sum.Journals++
	damage, err := s.walk(ctx, name, 0, false, func(_ medium.Position, entry []byte) error {
		v.sum.Entries++
		v.sum.EntryBytes += int64(len(entry))
		if v.sum.Entries%100_000 == 0 {
			v.report()
		}
		return nil
	})
	for _, d := range damage {
		v.find(medium.Finding{Area: "journal", Name: name, Where: d.Where, Problem: d.Problem, Effect: effectOf(d)})
	}
	switch {
	case errors.Is(err, medium.ErrNotFound): // deleted meanwhile
		v.sum.Journals--
		return nil
	case err != nil && ctx.Err() == nil && unreadable(err):
		v.find(medium.Finding{Area: "journal", Name: name, Where: s.path(name), Problem: withoutPrefix(err),
			Effect: "the journal cannot be read beyond this place"})
		return nil
	}
	return err
}

// unreadable says whether err is about what is stored: damaged, or of a version that this program does not know.
func unreadable(err error) bool {
	return model.KindOf(err) == model.Corrupt || model.KindOf(err) == model.Invalid
}

func effectOf(d medium.Damage) string {
	switch {
	case d.After == 0 && d.Before == 0:
		return "the entries that were there are lost"
	case d.Before == 0:
		return fmt.Sprintf("entries behind position %d are lost, if there were any", d.After)
	case d.Before <= d.After+1: // nothing can have been between them
		return ""
	}
	return fmt.Sprintf("entries between the positions %d and %d are lost", d.After, d.Before)
}

// verifyFolder looks at everything in a folder below the one of journals.
func (s *journals) verifyFolder(ctx context.Context, v *verification, path string, depth int) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := s.fsys.ReadDir(filepath.Join(s.dir, path))
	if isGone(err) || depth > medium.MaxName {
		return nil
	}
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		below := filepath.Join(path, e.Name())
		switch {
		case e.IsDir() && isJournalFolder(below):
			err = s.verifyFolder(ctx, v, below, depth+1)
		case e.IsDir():
			err = v.stranger(s.fsys, filepath.Join(s.dir, below), "journal")
		default:
			err = s.verifyEntry(v, path, e.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyEntry looks at a file in a folder that may be a journal's.
func (s *journals) verifyEntry(v *verification, folder, file string) error {
	path := filepath.Join(s.dir, folder, file)
	_, segment := parseSegmentName(file)
	switch {
	case segment && folder != ".":
		return nil
	case vfs.IsTemp(file) && folder != ".":
		others := s.o.readOnly || s.taken(journalName(folder))
		return v.leftover(s.fsys, path, "journal", others)
	}
	return v.stranger(s.fsys, path, "journal")
}

// taken says whether the journal is open, or being opened, so that its files may be written at the moment.
func (s *journals) taken(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.open[name]
	_, busy := s.busy[name]
	return open || busy
}

func isJournalFolder(path string) bool {
	name := journalName(path)
	return validName(name) && journalPath(name) == strings.TrimPrefix(path, "."+string(filepath.Separator))
}
