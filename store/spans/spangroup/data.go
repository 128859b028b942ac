package spangroup

import (
	"encoding/binary"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spans/spancodec"
)

// data is what was read of a group, each part once. It is for one goroutine.
type data struct {
	g     *Group
	stats store.SpanStats

	traceIDs  []model.TraceID
	ends      []int // of each trace in rows
	ids       []model.SpanID
	parents   []model.SpanID
	starts    []int64
	durations []int64
	names     []uint32
	kinds     []byte
	owners    []uint32
	shapes    []uint32
	extra     map[int]*model.Span
	events    []model.Span // events alone
	links     []model.Span // links alone
	columns   map[uint32]*columnData
}

// columnData is a column by row.
type columnData struct {
	missing []uint64
	codes   []uint32 // by row, of a dictionary
	numbers []int64  // by row
	texts   []string
	values  []model.Value
}

func (x *data) rows() int { return x.g.summary.Spans }

// traces reads which rows are of which trace.
func (x *data) traces() error {
	if x.traceIDs != nil {
		return nil
	}
	b, err := x.g.read(secTraces, &x.stats)
	if err != nil {
		return err
	}
	d := spancodec.Decoder{B: b}
	ids := make([]model.TraceID, x.g.summary.Traces)
	for i := range ids {
		copy(ids[i][:], d.Take(16))
	}
	ends, at := make([]int, len(ids)), 0
	for i := range ends {
		at += int(d.Number(MaxSpans))
		ends[i] = at
	}
	if d.Bad || len(d.B) > 0 || at != x.rows() {
		return corrupt("its traces cannot be read")
	}
	x.traceIDs, x.ends = ids, ends
	return nil
}

func (x *data) loadIDs() error {
	if x.ids != nil {
		return nil
	}
	b, err := x.g.read(secIDs, &x.stats)
	if err != nil {
		return err
	}
	if len(b) != 8*x.rows() {
		return corrupt("its ids cannot be read")
	}
	x.ids = make([]model.SpanID, x.rows())
	for i := range x.ids {
		copy(x.ids[i][:], b[8*i:])
	}
	return nil
}

func (x *data) loadParents() error {
	if x.parents != nil {
		return nil
	}
	if err := x.traces(); err != nil {
		return err
	}
	if err := x.loadIDs(); err != nil {
		return err
	}
	b, err := x.g.read(secParents, &x.stats)
	if err != nil {
		return err
	}
	d := spancodec.Decoder{B: b}
	out := make([]model.SpanID, x.rows())
	away := make([]int, 0, x.rows()/8)
	from := 0
	for _, end := range x.ends {
		for i := from; i < end; i++ {
			switch code := d.Number(uint64(end - from + 1)); code {
			case 0:
			case 1:
				away = append(away, i)
			default:
				out[i] = x.ids[from+int(code)-2]
			}
		}
		from = end
	}
	for _, i := range away {
		copy(out[i][:], d.Take(8))
	}
	if d.Bad || len(d.B) > 0 {
		return corrupt("its parents cannot be read")
	}
	x.parents = out
	return nil
}

func (x *data) loadStarts() error {
	if x.starts != nil {
		return nil
	}
	if err := x.traces(); err != nil {
		return err
	}
	b, err := x.g.read(secStarts, &x.stats)
	if err != nil {
		return err
	}
	d := spancodec.Decoder{B: b}
	out := make([]int64, x.rows())
	from := 0
	for _, end := range x.ends {
		at := x.g.summary.First
		for i := from; i < end; i++ {
			at += int64(d.Uvarint())
			out[i] = at
		}
		from = end
	}
	if d.Bad || len(d.B) > 0 {
		return corrupt("its starts cannot be read")
	}
	x.starts = out
	return nil
}

func (x *data) loadDurations() error {
	if x.durations != nil {
		return nil
	}
	b, err := x.g.read(secDurations, &x.stats)
	if err != nil {
		return err
	}
	x.durations, err = varints(b, x.rows())
	return err
}

func varints(b []byte, n int) ([]int64, error) {
	d := spancodec.Decoder{B: b}
	out := make([]int64, n)
	for i := range out {
		out[i] = d.Varint()
	}
	if d.Bad || len(d.B) > 0 {
		return nil, corrupt("numbers cannot be read")
	}
	return out, nil
}

// codes reads a section of codes, once.
func (x *data) codes(to *[]uint32, section, n int) error {
	if *to != nil {
		return nil
	}
	b, err := x.g.read(section, &x.stats)
	if err != nil {
		return err
	}
	*to, err = decodeCodes(b, x.rows(), n)
	return err
}

func (x *data) loadNames() error  { return x.codes(&x.names, secNames, len(x.g.names)) }
func (x *data) loadOwners() error { return x.codes(&x.owners, secOwners, len(x.g.owners)) }
func (x *data) loadShapes() error { return x.codes(&x.shapes, secShapes, len(x.g.shapes)) }

func (x *data) loadKinds() error {
	if x.kinds != nil {
		return nil
	}
	b, err := x.g.read(secKinds, &x.stats)
	if err != nil {
		return err
	}
	if len(b) != 2*x.rows() {
		return corrupt("kinds and statuses cannot be read")
	}
	x.kinds = b
	return nil
}

func (x *data) loadExtra() error {
	if x.extra != nil {
		return nil
	}
	b, err := x.g.read(secExtra, &x.stats)
	if err != nil {
		return err
	}
	d := spancodec.Decoder{B: b}
	out := map[int]*model.Span{}
	for range d.Count(7) {
		i := int(d.Number(MaxSpans))
		out[i] = &model.Span{Flags: d.Uint32(), Message: d.Text(), State: d.Text(), DroppedAttributes: d.Uint32(), DroppedEvents: d.Uint32(), DroppedLinks: d.Uint32()}
	}
	if d.Bad || len(d.B) > 0 {
		return corrupt("what few spans have cannot be read")
	}
	x.extra = out
	return nil
}

// loadEvents reads events; their times need the starts.
func (x *data) loadEvents() error {
	if x.events != nil {
		return nil
	}
	if err := x.loadStarts(); err != nil {
		return err
	}
	return x.children(&x.events, secEvents, func(d *spancodec.Decoder, s *model.Span) { d.Events(s) })
}

func (x *data) loadLinks() error {
	if x.links != nil {
		return nil
	}
	return x.children(&x.links, secLinks, func(d *spancodec.Decoder, s *model.Span) { d.Links(s) })
}

func (x *data) children(to *[]model.Span, section int, read func(*spancodec.Decoder, *model.Span)) error {
	b, err := x.g.read(section, &x.stats)
	if err != nil {
		return err
	}
	d := spancodec.Decoder{B: b}
	out := make([]model.Span, x.rows())
	for i := range out {
		if x.starts != nil {
			out[i].Start = x.starts[i]
		}
		read(&d, &out[i])
	}
	if d.Bad || len(d.B) > 0 {
		return corrupt("events or links cannot be read")
	}
	*to = out
	return nil
}

// column reads a column.
func (x *data) column(n uint32) (*columnData, error) {
	if c := x.columns[n]; c != nil {
		return c, nil
	}
	if err := x.loadShapes(); err != nil {
		return nil, err
	}
	c, err := x.readColumn(n)
	if err != nil {
		return nil, err
	}
	if x.columns == nil {
		x.columns = map[uint32]*columnData{}
	}
	x.columns[n] = c
	return c, nil
}

func (x *data) readColumn(n uint32) (*columnData, error) {
	about := &x.g.columns[n]
	at := x.place(n)
	if len(at) != about.spans {
		return nil, corrupt("the column %q has %d values for %d spans", about.key, about.spans, len(at))
	}
	b, err := x.g.read(fixedSections+int(n), &x.stats)
	if err != nil {
		return nil, err
	}
	c := &columnData{}
	if len(at) < x.rows() {
		c.missing = make([]uint64, (x.rows()+63)/64)
		for i := range c.missing {
			c.missing[i] = ^uint64(0)
		}
		for _, i := range at {
			c.missing[i/64] &^= 1 << (i % 64)
		}
	}
	d := spancodec.Decoder{B: b}
	switch about.how {
	case columnDictionary:
		codes, err := decodeCodes(b, len(at), len(about.values))
		if err != nil {
			return nil, err
		}
		c.codes = make([]uint32, x.rows())
		for k, i := range at {
			c.codes[i] = codes[k]
		}
		return c, nil
	case columnIntegers:
		c.numbers = make([]int64, x.rows())
		for _, i := range at {
			c.numbers[i] = d.Varint()
		}
	case columnFloats:
		c.numbers = make([]int64, x.rows())
		for _, i := range at {
			c.numbers[i] = int64(d.Uint64())
		}
	case columnTexts:
		c.texts = texts(&d, at, x.rows())
	default:
		c.values = make([]model.Value, x.rows())
		for _, i := range at {
			d.Value(&c.values[i])
		}
	}
	if d.Bad || len(d.B) > 0 {
		return nil, corrupt("the column %q cannot be read", about.key)
	}
	return c, nil
}

func texts(d *spancodec.Decoder, at []int, rows int) []string {
	out := make([]string, rows)
	lengths := make([]int, len(at))
	for k := range at {
		lengths[k] = int(d.Number(maxSection))
	}
	all := spancodec.Decoder{B: binary.AppendUvarint(nil, uint64(len(d.B)))}
	all.B = append(all.B, d.B...)
	text := all.Text() // one copy for all
	d.B = nil
	for k, i := range at {
		if lengths[k] > len(text) {
			d.Fail()
			return nil
		}
		out[i], text = text[:lengths[k]], text[lengths[k]:]
	}
	if text != "" {
		d.Fail()
	}
	return out
}

// place returns the rows that have the column.
func (x *data) place(n uint32) []int {
	has := make([]bool, len(x.g.shapes))
	for i, shape := range x.g.shapes {
		for _, c := range shape {
			has[i] = has[i] || c == n
		}
	}
	out := make([]int, 0, x.g.columns[n].spans)
	for i, s := range x.shapes {
		if has[s] {
			out = append(out, i)
		}
	}
	return out
}

// value is that of row i.
func (c *columnData) value(about *column, i int) model.Value {
	switch {
	case c.missing != nil && c.missing[i/64]>>(i%64)&1 == 1:
		return model.Value{}
	case c.codes != nil:
		return about.values[c.codes[i]]
	case about.how == columnIntegers:
		return model.Int64(c.numbers[i])
	case c.numbers != nil:
		return model.Value{Kind: model.FloatValue, Bits: c.numbers[i]}
	case c.texts != nil:
		return model.TextValue(c.texts[i])
	}
	return c.values[i]
}

// whole returns the spans of rows, which ascend.
func (x *data) whole(rows []int) ([]model.SpanGroup, error) {
	for _, load := range []func() error{x.traces, x.loadIDs, x.loadParents, x.loadStarts, x.loadDurations, x.loadNames, x.loadKinds, x.loadOwners, x.loadShapes, x.loadExtra, x.loadEvents, x.loadLinks} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	var out []model.SpanGroup
	at := map[uint32]int{}
	trace := 0
	for _, i := range rows {
		for x.ends[trace] <= i {
			trace++
		}
		s, err := x.span(i)
		if err != nil {
			return nil, err
		}
		s.TraceID = x.traceIDs[trace]
		n, ok := at[x.owners[i]]
		if !ok {
			n = len(out)
			at[x.owners[i]] = n
			o := x.g.owners[x.owners[i]]
			out = append(out, model.SpanGroup{Resource: o.resource, Scope: o.scope})
		}
		out[n].Spans = append(out[n].Spans, s)
	}
	return out, nil
}

// span returns the span of a row, without its trace.
func (x *data) span(i int) (model.Span, error) {
	var s model.Span
	if e := x.extra[i]; e != nil {
		s = *e
	}
	s.ID, s.Parent, s.Start, s.Duration = x.ids[i], x.parents[i], x.starts[i], x.durations[i]
	s.Name = x.g.names[x.names[i]]
	s.Kind, s.Status = model.SpanKind(x.kinds[2*i]), model.SpanStatus(x.kinds[2*i+1])
	s.Events, s.Links = x.events[i].Events, x.links[i].Links
	shape := x.g.shapes[x.shapes[i]]
	if len(shape) > 0 {
		s.Attributes = make([]model.Attribute, len(shape))
	}
	for k, n := range shape {
		c, err := x.column(n)
		if err != nil {
			return s, err
		}
		s.Attributes[k] = model.Attribute{Key: x.g.columns[n].key, Value: c.value(&x.g.columns[n], i)}
	}
	return s, nil
}

// All returns every span, as it came.
func (g *Group) All() ([]model.SpanGroup, error) {
	rows := make([]int, g.summary.Spans)
	for i := range rows {
		rows[i] = i
	}
	x := &data{g: g}
	return x.whole(rows)
}

// Trace returns the spans of traces.
func (g *Group) Trace(ids []model.TraceID) ([]model.SpanGroup, store.SpanStats, error) {
	x := &data{g: g}
	if err := x.traces(); err != nil {
		return nil, x.stats, err
	}
	wanted := make(map[model.TraceID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var rows []int
	from := 0
	for n, id := range x.traceIDs {
		if wanted[id] {
			for i := from; i < x.ends[n]; i++ {
				rows = append(rows, i)
			}
		}
		from = x.ends[n]
	}
	if len(rows) == 0 {
		return nil, x.stats, nil
	}
	x.stats.SpansRead = int64(len(rows))
	out, err := x.whole(rows)
	return out, x.stats, err
}
