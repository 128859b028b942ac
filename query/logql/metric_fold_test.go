package logql

import (
	"math"
	"math/rand/v2"
	"testing"
)

type sampleAt struct {
	t int64
	v float64
}

func TestSlidingEqualsLookingAtEveryRange(t *testing.T) {
	ops := []string{
		"count_over_time", "rate", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time", "last_over_time",
		"stddev_over_time", "stdvar_over_time",
	}
	for range 400 {
		op := ops[rand.IntN(len(ops))]
		s := steps{start: 1000, step: 1 + rand.Int64N(10), count: 1 + rand.IntN(12)}
		length := 1 + rand.Int64N(80)
		w := newWindows(s, length, 0)
		f := newFold(op, float64(length), true)
		var samples []sampleAt
		var c, other cells
		for i := range rand.IntN(40) {
			x := sampleAt{w.from() + rand.Int64N(w.to()-w.from()), float64(rand.IntN(20) - 5)}
			samples = append(samples, x)
			if b, _ := w.bucket(x.t); b >= 0 {
				into := &c
				if i%3 == 0 {
					into = &other
				}
				cell, _ := into.at(b, f.size)
				f.add(cell, x.t, x.v)
			}
		}
		c.absorb(&other, f)
		first, values := (&slider{w: &w, f: f}).values(&c)
		got := series{first: first, values: values}
		for k := range s.count {
			want := naiveRange(op, samples, s.at(k)-length, s.at(k), float64(length))
			if v := got.at(k); !sameNumber(v, want) {
				t.Fatalf("%s step %d length %d count %d: %v at step %d, want %v", op, s.step, length, s.count, v, k, want)
			}
		}
	}
}

func sameNumber(a, b float64) bool {
	if isAbsent(a) || isAbsent(b) {
		return isAbsent(a) && isAbsent(b)
	}
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
}

// naiveRange is a range aggregation of the samples with from < time <= to, as its definition says it.
func naiveRange(op string, samples []sampleAt, from, to int64, seconds float64) float64 {
	var in []sampleAt
	for _, x := range samples {
		if x.t > from && x.t <= to {
			in = append(in, x)
		}
	}
	if len(in) == 0 {
		return absent
	}
	sum, least, most, first, last := 0.0, in[0].v, in[0].v, in[0], in[0]
	for _, x := range in {
		sum += x.v
		least, most = min(least, x.v), max(most, x.v)
		if x.t < first.t || x.t == first.t && x.v < first.v {
			first = x
		}
		if x.t > last.t || x.t == last.t && x.v > last.v {
			last = x
		}
	}
	n := float64(len(in))
	squares := 0.0
	for _, x := range in {
		squares += (x.v - sum/n) * (x.v - sum/n)
	}
	return map[string]float64{
		"count_over_time": n, "rate": sum / seconds, "sum_over_time": sum, "avg_over_time": sum / n, "min_over_time": least, "max_over_time": most,
		"first_over_time": first.v, "last_over_time": last.v, "stddev_over_time": math.Sqrt(squares / n), "stdvar_over_time": squares / n,
	}[op]
}
