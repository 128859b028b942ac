package rowgroup

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync/atomic"

	"github.com/hulotte-dev/hulotte/model"
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
	info      Info
	parts     metaParts
	read      Reader
	directory atomic.Pointer[directory]
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
	g.info.Runs = make([]Run, 0, d.count(MaxRows, 5))
	g.parseRuns(&d)
	g.parts.parse(&d)
	g.info.DataLen = int64(g.parts.data)
	g.info.FiltersLen = int64(g.parts.directory.off + g.parts.directory.size)
	if d.bad || len(d.b) > 0 || g.info.Rows == 0 || g.info.Bytes > MaxLine {
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

// parse reads what append wrote behind the runs.
func (m *metaParts) parse(d *decoder) {
	const most = 2 * MaxLine
	m.data = int(d.number(most))
	off := 0
	for _, p := range []*part{&m.bloom, &m.vocab, &m.directory} {
		p.off, p.size = off, int(d.number(most))
		p.crc = d.uint32()
		off += p.size
	}
	m.vocabLen, m.directoryLen = int(d.number(most)), int(d.number(most))
	for i := range m.skip.lengths {
		m.skip.lengths[i] = d.uvarint()
	}
	m.skip.maxDigits = int(d.number(MaxLine))
	flags := d.byte()
	m.skip.hasTimes, m.skip.hasHex = flags&1 != 0, flags&2 != 0
	m.skip.affixes = make([]string, d.count(256, 1))
	for i := range m.skip.affixes {
		m.skip.affixes[i] = d.string()
	}
}

// Info returns what Meta tells. The runs must not be changed.
func (g *Group) Info() Info { return g.info }

// part reads a piece of Filters and checks it.
func (g *Group) part(ctx context.Context, p part, name string) ([]byte, error) {
	b, err := g.read.Filters(ctx, int64(p.off), int64(p.size))
	if err != nil {
		return nil, fmt.Errorf("cannot read the %s of a group: %w", name, err)
	}
	if crc32.Checksum(b, castagnoli) != p.crc {
		return nil, corrupt("the %s of a group (bytes %d to %d of its filters) does not match its checksum", name, p.off, p.off+p.size)
	}
	return b, nil
}

// stream reads a piece of Filters that is compressed.
func (g *Group) stream(ctx context.Context, s *Scratch, p part, n int, name string) ([]byte, error) {
	b, err := g.part(ctx, p, name)
	if err != nil {
		return nil, err
	}
	d := decoder{b: b}
	out := s.stream(&d, n)
	if d.bad || len(d.b) > 0 || len(out) != n {
		return nil, corrupt("the %s of a group cannot be decompressed", name)
	}
	return out, nil
}

// dir returns the directory, which is read once.
func (g *Group) dir(ctx context.Context, s *Scratch) (*directory, error) {
	if d := g.directory.Load(); d != nil {
		return d, nil
	}
	b, err := g.stream(ctx, s, g.parts.directory, g.parts.directoryLen, "directory")
	if err != nil {
		return nil, err
	}
	d, ok := parseDirectory(b, g.info.Rows, g.parts.data)
	if !ok {
		return nil, corrupt("the directory of a group cannot be read")
	}
	g.directory.Store(d)
	return d, nil
}
