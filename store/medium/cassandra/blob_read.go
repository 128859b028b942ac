package cassandra

import (
	"context"
	"errors"
	"fmt"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// gather reads several parts at once into one piece of memory.
func (b *blob) gather(ctx context.Context, offset, n int64, first, last int) ([]byte, error) {
	all := make([]byte, n)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(b.bs.limits.reads)
	for i := first; i <= last && groupCtx.Err() == nil; i++ {
		group.Go(func() error {
			part, err := b.part(groupCtx, i)
			if err != nil {
				return err
			}
			at := int64(i)*b.info.partSize - offset // negative for the first part
			copy(all[max(at, 0):], part[max(-at, 0):])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return all, nil
}

// partKey is where a part stands, and its key in the cache.
type partKey struct {
	put  gocql.UUID
	part int
}

func (b *blob) partName(i int) string {
	return fmt.Sprintf("%s: put=%s chunk=%d part=%d", b.info.table(), b.info.put, i/chunkParts, i)
}

// part returns one part from the cache or the cluster.
func (b *blob) part(ctx context.Context, i int) ([]byte, error) {
	if b.bs.cache == nil {
		return b.fetch(ctx, i)
	}
	return b.bs.cache.get(ctx, partKey{b.info.put, i}, func(ctx context.Context) ([]byte, error) {
		return b.fetch(ctx, i)
	})
}

// fetch reads a part from one replica. Any will do, since parts never change and carry a checksum. When that one has it
// damaged, the others are asked one by one, since one sound copy is enough; when it has not got it, a quorum.
func (b *blob) fetch(ctx context.Context, i int) ([]byte, error) {
	data, err := b.fetchFrom(ctx, i, request{consistency: gocql.LocalOne})
	if err == nil || ctx.Err() != nil {
		return data, err
	}
	b.bs.metrics.secondReads.Inc()
	if errors.Is(err, medium.ErrCorrupt) {
		if sound, ok := b.fetchAnywhere(ctx, i); ok {
			return sound, nil
		}
		return nil, err
	}
	data, err = b.fetchFrom(ctx, i, request{})
	if errors.Is(err, medium.ErrNotFound) {
		return nil, b.absent(ctx, i)
	}
	return data, err
}

// fetchFrom reads a part; ErrNotFound means that the row is not there.
func (b *blob) fetchFrom(ctx context.Context, i int, r request) ([]byte, error) {
	r.table, r.op = b.info.table(), "select"
	r.cql = selectPart[b.info.timed]
	r.args = []any{b.info.put, i / chunkParts, i}
	var data raw
	found, err := b.bs.s.one(ctx, r, &data)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, medium.ErrNotFound
	}
	b.bs.metrics.readBytes.Add(float64(len(data)))
	part, err := decodePart(b.info.put, i, data, b.info.partBytes(i))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.partName(i), err)
	}
	return part, nil
}

var selectPart = map[bool]string{
	false: "SELECT data FROM blob_parts WHERE put = ? AND chunk = ? AND part = ?",
	true:  "SELECT data FROM blob_parts_expiring WHERE put = ? AND chunk = ? AND part = ?",
}

// fetchAnywhere looks for a sound copy on each node.
// It does not ask a quorum, which would take either copy for the newer one, and might spread the damage.
func (b *blob) fetchAnywhere(ctx context.Context, i int) ([]byte, bool) {
	for _, h := range b.bs.s.db.GetHosts() {
		var data raw
		err := b.bs.s.db.Query(selectPart[b.info.timed], b.info.put, i/chunkParts, i).
			Consistency(gocql.LocalOne).SetHostID(h.HostID()).ScanContext(ctx, &data)
		if err != nil {
			continue
		}
		if part, err := decodePart(b.info.put, i, data, b.info.partBytes(i)); err == nil {
			b.bs.s.log.Warn("a copy of a blob's part is damaged, another one is sound: nodetool repair", "blob", b.name, "part", b.partName(i))
			return part, true
		}
	}
	return nil, false
}

// absent says why a part is not there: the blob was deleted, or has expired, or it is damaged.
func (b *blob) absent(ctx context.Context, i int) error {
	now, found, err := b.bs.find(ctx, b.name, true)
	switch {
	case err != nil:
		return err
	case !found || now.put != b.info.put:
		return fmt.Errorf("it was deleted or has expired: %w", medium.ErrNotFound)
	}
	return corrupt("%s: the part is not there", b.partName(i))
}
