package fields

import (
	"unsafe"

	"github.com/hulotte-dev/hulotte/internal/jsonscan"
)

const (
	// maxDepth is how deep objects are looked into.
	maxDepth = 16
	// maxLineBytes is how long a line may be to be read: longer ones are dumps.
	maxLineBytes = 256 << 10
	// maxNameBytes bounds the name of a field.
	maxNameBytes = 256
)

// objects reads nested objects into leaves; its memory is used again for the next line.
type objects struct {
	scan   jsonscan.Scanner
	path   []string
	name   []byte
	leaves []leaf
}

// leaf is a value with the keys that lead to it. It is valid until the next line is read.
type leaf struct {
	name, value string
	path        []string
}

// addJSON reads a line that is a JSON object. It answers false when the line is none.
func (d *Detector) addJSON(r *Record, line string) bool {
	if len(line) > maxLineBytes {
		return false
	}
	o := &d.objects
	o.path, o.name, o.leaves = o.path[:0], o.name[:0], o.leaves[:0]
	o.scan.Reset(unsafe.Slice(unsafe.StringData(line), len(line))) // it is only read
	if o.object() != nil || o.scan.End() != nil {
		return false
	}
	for _, l := range o.leaves {
		d.found(r, JSON, l.name, l.value, l.path)
	}
	return true
}

func (o *objects) object() error {
	return o.scan.Object(func(key string) error {
		before := len(o.name)
		if before > 0 {
			o.name = append(o.name, '_')
		}
		o.name = appendName(o.name, key)
		o.path = append(o.path, key)
		err := o.value()
		o.name, o.path = o.name[:before], o.path[:len(o.path)-1]
		return err
	})
}

// value reads a value: scalars become leaves; arrays and null are left out, as LogQL's json parser leaves them out.
func (o *objects) value() error {
	switch o.scan.Kind() {
	case jsonscan.String:
		text, err := o.scan.Text()
		o.leaf(text)
		return err
	case jsonscan.Number, jsonscan.Bool:
		text, err := o.scan.Scalar()
		o.leaf(text)
		return err
	case jsonscan.Object:
		if len(o.path) < maxDepth {
			return o.object()
		}
	}
	return o.scan.Skip()
}

func (o *objects) leaf(value string) {
	if len(o.name) <= maxNameBytes {
		o.leaves = append(o.leaves, leaf{string(o.name), value, append([]string(nil), o.path...)})
	}
}

// appendName writes a key as the name of a label: what is no letter, digit or underscore becomes an underscore, and a name
// does not begin with a digit.
func appendName(dst []byte, key string) []byte {
	for i, c := range key {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9':
			if i == 0 && len(dst) == 0 {
				dst = append(dst, '_')
			}
		default:
			c = '_'
		}
		dst = append(dst, byte(c)) //nolint:gosec // ASCII by now
	}
	return dst
}
