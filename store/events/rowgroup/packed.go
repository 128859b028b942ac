package rowgroup

import (
	"encoding/binary"

	"github.com/hulotte-dev/hulotte/model"
)

// Stored fields have a column for each name. Records whose names are made up as they go would make thousands of columns, each of which costs
// memory in every search: then all fields of a record are one value of a single column, and are looked at one by one.

// The most that a group has of everything which grows with what is different in it. More is kept in a plainer form.
const (
	maxFieldNames    = 1000   // of stored fields, as columns
	maxSlotColumns   = 4096   // columns of slots of lines
	maxTemplateSlots = 40_000 // slots of all templates together
)

// packedColumn codes the fields of each record as one value: for each of them name and value, with their lengths (uvarint) before them.
func (e *Encoder) packedColumn() int {
	texts := e.textSlab.take(e.rows.Len())
	var buf []byte
	for i := range texts {
		buf = buf[:0]
		for _, f := range e.rows.fields(i) {
			buf = appendString(appendString(buf, f.Name), f.Value)
			e.filter.text(f.Value)
		}
		texts[i] = string(buf)
	}
	index := e.column(&values{texts: texts, slot: slotPacked, timed: true}, maxNesting)
	c := column{kind: kindTemplate, n: e.rows.Len(), off: len(e.data), templates: []template{{slots: []int{index}}}}
	return e.finish(c, nil, nil)
}

// packed is the column of all fields of records, or noColumn when the fields have columns of their own, or there are none.
func (d *directory) packed() int {
	if d.fields == noColumn {
		return noColumn
	}
	t := d.columns[d.fields].templates
	if len(t) == 1 && len(t[0].slots) == 1 && d.columns[t[0].slots[0]].slot == slotPacked {
		return t[0].slots[0]
	}
	return noColumn
}

// unpacked is the fields of all records, which are in the column index. The strings are copies.
func (r *reading) unpacked(index int) [][]model.Field {
	if r.fields != nil || r.err != nil {
		return r.fields
	}
	texts := r.texts(index)
	if r.err == nil && len(texts) != r.g.info.Rows {
		r.bad(index, "has not as many values as there are records")
	}
	if r.err != nil {
		return nil
	}
	out := make([][]model.Field, len(texts))
	for i, t := range texts {
		var ok bool
		if out[i], ok = unpackFields(t); !ok {
			r.bad(index, "cannot be read")
			return nil
		}
	}
	r.fields = out
	return out
}

func unpackFields(text string) ([]model.Field, bool) {
	var out []model.Field
	for text != "" {
		var f model.Field
		var ok, ok2 bool
		f.Name, text, ok = cutString(text)
		f.Value, text, ok2 = cutString(text)
		if !ok || !ok2 {
			return nil, false
		}
		out = append(out, f)
	}
	return out, true
}

// cutString takes a string with its length off the front of s; it is a copy.
func cutString(s string) (string, string, bool) {
	n, size := binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
	if size <= 0 || n > uint64(len(s)-size) {
		return "", "", false
	}
	end := size + int(n) //nolint:gosec // below len(s)
	return string([]byte(s[size:end])), s[end:], true
}

// packedPassing adds the records of sel that have a field which passes.
func (r *reading) packedPassing(out bitmap, index int, f *filter, sel bitmap) bitmap {
	fields := r.unpacked(index)
	if r.err != nil {
		return nil
	}
	if out == nil {
		out = r.none(r.g.info.Rows)
	}
	for i := range sel.all {
		for k := range fields[i] {
			if !out.has(i) && f.text(fields[i][k].Value) {
				out.set(i)
			}
		}
	}
	return out
}

// packedRows is the records that have a field which pass says yes to.
func (r *reading) packedRows(index int, pass func(f *model.Field) bool) bitmap {
	out := r.none(r.g.info.Rows)
	for i, fields := range r.unpacked(index) {
		for k := range fields {
			if pass(&fields[k]) {
				out.set(i)
			}
		}
	}
	return out
}

// packedBatch is the batch's fields as those of plain records.
func (b *batch) packedBatch(index int) *rowsBatch {
	all := b.r.unpacked(index)
	b.check()
	out := &rowsBatch{times: make([]int64, len(b.rows)), fields: make([][]model.Field, len(b.rows))}
	for i, row := range b.rows {
		out.fields[i] = all[row]
	}
	return out
}
