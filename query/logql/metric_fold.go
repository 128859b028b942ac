package logql

import "math"

// fold is how the samples of a bucket, and the buckets of a range, become one number. What is known of a bucket is some float64s,
// its cell; the first is always how many samples it has seen.
type fold struct {
	size  int // of a cell
	add   func(cell []float64, t int64, v float64)
	merge func(cell, other []float64) // neither is empty
	value func(cell []float64) float64
}

// newFold returns the fold of a range aggregation over ranges of so many seconds.
func newFold(op string, seconds float64, unwrapped bool) *fold {
	switch op {
	case "count_over_time", "absent_over_time":
		return &fold{1, addCount, mergeCount, func(c []float64) float64 { return c[0] }}
	case "rate":
		if !unwrapped {
			return &fold{1, addCount, mergeCount, func(c []float64) float64 { return c[0] / seconds }}
		}
		return &fold{2, addSum, mergeSum, func(c []float64) float64 { return c[1] / seconds }}
	case "bytes_rate":
		return &fold{2, addSum, mergeSum, func(c []float64) float64 { return c[1] / seconds }}
	case "bytes_over_time", "sum_over_time":
		return &fold{2, addSum, mergeSum, secondOf}
	case "avg_over_time":
		return &fold{2, addSum, mergeSum, func(c []float64) float64 { return c[1] / c[0] }}
	case "min_over_time":
		return &fold{2, addMin, func(c, o []float64) { c[0] += o[0]; c[1] = lesser(c[1], o[1]) }, secondOf}
	case "max_over_time":
		return &fold{2, addMax, func(c, o []float64) { c[0] += o[0]; c[1] = greater(c[1], o[1]) }, secondOf}
	case "first_over_time":
		return &fold{3, addFirst, mergeFirst, secondOf}
	case "last_over_time":
		return &fold{3, addLast, mergeLast, secondOf}
	case "stdvar_over_time":
		return &fold{3, addVariance, mergeVariance, variance}
	case "stddev_over_time":
		return &fold{3, addVariance, mergeVariance, func(c []float64) float64 { return math.Sqrt(variance(c)) }}
	}
	return nil
}

func secondOf(c []float64) float64 { return c[1] }

func addCount(c []float64, _ int64, _ float64) { c[0]++ }
func mergeCount(c, o []float64)                { c[0] += o[0] }

func addSum(c []float64, _ int64, v float64) {
	c[0]++
	c[1] += v
}

func mergeSum(c, o []float64) {
	c[0] += o[0]
	c[1] += o[1]
}

// lesser and greater take any number rather than NaN.
func lesser(a, b float64) float64 {
	if b < a || math.IsNaN(a) {
		return b
	}
	return a
}

func greater(a, b float64) float64 {
	if b > a || math.IsNaN(a) {
		return b
	}
	return a
}

func addMin(c []float64, _ int64, v float64) {
	if c[0]++; c[0] == 1 {
		c[1] = v
		return
	}
	c[1] = lesser(c[1], v)
}

func addMax(c []float64, _ int64, v float64) {
	if c[0]++; c[0] == 1 {
		c[1] = v
		return
	}
	c[1] = greater(c[1], v)
}

// The third number of a cell of first and last is the bits of the value's time. Of samples at one instant the smallest is the
// first and the largest the last, so that the answer does not depend on who came across them first.
func cellTime(c []float64) int64 { return int64(math.Float64bits(c[2])) }

func setFirst(c []float64, t int64, v float64) { c[1], c[2] = v, math.Float64frombits(uint64(t)) }

func addFirst(c []float64, t int64, v float64) {
	if c[0]++; c[0] == 1 || t < cellTime(c) || t == cellTime(c) && v < c[1] {
		setFirst(c, t, v)
	}
}

func mergeFirst(c, o []float64) {
	c[0] += o[0] - 1
	addFirst(c, cellTime(o), o[1])
}

func addLast(c []float64, t int64, v float64) {
	if c[0]++; c[0] == 1 || t > cellTime(c) || t == cellTime(c) && v > c[1] {
		setFirst(c, t, v)
	}
}

func mergeLast(c, o []float64) {
	c[0] += o[0] - 1
	addLast(c, cellTime(o), o[1])
}

// addVariance is Welford's: the cell is the count, the mean and the sum of squared distances from it.
func addVariance(c []float64, _ int64, v float64) {
	c[0]++
	d := v - c[1]
	c[1] += d / c[0]
	c[2] += d * (v - c[1])
}

// mergeVariance is Chan's.
func mergeVariance(c, o []float64) {
	n := c[0] + o[0]
	d := o[1] - c[1]
	c[1] += d * o[0] / n
	c[2] += o[2] + d*d*c[0]*o[0]/n
	c[0] = n
}

func variance(c []float64) float64 { return c[2] / c[0] }

// cells is the cells of one series, from its first bucket with samples to its last.
type cells struct {
	first int
	data  []float64
}

func (s *cells) len(size int) int { return len(s.data) / size }

// at returns the cell of a bucket, which it makes when it is new; grown is how many float64s were added for it.
func (s *cells) at(b, size int) (cell []float64, grown int) {
	if i := (b - s.first) * size; i >= 0 && i < len(s.data) {
		return s.data[i : i+size], 0
	}
	before := len(s.data)
	switch {
	case s.data == nil:
		s.first = b
		s.data = make([]float64, size)
	case b < s.first:
		more := (s.first - b) * size
		data := make([]float64, more+len(s.data))
		copy(data[more:], s.data)
		s.first, s.data = b, data
	default:
		s.data = append(s.data, make([]float64, (b-s.first+1)*size-len(s.data))...)
	}
	i := (b - s.first) * size
	return s.data[i : i+size], len(s.data) - before
}

// absorb merges the cells of another worker.
func (s *cells) absorb(o *cells, f *fold) (grown int) {
	for i := range o.len(f.size) {
		from := o.data[i*f.size : (i+1)*f.size]
		if from[0] == 0 {
			continue
		}
		cell, g := s.at(o.first+i, f.size)
		grown += g
		f.mergeInto(cell, from)
	}
	return grown
}

func (f *fold) mergeInto(cell, other []float64) {
	switch {
	case other[0] == 0:
	case cell[0] == 0:
		copy(cell, other)
	default:
		f.merge(cell, other)
	}
}

// slider turns the cells of series into their values at the steps. It belongs to one goroutine.
type slider struct {
	w              *windows
	f              *fold
	prefix, suffix []float64
	cell           []float64
}

// values returns the values of the ranges in which the cells have samples. The ranges slide over the cells by their width:
// each is the end of one run of width cells and the beginning of the next, which takes one merge however wide it is.
func (s *slider) values(c *cells) (first int, values []float64) {
	n := c.len(s.f.size)
	first, count := s.w.reach(c.first, n)
	if count == 0 {
		return 0, nil
	}
	s.runs(c, n)
	values = make([]float64, count)
	for i := range values {
		values[i] = s.value((first+i)*s.w.stride-c.first, n)
	}
	return first, values
}

// reach returns the steps whose ranges touch the buckets first to first+n-1.
func (w *windows) reach(first, n int) (step, count int) {
	step = max(0, -floorDiv(-(first-w.width+1), w.stride))
	last := min(w.count-1, (first+n-1)/w.stride)
	return step, max(0, last-step+1)
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// runs fills, for every cell, what its run of width cells holds up to it and from it on.
func (s *slider) runs(c *cells, n int) {
	size, width := s.f.size, s.w.width
	s.prefix = append(s.prefix[:0], c.data...)
	if width == 1 {
		return
	}
	s.suffix = append(s.suffix[:0], c.data...)
	for i := 1; i < n; i++ {
		if i%width != 0 {
			copy(s.tmp(), s.prefix[(i-1)*size:i*size])
			s.f.mergeInto(s.cell, s.prefix[i*size:(i+1)*size])
			copy(s.prefix[i*size:], s.cell)
		}
	}
	for i := n - 2; i >= 0; i-- {
		if (i+1)%width != 0 {
			s.f.mergeInto(s.suffix[i*size:(i+1)*size], s.suffix[(i+1)*size:(i+2)*size])
		}
	}
}

func (s *slider) tmp() []float64 {
	if s.cell == nil {
		s.cell = make([]float64, s.f.size)
	}
	return s.cell
}

// value is that of the range of cells from lo on; lo may be before the first, and the end behind the last.
func (s *slider) value(lo, n int) float64 {
	size, width := s.f.size, s.w.width
	hi := min(lo+width, n) - 1 // included
	lo = max(lo, 0)
	if lo > hi {
		return absent
	}
	cell := s.tmp()
	switch {
	case lo%width == 0:
		copy(cell, s.prefix[hi*size:(hi+1)*size])
	case lo/width == hi/width:
		copy(cell, s.suffix[lo*size:(lo+1)*size]) // it ends where the cells do
	default:
		copy(cell, s.suffix[lo*size:(lo+1)*size])
		s.f.mergeInto(cell, s.prefix[hi*size:(hi+1)*size])
	}
	if cell[0] == 0 {
		return absent
	}
	return s.f.value(cell)
}
