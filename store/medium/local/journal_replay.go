package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Replay reads the segments from the one on that holds from. What is damaged is set aside, unless the medium is open for reading only.
func (s *journals) Replay(ctx context.Context, name string, from medium.Position, f func(medium.Position, []byte) error) ([]medium.Damage, error) {
	damage, err := s.walk(ctx, name, from, !s.o.readOnly, f)
	if err != nil {
		err = fmt.Errorf("cannot replay the journal %q: %w", name, err)
	}
	return damage, err
}

// walk is Replay, which sets damaged bytes aside or leaves that be.
func (s *journals) walk(ctx context.Context, name string, from medium.Position, keep bool, f func(medium.Position, []byte) error) ([]medium.Damage, error) {
	if err := s.begin(ctx, name); err != nil {
		return nil, err
	}
	defer s.calls.end()
	segs, err := s.snapshot(name)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return nil, medium.ErrNotFound
	}
	w := &walker{s: s, ctx: ctx, name: name, from: uint64(from), keep: keep, f: f}
	err = w.run(segs)
	return w.damage, err
}

// snapshot returns the segments of a journal as they are now. Those of an open one end where what was acknowledged does.
func (s *journals) snapshot(name string) ([]segment, error) {
	if j := s.opened(name); j != nil {
		return j.snapshot(), nil
	}
	return s.segments(s.path(name))
}

func (j *journal) snapshot() []segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	segs := slices.Clone(j.segs)
	if a := j.active; a != nil {
		seg := a.segment
		seg.counts = a.end
		segs = append(segs, seg)
	}
	return segs
}

// maxDamage bounds how many stretches of damage are told apart; the last one stands for all that come behind.
const maxDamage = 1000

// walker reads a journal once.
type walker struct {
	s    *journals
	ctx  context.Context
	name string
	from uint64
	keep bool
	f    func(medium.Position, []byte) error

	last    uint64 // the last sound position
	damage  []medium.Damage
	pending int // how many at the end of damage do not know yet what is behind them
}

func (w *walker) run(segs []segment) error {
	for len(segs) > 1 && segs[1].first <= w.from {
		segs = segs[1:]
	}
	for i, seg := range segs {
		if i > 0 && !seg.headless && seg.prev > segs[i-1].first && w.exists(segs[i-1].path) {
			w.missing(segs[i-1], seg)
		}
		err := w.segment(seg)
		if errors.Is(err, fs.ErrNotExist) {
			continue // truncated meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) segment(seg segment) error {
	if seg.stray != 0 {
		return w.misplaced(seg)
	}
	_, err := w.s.scanSegment(w.ctx, seg, w.record, func(bad stretch) error {
		w.report(seg.path, bad, damageIn(seg, bad))
		return nil
	})
	return err
}

func (w *walker) record(r record) error {
	w.sound(r.sequence)
	if r.sequence < w.from {
		return nil
	}
	if r.kind != entryRecord {
		return fmt.Errorf("%w: a record of the type %d in a journal", medium.ErrCorrupt, r.kind)
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return w.f(medium.Position(r.sequence), r.payload)
}

// sound notes a position that is behind the damage before it, which does not matter when it ends before from.
func (w *walker) sound(position uint64) {
	w.last = position
	if w.pending == 0 {
		return
	}
	tail := w.damage[len(w.damage)-w.pending:]
	for i := range tail {
		tail[i].Before = medium.Position(position)
	}
	if position <= w.from {
		w.damage = w.damage[:len(w.damage)-w.pending]
	}
	w.pending = 0
}

// damageIn is a damaged stretch of a segment in the words of the contract.
func damageIn(seg segment, bad stretch) medium.Damage {
	return medium.Damage{
		Where: fmt.Sprintf("%s: bytes %d to %d", seg.path, bad.from, bad.to),
		After: medium.Position(bad.after), Before: medium.Position(bad.before),
		Bytes: bad.bytes(), Problem: bad.problem,
	}
}

func (w *walker) report(path string, bad stretch, d medium.Damage) {
	d.After = medium.Position(w.last)
	if len(w.damage) >= maxDamage {
		l := &w.damage[len(w.damage)-1]
		l.Bytes += d.Bytes
		l.Problem = "more damage than can be told apart begins here"
		w.pending = max(w.pending, 1)
		return
	}
	if w.keep && bad.bytes() > 0 {
		w.s.keep(w.ctx, w.name, path, bad, &d)
	}
	w.damage = append(w.damage, d)
	w.pending++
}

// misplaced reports a file that is not what its name says: its entries would come in the wrong place, or twice.
func (w *walker) misplaced(seg segment) error {
	info, err := w.s.fsys.Stat(seg.path)
	if err != nil {
		return err
	}
	w.damage = append(w.damage, medium.Damage{
		Where: seg.path, After: medium.Position(w.last), Bytes: info.Size(),
		Problem: fmt.Sprintf("somebody has renamed or copied it: by its header it is %s; if that one is missing, give it this name back", segmentName(seg.stray)),
	})
	w.pending++
	return nil
}

// exists says whether a file is there still: the oldest goes first, so that nothing is missing behind one that went meanwhile.
func (w *walker) exists(path string) bool {
	_, err := w.s.fsys.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// missing reports segments that should stand between two others.
func (w *walker) missing(before, behind segment) {
	w.damage = append(w.damage, medium.Damage{
		Where: before.path, After: medium.Position(w.last), Bytes: behind.prevEnd,
		Problem: fmt.Sprintf("files between this and %s are missing, the last of them %s", segmentName(behind.first), segmentName(behind.prev)),
	})
	w.pending++
}

// keep sets the bytes of a damaged stretch aside and tells the log, once for each place while the process runs.
func (s *journals) keep(ctx context.Context, name, path string, bad stretch, d *medium.Damage) {
	kept, fresh, err := s.aside.put(ctx, path, bad.from, bad.to)
	d.Kept = kept
	if !fresh {
		return
	}
	s.metrics.damagedBytes.Add(float64(bad.bytes()))
	log := s.log.With("journal", name, "where", d.Where, "after", d.After, "problem", d.Problem)
	if err != nil {
		log.Error("a journal is damaged, and the damaged bytes could not be set aside; they stay where they are", "error", err)
		return
	}
	log.Error("a journal is damaged; what is sound around it is read on", "kept", kept)
}
