package cassandra

import (
	"context"
	"math/rand/v2"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// The states of an intent.
const (
	intentWriting = "writing" // a put is under way
	intentLeaving = "leaving" // the parts are to be deleted: of a deleted blob, or of a put that was given up
	intentDamaged = "damaged" // never stored: the row's key is no id, which verify reports
)

// intent is a row of the directory's second area: parts that no blob has, or not yet.
type intent struct {
	put     gocql.UUID
	name    string
	state   string
	chunks  int // parts may be in the chunks below it
	timed   bool
	lost    bool // nothing but the id is known
	renewed time.Time
}

// sweepForEver removes what interrupted puts and deletions have left, at the beginning and now and then, until ctx ends.
func (bs *blobs) sweepForEver(ctx context.Context) {
	wait := rand.N(bs.limits.sweep / 20) // so that the processes of a cluster do not all begin at once
	for pause(ctx, wait) == nil {
		if err := bs.sweep(ctx); err != nil && ctx.Err() == nil {
			bs.s.log.Warn("cannot look for the remains of interrupted puts and deletions, will be tried again", "error", err)
		}
		wait = bs.limits.sweep/2 + rand.N(bs.limits.sweep)
	}
}

func (bs *blobs) sweep(ctx context.Context) error {
	for bucket := range directoryBuckets {
		var found []intent
		err := bs.intents(ctx, bucket, func(in intent) error {
			found = append(found, in)
			return nil
		})
		if err != nil {
			return err
		}
		for i := range found {
			if err := bs.sweepOne(ctx, &found[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// intents calls f for each intent of a bucket.
func (bs *blobs) intents(ctx context.Context, bucket int, f func(intent) error) error {
	return bs.s.read(ctx, request{
		table: "blob_directory", op: "list",
		cql:  "SELECT name, blob, state, chunks, expiring, renewed FROM blob_directory WHERE bucket = ? AND area = 1",
		args: []any{bucket},
	}, func(scan func(...any) error) error {
		var in intent
		var id string
		if err := scan(&id, &in.name, &in.state, &in.chunks, &in.timed, &in.renewed); err != nil {
			return err
		}
		if err := in.put.UnmarshalText([]byte(id)); err != nil {
			in.name, in.state = id, intentDamaged
		}
		return f(in)
	})
}

// sweepOne sees to an intent whose owner has given no sign of life for long.
func (bs *blobs) sweepOne(ctx context.Context, in *intent) error {
	if time.Since(in.renewed) < bs.limits.abandoned || in.state == intentDamaged {
		return nil
	}
	if in.state != intentLeaving {
		// From here on its commit fails, so that its parts can go whatever it still does.
		applied, err := bs.s.cas(ctx, request{
			table: "blob_directory", op: "update",
			cql:  "UPDATE blob_directory SET state = ? WHERE bucket = ? AND area = 1 AND name = ? IF renewed = ?",
			args: []any{intentLeaving, bucketOf(in.name), in.put.String(), in.renewed},
		})
		if err != nil || !applied {
			return err // it was just committed or renewed, or the next sweep sees what came of it
		}
		bs.metrics.abandoned.Inc()
		bs.s.log.Info("removing the parts of an interrupted put", "blob", in.name, "put", in.put.String(), "since", in.renewed)
	}
	return bs.finish(ctx, in)
}

// finishQuietly is finish for what a sweep repeats when it fails.
func (bs *blobs) finishQuietly(ctx context.Context, in *intent) {
	ctx, cancel := context.WithTimeout(ctx, bs.s.opts.GiveUpAfter)
	defer cancel()
	err := bs.finish(ctx, in)
	if err != nil && bs.s.closing.Err() == nil {
		bs.s.log.Warn("cannot delete the parts of a blob, will be tried again later", "blob", in.name, "put", in.put.String(), "error", err)
	}
}

// finish deletes an intent's parts, then the intent.
func (bs *blobs) finish(ctx context.Context, in *intent) error {
	for chunk := range in.chunks {
		if in.lost && chunk%16 == 0 {
			if more, err := bs.anyPart(ctx, in, chunk); err != nil || !more {
				if err != nil {
					return err
				}
				break
			}
		}
		if err := bs.deleteChunk(ctx, in, chunk); err != nil {
			return err
		}
	}
	_, err := bs.casAgain(ctx, request{
		table: "blob_directory", op: "delete",
		cql:  "DELETE FROM blob_directory WHERE bucket = ? AND area = 1 AND name = ? IF EXISTS",
		args: []any{bucketOf(in.name), in.put.String()},
	})
	return err
}

var deleteChunks = map[bool]string{
	false: "DELETE FROM blob_parts WHERE put = ? AND chunk = ?",
	true:  "DELETE FROM blob_parts_expiring WHERE put = ? AND chunk = ?",
}

func (bs *blobs) deleteChunk(ctx context.Context, in *intent, chunk int) error {
	for _, timed := range []bool{false, true} {
		if timed != in.timed && !in.lost {
			continue
		}
		err := bs.s.write(ctx, request{table: partsTable(timed), op: "delete", cql: deleteChunks[timed], args: []any{in.put, chunk}})
		if err != nil {
			return err
		}
	}
	return nil
}

var anyPartOf = map[bool]string{
	false: "SELECT part FROM blob_parts WHERE put = ? AND chunk = ? LIMIT 1",
	true:  "SELECT part FROM blob_parts_expiring WHERE put = ? AND chunk = ? LIMIT 1",
}

// anyPart says whether a chunk has parts, in either table.
func (bs *blobs) anyPart(ctx context.Context, in *intent, chunk int) (bool, error) {
	for _, timed := range []bool{false, true} {
		var part int
		found, err := bs.s.one(ctx, request{table: partsTable(timed), op: "select", cql: anyPartOf[timed], args: []any{in.put, chunk}}, &part)
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}
