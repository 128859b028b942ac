package events

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// A journal's entry is the records of one push of one tenant, or a part of them when the push is large:
//
//	1 byte   version
//	uvarint  generation of the head that the records go to
//	uvarint  length of the tenant's name, and the name
//	uvarint  length of the content
//	rest     the content, compressed as an S2 block
//
// The content is sections, one after the other: the records of one stream on one day (UTC).
//
//	varint   day: days since 1970-01-01
//	uvarint  length of the labels, and the labels: uvarint number, then for each uvarint length and bytes of name and of value
//	uvarint  number of records
//	uvarint  bytes of their lines and fields, as rowgroup.RowBytes counts them
//	6 bytes  the first time, and 6 bytes the last: nanoseconds since the day's beginning
//	uvarint  length of the records, and the records
//
// A record says for itself when it was, so that those of several sections can be put together as they are:
//
//	6 bytes  nanoseconds since the day's beginning
//	uvarint  length of the line, and the line
//	uvarint  number of fields, then for each uvarint length and bytes of name and of value
const entryVersion = 1

const (
	// maxContent is where a push is cut into several entries. One record may be larger, up to maxRecord: then it is alone
	// in its entry, which still fits medium.MaxEntry when it cannot be compressed.
	maxContent = 4 << 20
	maxRecord  = 12 << 20
)

// content collects the sections of one entry.
type content struct {
	bytes   []byte
	body    []byte // of the section that is being made
	section section
}

// section is the head of a section, and where its records are.
type section struct {
	day      int64
	labels   []byte
	records  int
	raw      int64
	min, max uint64 // nanoseconds since the day's beginning
	body     []byte
}

func appendLabels(dst []byte, fields []model.Field) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(fields)))
	return appendPairs(dst, fields)
}

func appendPairs(dst []byte, fields []model.Field) []byte {
	for i := range fields {
		dst = appendText(dst, fields[i].Name)
		dst = appendText(dst, fields[i].Value)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func append6(dst []byte, x uint64) []byte {
	return append(dst, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40))
}

func appendRecord(dst []byte, inDay uint64, r *model.Record) []byte {
	dst = append6(dst, inDay)
	dst = appendText(dst, r.Line)
	dst = binary.AppendUvarint(dst, uint64(len(r.Fields)))
	return appendPairs(dst, r.Fields)
}

// day is the number of the day of a time, and the nanoseconds since its beginning.
func dayOf(nanos int64) (day int64, inDay uint64) {
	start, _ := block.DayStart(nanos)
	return start / dayLength, uint64(nanos - start)
}

const dayLength = int64(24 * 60 * 60 * 1e9)

// add adds a record to the section, which is begun anew when the day is another. Between two streams comes finish.
func (c *content) add(labels []byte, r *model.Record) {
	day, inDay := dayOf(r.Time)
	s := &c.section
	if s.records > 0 && s.day != day {
		c.finish()
	}
	if s.records == 0 {
		*s = section{day: day, labels: labels, min: inDay, max: inDay}
	}
	s.records++
	s.raw += int64(rowgroup.RowBytes(r.Line, r.Fields))
	s.min, s.max = min(s.min, inDay), max(s.max, inDay)
	c.body = appendRecord(c.body, inDay, r)
}

// finish writes the section.
func (c *content) finish() {
	s := &c.section
	if s.records == 0 {
		return
	}
	b := binary.AppendVarint(c.bytes, s.day)
	b = binary.AppendUvarint(b, uint64(len(s.labels)))
	b = append(b, s.labels...)
	b = binary.AppendUvarint(b, uint64(s.records))
	b = binary.AppendUvarint(b, uint64(s.raw))
	b = append6(b, s.min)
	b = append6(b, s.max)
	b = binary.AppendUvarint(b, uint64(len(c.body)))
	c.bytes = append(b, c.body...)
	c.body = c.body[:0]
	c.section = section{}
}

func (c *content) len() int { return len(c.bytes) + len(c.body) }

func (c *content) reset() {
	c.bytes, c.body, c.section = c.bytes[:0], c.body[:0], section{}
}

func appendEntry(dst []byte, generation uint64, tenant string, content []byte) []byte {
	dst = append(dst, entryVersion)
	dst = binary.AppendUvarint(dst, generation)
	dst = appendText(dst, tenant)
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

// decodeEntry uncompresses the content into buffer, as far as there is room in it.
func decodeEntry(b, buffer []byte) (entry, error) {
	d := decoder{b: b}
	if v := d.byte(); v != entryVersion && !d.bad {
		return entry{}, model.NewError(model.Corrupt, fmt.Sprintf("the entry is of format %d: this version of Hulotte reads format %d", v, entryVersion))
	}
	e := entry{generation: d.uvarint(), tenant: string(d.text())}
	n := d.number(maxRecord + maxContent)
	if d.bad {
		return entry{}, corrupt("the head of a journal's entry cannot be read")
	}
	if err := model.ValidTenant(e.tenant); err != nil {
		return entry{}, corrupt("a journal's entry: %v", err)
	}
	size, err := s2.DecodedLen(d.b)
	if err != nil || uint64(size) != n {
		return entry{}, corrupt("a journal's entry has %d bytes of content, its head says %d", size, n)
	}
	e.content, err = s2.Decode(buffer[:cap(buffer)], d.b)
	if err != nil {
		return entry{}, corrupt("the content of a journal's entry: %v", err)
	}
	return e, nil
}

// sections calls f for each section of a content. The bytes are those of content.
func sections(content []byte, f func(section) error) error {
	d := decoder{b: content}
	for len(d.b) > 0 {
		s := section{day: d.varint(), labels: d.text()}
		s.records = int(d.number(uint64(len(d.b))))
		s.raw = int64(d.number(maxRecord + maxContent))
		s.min, s.max = d.uint48(), d.uint48()
		s.body = d.text()
		if d.bad || s.records == 0 || s.min > s.max || s.max >= uint64(dayLength) || s.day < minDay || s.day > maxDay {
			return corrupt("a section of a journal's entry cannot be read")
		}
		if err := f(s); err != nil {
			return err
		}
	}
	return nil
}

// The first and the last day that lie whole in an int64 of nanoseconds.
const (
	minDay = -(1<<63-1)/dayLength + 1
	maxDay = (1<<63-1)/dayLength - 1
)

// decodeLabels returns the labels of a section; the strings are b's.
func decodeLabels(b []byte) ([]model.Field, error) {
	d := decoder{b: b}
	out := make([]model.Field, 0, d.count(maxPairs, 2))
	for range cap(out) {
		out = append(out, model.Field{Name: text(d.text()), Value: text(d.text())})
	}
	if d.bad || len(d.b) > 0 {
		return nil, corrupt("the labels of a stream cannot be read")
	}
	return out, nil
}

// maxPairs bounds the labels of a stream and the fields of a record in what is stored.
const maxPairs = 1 << 16

// nextRecord takes a record off b; the strings are b's. fields is where the fields are appended to.
func nextRecord(b []byte, fields []model.Field) (inDay uint64, line string, outFields []model.Field, rest []byte, ok bool) {
	d := decoder{b: b}
	inDay = d.uint48()
	line = text(d.text())
	n := d.count(maxPairs, 2)
	for range n {
		fields = append(fields, model.Field{Name: text(d.text()), Value: text(d.text())})
	}
	return inDay, line, fields, d.b, !d.bad
}

// text is b as a string, without copying: b must never change again.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// decoder takes values off the front of stored bytes. After something that does not fit, bad is set and everything is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) uvarint() uint64 {
	if len(d.b) > 0 && d.b[0] < 0x80 {
		x := d.b[0]
		d.b = d.b[1:]
		return uint64(x)
	}
	x, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

func (d *decoder) varint() int64 {
	x, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return x
}

// number is an uvarint of at most limit.
func (d *decoder) number(limit uint64) uint64 {
	x := d.uvarint()
	if x > limit {
		d.fail()
		return 0
	}
	return x
}

// count is a number of things to come that take at least size bytes each, so that nothing is allocated for more than there is.
func (d *decoder) count(limit, size int) int {
	return int(d.number(uint64(min(limit, len(d.b)/size))))
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	x := d.b[0]
	d.b = d.b[1:]
	return x
}

func (d *decoder) uint48() uint64 {
	if len(d.b) < 6 {
		d.fail()
		return 0
	}
	b := d.b
	d.b = b[6:]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40
}

// text is a length and that many bytes, which are not copied.
func (d *decoder) text() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	x := d.b[:n:n]
	d.b = d.b[n:]
	return x
}
