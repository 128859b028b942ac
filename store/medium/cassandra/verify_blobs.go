package cassandra

import (
	"context"
	"errors"
	"fmt"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// blobs goes through the directory and reads every part.
func (v *verification) blobs(ctx context.Context) error {
	return v.m.blobs.list(ctx, "", func(e directoryEntry) error {
		info, damage := e.info()
		if damage != nil {
			v.report(medium.Finding{
				Area: "blob", Name: e.name, Where: directoryKey(e.name),
				Problem: damage.Error(), Effect: "the blob cannot be read, and its name is in use until it is deleted",
			})
			return ctx.Err()
		}
		b := &blob{bs: v.m.blobs, name: e.name, info: info}
		for chunk := range info.chunks() {
			if err := v.chunk(ctx, b, chunk); err != nil {
				return err
			}
		}
		v.sum.Blobs++
		v.sum.BlobBytes += info.size
		v.tell(false)
		return nil
	})
}

var verifyPartsCQL = map[bool]string{
	false: "SELECT part, data FROM blob_parts WHERE put = ? AND chunk = ? AND part >= ? LIMIT ?",
	true:  "SELECT part, data FROM blob_parts_expiring WHERE put = ? AND chunk = ? AND part >= ? LIMIT ?",
}

// verifyAtOnce is how many parts are in memory at once.
const verifyAtOnce = 8

// chunk checks the parts of one partition.
func (v *verification) chunk(ctx context.Context, b *blob, chunk int) error {
	next := chunk * chunkParts
	end := min(next+chunkParts, b.info.parts())
	for {
		n, last := 0, 0
		err := v.m.session.read(ctx, request{
			table: b.info.table(), op: "verify", cql: verifyPartsCQL[b.info.timed], consistency: gocql.LocalOne,
			args: []any{b.info.put, chunk, next, verifyAtOnce}, pageSize: verifyAtOnce + 1,
		}, func(scan func(...any) error) error {
			var data raw
			if err := scan(&last, &data); err != nil {
				return err
			}
			n++
			for ; next < min(last, end); next++ {
				if err := v.partAgain(ctx, b, next); err != nil {
					return err
				}
			}
			next = last + 1
			return v.part(ctx, b, last, end, data)
		})
		if err != nil {
			return err
		}
		if n < verifyAtOnce {
			break
		}
	}
	for ; next < end; next++ {
		if err := v.partAgain(ctx, b, next); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) part(ctx context.Context, b *blob, i, end int, data []byte) error {
	if i >= end {
		return v.extraPart(ctx, b, i)
	}
	if _, err := decodePart(b.info.put, i, data, b.info.partBytes(i)); err != nil {
		v.report(medium.Finding{
			Area: "blob", Name: b.name, Where: b.partName(i), Problem: err.Error(), Effect: v.effect(ctx, b, i),
		})
	}
	return nil
}

func (v *verification) effect(ctx context.Context, b *blob, i int) string {
	if _, sound := b.fetchAnywhere(ctx, i); sound {
		return "" // nothing is lost: another copy is sound
	}
	return fmt.Sprintf("the bytes from %d to %d cannot be read", int64(i)*b.info.partSize, int64(i)*b.info.partSize+int64(b.info.partBytes(i)))
}

// partAgain looks for a part that the first replica did not have.
func (v *verification) partAgain(ctx context.Context, b *blob, i int) error {
	_, err := b.fetch(ctx, i)
	switch {
	case err == nil, errors.Is(err, medium.ErrNotFound): // it was deleted meanwhile
		return nil
	case errors.Is(err, medium.ErrCorrupt):
		v.report(medium.Finding{Area: "blob", Name: b.name, Where: b.partName(i), Problem: err.Error(), Effect: v.effect(ctx, b, i)})
		return nil
	}
	return err
}

func (v *verification) extraPart(ctx context.Context, b *blob, i int) error {
	now, found, err := b.bs.find(ctx, b.name, true)
	if err != nil || !found || now.put != b.info.put {
		return err
	}
	v.report(medium.Finding{Area: "blob", Name: b.name, Where: b.partName(i), Problem: fmt.Sprintf("the blob has %d parts, this one is behind them", b.info.parts())})
	return nil
}

// intents looks for interrupted puts and deletions that should have been swept long ago.
func (v *verification) intents(ctx context.Context) error {
	bs := v.m.blobs
	for bucket := range directoryBuckets {
		err := bs.intents(ctx, bucket, func(in intent) error {
			f := medium.Finding{
				Area: "blob", Name: in.name, Where: fmt.Sprintf("blob_directory: bucket=%d area=1 name=%s", bucket, in.put),
				Problem: fmt.Sprintf("the remains of a put or deletion that was interrupted at %s", in.renewed.UTC().Format(time.RFC3339)),
			}
			if in.state == intentDamaged {
				f.Where = fmt.Sprintf("blob_directory: bucket=%d area=1 name=%s", bucket, in.name)
				f.Name, f.Problem = "", "the row's name is not the id of a put"
			} else if time.Since(in.renewed) < 2*(bs.limits.abandoned+bs.limits.sweep) {
				return nil
			}
			v.report(f)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var chunksCQL = map[bool]string{
	false: "SELECT DISTINCT put, chunk, name FROM blob_parts",
	true:  "SELECT DISTINCT put, chunk, name FROM blob_parts_expiring",
}

// strayParts looks for parts that no blob has, and no put or deletion under way.
func (v *verification) strayParts(ctx context.Context) error {
	for _, timed := range []bool{false, true} {
		err := v.m.session.read(ctx, request{table: partsTable(timed), op: "verify", cql: chunksCQL[timed]}, func(scan func(...any) error) error {
			var put gocql.UUID
			var chunk int
			var name string
			if err := scan(&put, &chunk, &name); err != nil {
				return err
			}
			v.tell(false)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return v.strayChunk(ctx, timed, put, chunk, name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// strayChunk looks twice: a deletion that begins while it looks takes its note away only after the parts.
func (v *verification) strayChunk(ctx context.Context, timed bool, put gocql.UUID, chunk int, name string) error {
	for range 2 {
		if stray, err := v.isStray(ctx, timed, put, chunk, name); err != nil || !stray {
			return err
		}
	}
	v.report(medium.Finding{
		Area: "blob", Name: name, Where: fmt.Sprintf("%s: put=%s chunk=%d", partsTable(timed), put, chunk),
		Problem: "parts that belong to no blob: it was deleted, or never whole, and they came back or were never deleted",
	})
	return nil
}

func (v *verification) isStray(ctx context.Context, timed bool, put gocql.UUID, chunk int, name string) (bool, error) {
	bs := v.m.blobs
	// The intent first: a commit takes it away and makes the row of the directory in the same step.
	var state string
	pending, err := bs.s.one(ctx, request{
		table: "blob_directory", op: "verify", cql: "SELECT state FROM blob_directory WHERE bucket = ? AND area = 1 AND name = ?",
		args: []any{bucketOf(name), put.String()},
	}, &state)
	if err != nil || pending {
		return false, err
	}
	info, found, err := bs.find(ctx, name, false)
	damaged := errors.Is(err, medium.ErrCorrupt) // and reported already; its parts are not stray
	if err != nil && !damaged {
		return false, err
	}
	if found && info.put == put && (damaged || timed == info.timed && chunk < info.chunks()) {
		return false, nil
	}
	return bs.anyPart(ctx, &intent{put: put}, chunk)
}
