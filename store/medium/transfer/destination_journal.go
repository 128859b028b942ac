package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// journal is a journal on the destination that entries are written to, in the order of their positions. Entries that are there
// already are compared instead; what is behind them is appended.
type journal struct {
	*destination
	ctx  context.Context
	name string

	next  func() (medium.Position, entry, bool) // of what is there
	stop  func()
	have  bool // at and there are an entry of the destination that is not compared yet
	at    medium.Position
	there entry
	any   bool            // an entry of the source was seen
	first medium.Position // of the source
	older bool            // the destination has entries below the first of the source, which has been truncated

	open   medium.Journal // nil until something is appended
	last   medium.Position
	broken bool // a conflict was noted: nothing more is done
}

// entry is one of the destination's, or why there are no more.
type entry struct {
	bytes []byte
	err   error
}

// journal begins with the entries of a journal. The caller calls add for each, then end, and close in any case.
func (d *destination) journal(ctx context.Context, name string) (*journal, error) {
	if d.resumed {
		if err := d.startAnew(ctx, name); err != nil {
			return nil, fmt.Errorf("journal %q on the destination: %w", name, err)
		}
	}
	j := &journal{destination: d, ctx: ctx, name: name}
	j.next, j.stop = iter.Pull2(d.entries(ctx, name))
	j.advance()
	return j, nil
}

// startAnew deletes what an interrupted transfer left of a journal if there is a gap behind its last entry: a medium that was killed
// gives no position that it may have given before, so that the next entry may not fit there any more. The gap may as well
// be the source's own, in a journal that is finished; then it is moved twice.
func (d *destination) startAnew(ctx context.Context, name string) error {
	there, ok := d.nextOf(name)
	if !ok {
		return nil
	}
	last := medium.Position(0)
	_, err := d.to.Journals().Replay(ctx, name, 0, func(at medium.Position, _ []byte) error {
		last = at
		return nil
	})
	if errors.Is(err, medium.ErrNotFound) || err == nil && there <= last+1 {
		return nil
	}
	if err != nil {
		return err
	}
	d.forget(name)
	return d.to.Journals().Delete(ctx, name)
}

var errStopped = errors.New("stopped")

// entries yields what is there of a journal, and at last an error, if there is one, at position 0.
func (d *destination) entries(ctx context.Context, name string) iter.Seq2[medium.Position, entry] {
	return func(yield func(medium.Position, entry) bool) {
		damage, err := d.to.Journals().Replay(ctx, name, 0, func(at medium.Position, e []byte) error {
			if !yield(at, entry{bytes: e}) {
				return errStopped
			}
			return nil
		})
		switch {
		case errors.Is(err, errStopped):
		case errors.Is(err, medium.ErrNotFound):
			if d.checking {
				yield(0, entry{err: medium.ErrNotFound})
			}
		case err != nil:
			yield(0, entry{err: fmt.Errorf("cannot read the journal %q on the destination: %w", name, err)})
		case len(damage) > 0:
			yield(0, entry{err: damagedJournal{damage[0]}})
		}
	}
}

// damagedJournal says that the destination's journal is damaged.
type damagedJournal struct{ medium.Damage }

func (d damagedJournal) Error() string { return d.Where + ": " + d.Problem }

func (j *journal) advance() {
	j.at, j.there, j.have = j.next()
}

// add takes an entry, which is the caller's again when it returns.
func (j *journal) add(at medium.Position, bytesOf []byte) error {
	count := Counts{Entries: 1, Bytes: int64(len(bytesOf))}
	defer j.done(count)
	if j.broken {
		return nil
	}
	for j.have && j.there.err == nil && j.at < at {
		if j.any {
			return j.breaks("the destination has an entry at position %d, which the source has not", j.at)
		}
		j.older = true
		j.advance()
	}
	if !j.any {
		j.any, j.first = true, at
	}
	switch {
	case j.have && j.there.err != nil:
		return j.failed()
	case !j.have && j.checking:
		return j.breaks("position %d and what is behind it is missing on the destination", at)
	case !j.have:
		if err := j.append(at, bytesOf); err != nil {
			return err
		}
		j.copied(count)
		return nil
	case j.at > at:
		return j.breaks("position %d is missing on the destination, which has position %d behind it", at, j.at)
	case !bytes.Equal(j.there.bytes, bytesOf):
		return j.breaks("the entry at position %d differs", at)
	}
	j.last = at
	j.skipped(count)
	j.advance()
	return nil
}

// failed handles the error that stands in the place of an entry.
func (j *journal) failed() error {
	var damaged damagedJournal
	switch err := j.there.err; {
	case errors.Is(err, medium.ErrNotFound):
		return j.breaks("it is missing on the destination")
	case errors.As(err, &damaged):
		return j.breaks("it is damaged on the destination: %v", err)
	default:
		return err
	}
}

func (j *journal) breaks(format string, args ...any) error {
	j.broken = true
	j.differs("journal", j.name, format, args...)
	return nil
}

func (j *journal) append(at medium.Position, bytesOf []byte) error {
	if j.open == nil {
		open, err := j.to.Journals().Open(j.ctx, j.name, medium.JournalOptions{})
		if err != nil {
			return err
		}
		j.open = open
	}
	j.last = at
	return j.open.AppendAt(j.ctx, at, bytesOf)
}

// end is called behind the last entry. next is above every position of the source.
func (j *journal) end(next medium.Position) error {
	defer j.done(Counts{Journals: 1})
	next = max(next, j.last+1)
	if err := j.compareEnd(next); err != nil || j.broken {
		return err
	}
	if j.checking {
		if there, _ := j.nextOf(j.name); there < next {
			j.differs("journal", j.name, "its next position is %d on the destination, %d on the source", there, next)
		}
		return nil
	}
	if err := j.keepNext(next); err != nil {
		return err
	}
	if j.open == nil {
		j.skipped(Counts{Journals: 1})
		return nil
	}
	j.copied(Counts{Journals: 1})
	return j.giveBack()
}

// compareEnd looks at what the destination has behind the last entry of the source. When the source has none, all that
// the destination has was truncated there.
func (j *journal) compareEnd(next medium.Position) error {
	for !j.broken && j.have {
		switch {
		case j.there.err != nil:
			return j.failed()
		case j.any || j.at >= next:
			return j.breaks("the destination has an entry at position %d, behind the last of the source", j.at)
		}
		j.older = true
		j.advance()
	}
	return nil
}

// keepNext lets the destination give no position below next, also when it is empty, and lets go there of what the source
// has let go.
func (j *journal) keepNext(next medium.Position) error {
	there, known := j.nextOf(j.name)
	if j.open != nil {
		there = max(there, j.last+1)
	}
	if there < next || !known && j.open == nil || j.older && j.open == nil {
		if err := j.giveBack(); err != nil {
			return err
		}
		open, err := j.to.Journals().Open(j.ctx, j.name, medium.JournalOptions{Next: next})
		if err != nil {
			return err
		}
		j.open = open
	}
	if !j.older {
		return nil
	}
	if !j.any {
		j.first = next
	}
	return j.open.Truncate(j.ctx, j.first)
}

// giveBack closes the destination's journal, which makes durable what was appended.
func (j *journal) giveBack() error {
	open := j.open
	j.open = nil
	if open == nil {
		return nil
	}
	return open.Close()
}

// close gives everything back, also after an error.
func (j *journal) close() error {
	j.stop()
	return j.giveBack()
}
