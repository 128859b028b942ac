package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// List walks the folders in order of names. Its memory is that of the folders on the way from the root to the current
// one. A blob whose footer is damaged is listed too, without the expiry, and with the size that the length of its file
// gives: Open tells what is wrong with it, and the rest of the list is not lost.
func (b *blobs) List(ctx context.Context, prefix string) iter.Seq2[medium.BlobInfo, error] {
	return func(yield func(medium.BlobInfo, error) bool) {
		err := b.walk(ctx, prefix, func(file blobFile) error {
			info, err := b.info(file)
			if errors.Is(err, medium.ErrNotFound) {
				return nil // it was deleted meanwhile
			}
			if err != nil {
				return err
			}
			if !yield(info, nil) {
				return errLeft
			}
			return nil
		}, nil)
		if err != nil && !errors.Is(err, errLeft) {
			yield(medium.BlobInfo{}, fmt.Errorf("cannot list the blobs %q: %w", prefix, err))
		}
	}
}

// errLeft says that whoever ranges over a list has left the loop.
var errLeft = errors.New("left")

// blobFile is the file of a blob.
type blobFile struct{ name, path string }

// info reads what a list tells of a blob.
func (b *blobs) info(file blobFile) (medium.BlobInfo, error) {
	f, err := vfs.Open(b.fsys, file.path)
	if errors.Is(err, fs.ErrNotExist) {
		return medium.BlobInfo{}, medium.ErrNotFound
	}
	if err != nil {
		return medium.BlobInfo{}, readError(err)
	}
	defer f.Close()
	footer, err := readBlobFooter(f, file.name)
	if err == nil {
		return footer.info(), nil
	}
	if !errors.Is(err, medium.ErrCorrupt) {
		return medium.BlobInfo{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return medium.BlobInfo{}, readError(err)
	}
	return medium.BlobInfo{Name: file.name, Size: sizeByFile(stat.Size(), file.name)}, nil
}

// walk calls visit for the files of the blobs whose name begins with prefix, in order of name, and stranger, which may be
// nil, for every path among them that is not the file of a blob. It ends with the first error of theirs.
func (b *blobs) walk(ctx context.Context, prefix string, visit func(blobFile) error, stranger func(path string) error) error {
	folder, leaf := "", prefix
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		folder, leaf = prefix[:i], prefix[i+1:]
		if !validName(folder) { // no name begins so
			return nil
		}
		folder += "/"
	}
	if stranger == nil {
		stranger = func(string) error { return nil }
	}
	w := &blobWalk{blobs: b, visit: visit, stranger: stranger}
	return w.folder(ctx, folder, leaf)
}

type blobWalk struct {
	*blobs
	visit    func(blobFile) error
	stranger func(path string) error
}

// blobItem is a file or a folder on the way. key is its place in the order of whole names: a slash sorts behind !'()*+,-.
// and before digits and letters, so that the files of the folder "a" come behind the blob "a-b" and before "ab".
type blobItem struct {
	key    string
	part   string
	folder bool
}

// folder walks a folder: "" or a path that ends with a slash. Only what begins with leaf counts.
func (w *blobWalk) folder(ctx context.Context, folder, leaf string) error {
	items, err := w.items(ctx, folder, leaf)
	if err != nil {
		return err
	}
	for _, item := range items {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if item.folder {
			err = w.folder(ctx, folder+item.key, "")
		} else {
			err = w.visit(blobFile{folder + item.part, w.path(folder + item.part)})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// items reads a folder. It counts as a call by itself, so that a list whose reader takes its time does not keep the medium
// from closing.
func (w *blobWalk) items(ctx context.Context, folder, leaf string) ([]blobItem, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := w.calls.begin(); err != nil {
		return nil, err
	}
	defer w.calls.end()
	dir := filepath.Join(w.dir, filepath.FromSlash(folder))
	entries, err := w.fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(err)
	}
	var items []blobItem
	for _, e := range entries {
		item, ok := blobItemOf(folder, e)
		switch {
		case ok && strings.HasPrefix(item.part, leaf):
			items = append(items, item)
		case ok, folder == "" && e.Name() == blobTempDir:
		default:
			if err := w.stranger(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(items, func(a, b blobItem) int { return cmp.Compare(a.key, b.key) })
	return items, nil
}

// blobItemOf says what an entry of a folder is to a walk; false when nothing.
func blobItemOf(folder string, e fs.DirEntry) (blobItem, bool) {
	if e.IsDir() {
		item := blobItem{key: e.Name() + "/", part: e.Name(), folder: true}
		return item, validName(folder + item.part)
	}
	part, ok := strings.CutSuffix(e.Name(), blobSuffix)
	ok = ok && e.Type().IsRegular() && validName(folder+part)
	return blobItem{key: part, part: part}, ok
}

func validName(name string) bool { return medium.ValidName(name) == nil }

func isNotFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }
