package cassandra

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/store/medium"
)

const (
	infoVersion = 1
	// blobPartSize is how much of a blob is one row. It is stored with each blob, so that it may change.
	blobPartSize = 512 << 10
	// maxPartSize is the largest part that is read: larger ones were never written.
	maxPartSize = 1 << 20
	// chunkParts is how many parts share a partition: 32 MiB, well below the 100 MB where Cassandra begins to suffer. A blob of
	// 16 GiB has 512 partitions, which lie on all nodes.
	chunkParts = 64

	infoExpires    = 1 // flag: Expires is set
	infoTimedParts = 2 // flag: the parts are in blob_parts_expiring
)

// blobInfo is what the directory says of a blob.
//
//	1 byte    version, 1
//	1 byte    flags: 1 expires, 2 its parts are in blob_parts_expiring
//	16 bytes  id of the put, which is the key of the parts
//	uvarint   bytes of the blob
//	uvarint   bytes of a part; the last one may have less
//	expires:  varint seconds since 1970, uvarint nanoseconds
//	4 bytes   CRC32C of the blob's name and all of the above
type blobInfo struct {
	put      gocql.UUID
	size     int64
	partSize int64
	expires  time.Time // zero is never
	timed    bool
}

func (i *blobInfo) encode(name string) []byte {
	var flags byte
	if !i.expires.IsZero() {
		flags |= infoExpires
	}
	if i.timed {
		flags |= infoTimedParts
	}
	b := append([]byte{infoVersion, flags}, i.put[:]...)
	b = binary.AppendUvarint(b, uint64(i.size))
	b = binary.AppendUvarint(b, uint64(i.partSize))
	if !i.expires.IsZero() {
		b = binary.AppendVarint(b, i.expires.Unix())
		b = binary.AppendUvarint(b, uint64(i.expires.Nanosecond()))
	}
	return binary.BigEndian.AppendUint32(b, infoChecksum(name, b))
}

func infoChecksum(name string, b []byte) uint32 {
	return crc32.Update(crc32.Checksum([]byte(name), castagnoli), castagnoli, b)
}

func decodeInfo(name string, data []byte) (blobInfo, error) {
	var i blobInfo
	if len(data) < 2+16+2+4 {
		return i, corrupt("the directory's row has %d bytes, which is too few", len(data))
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if got := infoChecksum(name, body); got != sum {
		return i, corrupt("the directory's row has checksum %08x, its bytes have %08x", sum, got)
	}
	if body[0] != infoVersion || body[1] > infoExpires|infoTimedParts {
		return i, corrupt("the directory's row has version %d of the format with flags %x, this program reads version %d", body[0], body[1], infoVersion)
	}
	copy(i.put[:], body[2:])
	d := decoder{b: body[18:]}
	size, partSize := d.uvarint(), d.uvarint()
	if body[1]&infoExpires != 0 {
		seconds, nanos := d.varint(), d.uvarint()
		d.bad = d.bad || nanos >= 1e9
		i.expires = time.Unix(seconds, int64(nanos))
	}
	i.timed = body[1]&infoTimedParts != 0
	if d.bad || len(d.b) > 0 || size > medium.MaxBlob || partSize == 0 || partSize > maxPartSize {
		return i, corrupt("the directory's row makes no sense")
	}
	i.size, i.partSize = int64(size), int64(partSize)
	return i, nil
}

// parts is how many parts the blob has.
func (i *blobInfo) parts() int { return int((i.size + i.partSize - 1) / i.partSize) }

// chunks is how many partitions they are in.
func (i *blobInfo) chunks() int { return (i.parts() + chunkParts - 1) / chunkParts }

// partBytes is the length of a part.
func (i *blobInfo) partBytes(part int) int {
	return int(min(i.partSize, i.size-int64(part)*i.partSize))
}

func (i *blobInfo) table() string { return partsTable(i.timed) }

func partsTable(timed bool) string {
	if timed {
		return "blob_parts_expiring"
	}
	return "blob_parts"
}

func (i *blobInfo) public(name string) medium.BlobInfo {
	return medium.BlobInfo{Name: name, Size: i.size, Expires: i.expires}
}

const partVersion = 1

// encodePart makes the row of a part from a buffer that begins with partHead bytes of room for the head.
//
//	1 byte   version, 1
//	bytes of the blob
//	4 bytes  CRC32C of the put's id (16 bytes), the part's number (8 bytes, big endian) and all of the above
//
// The key is in the checksum so that a part which turns up in another's place is not taken for it.
func encodePart(put gocql.UUID, part int, buf []byte) []byte {
	buf[0] = partVersion
	return binary.BigEndian.AppendUint32(buf, partChecksum(put, part, buf))
}

const (
	partHead = 1
	partTail = 4
)

func partChecksum(put gocql.UUID, part int, b []byte) uint32 {
	var key [24]byte
	copy(key[:], put[:])
	binary.BigEndian.PutUint64(key[16:], uint64(part))
	return crc32.Update(crc32.Checksum(key[:], castagnoli), castagnoli, b)
}

// decodePart returns the blob's bytes in a row, which are part of data. want is how many there must be.
func decodePart(put gocql.UUID, part int, data []byte, want int) ([]byte, error) {
	if len(data) < partHead+partTail {
		return nil, corrupt("it has %d bytes, which is too few", len(data))
	}
	body, sum := data[:len(data)-partTail], binary.BigEndian.Uint32(data[len(data)-partTail:])
	if got := partChecksum(put, part, body); got != sum {
		return nil, corrupt("its checksum is %08x, its bytes have %08x", sum, got)
	}
	if body[0] != partVersion {
		return nil, corrupt("it has version %d of the format, this program reads %d", body[0], partVersion)
	}
	if got := len(body) - partHead; got != want {
		return nil, corrupt("it has %d bytes of the blob, %d are expected", got, want)
	}
	return body[partHead:len(body):len(body)], nil
}
