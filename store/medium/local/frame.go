package local

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// This file is the format of every file here that grows at its end: the segments of journals and the log of documents. A
// file is one header and then records; scanFile (frame_scan.go) reads it back and says what of it is sound.
//
// What the fields are for:
//   - Every record begins with the file's mark, four random bytes. It tells where to go on after damage, and bytes that
//     another file left in the same place, or that somebody wrote as an entry, are never taken for a record.
//   - The header of a record has a checksum of its own, so that its length can be believed before the payload is read: a
//     flip in a payload costs that record and nothing else.
//   - A record has its sequence number, which only grows within a file. So it is known where reading goes on behind damage.
//   - unsynced says how many of the bytes right before the record were not known to be on the disk when it was written. Whatever
//     lies before them was acknowledged (or could have been); what lies within them may be half there after a power cut.
//   - The header names the file before it and how many of its bytes count, so that a missing file is noticed, and so that
//     the end of a file is known for good once there is a next one.
//   - A closing record, written with unsynced 0 when the file ends in good order, does the same for the last file.
//
// Torn or damaged? Bytes that are no sound record are
//   - damage, when a later record, a closing record or the next file's header says that they were on the disk;
//   - torn, when nothing says so and they look as an interrupted write does: they run past the end of the file, or a whole
//     sector (512 bytes, as far as it lies within them) is zero, because files here grow into zeros only; or they are the last of the
//     file, and are shorter than a record's header or end in a zero. The file ends where they begin: records behind them come from
//     the same interrupted write and were not acknowledged;
//   - damage in all other cases: a flipped bit does not make a sector zero.
//
// What this cannot tell: damage to the very last group of a file without an orderly end looks torn when that group
// holds a sector of zeros of its own, or ends in a zero; and so does a last file that was cut short from outside, with its closing record.

// File header, 64 bytes; all numbers are little-endian:
//
//	 0        8         10     11      12     16      24        32       40        48        60    64
//	+--------+---------+------+-------+------+-------+---------+--------+---------+---------+-----+
//	| magic  | version | kind | flags | mark | first | prev    | prev   | created | zero    | crc |
//	| 8      | u16     | u8   | u8    | u32  | u64   | u64     | end u64| ms i64  | 12      | u32 |
//	+--------+---------+------+-------+------+-------+---------+--------+---------+---------+-----+
//
// first is the least sequence number that the file may hold. prev is first of the file before it, 0 when it is the first of all, and
// prev end is how many bytes of that one count. created is Unix time in milliseconds, for people. crc is the CRC32C of the 60 bytes
// before it.
const (
	fileMagic      = "\x8fHulotte"
	fileHeaderSize = 64

	// The versions that this program reads; it writes the newest.
	oldestFrameVersion = 1
	newestFrameVersion = 1
)

// frameKind says what a file is part of, so that a file in the wrong folder is not read as something else.
type frameKind uint8

const (
	journalFrames  frameKind = 1
	documentFrames frameKind = 2
	snapshotFrames frameKind = 3
)

func (k frameKind) String() string {
	switch k {
	case journalFrames:
		return "a journal's segment"
	case documentFrames:
		return "a log of documents"
	case snapshotFrames:
		return "a snapshot of documents"
	}
	return fmt.Sprintf("a file of the unknown kind %d", uint8(k))
}

// lazySync in the flags: records were acknowledged before they were on the disk, so that a power cut may have taken some
// whose sequence numbers somebody has seen.
const lazySync = 1

type fileHeader struct {
	kind    frameKind
	flags   uint8
	mark    uint32
	first   uint64
	prev    uint64
	prevEnd int64
	created int64
}

var (
	errFrameHeader  = model.NewError(model.Corrupt, "the file's header is damaged")
	errFrameVersion = model.NewError(model.Invalid, "the file's format is unknown")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc32c(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// newMark returns a random mark without a zero byte: zeros are skipped at full speed in the search for it.
func newMark() uint32 {
	var b [4]byte
	for {
		rand.Read(b[:]) // never fails, see its documentation
		if b[0] != 0 && b[1] != 0 && b[2] != 0 && b[3] != 0 {
			return binary.LittleEndian.Uint32(b[:])
		}
	}
}

func appendFileHeader(dst []byte, h fileHeader) []byte {
	start := len(dst)
	le := binary.LittleEndian
	dst = append(dst, fileMagic...)
	dst = le.AppendUint16(dst, newestFrameVersion)
	dst = append(dst, byte(h.kind), h.flags)
	dst = le.AppendUint32(dst, h.mark)
	dst = le.AppendUint64(dst, h.first)
	dst = le.AppendUint64(dst, h.prev)
	dst = le.AppendUint64(dst, uint64(h.prevEnd))
	dst = le.AppendUint64(dst, uint64(h.created))
	dst = append(dst, make([]byte, 12)...)
	return le.AppendUint32(dst, crc32c(dst[start:]))
}

// parseFileHeader reads the first fileHeaderSize bytes of a file. The error is errFrameHeader for damage; errFrameVersion for a sound header
// that this program must not read on from.
func parseFileHeader(b []byte, want frameKind) (fileHeader, error) {
	le := binary.LittleEndian
	if len(b) < fileHeaderSize {
		return fileHeader{}, fmt.Errorf("%w: it has %d bytes, a header has %d", errFrameHeader, len(b), fileHeaderSize)
	}
	if string(b[:8]) != fileMagic {
		return fileHeader{}, fmt.Errorf("%w: it does not begin with %q", errFrameHeader, fileMagic)
	}
	if got, stored := crc32c(b[:60]), le.Uint32(b[60:]); got != stored {
		return fileHeader{}, fmt.Errorf("%w: its checksum is %08x, not %08x", errFrameHeader, got, stored)
	}
	if v := le.Uint16(b[8:]); v < oldestFrameVersion || v > newestFrameVersion {
		return fileHeader{}, fmt.Errorf("%w: it has version %d, this program reads %d to %d: use the version of Hulotte that wrote it, or a newer one",
			errFrameVersion, v, oldestFrameVersion, newestFrameVersion)
	}
	h := fileHeader{
		kind: frameKind(b[10]), flags: b[11], mark: le.Uint32(b[12:]),
		first: le.Uint64(b[16:]), prev: le.Uint64(b[24:]), prevEnd: int64(le.Uint64(b[32:])), created: int64(le.Uint64(b[40:])),
	}
	if h.kind != want {
		return fileHeader{}, fmt.Errorf("%w: it is %s, and %s is expected here", errFrameVersion, h.kind, want)
	}
	if h.first == 0 || h.first > maxSequence || h.prev >= h.first || h.prevEnd < 0 {
		return fileHeader{}, fmt.Errorf("%w: first %d, previous %d to %d do not fit together", errFrameHeader, h.first, h.prev, h.prevEnd)
	}
	return h, nil
}

// Record, 28 bytes and the payload:
//
//	 0      4                     8          16         20            24           28
//	+------+---------------------+----------+----------+-------------+------------+---------
//	| mark | type:4 | length:28  | sequence | unsynced | payload crc | header crc | payload
//	| u32  | u32                 | u64      | u32      | u32         | u32        | length
//	+------+---------------------+----------+----------+-------------+------------+---------
//
// The CRCs are CRC32C: of the payload, and of the 24 bytes before. length is at most maxPayload. unsynced is in bytes; allUnsynced
// stands for everything before.
const (
	recordHeaderSize = 28
	maxPayload       = medium.MaxEntry
	lengthBits       = 28
	allUnsynced      = math.MaxUint32

	// maxSequence is far above what anybody can append, and far below where adding to it would overflow.
	maxSequence = 1 << 62
)

// recordType says what a record is.
type recordType uint8

const (
	entryRecord recordType = 1
	// closeRecord ends a file in good order. Its sequence is the next one that is to be used; it has no payload.
	closeRecord recordType = 2
	// Types 3 and 4 are for the log of documents.
	putRecord    recordType = 3
	deleteRecord recordType = 4
)

func (t recordType) known() bool { return t >= entryRecord && t <= deleteRecord }

type recordHeader struct {
	mark       uint32
	kind       recordType
	length     int
	sequence   uint64
	unsynced   uint32
	payloadCRC uint32
}

// size is what the whole record takes in the file.
func (h recordHeader) size() int64 { return recordHeaderSize + int64(h.length) }

// confirmed is the offset before which everything was on the disk when the record at offset was written.
func (h recordHeader) confirmed(offset int64) int64 {
	if h.unsynced == allUnsynced {
		return 0
	}
	return max(0, offset-int64(h.unsynced))
}

// appendRecord appends one whole record. payload has at most maxPayload bytes: the caller has checked that.
func appendRecord(dst []byte, h recordHeader, payload []byte) []byte {
	start := len(dst)
	dst = appendRecordDraft(dst, h.kind, h.sequence, payload)
	sealRecord(dst[start:], h.mark, h.unsynced)
	return dst
}

// appendRecordDraft appends a record without its mark, unsynced and header CRC, for which see sealRecord: they are known
// only when it is written, and then by someone who holds no lock.
func appendRecordDraft(dst []byte, kind recordType, sequence uint64, payload []byte) []byte {
	return appendRecordDraftCRC(dst, kind, sequence, payload, crc32c(payload))
}

func appendRecordDraftCRC(dst []byte, kind recordType, sequence uint64, payload []byte, payloadCRC uint32) []byte {
	if len(payload) > maxPayload {
		panic(fmt.Sprintf("BUG: a record's payload of %d bytes", len(payload)))
	}
	var b [recordHeaderSize]byte
	le := binary.LittleEndian
	le.PutUint32(b[4:], uint32(kind)<<lengthBits|uint32(len(payload)))
	le.PutUint64(b[8:], sequence)
	le.PutUint32(b[20:], payloadCRC)
	dst = append(dst, b[:]...)
	return append(dst, payload...)
}

// sealRecord completes the draft at the beginning of b and returns the size of the record.
func sealRecord(b []byte, mark, unsynced uint32) int {
	le := binary.LittleEndian
	le.PutUint32(b, mark)
	le.PutUint32(b[16:], unsynced)
	le.PutUint32(b[24:], crc32c(b[:24]))
	return recordHeaderSize + int(le.Uint32(b[4:])&(1<<lengthBits-1))
}

// parseRecordHeader reads a record's header at the beginning of b; ok is false when there is none. The mark is the caller's to check.
func parseRecordHeader(b []byte) (h recordHeader, ok bool) {
	if len(b) < recordHeaderSize {
		return h, false
	}
	le := binary.LittleEndian
	word := le.Uint32(b[4:])
	h = recordHeader{
		mark: le.Uint32(b), kind: recordType(word >> lengthBits), length: int(word & (1<<lengthBits - 1)),
		sequence: le.Uint64(b[8:]), unsynced: le.Uint32(b[16:]), payloadCRC: le.Uint32(b[20:]),
	}
	if !h.kind.known() || h.length > maxPayload || h.sequence == 0 || h.sequence > maxSequence {
		return h, false
	}
	return h, le.Uint32(b[24:]) == crc32c(b[:24])
}
