package remotewrite

import (
	"encoding/binary"
	"errors"
	"math"
)

// A protocol buffer message is a sequence of fields:
//
//	key = varint(number << 3 | wire type), then by wire type
//	0: varint      1: 8 bytes little endian      2: varint length, bytes      5: 4 bytes little endian
//
// (https://protobuf.dev/programming-guides/encoding). Groups, wire types 3 and 4, are in no remote write message
// and are refused.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var (
	errTruncated   = errors.New("the message ends in the middle of a field")
	errVarint      = errors.New("a varint is longer than 64 bits")
	errWireType    = errors.New("a field has a wire type that its message does not allow")
	errFieldNumber = errors.New("a field has the number 0 or one beyond 2^29")
)

// fields walks the fields of one message without copying: bytes is a slice of the message.
//
//	for f.next() { switch f.num { ... } }
//	if f.err != nil { ... }
type fields struct {
	rest []byte
	err  error

	// The field that next found.
	num   uint32
	wire  uint8
	value uint64 // of a varint or fixed field
	bytes []byte // of a length-delimited field
}

func (f *fields) next() bool {
	if len(f.rest) == 0 || f.err != nil {
		return false
	}
	key, ok := f.varint()
	if !ok {
		return false
	}
	f.wire = uint8(key & 7)
	if num := key >> 3; num == 0 || num > 1<<29-1 {
		return f.fail(errFieldNumber)
	} else {
		f.num = uint32(num)
	}
	switch f.wire {
	case wireVarint:
		f.value, ok = f.varint()
		return ok
	case wireBytes:
		return f.delimited()
	case wireFixed64:
		if len(f.rest) < 8 {
			return f.fail(errTruncated)
		}
		f.value = binary.LittleEndian.Uint64(f.rest)
		f.rest = f.rest[8:]
		return true
	case wireFixed32:
		if len(f.rest) < 4 {
			return f.fail(errTruncated)
		}
		f.value = uint64(binary.LittleEndian.Uint32(f.rest))
		f.rest = f.rest[4:]
		return true
	}
	return f.fail(errWireType)
}

func (f *fields) delimited() bool {
	n, ok := f.varint()
	if !ok {
		return false
	}
	if n > uint64(len(f.rest)) {
		return f.fail(errTruncated)
	}
	f.bytes, f.rest = f.rest[:n:n], f.rest[n:]
	return true
}

func (f *fields) varint() (uint64, bool) {
	if len(f.rest) > 0 && f.rest[0] < 0x80 { // most keys and lengths
		v := uint64(f.rest[0])
		f.rest = f.rest[1:]
		return v, true
	}
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		if n == 0 {
			return 0, f.fail(errTruncated)
		}
		return 0, f.fail(errVarint)
	}
	f.rest = f.rest[n:]
	return v, true
}

func (f *fields) fail(err error) bool {
	f.err = err
	return false
}

// want says whether the field has the wire type that its message gives it, and fails the walk when not.
func (f *fields) want(wire uint8) bool {
	if f.wire == wire {
		return true
	}
	return f.fail(errWireType)
}

func (f *fields) float() float64 { return math.Float64frombits(f.value) }

// appendBytesField appends a length-delimited field to a message.
func appendBytesField(dst []byte, num uint32, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(num)<<3|wireBytes)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}
