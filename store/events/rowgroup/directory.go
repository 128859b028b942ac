package rowgroup

import (
	"encoding/binary"
	"math"
)

// directory says what columns there are and where.
type directory struct {
	columns              []column
	times, lines, fields int // columns
}

const noColumn = -1

// append writes
//
//	uvarint  number of columns; for each of them:
//	    1 byte   kind
//	    1 byte   slot
//	    uvarint  number of values
//	    uvarint  bytes of the payload in Data, right behind that of the column before
//	    4 bytes  CRC-32C of the payload, when there is one
//	    string   key (uvarint length, bytes)
//	    uvarint  length of the longest value
//	    what the kind has: see appendForm
//	uvarint  column of the times, column of the lines, 1 + column of the stored fields or 0
func (d *directory) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(d.columns)))
	for i := range d.columns {
		c := &d.columns[i]
		dst = append(dst, byte(c.kind), byte(c.slot))
		dst = binary.AppendUvarint(dst, uint64(c.n))
		dst = binary.AppendUvarint(dst, uint64(c.size))
		if c.size > 0 {
			dst = binary.LittleEndian.AppendUint32(dst, c.crc)
		}
		dst = appendString(dst, c.key)
		dst = binary.AppendUvarint(dst, uint64(c.maxLen))
		dst = c.appendForm(dst)
	}
	dst = binary.AppendUvarint(dst, uint64(d.times))
	dst = binary.AppendUvarint(dst, uint64(d.lines))
	return binary.AppendUvarint(dst, uint64(d.fields+1))
}

// appendForm writes, by kind:
//
//	const, dict  uvarint number of values, strings
//	number       strings before and behind it; varint least and greatest; 1 byte each: scale, pad, flags; varint first,
//	             when they are differences; varint least and greatest of what is stored, when it is not the values
//	hex          uvarint digits; 1 byte: 1 upper case, 2 with dashes
//	time         1 byte each: layout, separators of the date, before the clock and of the fraction, digits, zone; varint minutes
//	             of the zone; varint least and greatest difference
//	text         8 bytes twice: which ASCII characters occur; 1 byte: whether others do
//	template     uvarint number of templates; for each of them 1 byte: 1 JSON, 2 literals; uvarint number of slots, a uvarint
//	             column for each; strings, one more than slots, if it has literals
//	indirect     uvarint column; 1 byte mode
//	alias        uvarint column
func (c *column) appendForm(dst []byte) []byte {
	switch c.kind {
	case kindConst, kindDict:
		dst = binary.AppendUvarint(dst, uint64(len(c.dict)))
		for _, v := range c.dict {
			dst = appendString(dst, v)
		}
	case kindNumber:
		dst = c.num.append(dst)
	case kindHex:
		dst = binary.AppendUvarint(dst, uint64(c.hex.digits))
		dst = append(dst, flag(c.hex.upper, 1)|flag(c.hex.uuid, 2))
	case kindTime:
		f := &c.time.format
		dst = append(dst, f.layout, f.dateSep, f.separator, f.point, f.digits, f.zone)
		dst = binary.AppendVarint(dst, int64(f.offset))
		dst = binary.AppendVarint(binary.AppendVarint(dst, c.time.low), c.time.high)
	case kindText:
		dst = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, c.chars[0]), c.chars[1])
		dst = append(dst, flag(c.chars[2]|c.chars[3] != 0, 1))
	case kindTemplate:
		dst = c.appendTemplates(dst)
	case kindIndirect:
		dst = append(binary.AppendUvarint(dst, uint64(c.inner)), c.mode)
	case kindAlias:
		dst = binary.AppendUvarint(dst, uint64(c.inner))
	}
	return dst
}

func (f *numberForm) append(dst []byte) []byte {
	dst = appendString(appendString(dst, f.prefix), f.suffix)
	dst = binary.AppendVarint(binary.AppendVarint(dst, f.base), f.max)
	dst = append(dst, f.scale, f.pad, f.flags)
	if f.flags&numberDelta != 0 {
		dst = binary.AppendVarint(dst, f.first)
	}
	return binary.AppendVarint(binary.AppendVarint(dst, f.low), f.high)
}

func (c *column) appendTemplates(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(c.templates)))
	for i := range c.templates {
		t := &c.templates[i]
		dst = append(dst, flag(t.json, 1)|flag(t.literals != nil, 2))
		dst = binary.AppendUvarint(dst, uint64(len(t.slots)))
		for _, s := range t.slots {
			dst = binary.AppendUvarint(dst, uint64(s))
		}
		for _, l := range t.literals {
			dst = appendString(dst, l)
		}
	}
	return dst
}

// The most of everything that a directory may have; the encoder stays far below.
const (
	maxColumns   = 1 << 16
	maxTemplates = 1 << 16
	maxWeight    = 1 << 17 // pieces of one value: forged columns within columns must not multiply for ever
)

// parseDirectory checks everything that reading columns relies on: that columns lead to earlier ones only, that they have as
// many values as the ones above expect at most, and that forms are such as the encoder makes.
func parseDirectory(b []byte, rows, data int) (*directory, bool) {
	d := decoder{b: b}
	dir := &directory{columns: make([]column, 0, d.count(maxColumns, 6))}
	off := 0
	for range cap(dir.columns) {
		var c column
		c.kind, c.slot = columnKind(d.byte()), slotKind(d.byte())
		c.n = int(d.number(uint64(rows)))
		c.off, c.size = off, int(d.number(uint64(data-off)))
		off += c.size
		if c.size > 0 {
			c.crc = d.uint32()
		}
		c.key = d.string()
		c.maxLen = int(d.number(MaxLine))
		c.parseForm(&d, dir.columns)
		if d.bad || c.n == 0 {
			return nil, false
		}
		dir.columns = append(dir.columns, c)
		if !dir.adopt(len(dir.columns) - 1) {
			return nil, false
		}
	}
	dir.times, dir.lines = int(d.number(maxColumns)), int(d.number(maxColumns))
	dir.fields = int(d.number(maxColumns)) - 1
	if d.bad || len(d.b) > 0 || max(dir.times, dir.lines, dir.fields) >= len(dir.columns) {
		return nil, false
	}
	times, lines := &dir.columns[dir.times], &dir.columns[dir.lines]
	ok := times.kind == kindNumber && times.num.scale <= 9 && times.n == rows && lines.n == rows
	if dir.fields != noColumn {
		f := &dir.columns[dir.fields]
		ok = ok && f.kind == kindTemplate && f.n == rows
	}
	return dir, ok
}

// adopt makes a column the parent of those that it leads to: each has one at most.
func (d *directory) adopt(index int) bool {
	c := &d.columns[index]
	c.parent, c.weight = noColumn, 1
	below := func(child int) bool {
		p := &d.columns[child]
		if p.parent == index {
			return true
		}
		ok := p.parent == noColumn
		p.parent = index
		return ok
	}
	switch c.kind {
	case kindAlias:
		c.weight += d.columns[c.inner].weight
	case kindIndirect:
		c.weight += d.columns[c.inner].weight
		return below(c.inner) && c.weight <= maxWeight
	case kindTemplate:
		for i := range c.templates {
			sum := 1
			for _, s := range c.templates[i].slots {
				sum += 1 + d.columns[s].weight
				if !below(s) {
					return false
				}
			}
			c.weight = max(c.weight, sum)
		}
	}
	return c.weight <= maxWeight
}

// parseForm reads what appendForm wrote. below are the columns before it.
func (c *column) parseForm(d *decoder, below []column) {
	switch c.kind {
	case kindConst, kindDict:
		c.dict = make([]string, d.count(maxDict, 1))
		for i := range c.dict {
			c.dict[i] = d.string()
		}
		c.chars = charsOf(c.dict...)
		d.bad = d.bad || len(c.dict) == 0 || c.kind == kindConst && len(c.dict) != 1
	case kindNumber:
		c.num.parse(d)
		c.chars = charsOf("0123456789-.", c.num.prefix, c.num.suffix)
	case kindHex:
		c.hex.digits = int(d.number(512))
		flags := d.byte()
		c.hex.upper, c.hex.uuid = flags&1 != 0, flags&2 != 0
		c.chars = charsOf("0123456789abcdefABCDEF-")
		d.bad = d.bad || c.hex.digits == 0 || c.hex.digits%2 != 0 || c.hex.uuid && c.hex.digits != 32
	case kindIPv4:
		c.chars = charsOf("0123456789.")
	case kindTime:
		c.time.parse(d)
		c.chars = charsOf("0123456789:+-./,_ TtZ", monthNames, string(rune(c.time.format.point)))
	case kindText:
		if b := d.take(17); b != nil {
			c.chars[0], c.chars[1] = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
			if b[16] != 0 {
				c.chars[2], c.chars[3] = ^uint64(0), ^uint64(0)
			}
		}
	case kindTemplate:
		c.parseTemplates(d, below)
	case kindIndirect, kindAlias:
		c.inner = int(d.number(uint64(len(below))))
		if c.kind == kindIndirect {
			c.mode = d.byte()
		}
		if d.bad || c.inner >= len(below) || c.mode > indirectRecent || c.kind == kindAlias && below[c.inner].n != c.n {
			d.fail()
			return
		}
		c.chars = below[c.inner].chars
	default:
		d.fail()
	}
}

func (f *numberForm) parse(d *decoder) {
	f.prefix, f.suffix = d.string(), d.string()
	f.base, f.max = d.varint(), d.varint()
	f.scale, f.pad, f.flags = d.byte(), d.byte(), d.byte()
	if f.flags&numberDelta != 0 {
		f.first = d.varint()
	}
	f.low, f.high = d.varint(), d.varint()
	d.bad = d.bad || f.scale > 18 || f.pad > 18 || f.flags&numberTimed != 0 && f.timeUnit() == 0
}

func (f *timeForm) parse(d *decoder) {
	t := &f.format
	t.layout, t.dateSep, t.separator, t.point, t.digits, t.zone = d.byte(), d.byte(), d.byte(), d.byte(), d.byte(), d.byte()
	offset := d.varint()
	t.offset = int16(max(math.MinInt16, min(offset, math.MaxInt16)))
	f.low, f.high = d.varint(), d.varint()
	d.bad = d.bad || t.digits > 9 || t.layout < layoutISO || t.layout > layoutStamp || t.zone > zonePlain || offset != int64(t.offset)
}

func (c *column) parseTemplates(d *decoder, below []column) {
	c.templates = make([]template, d.count(maxTemplates, 2))
	for i := range c.templates {
		t := &c.templates[i]
		flags := d.byte()
		t.json = flags&1 != 0
		t.slots = make([]int, d.count(maxColumns, 1))
		for k := range t.slots {
			t.slots[k] = int(d.number(uint64(len(below))))
			if d.bad || t.slots[k] >= len(below) {
				d.fail()
				return
			}
			c.chars.union(&below[t.slots[k]].chars)
		}
		if flags&2 == 0 {
			continue
		}
		t.literals = make([]string, len(t.slots)+1)
		for k := range t.literals {
			t.literals[k] = d.string()
			c.chars.addString(t.literals[k])
		}
	}
	d.bad = d.bad || len(c.templates) == 0
}
