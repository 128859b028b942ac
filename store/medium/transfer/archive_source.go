package transfer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Source is where an archive is read from: TarSource or FolderSource. It is read once.
type Source interface {
	// verify reads everything once, where that is possible before anything is restored.
	verify(ctx context.Context, j *job) error
	// next returns the next entry, whose content is valid until the next call; io.EOF behind the last one.
	next() (path string, size int64, content io.Reader, err error)
	// explain makes errors of reading content into those of this package.
	explain(err error) error
	close()
}

// TarSource reads a tar stream, which may be compressed with zstd. It can be read only once, so that each journal's part, each
// document's and each blob is verified before it is restored, and the whole at the end.
func TarSource(r io.Reader) (Source, error) {
	base := &keepingReader{r: r}
	in := bufio.NewReaderSize(base, 128<<10)
	t := &tarSource{base: base}
	magic, _ := in.Peek(len(zstdMagic)) // what is wrong shows at the first entry
	if !bytes.Equal(magic, []byte(zstdMagic)) {
		t.in = in
		t.tar = tar.NewReader(t.in)
		return t, nil
	}
	d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderMaxMemory(2*maxZstdWindow))
	if err != nil {
		return nil, err
	}
	t.zstd = d
	t.in = d
	t.tar = tar.NewReader(t.in)
	return t, nil
}

const (
	zstdMagic = "\x28\xb5\x2f\xfd"
	// maxZstdWindow is what a stream may make us hold; ours use 8 MiB.
	maxZstdWindow = 64 << 20
	// maxPadding is what may follow the last entry: tar programs fill their last record with zeros.
	maxPadding = 1 << 20
)

type tarSource struct {
	base *keepingReader
	zstd *zstd.Decoder // nil when not compressed
	in   io.Reader
	tar  *tar.Reader
}

// keepingReader keeps the error of the reader, to tell it from what a decoder makes of the bytes.
type keepingReader struct {
	r   io.Reader
	err error
}

func (k *keepingReader) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}

func (t *tarSource) verify(context.Context, *job) error { return nil }

func (t *tarSource) next() (string, int64, io.Reader, error) {
	h, err := t.tar.Next()
	if err == io.EOF {
		return "", 0, nil, t.padding()
	}
	if err != nil {
		return "", 0, nil, t.explain(err)
	}
	if h.Typeflag != tar.TypeReg {
		return "", 0, nil, fmt.Errorf("%w: %.200q is not a file", ErrArchive, h.Name)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") { // a few bytes could stand for a terabyte of zeros
			return "", 0, nil, fmt.Errorf("%w: %.200q is a sparse file", ErrArchive, h.Name)
		}
	}
	return h.Name, h.Size, t.tar, nil
}

// padding reads what follows the last entry, and with it the checksum of the compression.
func (t *tarSource) padding() error {
	buffer := make([]byte, 32<<10)
	for total := 0; ; {
		n, err := t.in.Read(buffer)
		total += n
		switch {
		case len(bytes.Trim(buffer[:n], "\x00")) > 0 || total > maxPadding:
			return fmt.Errorf("%w: something follows its end", ErrArchive)
		case err == io.EOF:
			return io.EOF
		case err != nil:
			return t.explain(err)
		}
	}
}

func (t *tarSource) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case t.base.err != nil:
		return t.base.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends in the middle", ErrIncomplete)
	}
	return fmt.Errorf("%w: %w", ErrArchive, err)
}

func (t *tarSource) close() {
	if t.zstd != nil {
		t.zstd.Close()
	}
}

// FolderSource reads an archive that FolderSink wrote, or that was unpacked from a tar stream. A nil fsys is the operating
// system's. All of it is verified before anything is restored.
func FolderSource(fsys vfs.FS, dir string) (Source, error) {
	if fsys == nil {
		fsys = vfs.OS{}
	}
	if _, err := fsys.ReadDir(dir); err != nil {
		return nil, err
	}
	return &folderSource{fsys: fsys, dir: dir}, nil
}

type folderSource struct {
	fsys  vfs.FS
	dir   string
	paths []string // in order; filled by verify
	at    int
	file  vfs.File
}

func (f *folderSource) filePath(p string) string { return filepath.Join(f.dir, filepath.FromSlash(p)) }

func (f *folderSource) open(p string) (vfs.File, int64, error) {
	file, err := vfs.Open(f.fsys, f.filePath(p))
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: %s is not a file", ErrArchive, p)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// verify takes the order of the entries from the checksums, and compares them all.
func (f *folderSource) verify(ctx context.Context, j *job) error {
	j.phase("verifying")
	file, size, err := f.open(checksumsPath)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no %s", ErrIncomplete, f.dir, checksumsPath)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if limit := (place{section: checksumSection}).limit(); size > limit {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrArchive, checksumsPath, size, limit)
	}
	var total Counts
	known := map[string]struct{}{checksumsPath: {}}
	complete, err := readChecksums(file, func(p string, want [sha256.Size]byte) error {
		if _, twice := known[p]; twice {
			return fmt.Errorf("%w: %s is listed twice", ErrArchive, p)
		}
		known[p] = struct{}{}
		f.paths = append(f.paths, p)
		n, err := f.verifyFile(ctx, j, p, want)
		total.Bytes += n
		return err
	})
	if err != nil {
		return err
	}
	if complete != len(f.paths) {
		return fmt.Errorf("%w: %s ends before its end mark, or the mark counts other than %d entries", ErrIncomplete, checksumsPath, len(f.paths))
	}
	f.paths = append(f.paths, checksumsPath)
	if err := f.strangers(ctx, "", known, 0); err != nil {
		return err
	}
	j.restart()
	j.setTotal(total)
	return nil
}

func (f *folderSource) verifyFile(ctx context.Context, j *job, p string, want [sha256.Size]byte) (int64, error) {
	if _, err := parsePath(p); err != nil {
		return 0, fmt.Errorf("%w: entry %.200q: %w", ErrArchive, p, err)
	}
	j.working(p)
	file, size, err := f.open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s is missing", ErrArchive, p)
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &countingReader{r: &contextReader{ctx, file}, job: j}); err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", p, err)
	}
	if [sha256.Size]byte(sum.Sum(nil)) != want {
		return 0, fmt.Errorf("%w: the checksum of %s differs", ErrArchive, p)
	}
	return size, nil
}

// strangers refuses what the checksums do not list.
func (f *folderSource) strangers(ctx context.Context, dir string, known map[string]struct{}, depth int) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if depth > medium.MaxName {
		return fmt.Errorf("%w: its folders are too deep", ErrArchive)
	}
	entries, err := f.fsys.ReadDir(f.filePath(dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		p := path.Join(dir, e.Name())
		_, ok := known[p]
		switch {
		case e.IsDir():
			if err := f.strangers(ctx, p, known, depth+1); err != nil {
				return err
			}
		case !ok || !e.Type().IsRegular():
			return fmt.Errorf("%w: %.200q: %w", ErrArchive, p, errUnknownEntry)
		}
	}
	return nil
}

func (f *folderSource) next() (string, int64, io.Reader, error) {
	f.close()
	if f.at == len(f.paths) {
		return "", 0, nil, io.EOF
	}
	p := f.paths[f.at]
	f.at++
	file, size, err := f.open(p)
	if err != nil {
		return "", 0, nil, err
	}
	f.file = file
	return p, size, io.LimitReader(file, size), nil
}

func (f *folderSource) explain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: a file has become shorter", ErrArchive)
	}
	return err
}

func (f *folderSource) close() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// readChecksums calls each for the lines of the checksums, and returns how many the end mark counts; -1 when there is none.
func readChecksums(r io.Reader, each func(p string, sum [sha256.Size]byte) error) (complete int, err error) {
	lines := bufio.NewReaderSize(r, maxHead)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return -1, nil // a line without its end does not count
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return -1, fmt.Errorf("%w: a line of %s is too long", ErrArchive, checksumsPath)
		}
		if err != nil {
			return -1, err
		}
		if string(line) == endLine(n) {
			if _, err := lines.ReadByte(); err != io.EOF {
				return -1, errors.Join(fmt.Errorf("%w: something follows the end mark in %s", ErrArchive, checksumsPath), err)
			}
			return n, nil
		}
		if n >= maxEntries {
			return -1, fmt.Errorf("%w: it has more than %d entries", ErrArchive, maxEntries)
		}
		p, sum, err := parseChecksumLine(string(line[:len(line)-1]))
		if err != nil {
			return -1, fmt.Errorf("%w: %s: %w", ErrArchive, checksumsPath, err)
		}
		if err := each(p, sum); err != nil {
			return -1, err
		}
	}
}
