// Package wire walks protocol buffer messages without building objects. A message is a sequence of fields:
//
//	key = varint(number << 3 | wire type), then by wire type
//	0: varint      1: 8 bytes little endian      2: varint length, bytes      5: 4 bytes little endian
//
// (https://protobuf.dev/programming-guides/encoding). Groups, wire types 3 and 4, are refused.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"
)

// The wire types.
const (
	Varint  = 0
	Fixed64 = 1
	Bytes   = 2
	Fixed32 = 5
)

// What can be wrong with a message.
var (
	ErrTruncated   = errors.New("the message ends in the middle of a field")
	ErrVarint      = errors.New("a varint is longer than 64 bits")
	ErrWireType    = errors.New("a field has a wire type that its message does not allow")
	ErrFieldNumber = errors.New("a field has the number 0 or one beyond 2^29")
	ErrDepth       = errors.New("messages are nested too deeply")
)

// Fields walks the fields of one message without copying: Bytes is a slice of the message.
//
//	f := wire.Fields{Rest: message}
//	for f.Next() { switch f.Num { ... } }
//	if f.Err != nil { ... }
type Fields struct {
	Rest []byte
	Err  error

	// The field that Next found.
	Num   uint32
	Wire  uint8
	Value uint64 // of a varint or fixed field
	Bytes []byte // of a length-delimited field
}

// Next goes to the next field. It answers false at the end, and when the message is broken, which Err tells.
func (f *Fields) Next() bool {
	if len(f.Rest) == 0 || f.Err != nil {
		return false
	}
	key, ok := f.Uvarint()
	if !ok {
		return false
	}
	f.Wire = uint8(key & 7)
	num := key >> 3
	if num == 0 || num > 1<<29-1 {
		return f.Fail(ErrFieldNumber)
	}
	f.Num = uint32(num)
	switch f.Wire {
	case Bytes:
		return f.delimited()
	case Varint:
		f.Value, ok = f.Uvarint()
		return ok
	case Fixed64:
		if len(f.Rest) < 8 {
			return f.Fail(ErrTruncated)
		}
		f.Value = binary.LittleEndian.Uint64(f.Rest)
		f.Rest = f.Rest[8:]
		return true
	case Fixed32:
		if len(f.Rest) < 4 {
			return f.Fail(ErrTruncated)
		}
		f.Value = uint64(binary.LittleEndian.Uint32(f.Rest))
		f.Rest = f.Rest[4:]
		return true
	}
	return f.Fail(ErrWireType)
}

func (f *Fields) delimited() bool {
	n, ok := f.Uvarint()
	if !ok {
		return false
	}
	if n > uint64(len(f.Rest)) {
		return f.Fail(ErrTruncated)
	}
	f.Bytes, f.Rest = f.Rest[:n:n], f.Rest[n:]
	return true
}

// Uvarint takes a varint off Rest, as packed fields hold them. It answers false when there is none, which Err tells.
func (f *Fields) Uvarint() (uint64, bool) {
	if len(f.Rest) > 0 && f.Rest[0] < 0x80 { // most keys and lengths
		v := uint64(f.Rest[0])
		f.Rest = f.Rest[1:]
		return v, true
	}
	v, n := binary.Uvarint(f.Rest)
	if n <= 0 {
		if n == 0 {
			return 0, f.Fail(ErrTruncated)
		}
		return 0, f.Fail(ErrVarint)
	}
	f.Rest = f.Rest[n:]
	return v, true
}

// Fail ends the walk with err.
func (f *Fields) Fail(err error) bool {
	f.Err = err
	return false
}

// Want says whether the field has the wire type that its message gives it; another ends the walk with an error.
func (f *Fields) Want(wire uint8) bool { return f.Wire == wire || f.Fail(ErrWireType) }

// Is says whether the field has the number num and the wire type that its message gives it; another wire type
// ends the walk with an error.
func (f *Fields) Is(num uint32, wire uint8) bool {
	return f.Num == num && f.Want(wire)
}

// Text is Bytes as a string that lies in the message.
func (f *Fields) Text() string { return unsafe.String(unsafe.SliceData(f.Bytes), len(f.Bytes)) }

// Float is Value as the number that a double is.
func (f *Fields) Float() float64 { return math.Float64frombits(f.Value) }

// AppendBytes appends a length-delimited field to a message.
func AppendBytes(dst []byte, num uint32, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(num)<<3|Bytes)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// AppendVarint appends a varint field to a message.
func AppendVarint(dst []byte, num uint32, v uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(num)<<3|Varint), v)
}

// AppendFixed64 appends a field of 8 bytes to a message.
func AppendFixed64(dst []byte, num uint32, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, uint64(num)<<3|Fixed64), v)
}

// AppendFixed32 appends a field of 4 bytes to a message.
func AppendFixed32(dst []byte, num, v uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.AppendUvarint(dst, uint64(num)<<3|Fixed32), v)
}

// Begin begins a message that is the field num of another, and returns where it begins. Its length gets one byte, which is enough for most.
//
//	dst, m := wire.Begin(dst, 5)
//	dst = appendFields(dst)
//	dst = wire.End(dst, m)
func Begin(dst []byte, num uint32) ([]byte, int) {
	dst = binary.AppendUvarint(dst, uint64(num)<<3|Bytes)
	return append(dst, 0), len(dst) + 1
}

// End ends the message that begins at m: it writes its length, and moves it where that needs more than a byte.
func End(dst []byte, m int) []byte {
	n := len(dst) - m
	if n < 0x80 {
		dst[m-1] = byte(n)
		return dst
	}
	var length [binary.MaxVarintLen64]byte
	k := binary.PutUvarint(length[:], uint64(n)) //nolint:gosec // not negative
	dst = append(dst, length[1:k]...)            // room
	copy(dst[m-1+k:], dst[m:m+n])
	copy(dst[m-1:], length[:k])
	return dst
}
