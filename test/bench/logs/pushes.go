package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/test/bench/logs/corpus"
)

// pushSet is the pushes on disk, ready to be sent, so that making them costs nothing while something is measured.
type pushSet struct {
	files        []string
	lines, bytes int
	start, end   time.Time // end is behind the last line
	needle       string    // a trace id of one line
	stream       string    // the selector of one stream
}

func (p *pushSet) span() string { return fmt.Sprintf("%ds", int(p.end.Sub(p.start).Seconds())) }

func writePushes(ctx context.Context, o options, dir string) (*pushSet, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	p := &pushSet{}
	lines := &counted{corpus: corpus.New(corpus.Seed, o.streams, o.lines), left: o.lines, half: o.lines / 2, set: p}
	e := &pushEncoder{bodies: map[string][]byte{}}
	for lines.left > 0 && ctx.Err() == nil {
		n := e.fill(lines, o.perPush)
		file := filepath.Join(dir, fmt.Sprintf("%06d", len(p.files)))
		if err := os.WriteFile(file, e.encode(), 0o600); err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
		p.lines += n
	}
	p.bytes = e.raw
	if o.late {
		makeLate(p.files)
	}
	return p, ctx.Err()
}

// makeLate moves a tenth of the pushes back by a sixth of all.
func makeLate(files []string) {
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // repeatable on purpose
	by := len(files) / 6
	for i := 0; i+by < len(files); i++ {
		if r.IntN(10) == 0 {
			files[i], files[i+by] = files[i+by], files[i]
		}
	}
}

// pushEncoder writes Loki's PushRequest: streams (1) of labels (1) and entries (2), which are a timestamp (1: seconds 1,
// nanoseconds 2) and a line (2).
type pushEncoder struct {
	order  []string
	bodies map[string][]byte // the entries of a stream, by its labels
	raw    int
}

func (e *pushEncoder) fill(lines *counted, count int) int {
	e.order = e.order[:0]
	clear(e.bodies)
	n := 0
	for ; n < count && lines.left > 0; n++ {
		l := lines.next()
		key := model.FormatLabels(l.Labels)
		if e.bodies[key] == nil {
			e.order = append(e.order, key)
		}
		e.bodies[key] = appendEntry(e.bodies[key], l.Time, l.Line)
		e.raw += len(l.Line)
	}
	return n
}

// counted takes lines from the corpus and remembers what the questions need.
type counted struct {
	corpus *corpus.Corpus
	left   int
	half   int // the needle is the last trace id before so many lines are left
	set    *pushSet
}

func (c *counted) next() corpus.Entry {
	e := c.corpus.Next()
	c.left--
	if c.set.stream == "" {
		c.set.start = time.Unix(0, e.Time)
	}
	if _, rest, ok := bytes.Cut(e.Line, []byte(`"trace_id":"`)); ok && (c.set.needle == "" || c.left >= c.half) {
		c.set.needle, c.set.stream = string(rest[:32]), model.FormatLabels(e.Labels)
	}
	c.set.end = time.Unix(0, e.Time+1)
	return e
}

func appendEntry(b []byte, at int64, line []byte) []byte {
	var stamp []byte
	stamp = protowire.AppendTag(stamp, 1, protowire.VarintType)
	stamp = protowire.AppendVarint(stamp, uint64(at/1e9)) //nolint:gosec // after 1970
	stamp = protowire.AppendTag(stamp, 2, protowire.VarintType)
	stamp = protowire.AppendVarint(stamp, uint64(at%1e9)) //nolint:gosec // as above
	var entry []byte
	entry = protowire.AppendTag(entry, 1, protowire.BytesType)
	entry = protowire.AppendBytes(entry, stamp)
	entry = protowire.AppendTag(entry, 2, protowire.BytesType)
	entry = protowire.AppendBytes(entry, line)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	return protowire.AppendBytes(b, entry)
}

func (e *pushEncoder) encode() []byte {
	var out []byte
	for _, key := range e.order {
		stream := protowire.AppendTag(nil, 1, protowire.BytesType)
		stream = protowire.AppendString(stream, key)
		stream = append(stream, e.bodies[key]...)
		out = protowire.AppendTag(out, 1, protowire.BytesType)
		out = protowire.AppendBytes(out, stream)
	}
	return snappy.Encode(nil, out)
}
