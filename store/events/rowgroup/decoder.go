package rowgroup

import (
	"encoding/binary"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", medium.ErrCorrupt, fmt.Sprintf(format, args...))
}

// decoder takes values off the front of stored bytes. After something that does not fit, bad is set and everything is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() {
	d.b, d.bad = nil, true
}

func (d *decoder) uvarint() uint64 {
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) varint() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

// number is an uvarint of at most limit.
func (d *decoder) number(limit uint64) uint64 {
	x := d.uvarint()
	if x > limit {
		d.fail()
		return 0
	}
	return x
}

// count is a number of things to come that take at least size bytes each: more than there is room for is damage, so that
// nothing is allocated for it.
func (d *decoder) count(limit, size int) int {
	return int(d.number(uint64(min(limit, len(d.b)/size))))
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	x := d.b[0]
	d.b = d.b[1:]
	return x
}

func (d *decoder) uint32() uint32 {
	b := d.take(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// take is the next n bytes.
func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	x := d.b[:n:n]
	d.b = d.b[n:]
	return x
}

// string is a length and that many bytes, copied.
func (d *decoder) string() string {
	return string(d.take(int(d.number(uint64(len(d.b))))))
}
