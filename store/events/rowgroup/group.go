package rowgroup

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// Reader reads the pieces of one group from where the caller keeps them. Offsets are within the piece. The bytes are not
// written to, and must stay as they are until the call of the Group's method that asked for them returns.
type Reader interface {
	Data(ctx context.Context, offset, n int64) ([]byte, error)
	Filters(ctx context.Context, offset, n int64) ([]byte, error)
}

// Memory is a Reader of pieces that are in memory.
type Memory struct{ DataBytes, FiltersBytes []byte }

// Data implements Reader.
func (m *Memory) Data(_ context.Context, offset, n int64) ([]byte, error) {
	return cut(m.DataBytes, offset, n)
}

// Filters implements Reader.
func (m *Memory) Filters(_ context.Context, offset, n int64) ([]byte, error) {
	return cut(m.FiltersBytes, offset, n)
}

func cut(b []byte, offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > int64(len(b)) || n > int64(len(b))-offset {
		return nil, fmt.Errorf("%w: %d bytes from %d on of %d", medium.ErrCorrupt, n, offset, len(b))
	}
	return b[offset : offset+n], nil
}

// Group is an encoded group, open for reading by many goroutines. It keeps what it has learned of its directory.
type Group struct {
	info    Info
	read    Reader
	content int64
	crc     uint32
}

// Scratch is the buffers and decoders of one goroutine that reads groups. Give the same one to call after call.
type Scratch struct {
	zstd *zstd.Decoder
}

// NewScratch returns a Scratch.
func NewScratch() *Scratch { return &Scratch{} }

func (s *Scratch) decoder() (*zstd.Decoder, error) {
	if s.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*MaxLine), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("cannot make a decoder of groups: %w", err)
		}
		s.zstd = z
	}
	return s.zstd, nil
}

// Open checks the meta and returns the group. It keeps nothing of meta. What is damaged is medium.ErrCorrupt.
func Open(meta []byte, read Reader) (*Group, error) {
	g := &Group{read: read}
	if err := g.parse(meta); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Group) parse(meta []byte) error {
	if !hasChecksum(meta) {
		return corrupt("the meta of a group does not match its checksum")
	}
	d := decoder{b: meta[:len(meta)-4]}
	if v := d.byte(); v != metaVersion {
		return model.NewError(model.Corrupt, fmt.Sprintf("the group is of format %d: this version of Hulotte reads format %d", v, metaVersion))
	}
	g.info.DataLen = int64(d.number(2 * MaxLine))
	g.content = int64(d.number(2 * MaxLine))
	g.info.FiltersLen = int64(d.number(2 * MaxLine))
	g.crc = d.uint32()
	g.info.Runs = make([]Run, 0, d.count(MaxRows, 5))
	g.parseRuns(&d)
	if d.bad || len(d.b) > 0 || g.info.Rows == 0 {
		return corrupt("the meta of a group cannot be read")
	}
	return nil
}

func (g *Group) parseRuns(d *decoder) {
	var last Run
	for range cap(g.info.Runs) {
		r := Run{First: g.info.Rows}
		r.Stream = last.Stream + uint32(d.number(1<<32-1))
		r.Rows = int(d.number(uint64(MaxRows - g.info.Rows)))
		r.Bytes = int64(d.number(MaxLine))
		r.MinTime = last.MinTime + d.varint()
		r.MaxTime = r.MinTime + int64(d.uvarint())
		d.bad = d.bad || r.Rows == 0 || r.MaxTime < r.MinTime || r.First > 0 && r.Stream <= last.Stream
		if r.First == 0 {
			g.info.MinTime, g.info.MaxTime = r.MinTime, r.MaxTime
		}
		g.info.MinTime, g.info.MaxTime = min(g.info.MinTime, r.MinTime), max(g.info.MaxTime, r.MaxTime)
		g.info.Rows += r.Rows
		g.info.Bytes += r.Bytes
		g.info.Runs = append(g.info.Runs, r)
		last = r
	}
}

// Info returns what Meta tells. The runs must not be changed.
func (g *Group) Info() Info { return g.info }

// Rows returns the records, as they were encoded, in memory of their own.
func (g *Group) Rows(ctx context.Context, s *Scratch) (Rows, error) {
	data, err := g.read.Data(ctx, 0, g.info.DataLen)
	if err != nil {
		return Rows{}, fmt.Errorf("cannot read a group: %w", err)
	}
	if crc32.Checksum(data, castagnoli) != g.crc {
		return Rows{}, corrupt("the data of a group does not match its checksum")
	}
	z, err := s.decoder()
	if err != nil {
		return Rows{}, err
	}
	raw, err := z.DecodeAll(data, make([]byte, 0, min(g.content, 1<<20)))
	if err != nil || int64(len(raw)) != g.content {
		return Rows{}, corrupt("the data of a group cannot be decompressed")
	}
	return g.parseRows(raw)
}

func (g *Group) parseRows(raw []byte) (Rows, error) {
	n := g.info.Rows
	out := Rows{Streams: make([]uint32, 0, n), Times: make([]int64, n), Lines: make([]string, n)}
	for _, r := range g.info.Runs {
		out.Streams = append(out.Streams, slices.Repeat([]uint32{r.Stream}, r.Rows)...)
	}
	d := decoder{b: raw}
	last := int64(0)
	for i := range n {
		last += d.varint()
		out.Times[i] = last
		out.Lines[i] = d.string()
		k := d.count(MaxLine, 2)
		if k > 0 && out.Fields == nil {
			out.Fields = make([][]model.Field, n)
		}
		if k > 0 {
			out.Fields[i] = make([]model.Field, k)
		}
		for j := range k {
			out.Fields[i][j] = model.Field{Name: d.string(), Value: d.string()}
		}
	}
	if d.bad || len(d.b) > 0 {
		return Rows{}, corrupt("the data of a group cannot be read")
	}
	return out, nil
}

// Select calls f with the records that q selects and whose stream is wanted, one batch for each run of a stream that has
// any, in the order of the runs. streams is the caller's table, which the runs point into; it is long enough for all of them. An error of f is
// returned as it is. The statistics tell of this group alone.
func (g *Group) Select(ctx context.Context, q *Query, streams []Stream, s *Scratch, f func(store.EventBatch) error) (store.EventStats, error) {
	stats := store.EventStats{Groups: 1}
	rows, err := g.Rows(ctx, s)
	if err != nil {
		return stats, err
	}
	stats, err = SelectRows(ctx, rows, q, streams, f)
	stats.Groups = 1
	stats.RecordsRead, stats.HeadRecords = stats.HeadRecords, 0
	stats.BytesRead = g.info.DataLen
	return stats, err
}
