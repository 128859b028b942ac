package logql

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	f := func(q float64, want float64, v ...float64) {
		t.Helper()
		if got := quantile(q, v); !sameNumber(got, want) {
			t.Errorf("quantile %v of %v: %v, want %v", q, v, got, want)
		}
	}
	f(0.5, absent)
	f(0.5, 2, 3, 1, 2)
	f(0.5, 2.5, 4, 3, 1, 2)
	f(0, 1, 4, 3, 1, 2)
	f(1, 4, 4, 3, 1, 2)
	f(-1, math.Inf(-1), 1)
	f(2, math.Inf(1), 1)
	f(math.NaN(), math.NaN(), 1)
	f(0.5, 1, math.NaN(), 1, 5)
	f(0, math.NaN(), 5, 1, math.NaN())
}

func TestSelectNthAgreesWithSorting(t *testing.T) {
	for range 2000 {
		v := make([]float64, 1+rand.IntN(300))
		spread := 1 + rand.IntN(300)
		for i := range v {
			v[i] = float64(rand.IntN(spread))
			if rand.IntN(20) == 0 {
				v[i] = math.NaN()
			}
		}
		sorted := slices.Clone(v)
		slices.Sort(sorted)
		n := rand.IntN(len(v))
		if got := selectNth(v, n); !sameNumber(got, sorted[n]) {
			t.Fatalf("value %d of %v: %v, want %v", n, sorted, got, sorted[n])
		}
		for i := range v {
			if i < n && lessValue(v[n], v[i]) || i > n && lessValue(v[i], v[n]) {
				t.Fatalf("%v is not split at %d", v, n)
			}
		}
	}
}

func TestQuantilesOverRanges(t *testing.T) {
	for range 300 {
		s := steps{start: 1000, step: 1 + rand.Int64N(10), count: 1 + rand.IntN(12)}
		length := 1 + rand.Int64N(80)
		w := newWindows(s, length, 0)
		var k, other kept
		var samples []sampleAt
		for i := range rand.IntN(60) {
			x := sampleAt{w.from() + rand.Int64N(w.to()-w.from()), float64(rand.IntN(30))}
			samples = append(samples, x)
			if b, _ := w.bucket(x.t); b >= 0 {
				into := &k
				if i%3 == 0 {
					into = &other
				}
				into.at(b).values = append(into.at(b).values, x.v)
			}
		}
		k.absorb(&other)
		q := rand.Float64()
		first, values := k.slidingQuantiles(&w, q)
		sliding := series{first: first, values: values}
		first, values = k.quantiles(&w, q)
		got := series{first: first, values: values}
		for i := range s.count {
			var in []float64
			for _, x := range samples {
				if x.t > s.at(i)-length && x.t <= s.at(i) {
					in = append(in, x.v)
				}
			}
			slices.Sort(in)
			want := absent
			if n := len(in); n > 0 {
				rank := q * float64(n-1)
				lo := int(rank)
				want = in[lo] + (in[min(lo+1, n-1)]-in[lo])*(rank-float64(lo))
			}
			if !sameNumber(got.at(i), want) || !sameNumber(sliding.at(i), want) {
				t.Fatalf("step %d: %v and %v, want %v of %v", i, got.at(i), sliding.at(i), want, in)
			}
		}
	}
}
