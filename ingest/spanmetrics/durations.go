package spanmetrics

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hulotte-dev/hulotte/model"
)

// The buckets of durations are those of Prometheus' native histograms of schema 3: 8 to a power of two, so that a quantile is at most 4.4 % off. Bucket i
// holds what is greater than 2^((i-1)/8) seconds and at most 2^(i/8). Below a microsecond is the bucket of zero; what is longer than
// 12 days counts as 12 days.
const (
	schema        = 3
	perOctave     = 1 << schema
	lowestOctave  = -20
	highestOctave = 20
	firstBucket   = lowestOctave*perOctave + 1
	lastBucket    = highestOctave * perOctave
	zeroThreshold = 1.0 / (1 << -lowestOctave)
	longest       = 1 << highestOctave // seconds
)

// bounds are the upper bounds of the buckets between 0.5 and 1, without 1: 2^(i/8) / 2.
var bounds = [perOctave]float64{
	0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
	0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
}

// bucketOf returns the bucket of a number of seconds above zeroThreshold and up to longest.
func bucketOf(seconds float64) int {
	bits := math.Float64bits(seconds)
	exponent := int(bits>>52) - 1022 // the number is a fraction of 0.5 to 1 times 2^exponent, as math.Frexp has it
	fraction := math.Float64frombits(bits&(1<<52-1) | 1022<<52)
	i := 0
	if fraction > bounds[3] {
		i = 4
	}
	if fraction > bounds[i+1] {
		i += 2
	}
	if fraction > bounds[i] {
		i++
	}
	if fraction > bounds[i] { // so only for the last one, of which nothing has been asked yet
		i++
	}
	return i + (exponent-1)*perOctave
}

// durations is a histogram with the longest of the durations since it was written.
type durations struct {
	count, zero uint64
	sum         float64 // seconds
	first       int     // the bucket of counts[0]
	counts      []uint64
	longest     example
}

// example is one span.
type example struct {
	trace   model.TraceID // zero: none
	span    model.SpanID
	seconds float64
	end     int64 // nanoseconds since the epoch
}

// observe counts one span: its duration in nanoseconds.
func (d *durations) observe(duration, start int64, trace model.TraceID, span model.SpanID) {
	seconds := min(float64(max(duration, 0))/1e9, longest)
	d.count++
	d.sum += seconds
	if seconds >= d.longest.seconds && !trace.IsZero() {
		d.longest = example{trace, span, seconds, start + duration}
	}
	if seconds <= zeroThreshold {
		d.zero++
		return
	}
	i := bucketOf(seconds) - d.first
	if uint(i) >= uint(len(d.counts)) {
		i = d.cover(i + d.first)
	}
	d.counts[i]++
}

// slack is how many buckets are made beside one that is missing: durations of one thing lie close to each other.
const slack = 4

// cover makes room for a bucket and returns its place.
func (d *durations) cover(bucket int) int {
	low, high := max(bucket-slack, firstBucket), min(bucket+slack, lastBucket)
	if len(d.counts) > 0 {
		low, high = min(low, d.first), max(high, d.first+len(d.counts)-1)
	}
	counts := make([]uint64, high-low+1)
	if len(d.counts) > 0 {
		copy(counts[d.first-low:], d.counts)
	}
	d.first, d.counts = low, counts
	return bucket - low
}

// maxGap is how many empty buckets are written rather than a new span of buckets, which costs about as much.
const maxGap = 2

// histogram returns the counts as a native histogram, which the caller owns.
func (d *durations) histogram() *histogram.Histogram {
	h := emptyHistogram()
	h.Count, h.ZeroCount, h.Sum = d.count, d.zero, d.sum
	before, next := int64(0), 0 // the count of the bucket before, and the bucket that would come next
	for i, n := range d.counts {
		if n == 0 {
			continue
		}
		bucket := d.first + i
		switch gap := bucket - next; {
		case len(h.PositiveSpans) == 0 || gap > maxGap:
			h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: int32(gap)})
		default:
			for range gap {
				h.PositiveBuckets = append(h.PositiveBuckets, -before)
				before = 0
			}
			h.PositiveSpans[len(h.PositiveSpans)-1].Length += uint32(gap)
		}
		h.PositiveSpans[len(h.PositiveSpans)-1].Length++
		h.PositiveBuckets = append(h.PositiveBuckets, int64(n)-before)
		before, next = int64(n), bucket+1
	}
	return h
}

func emptyHistogram() *histogram.Histogram {
	return &histogram.Histogram{Schema: schema, ZeroThreshold: zeroThreshold}
}
