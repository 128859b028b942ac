package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"golang.org/x/sync/errgroup"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// What expires is kept a little longer than asked for: the directory's row by directoryMargin, because the servers' clocks
// decide; the parts by partsMargin, so that a row of the directory never outlives them.
const (
	directoryMargin = 10 * time.Minute
	partsMargin     = 2 * time.Hour
	// maxTTL is the most that Cassandra takes, 20 years. What expires later is kept until somebody deletes it.
	maxTTL = 20 * 365 * 24 * time.Hour
)

// Put implements medium.Blobs.
func (bs *blobs) Put(ctx context.Context, name string, content io.Reader, o medium.PutOptions) (medium.BlobInfo, error) {
	info, err := bs.put(ctx, name, content, o)
	if err != nil {
		return medium.BlobInfo{}, fmt.Errorf("cannot put blob %q: %w", name, err)
	}
	return info.public(name), nil
}

func (bs *blobs) put(ctx context.Context, name string, content io.Reader, o medium.PutOptions) (blobInfo, error) {
	if err := bs.begin(ctx, name); err != nil {
		return blobInfo{}, err
	}
	defer bs.s.leave()
	_, found, err := bs.find(ctx, name, false)
	if found {
		return blobInfo{}, medium.ErrExists
	}
	if err != nil {
		return blobInfo{}, err
	}
	p := bs.newPut(name, o)
	if err := p.begin(ctx); err != nil {
		return blobInfo{}, err
	}
	err = p.writeParts(ctx, content)
	if err == nil {
		err = p.commit(ctx)
	}
	switch {
	case err == nil:
		bs.metrics.puts.Inc()
		return p.info, nil
	case !errors.Is(err, medium.ErrUncertain):
		bs.s.start(func(ctx context.Context) { bs.finishQuietly(ctx, &p.intent) })
	}
	return blobInfo{}, err
}

// put is one Put under way.
type put struct {
	bs     *blobs
	info   blobInfo
	intent intent
	sign   time.Time // when the intent was last renewed
}

func (bs *blobs) newPut(name string, o medium.PutOptions) *put {
	id := gocql.MustRandomUUID()
	timed := !o.Expires.IsZero() && time.Until(o.Expires)+partsMargin < maxTTL
	return &put{
		bs:     bs,
		info:   blobInfo{put: id, partSize: int64(bs.limits.partSize), expires: o.Expires, timed: timed},
		intent: intent{put: id, name: name, state: intentWriting, chunks: 1, timed: timed},
	}
}

// begin writes the intent. It needs no transaction, since nobody else knows its key, and carries the oldest possible
// timestamp, so that the transaction which deletes it comes later by anybody's clock.
func (p *put) begin(ctx context.Context) error {
	p.sign = time.Now()
	return p.bs.s.write(ctx, request{
		table: "blob_directory", op: "insert",
		cql:  "INSERT INTO blob_directory (bucket, area, name, blob, state, chunks, expiring, renewed) VALUES (?, 1, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1",
		args: []any{bucketOf(p.intent.name), p.intent.put.String(), p.intent.name, p.intent.state, p.intent.chunks, p.intent.timed, p.sign},
	})
}

// writeParts writes all of content, several parts at once.
func (p *put) writeParts(ctx context.Context, content io.Reader) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.bs.limits.writes)
	err := p.cut(groupCtx, content, func(part int, buf []byte) {
		group.Go(func() error { return p.writePart(groupCtx, part, buf) })
	})
	if writeErr := group.Wait(); writeErr != nil && (err == nil || ctx.Err() == nil && groupCtx.Err() != nil) {
		err = writeErr // the reason why cutting ended
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return definite(err)
}

// definite takes the doubt out of the error of a write that makes nothing visible: the put has failed for sure.
func definite(err error) error {
	if errors.Is(err, medium.ErrUncertain) {
		return fmt.Errorf("%w: %v", errUnavailable, err) //nolint:errorlint // err says that it is uncertain, which the put is not
	}
	return err
}

// cut reads content and calls write for each part, with bytes that are write's.
func (p *put) cut(ctx context.Context, content io.Reader, write func(part int, buf []byte)) error {
	for part := 0; ; part++ {
		buf := make([]byte, partHead+p.info.partSize, partHead+p.info.partSize+partTail)
		n, last, err := fill(content, buf[partHead:])
		p.info.size += int64(n)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case p.info.size > medium.MaxBlob:
			return fmt.Errorf("%w: at most %d bytes are allowed", medium.ErrTooLarge, int64(medium.MaxBlob))
		}
		if n > 0 {
			if err := p.reserve(ctx, part/chunkParts); err != nil {
				return err
			}
			write(part, buf[:partHead+n])
		}
		if last {
			return nil
		}
	}
}

// fill reads until b is full, or the content has ended, which last says.
func fill(content io.Reader, b []byte) (n int, last bool, err error) {
	n, err = io.ReadFull(content, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return n, true, nil
	}
	return n, false, err
}

func (p *put) writePart(ctx context.Context, part int, buf []byte) error {
	data := encodePart(p.info.put, part, buf)
	chunk := part / chunkParts
	r := request{
		table: p.info.table(), op: "insert",
		cql:  "INSERT INTO blob_parts (put, chunk, part, data, name) VALUES (?, ?, ?, ?, ?)",
		args: []any{p.info.put, chunk, part, data, p.intent.name},
	}
	if p.info.timed {
		r.cql = "INSERT INTO blob_parts_expiring (put, chunk, part, data, name) VALUES (?, ?, ?, ?, ?) USING TTL ?"
		r.args = append(r.args, ttl(p.info.expires, partsMargin))
	}
	err := p.bs.s.write(ctx, r)
	if err == nil {
		p.bs.metrics.writtenBytes.Add(float64(len(data)))
	}
	return err
}

// ttl is how many seconds from now until a time and a margin; at least the margin.
func ttl(expires time.Time, margin time.Duration) int {
	return int((max(time.Until(expires), 0) + margin + time.Second - 1) / time.Second)
}

var errGivenUp = model.NewError(model.Unavailable, "it took so long without a sign of life that it was given up")

// reserve says in the intent that parts may be in a chunk, before any is, and renews it now and then.
func (p *put) reserve(ctx context.Context, chunk int) error {
	if chunk < p.intent.chunks && time.Since(p.sign) < p.bs.limits.abandoned/6 {
		return nil
	}
	next := p.intent.chunks
	if chunk >= next {
		next *= 2 // so that a large blob asks some times only
	}
	since := time.Now()
	applied, err := p.bs.casAgain(ctx, request{
		table: "blob_directory", op: "update",
		cql:  "UPDATE blob_directory SET chunks = ?, renewed = ? WHERE bucket = ? AND area = 1 AND name = ? IF state = ?",
		args: []any{next, since, bucketOf(p.intent.name), p.intent.put.String(), intentWriting},
	})
	switch {
	case err != nil:
		return definite(err)
	case !applied:
		return errGivenUp
	}
	p.intent.chunks, p.sign = next, since
	return nil
}

// casAgain repeats a lightweight transaction while it is not known whether it took place, or others are in its way. It
// is for those where a repetition does no harm and has the same answer, or one that means the same.
func (bs *blobs) casAgain(ctx context.Context, r request) (applied bool, err error) {
	for attempt := 0; ; attempt++ {
		applied, err = bs.s.cas(ctx, r)
		if err == nil || ctx.Err() != nil || attempt >= bs.s.opts.Retries {
			return applied, err
		}
		if err := pause(ctx, bs.s.opts.BackoffMin<<min(attempt, 5)); err != nil {
			return false, err
		}
	}
}

// commit makes the blob visible, if no other put of the name was faster and nobody has given this one up.
func (p *put) commit(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		applied, err := p.tryCommit(ctx)
		if err == nil && applied {
			return nil
		}
		if err != nil && !errors.Is(err, medium.ErrUncertain) && attempt >= p.bs.s.opts.Retries {
			return err
		}
		done, answerErr := p.outcome(ctx)
		switch {
		case answerErr != nil && errors.Is(err, medium.ErrUncertain):
			return errors.Join(err, answerErr)
		case done || answerErr != nil:
			return answerErr
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case attempt >= p.bs.s.opts.Retries:
			return definite(err)
		}
		if err := pause(ctx, p.bs.s.opts.BackoffMin<<min(attempt, 5)); err != nil {
			return err
		}
	}
}

func (p *put) tryCommit(ctx context.Context) (bool, error) {
	keep := 0 // no TTL
	if p.info.timed {
		keep = ttl(p.info.expires, directoryMargin)
	}
	bucket := bucketOf(p.intent.name)
	return p.bs.s.cas(ctx, request{
		table: "blob_directory", op: "insert",
		cql: "BEGIN BATCH" +
			" INSERT INTO blob_directory (bucket, area, name, put, info) VALUES (?, 0, ?, ?, ?) IF NOT EXISTS USING TTL ?;" +
			" DELETE FROM blob_directory WHERE bucket = ? AND area = 1 AND name = ? IF state = ?;" +
			" APPLY BATCH",
		args: []any{bucket, p.intent.name, p.info.put, p.info.encode(p.intent.name), keep,
			bucket, p.info.put.String(), intentWriting},
	})
}

// outcome finds out what came of a commit: done, an error that says why not, or neither when it may be tried again.
func (p *put) outcome(ctx context.Context) (done bool, err error) {
	now, found, err := p.bs.find(ctx, p.intent.name, true)
	switch {
	case found && now.put == p.info.put:
		return true, nil
	case found:
		return false, medium.ErrExists
	case err != nil:
		return false, err
	}
	var state string
	found, err = p.bs.s.one(ctx, request{
		table: "blob_directory", op: "select", consistency: p.bs.s.serial,
		cql:  "SELECT state FROM blob_directory WHERE bucket = ? AND area = 1 AND name = ?",
		args: []any{bucketOf(p.intent.name), p.intent.put.String()},
	}, &state)
	if err == nil && (!found || state != intentWriting) {
		err = errGivenUp
	}
	return false, err
}
