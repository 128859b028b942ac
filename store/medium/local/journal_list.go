package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// List walks over the folders. Of a journal that is not open it reads the headers of the segments and the end of the last one; the whole of
// that one when it was not closed in good order.
func (s *journals) List(ctx context.Context) ([]medium.JournalInfo, error) {
	infos, err := s.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list the journals: %w", err)
	}
	return infos, nil
}

func (s *journals) list(ctx context.Context) ([]medium.JournalInfo, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := s.calls.begin(); err != nil {
		return nil, err
	}
	defer s.calls.end()
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	var infos []medium.JournalInfo
	for _, name := range names {
		info, err := s.info(ctx, name)
		if errors.Is(err, medium.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("journal %q: %w", name, err)
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// names returns the names of all journals, in order.
func (s *journals) names(ctx context.Context) ([]string, error) {
	var names []string
	err := s.visit(ctx, ".", 0, func(path string) {
		if name := journalName(path); medium.ValidName(name) == nil && journalPath(name) == path {
			names = append(names, name)
		}
	})
	slices.SortFunc(names, cmp.Compare)
	return names, err
}

// visit calls found for each folder below the one of journals that has segments.
func (s *journals) visit(ctx context.Context, path string, depth int, found func(path string)) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	entries, err := s.fsys.ReadDir(filepath.Join(s.dir, path))
	if errors.Is(err, fs.ErrNotExist) || depth > medium.MaxName {
		return nil
	}
	if err != nil {
		return diskError(err)
	}
	has := false
	for _, e := range entries {
		if !e.IsDir() {
			_, ok := parseSegmentName(e.Name())
			has = has || ok
			continue
		}
		if err := s.visit(ctx, filepath.Join(path, e.Name()), depth+1, found); err != nil {
			return err
		}
	}
	if has {
		found(path)
	}
	return nil
}

func (s *journals) info(ctx context.Context, name string) (medium.JournalInfo, error) {
	info := medium.JournalInfo{Name: name}
	segs, err := s.snapshot(name)
	if err != nil {
		return info, err
	}
	if len(segs) == 0 {
		return info, medium.ErrNotFound
	}
	for _, seg := range segs {
		if file, err := s.fsys.Stat(seg.path); err == nil {
			info.Bytes += file.Size()
		}
	}
	if j := s.opened(name); j != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		info.Next = medium.Position(j.next)
		return info, nil
	}
	last := segs[len(segs)-1]
	if next, ok := s.closedNext(last); ok {
		info.Next = medium.Position(next)
		return info, nil
	}
	end, _, err := s.findEnd(ctx, last, func(stretch) error { return nil })
	info.Next = medium.Position(end.next)
	return info, err
}

// closedNext reads the next position from the record that closes a segment, when there is one.
func (s *journals) closedNext(seg segment) (uint64, bool) {
	f, err := vfs.Open(s.fsys, seg.path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < fileHeaderSize+recordHeaderSize {
		return 0, false
	}
	var head [fileHeaderSize]byte
	var tail [recordHeaderSize]byte
	if readFull(f, head[:], 0) != nil || readFull(f, tail[:], info.Size()-recordHeaderSize) != nil {
		return 0, false
	}
	h, err := parseFileHeader(head[:], journalFrames)
	if err != nil {
		return 0, false
	}
	r, ok := parseRecordHeader(tail[:])
	return r.sequence, ok && r.kind == closeRecord && r.mark == h.mark && r.sequence >= h.first && h.first == seg.first
}
