package hosts

import "math"

// A forecast needs this many points, so that a single large file is not taken for a trend.
const forecastMinPoints = 12

// A forecast reaches at most this many times as far as the data behind it: an hour of filling says something
// about today, nothing about next week.
const forecastReach = 24

// forecastMinFit is the least share of the movement that a straight line has to explain (R²).
const forecastMinFit = 0.9

// point is a value at a time, both as floats because they go into sums.
type point struct{ t, v float64 }

// fullIn tells in how many seconds after the last point the available bytes run out when they go on shrinking
// along a straight line, and None when that is not an honest thing to say: too little data, no steady trend,
// a trend that has ended, or an end too far away.
func fullIn(avail []point) Num {
	if len(avail) < forecastMinPoints {
		return None
	}
	slope, fit := leastSquares(avail)
	if slope >= 0 || fit < forecastMinFit {
		return None
	}
	recent, _ := leastSquares(avail[len(avail)*2/3:])
	if recent > slope/2 {
		return None // it has slowed down to less than half: the copy or the compaction is over
	}
	last := avail[len(avail)-1]
	seconds := last.v / -slope
	if seconds > forecastReach*(last.t-avail[0].t) {
		return None
	}
	return Num(seconds)
}

// leastSquares fits a line: its slope per second, and the share of the variance that it explains.
func leastSquares(points []point) (slope, fit float64) {
	n := float64(len(points))
	var mt, mv float64
	for _, p := range points {
		mt += p.t / n
		mv += p.v / n
	}
	var tt, tv, vv float64
	for _, p := range points {
		tt += (p.t - mt) * (p.t - mt)
		tv += (p.t - mt) * (p.v - mv)
		vv += (p.v - mv) * (p.v - mv)
	}
	if tt == 0 || vv == 0 {
		return 0, 0
	}
	return tv / tt, math.Min(1, tv*tv/(tt*vv))
}
