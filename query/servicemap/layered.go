package servicemap

import (
	"cmp"
	"slices"
)

// layered is a part whose nodes have layers. A line that passes through layers has a bend in each: a node without a number.
type layered struct {
	nodes  []*standing
	layers [][]*standing // each in its order from top to bottom
}

// standing is a node, or a bend, of a layer.
type standing struct {
	node          int // -1: it is a bend
	layer         int
	before, after []*standing // its neighbours in the layers to both sides
	at            int         // its place in the order of its layer
	weight        float64     // the mean of its neighbours' places
	y             float64
}

// maxStanding bounds the time that a layout takes: a thousand nodes in a thousand layers could have a million bends.
const maxStanding = 20_000

func newLayered(part []int, layer map[int]int, forward map[[2]int]bool) *layered {
	l := &layered{}
	of := map[int]*standing{}
	for _, n := range part { // ascending: that is the order to begin with
		of[n] = l.add(n, layer[n])
	}
	calls := make([][2]int, 0, len(forward))
	for c := range forward {
		if of[c[0]] != nil {
			calls = append(calls, c)
		}
	}
	slices.SortFunc(calls, func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, c := range calls {
		from, to := of[c[0]], of[c[1]]
		if len(l.nodes)+to.layer-from.layer > maxStanding {
			connect(from, to) // its crossings are not counted right, which does no harm
			continue
		}
		for at := from.layer + 1; at < to.layer; at++ {
			from = connect(from, l.add(-1, at))
		}
		connect(from, to)
	}
	return l
}

func (l *layered) add(node, layer int) *standing {
	for len(l.layers) <= layer {
		l.layers = append(l.layers, nil)
	}
	v := &standing{node: node, layer: layer, at: len(l.layers[layer])}
	l.nodes = append(l.nodes, v)
	l.layers[layer] = append(l.layers[layer], v)
	return v
}

func connect(from, to *standing) *standing {
	from.after = append(from.after, to)
	to.before = append(to.before, from)
	return to
}

// sweeps is how often the layers are gone through; after a few, hardly anything changes.
const sweeps = 12

// reduceCrossings orders the layers so that few lines cross. It keeps the best order that it has seen, the first of equals: so a layout without
// crossings stays as it is.
func (l *layered) reduceCrossings() {
	least := l.crossings()
	best := l.order()
	for i := 0; i < sweeps && least > 0; i++ {
		if i%2 == 0 {
			for _, layer := range l.layers {
				sortBy(layer, func(v *standing) []*standing { return v.before })
			}
		} else {
			for _, layer := range slices.Backward(l.layers) {
				sortBy(layer, func(v *standing) []*standing { return v.after })
			}
		}
		if n := l.crossings(); n < least {
			least, best = n, l.order()
		}
	}
	for i, layer := range best {
		l.layers[i] = layer
		number(layer)
	}
}

func (l *layered) order() [][]*standing {
	out := make([][]*standing, len(l.layers))
	for i, layer := range l.layers {
		out[i] = slices.Clone(layer)
	}
	return out
}

// sortBy orders a layer by the mean place of the neighbours on one side; what has none there stays where it is.
func sortBy(layer []*standing, neighbours func(*standing) []*standing) {
	for _, v := range layer {
		v.weight = float64(v.at)
		if of := neighbours(v); len(of) > 0 {
			sum := 0
			for _, n := range of {
				sum += n.at
			}
			v.weight = float64(sum) / float64(len(of))
		}
	}
	slices.SortStableFunc(layer, func(a, b *standing) int { return cmp.Compare(a.weight, b.weight) })
	number(layer)
}

func number(layer []*standing) {
	for i, v := range layer {
		v.at = i
	}
}

// crossings counts the pairs of lines that cross, with a tree of sums over the places of each layer (Barth, Jünger, Mutzel: "Simple and efficient
// bilayer cross counting", 2002).
func (l *layered) crossings() (n int) {
	for _, layer := range l.layers {
		var ends []int // of the lines, by their beginnings from top to bottom
		for _, v := range layer {
			from := len(ends)
			for _, w := range v.after {
				ends = append(ends, w.at)
			}
			slices.Sort(ends[from:])
		}
		n += inversions(ends)
	}
	return n
}

// inversions counts the pairs of which the first is greater.
func inversions(list []int) (n int) {
	if len(list) < 2 {
		return 0
	}
	sums := make([]int, slices.Max(list)+2)
	for i, v := range list {
		n += i
		for j := v + 1; j > 0; j -= j & -j {
			n -= sums[j] // those before that are not greater
		}
		for j := v + 1; j < len(sums); j += j & -j {
			sums[j]++
		}
	}
	return n
}

// straightenings is how often nodes are moved towards their neighbours.
const straightenings = 10

// straighten gives nodes their heights: close to their neighbours on both sides, in the order of their layer, with room between them.
func (l *layered) straighten() {
	for _, layer := range l.layers {
		spread(layer, func(*standing) float64 { return 0 })
	}
	for i := range straightenings {
		layers := slices.Clone(l.layers)
		if i%2 == 1 {
			slices.Reverse(layers)
		}
		for _, layer := range layers {
			spread(layer, wanted)
		}
	}
}

// wanted is the mean height of the neighbours of both sides.
func wanted(v *standing) float64 {
	sum, n := 0.0, len(v.before)+len(v.after)
	if n == 0 {
		return v.y
	}
	for _, w := range v.before {
		sum += w.y
	}
	for _, w := range v.after {
		sum += w.y
	}
	return sum / float64(n)
}

// block is neighbours of a layer that stand as close to each other as they may.
type block struct {
	first, n int
	sum      float64 // of where its members want the block's first to be
}

func (b block) y() float64 { return b.sum / float64(b.n) }

// spread gives the members of a layer the heights that are nearest to what each wants, by the sum of squares, among those that keep the order
// and the distances: where two are too close they become one block in the middle (pool adjacent violators).
func spread(layer []*standing, want func(*standing) float64) {
	offset := make([]float64, len(layer)) // from the layer's first, when all stand close
	var blocks []block
	for i, v := range layer {
		if i > 0 {
			offset[i] = offset[i-1] + distance(layer[i-1], v)
		}
		blocks = append(blocks, block{i, 1, want(v) - offset[i]})
		for n := len(blocks); n > 1 && blocks[n-2].y() >= blocks[n-1].y(); n = len(blocks) {
			blocks[n-2].n += blocks[n-1].n
			blocks[n-2].sum += blocks[n-1].sum
			blocks = blocks[:n-1]
		}
	}
	for _, b := range blocks {
		for i := b.first; i < b.first+b.n; i++ {
			layer[i].y = b.y() + offset[i]
		}
	}
}

// distance is what two neighbours of a layer keep between their middles.
func distance(a, b *standing) float64 {
	switch {
	case a.node >= 0 && b.node >= 0:
		return rowGap
	case a.node < 0 && b.node < 0:
		return bendGap
	}
	return (rowGap + bendGap) / 2
}
