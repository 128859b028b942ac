package servicemap

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what comes out into testdata")

// TestGolden draws the topologies of testdata: lines "a -> b c" or "a" above "----", places below it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatal(err, files)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(raw), "----\n")
			names, calls := parse(in)
			places := layout(len(names), calls)
			got := drawn(names, places)
			check(t, len(names), calls, places)
			if *update {
				if err := os.WriteFile(file, []byte(in+"----\n"+got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// parse reads who calls whom.
func parse(text string) (names []string, calls [][2]int) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		for _, f := range strings.Fields(line) {
			if f != "->" {
				names = append(names, f)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, line := range lines {
		from, to, _ := strings.Cut(line, "->")
		for _, s := range strings.Fields(to) {
			calls = append(calls, [2]int{slices.Index(names, strings.TrimSpace(from)), slices.Index(names, s)})
		}
	}
	return names, calls
}

// drawn lists the places, from left to right and top to bottom.
func drawn(names []string, places []place) string {
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if places[a].x != places[b].x {
			return int(places[a].x - places[b].x)
		}
		return int(places[a].y - places[b].y)
	})
	var b strings.Builder
	for _, i := range order {
		fmt.Fprintf(&b, "%4.0f %5.0f  %s\n", places[i].x, places[i].y, names[i])
	}
	return b.String()
}

// check says what is wrong with a layout: nodes that overlap, calls that lead left or up without need.
func check(t *testing.T, nodes int, calls [][2]int, places []place) {
	t.Helper()
	for i := range nodes {
		for j := range i {
			if math.Abs(places[i].x-places[j].x) < nodeWidth && math.Abs(places[i].y-places[j].y) < nodeHeight {
				t.Errorf("nodes %d and %d overlap: %v, %v", j, i, places[j], places[i])
			}
		}
	}
	g := newGraph(nodes, calls)
	for _, c := range calls {
		if c[0] != c[1] && places[c[0]].x >= places[c[1]].x && !g.reaches(c[1], c[0]) {
			t.Errorf("the call from %d at %v to %d at %v leads back, and is in no cycle", c[0], places[c[0]], c[1], places[c[1]])
		}
	}
}

// reaches says whether there is a way from one node to another.
func (g *graph) reaches(from, to int) bool {
	seen := map[int]bool{from: true}
	for list := []int{from}; len(list) > 0; list = list[1:] {
		if list[0] == to {
			return true
		}
		for _, n := range g.out[list[0]] {
			if !seen[n] {
				seen[n] = true
				list = append(list, n)
			}
		}
	}
	return false
}

// randomCalls are between nodes; the more of order, the fewer cycles.
func randomCalls(r *rand.Rand, nodes int) (calls [][2]int) {
	for range r.IntN(3*nodes + 1) {
		a, b := r.IntN(nodes), r.IntN(nodes)
		if r.IntN(10) > 0 && a > b {
			a, b = b, a
		}
		calls = append(calls, [2]int{a, b})
	}
	return calls
}

func TestRandomLayouts(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := r.IntN(40) + 1
		calls := randomCalls(r, n)
		places := layout(n, calls)
		check(t, n, calls, places)
		r.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
		if again := layout(n, append(calls, calls...)); !slices.Equal(again, places) {
			t.Errorf("seed %d: another order of the same calls gives another layout", seed)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestOnlyCyclesAreBroken: what is left out closes a cycle with what is kept, and what is kept has none.
func TestOnlyCyclesAreBroken(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := r.IntN(15) + 1
		g := newGraph(n, randomCalls(r, n))
		for _, part := range g.parts() {
			forward := g.withoutCycles(part)
			var kept [][2]int
			for c := range forward {
				kept = append(kept, c)
			}
			acyclic := newGraph(n, kept)
			for _, from := range part {
				for _, to := range g.out[from] {
					if back := acyclic.reaches(to, from); back == forward[[2]int{from, to}] {
						t.Fatalf("seed %d: the call %d to %d is kept: %v, and there is a way back: %v", seed, from, to, !back, back)
					}
				}
			}
		}
	}
}

// TestOneMoreNodeMovesLittle adds a node that is called by one other, at the end of the order or within it.
func TestOneMoreNodeMovesLittle(t *testing.T) {
	f := func(name string, more int, most float64) {
		t.Run(name, func(t *testing.T) { oneMoreNode(t, more, most) })
	}
	f("in a tree", 0, 0.02)
	f("among calls that cross", 3, 0.08)
}

// oneMoreNode says when more than a share of the pairs of a layer change their order. One node in so many has a second caller.
func oneMoreNode(t *testing.T, second int, most float64) {
	t.Helper()
	turned, pairs := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		n := r.IntN(25) + 5
		var calls [][2]int
		for i := 1; i < n; i++ { // everybody is called by somebody
			calls = append(calls, [2]int{r.IntN(i), i})
			if second > 0 && r.IntN(second) == 0 {
				calls = append(calls, [2]int{r.IntN(i), i})
			}
		}
		fresh, caller := r.IntN(n+1), r.IntN(n)
		number := func(i int) int {
			if i >= fresh {
				return i + 1
			}
			return i
		}
		more := [][2]int{{number(caller), fresh}}
		for _, c := range calls {
			more = append(more, [2]int{number(c[0]), number(c[1])})
		}
		before, after := layout(n, calls), layout(n+1, more)
		for i := range n {
			if before[i].x != after[number(i)].x {
				t.Fatalf("seed %d: node %d has left its layer", seed, i)
			}
			for j := range i {
				if before[i].x == before[j].x {
					pairs++
					if before[i].y < before[j].y != (after[number(i)].y < after[number(j)].y) {
						turned++
					}
				}
			}
		}
	}
	if share := float64(turned) / float64(pairs); share > most {
		t.Errorf("%.1f %% of the pairs in a layer have changed their order", share*100)
	}
}

// TestCrossings compares with looking at each pair of lines.
func TestCrossings(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		list := make([]int, r.IntN(30))
		for i := range list {
			list[i] = r.IntN(10)
		}
		want := 0
		for i := range list {
			for j := range i {
				if list[j] > list[i] {
					want++
				}
			}
		}
		if got := inversions(list); got != want {
			t.Fatalf("inversions(%v) = %d, want %d", list, got, want)
		}
	}
}

// TestATreeHasNoCrossings: whatever the names, no lines of a tree cross.
func TestATreeHasNoCrossings(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 50 {
		n := r.IntN(30) + 2
		names := r.Perm(n)
		var calls [][2]int
		for i := 1; i < n; i++ {
			calls = append(calls, [2]int{names[r.IntN(i)], names[i]})
		}
		g := newGraph(n, calls)
		part := g.parts()[0]
		forward := g.withoutCycles(part)
		l := newLayered(part, g.layers(part, forward), forward)
		l.reduceCrossings()
		if c := l.crossings(); c > 0 {
			t.Errorf("%d crossings in the tree %v", c, calls)
		}
	}
}

func TestLargeLayoutsEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var ring, dense [][2]int
	for i := range MaxNodes {
		ring = append(ring, [2]int{i, (i + 1) % MaxNodes})
		for range 10 {
			dense = append(dense, [2]int{i, r.IntN(MaxNodes)})
		}
	}
	for _, calls := range [][][2]int{ring, dense} {
		check(t, 0, nil, layout(MaxNodes, calls))
		if places := layout(MaxNodes, calls); len(places) != MaxNodes {
			t.Error(len(places))
		}
	}
}
