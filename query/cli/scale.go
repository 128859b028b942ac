package cli

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to the height of the canvas. low and high are on the lines of a grid that people read easily.
type scale struct{ low, high, step float64 }

// wantedTicks is about how many values the vertical axis names.
const wantedTicks = 4

// niceScale returns a scale around all values from low to high.
func niceScale(low, high float64) scale {
	if low == high { // a flat line lies in the middle
		pad := math.Abs(low) / 2
		if pad == 0 {
			pad = 1
		}
		low, high = low-pad, high+pad
	}
	width := high - low
	if math.IsInf(width, 0) { // beyond what floats can tell apart: no grid
		return scale{low / 2, high / 2, high / 4}
	}
	raw := width / wantedTicks
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit * 10
	for _, m := range []float64{1, 2, 2.5, 5} {
		if unit*m >= raw {
			step = unit * m
			break
		}
	}
	s := scale{math.Floor(low/step) * step, math.Ceil(high/step) * step, step}
	if !(s.low < s.high) || !isFinite(s.low) || !isFinite(s.high) { // tiny steps on large numbers
		return scale{low, high, width}
	}
	return s
}

// at returns where v is, from 0 at the bottom to 1 at the top.
func (s scale) at(v float64) float64 {
	return min(max((v-s.low)/(s.high-s.low), 0), 1)
}

// labels returns the text in front of each of rows rows, from the top; most are empty.
func (s scale) labels(rows int) []string {
	out := make([]string, rows)
	for i := 0; i <= 2*wantedTicks; i++ {
		v := s.low + float64(i)*s.step
		if v > s.high+s.step/2 {
			break
		}
		row := int(math.Round((1 - s.at(v)) * float64(rows-1)))
		if math.Abs(v) < s.step/1e6 {
			v = 0 // not 1e-17
		}
		out[row] = short(v)
	}
	return out
}

// short writes a value in at most about seven characters, with a power of a thousand as k, M, G, T, P.
func short(v float64) string {
	if !isFinite(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	abs, suffix := math.Abs(v), ""
	for _, s := range []string{"k", "M", "G", "T", "P"} {
		if abs < 10_000 && suffix == "" || abs < 1000 {
			break
		}
		v, abs, suffix = v/1000, abs/1000, s
	}
	if abs >= 1e6 || abs != 0 && abs < 1e-4 {
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	decimals := 4 - int(math.Floor(math.Log10(max(abs, 1))))
	text := strconv.FormatFloat(v, 'f', max(min(decimals, 4), 0), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + suffix
}
