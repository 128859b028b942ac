package transfer

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
)

// Sink is where an archive is written to: TarSink or FolderSink.
type Sink interface {
	// entry writes one entry, of exactly size bytes, through write. After an error the sink is of no use.
	entry(path string, size int64, write func(io.Writer) error) error
	// close brings everything to its place.
	close() error
	abort() error
}

// TarSink writes a tar stream to w, compressed with zstd when compress. w is the caller's to close, and to sync.
func TarSink(w io.Writer, compress bool) (Sink, error) {
	t := &tarSink{buffer: bufio.NewWriterSize(w, 1<<20), time: time.Now().Truncate(time.Second)}
	var to io.Writer = t.buffer
	if compress {
		var err error
		if t.zstd, err = zstd.NewWriter(t.buffer); err != nil {
			return nil, err
		}
		to = t.zstd
	}
	t.tar = tar.NewWriter(to)
	return t, nil
}

type tarSink struct {
	tar    *tar.Writer
	zstd   *zstd.Encoder // nil when not compressed
	buffer *bufio.Writer
	time   time.Time
}

func (t *tarSink) entry(path string, size int64, write func(io.Writer) error) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: path, Size: size, Mode: 0o640, ModTime: t.time, Format: tar.FormatPAX}
	if err := t.tar.WriteHeader(h); err != nil {
		return err
	}
	return write(t.tar)
}

func (t *tarSink) close() error {
	err := t.tar.Close()
	if t.zstd != nil {
		err = errors.Join(err, t.zstd.Close())
	}
	return errors.Join(err, t.buffer.Flush())
}

func (t *tarSink) abort() error {
	if t.zstd != nil {
		t.zstd.Reset(nil)
	}
	return nil
}

// FolderSink writes the entries as files below dir, which must be empty or not there. A nil fsys is the operating system's.
func FolderSink(fsys vfs.FS, dir string) (Sink, error) {
	if fsys == nil {
		fsys = vfs.OS{}
	}
	entries, err := fsys.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: %s has %q in it: choose a new folder", errNotEmptyFolder, dir, entries[0].Name())
	}
	return &folderSink{fsys: fsys, dir: dir, made: map[string]struct{}{}}, nil
}

var errNotEmptyFolder = model.NewError(model.Conflict, "the folder is not empty")

type folderSink struct {
	fsys vfs.FS
	dir  string
	made map[string]struct{} // the folders that have new files
}

const (
	folderMode = 0o750
	fileMode   = 0o640
)

func (f *folderSink) entry(path string, _ int64, write func(io.Writer) error) error {
	target := filepath.Join(f.dir, filepath.FromSlash(path))
	dir := filepath.Dir(target)
	if _, ok := f.made[dir]; !ok {
		if err := vfs.MkdirAll(f.fsys, dir, folderMode); err != nil {
			return err
		}
		f.made[dir] = struct{}{}
	}
	if path == checksumsPath {
		return f.last(target, write)
	}
	file, err := vfs.Create(f.fsys, target, fileMode)
	if err != nil {
		return err
	}
	err = writeFile(file, write)
	return errors.Join(err, file.Close())
}

// last writes the entry that makes the archive complete, when all others are on the disk.
func (f *folderSink) last(target string, write func(io.Writer) error) error {
	for dir := range f.made {
		if err := f.fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return vfs.Replace(f.fsys, target, fileMode, write)
}

func writeFile(file vfs.File, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(file, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

func (f *folderSink) close() error { return nil }
func (f *folderSink) abort() error { return nil }
