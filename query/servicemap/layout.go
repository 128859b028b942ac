package servicemap

import (
	"cmp"
	"math"
	"slices"
)

// How things stand, in the pixels of the page: nodes are 168 wide and 52 high, and named by their middle.
const (
	nodeWidth  = 168
	nodeHeight = 52
	layerGap   = nodeWidth + 112 // from one layer to the next: room for the lines
	rowGap     = nodeHeight + 28 // from one node of a layer to the next
	bendGap    = 28              // the same for a line that passes through a layer
	partGap    = 72              // between parts that are not connected
)

// place is the middle of a node.
type place struct{ x, y float64 }

// layout gives each node a place so that calls run from left to right, as Sugiyama, Tagawa and Toda do it ("Methods for visual understanding of
// hierarchical system structures", 1981): cycles are broken, nodes get layers, crossings are reduced by barycentres, and then each node is moved as
// close to its neighbours as the others of its layer let it.
//
// Nodes are numbered by their order, which decides wherever nothing else does: with the same nodes and calls, in whatever order the calls
// are given, the layout is the same. It goes by who calls whom alone, so that rates move nothing.
func layout(nodes int, calls [][2]int) []place {
	g := newGraph(nodes, calls)
	places := make([]place, nodes)
	bottom := 0.0
	parts := g.parts()
	for i, part := range parts {
		if len(part) == 1 { // the rest has no calls to others: parts descend in size
			placeSingles(places, parts[i:], bottom)
			break
		}
		bottom = g.placePart(places, part, bottom) + partGap
	}
	return places
}

// graph is calls between nodes, without those of a node to itself and without doubles; neighbours ascend.
type graph struct {
	out, in [][]int
}

func newGraph(nodes int, calls [][2]int) *graph {
	g := &graph{make([][]int, nodes), make([][]int, nodes)}
	calls = slices.Clone(calls)
	slices.SortFunc(calls, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, c := range slices.Compact(calls) {
		if c[0] != c[1] {
			g.out[c[0]] = append(g.out[c[0]], c[1])
			g.in[c[1]] = append(g.in[c[1]], c[0])
		}
	}
	return g
}

// parts returns the nodes that are connected with each other, those of each part ascending; the largest part first.
func (g *graph) parts() [][]int {
	seen := make([]bool, len(g.out))
	var parts [][]int
	for start := range g.out {
		if seen[start] {
			continue
		}
		seen[start] = true
		part := []int{start}
		for i := 0; i < len(part); i++ {
			for _, n := range slices.Concat(g.out[part[i]], g.in[part[i]]) {
				if !seen[n] {
					seen[n] = true
					part = append(part, n)
				}
			}
		}
		slices.Sort(part)
		parts = append(parts, part)
	}
	slices.SortStableFunc(parts, func(a, b []int) int { return len(b) - len(a) })
	return parts
}

// singlesInRow is how many nodes without calls stand beside each other.
const singlesInRow = 5

// placeSingles places nodes that have nothing to do with others in rows.
func placeSingles(places []place, parts [][]int, top float64) {
	for i, part := range parts {
		places[part[0]] = place{float64(i%singlesInRow) * layerGap, top + float64(i/singlesInRow)*rowGap}
	}
}

// placePart places connected nodes below top and returns where they end.
func (g *graph) placePart(places []place, part []int, top float64) (bottom float64) {
	forward := g.withoutCycles(part)
	layer := g.layers(part, forward)
	l := newLayered(part, layer, forward)
	l.reduceCrossings()
	l.straighten()
	least, most := math.Inf(1), math.Inf(-1)
	for _, v := range l.nodes {
		if v.node >= 0 {
			least, most = min(least, v.y), max(most, v.y)
		}
	}
	for _, v := range l.nodes {
		if v.node >= 0 {
			places[v.node] = place{float64(v.layer) * layerGap, math.Round(v.y - least + top)}
		}
	}
	return most - least + top + nodeHeight
}

// withoutCycles returns the calls of a part but for those that close a cycle: those that lead back in a search that goes in depth through each
// knot of nodes which all reach each other, from those first that are called from outside of it. What is outside of a knot decides no more
// than that, so a node more elsewhere changes nothing here.
func (g *graph) withoutCycles(part []int) map[[2]int]bool {
	knot := g.knots(part)
	var starts []int
	for _, n := range part {
		if slices.ContainsFunc(g.in[n], func(m int) bool { return knot[m] != knot[n] }) {
			starts = append(starts, n)
		}
	}
	starts = append(starts, part...)
	forward := map[[2]int]bool{}
	const unseen, open, done = 0, 1, 2
	state := map[int]int{}
	for _, start := range starts {
		if state[start] != unseen {
			continue
		}
		// The path from start, each node with how many of its calls have been looked at. It is no recursion, as a path may be as long as there are nodes.
		path := []step{{start, 0}}
		state[start] = open
		for len(path) > 0 {
			at := &path[len(path)-1]
			if at.next == len(g.out[at.node]) {
				state[at.node] = done
				path = path[:len(path)-1]
				continue
			}
			from, to := at.node, g.out[at.node][at.next]
			at.next++
			switch {
			case knot[to] != knot[from]:
				forward[[2]int{from, to}] = true
			case state[to] != open:
				forward[[2]int{from, to}] = true
				if state[to] == unseen {
					state[to] = open
					path = append(path, step{to, 0})
				}
			}
		}
	}
	return forward
}

type step struct{ node, next int }

// knots numbers the strongly connected components of a part (Tarjan 1972, with a path of its own in place of recursion).
func (g *graph) knots(part []int) map[int]int {
	index, low, knot := map[int]int{}, map[int]int{}, map[int]int{}
	var stack []int
	waiting := map[int]bool{}
	enter := func(n int) {
		index[n], low[n] = len(index)+1, len(index)+1
		stack, waiting[n] = append(stack, n), true
	}
	for _, start := range part {
		if index[start] != 0 {
			continue
		}
		enter(start)
		path := []step{{start, 0}}
		for len(path) > 0 {
			at := &path[len(path)-1]
			n := at.node
			if at.next < len(g.out[n]) {
				m := g.out[n][at.next]
				at.next++
				switch {
				case index[m] == 0:
					enter(m)
					path = append(path, step{m, 0})
				case waiting[m]:
					low[n] = min(low[n], index[m])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				above := path[len(path)-1].node
				low[above] = min(low[above], low[n])
			}
			if low[n] != index[n] {
				continue
			}
			for {
				m := stack[len(stack)-1]
				stack, waiting[m] = stack[:len(stack)-1], false
				knot[m] = index[n]
				if m == n {
					break
				}
			}
		}
	}
	return knot
}

// layers gives each node of a part a layer: the length of the longest way to it, but those who are called by nobody stand right before the
// first whom they call.
func (g *graph) layers(part []int, forward map[[2]int]bool) map[int]int {
	layer, open := map[int]int{}, map[int]int{}
	var ready []int
	for _, n := range part {
		for _, m := range g.in[n] {
			if forward[[2]int{m, n}] {
				open[n]++
			}
		}
		if open[n] == 0 {
			ready = append(ready, n)
		}
	}
	first := slices.Clone(ready)
	for i := 0; i < len(ready); i++ {
		n := ready[i]
		for _, m := range g.out[n] {
			if !forward[[2]int{n, m}] {
				continue
			}
			layer[m] = max(layer[m], layer[n]+1)
			if open[m]--; open[m] == 0 {
				ready = append(ready, m)
			}
		}
	}
	for _, n := range first {
		nearest := -1
		for _, m := range g.out[n] {
			if forward[[2]int{n, m}] && (nearest < 0 || layer[m] < nearest) {
				nearest = layer[m]
			}
		}
		layer[n] = max(nearest-1, 0)
	}
	return layer
}
