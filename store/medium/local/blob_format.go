package local

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// A blob's file. The content comes first, so that what is mapped begins on a page and the offsets of the content are those
// of the file; everything else is known only when the content has ended, and follows it. Numbers are little-endian,
// checksums are CRC32C (Castagnoli), which processors compute by themselves.
//
//	offset                bytes     what
//	0                     size      content
//	size                  4*chunks  table: the checksum of each chunk; chunks = ceil(size / chunk size)
//	size + 4*chunks       n         name of the blob
//	length of file - 44   4         magic "HLTB"
//	               - 40   4         version, 1
//	               - 36   8         size of the content
//	               - 28   8         expires: seconds since 1970, or the least int64 for never
//	               - 20   4         expires: nanoseconds beside them, 0 to 999,999,999
//	               - 16   4         chunk size
//	               - 12   4         n, length of the name, 1 to 512
//	               -  8   4         checksum of the table
//	               -  4   4         checksum of the name and of the footer up to here
//
// The name is kept so that a file that was moved is not taken for another blob. The table's own checksum is for Verify: reading
// does without it, since a chunk whose entry is damaged fails by itself and leaves the others readable.
const (
	blobMagic      = "HLTB"
	blobVersion    = 1
	blobFooterSize = 44
	blobNever      = math.MinInt64

	// blobChunkSize is what one checksum covers. The first touch of a byte costs reading and summing up its chunk: 64 KiB are
	// some 5 µs of CPU and half of what Linux reads ahead anyway (128 KiB), so that a small range costs hardly more than the
	// page it lies on, and damage costs 64 KiB. The table is 0.006 % of the file, 1 MiB at most.
	blobChunkSize = 64 << 10

	// The chunk sizes that are believed when read. Below, a table could be as large as the content; above, one flipped bit
	// would cost too much. Only blobChunkSize is written today.
	minBlobChunkSize = 4 << 10
	maxBlobChunkSize = 16 << 20
)

// blobFooter is what a blob's file says of itself.
type blobFooter struct {
	name      string
	size      int64
	expires   time.Time // zero is never
	chunkSize int64
	tableSum  uint32
}

func (f blobFooter) chunks() int64 { return chunksOf(f.size, f.chunkSize) }

func chunksOf(size, chunkSize int64) int64 { return (size + chunkSize - 1) / chunkSize }

// fileSize returns how long the file has to be.
func (f blobFooter) fileSize() int64 {
	return f.size + 4*f.chunks() + int64(len(f.name)) + blobFooterSize
}

func (f blobFooter) info() medium.BlobInfo {
	return medium.BlobInfo{Name: f.name, Size: f.size, Expires: f.expires}
}

// appendChunkSums appends the entries of the table for content, which begins at a chunk's beginning.
func appendChunkSums(dst, content []byte) []byte {
	for chunk := range slices.Chunk(content, blobChunkSize) {
		dst = binary.LittleEndian.AppendUint32(dst, crc32c(chunk))
	}
	return dst
}

func appendBlobFooter(dst []byte, f blobFooter) []byte {
	start := len(dst)
	dst = append(dst, f.name...)
	dst = append(dst, blobMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, blobVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.size))
	seconds, nanos := int64(blobNever), 0
	if !f.expires.IsZero() {
		seconds, nanos = f.expires.Unix(), f.expires.Nanosecond()
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(seconds))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(nanos))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.chunkSize))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.name)))
	dst = binary.LittleEndian.AppendUint32(dst, f.tableSum)
	return binary.LittleEndian.AppendUint32(dst, crc32c(dst[start:]))
}

// maxBlobTail is how many bytes at a file's end hold any footer with its name.
const maxBlobTail = medium.MaxName + blobFooterSize

// parseBlobFooter reads the footer of a file of fileSize bytes, of which tail is the end: maxBlobTail bytes, or the whole
// file when it is shorter. The errors say what is wrong, and are for ErrCorrupt to be wrapped around.
func parseBlobFooter(tail []byte, fileSize int64) (blobFooter, error) {
	if len(tail) < blobFooterSize {
		return blobFooter{}, fmt.Errorf("the file has %d bytes, less than a footer: it was cut", len(tail))
	}
	b := tail[len(tail)-blobFooterSize:]
	if string(b[:4]) != blobMagic {
		return blobFooter{}, fmt.Errorf("the footer does not begin with %q: the file was cut, or is not a blob", blobMagic)
	}
	n := int64(binary.LittleEndian.Uint32(b[32:]))
	if n < 1 || n > medium.MaxName || n > int64(len(tail)-blobFooterSize) {
		return blobFooter{}, fmt.Errorf("the footer names a blob of %d bytes, which cannot be", n)
	}
	named := tail[int64(len(tail))-blobFooterSize-n:]
	if got, want := crc32c(named[:len(named)-4]), binary.LittleEndian.Uint32(b[40:]); got != want {
		return blobFooter{}, fmt.Errorf("the footer's checksum is %08x, not %08x", got, want)
	}
	f := blobFooter{
		name:      string(named[:n]),
		size:      int64(binary.LittleEndian.Uint64(b[8:])),
		chunkSize: int64(binary.LittleEndian.Uint32(b[28:])),
		tableSum:  binary.LittleEndian.Uint32(b[36:]),
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != blobVersion {
		return blobFooter{}, fmt.Errorf("the footer has version %d, this program reads version %d", v, blobVersion)
	}
	if seconds := int64(binary.LittleEndian.Uint64(b[16:])); seconds != blobNever {
		f.expires = time.Unix(seconds, int64(binary.LittleEndian.Uint32(b[24:]))).UTC()
	}
	return f, checkBlobFooter(f, binary.LittleEndian.Uint32(b[24:]), fileSize)
}

func checkBlobFooter(f blobFooter, nanos uint32, fileSize int64) error {
	switch {
	case f.size < 0 || f.size > medium.MaxBlob:
		return fmt.Errorf("the footer gives a size of %d bytes, which cannot be", f.size)
	case f.chunkSize < minBlobChunkSize || f.chunkSize > maxBlobChunkSize:
		return fmt.Errorf("the footer gives chunks of %d bytes, which cannot be", f.chunkSize)
	case nanos >= 1e9:
		return fmt.Errorf("the footer gives %d nanoseconds, which cannot be", nanos)
	case f.fileSize() != fileSize:
		return fmt.Errorf("the file has %d bytes, not the %d of its footer", fileSize, f.fileSize())
	}
	if err := medium.ValidName(f.name); err != nil {
		return fmt.Errorf("the footer's name cannot be: %w", err)
	}
	return nil
}

// sizeByFile returns the size of the content as far as the length of the file and the name tell it: for a list that should
// go on although a footer is damaged.
func sizeByFile(fileSize int64, name string) int64 {
	rest := fileSize - int64(len(name)) - blobFooterSize
	chunks := chunksOf(max(rest, 0), blobChunkSize+4)
	return max(rest-4*chunks, 0)
}
