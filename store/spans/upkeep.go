package spans

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

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
				s.log.Warn("the upkeep of blocks of spans failed: it is tried again", "err", err)
			}
		}
	}
}

// Upkeep does at once what Run does now and then: it deletes what is kept for too long at the time, and merges blocks.
func (s *Store) Upkeep(ctx context.Context, at time.Time) error {
	s.upkeeping.Lock()
	defer s.upkeeping.Unlock()
	if err := s.retain(ctx, at); err != nil {
		return err
	}
	if err := s.tidy(ctx); err != nil {
		return err
	}
	return s.mergeAll(ctx)
}

// tidy takes out of what the catalogue says of this node's blocks the generations that the journal has let go of, so that they can be merged.
func (s *Store) tidy(ctx context.Context) error {
	cut, err := s.loadCut(ctx)
	if err != nil {
		return err
	}
	done := func(c block.Cover) bool { return c.Journal == journalName(s.o.Node) && c.To <= cut }
	change := func(e *block.Entry) bool {
		if e.Node != s.o.Node || !slices.ContainsFunc(e.Covers, done) {
			return false
		}
		e.Covers = slices.DeleteFunc(slices.Clone(e.Covers), done)
		return true
	}
	for _, p := range s.blocks.Partitions("") {
		if !slices.ContainsFunc(s.blocks.Entries(p), func(e block.Entry) bool { return change(&e) }) {
			continue
		}
		if err := s.blocks.Change(ctx, p, change); err != nil {
			return err
		}
	}
	return nil
}

// retain deletes blocks that are too old, and the oldest where all take too much room.
func (s *Store) retain(ctx context.Context, at time.Time) error {
	var errs []error
	for _, p := range s.blocks.Partitions("") {
		keep := s.o.Retention.of(p.Tenant)
		if keep <= 0 {
			continue
		}
		var ids []string
		for _, e := range s.blocks.Entries(p) {
			if e.Max < at.Add(-keep).UnixNano() {
				ids = append(ids, e.ID)
			}
		}
		errs = append(errs, s.drop(ctx, p, ids))
	}
	return errors.Join(append(errs, s.shrink(ctx))...)
}

func (s *Store) drop(ctx context.Context, p block.Partition, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := s.blocks.Replace(ctx, p, ids); err != nil {
		return err
	}
	s.metrics.retentionGone.Add(float64(len(ids)))
	s.log.Info("blocks of spans are deleted: their time is over, or they take too much room", "tenant", p.Tenant, "day", p.Day, "blocks", len(ids))
	return nil
}

// shrink deletes the oldest blocks until all take no more than they may.
func (s *Store) shrink(ctx context.Context) error {
	if s.o.Retention.Size <= 0 {
		return nil
	}
	type candidate struct {
		p block.Partition
		e block.Entry
	}
	var all []candidate
	total := int64(0)
	for _, p := range s.blocks.Partitions("") {
		for _, e := range s.blocks.Entries(p) {
			all = append(all, candidate{p, e})
			total += e.Bytes
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.e.Max, b.e.Max) })
	for _, c := range all {
		if total <= s.o.Retention.Size {
			return nil
		}
		if err := s.drop(ctx, c.p, []string{c.e.ID}); err != nil {
			return err
		}
		total -= c.e.Bytes
	}
	return nil
}
