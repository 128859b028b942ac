package cassandra

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

const (
	rowVersion = 1
	// maxRowPayload is where a row of a journal is cut. Larger rows are fewer requests; but a row is a single value to the server, which holds it several
	// times in memory while it is written (Cassandra refuses mutations above half a commit log segment, 16 MiB by default).
	maxRowPayload = 512 << 10
	// maxRowBytes is what a decoder takes: more was never written.
	maxRowBytes = maxRowPayload + maxRowHead
	maxRowHead  = 2 + 6*binary.MaxVarintLen64 + 4
	rowFragment = 1 // flag: the row has a piece of one entry that is larger than a row
)

// row is one row of journal_rows: some entries one behind the other, or a piece of a large one.
//
//	1 byte   version, 1
//	1 byte   flags: 1 fragment
//	uvarint  watermark: rows of the segment below this number were acknowledged when this one was written
//	uvarint  position of the first entry
//	uvarint  position of the last entry minus that of the first
//	uvarint  number of entries; 1 for a fragment
//	fragment: uvarint bytes of the entry, uvarint where in it this piece begins
//	payload, up to 4 bytes before the end:
//	   entries:  each: uvarint position minus the previous one's (0 for the first), uvarint bytes, the bytes
//	   fragment: the bytes
//	4 bytes  CRC32C of the journal's id (16 bytes), the segment and the number of the row (8 bytes each, big endian), and all of the above
//
// The key is in the checksum so that a row which turns up in another's place is not taken for it.
type row struct {
	watermark   uint64
	first, last medium.Position
	count       uint64
	fragment    bool
	total, off  uint64 // of a fragment
	payload     []byte
}

// rowKey is where a row stands.
type rowKey struct {
	id      gocql.UUID
	segment uint64
	seq     uint64
}

func (k rowKey) String() string {
	return fmt.Sprintf("journal_rows: id=%s segment=%d seq=%d", k.id, k.segment, k.seq)
}

func (k rowKey) checksum(data []byte) uint32 {
	var b [32]byte
	copy(b[:], k.id[:])
	binary.BigEndian.PutUint64(b[16:], k.segment)
	binary.BigEndian.PutUint64(b[24:], k.seq)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, data)
}

func (r *row) appendHead(b []byte) []byte {
	var flags byte
	if r.fragment {
		flags |= rowFragment
	}
	b = append(b, rowVersion, flags)
	b = binary.AppendUvarint(b, r.watermark)
	b = binary.AppendUvarint(b, uint64(r.first))
	b = binary.AppendUvarint(b, uint64(r.last-r.first))
	b = binary.AppendUvarint(b, r.count)
	if r.fragment {
		b = binary.AppendUvarint(b, r.total)
		b = binary.AppendUvarint(b, r.off)
	}
	return b
}

// decodeRow checks everything but the entries inside; payload is part of data.
func decodeRow(key rowKey, data []byte) (row, error) {
	var r row
	if len(data) < 2+4+4 || len(data) > maxRowBytes {
		return r, corrupt("it has %d bytes, which no row has", len(data))
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if got := key.checksum(body); got != sum {
		return r, corrupt("its checksum is %08x, its bytes have %08x", sum, got)
	}
	if body[0] != rowVersion {
		return r, corrupt("it has version %d of the format, this program reads %d", body[0], rowVersion)
	}
	if body[1] > rowFragment {
		return r, corrupt("it has unknown flags %x", body[1])
	}
	d := decoder{b: body[2:]}
	r.fragment = body[1] == rowFragment
	r.watermark = d.uvarint()
	r.first = medium.Position(d.uvarint())
	length := d.uvarint()
	r.last = r.first + medium.Position(length)
	r.count = d.uvarint()
	if r.fragment {
		r.total, r.off = d.uvarint(), d.uvarint()
	}
	r.payload = d.b
	if d.bad || !r.sound(length) {
		return r, corrupt("its head makes no sense")
	}
	return r, nil
}

func (r *row) sound(length uint64) bool {
	n := uint64(len(r.payload))
	switch {
	case r.first == 0, r.last < r.first, r.count == 0, r.count-1 > length:
		return false
	case r.fragment:
		return r.count == 1 && length == 0 && r.total <= medium.MaxEntry && r.off <= r.total && n > 0 && n <= r.total-r.off
	}
	return r.count <= n/2
}

func (r *row) lastFragment() bool { return r.off+uint64(len(r.payload)) == r.total }

// entries calls f for each entry in order, up to f's first error, which it returns.
func (r *row) entries(f func(medium.Position, []byte) error) error {
	d := decoder{b: r.payload}
	at := r.first
	for i := range r.count {
		gap, n := d.uvarint(), d.uvarint()
		if d.bad || n > uint64(len(d.b)) || (gap == 0) != (i == 0) || gap > uint64(r.last-at) {
			return corrupt("entry %d of %d in it makes no sense", i+1, r.count)
		}
		at += medium.Position(gap)
		entry := d.b[:n:n]
		d.b = d.b[n:]
		if err := f(at, entry); err != nil {
			return err
		}
	}
	if len(d.b) > 0 || at != r.last {
		return corrupt("it has %d bytes behind its last entry, at position %d of %d", len(d.b), at, r.last)
	}
	return nil
}

func appendEntry(b []byte, gap uint64, entry []byte) []byte {
	b = binary.AppendUvarint(b, gap)
	b = binary.AppendUvarint(b, uint64(len(entry)))
	return append(b, entry...)
}
