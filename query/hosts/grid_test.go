package hosts

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestGridIsWhatAWholeEvaluationGives moves a grid through time in random steps and compares it with one that
// evaluates everything.
func TestGridIsWhatAWholeEvaluationGives(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 2))
	start := w.now.Add(-3 * time.Hour)
	for _, name := range []string{`m{instance="a"}`, `m{instance="b"}`, `m{instance="c"}`} {
		from := start.Add(time.Duration(random.IntN(7200)) * time.Second)
		w.series(name, from, from.Add(time.Hour), 20*time.Second, func(time.Time) float64 { return random.Float64() })
	}
	src := w.hosts().src
	kept := &grid{expr: "m", step: time.Minute, points: 30}
	for at := start; at.Before(w.now); at = at.Add(time.Duration(random.IntN(900)) * time.Second) {
		whole := &grid{expr: "m", step: time.Minute, points: 30}
		for _, g := range []*grid{kept, whole} {
			if err := g.update(context.Background(), src, at); err != nil {
				t.Fatal(err)
			}
		}
		sameGrid(t, kept, whole)
	}
}

func sameGrid(t *testing.T, got, want *grid) {
	t.Helper()
	if len(got.series) != len(want.series) || !got.end.Equal(want.end) {
		t.Fatalf("%d series to %s, want %d to %s", len(got.series), got.end, len(want.series), want.end)
	}
	for key, s := range want.series {
		for i, v := range s.values {
			g := got.series[key].values[i]
			if g != v && !(math.IsNaN(g) && math.IsNaN(v)) {
				t.Fatalf("at %s: value %d is %v, want %v", want.end, i, g, v)
			}
		}
	}
}
