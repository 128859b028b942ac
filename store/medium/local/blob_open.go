package local

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Open maps the blob, or shares the mapping of those who have it open.
func (b *blobs) Open(ctx context.Context, name string) (medium.Blob, error) {
	if err := b.begin(ctx, name); err != nil {
		return nil, fmt.Errorf("cannot open blob %q: %w", name, err)
	}
	defer b.calls.end()
	m, err := b.maps.acquire(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot open blob %q: %w", name, err)
	}
	b.metrics.opens.Inc()
	return &openBlob{blobs: b, blobMap: m}, nil
}

// openBlob is one opening of a blob.
type openBlob struct {
	*blobMap
	blobs  *blobs
	closed atomic.Bool
}

func (o *openBlob) Size() int64 { return o.footer.size }

// Range checks the chunks that nobody has touched yet, and returns a part of the mapping.
func (o *openBlob) Range(ctx context.Context, offset, n int64) ([]byte, error) {
	err := context.Cause(ctx)
	switch {
	case err != nil:
	case o.closed.Load():
		err = medium.ErrClosed
	case offset < 0 || n < 0 || offset > o.footer.size || n > o.footer.size-offset:
		err = fmt.Errorf("%w: it has %d bytes", errBadRange, o.footer.size)
	default:
		err = o.check(ctx, offset, n, o.blobs.metrics)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %d bytes at %d of blob %q: %w", n, offset, o.footer.name, err)
	}
	o.blobs.metrics.ranges.Inc()
	o.blobs.metrics.rangeBytes.Add(float64(n))
	return o.mapping.Bytes()[offset : offset+n : offset+n], nil
}

var errBadRange = model.NewError(model.Invalid, "a range outside the blob")

// Close gives the opening back. The mapping goes when nobody has it open and others need its place.
func (o *openBlob) Close() error {
	if o.closed.Swap(true) {
		return nil
	}
	return o.blobs.maps.release(o.blobMap)
}

// load opens and maps a blob's file.
func (b *blobs) load(name string) (vfs.Mapping, blobFooter, string, error) {
	path := b.path(name)
	f, err := vfs.Open(b.fsys, path)
	if errors.Is(err, fs.ErrNotExist) || isNotFolder(err) {
		return nil, blobFooter{}, path, medium.ErrNotFound
	}
	if err != nil {
		return nil, blobFooter{}, path, readError(err)
	}
	defer f.Close()
	footer, err := readBlobFooter(f, name)
	if err != nil {
		return nil, blobFooter{}, path, err
	}
	m, err := vfs.Map(f)
	if err != nil {
		return nil, blobFooter{}, path, readError(err)
	}
	if got := int64(len(m.Bytes())); got != footer.fileSize() {
		return nil, blobFooter{}, path, errors.Join(fmt.Errorf("%w: %s changed from %d bytes to %d while it was opened",
			medium.ErrCorrupt, path, footer.fileSize(), got), m.Close())
	}
	return m, footer, path, nil
}

// readBlobFooter reads the footer of the file of a blob. An error that is ErrCorrupt names the file and what is wrong.
func readBlobFooter(f vfs.File, name string) (blobFooter, error) {
	info, err := f.Stat()
	if err != nil {
		return blobFooter{}, readError(err)
	}
	size := info.Size()
	tail := make([]byte, min(size, maxBlobTail))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err == io.EOF { //nolint:errorlint // as ReadAt has it
		return blobFooter{}, fmt.Errorf("%w: %s was cut while it was read", medium.ErrCorrupt, f.Name())
	} else if err != nil {
		return blobFooter{}, fmt.Errorf("the footer of %s: %w", f.Name(), readError(err))
	}
	footer, err := parseBlobFooter(tail, size)
	if err == nil && footer.name != name {
		err = fmt.Errorf("it is the file of another blob, %q", footer.name)
	}
	if err != nil {
		return blobFooter{}, fmt.Errorf("%w: %s: %w", medium.ErrCorrupt, f.Name(), err)
	}
	return footer, nil
}

// check verifies the chunks that cover n bytes from offset on, except those that were verified before.
func (m *blobMap) check(ctx context.Context, offset, n int64, metrics *blobMetrics) error {
	if n == 0 {
		return nil
	}
	last := (offset + n - 1) / m.footer.chunkSize
	fetched := int64(-1) // the last chunk that the kernel was asked to read
	for i := offset / m.footer.chunkSize; i <= last; i++ {
		if m.checked[i/64].Load()&(1<<(i%64)) != 0 {
			continue
		}
		if i > fetched {
			fetched = min(last, i+prefetchChunks-1)
			vfs.Prefetch(m.mapping, i*m.footer.chunkSize, (fetched-i+1)*m.footer.chunkSize)
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := m.checkChunk(i); err != nil {
			metrics.damaged.Inc()
			return err
		}
		metrics.checkedBytes.Add(float64(m.chunkLength(i)))
		m.checked[i/64].Or(1 << (i % 64))
	}
	return nil
}

// prefetchChunks is how many chunks are read from the disk at once: 2 MiB. Page faults alone read some pages each,
// around the one that is touched.
const prefetchChunks = 32

func (m *blobMap) chunkLength(i int64) int64 {
	return min(m.footer.chunkSize, m.footer.size-i*m.footer.chunkSize)
}

// checkChunk compares a chunk with its checksum. Both are read from the disk here, possibly for the first time.
func (m *blobMap) checkChunk(i int64) error {
	data := m.mapping.Bytes()
	start := i * m.footer.chunkSize
	var got, want uint32
	err := vfs.Guard(func() error {
		got = crc32c(data[start : start+m.chunkLength(i)])
		want = binary.LittleEndian.Uint32(data[m.footer.size+4*i:])
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s cannot be read at offset %d, or was cut: %w", medium.ErrCorrupt, m.path, start, err)
	}
	if got != want {
		return fmt.Errorf("%w: %s at offset %d: the %d bytes have the checksum %08x, not %08x",
			medium.ErrCorrupt, m.path, start, m.chunkLength(i), got, want)
	}
	return nil
}
