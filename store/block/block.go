package block

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Block is a block that somebody has acquired; it stays readable until it is released, also when it is replaced or deleted
// meanwhile.
type Block struct {
	Partition Partition
	c         *Catalogue
	id        string
	entry     atomic.Pointer[Entry]

	opening sync.Mutex // opening the blob happens under it, and mu is taken under it
	mu      sync.Mutex // no I/O under it
	refs    int
	ended   bool // it is not in the catalogue any more
	blob    medium.Blob
}

// ID is the block's name.
func (b *Block) ID() string { return b.id }

// Entry is what the catalogue tells of it now.
func (b *Block) Entry() *Entry { return b.entry.Load() }

// Name is the name of its blob.
func (b *Block) Name() string { return b.c.blobName(b.Partition, b.id) }

func (b *Block) acquire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refs++
}

// Release gives the block back. Nothing that was read from it may be used afterwards.
func (b *Block) Release() {
	b.mu.Lock()
	b.refs--
	if b.refs < 0 {
		panic("BUG: a block was released more often than acquired")
	}
	idle := b.refs == 0 && b.blob != nil
	var closing medium.Blob
	if idle && b.ended {
		closing, b.blob = b.blob, nil
	}
	b.mu.Unlock()
	switch {
	case closing != nil:
		b.c.open.forget(b)
		_ = closing.Close() // it was only read
	case idle:
		b.c.open.idle(b)
	}
}

// gone says that the block is not in the catalogue any more. No I/O happens: an open blob is closed by the last Release, or
// here when nobody reads it.
func (b *Block) gone() {
	b.mu.Lock()
	b.ended = true
	var closing medium.Blob
	if b.refs == 0 {
		closing, b.blob = b.blob, nil
	}
	b.mu.Unlock()
	if closing != nil {
		b.c.open.forget(b)
		_ = closing.Close() // it was only read
	}
}

// Range returns n bytes of the blob from offset on, as medium.Blob does. They are valid until Release.
func (b *Block) Range(ctx context.Context, offset, n int64) ([]byte, error) {
	blob, err := b.opened(ctx)
	if err != nil {
		return nil, err
	}
	return blob.Range(ctx, offset, n)
}

// Size is the length of the blob.
func (b *Block) Size(ctx context.Context) (int64, error) {
	blob, err := b.opened(ctx)
	if err != nil {
		return 0, err
	}
	return blob.Size(), nil
}

func (b *Block) opened(ctx context.Context) (medium.Blob, error) {
	if blob := b.current(); blob != nil {
		return blob, nil
	}
	b.opening.Lock()
	defer b.opening.Unlock()
	if blob := b.current(); blob != nil {
		return blob, nil
	}
	blob, err := b.c.blobs.Open(ctx, b.Name())
	if errors.Is(err, medium.ErrNotFound) {
		return nil, fmt.Errorf("%w: the blob %s, which the catalogue names, is missing", medium.ErrCorrupt, b.Name())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the block %s: %w", b.Name(), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blob = blob
	return blob, nil
}

// current is the open blob, or nil. It stays open as long as the caller has the block.
func (b *Block) current() medium.Blob {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blob
}

// opened is the blobs that stay open although nobody reads them, the one that was used least recently first.
type opened struct {
	limit int
	mu    sync.Mutex // closing blobs happens outside of it; Block.mu is never taken under it
	list  []*Block
}

// idle notes that nobody reads the block now, and closes the blob that was not read for the longest time when there are too many.
func (o *opened) idle(b *Block) {
	o.mu.Lock()
	o.removeLocked(b)
	o.list = append(o.list, b)
	var oldest *Block
	if len(o.list) > o.limit {
		oldest = o.list[0]
		o.list = o.list[1:]
	}
	o.mu.Unlock()
	if oldest != nil {
		oldest.closeIdle()
	}
}

func (o *opened) forget(b *Block) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removeLocked(b)
}

func (o *opened) removeLocked(b *Block) {
	for i, x := range o.list {
		if x == b {
			o.list = append(o.list[:i:i], o.list[i+1:]...)
			return
		}
	}
}

func (o *opened) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list)
}

func (b *Block) closeIdle() {
	b.mu.Lock()
	var closing medium.Blob
	if b.refs == 0 {
		closing, b.blob = b.blob, nil
	}
	b.mu.Unlock()
	if closing != nil {
		_ = closing.Close() // it was only read
	}
}
