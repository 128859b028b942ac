package engine

import (
	"container/heap"
	"time"
)

// Times of the schedule are durations since Engine.start by the monotonic clock: a clock that is set neither bunches checks together
// nor stops them, and a machine that slept goes on where it was.
//
// The slots of a check are the moments at which the wall clock, as it was when the engine started, is its offset (a hash of its
// ID) modulo its interval. So checks are spread evenly, a restart changes no slot, and nothing drifts: a slot is computed from the
// one before, never from the time at which the check ran.

// slots is when a check is due.
type slots struct {
	interval time.Duration
	first    time.Duration // the first slot at or after the start, below interval
}

func newSlots(start time.Time, hash uint64, interval time.Duration) slots {
	offset := int64(hash % uint64(interval))
	first := (offset - start.UnixNano()%int64(interval)) % int64(interval)
	if first < 0 {
		first += int64(interval)
	}
	return slots{interval: interval, first: time.Duration(first)}
}

// after is the first slot behind t, which is not negative.
func (s slots) after(t time.Duration) time.Duration {
	if t < s.first {
		return s.first
	}
	return t - (t-s.first)%s.interval + s.interval
}

// between counts the slots behind a and up to b.
func (s slots) between(a, b time.Duration) int64 {
	if b <= a {
		return 0
	}
	return int64((s.after(b) - s.after(a)) / s.interval)
}

// item is a place in a timeline. The zero value is in none.
type item struct {
	at   time.Duration
	pos  int // index in the timeline, plus 1; 0 when it is in none
	what func(now time.Duration)
}

// timeline is a heap of items, the earliest first.
type timeline []*item

// set puts an item at a time, whether it is in the timeline already or not. It reports whether it is now the first.
func (l *timeline) set(i *item, at time.Duration) (first bool) {
	i.at = at
	if i.pos == 0 {
		heap.Push(l, i)
	} else {
		heap.Fix(l, i.pos-1)
	}
	return i.pos == 1
}

func (l *timeline) drop(i *item) {
	if i.pos != 0 {
		heap.Remove(l, i.pos-1)
	}
}

// due takes the first item out if its time has come; else nil.
func (l *timeline) due(now time.Duration) *item {
	if len(*l) == 0 || (*l)[0].at > now {
		return nil
	}
	return heap.Pop(l).(*item)
}

// Len, Less, Swap, Push and Pop are for container/heap.
func (l timeline) Len() int           { return len(l) }
func (l timeline) Less(i, j int) bool { return l[i].at < l[j].at }
func (l timeline) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].pos, l[j].pos = i+1, j+1
}

func (l *timeline) Push(x any) {
	i := x.(*item)
	*l = append(*l, i)
	i.pos = len(*l)
}

func (l *timeline) Pop() any {
	old := *l
	i := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	i.pos = 0
	return i
}
