package logql

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// counterRates computes rate_counter.
func (k *kept) counterRates(w *windows) (first int, values []float64) {
	for i := range k.buckets {
		k.buckets[i].sortByTime()
	}
	seconds := time.Duration(w.length).Seconds()
	return k.ranges(w, func(in []bucketSamples) float64 { return counterRate(in, seconds) })
}

func (b *bucketSamples) sortByTime() {
	if slices.IsSorted(b.times) {
		return
	}
	order := make([]int, len(b.times))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(b.times[i], b.times[j]), cmp.Compare(b.values[i], b.values[j]))
	})
	sorted := bucketSamples{make([]float64, len(order)), make([]int64, len(order))}
	for to, from := range order {
		sorted.values[to], sorted.times[to] = b.values[from], b.times[from]
	}
	*b = sorted
}

// counterRate is how much a counter grew each second of the range, its resets counted. One sample alone tells nothing: NaN, as Loki
// says it. Unlike Prometheus' rate nothing is added for the time before the first sample and behind the last: nor does Loki.
func counterRate(in []bucketSamples, seconds float64) float64 {
	var n int
	var first, last, grown float64
	for i := range in {
		for _, v := range in[i].values {
			if n == 0 {
				first = v
			} else if v < last {
				grown += last
			}
			last = v
			n++
		}
	}
	switch n {
	case 0:
		return absent
	case 1:
		return math.NaN()
	}
	return (grown + last - first) / seconds
}
