package logql

import (
	"encoding/binary"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
)

// interner makes label sets, and gives equal ones the same value. It belongs to one goroutine.
type interner struct {
	known  map[string]labels.Labels
	key    []byte
	fields []model.Field
}

// maxInterned bounds the label sets that are remembered: records that all differ must not fill the memory.
const maxInterned = 20_000

func (in *interner) begin() { in.key, in.fields = in.key[:0], in.fields[:0] }

func (in *interner) add(name, value string) {
	in.key = binary.AppendUvarint(in.key, uint64(len(name)))
	in.key = append(in.key, name...)
	in.key = binary.AppendUvarint(in.key, uint64(len(value)))
	in.key = append(in.key, value...)
	in.fields = append(in.fields, model.Field{Name: name, Value: value})
}

// labels returns what was added since begin, as copies.
func (in *interner) labels() labels.Labels {
	if l, ok := in.known[string(in.key)]; ok {
		return l
	}
	if in.known == nil || len(in.known) >= maxInterned {
		in.known = map[string]labels.Labels{}
	}
	b := labels.NewScratchBuilder(len(in.fields))
	for _, f := range in.fields {
		b.Add(strings.Clone(f.Name), strings.Clone(f.Value))
	}
	b.Sort()
	l := b.Labels()
	in.known[string(in.key)] = l
	return l
}

// of returns the labels that each names.
func (in *interner) of(each func(f func(name, value string))) labels.Labels {
	in.begin()
	each(in.add)
	return in.labels()
}
