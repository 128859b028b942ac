package tail

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// containerRecords makes records of the lines of one container's stream.
type containerRecords struct {
	t      *Tailer
	labels [outputs][]model.Field
	format *logformat.Format
	sample []string
	clock  [outputs]clock
}

func newContainerRecords(t *Tailer, id string, about containerAbout, more map[string]string) *containerRecords {
	c := &containerRecords{t: t}
	base := append(about.labels(id, more), model.Field{Name: "job", Value: "containers"}, model.Field{Name: "instance", Value: t.opts.Instance})
	base = t.withLabels(base)
	for output, name := range [outputs]string{stdout: "stdout", stderr: "stderr"} {
		c.labels[output] = model.SortFields(append(slices.Clone(base), model.Field{Name: "stream", Value: name}))
	}
	return c
}

// collect waits for lines, and then a little for more of them. last is the time of the last line; more says that there may be
// further ones.
func (c *containerRecords) collect(ctx context.Context, lines <-chan dockerLine) (streams []model.Stream, last int64, more bool) {
	var batch []dockerLine
	size := 0
	var idle <-chan time.Time
	more = true
	for more && len(batch) < journalBatch && size < c.t.opts.Batch {
		select {
		case l, ok := <-lines:
			if !ok {
				more = false
				break
			}
			batch = append(batch, l)
			size += len(l.text)
			last = max(last, l.last)
			idle = time.After(journalIdle)
			continue
		case <-idle:
		case <-ctx.Done():
			return nil, 0, false
		}
		break
	}
	for output := range int8(outputs) {
		if records := c.records(batch, output); len(records) > 0 {
			streams = append(streams, model.Stream{Labels: c.labels[output], Records: records})
		}
	}
	return streams, last, more
}

// records puts the lines of one output together.
func (c *containerRecords) records(batch []dockerLine, output int8) []model.Record {
	c.findFormat(batch)
	now := time.Now()
	joiner := logformat.Joiner{Format: c.format, When: logformat.When{Now: now, Zone: c.t.opts.Zone}}
	var out []model.Record
	for _, l := range batch {
		if l.output != output {
			continue
		}
		begins := joiner.Begins(l.text)
		if n := len(out) - 1; !begins && n >= 0 && len(out[n].Line)+len(l.text) < c.t.opts.MaxRecord {
			out[n].Line += "\n" + l.text
			continue
		}
		r := model.Record{Time: c.clock[output].next(l.time), Line: l.text}
		if l.whole > 0 {
			c.t.metrics.truncated.Inc()
			r.Fields = append(r.Fields, model.Field{Name: fieldTruncated, Value: strconv.Itoa(l.whole)})
		}
		out = append(out, r)
	}
	for i := range out {
		c.t.metrics.lines.WithLabelValues("container").Inc()
		c.t.metrics.bytes.WithLabelValues("container").Add(float64(len(out[i].Line)))
		c.parse(&out[i], joiner.When)
	}
	return out
}

func (c *containerRecords) parse(r *model.Record, when logformat.When) {
	if c.format == nil {
		return
	}
	p := c.format.Parse(r.Line, when, nil)
	if !c.t.opts.NoFields {
		r.Fields = append(r.Fields, p.Fields...)
	}
	if p.Level != "" {
		r.Fields = append(r.Fields, model.Field{Name: model.FieldLevel, Value: p.Level})
	}
	r.Fields = model.SortFields(r.Fields)
}

// findFormat looks at the first lines.
func (c *containerRecords) findFormat(batch []dockerLine) {
	if c.format != nil || len(c.sample) >= sampleRecords {
		return
	}
	for _, l := range batch[:min(len(batch), 100)] {
		c.sample = append(c.sample, l.text)
	}
	c.format = logformat.Detect(c.sample)
}
