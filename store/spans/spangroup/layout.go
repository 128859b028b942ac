// Package spangroup keeps up to MaxSpans spans as columns and searches them there.
//
// A group is its directory and, behind it, sections that are compressed each on its own, so that a search reads what it needs alone. The directory
// holds what decides whether a group can be left out: the resources, the names, the range of times and durations, which attributes there are, and
// their values where they are few.
package spangroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// MaxSpans is how many spans a group has at most.
const MaxSpans = 8192

// Summary is what whoever keeps groups should know without opening them.
type Summary struct {
	Spans, Traces int
	First, Last   int64    // the first and the last start, nanoseconds since the epoch
	Directory     int64    // bytes from the group's beginning
	TraceHashes   []uint64 // one for each trace, as HashTrace has it
}

// HashTrace is a hash of an id, evenly spread also where ids are not.
func HashTrace(id model.TraceID) uint64 {
	x := binary.LittleEndian.Uint64(id[:8]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(id[8:]), 29)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9 // the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// The sections that every group has. Those of the columns follow, one each.
const (
	secTraces    = iota // 16 bytes an id, then for each uvarint number of spans
	secIDs              // 8 bytes each
	secParents          // uvarint each: 0 none, 1 not in the trace here, else 2 + its row within the trace; then 8 bytes for each that is not here
	secStarts           // the first: varint since the group's first start for each trace; then uvarint since the one before
	secDurations        // varint each
	secNames            // code each
	secKinds            // 2 bytes each: kind and status
	secOwners           // code each
	secShapes           // code each
	secExtra            // uvarint number, then for each: uvarint row, flags, texts of message and state, dropped attributes, events, links
	secEvents           // spancodec's events of each
	secLinks            // spancodec's links of each
	fixedSections
)

// How a column is written.
const (
	columnDictionary = iota // the values are in the directory, codes in the section
	columnIntegers          // varint each
	columnFloats            // 8 bytes each
	columnTexts             // uvarint length each, then all bytes
	columnValues            // spancodec's values
)

const (
	// mostDictionary bounds the values of a dictionary, and mostDictionaryBytes what they take in the directory.
	mostDictionary      = 512
	mostDictionaryBytes = 16 << 10

	formatVersion = 1
	headSize      = 4 + 4 + 4 // CRC-32C of the rest of the directory, version, length of the directory uncompressed

	// maxSection bounds what is uncompressed at once.
	maxSection = 128 << 20
)

// section is where a section lies behind the directory.
type section struct {
	offset, stored, raw int64
	sum                 uint32
}

// column is one attribute of spans. A key that a span has twice has two.
type column struct {
	key        string
	occurrence int
	how        byte
	spans      int
	min, max   int64         // of integers
	values     []model.Value // of a dictionary
}

// owner is a resource with a scope.
type owner struct {
	resource *model.Resource
	scope    *model.Scope
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: a group of spans: %s", medium.ErrCorrupt, fmt.Sprintf(format, args...))
}

// Both are safe for concurrent use as EncodeAll and DecodeAll. Their options are constants: they cannot fail.
var (
	compressor, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	decompressor, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxSection))
)

// Group is an encoded group. It is safe for concurrent use.
type Group struct {
	r        io.ReaderAt
	at       int64 // where the sections begin
	summary  Summary
	sections []section
	owners   []owner
	names    []string
	shapes   [][]uint32 // columns in the order of the attributes
	columns  []column
	fields   []store.SpanFieldInfo
	kinds    uint64 // bit 8*kind+status for what there is, where both are known
	shortest int64
	longest  int64
}

// Summary is that of Encode, without hashes.
func (g *Group) Summary() Summary { return g.summary }

// read returns a section.
func (g *Group) read(n int, stats *store.SpanStats) ([]byte, error) {
	s := &g.sections[n]
	if s.stored == 0 {
		return nil, nil
	}
	stored := make([]byte, s.stored)
	if _, err := g.r.ReadAt(stored, g.at+s.offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read a group of spans: %w", err)
	}
	if stats != nil {
		stats.BytesRead += s.stored
	}
	if crc32.Checksum(stored, castagnoli) != s.sum {
		return nil, corrupt("section %d does not match its checksum", n)
	}
	if s.raw == 0 {
		return stored, nil // it is not compressed
	}
	raw, err := decompressor.DecodeAll(stored, make([]byte, 0, s.raw))
	if err != nil || int64(len(raw)) != s.raw {
		return nil, corrupt("section %d cannot be uncompressed: %v", n, err)
	}
	return raw, nil
}

// codeSize is how many bytes a code of n different ones takes.
func codeSize(n int) int {
	if n <= 1 {
		return 0
	}
	if n <= 1<<8 {
		return 1
	}
	return 2
}

func appendCodes(dst []byte, codes []uint32, n int) []byte {
	for _, c := range codes {
		switch codeSize(n) {
		case 1:
			dst = append(dst, byte(c))
		case 2:
			dst = append(dst, byte(c), byte(c>>8))
		}
	}
	return dst
}

// decodeCodes reads count codes of n different ones.
func decodeCodes(b []byte, count, n int) ([]uint32, error) {
	size := codeSize(n)
	if len(b) != count*size || n == 0 && count > 0 {
		return nil, corrupt("%d codes in %d bytes", count, len(b))
	}
	out := make([]uint32, count)
	for i := range out {
		switch size {
		case 1:
			out[i] = uint32(b[i])
		case 2:
			out[i] = uint32(b[2*i]) | uint32(b[2*i+1])<<8
		}
		if int(out[i]) >= n {
			return nil, corrupt("a code that is not in its dictionary")
		}
	}
	return out, nil
}
