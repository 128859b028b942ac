package spans

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// The blob of a block is
//
//	all groups, one after the other
//	the index of traces: pages of 4096 bytes each with 4 bytes CRC-32C behind it; the last one may be shorter
//	the directory: for each group 48 bytes: length, length of its own directory, spans, traces, first and last start, as little-endian int64
//	the footer, 40 bytes
//
// The index has 8 bytes for each trace of each group: the upper 48 bits of spangroup.HashTrace and 16 bits with the number of the group,
// as one big-endian number, ascending. Hashes are spread evenly, so that the place of one is known to within a page or two without reading the others:
// a trace is looked for in weeks of blocks with one small read of each.
//
// The footer:
//
//	4 bytes  version
//	4 bytes  number of groups
//	8 bytes  length of all groups
//	8 bytes  number of entries of the index
//	4 bytes  CRC-32C of the directory
//	8 bytes  zero
//	4 bytes  CRC-32C of all of the footer before it
const (
	blockVersion = 1
	footerSize   = 40
	groupSize    = 48
	maxGroups    = 1 << 16
	pageEntries  = 512
	pageSize     = pageEntries*8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockWriter collects what becomes a block.
type blockWriter struct{ groups []*memGroup }

func (w *blockWriter) info() (info block.Entry) {
	for i, g := range w.groups {
		if i == 0 {
			info.Min, info.Max = g.summary.First, g.summary.Last
		}
		info.Min, info.Max = min(info.Min, g.summary.First), max(info.Max, g.summary.Last)
		info.Records += int64(g.summary.Spans)
	}
	return info
}

// reader is the blob.
func (w *blockWriter) reader(ctx context.Context) io.Reader {
	var parts []io.Reader
	var directory []byte
	var index []uint64
	var data int64
	for i, g := range w.groups {
		parts = append(parts, g.reader(ctx))
		data += g.size()
		directory = g.append(directory)
		for _, h := range g.summary.TraceHashes {
			index = append(index, indexEntry(h, i))
		}
	}
	slices.Sort(index)
	f := footer{groups: len(w.groups), data: data, index: int64(len(index)), sum: crc32.Checksum(directory, castagnoli)}
	return io.MultiReader(append(parts, bytes.NewReader(appendIndex(nil, index)), bytes.NewReader(directory), bytes.NewReader(f.append(nil)))...)
}

func (g *memGroup) size() int64 {
	if g.source != nil {
		return g.source.size
	}
	return int64(len(g.data))
}

func (g *memGroup) append(dst []byte) []byte {
	s := &g.summary
	for _, x := range []int64{g.size(), s.Directory, int64(s.Spans), int64(s.Traces), s.First, s.Last} {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
	}
	return dst
}

// indexEntry is a trace's hash with the number of a group.
func indexEntry(hash uint64, group int) uint64 { return hash&^(maxGroups-1) | uint64(group) }

func appendIndex(dst []byte, index []uint64) []byte {
	for page := range slices.Chunk(index, pageEntries) {
		at := len(dst)
		for _, x := range page {
			dst = binary.BigEndian.AppendUint64(dst, x)
		}
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
	}
	return dst
}

type footer struct {
	groups      int
	data, index int64
	sum         uint32
}

func (f footer) indexSize() int64 {
	return f.index*8 + (f.index+pageEntries-1)/pageEntries*4
}

func (f footer) append(dst []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, blockVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.groups))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.data))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.index))
	dst = binary.LittleEndian.AppendUint32(dst, f.sum)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func decodeFooter(b []byte, size int64) (footer, error) {
	if len(b) != footerSize || binary.LittleEndian.Uint32(b[36:]) != crc32.Checksum(b[:36], castagnoli) {
		return footer{}, corrupt("the footer of the block does not match its checksum")
	}
	if v := binary.LittleEndian.Uint32(b); v != blockVersion {
		return footer{}, model.NewError(model.Corrupt, fmt.Sprintf("the block is of format %d: this version of Hulotte reads format %d", v, blockVersion))
	}
	f := footer{
		groups: int(binary.LittleEndian.Uint32(b[4:])), data: int64(binary.LittleEndian.Uint64(b[8:])),
		index: int64(binary.LittleEndian.Uint64(b[16:])), sum: binary.LittleEndian.Uint32(b[24:]),
	}
	if f.groups > maxGroups || f.data < 0 || f.data > size || f.index < 0 || f.index > size/8 || f.data+f.indexSize()+int64(f.groups)*groupSize+footerSize != size {
		return footer{}, corrupt("the lengths in the footer of the block make no sense")
	}
	return f, nil
}

// directory is what is kept in memory of a block while it is searched.
type directory struct {
	footer
	groups []*dirGroup
}

// dirGroup is a group of a block.
type dirGroup struct {
	offset, size int64
	summary      spangroup.Summary // without hashes
}

// openDirectory reads the directory of a block.
func openDirectory(ctx context.Context, b *block.Block) (*directory, error) {
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
	raw, err := b.Range(ctx, f.data+f.indexSize(), int64(f.groups)*groupSize)
	if err != nil {
		return nil, err
	}
	return decodeDirectory(f, raw)
}

func decodeDirectory(f footer, raw []byte) (*directory, error) {
	if crc32.Checksum(raw, castagnoli) != f.sum {
		return nil, corrupt("the directory of the block does not match its checksum")
	}
	out := &directory{footer: f}
	at := int64(0)
	for len(raw) >= groupSize {
		x := func(i int) int64 { return int64(binary.LittleEndian.Uint64(raw[8*i:])) }
		g := &dirGroup{offset: at, size: x(0), summary: spangroup.Summary{Directory: x(1), Spans: int(x(2)), Traces: int(x(3)), First: x(4), Last: x(5)}}
		s := &g.summary
		if g.size < 0 || g.size > f.data-at || s.Directory < 0 || s.Directory > g.size || s.Spans < 0 || s.Spans > spangroup.MaxSpans || s.Traces < 0 || s.Traces > s.Spans || s.First > s.Last {
			return nil, corrupt("the directory of the block makes no sense")
		}
		at += g.size
		out.groups = append(out.groups, g)
		raw = raw[groupSize:]
	}
	if at != f.data || len(out.groups) != f.groups {
		return nil, corrupt("the groups of the block are not as long as its footer says")
	}
	return out, nil
}

// page reads one page of the index.
func (d *directory) page(ctx context.Context, b *block.Block, n int64) ([]uint64, error) {
	entries := min(pageEntries, d.index-n*pageEntries)
	raw, err := b.Range(ctx, d.data+n*pageSize, entries*8+4)
	if err != nil {
		return nil, err
	}
	last := len(raw) - 4
	if binary.LittleEndian.Uint32(raw[last:]) != crc32.Checksum(raw[:last], castagnoli) {
		return nil, corrupt("page %d of the index of traces does not match its checksum", n)
	}
	out := make([]uint64, entries)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(raw[8*i:])
	}
	return out, nil
}

// lookup returns the numbers of the groups that may have the trace, ascending.
func (d *directory) lookup(ctx context.Context, b *block.Block, hash uint64) ([]int, error) {
	if d.index == 0 {
		return nil, nil
	}
	pages := (d.index + pageEntries - 1) / pageEntries
	low, high := indexEntry(hash, 0), indexEntry(hash, maxGroups-1)
	// The first page whose last entry is at low or behind it lies close to where evenly spread hashes have it.
	n, err := d.firstPage(ctx, b, low, pages)
	if err != nil {
		return nil, err
	}
	var out []int
	for ; n < pages; n++ {
		page, err := d.page(ctx, b, n)
		if err != nil {
			return nil, err
		}
		i, _ := slices.BinarySearch(page, low)
		for ; i < len(page); i++ {
			if page[i] > high {
				return out, nil
			}
			out = append(out, int(page[i]&(maxGroups-1)))
		}
	}
	return out, nil
}

// firstPage returns the number of the first page whose last entry is not below x; pages when there is none.
func (d *directory) firstPage(ctx context.Context, b *block.Block, x uint64, pages int64) (int64, error) {
	// Invariant: pages before from end below x; pages from to on do not.
	from, to := int64(0), pages
	guess := min(pages-1, int64(float64(x)/(1<<64)*float64(pages)))
	for step := int64(1); from < to; {
		page, err := d.page(ctx, b, guess)
		if err != nil {
			return 0, err
		}
		switch {
		case page[len(page)-1] < x:
			from = guess + 1
			guess += step
		case page[0] < x:
			return guess, nil
		default:
			to = guess
			guess -= step
		}
		step *= 2
		if guess < from || guess >= to {
			guess = (from + to) / 2
		}
	}
	return from, nil
}

// check looks whether the numbers of groups in a page are those of groups.
func (d *directory) check(page []uint64) error {
	for i, x := range page {
		if int(x&(maxGroups-1)) >= len(d.groups) || i > 0 && cmp.Less(x, page[i-1]) {
			return corrupt("the index of traces makes no sense")
		}
	}
	return nil
}
