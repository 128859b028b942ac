package rowgroup

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Codec is how columns are compressed.
type Codec uint8

// The codecs.
const (
	Zstd Codec = iota // small
	S2                // a third larger, half the time to write and to search
)

// Options is how to encode; its zero value works.
type Options struct {
	Codec Codec
}

// Encoded is the three pieces of a group.
type Encoded struct {
	Data    []byte // read where a search cannot be answered without it
	Filters []byte // read by every search with a text, and together with those of the other groups of a block
	Meta    []byte // for Open
}

// Encoder makes groups. It keeps its buffers; it is for one goroutine.
type Encoder struct {
	options Options
	zstd    *zstd.Encoder
	raw     []byte
	out     Encoded
}

// NewEncoder returns an Encoder.
func NewEncoder(o Options) (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("cannot make an encoder of groups: %w", err)
	}
	return &Encoder{options: o, zstd: z}, nil
}

// Encode makes a group of rows. The result is valid until the next call. Rows that are out of order, too many or too long are
// Invalid.
func (e *Encoder) Encode(rows Rows) (Encoded, error) {
	if err := rows.check(); err != nil {
		return Encoded{}, err
	}
	e.raw = appendRows(e.raw[:0], &rows)
	e.out.Data = e.zstd.EncodeAll(e.raw, e.out.Data[:0])
	e.out.Filters = e.out.Filters[:0]
	e.out.Meta = appendMeta(e.out.Meta[:0], &rows, e.out.Data, len(e.raw))
	return e.out, nil
}

// appendRows writes, for each record, uvarint time difference, uvarint length of the line, the line, uvarint number of fields,
// and for each of them length and bytes of name and value.
func appendRows(dst []byte, rows *Rows) []byte {
	last := int64(0)
	for i, t := range rows.Times {
		dst = binary.AppendVarint(dst, t-last)
		last = t
		dst = appendString(dst, rows.Lines[i])
		fields := rows.fields(i)
		dst = binary.AppendUvarint(dst, uint64(len(fields)))
		for _, f := range fields {
			dst = appendString(dst, f.Name)
			dst = appendString(dst, f.Value)
		}
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const metaVersion = 1

// appendMeta writes
//
//	1 byte   version
//	uvarint  length of Data, length of its content, length of Filters
//	4 bytes  CRC-32C of Data
//	uvarint  number of runs; for each of them:
//	    uvarint  stream, less that of the run before
//	    uvarint  rows
//	    uvarint  bytes of lines and fields
//	    varint   first time, less that of the run before
//	    uvarint  last time, less the first
//	4 bytes  CRC-32C of all before it
func appendMeta(dst []byte, rows *Rows, data []byte, content int) []byte {
	dst = append(dst, metaVersion)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	dst = binary.AppendUvarint(dst, uint64(content))
	dst = binary.AppendUvarint(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(data, castagnoli))
	runs := rows.runs()
	dst = binary.AppendUvarint(dst, uint64(len(runs)))
	var last Run
	for _, r := range runs {
		dst = binary.AppendUvarint(dst, uint64(r.Stream-last.Stream))
		dst = binary.AppendUvarint(dst, uint64(r.Rows))
		dst = binary.AppendUvarint(dst, uint64(r.Bytes))
		dst = binary.AppendVarint(dst, r.MinTime-last.MinTime)
		dst = binary.AppendUvarint(dst, uint64(r.MaxTime-r.MinTime))
		last = r
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// hasChecksum says whether b ends in the CRC-32C of what is before it.
func hasChecksum(b []byte) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b[len(b)-4:]) == crc32.Checksum(b[:len(b)-4], castagnoli)
}
