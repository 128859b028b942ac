// Package thrift reads Apache Thrift's two encodings from front to back without building objects: the caller says, value by value, what it wants.
//
//	r := thrift.Binary(data)
//	err := r.Struct(func(id int16, t thrift.Type) error {
//		switch {
//		case id == 1 && t == thrift.Text: name, err := r.Text(); ...
//		default: return r.Skip(t)
//		}
//	})
//
// A value is, in the binary encoding (https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md; numbers are big endian)
//
//	bool, i8: 1 byte     i16: 2     i32: 4     i64, double: 8     binary, string: i32 length, bytes
//	struct:   fields of  1 byte: type     i16: id     value     behind the last of them a byte 0
//	list, set: 1 byte: type     i32: count     values          map: 2 bytes: types     i32: count     keys and values in turn
//
// and in the compact one (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md)
//
//	bool, i8: 1 byte     i16, i32, i64: zigzag varint     double: 8, little endian     binary, string: varint length, bytes
//	struct:   fields of  4 bits: how much the id is above the last one, or 0: it follows as i16     4 bits: type     value (bool: is the type)
//	list, set: 4 bits: count, 15: it follows as varint     4 bits: type     values
//	map: varint: count; unless it is 0: 4 bits each: types     keys and values in turn
//
// Depth and counts are bounded by what the data can hold, so that false ones cost nothing.
package thrift

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// Type is the type of a value; the numbers are those of the binary encoding.
type Type byte

// The types.
const (
	stop   Type = 0
	Bool   Type = 2
	I8     Type = 3
	Double Type = 4
	I16    Type = 6
	I32    Type = 8
	I64    Type = 10
	Text   Type = 11 // binary and string
	Struct Type = 12
	Map    Type = 13
	Set    Type = 14
	List   Type = 15
)

// compactTypes are the types by the numbers that the compact encoding has for them; 1 and 2 are true and false.
var compactTypes = [16]Type{0, Bool, Bool, I8, I16, I32, I64, Double, Text, List, Set, Map, Struct}

// minSizes are the bytes that a value of a type has at least, by encoding.
var (
	minBinary  = [16]int{Bool: 1, I8: 1, I16: 2, I32: 4, I64: 8, Double: 8, Text: 4, Struct: 1, Map: 6, Set: 5, List: 5}
	minCompact = [16]int{Bool: 1, I8: 1, I16: 1, I32: 1, I64: 1, Double: 8, Text: 1, Struct: 1, Map: 1, Set: 1, List: 1}
)

// What can be wrong.
var (
	ErrTruncated = errors.New("the data end in the middle of a value")
	ErrVarint    = errors.New("a varint is longer than 64 bits")
	ErrType      = errors.New("a value has a type that Thrift does not have")
	ErrCount     = errors.New("a list says that it has more elements than the data can hold")
	ErrDepth     = errors.New("values are nested too deeply")
	ErrMessage   = errors.New("the data are no message of Thrift")
)

// maxDepth is how deep values may be nested: deeper than any protocol goes, and far from what a stack holds.
const maxDepth = 32

// Reader reads one text. It is used by one goroutine.
type Reader struct {
	data    []byte
	pos     int // of what was not read: an index, for a slice would cost the garbage collector's write barrier with every byte
	compact bool
	depth   int
	// held is the value of a bool field that the compact encoding has put into the type.
	held  bool
	holds bool
}

// Binary reads the binary encoding.
func Binary(data []byte) *Reader { return &Reader{data: data} }

// Compact reads the compact encoding.
func Compact(data []byte) *Reader { return &Reader{data: data, compact: true} }

// Rest is what was not read.
func (r *Reader) Rest() []byte { return r.data[r.pos:] }

func (r *Reader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.data)-r.pos {
		return nil, ErrTruncated
	}
	r.pos += n
	return r.data[r.pos-n : r.pos : r.pos], nil
}

func (r *Reader) byte() (byte, error) {
	if r.pos >= len(r.data) {
		return 0, ErrTruncated
	}
	r.pos++
	return r.data[r.pos-1], nil
}

func (r *Reader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.data[r.pos:])
	switch {
	case n == 0:
		return 0, ErrTruncated
	case n < 0:
		return 0, ErrVarint
	}
	r.pos += n
	return v, nil
}

// The kinds of messages.
const (
	Call   = 1
	Oneway = 4
)

// Message reads the head of a message: what is called, and how. The arguments follow, as a Struct.
//
//	binary, strict: i32: 0x80010000 | kind     text: name     i32: sequence      binary, old: text: name     i8: kind     i32: sequence
//	compact: 0x82     1 byte: kind << 5 | 1     varint: sequence     text: name
func (r *Reader) Message() (name string, kind int, err error) {
	if r.compact {
		return r.compactMessage()
	}
	head, err := r.Int(I32)
	if err != nil {
		return "", 0, err
	}
	if head >= 0 { // the length of a name
		b, err := r.take(int(head))
		if err != nil {
			return "", 0, err
		}
		k, err := r.Int(I8)
		if err != nil {
			return "", 0, err
		}
		_, err = r.Int(I32)
		return text(b), int(k), err
	}
	if uint32(head)&0xffff0000 != 0x80010000 { //nolint:gosec // its bits
		return "", 0, ErrMessage
	}
	if name, err = r.Text(); err != nil {
		return "", 0, err
	}
	_, err = r.Int(I32)
	return name, int(head & 0xff), err
}

func (r *Reader) compactMessage() (name string, kind int, err error) {
	head, err := r.take(2)
	if err != nil {
		return "", 0, err
	}
	if head[0] != 0x82 || head[1]&0x1f != 1 {
		return "", 0, ErrMessage
	}
	if _, err = r.uvarint(); err != nil {
		return "", 0, err
	}
	name, err = r.Text()
	return name, int(head[1] >> 5), err
}

// Struct reads a struct: f is called with the id and the type of each field, and must read the value.
func (r *Reader) Struct(f func(id int16, t Type) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	last := int16(0)
	for {
		id, t, err := r.field(last)
		switch {
		case err != nil:
			return err
		case t == stop:
			r.depth--
			return nil
		}
		last = id
		if err := f(id, t); err != nil {
			return err
		}
	}
}

func (r *Reader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return fmt.Errorf("%w: at most %d levels are read", ErrDepth, maxDepth)
	}
	return nil
}

func (r *Reader) field(last int16) (id int16, t Type, err error) {
	b, err := r.byte()
	if err != nil || b == 0 {
		return 0, stop, err
	}
	if !r.compact {
		if t, err = known(Type(b)); err != nil {
			return 0, 0, err
		}
		n, err := r.Int(I16)
		return int16(n), t, err //nolint:gosec // it has 16 bits
	}
	if t, err = known(compactTypes[b&0xf]); err != nil {
		return 0, 0, err
	}
	r.holds, r.held = t == Bool, b&0xf == 1
	if delta := int16(b >> 4); delta != 0 {
		return last + delta, t, nil
	}
	holds := r.holds
	n, err := r.Int(I16)
	r.holds = holds
	return int16(n), t, err //nolint:gosec // what is too large is no id that anybody knows
}

func known(t Type) (Type, error) {
	if t > List || minBinary[t] == 0 {
		return 0, fmt.Errorf("%w: %d", ErrType, t)
	}
	return t, nil
}

// List reads a list or a set: f is called before each element with the elements' type, and must read it.
func (r *Reader) List(f func(t Type) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	t, n, err := r.listHead()
	if err != nil {
		return err
	}
	r.holds = false
	for range n {
		if err := f(t); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

func (r *Reader) listHead() (Type, int, error) {
	b, err := r.byte()
	if err != nil {
		return 0, 0, err
	}
	n := uint64(b >> 4)
	t := Type(b)
	switch {
	case !r.compact:
		n, err = r.count()
	case n == 15:
		n, err = r.uvarint()
	}
	if err != nil {
		return 0, 0, err
	}
	if r.compact {
		t = compactTypes[b&0xf]
	}
	if n == 0 { // of nothing: some write it without a type
		return t, 0, nil
	}
	if t, err = known(t); err != nil {
		return 0, 0, err
	}
	return t, int(n), r.fits(n, r.min(t)) //nolint:gosec // it fits, or is not used
}

// count reads a count of the binary encoding.
func (r *Reader) count() (uint64, error) {
	n, err := r.Int(I32)
	if err == nil && n < 0 {
		return 0, ErrCount
	}
	return uint64(n), err //nolint:gosec // not negative
}

func (r *Reader) min(t Type) int {
	if r.compact {
		return minCompact[t]
	}
	return minBinary[t]
}

func (r *Reader) fits(n uint64, size int) error {
	if n > uint64((len(r.data)-r.pos)/size) { //nolint:gosec // not negative
		return fmt.Errorf("%w: %d", ErrCount, n)
	}
	return nil
}

// Bool reads a bool.
func (r *Reader) Bool() (bool, error) {
	if r.holds {
		r.holds = false
		return r.held, nil
	}
	b, err := r.byte()
	return b == 1, err
}

// Int reads an integer of the type.
func (r *Reader) Int(t Type) (int64, error) {
	if t == I8 {
		b, err := r.byte()
		return int64(int8(b)), err //nolint:gosec // two's complement
	}
	if r.compact && (t == I16 || t == I32 || t == I64) {
		r.holds = false
		u, err := r.uvarint()
		return int64(u>>1) ^ -int64(u&1), err //nolint:gosec // zigzag
	}
	switch t {
	case I16:
		b, err := r.take(2)
		if err != nil {
			return 0, err
		}
		return int64(int16(binary.BigEndian.Uint16(b))), nil //nolint:gosec // two's complement
	case I32:
		b, err := r.take(4)
		if err != nil {
			return 0, err
		}
		return int64(int32(binary.BigEndian.Uint32(b))), nil //nolint:gosec // two's complement
	case I64:
		b, err := r.take(8)
		if err != nil {
			return 0, err
		}
		return int64(binary.BigEndian.Uint64(b)), nil //nolint:gosec // two's complement
	}
	return 0, fmt.Errorf("%w: %d is no integer", ErrType, t)
}

// Double reads a double.
func (r *Reader) Double() (float64, error) {
	b, err := r.take(8)
	switch {
	case err != nil:
		return 0, err
	case r.compact:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

// Bytes reads a binary, which lies in the data.
func (r *Reader) Bytes() ([]byte, error) {
	var n uint64
	var err error
	if r.compact {
		n, err = r.uvarint()
	} else {
		var i int64
		i, err = r.Int(I32)
		n = uint64(i) //nolint:gosec // a negative one is too large
	}
	if err != nil {
		return nil, err
	}
	if n > uint64(len(r.data)-r.pos) { //nolint:gosec // not negative
		return nil, ErrTruncated
	}
	return r.take(int(n)) //nolint:gosec // it fits
}

// Text reads a string, which lies in the data.
func (r *Reader) Text() (string, error) {
	b, err := r.Bytes()
	return text(b), err
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Skip reads any value of the type and forgets it.
func (r *Reader) Skip(t Type) error {
	var err error
	switch t {
	case Bool:
		_, err = r.Bool()
	case I8, I16, I32, I64:
		_, err = r.Int(t)
	case Double:
		_, err = r.Double()
	case Text:
		_, err = r.Bytes()
	case Struct:
		return r.Struct(func(_ int16, t Type) error { return r.Skip(t) })
	case List, Set:
		return r.List(r.Skip)
	case Map:
		return r.skipMap()
	default:
		return fmt.Errorf("%w: %d", ErrType, t)
	}
	return err
}

func (r *Reader) skipMap() error {
	if err := r.enter(); err != nil {
		return err
	}
	key, value, n, err := r.mapHead()
	if err != nil {
		return err
	}
	r.holds = false
	for range n {
		if err := r.Skip(key); err != nil {
			return err
		}
		if err := r.Skip(value); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

func (r *Reader) mapHead() (key, value Type, n uint64, err error) {
	if r.compact {
		if n, err = r.uvarint(); err != nil || n == 0 {
			return 0, 0, 0, err
		}
		b, err := r.byte()
		if err != nil {
			return 0, 0, 0, err
		}
		key, value = compactTypes[b>>4], compactTypes[b&0xf]
	} else {
		b, err := r.take(2)
		if err != nil {
			return 0, 0, 0, err
		}
		key, value = Type(b[0]), Type(b[1])
		if n, err = r.count(); err != nil || n == 0 {
			return 0, 0, 0, err
		}
	}
	for _, t := range []Type{key, value} {
		if _, err := known(t); err != nil {
			return 0, 0, 0, err
		}
	}
	return key, value, n, r.fits(n, r.min(key)+r.min(value))
}
