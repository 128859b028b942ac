package logql

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

// room makes place for n more values. It doubles: append alone grows large slices by a quarter, and copies each value four times.
func (b *bucketSamples) room(n int) {
	if need := len(b.values) + n; need > cap(b.values) {
		b.values = slices.Grow(b.values, max(n, len(b.values)))
	}
}

func (k *kept) absorb(o *kept) {
	for i := range o.buckets {
		if from := &o.buckets[i]; len(from.values) > 0 {
			to := k.at(o.first + i)
			if len(to.values) < len(from.values) {
				*to, *from = *from, *to
			}
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

// rangesAtOnce is ranges with an f that several goroutines may call.
func (k *kept) rangesAtOnce(w *windows, f func(in []bucketSamples) float64) (first int, values []float64) {
	first, count := w.reach(k.first, len(k.buckets))
	values = make([]float64, count)
	parallel(count, func(i int) {
		lo := (first+i)*w.stride - k.first
		values[i] = f(k.buckets[max(lo, 0):min(lo+w.width, len(k.buckets))])
	})
	return first, values
}

// parallel calls f with the numbers below n, on all processors.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wait.Wait()
}

// quantiles computes quantile_over_time.
func (k *kept) quantiles(w *windows, q float64) (first int, values []float64) {
	if w.width > slidingFrom {
		return k.slidingQuantiles(w, q)
	}
	if w.width == 1 {
		return k.rangesAtOnce(w, func(in []bucketSamples) float64 { return quantile(q, in[0].values) })
	}
	var buf []float64
	return k.ranges(w, func(in []bucketSamples) float64 {
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

// slidingFrom is from how many buckets in a range on every bucket is sorted once, and quantiles are searched in the sorted buckets,
// rather than selected anew from all samples of each range.
const slidingFrom = 8

// slidingQuantiles searches, for every range, the value below which the wanted share of the samples is, by halving what it may be.
func (k *kept) slidingQuantiles(w *windows, q float64) (first int, values []float64) {
	parallel(len(k.buckets), func(i int) { slices.Sort(k.buckets[i].values) })
	return k.rangesAtOnce(w, func(in []bucketSamples) float64 { return sortedBuckets(in).quantile(q) })
}

// sortedBuckets is buckets whose values are sorted, NaN first.
type sortedBuckets []bucketSamples

func (s sortedBuckets) quantile(q float64) float64 {
	n := 0
	for i := range s {
		n += len(s[i].values)
	}
	if bad, is := oddQuantile(q, n); is {
		return bad
	}
	rank := q * float64(n-1)
	lo := int(math.Floor(rank))
	a, upTo := s.nth(lo)
	if upTo > lo+1 || lo+1 >= n {
		return a
	}
	return between(a, s.after(a), rank-float64(lo))
}

// nth returns sample n, from 0, of all in order, and how many are not larger.
func (s sortedBuckets) nth(n int) (v float64, upTo int) {
	lo, hi := uint64(0), ^uint64(0) // the keys that it may have
	for lo < hi {
		mid := lo + (hi-lo)/2
		if count := s.upTo(mid); count > n {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return keyValue(lo), s.upTo(lo)
}

// upTo counts the samples whose key is not larger.
func (s sortedBuckets) upTo(key uint64) (n int) {
	for i := range s {
		v := s[i].values
		at, end := 0, len(v)
		for at < end {
			if mid := (at + end) / 2; valueKey(v[mid]) <= key {
				at = mid + 1
			} else {
				end = mid
			}
		}
		n += at
	}
	return n
}

// after returns the smallest sample that is larger than v; there is one.
func (s sortedBuckets) after(v float64) float64 {
	next, key := math.Inf(1), valueKey(v)
	for i := range s {
		at, _ := slices.BinarySearchFunc(s[i].values, key, func(x float64, key uint64) int {
			if valueKey(x) <= key {
				return -1
			}
			return 1
		})
		if at < len(s[i].values) {
			next = min(next, s[i].values[at])
		}
	}
	return next
}

// valueKey orders numbers as whole numbers, NaN first; keyValue is the way back.
func valueKey(v float64) uint64 {
	switch b := math.Float64bits(v); {
	case v != v:
		return 0
	case v == 0:
		return 1 << 63 // of both zeros
	case b>>63 == 1:
		return ^b
	default:
		return b | 1<<63
	}
}

func keyValue(key uint64) float64 {
	switch {
	case key == 0:
		return math.NaN()
	case key>>63 == 1:
		return math.Float64frombits(key &^ (1 << 63))
	}
	return math.Float64frombits(^key)
}
