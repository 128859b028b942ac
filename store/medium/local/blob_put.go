package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Put writes content to a temporary file and moves it to its place.
func (b *blobs) Put(ctx context.Context, name string, content io.Reader, o medium.PutOptions) (medium.BlobInfo, error) {
	if err := b.begin(ctx, name); err != nil {
		return medium.BlobInfo{}, fmt.Errorf("cannot put blob %q: %w", name, err)
	}
	defer b.calls.end()
	info, err := b.put(ctx, name, content, o.Expires)
	switch {
	case err == nil:
		b.metrics.puts.Inc()
		b.metrics.putBytes.Add(float64(info.Size))
	case !errors.Is(err, medium.ErrExists):
		b.metrics.putFailures.Inc()
		fallthrough
	default:
		return medium.BlobInfo{}, fmt.Errorf("cannot put blob %q: %w", name, err)
	}
	return info, nil
}

func (b *blobs) put(ctx context.Context, name string, content io.Reader, expires time.Time) (medium.BlobInfo, error) {
	if b.readOnly {
		return medium.BlobInfo{}, medium.ErrReadOnly
	}
	if err := b.inUse(name); err != nil { // before the work; commit looks again
		return medium.BlobInfo{}, err
	}
	f, err := b.createTemp()
	if err != nil {
		return medium.BlobInfo{}, diskError(err)
	}
	defer b.unfinished.Delete(f.Name())
	footer, err := b.writeBlob(ctx, f, name, content, expires)
	if err == nil {
		err = diskError(f.SyncData())
	}
	if closeErr := f.Close(); err == nil {
		err = diskError(closeErr)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = b.commit(f.Name(), name)
	}
	if err != nil {
		// What cannot be removed now is swept at the next start.
		if removeErr := b.fsys.Remove(f.Name()); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			b.log.Warn("cannot remove the file of a blob that was not stored", "file", f.Name(), "error", removeErr)
		}
		return medium.BlobInfo{}, err
	}
	return medium.BlobInfo{Name: name, Size: footer.size, Expires: expires}, nil
}

func (b *blobs) inUse(name string) error {
	_, err := b.fsys.Stat(b.path(name))
	if err == nil {
		return medium.ErrExists
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return diskError(err)
}

func (b *blobs) createTemp() (vfs.File, error) {
	path := filepath.Join(b.tempDir(), strconv.FormatUint(b.temps.Add(1), 10))
	b.unfinished.Store(path, true)
	f, err := vfs.Create(b.fsys, path, fileMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = vfs.MkdirAll(b.fsys, b.tempDir(), folderMode); err == nil {
			f, err = vfs.Create(b.fsys, path, fileMode)
		}
	}
	if err != nil {
		b.unfinished.Delete(path)
		return nil, err
	}
	return f, nil
}

// commit moves the file to its place, unless there is one.
func (b *blobs) commit(temp, name string) error {
	lock := b.nameLock(name)
	lock.Lock()
	defer lock.Unlock()
	if err := b.inUse(name); err != nil {
		return err
	}
	path := b.path(name)
	if err := b.move(temp, path); err != nil {
		return diskError(err)
	}
	err := b.fsys.SyncDir(filepath.Dir(path))
	if err == nil {
		return nil
	}
	// It may vanish in a crash, so that it is not acknowledged, and must not be there for others.
	removeErr := b.fsys.Remove(path)
	b.maps.forget(name)
	if removeErr != nil {
		return fmt.Errorf("%w: %w: %w", medium.ErrUncertain, err, removeErr)
	}
	return diskError(err)
}

func (b *blobs) move(temp, path string) error {
	b.tree.RLock()
	defer b.tree.RUnlock()
	if err := b.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	return b.fsys.Rename(temp, path)
}

// blobWriteSize is the size of the writes; a multiple of blobChunkSize. Larger ones are not faster.
const blobWriteSize = 1 << 20

func newBlobBuffer() any {
	b := make([]byte, blobWriteSize)
	return &b
}

// writeBlob writes a blob's file.
func (b *blobs) writeBlob(ctx context.Context, w io.Writer, name string, content io.Reader, expires time.Time) (blobFooter, error) {
	buffer := b.buffers.Get().(*[]byte)
	defer b.buffers.Put(buffer)
	f := blobFooter{name: name, expires: expires, chunkSize: blobChunkSize}
	var tail []byte // the table, at most 1 MiB, then the footer
	for more := true; more; {
		n, err := fill(ctx, content, *buffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return f, err
		}
		more = err == nil
		if f.size += int64(n); f.size > medium.MaxBlob {
			return f, fmt.Errorf("it has more than %d bytes: %w", int64(medium.MaxBlob), medium.ErrTooLarge)
		}
		tail = appendChunkSums(tail, (*buffer)[:n])
		if _, err := w.Write((*buffer)[:n]); err != nil {
			return f, diskError(err)
		}
	}
	f.tableSum = crc32c(tail)
	_, err := w.Write(appendBlobFooter(tail, f))
	return f, diskError(err)
}

// fill reads until buffer is full, content ends (io.EOF, exactly) or fails, or ctx ends.
func fill(ctx context.Context, content io.Reader, buffer []byte) (int, error) {
	idle := 0
	for n := 0; ; {
		if n == len(buffer) {
			return n, nil
		}
		m, err := content.Read(buffer[n:])
		n += m
		if cause := context.Cause(ctx); cause != nil {
			return n, cause
		}
		switch {
		case err == io.EOF: // itself: an error that wraps it tells of a failure
			return n, io.EOF
		case err != nil:
			return n, contentError{err}
		case m > 0:
			idle = 0
		case idle == maxIdleReads:
			return n, contentError{io.ErrNoProgress}
		default:
			idle++
		}
	}
}

// maxIdleReads is how often a reader may return nothing at all before it is taken for broken; as in package bufio.
const maxIdleReads = 100

// contentError keeps an error of the caller's reader from being taken for one of the medium, whose kinds it may have.
type contentError struct{ error }

func (e contentError) Unwrap() error { return e.error }
func (e contentError) Error() string { return "reading its content failed: " + e.error.Error() }
