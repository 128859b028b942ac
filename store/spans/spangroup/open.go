package spangroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// Open reads the directory of a group of size bytes, of which directory are the directory, as Encode told. What is damaged is an error of kind
// Corrupt.
func Open(r io.ReaderAt, size, directory int64) (*Group, error) {
	if directory < headSize || directory > size || directory > maxSection {
		return nil, corrupt("a directory of %d bytes in a group of %d", directory, size)
	}
	stored := make([]byte, directory)
	if _, err := r.ReadAt(stored, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read a group of spans: %w", err)
	}
	if binary.LittleEndian.Uint32(stored) != crc32.Checksum(stored[4:], castagnoli) {
		return nil, corrupt("the directory does not match its checksum")
	}
	if v := binary.LittleEndian.Uint32(stored[4:]); v != formatVersion {
		return nil, model.NewError(model.Corrupt, fmt.Sprintf("the group of spans is of format %d: this version of Hulotte reads format %d", v, formatVersion))
	}
	n := binary.LittleEndian.Uint32(stored[8:])
	if n > maxSection {
		return nil, corrupt("a directory of %d bytes", n)
	}
	raw, err := decompressor.DecodeAll(stored[headSize:], make([]byte, 0, min(n, 1<<20)))
	if err != nil || len(raw) != int(n) {
		return nil, corrupt("the directory cannot be uncompressed: %v", err)
	}
	g := &Group{r: r, at: directory}
	if err := g.decode(raw, size-directory); err != nil {
		return nil, err
	}
	g.summary.Directory = directory
	return g, nil
}

// decode reads the directory; there are left bytes of sections.
func (g *Group) decode(raw []byte, left int64) error {
	d := &spancodec.Decoder{B: raw}
	s := &g.summary
	s.Spans = int(d.Number(MaxSpans))
	s.Traces = int(d.Number(uint64(s.Spans)))
	s.First, s.Last, g.shortest, g.longest = d.Varint(), d.Varint(), d.Varint(), d.Varint()
	g.kinds = d.Uint64()
	for range d.Count(1) {
		x := spancodec.Decoder{B: d.Bytes()}
		g.owners = append(g.owners, owner{x.Resource(), x.Scope()})
		if x.Bad {
			d.Fail()
		}
	}
	for range d.Count(1) {
		g.names = append(g.names, d.Text())
	}
	shapes := make([][]byte, d.Count(1))
	for i := range shapes {
		shapes[i] = d.Bytes()
	}
	g.decodeColumns(d)
	g.decodeFields(d)
	g.decodeSections(d, left)
	for _, b := range shapes {
		g.shapes = append(g.shapes, g.decodeShape(d, b))
	}
	if d.Bad || len(d.B) > 0 || s.Spans == 0 || s.Traces == 0 || s.First > s.Last {
		return corrupt("the directory cannot be read")
	}
	return nil
}

func (g *Group) decodeColumns(d *spancodec.Decoder) {
	g.columns = make([]column, d.Count(7))
	for i := range g.columns {
		c := &g.columns[i]
		c.key = d.Text()
		c.occurrence = int(d.Number(1 << 20))
		c.how = d.Byte()
		c.spans = int(d.Number(MaxSpans))
		c.min, c.max = d.Varint(), d.Varint()
		if n := d.Count(1); n > 0 {
			c.values = make([]model.Value, n)
		}
		for k := range c.values {
			d.Value(&c.values[k])
		}
		if c.how > columnValues || d.Bad {
			d.Fail()
			return
		}
	}
}

func (g *Group) decodeFields(d *spancodec.Decoder) {
	for range d.Count(4) {
		f := store.SpanFieldInfo{SpanField: store.SpanField{Scope: store.SpanScope(d.Byte())}, Kind: model.ValueKind(d.Byte())}
		f.Name, f.Spans = d.Text(), int64(d.Number(1<<40))
		if f.Kind < 0 || f.Kind > model.BytesValue {
			d.Fail()
			return
		}
		g.fields = append(g.fields, f)
	}
}

func (g *Group) decodeSections(d *spancodec.Decoder, left int64) {
	g.sections = make([]section, fixedSections+len(g.columns))
	at := int64(0)
	for i := range g.sections {
		s := &g.sections[i]
		s.offset = at
		s.stored, s.raw = int64(d.Number(uint64(max(left-at, 0)))), int64(d.Number(maxSection))
		if b := d.Take(4); len(b) == 4 {
			s.sum = binary.LittleEndian.Uint32(b)
		}
		at += s.stored
		if d.Bad {
			return
		}
	}
	if at != left {
		d.Fail()
	}
}

func (g *Group) decodeShape(d *spancodec.Decoder, b []byte) []uint32 {
	x := spancodec.Decoder{B: b}
	out := make([]uint32, 0, len(b))
	for len(x.B) > 0 {
		n := x.Uvarint()
		if n >= uint64(len(g.columns)) {
			d.Fail()
			return nil
		}
		out = append(out, uint32(n))
	}
	if x.Bad {
		d.Fail()
	}
	return out
}
