package spans

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/spans/spangroup"
)

// candidates returns blocks of one day that should become one, or none. Only this node's own are looked at, so that two nodes do not do
// the same work.
func (s *Store) candidates(p block.Partition) []block.Entry {
	byLevel := map[int][]block.Entry{}
	for _, e := range s.blocks.Entries(p) {
		if e.Node == s.o.Node && e.Broken == "" && len(e.Covers) == 0 && e.Bytes < s.o.Merge.MaxBytes/2 {
			byLevel[e.Level] = append(byLevel[e.Level], e)
		}
	}
	for _, list := range byLevel {
		if len(list) < s.o.Merge.Blocks {
			continue
		}
		slices.SortFunc(list, func(a, b block.Entry) int { return cmp.Compare(a.Min, b.Min) })
		var out []block.Entry
		total := int64(0)
		for _, e := range list {
			if total+e.Bytes > s.o.Merge.MaxBytes || len(out) == 2*s.o.Merge.Blocks {
				break
			}
			out = append(out, e)
			total += e.Bytes
		}
		if len(out) >= s.o.Merge.Blocks || len(out) >= 2 && total >= s.o.Merge.MaxBytes/2 {
			return out
		}
	}
	return nil
}

// mergeAll merges what should be merged.
func (s *Store) mergeAll(ctx context.Context) error {
	for _, p := range s.blocks.Partitions("") {
		for {
			list := s.candidates(p)
			if len(list) == 0 {
				break
			}
			if err := s.merge(ctx, p, list); err != nil {
				return err
			}
			s.metrics.merges.Inc()
		}
	}
	return nil
}

// merge makes one block of others. One that cannot be read stays, and is not tried again.
func (s *Store) merge(ctx context.Context, p block.Partition, list []block.Entry) error {
	ids := make([]string, 0, len(list))
	like := block.Entry{Level: list[0].Level + 1}
	for _, e := range list {
		ids = append(ids, e.ID)
		like.RawBytes += e.RawBytes
	}
	blocks := s.blocks.Acquire(p, ids...)
	defer func() {
		for _, b := range blocks {
			b.Release()
		}
	}()
	if len(blocks) != len(list) {
		return nil // they were merged or deleted meanwhile
	}
	m := merger{s: s}
	for _, b := range blocks {
		err := vfs.Guard(func() error { return m.read(ctx, b) })
		if err != nil && ctx.Err() == nil && isDamage(err) {
			return s.markBroken(ctx, p, b, err)
		}
		if err != nil {
			return fmt.Errorf("cannot merge the block %s: %w", b.Name(), err)
		}
		s.metrics.mergedBytes.Add(float64(b.Entry().Bytes))
	}
	if err := m.encode(); err != nil {
		return fmt.Errorf("cannot merge blocks of tenant %s, day %s: %w", p.Tenant, p.Day, err)
	}
	err := s.replace(ctx, p, ids, &blockWriter{m.groups}, like)
	if gone := (*sourceError)(nil); errors.As(err, &gone) && ctx.Err() == nil && isDamage(err) {
		return s.markBroken(ctx, p, gone.b, err)
	}
	return err
}

// replace puts what was written in the place of blocks.
func (s *Store) replace(ctx context.Context, p block.Partition, ids []string, w *blockWriter, like block.Entry) error {
	e := w.info()
	e.ID, e.Node, e.Created, e.Level, e.RawBytes = block.NewID(now()), s.o.Node, now().UnixNano(), like.Level, like.RawBytes
	var err error
	if e.Bytes, err = s.blocks.Write(ctx, p, e.ID, w.reader(ctx)); err != nil {
		return err
	}
	err = s.blocks.Replace(ctx, p, ids, e)
	if errors.Is(err, block.ErrReplaced) {
		s.blocks.Abandon(ctx, p, e.ID)
		return nil
	}
	return err
}

// markBroken notes that a block cannot be merged.
func (s *Store) markBroken(ctx context.Context, p block.Partition, b *block.Block, cause error) error {
	s.metrics.mergeFailures.Inc()
	s.log.Error("a block of spans is damaged: it stays as it is, and what can be read of it is found", "block", b.Name(), "err", cause)
	text := cause.Error()
	return s.blocks.Change(ctx, p, func(e *block.Entry) bool {
		if e.ID != b.ID() || e.Broken != "" {
			return false
		}
		e.Broken = text[:min(len(text), 200)]
		return true
	})
}

// merger collects the groups of blocks.
type merger struct {
	s      *Store
	groups []*memGroup       // full ones are kept as they are: their bytes are read when the new block is written
	loose  []model.SpanGroup // spans that are encoded anew
	spans  int
	bytes  int64 // encoded
}

const (
	// wholeShare is how full a group must be, as a share of a whole one, to be kept as it is.
	wholeShare = 2
	// looseSpans and looseBytes bound what a merge has in memory before it encodes it.
	looseSpans = 8 * spangroup.MaxSpans
	looseBytes = 8 << 20
)

// read takes the groups of a block.
func (m *merger) read(ctx context.Context, b *block.Block) error {
	c, err := m.s.directories.of(ctx, b)
	if err != nil {
		return err
	}
	hashes, err := c.dir.hashes(ctx, b)
	if err != nil {
		return err
	}
	for i, at := range c.dir.groups {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if at.summary.Spans >= spangroup.MaxSpans/wholeShare {
			g := &memGroup{source: &source{b, at.offset, at.size}, summary: at.summary}
			g.summary.TraceHashes = hashes[i]
			m.groups = append(m.groups, g)
			continue
		}
		g, err := m.s.directories.open(c, i)
		if err != nil {
			return err
		}
		groups, err := g.All()
		if err != nil {
			return err
		}
		m.loose = append(m.loose, groups...)
		m.spans += at.summary.Spans
		m.bytes += at.size
		if m.spans >= looseSpans || m.bytes >= looseBytes {
			if err := m.encode(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *merger) encode() error {
	groups, err := encodeGroups(m.loose)
	if err != nil {
		return err
	}
	m.groups = append(m.groups, groups...)
	m.loose, m.spans, m.bytes = nil, 0, 0
	return nil
}

// hashes returns the hashes of the traces of each group, as far as the index has them.
func (d *directory) hashes(ctx context.Context, b *block.Block) ([][]uint64, error) {
	out := make([][]uint64, len(d.groups))
	for n := int64(0); n*pageEntries < d.index; n++ {
		page, err := d.page(ctx, b, n)
		if err != nil {
			return nil, err
		}
		if err := d.check(page); err != nil {
			return nil, err
		}
		for _, x := range page {
			g := x & (maxGroups - 1)
			out[g] = append(out[g], x)
		}
	}
	return out, nil
}

// source is a group of a block that a merge has acquired. Its bytes go from that block to the new one.
type source struct {
	b            *block.Block
	offset, size int64
}

func (g *memGroup) reader(ctx context.Context) io.Reader {
	if g.source == nil {
		return bytes.NewReader(g.data)
	}
	return &sourceReader{ctx: ctx, source: *g.source}
}

// sourceReader reads a source in pieces that are worth a request to a medium far away.
type sourceReader struct {
	ctx context.Context
	source
	piece []byte
}

const sourcePiece = 1 << 20

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	if len(r.piece) == 0 {
		if r.size == 0 {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, &sourceError{r.b, err}
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

func (r *sourceReader) next() error {
	n := min(r.size, sourcePiece)
	err := vfs.Guard(func() error { // the bytes may be mapped memory, which faults where the disk does
		b, err := r.b.Range(r.ctx, r.offset, n)
		r.piece = bytes.Clone(b)
		return err
	})
	r.offset += n
	r.size -= n
	return err
}

// sourceError says that a block which is to be merged cannot be read.
type sourceError struct {
	b   *block.Block
	err error
}

func (e *sourceError) Error() string {
	return fmt.Sprintf("cannot read the block %s: %v", e.b.Name(), e.err)
}

func (e *sourceError) Unwrap() error { return e.err }
