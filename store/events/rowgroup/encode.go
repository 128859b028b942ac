package rowgroup

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/maphash"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/model"
)

// Codec is how columns are compressed.
type Codec uint8

// The codecs.
const (
	Zstd Codec = iota // small
	S2                // larger, faster to write and to search
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
	compress   compressor
	seed       maphash.Seed
	rows       *Rows
	columns    []column
	coded      []codedColumn
	data       []byte
	directory  []byte
	filters    []byte
	meta       []byte
	filter     filterBuilder
	templaters []*templater
	table      []uint32
	bytes      slab[byte]
	codeSlab   slab[uint32]
	numbers    slab[int64]
	textSlab   slab[string]
	slots      int  // columns of slots so far
	uses       int  // slots of templates so far
	plain      bool // nothing is taken apart
}

// NewEncoder returns an Encoder.
func NewEncoder(o Options) (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("cannot make an encoder of groups: %w", err)
	}
	return &Encoder{compress: compressor{codec: o.Codec, zstd: z}, seed: maphash.MakeSeed()}, nil
}

// Encode makes a group of rows. The result is valid until the next call. Rows that are out of order, too many or too long are
// Invalid.
func (e *Encoder) Encode(rows Rows) (Encoded, error) {
	if err := rows.check(); err != nil {
		return Encoded{}, err
	}
	defer e.forget()
	out, ok := e.encode(&rows, false)
	if !ok { // rows that are odder than the limits of a directory: kept as they are, they always fit
		if out, ok = e.encode(&rows, true); !ok {
			return Encoded{}, model.NewError(model.Internal, "BUG: a group was encoded that cannot be opened")
		}
	}
	return out, nil
}

// encode also answers whether the directory can be read again.
func (e *Encoder) encode(rows *Rows, plain bool) (Encoded, bool) {
	e.reset(rows)
	e.plain = plain
	dir := directory{times: e.timesColumn(), fields: noColumn}
	dir.lines = e.column(&values{texts: rows.Lines, timed: true}, 0)
	if rows.Fields != nil {
		dir.fields = e.fieldsColumn()
	}
	dir.columns = e.columns
	bloom, vocab := e.filter.build()
	e.directory = dir.append(e.directory[:0])
	e.filters = append(e.filters[:0], bloom...)
	m := metaParts{skip: e.filter.skip, data: len(e.data)}
	m.bloom = partOf(e.filters, 0)
	e.filters = e.compress.appendStream(e.filters, vocab, true)
	m.vocab = partOf(e.filters, m.bloom.size)
	e.filters = e.compress.appendStream(e.filters, e.directory, true)
	m.directory = partOf(e.filters, m.bloom.size+m.vocab.size)
	m.directoryLen, m.vocabLen = len(e.directory), len(vocab)
	e.meta = m.append(e.meta[:0], rows.runs())
	_, ok := parseDirectory(e.directory, rows.Len(), len(e.data))
	return Encoded{Data: e.data, Filters: e.filters, Meta: e.meta}, ok
}

func (e *Encoder) reset(rows *Rows) {
	e.rows = rows
	e.columns, e.coded, e.data = e.columns[:0], e.coded[:0], e.data[:0]
	e.slots, e.uses = 0, 0
	e.filter.reset()
	e.bytes.reset()
	e.codeSlab.reset()
	e.numbers.reset()
	e.textSlab.reset()
}

// forget drops what points into the caller's strings.
func (e *Encoder) forget() {
	e.rows = nil
	clear(e.columns)
	clear(e.coded)
	clear(e.textSlab.buf)
	for _, t := range e.templaters {
		t.reset(0)
	}
}

// timesColumn codes the differences of the times: to the record before, or to the run's first time, which Meta has. They are
// counted in the largest unit that they all fit.
func (e *Encoder) timesColumn() int {
	c := column{kind: kindNumber, n: e.rows.Len(), off: 0}
	xs := e.numbers.take(c.n)
	unit := byte(9)
	for i, t := range e.rows.Times {
		for t%powers[unit] != 0 {
			unit -= 3
		}
		xs[i] = 0
		if i > 0 && e.rows.Streams[i] == e.rows.Streams[i-1] {
			xs[i] = t - e.rows.Times[i-1]
		}
	}
	for i := range xs {
		xs[i] = int64(uint64(xs[i]) / uint64(powers[unit]))
	}
	c.num.scale = unit
	c.num.low, c.num.high = bounds(xs)
	e.planes(xs, c.num.low, c.num.high)
	return e.finish(c, nil, nil)
}

// fieldsColumn codes the stored fields: a template for each set of names, without literals.
func (e *Encoder) fieldsColumn() int {
	var cols []slotColumn
	uses := 0
	sets := map[string]int{}
	names := map[string]int{}
	c := column{kind: kindTemplate, n: e.rows.Len()}
	codes := e.codeSlab.take(c.n)
	var key []byte
	for i := range c.n {
		fields := e.rows.fields(i)
		if i > 0 && sameNames(fields, e.rows.fields(i-1)) {
			codes[i] = codes[i-1]
		} else {
			key = key[:0]
			for _, f := range fields {
				key = append(binary.AppendUvarint(key, uint64(len(f.Name))), f.Name...)
			}
			id, ok := sets[string(key)]
			if !ok {
				id = len(c.templates)
				sets[string(key)] = id
				var t template
				t.slots, cols = e.fieldSlots(fields, names, cols)
				uses += len(fields)
				if e.plain || len(cols) > maxFieldNames || uses > maxTemplateSlots {
					return e.packedColumn()
				}
				c.templates = append(c.templates, t)
			}
			codes[i] = uint32(id)
		}
		for k, at := range c.templates[codes[i]].slots {
			cols[at].texts = append(cols[at].texts, fields[k].Value)
			cols[at].rows = append(cols[at].rows, uint32(i))
		}
	}
	for i := range cols {
		cols[i].index = e.column(&cols[i].values, 1)
	}
	for i := range c.templates {
		for k, at := range c.templates[i].slots {
			c.templates[i].slots[k] = cols[at].index
		}
	}
	c.off = len(e.data)
	if len(c.templates) > 1 {
		e.codes(codes, len(c.templates))
	}
	return e.finish(c, nil, nil)
}

// roomyFields is how many names of fields have room for the values of all records from the beginning.
const roomyFields = 16

func (e *Encoder) fieldSlots(fields []model.Field, names map[string]int, cols []slotColumn) ([]int, []slotColumn) {
	slots := make([]int, 0, len(fields))
	for _, f := range fields {
		at, ok := names[f.Name]
		if !ok {
			at = len(cols)
			names[f.Name] = at
			c := slotColumn{values: values{key: f.Name, slot: slotText, timed: true}}
			if at < roomyFields {
				c.texts, c.rows = e.textSlab.take(e.rows.Len())[:0], e.codeSlab.take(e.rows.Len())[:0]
			}
			cols = append(cols, c)
		}
		slots = append(slots, at)
	}
	return slots, cols
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// part is a piece of Filters.
type part struct {
	off, size int
	crc       uint32
}

func partOf(b []byte, off int) part {
	return part{off, len(b) - off, crc32.Checksum(b[off:], castagnoli)}
}

// metaParts is what Meta has beside the runs.
type metaParts struct {
	data                    int
	bloom, vocab, directory part
	vocabLen, directoryLen  int
	skip                    skipInfo
}

const metaVersion = 1

// append writes
//
//	1 byte   version
//	uvarint  number of runs; for each of them:
//	    uvarint  stream, less that of the run before
//	    uvarint  rows
//	    uvarint  bytes of lines and fields
//	    varint   first time, less that of the run before
//	    uvarint  last time, less the first
//	uvarint  length of Data
//	of the token filter, the vocabulary and the directory, which follow each other in Filters:
//	    uvarint  length
//	    4 bytes  CRC-32C
//	uvarint  length of the vocabulary, then of the directory, decompressed
//	4 times uvarint  lengths of tokens, by class, a bit each
//	uvarint  most digits of a number
//	1 byte   1: there are columns of times; 2: there are columns of ids
//	uvarint  number of affixes; for each of them uvarint length, bytes
//	4 bytes  CRC-32C of all before it
func (m *metaParts) append(dst []byte, runs []Run) []byte {
	dst = append(dst, metaVersion)
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
	dst = binary.AppendUvarint(dst, uint64(m.data))
	for _, p := range []part{m.bloom, m.vocab, m.directory} {
		dst = binary.AppendUvarint(dst, uint64(p.size))
		dst = binary.LittleEndian.AppendUint32(dst, p.crc)
	}
	dst = binary.AppendUvarint(dst, uint64(m.vocabLen))
	dst = binary.AppendUvarint(dst, uint64(m.directoryLen))
	for _, l := range m.skip.lengths {
		dst = binary.AppendUvarint(dst, l)
	}
	dst = binary.AppendUvarint(dst, uint64(m.skip.maxDigits))
	dst = append(dst, flag(m.skip.hasTimes, 1)|flag(m.skip.hasHex, 2))
	dst = binary.AppendUvarint(dst, uint64(len(m.skip.affixes)))
	for _, a := range m.skip.affixes {
		dst = appendString(dst, a)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// hasChecksum says whether b ends in the CRC-32C of what is before it.
func hasChecksum(b []byte) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b[len(b)-4:]) == crc32.Checksum(b[:len(b)-4], castagnoli)
}
