package cassandra

import (
	"encoding/binary"
	"fmt"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// decoder takes numbers off the front of bytes that come from outside; bad stays set after the first that is not there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", medium.ErrCorrupt, fmt.Sprintf(format, args...))
}
