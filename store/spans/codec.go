package spans

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// A journal's entry is the spans of one push of one tenant, or a part of them when the push is large:
//
//	1 byte   version
//	uvarint  generation of the head that the spans go to
//	text     the tenant's name (a text is its length as uvarint, and its bytes)
//	uvarint  length of the content
//	rest     the content, compressed as an S2 block
//
// The content is sections, one after the other: spans that began on one day (UTC).
//
//	varint   day: days since 1970-01-01
//	uvarint  number of spans
//	6 bytes  the first start, and 6 bytes the last: nanoseconds since the day's beginning
//	text     the groups, one after the other
//
// A group is its resource, its scope, the number of its spans (uvarint), and the spans. What they are made of stands in package spancodec.
const entryVersion = 1

const (
	// maxContent is where a push is cut into several entries. One span may be larger, up to maxSpan: then it is alone in its entry,
	// which still fits medium.MaxEntry when it cannot be compressed.
	maxContent = 4 << 20
	maxSpan    = 8 << 20
)

const dayLength = int64(24 * 60 * 60 * 1e9)

// dayOf is the number of the day of a time, and the nanoseconds since its beginning.
func dayOf(nanos int64) (day int64, inDay uint64) {
	start, _ := block.DayStart(nanos)
	return start / dayLength, uint64(nanos - start)
}

// The first and the last day that lie whole in an int64 of nanoseconds.
const (
	minDay = -(1<<63-1)/dayLength + 1
	maxDay = (1<<63-1)/dayLength - 1
)

// section is spans that began on one day.
type section struct {
	day      int64
	spans    int
	min, max uint64 // nanoseconds since the day's beginning
	body     []byte // groups
}

// content collects the sections of one entry. A section takes the spans of one day, in groups as they come.
type content struct {
	bytes   []byte
	section section
	body    []byte // whole groups of the section
	group   []byte // the spans of the group that is being made
	grouped int    // how many
	head    []byte // its resource and scope
}

// begin begins a group.
func (c *content) begin(g *model.SpanGroup) {
	c.endGroup()
	c.head = spancodec.AppendScope(spancodec.AppendResource(c.head[:0], g.Resource), g.Scope)
}

// add adds a span to the group.
func (c *content) add(s *model.Span) {
	day, inDay := dayOf(s.Start)
	x := &c.section
	if x.spans > 0 && x.day != day {
		c.finish()
	}
	if x.spans == 0 {
		*x = section{day: day, min: inDay, max: inDay}
	}
	x.spans++
	x.min, x.max = min(x.min, inDay), max(x.max, inDay)
	c.group = spancodec.AppendSpan(c.group, s)
	c.grouped++
}

func (c *content) endGroup() {
	if c.grouped == 0 {
		return
	}
	c.body = append(c.body, c.head...)
	c.body = binary.AppendUvarint(c.body, uint64(c.grouped))
	c.body = append(c.body, c.group...)
	c.group, c.grouped = c.group[:0], 0
}

// finish writes the section. Spans that come behind it are of the same group, unless another is begun.
func (c *content) finish() {
	c.endGroup()
	x := &c.section
	if x.spans == 0 {
		return
	}
	b := binary.AppendVarint(c.bytes, x.day)
	b = binary.AppendUvarint(b, uint64(x.spans))
	b = append6(b, x.min)
	b = append6(b, x.max)
	b = binary.AppendUvarint(b, uint64(len(c.body)))
	c.bytes = append(b, c.body...)
	c.body = c.body[:0]
	c.section = section{}
}

func (c *content) len() int { return len(c.bytes) + len(c.body) + len(c.group) }

func (c *content) reset() {
	c.bytes, c.body, c.group, c.grouped, c.section = c.bytes[:0], c.body[:0], c.group[:0], 0, section{}
}

func appendEntry(dst []byte, generation uint64, tenant string, content []byte) []byte {
	dst = append(dst, entryVersion)
	dst = binary.AppendUvarint(dst, generation)
	dst = spancodec.AppendText(dst, tenant)
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	at := len(dst)
	need := s2.MaxEncodedLen(len(content))
	if cap(dst)-at < need {
		grown := make([]byte, at, at+need)
		copy(grown, dst)
		dst = grown
	}
	return dst[:at+len(s2.Encode(dst[at:at+need], content))]
}

// entry is a journal's entry; its content is uncompressed.
type entry struct {
	generation uint64
	tenant     string
	content    []byte
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", medium.ErrCorrupt, fmt.Sprintf(format, args...))
}

// decodeEntry reads an entry.
func decodeEntry(b []byte) (entry, error) {
	d := spancodec.Decoder{B: b}
	if v := d.Byte(); v != entryVersion && !d.Bad {
		return entry{}, model.NewError(model.Corrupt, fmt.Sprintf("the entry is of format %d: this version of Hulotte reads format %d", v, entryVersion))
	}
	e := entry{generation: d.Uvarint(), tenant: string(d.Bytes())}
	n := d.Number(maxSpan + 2*maxContent)
	if d.Bad {
		return entry{}, corrupt("the head of a journal's entry cannot be read")
	}
	if err := model.ValidTenant(e.tenant); err != nil {
		return entry{}, corrupt("a journal's entry: %v", err)
	}
	size, err := s2.DecodedLen(d.B)
	if err != nil || uint64(size) != n {
		return entry{}, corrupt("a journal's entry has %d bytes of content, its head says %d", size, n)
	}
	e.content, err = s2.Decode(nil, d.B)
	if err != nil {
		return entry{}, corrupt("the content of a journal's entry: %v", err)
	}
	return e, nil
}

// sections calls f for each section of a content. The bytes are those of content.
func sections(content []byte, f func(section) error) error {
	d := spancodec.Decoder{B: content}
	for len(d.B) > 0 {
		s := section{day: d.Varint()}
		s.spans = int(d.Number(uint64(len(d.B))))
		s.min, s.max = d.Uint48(), d.Uint48()
		s.body = d.Bytes()
		if d.Bad || s.spans == 0 || s.min > s.max || s.max >= uint64(dayLength) || s.day < minDay || s.day > maxDay {
			return corrupt("a section of a journal's entry cannot be read")
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

func append6(dst []byte, x uint64) []byte {
	return append(dst, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40))
}

// decodeGroups reads the body of a section; the strings are its own bytes.
func decodeGroups(body []byte, spans int) ([]model.SpanGroup, error) {
	d := spancodec.Decoder{B: body}
	var out []model.SpanGroup
	found := 0
	for len(d.B) > 0 {
		g := model.SpanGroup{Resource: d.Resource(), Scope: d.Scope()}
		n := d.Count(spancodec.LeastSpan)
		g.Spans = make([]model.Span, n)
		for i := range g.Spans {
			d.Span(&g.Spans[i])
		}
		found += n
		out = append(out, g)
	}
	if d.Bad || found != spans {
		return nil, corrupt("spans of the journal or in memory cannot be read")
	}
	return out, nil
}
