package cassandra

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"

	"github.com/hulotte-dev/hulotte/store/medium"
)

const (
	listPageRows = 200 // of each bucket: with 64 of them some MB at most
	listAtOnce   = 16  // buckets that are asked at once in the beginning
)

// List implements medium.Blobs. A row of the directory that cannot be read does not keep the others from being listed: the
// error that tells of it is the last thing yielded.
func (bs *blobs) List(ctx context.Context, prefix string) iter.Seq2[medium.BlobInfo, error] {
	return func(yield func(medium.BlobInfo, error) bool) {
		var damaged []error
		err := bs.list(ctx, prefix, func(e directoryEntry) error {
			info, err := e.info()
			switch {
			case err != nil && len(damaged) < 10:
				damaged = append(damaged, err)
			case err == nil && !yield(info.public(e.name), nil):
				return errLeft
			}
			return nil
		})
		if errors.Is(err, errLeft) {
			return
		}
		if err = errors.Join(append(damaged, err)...); err != nil {
			yield(medium.BlobInfo{}, fmt.Errorf("cannot list blobs %q: %w", prefix, err))
		}
	}
}

var errLeft = errors.New("the reader left")

// directoryEntry is a row of the directory, not decoded.
type directoryEntry struct {
	name string
	put  gocql.UUID
	data []byte
}

func (e *directoryEntry) info() (blobInfo, error) {
	info, err := decodeInfo(e.name, e.data)
	if err == nil && info.put != e.put {
		err = corrupt("the directory's row names put %s, and %s inside", e.put, info.put)
	}
	if err != nil {
		return info, fmt.Errorf("%s: %w", directoryKey(e.name), err)
	}
	return info, nil
}

// list calls f for the entries with a prefix, in order of name: an ordered merge of the buckets, a page of each in memory.
func (bs *blobs) list(ctx context.Context, prefix string, f func(directoryEntry) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := bs.s.enter(); err != nil {
		return err
	}
	defer bs.s.leave()
	merge, err := bs.beginList(ctx, prefix)
	if err != nil {
		return err
	}
	for len(merge) > 0 {
		c := merge[0]
		if err := f(c.rows[0]); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := c.advance(ctx); err != nil {
			return err
		}
		if len(c.rows) == 0 {
			heap.Pop(&merge)
		} else {
			heap.Fix(&merge, 0)
		}
	}
	return nil
}

// beginList reads the first page of every bucket.
func (bs *blobs) beginList(ctx context.Context, prefix string) (listMerge, error) {
	cursors := make([]*listCursor, directoryBuckets)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(listAtOnce)
	for bucket := range directoryBuckets {
		// All characters of names are below 0x7f (medium.ValidName), so that this is just behind the last name with the prefix.
		cursors[bucket] = &listCursor{bs: bs, bucket: bucket, from: prefix, to: prefix + "\x7f"}
		group.Go(func() error { return cursors[bucket].fetch(groupCtx) })
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	var merge listMerge
	for _, c := range cursors {
		if len(c.rows) > 0 {
			merge = append(merge, c)
		}
	}
	heap.Init(&merge)
	return merge, nil
}

// listCursor goes through one bucket.
type listCursor struct {
	bs       *blobs
	bucket   int
	from, to string // what is not read yet
	last     bool   // rows are the last ones
	rows     []directoryEntry
}

func (c *listCursor) advance(ctx context.Context) error {
	c.rows = c.rows[1:]
	if len(c.rows) > 0 || c.last {
		return nil
	}
	return c.fetch(ctx)
}

func (c *listCursor) fetch(ctx context.Context) error {
	rows := make([]directoryEntry, 0, 16)
	err := c.bs.s.read(ctx, request{
		table: "blob_directory", op: "list",
		cql:      "SELECT name, put, info FROM blob_directory WHERE bucket = ? AND area = 0 AND name >= ? AND name < ? LIMIT ?",
		args:     []any{c.bucket, c.from, c.to, listPageRows},
		pageSize: listPageRows + 1, // never a second page
	}, func(scan func(...any) error) error {
		var e directoryEntry
		var data raw
		err := scan(&e.name, &e.put, &data)
		e.data = data
		rows = append(rows, e)
		return err
	})
	if err != nil {
		return err
	}
	c.rows = rows
	c.last = len(rows) < listPageRows
	if !c.last {
		c.from = strings.Clone(rows[len(rows)-1].name) + "\x00" // just behind it
	}
	return nil
}

// listMerge is a heap of the cursors that have something, by the name that comes next.
type listMerge []*listCursor

func (m listMerge) Len() int           { return len(m) }
func (m listMerge) Less(i, j int) bool { return m[i].rows[0].name < m[j].rows[0].name }
func (m listMerge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *listMerge) Push(x any)        { *m = append(*m, x.(*listCursor)) }
func (m *listMerge) Pop() any {
	old := *m
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*m = old[:len(old)-1]
	return last
}
