package spans

import (
	"container/list"
	"context"
	"io"
	"sync"
	"time"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// directories keeps the directories of the blocks that were searched last, and those of their groups, up to so many bytes.
type directories struct {
	limit int64

	mu    sync.Mutex // no I/O under it
	bytes int64
	known map[*block.Block]*list.Element
	order *list.List // the one that was used last is first
}

// cached is what is kept of a block.
type cached struct {
	block *block.Block
	size  int64 // guarded by directories.mu

	once   sync.Mutex // I/O happens under it
	dir    *directory
	groups []*spangroup.Group // by number; nil until it was opened; guarded by once
}

func newDirectories(limit int64) *directories {
	return &directories{limit: limit, known: map[*block.Block]*list.Element{}, order: list.New()}
}

// of returns what is kept of a block that the caller has acquired, and uses until it releases it.
func (d *directories) of(ctx context.Context, b *block.Block) (*cached, error) {
	c := d.touch(b)
	c.once.Lock()
	defer c.once.Unlock()
	if c.dir != nil {
		return c, nil
	}
	err := vfs.Guard(func() (err error) {
		c.dir, err = openDirectory(ctx, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.groups = make([]*spangroup.Group, len(c.dir.groups))
	d.grown(c, int64(len(c.dir.groups))*(groupSize+48)+256)
	return c, nil
}

// open returns a group of the block.
func (d *directories) open(c *cached, n int) (*spangroup.Group, error) {
	c.once.Lock()
	defer c.once.Unlock()
	if g := c.groups[n]; g != nil {
		return g, nil
	}
	at := c.dir.groups[n]
	var g *spangroup.Group
	err := vfs.Guard(func() (err error) {
		g, err = spangroup.Open(&groupReader{c.block, at.offset, at.size}, at.size, at.summary.Directory)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.groups[n] = g
	d.grown(c, 4*at.summary.Directory)
	return g, nil
}

// groupReader reads a group of a block. Whoever uses it has acquired the block.
type groupReader struct {
	b            *block.Block
	offset, size int64
}

// groupTimeout bounds one reading of a medium far away.
const groupTimeout = 30 * time.Second

// ReadAt implements io.ReaderAt.
func (r *groupReader) ReadAt(p []byte, at int64) (int, error) {
	n := int64(len(p))
	if at < 0 || at > r.size {
		return 0, corrupt("a group has %d bytes: one behind %d is asked for", r.size, at)
	}
	short := n > r.size-at
	n = min(n, r.size-at)
	ctx, cancel := context.WithTimeout(context.Background(), groupTimeout)
	defer cancel()
	raw, err := r.b.Range(ctx, r.offset+at, n)
	if err != nil {
		return 0, err
	}
	copy(p, raw)
	if short {
		return int(n), io.EOF
	}
	return int(n), nil
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

// grown notes that more is kept of a block, and forgets those that were not used for the longest time.
func (d *directories) grown(c *cached, n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.known[c.block]; at == nil || at.Value.(*cached) != c {
		return // forgotten while it was read
	}
	c.size += n
	d.bytes += n
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
