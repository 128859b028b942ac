package events

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/block"
)

// directories keeps the directories of the blocks that were searched last, up to so many bytes.
type directories struct {
	limit int64
	seed  maphash.Seed

	mu    sync.Mutex // no I/O under it
	bytes int64
	known map[*block.Block]*list.Element
	order *list.List // the one that was used last is first
}

type cached struct {
	block *block.Block
	once  sync.Mutex // I/O happens under it
	dir   *directory
	size  int64 // as it was counted; guarded by directories.mu
}

func newDirectories(limit int64, seed maphash.Seed) *directories {
	return &directories{limit: limit, seed: seed, known: map[*block.Block]*list.Element{}, order: list.New()}
}

// of returns the directory of a block that the caller has acquired, and uses until it releases it.
func (d *directories) of(ctx context.Context, b *block.Block) (*directory, error) {
	c := d.touch(b)
	c.once.Lock()
	defer c.once.Unlock()
	if c.dir != nil {
		return c.dir, nil
	}
	err := vfs.Guard(func() (err error) {
		c.dir, err = openDirectory(ctx, b, d.seed)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.grown(c)
	return c.dir, nil
}

func (d *directories) touch(b *block.Block) *cached {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.known[b]; at != nil {
		d.order.MoveToFront(at)
		return at.Value.(*cached)
	}
	c := &cached{block: b}
	d.known[b] = d.order.PushFront(c)
	return c
}

// grown notes that a directory was read, and forgets those that were not used for the longest time.
func (d *directories) grown(c *cached) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.known[c.block]; at == nil || at.Value.(*cached) != c {
		return // forgotten while it was read
	}
	c.size = c.dir.size
	d.bytes += c.size
	for d.bytes > d.limit && d.order.Len() > 1 {
		oldest := d.order.Remove(d.order.Back()).(*cached)
		delete(d.known, oldest.block)
		d.bytes -= oldest.size
	}
}

func (d *directories) inUse() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bytes
}
