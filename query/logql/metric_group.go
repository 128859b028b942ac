package logql

import (
	"encoding/binary"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/store"
)

// columnar is what metric queries ask of the records of a batch: *rows.
type columnar interface {
	Len() int
	Selected() []uint64
	Count() int
	Times() []int64
	TimeRange() (oldest, newest int64)
	Column(name string) store.Column
	LineLengths() []uint32
	Labels(i int) labels.Labels
}

// grouper tells, for the rows of a batch, of which series they are a sample. It belongs to one goroutine.
type grouper struct {
	by      *Grouping
	exclude string // label that is no part of a series: what is unwrapped

	all    []*rangeSeries
	byName map[string]*rangeSeries // by the values of by, or by the bytes of labels

	whole   map[uint64][]wholeEntry // of all labels of a row
	last    wholeEntry
	builder *labels.Builder

	codes, other []uint32
	slots        []*rangeSeries
	tuples       []string
	key          []byte
	ids          map[string]uint32
	pairs        map[uint64]uint32
	dense        []uint32
}

type wholeEntry struct {
	labels labels.Labels
	code   uint32
	known  bool
}

// rangeSeries is one series of a range aggregation while records come.
type rangeSeries struct {
	labels labels.Labels
	cells  cells
	kept   kept
}

func newGrouper(by *Grouping, exclude string) *grouper {
	return &grouper{
		by: by, exclude: exclude, byName: map[string]*rangeSeries{}, whole: map[uint64][]wholeEntry{}, builder: labels.NewBuilder(labels.EmptyLabels()),
		ids: map[string]uint32{}, pairs: map[uint64]uint32{},
	}
}

// columns says whether columns are enough to tell the series, and which.
func (g *Grouping) columns() (names []string, ok bool) {
	if g == nil || g.Without {
		return nil, false
	}
	return g.Labels, true
}

// batch is the series of the rows of a batch: that of row i is series(codes[i]); nil codes: all rows are of series(0).
type batchGroups struct {
	g      *grouper
	codes  []uint32
	groups int // how many different codes there may be
	names  []string
}

// group looks at the selected rows.
func (g *grouper) group(r columnar, selected []uint64) batchGroups {
	names, ok := g.by.columns()
	if !ok {
		return g.groupWhole(r, selected)
	}
	b := batchGroups{g: g, groups: 1, names: names}
	g.tuples = g.tuples[:0]
	for i, name := range names {
		c := r.Column(name)
		codes, values := g.columnCodes(&c, r.Len(), selected)
		b.combine(i, codes, values, r.Len(), selected)
	}
	g.slots = append(g.slots[:0], make([]*rangeSeries, b.groups)...)
	return b
}

// columnCodes returns a column as a dictionary in which what is missing is "".
func (g *grouper) columnCodes(c *store.Column, n int, selected []uint64) (codes []uint32, values []string) {
	switch {
	case c.Absent():
		return nil, []string{""}
	case c.Dict != nil && c.Missing == nil:
		return c.Codes, c.Dict
	case c.Dict != nil:
		codes = slices.Grow(g.other[:0], n)[:n]
		g.other = codes
		none := uint32(len(c.Dict))
		eachBit(selected, n, func(i int) {
			codes[i] = none
			if c.Has(i) {
				codes[i] = 0
				if c.Codes != nil {
					codes[i] = c.Codes[i]
				}
			}
		})
		return codes, append(slices.Clip(c.Dict), "")
	}
	codes = slices.Grow(g.other[:0], n)[:n]
	g.other = codes
	clear(g.ids)
	eachBit(selected, n, func(i int) {
		v := c.Value(i)
		id, ok := g.ids[v]
		if !ok {
			id = uint32(len(values))
			g.ids[v] = id
			values = append(values, v)
		}
		codes[i] = id
	})
	return codes, values
}

// mostDense is up to how many pairs of codes a table finds their combination, and not a map: 256 KiB of it.
const mostDense = 1 << 16

// combine adds column number i to the groups.
func (b *batchGroups) combine(i int, codes []uint32, values []string, n int, selected []uint64) {
	g := b.g
	switch {
	case i == 0:
		b.codes, b.groups = b.own(codes), len(values)
		g.tuples = append(g.tuples, values...)
		return
	case codes == nil: // the same value everywhere
		b.appendColumn(i, values[0])
		return
	case b.codes == nil:
		before := slices.Clone(g.tuples)
		g.tuples = g.tuples[:0]
		for _, v := range values {
			g.tuples = append(append(g.tuples, before...), v)
		}
		b.codes, b.groups = b.own(codes), len(values)
		return
	}
	b.combineCodes(i, codes, values, n, selected)
}

// own makes the codes safe from the next column, whose codes may be where these are.
func (b *batchGroups) own(codes []uint32) []uint32 {
	if codes == nil || len(b.names) == 1 {
		return codes
	}
	b.g.codes = append(b.g.codes[:0], codes...)
	return b.g.codes
}

// appendColumn gives every group one more value.
func (b *batchGroups) appendColumn(width int, value string) {
	before := slices.Clone(b.g.tuples)
	b.g.tuples = b.g.tuples[:0]
	for j := range b.groups {
		b.g.tuples = append(append(b.g.tuples, before[j*width:(j+1)*width]...), value)
	}
}

func (b *batchGroups) combineCodes(width int, codes []uint32, values []string, n int, selected []uint64) {
	g := b.g
	before := slices.Clone(g.tuples)
	g.tuples = g.tuples[:0]
	groups := uint32(0)
	made := func(x, y uint32) uint32 {
		g.tuples = append(append(g.tuples, before[int(x)*width:(int(x)+1)*width]...), values[y])
		groups++
		return groups
	}
	out := slices.Grow(g.codes[:0], n)[:n]
	if b.groups*len(values) <= mostDense {
		g.dense = slices.Grow(g.dense[:0], b.groups*len(values))[:b.groups*len(values)]
		clear(g.dense)
		eachBit(selected, n, func(i int) {
			at := int(b.codes[i])*len(values) + int(codes[i])
			if g.dense[at] == 0 {
				g.dense[at] = made(b.codes[i], codes[i])
			}
			out[i] = g.dense[at] - 1
		})
	} else {
		clear(g.pairs)
		eachBit(selected, n, func(i int) {
			pair := uint64(b.codes[i])<<32 | uint64(codes[i])
			id, ok := g.pairs[pair]
			if !ok {
				id = made(b.codes[i], codes[i])
				g.pairs[pair] = id
			}
			out[i] = id - 1
		})
	}
	g.codes = out
	b.codes, b.groups = out, int(groups)
}

// series returns the series of a code.
func (b *batchGroups) series(code uint32) *rangeSeries {
	if s := b.g.slots[code]; s != nil {
		return s
	}
	s := b.g.named(b.names, b.g.tuples[int(code)*len(b.names):][:len(b.names)])
	b.g.slots[code] = s
	return s
}

// named returns the series of these values of the labels it is grouped by.
func (g *grouper) named(names, values []string) *rangeSeries {
	g.key = g.key[:0]
	for _, v := range values {
		g.key = binary.AppendUvarint(g.key, uint64(len(v)))
		g.key = append(g.key, v...)
	}
	if s, ok := g.byName[string(g.key)]; ok {
		return s
	}
	g.builder.Reset(labels.EmptyLabels())
	for i, name := range names {
		g.builder.Set(name, values[i]) // an empty value is none
	}
	return g.add(g.builder.Labels())
}

// add keeps a new series under g.key. The builder has copied the strings.
func (g *grouper) add(l labels.Labels) *rangeSeries {
	s := &rangeSeries{labels: l.Copy()}
	g.byName[string(g.key)] = s
	g.all = append(g.all, s)
	return s
}

// groupWhole groups by all labels of the rows. There slots live as long as the grouper.
func (g *grouper) groupWhole(r columnar, selected []uint64) batchGroups {
	n := r.Len()
	codes := slices.Grow(g.codes[:0], n)[:n]
	g.codes = codes
	eachBit(selected, n, func(i int) {
		if l := r.Labels(i); !g.last.known || !labels.Equal(g.last.labels, l) {
			g.last = g.wholeEntry(l)
		}
		codes[i] = g.last.code
	})
	return batchGroups{g: g, codes: codes, groups: len(g.slots)}
}

func (g *grouper) wholeEntry(l labels.Labels) wholeEntry {
	h := l.Hash()
	for _, e := range g.whole[h] {
		if labels.Equal(e.labels, l) {
			return e
		}
	}
	e := wholeEntry{labels: l, code: uint32(len(g.slots)), known: true}
	g.slots = append(g.slots, g.reduced(l))
	g.whole[h] = append(g.whole[h], e)
	return e
}

// reduced returns the series of a row with these labels.
func (g *grouper) reduced(l labels.Labels) *rangeSeries {
	g.builder.Reset(l)
	g.builder.Del(labelError, labelErrorDetails)
	if g.exclude != "" {
		g.builder.Del(g.exclude)
	}
	if g.by != nil {
		g.builder.Del(g.by.Labels...)
	}
	l = g.builder.Labels()
	g.key = l.Bytes(g.key[:0])
	if s, ok := g.byName[string(g.key)]; ok {
		return s
	}
	return g.add(l)
}
