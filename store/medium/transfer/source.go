package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// isDamage says whether err is about stored bytes that cannot be read, so that the rest can.
func isDamage(err error) bool { return model.KindOf(err) == model.Corrupt }

// blobStep is how much of a blob is read at once.
const blobStep = 1 << 20

// blobReader reads a blob from its beginning to its end.
type blobReader struct {
	ctx  context.Context
	blob medium.Blob
	at   int64
	step []byte // what was read and not yet given
}

func (r *blobReader) Read(p []byte) (int, error) {
	if len(r.step) == 0 {
		n := min(blobStep, r.blob.Size()-r.at)
		if n == 0 {
			return 0, io.EOF
		}
		step, err := r.blob.Range(r.ctx, r.at, n)
		if err != nil {
			return 0, err
		}
		r.step = step
		r.at += n
	}
	n, err := guardedCopy(p, r.step)
	r.step = r.step[n:]
	return n, err
}

// guardedCopy is copy from bytes that may be mapped.
func guardedCopy(p, from []byte) (n int, err error) {
	err = vfs.Guard(func() error {
		n = copy(p, from)
		return nil
	})
	if err != nil {
		return 0, errors.Join(medium.ErrCorrupt, err)
	}
	return n, nil
}

// sameRange compares a range of a blob with want.
func sameRange(ctx context.Context, blob medium.Blob, at int64, want []byte) (same bool, err error) {
	got, err := blob.Range(ctx, at, int64(len(want)))
	if err != nil {
		return false, err
	}
	err = vfs.Guard(func() error {
		same = bytes.Equal(got, want)
		return nil
	})
	if err != nil {
		return false, errors.Join(medium.ErrCorrupt, err)
	}
	return same, nil
}

// findings are a journal's damages in the words of Verify.
func (j *job) journalDamage(name string, damage []medium.Damage) {
	for _, d := range damage {
		j.damaged(medium.Finding{Area: "journal", Name: name, Where: d.Where, Problem: d.Problem, Effect: "the entries that were there are missing"})
	}
}

// tolerate notes an error that is about damage of the source, so that the rest is moved, and returns any other.
func (j *job) tolerate(err error, area, name, effect string) error {
	if err == nil || !isDamage(err) {
		return err
	}
	j.damaged(medium.Finding{Area: area, Name: name, Problem: err.Error(), Effect: effect})
	return nil
}

// count adds up what a medium has, as far as lists tell.
func count(ctx context.Context, j *job, m medium.Medium, skip func(kind string) bool) error {
	j.phase("counting")
	var total Counts
	infos, err := m.Journals().List(ctx)
	if err != nil {
		return err
	}
	for _, info := range infos {
		total.Journals++
		total.Bytes += info.Bytes
	}
	kinds, err := m.Documents().Kinds(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if skip(kind) {
			continue
		}
		for d, err := range m.Documents().List(ctx, kind, "") {
			if err != nil && !isDamage(err) {
				return err
			}
			if err == nil {
				total.Documents++
				total.Bytes += int64(len(d.Value))
			}
		}
	}
	for info, err := range m.Blobs().List(ctx, "") {
		if err != nil && !isDamage(err) {
			return err
		}
		if err == nil {
			total.Blobs++
			total.Bytes += info.Size
		}
	}
	j.setTotal(total)
	return nil
}
