package rowgroup

import (
	"context"

	"github.com/hulotte-dev/hulotte/model"
)

// Rows returns the records, as they were encoded, in memory of their own.
func (g *Group) Rows(ctx context.Context, s *Scratch) (Rows, error) {
	s.reset()
	r, err := g.newReading(ctx, s)
	if err != nil {
		return Rows{}, err
	}
	n := g.info.Rows
	out := Rows{Streams: make([]uint32, n), Times: make([]int64, n)}
	for _, run := range g.info.Runs {
		for i := range run.Rows {
			out.Streams[run.First+i] = run.Stream
		}
	}
	copy(out.Times, r.loadTimes())
	out.Lines = keep(r.texts(r.dir.lines))
	if r.dir.fields != noColumn && r.err == nil {
		out.Fields = r.allFields()
	}
	return out, r.err
}

// keep copies texts into memory of their own. Of those that are the same one after the other there is one copy.
func keep(texts []string) []string {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	buf := make([]byte, 0, size)
	out := make([]string, len(texts))
	for i, t := range texts {
		if i > 0 && t == texts[i-1] {
			out[i] = out[i-1]
			continue
		}
		from := len(buf)
		buf = append(buf, t...)
		out[i] = textOf(buf[from:])
	}
	return out
}

// allFields are the stored fields of all records.
func (r *reading) allFields() [][]model.Field {
	if packed := r.dir.packed(); packed != noColumn {
		return r.unpacked(packed)
	}
	c := &r.dir.columns[r.dir.fields]
	codes := r.codesOf(r.dir.fields)
	texts := map[int][]string{}
	names := map[int]string{}
	total := 0
	for _, index := range r.children(r.dir.fields) {
		texts[index] = keep(r.texts(index))
		names[index] = keep([]string{r.dir.columns[index].key})[0]
		r.placesOf(index)
		total += r.dir.columns[index].n
	}
	if r.err != nil {
		return nil
	}
	all := make([]model.Field, 0, total)
	out := make([][]model.Field, len(codes))
	for i, code := range codes {
		first := len(all)
		for _, index := range c.templates[code].slots {
			at := r.place(index, i)
			if at < 0 || at >= len(texts[index]) {
				r.bad(index, "has not as many values as its templates")
				return nil
			}
			all = append(all, model.Field{Name: names[index], Value: texts[index][at]})
		}
		if len(all) > first {
			out[i] = all[first:len(all):len(all)]
		}
	}
	return out
}
