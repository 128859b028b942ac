package logql

import (
	"cmp"
	"slices"
)

// counterRates computes rate_counter.
func (k *kept) counterRates(w *windows) (first int, values []float64) {
	for i := range k.buckets {
		k.buckets[i].sortByTime()
	}
	step, _ := w.reach(k.first, len(k.buckets))
	return k.ranges(w, func(in []bucketSamples) float64 {
		end := w.at(step)
		step++
		return counterRate(in, end-w.length, end)
	})
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

// counterRate is how much a counter grew each second, its resets counted, carried on to the ends of the range when the first and
// last sample are near to them: as Prometheus' rate does it. One sample alone is NaN.
func counterRate(in []bucketSamples, from, to int64) float64 {
	var n int
	var first, last, grown float64
	var firstAt, lastAt int64
	for i := range in {
		for j, v := range in[i].values {
			if n == 0 {
				first, firstAt = v, in[i].times[j]
			} else if v < last {
				grown += last
			}
			last, lastAt = v, in[i].times[j]
			n++
		}
	}
	if n == 0 {
		return absent
	}
	const second = 1e9
	grown += last - first
	sampled := float64(lastAt-firstAt) / second
	between := sampled / float64(n-1)
	toStart, toEnd := float64(firstAt-from)/second, float64(to-lastAt)/second
	if grown > 0 && first >= 0 {
		toStart = min(toStart, sampled*(first/grown)) // a counter was never below zero
	}
	extended := sampled + extension(toStart, between) + extension(toEnd, between)
	return grown * (extended / sampled) / (float64(to-from) / second)
}

func extension(distance, between float64) float64 {
	if distance < between*1.1 {
		return distance
	}
	return between / 2
}
