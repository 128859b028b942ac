package logql

import (
	"math"
	"slices"
)

// kept is the samples of a series by bucket, for what no fold can compute: quantiles, and counters, whose order matters.
type kept struct {
	first   int
	buckets []bucketSamples
}

// bucketSamples is the samples of a bucket in any order; times only when they matter.
type bucketSamples struct {
	values []float64
	times  []int64
}

func (k *kept) at(b int) *bucketSamples {
	switch {
	case k.buckets == nil:
		k.first = b
		k.buckets = make([]bucketSamples, 1)
	case b < k.first:
		k.buckets = slices.Insert(k.buckets, 0, make([]bucketSamples, k.first-b)...)
		k.first = b
	case b >= k.first+len(k.buckets):
		k.buckets = append(k.buckets, make([]bucketSamples, b+1-k.first-len(k.buckets))...)
	}
	return &k.buckets[b-k.first]
}

func (k *kept) absorb(o *kept) {
	for i := range o.buckets {
		if from := &o.buckets[i]; len(from.values) > 0 {
			to := k.at(o.first + i)
			to.values = append(to.values, from.values...)
			to.times = append(to.times, from.times...)
		}
	}
}

// ranges calls f with the buckets of every range that they touch, and puts what it returns at its step.
func (k *kept) ranges(w *windows, f func(in []bucketSamples) float64) (first int, values []float64) {
	first, count := w.reach(k.first, len(k.buckets))
	values = make([]float64, count)
	for i := range values {
		lo := (first+i)*w.stride - k.first
		values[i] = f(k.buckets[max(lo, 0):min(lo+w.width, len(k.buckets))])
	}
	return first, values
}

// quantiles computes quantile_over_time.
func (k *kept) quantiles(w *windows, q float64) (first int, values []float64) {
	if w.width > slidingFrom {
		return k.slidingQuantiles(w, q)
	}
	var buf []float64
	return k.ranges(w, func(in []bucketSamples) float64 {
		if w.width == 1 {
			return quantile(q, in[0].values) // it is nobody else's
		}
		buf = buf[:0]
		for i := range in {
			buf = append(buf, in[i].values...)
		}
		return quantile(q, buf)
	})
}

// quantile returns the q-quantile of the values, interpolated between the two around it, absent of none. It reorders them.
func quantile(q float64, v []float64) float64 {
	n := len(v)
	if bad, is := oddQuantile(q, n); is {
		return bad
	}
	rank := q * float64(n-1)
	lo := int(math.Floor(rank))
	a := selectNth(v, lo)
	if lo+1 >= n {
		return a
	}
	b := v[lo+1]
	for _, x := range v[lo+2:] { // everything behind lo is at least as large
		if lessValue(x, b) {
			b = x
		}
	}
	return between(a, b, rank-float64(lo))
}

func oddQuantile(q float64, n int) (v float64, is bool) {
	switch {
	case n == 0:
		return absent, true
	case math.IsNaN(q):
		return math.NaN(), true
	case q < 0:
		return math.Inf(-1), true
	case q > 1:
		return math.Inf(1), true
	}
	return 0, false
}

func between(a, b, weight float64) float64 {
	if weight == 0 {
		return a
	}
	return a*(1-weight) + b*weight
}

// lessValue orders NaN before everything.
func lessValue(a, b float64) bool { return a < b || math.IsNaN(a) && !math.IsNaN(b) }

// selectNth moves the values such that v[n] is where sorting would put it, nothing before it is larger and nothing behind it is
// smaller, and returns it. After too many unlucky pivots it sorts what is left.
func selectNth(v []float64, n int) float64 {
	lo, hi := 0, len(v)-1
	for tries := 2 * bitLen(len(v)); hi-lo > 16; tries-- {
		if tries == 0 {
			break
		}
		p := partition(v, lo, hi)
		switch {
		case n <= p:
			hi = p
		default:
			lo = p + 1
		}
	}
	slices.Sort(v[lo : hi+1])
	return v[n]
}

func bitLen(n int) int {
	bits := 0
	for ; n > 0; n >>= 1 {
		bits++
	}
	return bits
}

// partition is Hoare's with the median of three: nothing up to p is larger than anything behind it, lo <= p < hi.
func partition(v []float64, lo, hi int) int {
	mid := lo + (hi-lo)/2
	if lessValue(v[mid], v[lo]) {
		v[mid], v[lo] = v[lo], v[mid]
	}
	if lessValue(v[hi], v[lo]) {
		v[hi], v[lo] = v[lo], v[hi]
	}
	if lessValue(v[hi], v[mid]) {
		v[hi], v[mid] = v[mid], v[hi]
	}
	pivot := v[mid]
	if math.IsNaN(pivot) {
		return partitionNaN(v, lo, hi)
	}
	i, j := lo-1, hi+1
	for {
		for i++; v[i] < pivot || v[i] != v[i]; i++ {
		}
		for j--; v[j] > pivot; j-- {
		}
		if i >= j {
			return j
		}
		v[i], v[j] = v[j], v[i]
	}
}

// partitionNaN puts NaN first.
func partitionNaN(v []float64, lo, hi int) int {
	slices.Sort(v[lo : hi+1])
	return lo + (hi-lo)/2
}

// slidingFrom is from how many buckets in a range on quantiles slide, which costs log n for each sample that enters or leaves,
// rather than select anew, which costs the samples of the whole range.
const slidingFrom = 8

// slidingQuantiles keeps how many samples of each value the range holds in a binary indexed tree over the sorted values.
func (k *kept) slidingQuantiles(w *windows, q float64) (first int, values []float64) {
	var sorted []float64
	for i := range k.buckets {
		sorted = append(sorted, k.buckets[i].values...)
	}
	slices.Sort(sorted)
	sorted = slices.CompactFunc(sorted, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	tree := &rankTree{counts: make([]int, len(sorted)+1)}
	move := func(b, by int) {
		for _, v := range k.buckets[b].values {
			at, _ := slices.BinarySearch(sorted, v)
			tree.add(at, by)
		}
	}
	lo, hi := 0, 0 // the buckets in the tree
	first, count := w.reach(k.first, len(k.buckets))
	values = make([]float64, count)
	for i := range values {
		from := (first+i)*w.stride - k.first
		to := min(from+w.width, len(k.buckets))
		for ; hi < to; hi++ {
			move(hi, 1)
		}
		for ; lo < from; lo++ {
			move(lo, -1)
		}
		values[i] = tree.quantile(q, sorted)
	}
	return first, values
}

// rankTree counts samples by the rank of their value.
type rankTree struct {
	counts []int // of a binary indexed tree, from 1
	total  int
}

func (t *rankTree) add(rank, by int) {
	t.total += by
	for i := rank + 1; i < len(t.counts); i += i & -i {
		t.counts[i] += by
	}
}

// nth returns the rank of sample n, from 0, in the order of values.
func (t *rankTree) nth(n int) int {
	at := 0
	for step := 1 << bitLen(len(t.counts)); step > 0; step >>= 1 {
		if at+step < len(t.counts) && t.counts[at+step] <= n {
			at += step
			n -= t.counts[at]
		}
	}
	return at
}

func (t *rankTree) quantile(q float64, sorted []float64) float64 {
	if bad, is := oddQuantile(q, t.total); is {
		return bad
	}
	rank := q * float64(t.total-1)
	lo := int(math.Floor(rank))
	a := sorted[t.nth(lo)]
	if lo+1 >= t.total {
		return a
	}
	return between(a, sorted[t.nth(lo+1)], rank-float64(lo))
}
