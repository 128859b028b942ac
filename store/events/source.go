package events

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/block"
)

// source is a group of a block that a merge has acquired. Its bytes go from that block to the new one piece by piece.
type source struct {
	b *block.Block
	g *dirGroup
}

func (g *memGroup) data(ctx context.Context) io.Reader {
	if g.source == nil {
		return bytes.NewReader(g.Data)
	}
	return &sourceReader{ctx: ctx, b: g.source.b, read: g.source.g.reader.Data, left: g.info.DataLen}
}

func (g *memGroup) filters(ctx context.Context) io.Reader {
	if g.source == nil {
		return bytes.NewReader(g.Filters)
	}
	return &sourceReader{ctx: ctx, b: g.source.b, read: g.source.g.reader.Filters, left: g.info.FiltersLen}
}

// sourceReader reads one part of a source, in pieces that are worth a request to a medium far away.
type sourceReader struct {
	ctx      context.Context
	b        *block.Block
	read     func(ctx context.Context, offset, n int64) ([]byte, error)
	at, left int64
	piece    []byte
}

const sourcePiece = 1 << 20

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	if len(r.piece) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, &sourceError{r.b, err}
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

func (r *sourceReader) next() error {
	n := min(r.left, sourcePiece)
	err := vfs.Guard(func() error { // the bytes may be mapped memory, which faults where the disk does
		b, err := r.read(r.ctx, r.at, n)
		r.piece = bytes.Clone(b)
		return err
	})
	if err != nil {
		r.piece = nil
		return err
	}
	r.at += n
	r.left -= n
	return nil
}

// sourceError says that a block which is to be merged cannot be read.
type sourceError struct {
	b   *block.Block
	err error
}

func (e *sourceError) Error() string {
	return fmt.Sprintf("cannot read the block %s: %v", e.b.Name(), e.err)
}

func (e *sourceError) Unwrap() error { return e.err }
