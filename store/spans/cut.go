package spans

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// cutRetry is how long the cutter waits after a failure, and how often it looks at the age of the head.
const cutRetry = time.Second

// wakeCutter lets the cutter look whether there is something to do.
func (s *Store) wakeCutter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// cutter makes blocks of heads that are full or old, until ctx ends.
func (s *Store) cutter(ctx context.Context) {
	tick := time.NewTicker(cutRetry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
		if s.failed.Load() != nil {
			select { // not at every wake: what failed takes a while
			case <-ctx.Done():
				return
			case <-time.After(cutRetry):
			}
		}
		s.work.Lock()
		err := s.cutDue(ctx, false)
		s.work.Unlock()
		s.noteCut(ctx, err)
	}
}

// noteCut keeps why cutting does not work, for those who wait for it.
func (s *Store) noteCut(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	before := s.failed.Load()
	if err == nil {
		s.failed.Store(nil)
		if before != nil {
			s.log.Info("spans become blocks again")
		}
		return
	}
	s.metrics.cutFailures.Inc()
	s.failed.Store(&err)
	if before == nil {
		s.log.Error("spans cannot become blocks: they stay in the journal and in memory, and it is tried again", "err", err)
	}
}

// Flush makes blocks of everything that was appended before the call.
func (s *Store) Flush(ctx context.Context) error {
	s.work.Lock()
	defer s.work.Unlock()
	if err := s.cutDue(ctx, true); err != nil {
		return fmt.Errorf("cannot make blocks of the spans in memory: %w", err)
	}
	return nil
}

// cutDue cuts the heads that are sealed, and the newest when it is due or all of them are to go. The caller holds work.
func (s *Store) cutDue(ctx context.Context, all bool) error {
	for _, h := range s.headList() {
		if h.before == 0 && (h.empty() || !all && !h.full(s) && !h.old(s)) {
			return nil
		}
		s.seal(h)
		if err := s.cut(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// full says whether the head should become blocks.
func (h *head) full(s *Store) bool { return h.encoded.Load() >= s.o.CutBytes }

func (h *head) old(s *Store) bool { return !h.empty() && now().Sub(h.made) >= s.o.CutAge }

// seal makes another head the one that is written to. The caller holds work.
func (s *Store) seal(h *head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.before != 0 {
		return
	}
	next := newHead(h.to, h.to+1, now())
	// Entries of the next generation are appended after this moment, so that they come behind every one that was acknowledged before it.
	h.before = s.position.Load() + 1
	s.heads = append(s.heads[:len(s.heads):len(s.heads)], next)
}

// cut makes blocks of a sealed head and lets go of it. What was done of it already is not done again.
func (s *Store) cut(ctx context.Context, h *head) error {
	h.inflight.Wait()
	for _, p := range h.all("") {
		s.encoders.submit(p.fold())
	}
	h.jobs.Wait()
	for _, p := range h.all("") {
		if err := s.cutPartition(ctx, p); err != nil {
			return err
		}
	}
	if err := s.saveCut(ctx, h.to); err != nil {
		return fmt.Errorf("cannot note what is in blocks: %w", err)
	}
	if err := s.journal.Truncate(ctx, medium.Position(h.before)); err != nil {
		return fmt.Errorf("cannot shorten the journal: %w", err)
	}
	s.mu.Lock()
	s.heads = slices.DeleteFunc(slices.Clone(s.heads), func(x *head) bool { return x == h })
	s.mu.Unlock()
	s.metrics.cuts.Inc()
	s.budget.Wake()
	return nil
}

var errNotEncoded = errors.New("BUG: some spans of the head could not be encoded")

// cutPartition makes a block of one tenant's spans of one day.
func (s *Store) cutPartition(ctx context.Context, p *partition) error {
	w, raw, err := p.writer()
	if err != nil {
		return err
	}
	part := p.key.partition()
	if p.written == nil {
		e := w.info()
		e.ID, e.Node, e.Created, e.RawBytes = block.NewID(now()), s.o.Node, now().UnixNano(), raw
		e.Covers = []block.Cover{{Journal: journalName(s.o.Node), From: p.head.from, To: p.head.to}}
		if e.Bytes, err = s.blocks.Write(ctx, part, e.ID, w.reader(ctx)); err != nil {
			return err
		}
		p.written = &e
	}
	var size int64
	for _, g := range w.groups {
		size += int64(len(g.data))
	}
	err = s.blocks.Add(ctx, part, []block.Entry{*p.written}, func() {
		p.head.drop(p)
		p.head.encoded.Add(-size)
	})
	if err == nil {
		s.budget.Wake()
	}
	return err
}

// writer returns everything of a partition of a sealed head, and its bytes as they came.
func (p *partition) writer() (*blockWriter, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.encoding) > 0 || p.tail.spans > 0 {
		return nil, 0, errNotEncoded
	}
	return &blockWriter{groups: p.groups}, p.raw, nil
}
