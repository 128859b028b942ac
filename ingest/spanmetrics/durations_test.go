package spanmetrics

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hulotte-dev/hulotte/model"
)

// TestDurationsAreThoseOfPrometheus compares with the histograms of Prometheus' client library.
func TestDurationsAreThoseOfPrometheus(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		oracle := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Help: "h", NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: zeroThreshold})
		var d durations
		for range r.IntN(2000) {
			ns := int64(math.Exp(r.Float64()*float64(round+1)) * 100)
			switch r.IntN(20) {
			case 0:
				ns = 0
			case 1:
				ns = 1e9 << r.IntN(10) // the upper bound of a bucket
			}
			d.observe(ns, 0, model.TraceID{}, model.SpanID{})
			oracle.Observe(min(float64(ns)/1e9, longest))
		}
		var m dto.Metric
		if err := oracle.Write(&m); err != nil {
			t.Fatal(err)
		}
		want, got := m.GetHistogram(), d.histogram()
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		if got.Count != want.GetSampleCount() || math.Abs(got.Sum-want.GetSampleSum()) > 1e-9*want.GetSampleSum() || got.ZeroCount != want.GetZeroCount() || got.Schema != want.GetSchema() && got.Count > 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
		buckets := map[int32]int64{}
		index, i, n := int32(0), 0, int64(0)
		for _, s := range want.PositiveSpan {
			index += s.GetOffset()
			for range s.GetLength() {
				n += want.PositiveDelta[i]
				if n > 0 {
					buckets[index] = n
				}
				i, index = i+1, index+1
			}
		}
		for it := got.PositiveBucketIterator(); it.Next(); {
			b := it.At()
			if b.Count > 0 && buckets[b.Index] != int64(b.Count) {
				t.Errorf("bucket %d has %d, want %d", b.Index, b.Count, buckets[b.Index])
			}
			delete(buckets, b.Index)
		}
		if len(buckets) > 0 {
			t.Errorf("missing buckets %v", buckets)
		}
	}
}

func TestDurationsAreBounded(t *testing.T) {
	var d durations
	for _, ns := range []int64{math.MinInt64, -1, 0, 1, 953, 954, 1e9, math.MaxInt64} {
		d.observe(ns, 0, model.TraceID{1}, model.SpanID{1})
	}
	if d.count != 8 || d.zero != 5 || len(d.counts) != lastBucket-firstBucket+1 && len(d.counts) > lastBucket-firstBucket+1 {
		t.Errorf("count %d, zero %d, %d buckets", d.count, d.zero, len(d.counts))
	}
	if err := d.histogram().Validate(); err != nil {
		t.Error(err)
	}
	if d.longest.seconds != longest {
		t.Errorf("the longest is %v", d.longest.seconds)
	}
}
