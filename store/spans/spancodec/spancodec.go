// Package spancodec writes what spans are made of as bytes, row by row, and reads it back.
package spancodec

import (
	"encoding/binary"
	"unsafe"

	"github.com/hulotte-dev/hulotte/model"
)

// What a group in a section is made of. Numbers are uvarint unless it is said; a text is its length and its bytes.
//
//	attributes  number, then for each text of the key, and the value
//	value       1 byte of its kind, then: text (string, bytes); 1 byte (bool); varint (int); 8 bytes (float); attributes (array, map)
//	resource    attributes, dropped, text of the schema's URL
//	scope       texts of name and version, attributes, dropped, text of the schema's URL
//	span        16 bytes trace id, 8 bytes id, 8 bytes parent, 8 bytes start, varint duration, 1 byte kind, 1 byte status, flags,
//	            texts of name, message and state, attributes, events, links, dropped attributes, events and links
//	event       varint time since the span's start, text of the name, attributes, dropped
//	link        16 bytes trace id, 8 bytes span id, text of the state, flags, attributes, dropped

// MaxDepth bounds how deep values are nested: what is deeper is refused when it comes.
const MaxDepth = 64

// AppendAttributes appends the number of attributes, and the attributes.
func AppendAttributes(dst []byte, list []model.Attribute) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for i := range list {
		dst = AppendText(dst, list[i].Key)
		dst = AppendValue(dst, &list[i].Value)
	}
	return dst
}

// AppendValue appends the value's kind, and what it holds.
func AppendValue(dst []byte, v *model.Value) []byte {
	dst = append(dst, byte(v.Kind))
	switch v.Kind {
	case model.StringValue, model.BytesValue:
		return AppendText(dst, v.Text)
	case model.BoolValue:
		return append(dst, byte(v.Bits))
	case model.IntValue:
		return binary.AppendVarint(dst, v.Bits)
	case model.FloatValue:
		return binary.LittleEndian.AppendUint64(dst, uint64(v.Bits))
	case model.ArrayValue, model.MapValue:
		return AppendAttributes(dst, v.Nested)
	}
	return dst
}

// AppendResource appends a resource.
func AppendResource(dst []byte, r *model.Resource) []byte {
	dst = AppendAttributes(dst, r.Attributes)
	dst = binary.AppendUvarint(dst, uint64(r.Dropped))
	return AppendText(dst, r.SchemaURL)
}

// AppendScope appends a scope.
func AppendScope(dst []byte, s *model.Scope) []byte {
	dst = AppendText(AppendText(dst, s.Name), s.Version)
	dst = AppendAttributes(dst, s.Attributes)
	dst = binary.AppendUvarint(dst, uint64(s.Dropped))
	return AppendText(dst, s.SchemaURL)
}

// AppendSpan appends a span.
func AppendSpan(dst []byte, s *model.Span) []byte {
	dst = append(dst, s.TraceID[:]...)
	dst = append(dst, s.ID[:]...)
	dst = append(dst, s.Parent[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Start))
	dst = binary.AppendVarint(dst, s.Duration)
	dst = append(dst, byte(s.Kind), byte(s.Status))
	dst = binary.AppendUvarint(dst, uint64(s.Flags))
	dst = AppendText(AppendText(AppendText(dst, s.Name), s.Message), s.State)
	dst = AppendAttributes(dst, s.Attributes)
	dst = AppendLinks(AppendEvents(dst, s), s)
	for _, n := range []uint32{s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks} {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

// AppendEvents appends the number of the span's events, and the events.
func AppendEvents(dst []byte, s *model.Span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.Events)))
	for i := range s.Events {
		e := &s.Events[i]
		dst = binary.AppendVarint(dst, e.Time-s.Start)
		dst = AppendAttributes(AppendText(dst, e.Name), e.Attributes)
		dst = binary.AppendUvarint(dst, uint64(e.Dropped))
	}
	return dst
}

// AppendLinks appends the number of the span's links, and the links.
func AppendLinks(dst []byte, s *model.Span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.Links)))
	for i := range s.Links {
		l := &s.Links[i]
		dst = append(dst, l.TraceID[:]...)
		dst = AppendText(append(dst, l.SpanID[:]...), l.State)
		dst = AppendAttributes(binary.AppendUvarint(dst, uint64(l.Flags)), l.Attributes)
		dst = binary.AppendUvarint(dst, uint64(l.Dropped))
	}
	return dst
}

// LeastSpan is how many bytes a span takes at least.
const LeastSpan = 16 + 8 + 8 + 8 + 1 + 2 + 1 + 3 + 1 + 2 + 3

func (d *Decoder) list(n int) []model.Attribute {
	const most = 512
	if n > most/4 {
		return make([]model.Attribute, n)
	}
	if len(d.free) < n {
		// Pieces grow: much of what is decoded is one resource, which is kept for long.
		d.piece = min(max(2*d.piece, n), most)
		d.free = make([]model.Attribute, d.piece)
	}
	out := d.free[:n:n]
	d.free = d.free[n:]
	return out
}

// Attributes reads attributes.
func (d *Decoder) Attributes() []model.Attribute {
	n := d.Count(2)
	if n == 0 {
		return nil
	}
	out := d.list(n)
	for i := range out {
		out[i].Key = d.Text()
		d.Value(&out[i].Value)
		if d.Bad {
			return nil
		}
	}
	return out
}

// Value reads a value.
func (d *Decoder) Value(v *model.Value) {
	v.Kind = model.ValueKind(d.Byte())
	switch v.Kind {
	case model.NoValue:
	case model.StringValue, model.BytesValue:
		v.Text = d.Text()
	case model.BoolValue:
		v.Bits = int64(d.Byte())
		if v.Bits > 1 {
			d.Fail()
		}
	case model.IntValue:
		v.Bits = d.Varint()
	case model.FloatValue:
		v.Bits = int64(d.Uint64())
	case model.ArrayValue, model.MapValue:
		if d.depth++; d.depth > MaxDepth {
			d.Fail()
			return
		}
		v.Nested = d.Attributes()
		d.depth--
	default:
		d.Fail()
	}
}

// Uint64 is 8 bytes, the lowest first.
func (d *Decoder) Uint64() uint64 {
	b := d.Take(8)
	if d.Bad {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Uint32 is an uvarint of 32 bits.
func (d *Decoder) Uint32() uint32 { return uint32(d.Number(1<<32 - 1)) }

// Resource reads a resource.
func (d *Decoder) Resource() *model.Resource {
	return &model.Resource{Attributes: d.Attributes(), Dropped: d.Uint32(), SchemaURL: d.Text()}
}

// Scope reads a scope.
func (d *Decoder) Scope() *model.Scope {
	return &model.Scope{Name: d.Text(), Version: d.Text(), Attributes: d.Attributes(), Dropped: d.Uint32(), SchemaURL: d.Text()}
}

// Span reads a span.
func (d *Decoder) Span(s *model.Span) {
	copy(s.TraceID[:], d.Take(16))
	copy(s.ID[:], d.Take(8))
	copy(s.Parent[:], d.Take(8))
	s.Start, s.Duration = int64(d.Uint64()), d.Varint()
	s.Kind, s.Status = model.SpanKind(d.Byte()), model.SpanStatus(d.Byte())
	s.Flags = d.Uint32()
	s.Name, s.Message, s.State = d.Text(), d.Text(), d.Text()
	s.Attributes = d.Attributes()
	d.Events(s)
	d.Links(s)
	s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks = d.Uint32(), d.Uint32(), d.Uint32()
}

// Events reads the events of a span whose start is known.
func (d *Decoder) Events(s *model.Span) {
	if n := d.Count(4); n > 0 {
		s.Events = make([]model.SpanEvent, n)
		for i := range s.Events {
			s.Events[i] = model.SpanEvent{Time: s.Start + d.Varint(), Name: d.Text(), Attributes: d.Attributes(), Dropped: d.Uint32()}
		}
	}
}

// Links reads the links of a span.
func (d *Decoder) Links(s *model.Span) {
	if n := d.Count(16 + 8 + 4); n > 0 {
		s.Links = make([]model.SpanLink, n)
		for i := range s.Links {
			d.link(&s.Links[i])
		}
	}
}

func (d *Decoder) link(l *model.SpanLink) {
	copy(l.TraceID[:], d.Take(16))
	copy(l.SpanID[:], d.Take(8))
	l.State, l.Flags = d.Text(), d.Uint32()
	l.Attributes, l.Dropped = d.Attributes(), d.Uint32()
}

// AppendText appends a length and the bytes.
func AppendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// Decoder takes values off the front of stored bytes. After something that does not fit, Bad is set and everything is zero.
type Decoder struct {
	B   []byte
	Bad bool

	free  []model.Attribute // what attributes of many spans are taken out of
	piece int               // the length of the last one
	depth int
}

// Fail notes that what is stored makes no sense.
func (d *Decoder) Fail() { d.B, d.Bad = nil, true }

// Uvarint is a number in the base-128 form of encoding/binary.
func (d *Decoder) Uvarint() uint64 {
	if len(d.B) > 0 && d.B[0] < 0x80 {
		x := d.B[0]
		d.B = d.B[1:]
		return uint64(x)
	}
	x, n := binary.Uvarint(d.B)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.B = d.B[n:]
	return x
}

// Varint is a number that may be below zero.
func (d *Decoder) Varint() int64 {
	x, n := binary.Varint(d.B)
	if n <= 0 {
		d.Fail()
		return 0
	}
	d.B = d.B[n:]
	return x
}

// Number is an uvarint of at most limit.
func (d *Decoder) Number(limit uint64) uint64 {
	x := d.Uvarint()
	if x > limit {
		d.Fail()
		return 0
	}
	return x
}

// Count is a number of things to come that take at least size bytes each, so that nothing is allocated for more than there is.
func (d *Decoder) Count(size int) int { return int(d.Number(uint64(len(d.B) / size))) }

// Byte is one byte.
func (d *Decoder) Byte() byte {
	if len(d.B) == 0 {
		d.Fail()
		return 0
	}
	x := d.B[0]
	d.B = d.B[1:]
	return x
}

// Uint48 is 6 bytes, the lowest first.
func (d *Decoder) Uint48() uint64 {
	b := d.Take(6)
	if d.Bad {
		return 0
	}
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40
}

// Take is n bytes, which are not copied.
func (d *Decoder) Take(n int) []byte {
	if n < 0 || len(d.B) < n {
		d.Fail()
		return nil
	}
	x := d.B[:n:n]
	d.B = d.B[n:]
	return x
}

// Bytes is a length and that many bytes, which are not copied.
func (d *Decoder) Bytes() []byte {
	n := d.Uvarint()
	if n > uint64(len(d.B)) {
		d.Fail()
		return nil
	}
	return d.Take(int(n))
}

// Text is Bytes as a string, without copying: they must never change again.
func (d *Decoder) Text() string {
	b := d.Bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}
