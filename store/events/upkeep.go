package events

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
)

// upkeepEvery is how often blocks are merged, and what is too old is deleted.
const upkeepEvery = 30 * time.Second

// upkeep merges and deletes until ctx ends.
func (s *Store) upkeep(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.Upkeep(ctx, now()); err != nil && ctx.Err() == nil {
				s.metrics.mergeFailures.Inc()
				s.log.Warn("the upkeep of blocks of records failed: it is tried again", "err", err)
			}
		}
	}
}

// Upkeep does at once what Run does now and then: it deletes what is kept for too long at the time, merges blocks and carries out deletions.
func (s *Store) Upkeep(ctx context.Context, at time.Time) error {
	s.upkeeping.Lock()
	defer s.upkeeping.Unlock()
	if err := s.retain(ctx, at); err != nil {
		return err
	}
	if err := s.tidy(ctx); err != nil {
		return err
	}
	if err := s.deleteStreams(ctx, at); err != nil {
		return err
	}
	if err := s.mergeAll(ctx); err != nil {
		return err
	}
	return s.finishDeletions(ctx, at)
}

// tidy takes out of what the catalogue says of this node's blocks the generations that the journal has let go of, so that they can be merged, and the
// deletions that are done or forgotten: a day's catalogue must not grow with every deletion there ever was.
func (s *Store) tidy(ctx context.Context) error {
	cut, err := s.loadCut(ctx)
	if err != nil {
		return err
	}
	done := func(c block.Cover) bool { return c.Journal == journalName(s.o.Node) && c.To <= cut }
	for _, p := range s.blocks.Partitions("") {
		change := func(e *block.Entry) bool {
			if e.Node != s.o.Node {
				return false
			}
			before := len(e.Covers) + len(e.Applied)
			e.Covers = slices.DeleteFunc(slices.Clone(e.Covers), done)
			e.Applied = s.deletions.active(p.Tenant, e.Applied)
			return len(e.Covers)+len(e.Applied) < before
		}
		if !slices.ContainsFunc(s.blocks.Entries(p), func(e block.Entry) bool { return change(&e) }) {
			continue
		}
		if err := s.blocks.Change(ctx, p, change); err != nil {
			return err
		}
	}
	return nil
}

// finishDeletions notes which deletions have nothing left to delete, and forgets those that were done long ago.
func (s *Store) finishDeletions(ctx context.Context, at time.Time) error {
	for _, tenant := range s.deletions.tenants() {
		for _, d := range s.deletions.all(tenant) {
			switch {
			case d.Done && at.Sub(time.Unix(0, d.Created)) > rememberDone:
				if err := s.forget(ctx, tenant, d); err != nil {
					return err
				}
			case !d.Done && !s.left(tenant, d):
				if err := s.finish(ctx, tenant, d); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// left says whether a block or the head may still have records that the deletion is about.
func (s *Store) left(tenant string, d *deletion) bool {
	for _, h := range s.headList() {
		if d.concerns(h.applied) && len(h.all(tenant)) > 0 {
			return true
		}
	}
	for _, p := range s.blocks.Partitions(tenant) {
		if slices.ContainsFunc(s.blocks.Entries(p), func(e block.Entry) bool { return d.pending(&e) }) {
			return true
		}
	}
	return false
}

// deleteStreams deletes the streams that are kept for a shorter time than the others. It works as a deletion that nobody sees: a block is written anew
// once all that it has of them is too old.
func (s *Store) deleteStreams(ctx context.Context, at time.Time) error {
	if len(s.o.Retention.Streams) == 0 {
		return nil
	}
	for _, p := range s.blocks.Partitions("") {
		for _, e := range s.blocks.Entries(p) {
			hide, err := s.tooOld(&e, at)
			if err != nil {
				return err
			}
			if len(hide) == 0 || e.Broken != "" {
				continue
			}
			if err := s.rewrite(ctx, p, []block.Entry{e}, hide); err != nil {
				return err
			}
		}
	}
	return nil
}

// retentionApplied is what the names of retentions begin with where a block tells what was carried out on it.
const retentionApplied = "retention "

// tooOld returns the retentions of streams that concern a block as deletions. Their names tell the block that they were carried out.
func (s *Store) tooOld(e *block.Entry, at time.Time) ([]*deletion, error) {
	var out []*deletion
	for _, r := range s.o.Retention.Streams {
		x := store.EventDeletion{Start: e.Min, End: e.Max + 1}
		var name strings.Builder
		for _, m := range r.Matchers {
			x.Selection.Matchers = append(x.Selection.Matchers, store.DeletionMatcher{Name: m.Name, Type: m.Type.String(), Value: m.Value})
			name.WriteString(m.String())
		}
		x.ID = retentionApplied + name.String()
		d, err := compile(x)
		if err != nil {
			return nil, err
		}
		if e.Max < at.Add(-r.Time).UnixNano() && d.concerns(e.Applied) {
			out = append(out, d)
		}
	}
	return out, nil
}
