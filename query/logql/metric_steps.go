package logql

import "time"

// steps is the instants at which a metric query is evaluated: start, start+step, ... in nanoseconds.
type steps struct {
	start, step int64
	count       int
}

func newSteps(req *Request) (steps, error) {
	s := steps{start: req.Start.UnixNano(), count: 1}
	switch {
	case req.Instant():
		return s, nil
	case req.End.Before(req.Start):
		return s, invalid("the end of the query is before its start")
	case req.Step <= 0:
		return s, invalid("step must be longer than nothing")
	}
	s.step = int64(req.Step)
	s.count = int((req.End.UnixNano()-s.start)/s.step) + 1
	return s, nil
}

func (s steps) at(i int) int64     { return s.start + int64(i)*s.step }
func (s steps) millis(i int) int64 { return s.at(i) / int64(time.Millisecond) }

// windows cuts the time that the ranges (t-length, t] of all steps cover into buckets, such that every range is the same number
// of whole buckets: what is computed once for a bucket serves all ranges that overlap there. Bucket b of step k's range is
// k*stride+b, from 0 to width-1.
//
// Four cases, told apart by how ranges overlap:
//
//	apart   length <= step: a bucket is a range, the time between them belongs to none
//	even    step divides length: a bucket for each step
//	uneven  two buckets for each step, cut where ranges begin and where they end
//	long    all ranges overlap: buckets where they begin, one in the middle, buckets where they end
type windows struct {
	steps
	length  int64
	kind    windowKind
	buckets int
	width   int
	stride  int

	origin int64 // where bucket 0 begins (excluded)
	rest   int64 // uneven: length % step
}

type windowKind int8

const (
	windowsApart windowKind = iota
	windowsEven
	windowsUneven
	windowsLong
)

// newWindows lays out the ranges of that length that end at s, moved into the past by offset.
func newWindows(s steps, length, offset int64) windows {
	s.start -= offset
	w := windows{steps: s, length: length, origin: s.start - length, stride: 1, width: 1}
	last := int64(s.count - 1)
	switch {
	case s.count == 1 || length <= s.step:
		w.buckets = s.count
	case length > last*s.step:
		w.kind = windowsLong
		w.buckets = 2*s.count - 1
		w.width = s.count
	case length%s.step == 0:
		w.kind = windowsEven
		w.width = int(length / s.step)
		w.buckets = w.width + s.count - 1
	default:
		w.kind = windowsUneven
		w.rest = length % s.step
		m := int(length / s.step)
		w.width = 2*m + 1
		w.stride = 2
		w.buckets = w.width + 2*(s.count-1)
	}
	return w
}

// from and to bound the time of the records that matter: from <= time < to.
func (w *windows) from() int64 { return w.origin + 1 }
func (w *windows) to() int64   { return w.at(w.count-1) + 1 }

// bucket returns in which bucket a time is, or -1, and the last instant that has the same answer. The time is from from() on and
// before to().
func (w *windows) bucket(t int64) (b int, end int64) {
	d := t - w.origin - 1 // from 0
	if w.count == 1 {
		return 0, w.start
	}
	switch w.kind {
	case windowsEven:
		i := d / w.step
		return int(i), w.origin + (i+1)*w.step
	case windowsUneven:
		i, in := d/w.step, d%w.step
		begin := w.origin + i*w.step
		if in < w.rest {
			return int(2 * i), begin + w.rest
		}
		return int(2*i) + 1, begin + w.step
	case windowsLong:
		return w.bucketLong(t, d)
	}
	i, in := d/w.step, d%w.step
	begin := w.origin + i*w.step
	if in >= w.length {
		return -1, begin + w.step
	}
	return int(i), begin + w.length
}

// only returns the bucket that all times from oldest to newest are in. It answers false when they are in none, or in several.
func (w *windows) only(oldest, newest int64) (int, bool) {
	if oldest < w.from() || newest >= w.to() {
		return 0, false
	}
	b, end := w.bucket(oldest)
	return b, b >= 0 && newest <= end
}

func (w *windows) bucketLong(t, d int64) (int, int64) {
	last := int64(w.count - 1)
	if i := d / w.step; i < last {
		return int(i), w.origin + (i+1)*w.step
	}
	if t <= w.start {
		return int(last), w.start
	}
	i := (t - w.start - 1) / w.step
	return int(last + 1 + i), w.start + (i+1)*w.step
}
