package spangroup

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// row is a span while it is encoded.
type row struct {
	span  *model.Span
	owner uint32
	first int64 // start of its trace
}

// encoder makes one group.
type encoder struct {
	rows     []row
	owners   dictionary
	names    dictionary
	shapes   dictionary
	columns  []*columnEncoder
	byKey    map[columnKey]uint32
	fields   map[fieldKey]int64
	sections [][]byte
	summary  Summary
}

type columnKey struct {
	key        string
	occurrence int
}

type fieldKey struct {
	field store.SpanField
	kind  model.ValueKind
}

// dictionary numbers byte strings as they come.
type dictionary struct {
	codes map[string]uint32
	list  []string
}

func (d *dictionary) code(b []byte) uint32 {
	if c, ok := d.codes[string(b)]; ok {
		return c
	}
	if d.codes == nil {
		d.codes = map[string]uint32{}
	}
	c := uint32(len(d.list))
	s := string(b)
	d.codes[s] = c
	d.list = append(d.list, s)
	return c
}

// Encode appends a group. In it traces stand one after the other by their first start, then by their ids, and the spans of a trace by start,
// then by id. The spans are not changed.
func Encode(dst []byte, groups []model.SpanGroup) ([]byte, Summary, error) {
	e := &encoder{byKey: map[columnKey]uint32{}, fields: map[fieldKey]int64{}, sections: make([][]byte, fixedSections)}
	e.collect(groups)
	if n := len(e.rows); n == 0 || n > MaxSpans {
		return dst, Summary{}, fmt.Errorf("BUG: a group of %d spans: 1 to %d can be encoded", n, MaxSpans)
	}
	e.traces()
	e.spans()
	e.attributes()
	e.details()
	return e.write(dst), e.summary, nil
}

// collect takes the spans in order.
func (e *encoder) collect(groups []model.SpanGroup) {
	first := map[model.TraceID]int64{}
	var buf []byte
	for i := range groups {
		g := &groups[i]
		if len(g.Spans) == 0 {
			continue
		}
		buf = spancodec.AppendScope(spancodec.AppendResource(buf[:0], g.Resource), g.Scope)
		owner := e.owners.code(buf)
		e.note(store.OnResource, g.Resource.Attributes, int64(len(g.Spans)))
		e.note(store.OnScope, g.Scope.Attributes, int64(len(g.Spans)))
		for k := range g.Spans {
			s := &g.Spans[k]
			e.rows = append(e.rows, row{span: s, owner: owner})
			if at, ok := first[s.TraceID]; !ok || s.Start < at {
				first[s.TraceID] = s.Start
			}
		}
	}
	for i := range e.rows {
		e.rows[i].first = first[e.rows[i].span.TraceID]
	}
	slices.SortStableFunc(e.rows, func(a, b row) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		if c := a.span.TraceID.Compare(b.span.TraceID); c != 0 {
			return c
		}
		if a.span.Start != b.span.Start {
			return cmp.Compare(a.span.Start, b.span.Start)
		}
		return bytes.Compare(a.span.ID[:], b.span.ID[:])
	})
}

func (e *encoder) note(scope store.SpanScope, list []model.Attribute, n int64) {
	for i := range list {
		e.fields[fieldKey{store.SpanField{Scope: scope, Name: list[i].Key}, list[i].Value.Kind}] += n
	}
}

// traces writes the ids of traces, and the starts and parents within them.
func (e *encoder) traces() {
	base := e.rows[0].first
	s := &e.summary
	s.Spans, s.First, s.Last = len(e.rows), base, base
	var counts, raw []byte
	for from := 0; from < len(e.rows); {
		to := from + 1
		id := e.rows[from].span.TraceID
		for to < len(e.rows) && e.rows[to].span.TraceID == id {
			to++
		}
		e.sections[secTraces] = append(e.sections[secTraces], id[:]...)
		counts = binary.AppendUvarint(counts, uint64(to-from))
		s.Traces++
		s.TraceHashes = append(s.TraceHashes, HashTrace(id))
		s.Last = max(s.Last, e.rows[to-1].span.Start)
		raw = e.parents(raw, e.rows[from:to])
		last := base
		for i := from; i < to; i++ {
			at := e.rows[i].span.Start
			e.sections[secStarts] = binary.AppendUvarint(e.sections[secStarts], uint64(at-last))
			last = at
		}
		from = to
	}
	e.sections[secTraces] = append(e.sections[secTraces], counts...)
	e.sections[secParents] = append(e.sections[secParents], raw...)
}

// parents writes where the parents of a trace's spans stand; raw is the ids of those that are not here.
func (e *encoder) parents(raw []byte, rows []row) []byte {
	at := make(map[model.SpanID]int, len(rows))
	for i := len(rows) - 1; i >= 0; i-- {
		at[rows[i].span.ID] = i
	}
	for i := range rows {
		parent := rows[i].span.Parent
		code := uint64(0)
		if !parent.IsZero() {
			if k, ok := at[parent]; ok {
				code = uint64(k) + 2
			} else {
				code = 1
				raw = append(raw, parent[:]...)
			}
		}
		e.sections[secParents] = binary.AppendUvarint(e.sections[secParents], code)
	}
	return raw
}

// spans writes what every span has.
func (e *encoder) spans() {
	names, owners := make([]uint32, len(e.rows)), make([]uint32, len(e.rows))
	for i := range e.rows {
		s := e.rows[i].span
		e.sections[secIDs] = append(e.sections[secIDs], s.ID[:]...)
		e.sections[secDurations] = binary.AppendVarint(e.sections[secDurations], s.Duration)
		e.sections[secKinds] = append(e.sections[secKinds], byte(s.Kind), byte(s.Status))
		names[i] = e.names.code([]byte(s.Name))
		owners[i] = e.rows[i].owner
	}
	e.sections[secNames] = appendCodes(nil, names, len(e.names.list))
	e.sections[secOwners] = appendCodes(nil, owners, len(e.owners.list))
}

// attributes writes the shapes of spans, and the columns.
func (e *encoder) attributes() {
	shapes := make([]uint32, len(e.rows))
	var shape []byte
	for i := range e.rows {
		list := e.rows[i].span.Attributes
		shape = shape[:0]
		for k := range list {
			a := &list[k]
			n := e.column(list, k)
			shape = binary.AppendUvarint(shape, uint64(n))
			e.columns[n].add(&a.Value)
		}
		e.note(store.OnSpan, list, 1)
		shapes[i] = e.shapes.code(shape)
	}
	e.sections[secShapes] = appendCodes(nil, shapes, len(e.shapes.list))
	for _, c := range e.columns {
		e.sections = append(e.sections, c.finish())
	}
}

// column is the number of the column of an attribute.
func (e *encoder) column(list []model.Attribute, k int) uint32 {
	key := columnKey{key: list[k].Key}
	for i := range k {
		if list[i].Key == key.key {
			key.occurrence++
		}
	}
	n, ok := e.byKey[key]
	if !ok {
		n = uint32(len(e.columns))
		e.byKey[key] = n
		e.columns = append(e.columns, &columnEncoder{column: column{key: key.key, occurrence: key.occurrence}})
	}
	return n
}

// details writes what few spans have.
func (e *encoder) details() {
	var extra []byte
	found := 0
	for i := range e.rows {
		s := e.rows[i].span
		for k := range s.Events {
			e.note(store.OnEvent, s.Events[k].Attributes, 1)
		}
		for k := range s.Links {
			e.note(store.OnLink, s.Links[k].Attributes, 1)
		}
		e.sections[secEvents] = spancodec.AppendEvents(e.sections[secEvents], s)
		e.sections[secLinks] = spancodec.AppendLinks(e.sections[secLinks], s)
		if s.Flags == 0 && s.Message == "" && s.State == "" && s.DroppedAttributes == 0 && s.DroppedEvents == 0 && s.DroppedLinks == 0 {
			continue
		}
		found++
		extra = binary.AppendUvarint(extra, uint64(i))
		extra = binary.AppendUvarint(extra, uint64(s.Flags))
		extra = spancodec.AppendText(spancodec.AppendText(extra, s.Message), s.State)
		for _, n := range []uint32{s.DroppedAttributes, s.DroppedEvents, s.DroppedLinks} {
			extra = binary.AppendUvarint(extra, uint64(n))
		}
	}
	e.sections[secExtra] = append(binary.AppendUvarint(nil, uint64(found)), extra...)
}

// columnEncoder collects the values of a column.
type columnEncoder struct {
	column
	rows  []*model.Value
	kinds [model.BytesValue + 1]int
}

func (c *columnEncoder) add(v *model.Value) {
	c.rows = append(c.rows, v)
	c.kinds[v.Kind]++
}

// finish returns the column's section.
func (c *columnEncoder) finish() (out []byte) {
	c.spans = len(c.rows)
	if codes, ok := c.dictionary(); ok {
		c.how = columnDictionary
		return appendCodes(nil, codes, len(c.values))
	}
	switch len(c.rows) {
	case c.kinds[model.IntValue]:
		c.how, c.min, c.max = columnIntegers, c.rows[0].Bits, c.rows[0].Bits
		for _, v := range c.rows {
			c.min, c.max = min(c.min, v.Bits), max(c.max, v.Bits)
			out = binary.AppendVarint(out, v.Bits)
		}
	case c.kinds[model.FloatValue]:
		c.how = columnFloats
		for _, v := range c.rows {
			out = binary.LittleEndian.AppendUint64(out, uint64(v.Bits))
		}
	case c.kinds[model.StringValue]:
		c.how = columnTexts
		for _, v := range c.rows {
			out = binary.AppendUvarint(out, uint64(len(v.Text)))
		}
		for _, v := range c.rows {
			out = append(out, v.Text...)
		}
	default:
		c.how = columnValues
		for _, v := range c.rows {
			out = spancodec.AppendValue(out, v)
		}
	}
	return out
}

// dictionary returns the codes of the values when they are few.
func (c *columnEncoder) dictionary() ([]uint32, bool) {
	var d dictionary
	codes := make([]uint32, len(c.rows))
	var buf []byte
	size := 0
	for i, v := range c.rows {
		buf = spancodec.AppendValue(buf[:0], v)
		codes[i] = d.code(buf)
		if int(codes[i]) == len(c.values) {
			c.values = append(c.values, *v)
			size += len(buf)
		}
		if many := len(c.values) > 32 && len(c.values) > len(c.rows)/2; many && i == len(c.rows)-1 || len(c.values) > mostDictionary || size > mostDictionaryBytes {
			c.values = nil
			return nil, false
		}
	}
	return codes, true
}

// write puts the directory before the sections.
func (e *encoder) write(dst []byte) []byte {
	var body []byte
	list := make([]section, len(e.sections))
	for i, raw := range e.sections {
		s := &list[i]
		s.offset = int64(len(body))
		if packed := compressor.EncodeAll(raw, nil); len(packed) < len(raw) {
			body = append(body, packed...)
			s.raw = int64(len(raw))
		} else {
			body = append(body, raw...)
		}
		s.stored = int64(len(body)) - s.offset
		s.sum = crc32.Checksum(body[s.offset:], castagnoli)
	}
	dir := e.directory(list)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(dir)))
	dst = compressor.EncodeAll(dir, dst)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	e.summary.Directory = int64(len(dst) - at)
	return append(dst, body...)
}

// directory writes what Open reads.
func (e *encoder) directory(list []section) []byte {
	s := &e.summary
	shortest, longest, kinds := e.rows[0].span.Duration, e.rows[0].span.Duration, uint64(0)
	for i := range e.rows {
		x := e.rows[i].span
		shortest, longest = min(shortest, x.Duration), max(longest, x.Duration)
		kinds |= kindBit(x.Kind, x.Status)
	}
	b := binary.AppendUvarint(nil, uint64(s.Spans))
	b = binary.AppendUvarint(b, uint64(s.Traces))
	for _, x := range []int64{s.First, s.Last, shortest, longest} {
		b = binary.AppendVarint(b, x)
	}
	b = binary.LittleEndian.AppendUint64(b, kinds)
	for _, d := range []*dictionary{&e.owners, &e.names, &e.shapes} {
		b = binary.AppendUvarint(b, uint64(len(d.list)))
		for _, x := range d.list {
			b = spancodec.AppendText(b, x)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(e.columns)))
	for _, c := range e.columns {
		b = spancodec.AppendText(b, c.key)
		b = binary.AppendUvarint(b, uint64(c.occurrence))
		b = append(b, c.how)
		b = binary.AppendUvarint(b, uint64(c.spans))
		b = binary.AppendVarint(binary.AppendVarint(b, c.min), c.max)
		b = binary.AppendUvarint(b, uint64(len(c.values)))
		for i := range c.values {
			b = spancodec.AppendValue(b, &c.values[i])
		}
	}
	b = e.appendFields(b)
	for _, x := range list {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(x.stored)), uint64(x.raw))
		b = binary.LittleEndian.AppendUint32(b, x.sum)
	}
	return b
}

// appendFields writes which attributes there are, by kind of value.
func (e *encoder) appendFields(b []byte) []byte {
	keys := make([]fieldKey, 0, len(e.fields))
	for k := range e.fields {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b fieldKey) int {
		return cmp.Or(cmp.Compare(a.field.Scope, b.field.Scope), cmp.Compare(a.field.Name, b.field.Name), cmp.Compare(a.kind, b.kind))
	})
	b = binary.AppendUvarint(b, uint64(len(keys)))
	for _, k := range keys {
		b = append(b, byte(k.field.Scope), byte(k.kind))
		b = spancodec.AppendText(b, k.field.Name)
		b = binary.AppendUvarint(b, uint64(e.fields[k]))
	}
	return b
}

// kindBit is the bit of a kind and a status; those that OpenTelemetry does not know share the last one.
func kindBit(k model.SpanKind, s model.SpanStatus) uint64 {
	if k < 0 || k > model.SpanConsumer || s < 0 || s > model.StatusError {
		return 1 << 63
	}
	return 1 << (8*uint(k) + uint(s))
}
