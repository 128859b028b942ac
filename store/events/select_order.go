package events

import (
	"container/heap"
	"context"

	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/block"
)

// pending is a unit, or a block whose units are not known yet.
type pending struct {
	unit
	block *block.Block
}

// queue is what is still to be searched, the next in order first.
type queue struct {
	list     []pending
	backward bool
}

// next is where in time the first of it lies.
func (q *queue) next(p pending) int64 {
	if q.backward {
		return p.max
	}
	return p.min
}

func (q *queue) Len() int      { return len(q.list) }
func (q *queue) Swap(i, j int) { q.list[i], q.list[j] = q.list[j], q.list[i] }
func (q *queue) Push(x any)    { q.list = append(q.list, x.(pending)) }

func (q *queue) Less(i, j int) bool {
	a, b := q.next(q.list[i]), q.next(q.list[j])
	return a < b && !q.backward || a > b && q.backward
}

func (q *queue) Pop() any {
	last := len(q.list) - 1
	x := q.list[last]
	q.list[last] = pending{}
	q.list = q.list[:last]
	return x
}

// ordered searches one unit after the other, in order of time, until there is enough. The directory of a block is not read before its
// time has come.
func (s *selection) ordered(ctx context.Context) error {
	w := s.worker(0)
	defer s.done(w)
	q := &queue{backward: s.q.Order == store.Backward}
	for i := range s.heads {
		for _, u := range s.headUnits(i) {
			q.list = append(q.list, pending{unit: u})
		}
	}
	for _, b := range s.blocks {
		e := b.Entry()
		q.list = append(q.list, pending{unit: unit{min: e.Min, max: e.Max}, block: b})
	}
	heap.Init(q)
	for q.Len() > 0 {
		x := heap.Pop(q).(pending)
		if s.q.Enough != nil && s.q.Enough(q.next(x)) {
			return nil
		}
		if x.block == nil {
			if err := s.run(ctx, x.unit, w); err != nil {
				return err
			}
			continue
		}
		units, err := s.blockUnits(ctx, x.block)
		if err != nil {
			return err
		}
		for _, u := range units {
			heap.Push(q, pending{unit: u})
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
