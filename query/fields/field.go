package fields

import (
	"cmp"
	"slices"
	"strings"
)

// maxValueBytes is how long a value may be to be listed: longer ones are texts, of which nobody chooses.
const maxValueBytes = 1 << 10

// field counts the values of one field.
type field struct {
	count  int64
	types  typeVotes
	path   []string
	values counter
	unique cardinality
}

func newField(maxValues int) *field {
	return &field{values: counter{most: maxValues, counts: map[string]int64{}}}
}

func (f *field) see(value string, hash uint64) {
	f.count++
	f.types.vote(value)
	f.unique.add(hash)
	if len(value) <= maxValueBytes {
		f.values.add(value)
	} else {
		f.values.lost++
	}
}

func (f *field) result(s Source, name string) Field {
	n, exact := f.unique.estimate()
	out := Field{
		Name: name, Source: s, Type: f.types.result(), Count: f.count, Cardinality: n, Exact: exact && f.values.lost == 0,
		Values: f.values.top(), JSONPath: f.path,
	}
	if out.Type.numeric() {
		out.Min, out.Max = f.types.min, f.types.max
	}
	return out
}

// counter counts the most frequent of any number of values in bounded memory (Misra and Gries, "Finding repeated
// elements", 1982): a value that is more frequent than one in most is never missed, and its count is too low by at most lost.
type counter struct {
	most   int
	counts map[string]int64
	lost   int64
}

func (c *counter) add(value string) {
	if n, ok := c.counts[value]; ok {
		c.counts[value] = n + 1
		return
	}
	if len(c.counts) < c.most {
		c.counts[strings.Clone(value)] = 1
		return
	}
	c.lost++
	for v, n := range c.counts {
		if n == 1 {
			delete(c.counts, v)
		} else {
			c.counts[v] = n - 1
		}
	}
}

// top returns the values, the most frequent first.
func (c *counter) top() []Value {
	out := make([]Value, 0, len(c.counts))
	for v, n := range c.counts {
		out = append(out, Value{v, n})
	}
	slices.SortFunc(out, func(a, b Value) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value)) })
	return out
}
