package engine

import "github.com/hulotte-dev/hulotte/check"

// lane bounds how many checks are asked at once. Most share one; a kind that says how many of it may run has its
// own, so that slow plugins do not keep the others waiting. Engine.mu guards it.
type lane struct {
	limit   int
	room    int // for those that wait; beyond it a regular turn is skipped
	running int
	urgent  queue // rechecks and broken connections: at most one place a check, so not bounded otherwise
	normal  queue
	waiting int
}

// place is a check's place in a queue. It is void when the check's ticket is another by now.
type place struct {
	c      *entry
	ticket uint64
}

// queue is a first-in, first-out list.
type queue struct {
	places []place
	head   int
}

func (q *queue) push(p place) {
	if q.head > 64 && q.head > len(q.places)/2 {
		n := copy(q.places, q.places[q.head:])
		clear(q.places[n:])
		q.places, q.head = q.places[:n], 0
	}
	q.places = append(q.places, p)
}

// pop returns the next check that still waits at its place, or nil.
func (q *queue) pop() *entry {
	for q.head < len(q.places) {
		p := q.places[q.head]
		q.places[q.head] = place{}
		q.head++
		if p.c.doing == queued && p.c.ticket == p.ticket {
			return p.c
		}
	}
	q.places, q.head = q.places[:0], 0
	return nil
}

// laneOf returns the lane of a kind. e.mu is held.
func (e *Engine) laneOf(k *check.Kind) *lane {
	name := ""
	if k != nil && k.AtOnce > 0 {
		name = k.Name
	}
	if l := e.lanes[name]; l != nil {
		return l
	}
	l := &lane{limit: e.opts.Concurrency, room: e.opts.Queue}
	if name != "" {
		l.limit = k.AtOnce
	}
	e.lanes[name] = l
	return l
}

// enqueue has a check asked as soon as there is room. It reports false when too many wait and the check is not urgent.
func (e *Engine) enqueue(c *entry, urgent bool) bool {
	l := c.lane
	if l.running < l.limit && !e.stopping {
		e.begin(c)
		return true
	}
	if l.waiting >= l.room && !urgent {
		return false
	}
	if c.doing != queued {
		l.waiting++
	}
	c.doing = queued
	c.ticket++
	q := &l.normal
	if urgent {
		q = &l.urgent
	}
	q.push(place{c, c.ticket})
	return true
}

// next takes the check whose turn it is, or nil.
func (l *lane) next() *entry {
	c := l.urgent.pop()
	if c == nil {
		c = l.normal.pop()
	}
	if c != nil {
		l.waiting--
	}
	return c
}

// unqueue gives up the place of a check that waits.
func (c *entry) unqueue() {
	if c.doing == queued {
		c.doing = idle
		c.lane.waiting--
	}
}
