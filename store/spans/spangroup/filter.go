package spangroup

import (
	"math"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// passing returns a bit for each row that passes the filter.
func (x *data) passing(f *store.SpanFilter) ([]uint64, error) {
	switch {
	case f == nil || len(f.All) == 0 && len(f.Any) == 0 && f.Not == nil && f.Field == store.SpanField{}:
		return fullBits(x.rows()), nil
	case len(f.All) > 0:
		return x.together(f.All, func(a, b uint64) uint64 { return a & b })
	case len(f.Any) > 0:
		return x.together(f.Any, func(a, b uint64) uint64 { return a | b })
	case f.Not != nil:
		out, err := x.passing(f.Not)
		if err != nil {
			return nil, err
		}
		for i, full := range fullBits(x.rows()) {
			out[i] = full &^ out[i]
		}
		return out, nil
	}
	return x.leaf(f)
}

func fullBits(n int) []uint64 {
	out := make([]uint64, (n+63)/64)
	for i := range n {
		out[i/64] |= 1 << (i % 64)
	}
	return out
}

func anyBit(b []uint64) bool {
	for _, w := range b {
		if w != 0 {
			return true
		}
	}
	return false
}

func (x *data) together(list []*store.SpanFilter, join func(a, b uint64) uint64) ([]uint64, error) {
	var out []uint64
	for _, f := range list {
		bits, err := x.passing(f)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = bits
			continue
		}
		for i := range out {
			out[i] = join(out[i], bits[i])
		}
	}
	return out, nil
}

// leaf compares one field.
func (x *data) leaf(f *store.SpanFilter) ([]uint64, error) {
	if several(f.Field) {
		return x.leafOfSeveral(f)
	}
	c, err := x.values(f.Field)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, (x.rows()+63)/64)
	if c.Absent() {
		if f.Op == store.Absent {
			return fullBits(x.rows()), nil
		}
		return out, nil
	}
	known := make([]int8, len(c.Dict)) // 1 passes, -1 does not
	for i := range x.rows() {
		pass := f.Op == store.Absent
		if c.Has(i) {
			pass = x.passesAt(f, &c, known, i)
		}
		if pass {
			out[i/64] |= 1 << (i % 64)
		}
	}
	return out, nil
}

// passesAt looks at every value of a dictionary once.
func (x *data) passesAt(f *store.SpanFilter, c *store.ValueColumn, known []int8, i int) bool {
	if c.Numbers != nil || c.Texts != nil {
		return f.PassesValue(c.Value(i))
	}
	code := uint32(0)
	if c.Codes != nil {
		code = c.Codes[i]
	}
	if known[code] == 0 {
		known[code] = -1
		if f.PassesValue(c.Dict[code]) {
			known[code] = 1
		}
	}
	return known[code] == 1
}

// several says whether a span may have several values of the field.
func several(f store.SpanField) bool {
	switch f.Scope {
	case store.OnEvent, store.OnLink:
		return true
	case store.IntrinsicScope:
		switch f.Name {
		case store.IntrinsicEvent, store.IntrinsicEventSince, store.IntrinsicLinkTrace, store.IntrinsicLinkSpan:
			return true
		}
	}
	return false
}

// loadSeveral reads events or links.
func (x *data) loadSeveral(f store.SpanField) ([]model.Span, error) {
	if f.Scope == store.OnLink || f.Scope == store.IntrinsicScope && (f.Name == store.IntrinsicLinkTrace || f.Name == store.IntrinsicLinkSpan) {
		err := x.loadLinks()
		return x.links, err
	}
	err := x.loadEvents()
	return x.events, err
}

func (x *data) leafOfSeveral(f *store.SpanFilter) ([]uint64, error) {
	spans, err := x.loadSeveral(f.Field)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, (x.rows()+63)/64)
	var group model.SpanGroup
	for i := range spans {
		if f.Passes(&group, &spans[i]) {
			out[i/64] |= 1 << (i % 64)
		}
	}
	return out, nil
}

// may says whether a span of the group can pass the filter, by the directory alone.
func (g *Group) may(f *store.SpanFilter) bool {
	switch {
	case f == nil:
		return true
	case len(f.All) > 0:
		for _, x := range f.All {
			if !g.may(x) {
				return false
			}
		}
		return true
	case len(f.Any) > 0:
		for _, x := range f.Any {
			if g.may(x) {
				return true
			}
		}
		return false
	case f.Not != nil || f.Field == store.SpanField{} || f.Op == store.Absent:
		return true
	}
	return g.mayLeaf(f)
}

func (g *Group) mayLeaf(f *store.SpanFilter) bool {
	switch f.Field.Scope {
	case store.OnSpan:
		return g.mayColumn(f)
	case store.OnResource, store.OnScope:
		return g.mayOwner(f)
	case store.AnyScope:
		return g.mayColumn(f) || g.mayOwner(f)
	case store.OnEvent, store.OnLink:
		return g.hasField(f.Field)
	}
	switch f.Field.Name {
	case store.IntrinsicName:
		for _, name := range g.names {
			if f.PassesValue(model.TextValue(name)) {
				return true
			}
		}
		return false
	case store.IntrinsicDuration:
		return mayNumber(f, g.shortest, g.longest)
	case store.IntrinsicStart:
		return mayNumber(f, g.summary.First, g.summary.Last)
	case store.IntrinsicKind, store.IntrinsicStatus:
		return g.mayKind(f)
	case store.IntrinsicScopeName, store.IntrinsicScopeVersion:
		return g.mayOwner(f)
	}
	return true
}

func (g *Group) mayKind(f *store.SpanFilter) bool {
	if g.kinds>>63 == 1 {
		return true
	}
	for k := range model.SpanConsumer + 1 {
		for s := range model.StatusError + 1 {
			v := model.Int64(int64(k))
			if f.Field.Name == store.IntrinsicStatus {
				v = model.Int64(int64(s))
			}
			if g.kinds&kindBit(k, s) != 0 && f.PassesValue(v) {
				return true
			}
		}
	}
	return false
}

// mayNumber says whether a whole number between least and most can pass.
func mayNumber(f *store.SpanFilter, least, most int64) bool {
	x, ok := f.Value.Float()
	if !ok || math.IsNaN(x) || f.Op == store.Present || f.Op == store.NotEqual {
		return true
	}
	// A number of 64 bits may be rounded as a float: one step of a float is left as a margin.
	low, high := math.Nextafter(float64(least), math.Inf(-1)), math.Nextafter(float64(most), math.Inf(1))
	switch f.Op {
	case store.Equal:
		return x >= low && x <= high
	case store.Less, store.LessOrEqual:
		return low <= x
	case store.Greater, store.GreaterOrEqual:
		return high >= x
	}
	return true
}

func (g *Group) mayColumn(f *store.SpanFilter) bool {
	for i := range g.columns {
		c := &g.columns[i]
		if c.key != f.Field.Name || c.occurrence > 0 {
			continue
		}
		switch c.how {
		case columnDictionary:
			for _, v := range c.values {
				if f.PassesValue(v) {
					return true
				}
			}
			return false
		case columnIntegers:
			return mayNumber(f, c.min, c.max)
		}
		return true
	}
	return false
}

func (g *Group) mayOwner(f *store.SpanFilter) bool {
	for _, o := range g.owners {
		group := model.SpanGroup{Resource: o.resource, Scope: o.scope}
		if f.Passes(&group, &model.Span{}) {
			return true
		}
	}
	return false
}

func (g *Group) hasField(f store.SpanField) bool {
	for i := range g.fields {
		if g.fields[i].SpanField == f {
			return true
		}
	}
	return false
}
