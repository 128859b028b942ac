package cassandra

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// blobs implements medium.Blobs. A blob is a row of the directory and its parts, which carry the id of the put that wrote
// them, so that two puts of one name never mix. A put first writes an intent, then the parts, then it turns the intent into
// the directory's row by one conditional batch: a blob is there whole or not at all, exactly one put of a name wins, and
// the parts of a put that died are found by its intent (blob_sweep.go).
type blobs struct {
	s       *session
	cache   *partCache // nil: none
	limits  blobLimits
	metrics *blobMetrics
}

// blobLimits says how much is done at once; tests change it.
type blobLimits struct {
	partSize int // bytes
	writes   int // parts of one put in flight, each with a buffer
	reads    int // parts of one range in flight
	// abandoned is how long a put may give no sign of life before it is given up. A put that still goes on then fails,
	// and leaves nothing behind; so the clocks of two machines need not agree to the second.
	abandoned time.Duration
	sweep     time.Duration // between two sweeps
}

var defaultBlobLimits = blobLimits{
	partSize: blobPartSize, writes: 8, reads: 8,
	abandoned: time.Hour, sweep: 10 * time.Minute,
}

func openBlobs(s *session) (*blobs, error) {
	m, err := newBlobMetrics(s.reg)
	if err != nil {
		return nil, err
	}
	b := &blobs{s: s, limits: defaultBlobLimits, metrics: m}
	if s.opts.BlobCacheBytes > 0 {
		b.cache = newPartCache(s.opts.BlobCacheBytes, m)
	}
	s.start(b.sweepForEver)
	return b, nil
}

func (bs *blobs) close() { bs.metrics.unregister() }

// directoryBuckets is the number of partitions of the directory. Few would be hot: a partition does some hundred
// conditional batches a second, and grows beyond Cassandra's comfort (100 MB) at half a million blobs. Many would make
// each listing slow, which asks them all. 64 carry 30 million blobs and some thousand puts a second, and are listed in four rounds of 16.
// It is part of the format: another number would not find what is there.
const directoryBuckets = 64

func bucketOf(name string) int {
	return int(crc32.Checksum([]byte(name), castagnoli) % directoryBuckets)
}

// find reads a blob's row of the directory; serial takes part in the order of the transactions. The put is known also when the
// rest is damaged.
func (bs *blobs) find(ctx context.Context, name string, serial bool) (info blobInfo, found bool, err error) {
	r := request{
		table: "blob_directory", op: "select", cql: "SELECT put, info FROM blob_directory WHERE bucket = ? AND area = 0 AND name = ?",
		args: []any{bucketOf(name), name},
	}
	if serial {
		r.consistency = bs.s.serial
	}
	var put gocql.UUID
	var data raw
	found, err = bs.s.one(ctx, r, &put, &data)
	if err != nil || !found {
		return blobInfo{}, false, err
	}
	info, err = decodeInfo(name, data)
	if err == nil && info.put != put {
		err = corrupt("the directory's row names put %s, and %s inside", put, info.put)
	}
	if err != nil {
		return blobInfo{put: put}, true, fmt.Errorf("%s: %w", directoryKey(name), err)
	}
	return info, true, nil
}

func directoryKey(name string) string {
	return fmt.Sprintf("blob_directory: bucket=%d area=0 name=%s", bucketOf(name), name)
}

// begin checks what every call checks. The caller calls bs.s.leave after it.
func (bs *blobs) begin(ctx context.Context, name string) error {
	if err := medium.ValidName(name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return bs.s.enter()
}

// Open implements medium.Blobs.
func (bs *blobs) Open(ctx context.Context, name string) (medium.Blob, error) {
	b, err := bs.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot open blob %q: %w", name, err)
	}
	return b, nil
}

func (bs *blobs) open(ctx context.Context, name string) (*blob, error) {
	if err := bs.begin(ctx, name); err != nil {
		return nil, err
	}
	defer bs.s.leave()
	info, found, err := bs.find(ctx, name, false)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, medium.ErrNotFound
	}
	return &blob{bs: bs, name: name, info: info}, nil
}

// Delete implements medium.Blobs.
func (bs *blobs) Delete(ctx context.Context, name string) error {
	if err := bs.delete(ctx, name); err != nil {
		return fmt.Errorf("cannot delete blob %q: %w", name, err)
	}
	return nil
}

func (bs *blobs) delete(ctx context.Context, name string) error {
	if err := bs.begin(ctx, name); err != nil {
		return err
	}
	defer bs.s.leave()
	for attempt := 0; ; attempt++ {
		info, found, err := bs.find(ctx, name, attempt > 0)
		if errors.Is(err, medium.ErrCorrupt) {
			info.size, info.partSize = medium.MaxBlob, blobPartSize // the parts of a damaged row are looked for wherever they can be
		} else if err != nil || !found {
			return err
		}
		in := intent{put: info.put, name: name, state: intentLeaving, chunks: info.chunks(), timed: info.timed, lost: err != nil}
		applied, err := bs.moveOut(ctx, &in)
		switch {
		case err == nil && applied:
			bs.s.start(func(ctx context.Context) { bs.finishQuietly(ctx, &in) })
			return nil
		case err != nil && (!errors.Is(err, medium.ErrUncertain) || attempt >= bs.s.opts.Retries):
			return err
		}
		// Somebody else changed it, or it is not known whether it took place: the next reading tells.
		if err := pause(ctx, bs.s.opts.BackoffMin); err != nil {
			return err
		}
	}
}

// moveOut takes a blob out of the directory and notes, in the same step, that its parts are to be deleted.
func (bs *blobs) moveOut(ctx context.Context, in *intent) (bool, error) {
	bucket := bucketOf(in.name)
	return bs.s.cas(ctx, request{
		table: "blob_directory", op: "delete",
		cql: "BEGIN BATCH" +
			" DELETE FROM blob_directory WHERE bucket = ? AND area = 0 AND name = ? IF put = ?;" +
			" INSERT INTO blob_directory (bucket, area, name, blob, state, chunks, expiring, renewed) VALUES (?, 1, ?, ?, ?, ?, ?, ?);" +
			" APPLY BATCH",
		args: []any{bucket, in.name, in.put,
			bucket, in.put.String(), in.name, in.state, in.chunks, in.timed, time.Now()},
	})
}

// blob implements medium.Blob. What Range returns is garbage collected, so that Close has nothing to give back.
type blob struct {
	bs   *blobs
	name string
	info blobInfo
}

// Size implements medium.Blob.
func (b *blob) Size() int64 { return b.info.size }

// Close implements medium.Blob.
func (b *blob) Close() error { return nil }

var errBadRange = model.NewError(model.Invalid, "the range is not inside the blob")

// Range implements medium.Blob.
func (b *blob) Range(ctx context.Context, offset, n int64) ([]byte, error) {
	data, err := b.read(ctx, offset, n)
	if err != nil {
		return nil, fmt.Errorf("cannot read %d bytes at %d of blob %q: %w", n, offset, b.name, err)
	}
	return data, nil
}

func (b *blob) read(ctx context.Context, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > b.info.size || n > b.info.size-offset {
		return nil, fmt.Errorf("%w of %d bytes", errBadRange, b.info.size)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if n == 0 {
		return nil, nil
	}
	if err := b.bs.s.enter(); err != nil {
		return nil, err
	}
	defer b.bs.s.leave()
	b.bs.metrics.ranges.Inc()
	first, last := int(offset/b.info.partSize), int((offset+n-1)/b.info.partSize)
	begin := offset - int64(first)*b.info.partSize
	if first == last {
		part, err := b.part(ctx, first)
		if err != nil {
			return nil, err
		}
		return part[begin : begin+n : begin+n], nil
	}
	return b.gather(ctx, offset, n, first, last)
}
