package otlp

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/wire"
	"github.com/hulotte-dev/hulotte/model"
)

// decoder makes streams of one export. The strings lie in the export or in its own memory, which later exports use again.
type decoder struct {
	isLabel map[string]bool
	reserve func(bytes int64) error

	streams []model.Stream
	recs    []model.Record
	fields  arena
	text    []byte // texts that are not in the export as they are; what was given out stays when it moves
	names   map[string]string
	values  valueWriter
}

func newDecoder(isLabel map[string]bool) *decoder {
	return &decoder{isLabel: isLabel, names: map[string]string{}}
}

func (d *decoder) begin(reserve func(int64) error) {
	d.reserve, d.fields.reserve = reserve, reserve
}

// maxKept bounds the lists that are used again, in bytes; maxNames the attributes' names that are remembered.
const (
	maxKept  = 4 << 20
	maxNames = 4096
)

// end forgets the export and says whether the decoder is fit for another one.
func (d *decoder) end() bool {
	if cap(d.recs)*int(unsafe.Sizeof(model.Record{}))+cap(d.fields.list)*fieldSize+cap(d.text) > maxKept {
		return false
	}
	clear(d.streams[:cap(d.streams)]) // no strings of the export are held
	clear(d.recs[:cap(d.recs)])
	clear(d.fields.list[:cap(d.fields.list)])
	if len(d.names) > maxNames {
		clear(d.names)
	}
	d.streams, d.recs, d.text = d.streams[:0], d.recs[:0], d.text[:0]
	d.fields.list, d.fields.reserve, d.reserve = d.fields.list[:0], nil, nil
	return true
}

const fieldSize = int(unsafe.Sizeof(model.Field{}))

// arena is where lists of fields are put. It takes its memory of the budget before it uses it.
type arena struct {
	list    []model.Field
	reserve func(bytes int64) error
}

// room makes room for n fields more. Lists that were given out stay where they are.
func (a *arena) room(n int) error {
	if len(a.list)+n <= cap(a.list) {
		return nil
	}
	size := max(2*cap(a.list), n, 1024)
	if err := a.reserve(int64(size * fieldSize)); err != nil {
		return err
	}
	a.list = make([]model.Field, 0, size)
	return nil
}

// name returns the name that an attribute has with us. Names come again and again: each is made once.
func (d *decoder) name(key string) (string, error) {
	if name, ok := d.names[key]; ok {
		return name, nil
	}
	if len(key) > maxNameLength || len(d.names) > maxNames {
		return cleanName(key), d.reserve(int64(2 * len(key))) // the names within a map begin with its own
	}
	key = strings.Clone(key)
	name := cleanName(key)
	d.names[key] = name
	return name, nil
}

// maxNameLength bounds the names that are remembered, in bytes.
const maxNameLength = 256

// cleanName makes underscores of what Loki does not allow in a name.
func cleanName(key string) string {
	if key == "" {
		return "_"
	}
	out := []byte(key)
	for i, c := range out {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if c < '0' || c > '9' {
				out[i] = '_'
			}
		}
	}
	if out[0] >= '0' && out[0] <= '9' {
		return "_" + string(out)
	}
	return string(out)
}

// maxAttributes bounds the attributes of a record with those of its scope and resource, so that a resource with very many is not
// multiplied by its records. The limit of fields (ingest.logs.max_fields) is below it.
const maxAttributes = 10_000

// attribute appends a KeyValue as a field. The fields of an attribute that is a map have their names joined by
// underscores.
func (d *decoder) attribute(dst []model.Field, keyValue []byte) ([]model.Field, error) {
	key, value, err := splitKeyValue(keyValue)
	if err != nil || value == nil {
		return dst, err
	}
	return d.flatten(dst, key, value, 0)
}

func (d *decoder) flatten(dst []model.Field, key string, value []byte, depth int) ([]model.Field, error) {
	v, err := parseValue(value)
	if err != nil {
		return dst, err
	}
	if len(dst) >= maxAttributes {
		return dst, fmt.Errorf("a record has more than %d attributes", maxAttributes)
	}
	if v.kind != kindMap {
		text, err := d.valueText(v, depth)
		if err != nil {
			return dst, err
		}
		name, err := d.name(key)
		return append(dst, model.Field{Name: name, Value: text}), err
	}
	if depth++; depth > maxDepth {
		return dst, wire.ErrDepth
	}
	f := wire.Fields{Rest: v.bytes}
	for f.Next() {
		if !f.Is(listValues, wire.Bytes) {
			continue
		}
		inner, value, err := splitKeyValue(f.Bytes)
		if err == nil && value != nil {
			dst, err = d.flatten(dst, key+"_"+inner, value, depth)
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, f.Err
}

// valueText returns a value as text: what is no text itself is written as JSON has it.
func (d *decoder) valueText(v value, depth int) (string, error) {
	if v.kind == kindString {
		return text(v.bytes), nil
	}
	start := len(d.text)
	var err error
	d.text, err = d.values.append(d.text, v, depth, false)
	return text(d.text[start:]), err
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
