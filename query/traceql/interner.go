package traceql

import (
	"strings"

	"github.com/hulotte-dev/hulotte/model"
)

// interner numbers values, from 0 on in the order in which they come. Its zero value is empty.
type interner struct {
	values  []model.Value // by number, cloned
	texts   map[string]uint32
	numbers map[numberKey]uint32
	others  map[string]uint32 // by writeKey
}

type numberKey struct {
	kind model.ValueKind
	bits int64
}

// id returns the number of a value. A new one gets the next, unless there are most already: then it returns false.
func (x *interner) id(v model.Value, most int) (uint32, bool) {
	if x.texts == nil {
		x.texts, x.numbers, x.others = map[string]uint32{}, map[numberKey]uint32{}, map[string]uint32{}
	}
	id := uint32(len(x.values))
	switch v.Kind {
	case model.StringValue:
		if known, ok := x.texts[v.Text]; ok || len(x.values) >= most {
			return known, ok
		}
		v = cloneValue(v)
		x.texts[v.Text] = id
	case model.IntValue, model.FloatValue, model.BoolValue, model.NoValue:
		key := numberKey{v.Kind, v.Bits}
		if known, ok := x.numbers[key]; ok || len(x.values) >= most {
			return known, ok
		}
		x.numbers[key] = id
	default:
		var key strings.Builder
		writeKey(&key, v)
		if known, ok := x.others[key.String()]; ok || len(x.values) >= most {
			return known, ok
		}
		v = cloneValue(v)
		x.others[key.String()] = id
	}
	x.values = append(x.values, v)
	return id, true
}
