package services

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// A BSON document (https://bsonspec.org/spec.html) is, in little endian:
//
//	int32 length of all of it, elements, byte 0
//	an element: byte type, name and byte 0, value
const (
	bsonDouble    = 0x01
	bsonString    = 0x02
	bsonDocument  = 0x03
	bsonArray     = 0x04
	bsonBinary    = 0x05
	bsonUndefined = 0x06
	bsonObjectID  = 0x07
	bsonBool      = 0x08
	bsonDate      = 0x09
	bsonNull      = 0x0a
	bsonRegexp    = 0x0b
	bsonInt32     = 0x10
	bsonTimestamp = 0x11
	bsonInt64     = 0x12
	bsonDecimal   = 0x13

	bsonMaxDepth    = 20
	bsonMaxElements = 100_000
)

var errBson = errors.New("a BSON document is broken")

// bsonReader reads documents of one answer.
type bsonReader struct{ left int } // elements that may still come

// document reads one document from the beginning of b, and returns what is behind it. Numbers, truth values and times become float64 (a
// date in milliseconds, a timestamp in seconds), arrays []any.
func (r *bsonReader) document(b []byte, depth int) (object, []byte, error) {
	o := object{}
	rest, err := r.elements(b, depth, func(name string, v any) { o[name] = v })
	return o, rest, err
}

func (r *bsonReader) elements(b []byte, depth int, add func(string, any)) ([]byte, error) {
	if len(b) < 5 || depth > bsonMaxDepth {
		return nil, errBson
	}
	n := int64(int32(binary.LittleEndian.Uint32(b))) //nolint:gosec // it is signed
	if n < 5 || n > int64(len(b)) || b[n-1] != 0 {
		return nil, errBson
	}
	body, rest := b[4:n-1], b[n:]
	for len(body) > 0 {
		if r.left--; r.left < 0 {
			return nil, fmt.Errorf("more than %d elements: %w", bsonMaxElements, errTooLong)
		}
		typ := body[0]
		name, after, err := cstring(body[1:])
		if err != nil {
			return nil, err
		}
		var v any
		if v, body, err = r.value(typ, after, depth); err != nil {
			return nil, err
		}
		add(name, v)
	}
	return rest, nil
}

func cstring(b []byte) (string, []byte, error) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], nil
		}
	}
	return "", nil, errBson
}

// bsonSizes are the types whose length does not vary.
var bsonSizes = map[byte]int{bsonDouble: 8, bsonObjectID: 12, bsonBool: 1, bsonDate: 8, bsonNull: 0, bsonUndefined: 0, bsonInt32: 4, bsonTimestamp: 8, bsonInt64: 8, bsonDecimal: 16, 0xff: 0, 0x7f: 0}

func (r *bsonReader) value(typ byte, b []byte, depth int) (any, []byte, error) {
	switch typ {
	case bsonDocument:
		o, rest, err := r.document(b, depth+1)
		return map[string]any(o), rest, err
	case bsonArray:
		items := []any{}
		rest, err := r.elements(b, depth+1, func(_ string, v any) { items = append(items, v) })
		return items, rest, err
	case bsonString, 0x0d, 0x0e: // and JavaScript, symbol
		if len(b) < 5 {
			return nil, nil, errBson
		}
		n := int64(int32(binary.LittleEndian.Uint32(b))) //nolint:gosec // it is signed
		if n < 1 || n > int64(len(b)-4) || b[4+n-1] != 0 {
			return nil, nil, errBson
		}
		return string(b[4 : 4+n-1]), b[4+n:], nil
	case bsonBinary:
		if len(b) < 5 {
			return nil, nil, errBson
		}
		n := int64(int32(binary.LittleEndian.Uint32(b))) //nolint:gosec // it is signed
		if n < 0 || n > int64(len(b)-5) {
			return nil, nil, errBson
		}
		return append([]byte(nil), b[5:5+n]...), b[5+n:], nil
	case bsonRegexp:
		_, b, err := cstring(b)
		if err == nil {
			_, b, err = cstring(b)
		}
		return nil, b, err
	}
	n, ok := bsonSizes[typ]
	if !ok || len(b) < n {
		return nil, nil, fmt.Errorf("%w: an element has the type %d", errBson, typ)
	}
	return bsonScalar(typ, b[:n]), b[n:], nil
}

func bsonScalar(typ byte, b []byte) any {
	switch typ {
	case bsonDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case bsonBool:
		return truth(b[0] != 0)
	case bsonInt32:
		return float64(int32(binary.LittleEndian.Uint32(b))) //nolint:gosec // it is signed
	case bsonInt64, bsonDate:
		return float64(int64(binary.LittleEndian.Uint64(b))) //nolint:gosec // it is signed
	case bsonTimestamp: // seconds stand in the higher half
		return float64(binary.LittleEndian.Uint64(b) >> 32)
	}
	return nil
}

// field is one of a document that is written: the order counts, as the first is the command.
type field struct {
	name  string
	value any // string, int32, []byte, []field
}

func appendBson(dst []byte, fields ...field) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, f := range fields {
		name := f.name + "\x00"
		switch v := f.value.(type) {
		case string:
			dst = append(append(dst, bsonString), name...)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v)+1)) //nolint:gosec // short
			dst = append(append(dst, v...), 0)
		case int32:
			dst = append(append(dst, bsonInt32), name...)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(v)) //nolint:gosec // its bits
		case []byte:
			dst = append(append(dst, bsonBinary), name...)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v))) //nolint:gosec // short
			dst = append(append(dst, 0), v...)
		case []field:
			dst = append(append(dst, bsonDocument), name...)
			dst = appendBson(dst, v...)
		default:
			panic("BUG: a field of type " + strconv.Quote(fmt.Sprintf("%T", v)))
		}
	}
	dst = append(dst, 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start)) //nolint:gosec // short
	return dst
}
