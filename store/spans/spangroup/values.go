package spangroup

import (
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

// values returns a field of all rows; of several values it is the first.
func (x *data) values(f store.SpanField) (store.ValueColumn, error) {
	switch f.Scope {
	case store.IntrinsicScope:
		return x.intrinsic(f)
	case store.OnSpan:
		return x.attribute(f.Name)
	case store.OnResource, store.OnScope:
		return x.ofOwner(f)
	case store.AnyScope:
		return x.anyScope(f)
	}
	return x.firstOfSeveral(f)
}

func (x *data) intrinsic(f store.SpanField) (store.ValueColumn, error) {
	switch f.Name {
	case store.IntrinsicName:
		if err := x.loadNames(); err != nil {
			return store.ValueColumn{}, err
		}
		return store.ValueColumn{Dict: textValues(x.g.names), Codes: x.names}, nil
	case store.IntrinsicKind, store.IntrinsicStatus:
		return x.kind(f.Name == store.IntrinsicStatus)
	case store.IntrinsicDuration:
		err := x.loadDurations()
		return store.ValueColumn{Kind: model.IntValue, Numbers: x.durations}, err
	case store.IntrinsicStart:
		err := x.loadStarts()
		return store.ValueColumn{Kind: model.IntValue, Numbers: x.starts}, err
	case store.IntrinsicScopeName, store.IntrinsicScopeVersion:
		return x.ofOwner(f)
	case store.IntrinsicStatusMessage, store.IntrinsicTraceID, store.IntrinsicSpanID, store.IntrinsicParentID:
		return x.rareText(f.Name)
	}
	return x.firstOfSeveral(f)
}

func textValues(list []string) []model.Value {
	out := make([]model.Value, len(list))
	for i, s := range list {
		out[i] = model.TextValue(s)
	}
	return out
}

// kind returns kinds, or statuses.
func (x *data) kind(status bool) (store.ValueColumn, error) {
	if err := x.loadKinds(); err != nil {
		return store.ValueColumn{}, err
	}
	out := make([]int64, x.rows())
	for i := range out {
		if status {
			out[i] = int64(model.SpanStatus(x.kinds[2*i+1]))
		} else {
			out[i] = int64(model.SpanKind(x.kinds[2*i]))
		}
	}
	return store.ValueColumn{Kind: model.IntValue, Numbers: out}, nil
}

// rareText returns a text that few ask for of all spans.
func (x *data) rareText(name string) (store.ValueColumn, error) {
	for _, load := range []func() error{x.traces, x.loadExtra, x.loadParents} {
		if err := load(); err != nil {
			return store.ValueColumn{}, err
		}
	}
	texts, missing := make([]string, x.rows()), make([]uint64, (x.rows()+63)/64)
	trace := 0
	for i := range texts {
		for x.ends[trace] <= i {
			trace++
		}
		switch name {
		case store.IntrinsicTraceID:
			texts[i] = x.traceIDs[trace].String()
		case store.IntrinsicSpanID:
			texts[i] = x.ids[i].String()
		case store.IntrinsicParentID:
			if !x.parents[i].IsZero() {
				texts[i] = x.parents[i].String()
			}
		default:
			if e := x.extra[i]; e != nil {
				texts[i] = e.Message
			}
		}
		if texts[i] == "" {
			missing[i/64] |= 1 << (i % 64)
		}
	}
	return store.ValueColumn{Texts: texts, Missing: missing}, nil
}

// attribute returns a span's own attribute.
func (x *data) attribute(key string) (store.ValueColumn, error) {
	for n := range x.g.columns {
		about := &x.g.columns[n]
		if about.key != key || about.occurrence > 0 {
			continue
		}
		c, err := x.column(uint32(n))
		if err != nil {
			return store.ValueColumn{}, err
		}
		out := store.ValueColumn{Missing: c.missing}
		switch about.how {
		case columnDictionary:
			out.Dict, out.Codes = about.values, c.codes
		case columnIntegers:
			out.Kind, out.Numbers = model.IntValue, c.numbers
		case columnFloats:
			out.Kind, out.Numbers = model.FloatValue, c.numbers
		case columnTexts:
			out.Texts = c.texts
		default:
			out.Dict, out.Codes = c.values, identity(x.rows())
		}
		return out, nil
	}
	return store.ValueColumn{}, nil
}

func identity(n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// ownerValues returns what each owner has of a field.
func (x *data) ownerValues(f store.SpanField) (values []model.Value, has []bool, any bool) {
	values, has = make([]model.Value, len(x.g.owners)), make([]bool, len(x.g.owners))
	for i, o := range x.g.owners {
		group := model.SpanGroup{Resource: o.resource, Scope: o.scope}
		f.Each(&group, &model.Span{}, func(v model.Value) bool {
			values[i], has[i], any = v, true, true
			return false
		})
	}
	return values, has, any
}

func (x *data) ofOwner(f store.SpanField) (store.ValueColumn, error) {
	values, has, found := x.ownerValues(f)
	if !found {
		return store.ValueColumn{}, nil
	}
	if err := x.loadOwners(); err != nil {
		return store.ValueColumn{}, err
	}
	out := store.ValueColumn{Dict: values, Codes: x.owners, Missing: make([]uint64, (x.rows()+63)/64)}
	for i, o := range x.owners {
		if !has[o] {
			out.Missing[i/64] |= 1 << (i % 64)
		}
	}
	return out, nil
}

// anyScope returns the span's own attribute, or else the resource's.
func (x *data) anyScope(f store.SpanField) (store.ValueColumn, error) {
	own, err := x.attribute(f.Name)
	if err != nil {
		return own, err
	}
	owners, err := x.ofOwner(store.SpanField{Scope: store.OnResource, Name: f.Name})
	if err != nil || owners.Absent() {
		return own, err
	}
	if own.Absent() {
		return owners, nil
	}
	out := store.ValueColumn{Dict: make([]model.Value, x.rows()), Codes: identity(x.rows()), Missing: make([]uint64, (x.rows()+63)/64)}
	for i := range out.Dict {
		switch {
		case own.Has(i):
			out.Dict[i] = own.Value(i)
		case owners.Has(i):
			out.Dict[i] = owners.Value(i)
		default:
			out.Missing[i/64] |= 1 << (i % 64)
		}
	}
	return out, nil
}

// firstOfSeveral returns a field of events or links.
func (x *data) firstOfSeveral(f store.SpanField) (store.ValueColumn, error) {
	if !several(f) {
		return store.ValueColumn{}, nil
	}
	spans, err := x.loadSeveral(f)
	if err != nil {
		return store.ValueColumn{}, err
	}
	out := store.ValueColumn{Dict: make([]model.Value, x.rows()), Codes: identity(x.rows()), Missing: fullBits(x.rows())}
	found := false
	var group model.SpanGroup
	for i := range spans {
		f.Each(&group, &spans[i], func(v model.Value) bool {
			out.Dict[i], found = v, true
			out.Missing[i/64] &^= 1 << (i % 64)
			return false
		})
	}
	if !found {
		return store.ValueColumn{}, nil
	}
	return out, nil
}
