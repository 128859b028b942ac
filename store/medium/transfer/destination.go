package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// destination is the medium that things are moved to, or, when checking, compared with.
type destination struct {
	*job
	to        medium.Medium
	overwrite bool
	checking  bool // nothing is written; what differs or is missing is a difference
	resumed   bool // an interrupted transfer goes on: what is there is its own
	once      bool // contents can be read only once: what is to be overwritten is not compared first

	mu    *sync.Mutex
	nexts map[string]medium.Position // what Journals.List said of the destination at the beginning
}

func newDestination(ctx context.Context, j *job, to medium.Medium) (*destination, error) {
	d := &destination{job: j, to: to, mu: &sync.Mutex{}, nexts: map[string]medium.Position{}}
	infos, err := to.Journals().List(ctx)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		d.nexts[info.Name] = info.Next
	}
	return d, nil
}

// nextOf returns a journal's next position on the destination at the beginning; false when it was not there.
func (d *destination) nextOf(name string) (medium.Position, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, ok := d.nexts[name]
	return next, ok
}

func (d *destination) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.nexts, name)
}

// differs notes that something is there with other content, or when checking that it is missing.
func (d *destination) differs(area, name, format string, args ...any) {
	c := Conflict{Area: area, Name: name, Problem: fmt.Sprintf(format, args...)}
	if d.checking {
		d.difference(c)
		return
	}
	d.conflict(c)
}

// document writes a document, unless it is there.
func (d *destination) document(ctx context.Context, doc medium.Document) error {
	name := doc.Kind + "/" + doc.Key
	count := Counts{Documents: 1, Bytes: int64(len(doc.Value))}
	defer d.done(count)
	for {
		there, err := d.to.Documents().Get(ctx, doc.Kind, doc.Key)
		missing := errors.Is(err, medium.ErrNotFound)
		switch {
		case err != nil && !missing:
			return fmt.Errorf("cannot read the document %s on the destination: %w", name, err)
		case missing && d.checking:
			d.differs("document", name, "it is missing on the destination")
			return nil
		case !missing && bytes.Equal(there.Value, doc.Value):
			d.skipped(count)
			return nil
		case !missing && (d.checking || !d.overwrite):
			d.differs("document", name, "it has other content on the destination, version %d", there.Version)
			return nil
		}
		_, err = d.to.Documents().Put(ctx, doc.Kind, doc.Key, doc.Value, there.Version)
		if errors.Is(err, medium.ErrConflict) || errors.Is(err, medium.ErrUncertain) && ctx.Err() == nil {
			continue // somebody else was faster, or nobody knows: reading it tells
		}
		if err == nil {
			d.copied(count)
		}
		return err
	}
}

// blob writes a blob, or compares it with the one that is there. content yields exactly info.Size bytes; an error of it is
// returned as a sourceError.
func (d *destination) blob(ctx context.Context, info medium.BlobInfo, content io.Reader) error {
	defer d.done(Counts{Blobs: 1})
	if !info.Expires.IsZero() && info.Expires.Before(time.Now()) {
		d.expired()
		return nil
	}
	there, err := d.to.Blobs().Open(ctx, info.Name)
	switch {
	case errors.Is(err, medium.ErrNotFound) && d.checking:
		d.differs("blob", info.Name, "it is missing on the destination")
		return nil
	case errors.Is(err, medium.ErrNotFound):
		return d.putBlob(ctx, info, content)
	case err != nil:
		return d.unreadableBlob(ctx, info, content, err)
	}
	if d.overwrite && !d.checking && (d.once || there.Size() != info.Size) {
		return errors.Join(there.Close(), d.replaceBlob(ctx, info, content))
	}
	err = d.compareBlob(ctx, info, content, there)
	return errors.Join(err, there.Close())
}

// unreadableBlob is for a blob that is there and cannot be opened: one that is damaged can be replaced.
func (d *destination) unreadableBlob(ctx context.Context, info medium.BlobInfo, content io.Reader, err error) error {
	if !isDamage(err) {
		return fmt.Errorf("cannot open the blob %q on the destination: %w", info.Name, err)
	}
	if d.overwrite && !d.checking {
		return d.replaceBlob(ctx, info, content)
	}
	d.differs("blob", info.Name, "it is damaged on the destination: %v", err)
	return nil
}

func (d *destination) replaceBlob(ctx context.Context, info medium.BlobInfo, content io.Reader) error {
	if err := d.to.Blobs().Delete(ctx, info.Name); err != nil {
		return err
	}
	return d.putBlob(ctx, info, content)
}

func (d *destination) putBlob(ctx context.Context, info medium.BlobInfo, content io.Reader) error {
	r := &countingReader{r: content, job: d.job}
	_, err := d.to.Blobs().Put(ctx, info.Name, r, medium.PutOptions{Expires: info.Expires})
	switch {
	case r.err != nil:
		return sourceError{r.err}
	case errors.Is(err, medium.ErrExists):
		d.differs("blob", info.Name, "it was put on the destination by somebody else meanwhile")
		return nil
	case err != nil:
		return err
	}
	d.copied(Counts{Blobs: 1, Bytes: info.Size})
	return nil
}

// compareBlob reads both. Names and sizes alone do not tell that a blob is the same, and a note of what was copied, on
// the destination, would have to be right about which source it was; reading is slower only when a copy is repeated.
func (d *destination) compareBlob(ctx context.Context, info medium.BlobInfo, content io.Reader, there medium.Blob) error {
	if there.Size() != info.Size {
		d.differs("blob", info.Name, "it has %d bytes on the destination, %d on the source", there.Size(), info.Size)
		return nil
	}
	same, err := d.sameContent(ctx, content, there)
	switch {
	case err != nil:
		return err
	case !same && d.overwrite && !d.checking:
		return errAgain
	case !same:
		d.differs("blob", info.Name, "it has other content on the destination, of the same size")
	default:
		d.skipped(Counts{Blobs: 1, Bytes: info.Size})
	}
	return nil
}

// errAgain says that a blob has to be replaced, for which its content is needed from the beginning.
var errAgain = errors.New("the blob is to be replaced")

// sameContent reads content to its end, also behind a difference, so that a stream stands behind it.
func (d *destination) sameContent(ctx context.Context, content io.Reader, there medium.Blob) (bool, error) {
	r := &countingReader{r: content, job: d.job}
	buffer := make([]byte, min(blobStep, there.Size()))
	for at := int64(0); at < there.Size(); {
		n := min(blobStep, there.Size()-at)
		if _, err := io.ReadFull(r, buffer[:n]); err != nil {
			return false, sourceError{err}
		}
		same, err := sameRange(ctx, there, at, buffer[:n])
		if err != nil && !isDamage(err) {
			return false, fmt.Errorf("on the destination: %w", err)
		}
		if !same {
			if _, err := io.Copy(io.Discard, r); err != nil {
				return false, sourceError{err}
			}
			return false, nil
		}
		at += n
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n > 0 {
		if err == nil {
			err = fmt.Errorf("the blob is longer than it was said to be")
		}
		return false, sourceError{err}
	}
	return true, nil
}

// sourceError is an error in reading what is to be moved.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// countingReader adds to the progress, and keeps the error of the reader.
type countingReader struct {
	r   io.Reader
	job *job
	err error
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.job.done(Counts{Bytes: int64(n)})
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
