package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store/block"
)

// Retention says how long records are kept.
type Retention struct {
	// Time is for how long; 0 is for ever.
	Time time.Duration
	// Size bounds the bytes of all blocks; beyond it the oldest go. 0 is no limit.
	Size int64
	// Tenants are times of tenants that have their own; 0 is for ever.
	Tenants map[string]time.Duration
	// Streams are shorter times of some streams. The shortest whose matchers hold counts.
	Streams []StreamRetention
}

// StreamRetention is for how long the streams that match are kept.
type StreamRetention struct {
	Matchers []*labels.Matcher
	Time     time.Duration
}

func (r Retention) withDefaults() (Retention, error) {
	for tenant, keep := range r.Tenants {
		if keep < 0 {
			return r, fmt.Errorf("%w: Retention.Tenants[%q]: %s is negative", errBadOption, tenant, keep)
		}
	}
	for i, s := range r.Streams {
		if s.Time <= 0 || len(s.Matchers) == 0 {
			return r, fmt.Errorf("%w: Retention.Streams[%d]: it needs matchers and a time", errBadOption, i)
		}
	}
	return r, nil
}

// longest is how long anything of a tenant is kept; 0 is for ever.
func (r Retention) longest(tenant string) time.Duration {
	if keep, ok := r.Tenants[tenant]; ok {
		return keep
	}
	return r.Time
}

// retain deletes blocks that are too old, and the oldest where all take too much room.
func (s *Store) retain(ctx context.Context, at time.Time) error {
	var errs []error
	for _, p := range s.blocks.Partitions("") {
		keep := s.o.Retention.longest(p.Tenant)
		if keep <= 0 {
			continue
		}
		oldest := at.Add(-keep).UnixNano()
		var ids []string
		for _, e := range s.blocks.Entries(p) {
			if e.Max < oldest {
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
	s.log.Info("blocks of records are deleted: their time is over, or they take too much room", "tenant", p.Tenant, "day", p.Day, "blocks", len(ids))
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
	slices.SortFunc(all, func(a, b candidate) int {
		switch {
		case a.e.Max < b.e.Max:
			return -1
		case a.e.Max > b.e.Max:
			return 1
		}
		return 0
	})
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
