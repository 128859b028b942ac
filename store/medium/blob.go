package medium

import (
	"context"
	"io"
	"iter"
	"time"
)

// Blobs keeps large values that never change. Names are as ValidName says. Any two valid names may stand side by side,
// "a" and "a/b" as well.
type Blobs interface {
	// Put stores everything that content yields, up to its io.EOF, under a name that is not in use (else ErrExists). The
	// blob appears whole, when Put returns, or not at all. Two Puts of one name at once: exactly one succeeds. content is
	// read by one goroutine; an error of it ends Put with that error. More than MaxBlob is ErrTooLarge.
	Put(ctx context.Context, name string, content io.Reader, o PutOptions) (BlobInfo, error)

	// Open returns the blob for reading, or ErrNotFound. A blob that is deleted while it is open may stay readable or
	// answer ErrNotFound, and is never read wrong.
	Open(ctx context.Context, name string) (Blob, error)

	// List yields, in order of name, the blobs whose name begins with prefix. Those put or deleted meanwhile may be
	// missing or not. It ends after the first error that it yields.
	List(ctx context.Context, prefix string) iter.Seq2[BlobInfo, error]

	// Delete removes a blob. One that is not there is not an error.
	Delete(ctx context.Context, name string) error
}

// PutOptions is how to put a blob; its zero value works.
type PutOptions struct {
	// Expires is when nobody will need the blob any more; zero is never. From then on the medium may drop it, which is
	// cheaper for some than Delete, and until then it keeps it. Whoever wants it gone at a given time deletes it.
	Expires time.Time
}

// BlobInfo tells of a blob without reading it.
type BlobInfo struct {
	Name    string
	Size    int64
	Expires time.Time // zero is never
}

// A Blob is open for reading, by many goroutines.
type Blob interface {
	Size() int64

	// Range returns n bytes from offset on; a range outside the blob is Invalid, damage inside it ErrCorrupt, which names the
	// place; other ranges stay readable. The bytes belong to the medium: they must not be written to, and are valid
	// until Close. On local files they are mapped from the disk: whoever reads them at length does so within
	// vfs.Guard, since a disk that fails under a mapping is otherwise a crash.
	Range(ctx context.Context, offset, n int64) ([]byte, error)

	// Close gives the blob back. Nothing of it may be used afterwards.
	Close() error
}
