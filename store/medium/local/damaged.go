package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// aside copies damaged bytes below damaged/, for a person to look at, before the file that holds them goes its way. The copy of bytes 64 to
// 96 of journal/a/x.log is damaged/journal/a/x.log@64-96; the original stays untouched.
type aside struct {
	fsys vfs.FS
	dir  string // of the medium

	mu   sync.Mutex // held while something is copied: that happens seldom
	seen map[string]asideResult
	used int64 // bytes below damaged/, -1 when not known yet
}

type asideResult struct {
	kept string
	err  error
}

const (
	damagedDir = "damaged"
	// maxAside bounds what is kept in all: a disk that falls apart must not be filled with copies of what it damages.
	maxAside = 1 << 30
	// maxAsidePlaces bounds the memory of what was met already.
	maxAsidePlaces = 10_000
)

func newAside(fsys vfs.FS, dir string) *aside {
	return &aside{fsys: fsys, dir: dir, seen: map[string]asideResult{}, used: -1}
}

// put copies the bytes from from to to of the file at path, which is in the medium. It returns where they are, empty when they were not
// copied, and whether this place was met for the first time by this process. Bytes that cannot be read become zeros.
func (a *aside) put(ctx context.Context, path string, from, to int64) (kept string, fresh bool, err error) {
	rel, err := filepath.Rel(a.dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "", true, fmt.Errorf("the file %s is not in %s", path, a.dir)
	}
	target := filepath.Join(a.dir, damagedDir, fmt.Sprintf("%s@%d-%d", rel, from, to))
	a.mu.Lock()
	defer a.mu.Unlock()
	if r, ok := a.seen[target]; ok {
		return r.kept, false, r.err
	}
	kept, err = a.copy(ctx, path, target, from, to)
	if ctx.Err() == nil && len(a.seen) < maxAsidePlaces {
		a.seen[target] = asideResult{kept, err}
	}
	return kept, true, err
}

func (a *aside) copy(ctx context.Context, path, target string, from, to int64) (string, error) {
	if _, err := a.fsys.Stat(target); err == nil {
		return target, nil // an earlier process did it
	}
	if a.used < 0 {
		used, err := usedBelow(a.fsys, filepath.Join(a.dir, damagedDir))
		if err != nil {
			return "", err
		}
		a.used = used
	}
	if a.used+to-from > maxAside {
		return "", fmt.Errorf("%s holds %d bytes already, at most %d are kept: look through it and remove what you do not need",
			filepath.Join(a.dir, damagedDir), a.used, int64(maxAside))
	}
	if err := vfs.MkdirAll(a.fsys, filepath.Dir(target), folderMode); err != nil {
		return "", err
	}
	f, err := vfs.Open(a.fsys, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	err = vfs.Replace(a.fsys, target, fileMode, func(w io.Writer) error { return copyRange(ctx, w, f, from, to) })
	if err != nil {
		return "", err
	}
	a.used += to - from
	return target, nil
}

func copyRange(ctx context.Context, w io.Writer, r io.ReaderAt, from, to int64) error {
	in := window{ctx: ctx, r: r, size: to}
	for from < to {
		b, err := in.peek(from, int(min(windowSize, to-from)))
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return nil
}

// usedBelow adds up the sizes of the files below dir, which need not exist.
func usedBelow(fsys vfs.FS, dir string) (int64, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			n, err := usedBelow(fsys, path)
			if err != nil {
				return 0, err
			}
			sum += n
			continue
		}
		if info, err := fsys.Stat(path); err == nil {
			sum += info.Size()
		}
	}
	return sum, nil
}
