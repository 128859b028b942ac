// Package thrifttest writes Thrift, for the tests of those who read it.
package thrifttest

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/hulotte-dev/hulotte/internal/thrift"
)

// Struct is a struct: an id, which is an int, and a value in turn, in the order in which they are written. A value is a bool, int8, int16, int32,
// int64, float64, string, Struct, List or Map.
type Struct []any

// List is a list of values of one type.
type List []any

// Map is keys and values in turn.
type Map []any

// Binary returns the value in the binary encoding.
func Binary(v any) []byte { return appendBinary(nil, v) }

// Compact returns the value in the compact encoding.
func Compact(v any) []byte { return appendCompact(nil, v) }

// BinaryMessage returns a message in the binary encoding, of the form with a version or the old one.
func BinaryMessage(strict bool, name string, kind int, args Struct) []byte {
	var out []byte
	if strict {
		out = binary.BigEndian.AppendUint32(nil, 0x80010000|uint32(kind)) //nolint:gosec // a test's
		out = appendBinary(out, name)
	} else {
		out = append(appendBinary(out, name), byte(kind)) //nolint:gosec // a test's
	}
	return appendBinary(appendBinary(out, int32(7)), args)
}

// CompactMessage returns a message in the compact encoding.
func CompactMessage(name string, kind int, args Struct) []byte {
	return appendCompact(appendCompact([]byte{0x82, byte(kind<<5 | 1), 7}, name), args) //nolint:gosec // a test's
}

func typeOf(v any) thrift.Type {
	switch v.(type) {
	case bool:
		return thrift.Bool
	case int8:
		return thrift.I8
	case int16:
		return thrift.I16
	case int32:
		return thrift.I32
	case int64:
		return thrift.I64
	case float64:
		return thrift.Double
	case string:
		return thrift.Text
	case Struct:
		return thrift.Struct
	case List:
		return thrift.List
	case Map:
		return thrift.Map
	}
	panic(fmt.Sprintf("BUG: Thrift has no %T", v))
}

func typeOfFirst(list []any, i int) thrift.Type {
	if len(list) <= i {
		return thrift.I8
	}
	return typeOf(list[i])
}

func appendBinary(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	case int8:
		return append(b, byte(v))
	case int16:
		return binary.BigEndian.AppendUint16(b, uint16(v)) //nolint:gosec // its bits
	case int32:
		return binary.BigEndian.AppendUint32(b, uint32(v)) //nolint:gosec // its bits
	case int64:
		return binary.BigEndian.AppendUint64(b, uint64(v)) //nolint:gosec // its bits
	case float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	case string:
		return append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...) //nolint:gosec // a test's
	case Struct:
		for i := 0; i < len(v); i += 2 {
			b = binary.BigEndian.AppendUint16(append(b, byte(typeOf(v[i+1]))), uint16(v[i].(int))) //nolint:gosec // its bits
			b = appendBinary(b, v[i+1])
		}
		return append(b, 0)
	case List:
		b = binary.BigEndian.AppendUint32(append(b, byte(typeOfFirst(v, 0))), uint32(len(v))) //nolint:gosec // a test's
		return appendAll(b, v, appendBinary)
	case Map:
		b = append(b, byte(typeOfFirst(v, 0)), byte(typeOfFirst(v, 1)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)/2)) //nolint:gosec // a test's
		return appendAll(b, v, appendBinary)
	}
	panic(fmt.Sprintf("BUG: Thrift has no %T", v))
}

func appendAll(b []byte, list []any, f func([]byte, any) []byte) []byte {
	for _, v := range list {
		b = f(b, v)
	}
	return b
}

// compactNumbers are the numbers of the types in the compact encoding.
var compactNumbers = map[thrift.Type]byte{
	thrift.Bool: 1, thrift.I8: 3, thrift.I16: 4, thrift.I32: 5, thrift.I64: 6, thrift.Double: 7,
	thrift.Text: 8, thrift.List: 9, thrift.Map: 11, thrift.Struct: 12,
}

func appendCompact(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, 1)
		}
		return append(b, 2)
	case int8:
		return append(b, byte(v))
	case int16:
		return binary.AppendVarint(b, int64(v))
	case int32:
		return binary.AppendVarint(b, int64(v))
	case int64:
		return binary.AppendVarint(b, v)
	case float64:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	case string:
		return append(binary.AppendUvarint(b, uint64(len(v))), v...)
	case Struct:
		return compactStruct(b, v)
	case List:
		number := compactNumbers[typeOfFirst(v, 0)]
		if len(v) < 15 {
			b = append(b, byte(len(v))<<4|number)
		} else {
			b = binary.AppendUvarint(append(b, 15<<4|number), uint64(len(v)))
		}
		return appendAll(b, v, appendCompact)
	case Map:
		if len(v) == 0 {
			return append(b, 0)
		}
		b = binary.AppendUvarint(b, uint64(len(v)/2))
		b = append(b, compactNumbers[typeOf(v[0])]<<4|compactNumbers[typeOf(v[1])])
		return appendAll(b, v, appendCompact)
	}
	panic(fmt.Sprintf("BUG: Thrift has no %T", v))
}

func compactStruct(b []byte, v Struct) []byte {
	last := 0
	for i := 0; i < len(v); i += 2 {
		id, value := v[i].(int), v[i+1]
		number := compactNumbers[typeOf(value)]
		truth, isBool := value.(bool)
		if isBool && !truth {
			number = 2
		}
		if delta := id - last; delta > 0 && delta < 16 {
			b = append(b, byte(delta)<<4|number) //nolint:gosec // below 16
		} else {
			b = binary.AppendVarint(append(b, number), int64(id))
		}
		if last = id; !isBool {
			b = appendCompact(b, value)
		}
	}
	return append(b, 0)
}
