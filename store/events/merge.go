package events

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
)

// Merge says which blocks become one.
type Merge struct {
	// Blocks is how many of about the same size are merged; 0 is 6.
	Blocks int
	// MaxBytes bounds the block that is made, and so what a merge takes in memory; 0 is 64 MiB.
	MaxBytes int64
}

func (m Merge) withDefaults() Merge {
	m.Blocks = max(or(m.Blocks, 6), 2)
	m.MaxBytes = or(m.MaxBytes, 64<<20)
	return m
}

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
		slices.SortFunc(list, func(a, b block.Entry) int { return int(max(-1, min(1, a.Min-b.Min))) })
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

// mergeAll merges what should be merged, and carries out deletions.
func (s *Store) mergeAll(ctx context.Context) error {
	for _, p := range s.blocks.Partitions("") {
		for {
			list := s.candidates(p)
			if len(list) == 0 {
				break
			}
			if err := s.rewrite(ctx, p, list, s.deletions.of(p.Tenant)); err != nil {
				return err
			}
			s.metrics.merges.Inc()
		}
		if err := s.applyDeletions(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// applyDeletions writes anew the blocks that have records which are to be deleted.
func (s *Store) applyDeletions(ctx context.Context, p block.Partition) error {
	hide := s.deletions.of(p.Tenant)
	if len(hide) == 0 {
		return nil
	}
	for _, e := range s.blocks.Entries(p) {
		if e.Broken != "" || !slices.ContainsFunc(hide, func(d *deletion) bool { return d.pending(&e) }) {
			continue
		}
		if err := s.rewrite(ctx, p, []block.Entry{e}, hide); err != nil {
			return err
		}
	}
	return nil
}

// pending says whether a block may still have records that the deletion is about.
func (d *deletion) pending(e *block.Entry) bool {
	return d.concerns(e.Applied) && e.Overlaps(d.Start, d.End)
}

// rewrite makes one block of others, without what is to be deleted. A block that cannot be read stays, and is not tried again.
func (s *Store) rewrite(ctx context.Context, p block.Partition, list []block.Entry, hide []*deletion) error {
	ids := make([]string, 0, len(list))
	for _, e := range list {
		ids = append(ids, e.ID)
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
	m, err := newMerger(s, hide)
	if err != nil {
		return err
	}
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
	w, err := m.finish()
	if err != nil {
		return fmt.Errorf("cannot merge blocks of tenant %s, day %s: %w", p.Tenant, p.Day, err)
	}
	err = s.replace(ctx, p, blocks, w, m.entry(blocks))
	if gone := (*sourceError)(nil); errors.As(err, &gone) && ctx.Err() == nil && isDamage(err) {
		return s.markBroken(ctx, p, gone.b, err)
	}
	return err
}

// replace puts what was written in the place of blocks.
func (s *Store) replace(ctx context.Context, p block.Partition, blocks []*block.Block, w *blockWriter, like block.Entry) error {
	var ids []string
	for _, b := range blocks {
		ids = append(ids, b.ID())
	}
	var added []block.Entry
	if len(w.groups) > 0 {
		e := w.info()
		e.ID, e.Node, e.Created = block.NewID(now()), s.o.Node, now().UnixNano()
		e.Level, e.Applied, e.Covers = like.Level, like.Applied, like.Covers
		var err error
		if e.Bytes, err = s.blocks.Write(ctx, p, e.ID, w.reader(ctx)); err != nil {
			return err
		}
		added = append(added, e)
	}
	err := s.blocks.Replace(ctx, p, ids, added...)
	if errors.Is(err, block.ErrReplaced) {
		for _, e := range added {
			s.blocks.Abandon(ctx, p, e.ID)
		}
		return nil
	}
	return err
}

// markBroken notes that a block cannot be merged.
func (s *Store) markBroken(ctx context.Context, p block.Partition, b *block.Block, cause error) error {
	s.metrics.mergeFailures.Inc()
	s.log.Error("a block of records is damaged: it stays as it is, and what can be read of it is found", "block", b.Name(), "err", cause)
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
	s          *Store
	hide       []*deletion
	table      *tableBuilder
	index      map[string]uint32 // streams by their encoded labels
	groups     []*memGroup       // that are kept as they are: their bytes are read when the new block is written
	loose      []looseRows       // that are encoded anew
	looseBytes int64
	worker     encodeWorker
}

// looseMost is how many bytes of records, as they came, a merge has in memory before it encodes them.
const looseMost = 32 << 20

func newMerger(s *Store, hide []*deletion) (*merger, error) {
	enc, err := rowgroup.NewEncoder(rowgroup.Options{Codec: s.o.Codec})
	if err != nil {
		return nil, err
	}
	return &merger{s: s, hide: hide, table: newTableBuilder(), index: map[string]uint32{}, worker: encodeWorker{enc: enc}}, nil
}

// looseRows is records of one stream, ascending in time.
type looseRows struct {
	stream uint32
	rows   rowgroup.Rows
}

// wholeShare is how full a group must be, as a share of a whole one, to be kept as it is.
const wholeShare = 2

// read takes the groups of a block.
func (m *merger) read(ctx context.Context, b *block.Block) error {
	dir, err := m.s.directories.of(ctx, b)
	if err != nil {
		return err
	}
	streams := m.streams(dir)
	var hide []hidden
	for _, d := range m.hide {
		if d.pending(b.Entry()) {
			hide = append(hide, hidden{d.query, dir.match(d.matchers)})
		}
	}
	for i := range dir.groups {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := m.group(ctx, b, &dir.groups[i], streams, hide); err != nil {
			return err
		}
		if m.looseBytes >= looseMost {
			if err := m.encode(); err != nil {
				return err
			}
		}
	}
	return nil
}

// streams returns the streams of a directory by their numbers in the new table.
func (m *merger) streams(dir *directory) []uint32 {
	out := make([]uint32, dir.len())
	var key []byte
	for i := range out {
		pairs := dir.of(i)
		fields := make([]model.Field, 0, len(pairs)/2)
		for j := 0; j < len(pairs); j += 2 {
			fields = append(fields, model.Field{Name: dir.symbols[pairs[j]], Value: dir.symbols[pairs[j+1]]})
		}
		key = appendLabels(key[:0], fields)
		n, ok := m.index[string(key)]
		if !ok {
			n = m.table.add(m.s.seed, key, fields)
			m.index[string(key)] = n
		}
		out[i] = n
	}
	return out
}

// group takes a group as it is when it is full and nothing of it is to be deleted, else its records.
func (m *merger) group(ctx context.Context, b *block.Block, g *dirGroup, streams []uint32, hide []hidden) error {
	local := make([]uint32, len(g.streams))
	touched := false
	for i, x := range g.streams {
		local[i] = streams[x]
		for _, h := range hide {
			touched = touched || h.streams == nil || h.streams[x]
		}
	}
	full := g.info.Rows >= rowgroup.MaxRows/wholeShare || g.info.Bytes >= rowgroup.MaxBytes/wholeShare
	if !touched && full && len(local) == 1 {
		m.groups = append(m.groups, &memGroup{source: &source{b, g}, Encoded: rowgroup.Encoded{Meta: g.meta}, info: g.info, streams: local, min: g.info.MinTime, max: g.info.MaxTime})
		return nil
	}
	rows, err := g.group.Rows(ctx, rowgroup.NewScratch())
	if err != nil {
		return err
	}
	for from := 0; from < rows.Len(); {
		to := from + 1
		for to < rows.Len() && rows.Streams[to] == rows.Streams[from] {
			to++
		}
		m.take(rows, from, to, g.streams[rows.Streams[from]], local[rows.Streams[from]], hide)
		from = to
	}
	return nil
}

// take takes records of one stream, but for those that are to be deleted.
func (m *merger) take(r rowgroup.Rows, from, to int, old, stream uint32, hide []hidden) {
	out := looseRows{stream: stream}
	for i := from; i < to; i++ {
		var fields []model.Field
		if r.Fields != nil {
			fields = r.Fields[i]
		}
		gone := slices.ContainsFunc(hide, func(h hidden) bool {
			return (h.streams == nil || h.streams[old]) && h.query.Selects(r.Times[i], r.Lines[i], fields)
		})
		if !gone {
			out.rows.Times = append(out.rows.Times, r.Times[i])
			out.rows.Lines = append(out.rows.Lines, r.Lines[i])
			out.rows.Fields = append(out.rows.Fields, fields)
			m.looseBytes += int64(rowgroup.RowBytes(r.Lines[i], fields))
		}
	}
	if out.rows.Len() > 0 {
		m.loose = append(m.loose, out)
	}
}

// finish returns the new block.
func (m *merger) finish() (*blockWriter, error) {
	if err := m.encode(); err != nil {
		return nil, err
	}
	return &blockWriter{table: &m.table.table, groups: append(m.groups, m.worker.out...)}, nil
}

// encode encodes what is loose, streams that are alike one after the other.
func (m *merger) encode() error {
	order := make([]uint32, m.table.len())
	for i := range order {
		order[i] = uint32(i)
	}
	m.table.sortByLabels(order)
	rank := make([]int, len(order))
	for i, x := range order {
		rank[x] = i
	}
	slices.SortStableFunc(m.loose, func(a, b looseRows) int { return rank[a.stream] - rank[b.stream] })
	w := &m.worker
	for from := 0; from < len(m.loose); {
		to := from
		w.local = append(w.local, m.loose[from].stream)
		first := w.buffer.rows.Len()
		for to < len(m.loose) && m.loose[to].stream == m.loose[from].stream {
			r := &m.loose[to].rows
			for i := range r.Times {
				w.buffer.append(uint32(len(w.local)-1), r.Times[i], r.Lines[i], r.Fields[i])
			}
			m.loose[to] = looseRows{stream: m.loose[to].stream}
			to++
		}
		w.buffer.sort(first)
		if err := w.flush(false); err != nil {
			return err
		}
		from = to
	}
	m.loose, m.looseBytes = nil, 0
	return w.flush(true)
}

// entry is what the new block takes over from the old ones.
func (m *merger) entry(blocks []*block.Block) (out block.Entry) {
	for i, b := range blocks {
		e := b.Entry()
		out.Level = max(out.Level, e.Level)
		out.Covers = append(out.Covers, e.Covers...)
		if i == 0 {
			out.Applied = slices.Clone(e.Applied)
		}
		// What is not applied to all of them is not applied.
		out.Applied = slices.DeleteFunc(out.Applied, func(id string) bool { return !slices.Contains(e.Applied, id) })
	}
	if len(blocks) > 1 {
		out.Level++
	}
	for _, d := range m.hide {
		if !slices.Contains(out.Applied, d.ID) {
			out.Applied = append(out.Applied, d.ID)
		}
	}
	return out
}
