package events

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/maphash"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// The blob of a block is
//
//	Data of all groups, one after the other
//	Filters of all groups, one after the other
//	the directory, compressed as an S2 block
//	the footer, 48 bytes
//
// The directory tells of the streams, and which of them are in which group; a group numbers its own streams from 0, so that it can be copied from
// one block to another as it is:
//
//	uvarint  number of symbols, then for each uvarint length and bytes
//	uvarint  number of streams, then for each
//	    uvarint  number of labels, then for each uvarint symbol of the name, uvarint symbol of the value
//	uvarint  number of groups, then for each
//	    uvarint  number of streams, then for each uvarint stream
//	    uvarint  length of the Meta, and the Meta, which has a checksum of its own
//
// The footer:
//
//	4 bytes  version
//	4 bytes  CRC-32C of the directory as it is stored
//	8 bytes  length of all Data
//	8 bytes  length of all Filters
//	8 bytes  length of the directory as it is stored
//	8 bytes  length of the directory uncompressed
//	4 bytes  zero
//	4 bytes  CRC-32C of all of the footer before it
const (
	blockVersion = 1
	footerSize   = 48
	// maxDirectory bounds what opening a block can take: a directory of a million streams has some 50 MB.
	maxDirectory = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockWriter collects what becomes a block.
type blockWriter struct {
	table  *table
	groups []*memGroup
}

func (w *blockWriter) info() (info block.Entry) {
	for i, g := range w.groups {
		if i == 0 {
			info.Min, info.Max = g.min, g.max
		}
		info.Min, info.Max = min(info.Min, g.min), max(info.Max, g.max)
		info.Records += int64(g.info.Rows)
		info.RawBytes += g.info.Bytes
	}
	return info
}

// reader is the blob.
func (w *blockWriter) reader(ctx context.Context) io.Reader {
	var parts []io.Reader
	var dataLen, filtersLen int64
	for _, g := range w.groups {
		parts = append(parts, g.data(ctx))
		dataLen += g.info.DataLen
	}
	for _, g := range w.groups {
		parts = append(parts, g.filters(ctx))
		filtersLen += g.info.FiltersLen
	}
	end := appendDirectory(nil, w.table, w.groups)
	stored := s2.Encode(nil, end)
	return io.MultiReader(append(parts, bytes.NewReader(stored), bytes.NewReader(footer{
		dirSum: crc32.Checksum(stored, castagnoli), dataLen: dataLen, filtersLen: filtersLen, dirStored: int64(len(stored)), dirRaw: int64(len(end)),
	}.append(nil)))...)
}

func appendDirectory(dst []byte, t *table, groups []*memGroup) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.symbols)))
	for _, s := range t.symbols {
		dst = appendText(dst, s)
	}
	dst = binary.AppendUvarint(dst, uint64(t.len()))
	for i := range t.len() {
		pairs := t.of(i)
		dst = binary.AppendUvarint(dst, uint64(len(pairs)/2))
		for _, x := range pairs {
			dst = binary.AppendUvarint(dst, uint64(x))
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(groups)))
	for _, g := range groups {
		dst = binary.AppendUvarint(dst, uint64(len(g.streams)))
		for _, x := range g.streams {
			dst = binary.AppendUvarint(dst, uint64(x))
		}
		dst = binary.AppendUvarint(dst, uint64(len(g.Meta)))
		dst = append(dst, g.Meta...)
	}
	return dst
}

type footer struct {
	dirSum                                 uint32
	dataLen, filtersLen, dirStored, dirRaw int64
}

func (f footer) append(dst []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, blockVersion)
	dst = binary.LittleEndian.AppendUint32(dst, f.dirSum)
	for _, x := range []int64{f.dataLen, f.filtersLen, f.dirStored, f.dirRaw} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
	}
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func decodeFooter(b []byte, size int64) (footer, error) {
	if len(b) != footerSize || binary.LittleEndian.Uint32(b[44:]) != crc32.Checksum(b[:44], castagnoli) {
		return footer{}, corrupt("the footer of the block does not match its checksum")
	}
	if v := binary.LittleEndian.Uint32(b); v != blockVersion {
		return footer{}, model.NewError(model.Corrupt, fmt.Sprintf("the block is of format %d: this version of Hulotte reads format %d", v, blockVersion))
	}
	x := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:])) }
	f := footer{binary.LittleEndian.Uint32(b[4:]), x(8), x(16), x(24), x(32)}
	left := size - footerSize
	for _, n := range []int64{f.dataLen, f.filtersLen, f.dirStored} {
		if n < 0 || n > left {
			return footer{}, corrupt("the footer of the block tells of more bytes than there are")
		}
		left -= n
	}
	if left != 0 || f.dirStored > maxDirectory || f.dirRaw < 0 || f.dirRaw > maxDirectory {
		return footer{}, corrupt("the lengths in the footer of the block make no sense")
	}
	return f, nil
}

// directory is what is kept in memory of a block while it is searched.
type directory struct {
	table
	groups []dirGroup
	size   int64 // in memory, roughly
}

type dirGroup struct {
	group   *rowgroup.Group
	info    rowgroup.Info
	streams []uint32 // of the table, by the group's own numbers
	meta    []byte
	reader  blockReader
}

// openDirectory reads the directory of a block.
func openDirectory(ctx context.Context, b *block.Block, seed maphash.Seed) (*directory, error) {
	size, err := b.Size(ctx)
	if err != nil {
		return nil, err
	}
	if size < footerSize {
		return nil, corrupt("the block has %d bytes", size)
	}
	end, err := b.Range(ctx, size-footerSize, footerSize)
	if err != nil {
		return nil, err
	}
	f, err := decodeFooter(end, size)
	if err != nil {
		return nil, err
	}
	stored, err := b.Range(ctx, f.dataLen+f.filtersLen, f.dirStored)
	if err != nil {
		return nil, err
	}
	raw, err := f.uncompress(stored)
	if err != nil {
		return nil, err
	}
	return decodeDirectory(raw, b, f, seed)
}

func (f footer) uncompress(stored []byte) ([]byte, error) {
	if crc32.Checksum(stored, castagnoli) != f.dirSum {
		return nil, corrupt("the directory of the block does not match its checksum")
	}
	if n, err := s2.DecodedLen(stored); err != nil || int64(n) != f.dirRaw {
		return nil, corrupt("the directory of the block is not as long as the footer says")
	}
	raw, err := s2.Decode(nil, stored)
	if err != nil {
		return nil, corrupt("the directory of the block: %v", err)
	}
	return raw, nil
}

func decodeDirectory(raw []byte, b *block.Block, f footer, seed maphash.Seed) (*directory, error) {
	d := decoder{b: raw}
	out := &directory{}
	out.decodeStreams(&d, seed)
	n := d.count(len(raw), 3)
	out.groups = make([]dirGroup, 0, n)
	data, filters := int64(0), f.dataLen
	for range n {
		g, err := out.decodeGroup(&d, b, data, filters)
		if err != nil {
			return nil, err
		}
		data += g.info.DataLen
		filters += g.info.FiltersLen
		out.groups = append(out.groups, g)
	}
	if d.bad || len(d.b) > 0 || data != f.dataLen || filters != f.dataLen+f.filtersLen {
		return nil, corrupt("the directory of the block cannot be read")
	}
	out.size += out.bytes()
	return out, nil
}

func (o *directory) decodeStreams(d *decoder, seed maphash.Seed) {
	builder := tableBuilder{}
	n := d.count(len(d.b), 1)
	builder.symbols = make([]string, 0, n)
	for range n {
		builder.symbols = append(builder.symbols, string(d.text()))
	}
	streams := d.count(len(d.b), 1)
	var key []byte
	for range streams {
		k := d.count(maxPairs, 2)
		first := len(builder.pairs)
		key = binary.AppendUvarint(key[:0], uint64(k))
		for range 2 * k {
			x := d.number(uint64(max(n-1, 0)))
			if d.bad || n == 0 {
				d.fail()
				break
			}
			key = appendText(key, builder.symbols[x])
			builder.pairs = append(builder.pairs, uint32(x))
		}
		if d.bad {
			return
		}
		builder.ends = append(builder.ends, uint32(len(builder.pairs)))
		builder.ids = append(builder.ids, maphash.Bytes(seed, key))
		builder.labels = append(builder.labels, builder.build(builder.pairs[first:]))
	}
	o.table = builder.table
}

// groupMemory is what a group takes in memory beside its Meta, once it was searched.
const groupMemory = 12 << 10

func (o *directory) decodeGroup(d *decoder, b *block.Block, data, filters int64) (dirGroup, error) {
	k := d.count(rowgroup.MaxRows, 1)
	g := dirGroup{streams: make([]uint32, 0, k)}
	for range k {
		g.streams = append(g.streams, uint32(d.number(uint64(max(o.len()-1, 0)))))
	}
	g.meta = slices.Clone(d.text())
	if d.bad || o.len() == 0 {
		return g, corrupt("the directory of the block cannot be read")
	}
	g.reader = blockReader{b: b, data: data, filters: filters}
	reader := g.reader
	var err error
	if g.group, err = rowgroup.Open(g.meta, &reader); err != nil {
		return g, err
	}
	g.info = g.group.Info()
	for _, r := range g.info.Runs {
		if int(r.Stream) >= k {
			return g, corrupt("a group of the block tells of a stream that is not in the directory")
		}
	}
	reader.dataLen, reader.filtersLen = g.info.DataLen, g.info.FiltersLen
	g.reader = reader
	o.size += int64(len(g.meta)) + int64(k)*4 + int64(len(g.info.Runs))*48 + groupMemory
	return g, nil
}

// blockReader reads one group's pieces of a block that its user has acquired.
type blockReader struct {
	b                   *block.Block
	data, filters       int64
	dataLen, filtersLen int64
}

// Data implements rowgroup.Reader.
func (r *blockReader) Data(ctx context.Context, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > r.dataLen-n {
		return nil, corrupt("a group has %d bytes of data: %d from %d on are asked for", r.dataLen, n, offset)
	}
	return r.b.Range(ctx, r.data+offset, n)
}

// Filters implements rowgroup.Reader.
func (r *blockReader) Filters(ctx context.Context, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > r.filtersLen-n {
		return nil, corrupt("a group has %d bytes of filters: %d from %d on are asked for", r.filtersLen, n, offset)
	}
	return r.b.Range(ctx, r.filters+offset, n)
}
