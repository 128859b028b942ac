package traceql

import (
	"math"
	"math/bits"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
)

// histogram counts values in buckets whose bounds are powers of two. Bucket 0 holds what is 0 or less, bucket b the values v with
// 2^(b-65) < v <= 2^(b-64); the first and the last one hold what is beyond, too.
type histogram struct {
	first       uint8    // bucket of counts[0]
	counts      []uint32 // none: no value
	least, most float64
}

const (
	bucketOffset = 64 // of the bucket that ends at 1
	lastBucket   = 127
)

// bucketOfInt returns the bucket of an integer.
func bucketOfInt(v int64) uint8 {
	if v <= 0 {
		return 0
	}
	return uint8(bucketOffset + bits.Len64(uint64(v-1)))
}

// bucketOf returns the bucket of a number.
func bucketOf(v float64) uint8 {
	if !(v > 0) {
		return 0
	}
	fraction, exponent := math.Frexp(v)
	if fraction == 0.5 {
		exponent--
	}
	if math.IsInf(v, 1) {
		return lastBucket
	}
	return uint8(min(max(exponent, 1-bucketOffset), lastBucket-bucketOffset) + bucketOffset)
}

// bound is the upper end of a bucket.
func bound(bucket uint8) float64 {
	if bucket == 0 {
		return 0
	}
	return math.Ldexp(1, int(bucket)-bucketOffset)
}

func (h *histogram) add(bucket uint8, v float64) {
	if h.counts == nil {
		h.first, h.counts, h.least, h.most = bucket, make([]uint32, 1, 4), v, v
	}
	h.least, h.most = min(h.least, v), max(h.most, v)
	h.counts[h.reach(bucket)]++
}

// reach makes room for a bucket and returns its index.
func (h *histogram) reach(bucket uint8) int {
	if bucket < h.first {
		h.counts = slices.Insert(h.counts, 0, make([]uint32, h.first-bucket)...)
		h.first = bucket
	}
	i := int(bucket - h.first)
	for i >= len(h.counts) {
		h.counts = append(h.counts, 0)
	}
	return i
}

func (h *histogram) merge(other *histogram) {
	if other.counts == nil {
		return
	}
	if h.counts == nil {
		*h = *other
		return
	}
	h.least, h.most = min(h.least, other.least), max(h.most, other.most)
	for i, n := range other.counts {
		if n > 0 {
			h.counts[h.reach(other.first+uint8(i))] += n
		}
	}
}

// quantile estimates the value below which the share q of all values is. Within a bucket, values are taken to be spread evenly over the logarithm; the
// least and the most value that were seen bound the answer. NaN: there are no values.
func (h *histogram) quantile(q float64) float64 {
	total := 0.0
	for _, n := range h.counts {
		total += float64(n)
	}
	if total == 0 {
		return math.NaN()
	}
	rank, below := q*total, 0.0
	for i, n := range h.counts {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		bucket := h.first + uint8(i)
		if bucket == 0 {
			return min(h.most, 0)
		}
		value := math.Exp2(float64(int(bucket)-bucketOffset-1) + max(rank-below, 0)/float64(n))
		return min(max(value, h.least), h.most)
	}
	return h.most
}

// measure returns a field's number with its bucket; false when it has none.
func measure(v model.Value) (float64, uint8, bool) {
	x, ok := v.Float()
	if !ok || x != x {
		return 0, 0, false
	}
	if v.Kind == model.IntValue {
		return x, bucketOfInt(v.Bits), true
	}
	return x, bucketOf(x), true
}
