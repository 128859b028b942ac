package hosts

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestFullIn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	course := func(n int, f func(i float64) float64) []point {
		list := make([]point, n)
		for i := range list {
			list[i] = point{t: float64(i) * 300, v: f(float64(i))}
		}
		return list
	}
	in := func(name string, points []point, hours float64) {
		t.Helper()
		if got := float64(fullIn(points)) / 3600; math.Abs(got-hours) > hours/20 {
			t.Errorf("%s: full in %.2f h, want %.2f h", name, got, hours)
		}
	}
	never := func(name string, points []point) {
		t.Helper()
		if got := fullIn(points); got.Known() {
			t.Errorf("%s: full in %.2f h, want no forecast", name, float64(got)/3600)
		}
	}
	in("steady", course(72, func(i float64) float64 { return 1000 - 10*i }), 290.0/10*300/3600)
	in("steady with noise", course(72, func(i float64) float64 { return 1000 - 10*i + 20*random.Float64() }), 300.0/10*300/3600)
	never("empty", nil)
	never("too little data", course(11, func(i float64) float64 { return 1000 - 10*i }))
	never("nothing moves", course(72, func(float64) float64 { return 1000 }))
	never("it empties", course(72, func(i float64) float64 { return 1000 + i }))
	never("noise only", course(72, func(float64) float64 { return 1000 - 100*random.Float64() }))
	never("one large file an hour ago", course(72, func(i float64) float64 {
		if i > 60 {
			return 500
		}
		return 1000
	}))
	never("a copy that has ended", course(72, func(i float64) float64 { return 1000 - 20*math.Min(i, 40) }))
	never("too far away for an hour of data", course(13, func(i float64) float64 { return 1e6 - i }))
}
