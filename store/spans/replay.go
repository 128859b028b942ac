package spans

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// cutState is the document that tells which generations of a node's journal are blocks: all up to Cut.
//
//	kind "spans/journal", key the node: {"v": 1, "cut": 12}
type cutState struct {
	Version int    `json:"v"`
	Cut     uint64 `json:"cut"`
}

const (
	cutStateKind    = engine + "/journal"
	cutStateVersion = 1
)

func (s *Store) loadCut(ctx context.Context) (uint64, error) {
	d, err := s.medium.Documents().Get(ctx, cutStateKind, s.o.Node)
	if errors.Is(err, medium.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var state cutState
	if err := json.Unmarshal(d.Value, &state); err != nil || state.Version != cutStateVersion {
		return 0, corrupt("the document %s/%s, which tells which spans are in blocks, cannot be read: %s", cutStateKind, s.o.Node, d.Value)
	}
	return state.Cut, nil
}

func (s *Store) saveCut(ctx context.Context, cut uint64) error {
	_, err := medium.Update(ctx, s.medium.Documents(), cutStateKind, s.o.Node, func(old []byte) ([]byte, error) {
		var state cutState
		if old != nil {
			if err := json.Unmarshal(old, &state); err == nil && state.Cut > cut {
				cut = state.Cut
			}
		}
		return json.Marshal(cutState{cutStateVersion, cut})
	})
	return err
}

// replay reads the journal into a head of its own, and makes the head that is written to.
func (s *Store) replay(ctx context.Context) error {
	cut, err := s.loadCut(ctx)
	if err != nil {
		return err
	}
	r := &replay{ctx: ctx, s: s, cut: cut, last: cut, head: newHead(cut, cut, now()), covers: map[partitionKey][]block.Cover{}}
	s.heads = []*head{r.head}
	damage, err := s.medium.Journals().Replay(ctx, journalName(s.o.Node), 0, r.entry)
	if err != nil && !errors.Is(err, medium.ErrNotFound) {
		return fmt.Errorf("cannot read the journal: %w", err)
	}
	for _, d := range damage {
		s.metrics.replayDamaged.Inc()
		s.log.Error("a part of the journal is damaged and left out", "where", d.Where, "bytes", d.Bytes, "kept", d.Kept, "problem", d.Problem)
	}
	s.position.Store(uint64(r.position))
	h := r.head
	h.to, h.before = r.last, uint64(r.position)+1
	next := newHead(r.last, r.last+1, now())
	s.heads = []*head{next}
	if r.spans > 0 {
		s.heads = []*head{h, next}
		s.log.Info("spans were read from the journal", "spans", r.spans, "in_blocks_already", r.skipped)
	}
	s.replaying.Store(false)
	return nil
}

// replay is one reading of the journal.
type replay struct {
	ctx            context.Context
	s              *Store
	cut, last      uint64
	position       medium.Position
	head           *head
	covers         map[partitionKey][]block.Cover
	spans, skipped int64
}

// entry takes one entry of the journal. One that cannot be read is left out.
func (r *replay) entry(at medium.Position, b []byte) error {
	r.position = at
	e, err := decodeEntry(b)
	if err != nil {
		r.damaged(at, err)
		return nil
	}
	r.last = max(r.last, e.generation)
	n := int64(len(e.content))
	if _, ok := r.s.budget.Try(n); !ok {
		r.s.foldAll()
		if err := r.s.budget.Acquire(r.ctx, n); err != nil {
			return err
		}
	}
	var kept int64
	err = sections(e.content, func(x section) error {
		k := partitionKey{e.tenant, x.day}
		if r.covered(k, e.generation) {
			r.skipped += int64(x.spans)
			r.s.metrics.replaySkipped.Add(float64(x.spans))
			return nil
		}
		if _, err := decodeGroups(x.body, x.spans); err != nil {
			return err // now, not when they are to be encoded
		}
		r.s.encoders.submit(r.head.partition(k).insert(x))
		kept += int64(len(x.body))
		r.spans += int64(x.spans)
		r.s.metrics.replayed.Add(float64(x.spans))
		return nil
	})
	r.s.budget.Release(n - kept)
	if err != nil {
		r.damaged(at, err)
	}
	return nil
}

func (r *replay) damaged(at medium.Position, err error) {
	r.s.metrics.replayDamaged.Inc()
	r.s.log.Error("an entry of the journal cannot be read and is left out", "position", at, "err", err)
}

// covered says whether what the entry has for a tenant and day is in a block.
func (r *replay) covered(k partitionKey, generation uint64) bool {
	if generation <= r.cut {
		return true
	}
	covers, ok := r.covers[k]
	if !ok {
		for _, e := range r.s.blocks.Entries(k.partition()) {
			covers = append(covers, e.Covers...)
		}
		r.covers[k] = covers
	}
	for _, c := range covers {
		if c.Has(journalName(r.s.o.Node), generation) {
			return true
		}
	}
	return false
}
