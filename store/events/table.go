package events

import (
	"hash/maphash"
	"slices"
	"unique"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// table is the streams of a block, or of a day of the head. Names and values of labels are numbered, so that a matcher looks at
// every value once and then compares numbers. It only grows: what was read of it once stays as it is.
type table struct {
	symbols []string
	pairs   []uint32 // names and values of labels, by turns
	ends    []uint32 // of each stream in pairs
	labels  []labels.Labels
	ids     []uint64
}

func (t *table) len() int { return len(t.ends) }

// of returns the labels of stream i as symbols.
func (t *table) of(i int) []uint32 {
	if i == 0 {
		return t.pairs[:t.ends[0]]
	}
	return t.pairs[t.ends[i-1]:t.ends[i]]
}

// bytes is what the table takes in memory, roughly.
func (t *table) bytes() int64 {
	n := int64(len(t.pairs)*4 + len(t.ends)*(4+16+8+64)) // 64: the interned labels, which other tables share
	for _, s := range t.symbols {
		n += int64(len(s)) + 16
	}
	return n
}

// tableBuilder makes a table.
type tableBuilder struct {
	table
	numbers map[string]uint32
	scratch labels.ScratchBuilder
}

func newTableBuilder() *tableBuilder { return &tableBuilder{numbers: map[string]uint32{}} }

// add adds a stream whose labels, encoded, are key. It keeps none of the strings.
func (b *tableBuilder) add(seed maphash.Seed, key []byte, fields []model.Field) uint32 {
	for _, f := range fields {
		b.pairs = append(b.pairs, b.number(f.Name), b.number(f.Value))
	}
	b.ends = append(b.ends, uint32(len(b.pairs)))
	b.ids = append(b.ids, maphash.Bytes(seed, key))
	b.labels = append(b.labels, b.build(b.of(len(b.ends)-1)))
	return uint32(len(b.ends) - 1)
}

// build makes labels once for all tables that have the stream.
func (b *tableBuilder) build(pairs []uint32) labels.Labels {
	b.scratch.Reset()
	for i := 0; i < len(pairs); i += 2 {
		b.scratch.Add(b.symbols[pairs[i]], b.symbols[pairs[i+1]])
	}
	return unique.Make(b.scratch.Labels()).Value()
}

func (b *tableBuilder) number(s string) uint32 {
	n, ok := b.numbers[s]
	if !ok {
		n = uint32(len(b.symbols))
		s = string([]byte(s))
		b.symbols = append(b.symbols, s)
		b.numbers[s] = n
	}
	return n
}

// match says for each stream whether all matchers hold for it; nil is that they hold for every stream.
func (t *table) match(matchers []*labels.Matcher) []bool {
	if len(matchers) == 0 {
		return nil
	}
	wanted := make([]bool, t.len())
	for i := range wanted {
		wanted[i] = true
	}
	for _, m := range matchers {
		t.narrow(wanted, m)
	}
	return wanted
}

// narrow takes out of wanted the streams for which m does not hold.
func (t *table) narrow(wanted []bool, m *labels.Matcher) {
	name := slices.Index(t.symbols, m.Name)
	empty := m.Matches("")
	known := make([]int8, len(t.symbols)) // 1: matches, -1: does not, 0: not asked yet
	for i := range wanted {
		if wanted[i] {
			wanted[i] = t.holds(i, name, m, empty, known)
		}
	}
}

func (t *table) holds(i, name int, m *labels.Matcher, empty bool, known []int8) bool {
	pairs := t.of(i)
	for j := 0; j < len(pairs); j += 2 {
		if int(pairs[j]) != name {
			continue
		}
		value := pairs[j+1]
		if known[value] == 0 {
			known[value] = -1
			if m.Matches(t.symbols[value]) {
				known[value] = 1
			}
		}
		return known[value] > 0
	}
	return empty
}

// sortByLabels sorts streams, given as numbers.
func (t *table) sortByLabels(streams []uint32) {
	slices.SortFunc(streams, func(a, b uint32) int { return labels.Compare(t.labels[a], t.labels[b]) })
}
