package rowgroup

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// readAll reads everything of a group in every way.
func readAll(g *Group, s *Scratch, streams []Stream) error {
	if _, err := g.Rows(context.Background(), s); err != nil {
		return err
	}
	queries := []store.EventQuery{
		{}, {Filters: []store.RecordFilter{{Needles: [][]string{{"info"}}, AnyField: true}}},
		{Filters: []store.RecordFilter{{Match: func(text string) bool { return strings.Contains(text, "7") }}}},
		{Hints: []store.FieldHint{{Source: store.JSON, Name: "level", Any: []string{"info"}}, {Name: "n", Min: 1, Max: 50}}},
	}
	for _, q := range queries {
		q.Start, q.End = -1<<62, 1<<62
		_, err := g.Select(context.Background(), Prepare(q), streams, s, func(b store.EventBatch) error {
			b.Times()
			b.LineLengths()
			b.Lines()
			for _, name := range b.FieldNames() {
				c := b.Column(name)
				for i := range b.Len() {
					c.Value(i)
				}
			}
			if p, ok := b.Parsed(store.JSON); ok {
				for _, name := range p.Names() {
					c := p.Column(name)
					for i := range b.Len() {
						c.Value(i)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestBitFlips turns every bit of a group's pieces around: each is named, or changes nothing that is read.
func TestBitFlips(t *testing.T) {
	rows := hardRows(11)
	rows = Rows{Streams: rows.Streams[:min(40, rows.Len())], Times: rows.Times, Lines: rows.Lines, Fields: rows.Fields}
	n := len(rows.Streams)
	rows.Times, rows.Lines, rows.Fields = rows.Times[:n], rows.Lines[:n], rows.Fields[:n]
	e, err := NewEncoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Encode(rows)
	if err != nil {
		t.Fatal(err)
	}
	pieces := [][]byte{bytes.Clone(out.Meta), bytes.Clone(out.Data), bytes.Clone(out.Filters)}
	s, streams := NewScratch(), tableOf(rows)
	named, total := 0, 0
	for _, piece := range pieces {
		for i := range piece {
			piece[i] ^= 1 << (i % 8)
			total++
			g, err := Open(pieces[0], &Memory{pieces[1], pieces[2]})
			if err == nil {
				err = readAll(g, s, streams)
			}
			switch {
			case errors.Is(err, medium.ErrCorrupt) || model.KindOf(err) == model.Corrupt:
				named++
			case err != nil:
				t.Errorf("an error of another kind: %v", err)
			default:
				got, err := g.Rows(context.Background(), s)
				if err != nil {
					t.Error(err)
				}
				wantSameRows(t, got, rows)
			}
			piece[i] ^= 1 << (i % 8)
		}
	}
	if named < total*9/10 {
		t.Errorf("%d of %d flips are named", named, total)
	}
	t.Logf("%d of %d flips are named, the others change nothing that is read", named, total)
}

// FuzzLines encodes lines and reads them again.
func FuzzLines(f *testing.F) {
	r := &lineMaker{r: rand.New(rand.NewPCG(1, 1))}
	for kind := range 6 {
		var text []string
		for range 20 {
			text = append(text, r.line(kind))
		}
		f.Add(strings.Join(text, "\n"))
	}
	e, err := NewEncoder(Options{})
	if err != nil {
		f.Fatal(err)
	}
	s := NewScratch()
	f.Fuzz(func(t *testing.T, text string) {
		var rows Rows
		for i, line := range strings.Split(text, "\n") {
			if i == MaxRows {
				break
			}
			rows.Streams, rows.Times, rows.Lines = append(rows.Streams, uint32(i/50)), append(rows.Times, int64(i)), append(rows.Lines, line)
			rows.Fields = append(rows.Fields, nil)
			if line != "" && i%3 == 0 {
				rows.Fields[i] = []model.Field{{Name: "f", Value: line}}
			}
		}
		out, err := e.Encode(rows)
		if err != nil {
			t.Fatal(err)
		}
		g := open(t, out)
		got, err := g.Rows(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		wantSameRows(t, got, rows)
		if err := readAll(g, s, tableOf(rows)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzDirectory reads groups whose directory and columns are forged, with checksums that match.
func FuzzDirectory(f *testing.F) {
	for seed := range uint64(12) {
		rows := hardRows(seed)
		e, err := NewEncoder(Options{})
		if err != nil {
			f.Fatal(err)
		}
		if _, err := e.Encode(rows); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(e.directory), bytes.Clone(e.data), uint16(rows.Len()))
	}
	s := NewScratch()
	f.Fuzz(func(_ *testing.T, directory, data []byte, rows uint16) {
		n := int(rows)%MaxRows + 1
		dir, ok := parseDirectory(directory, n, len(data))
		if !ok {
			return
		}
		for i := range dir.columns {
			c := &dir.columns[i]
			c.crc = crc32.Checksum(data[c.off:c.off+c.size], castagnoli)
		}
		run := Run{Rows: n, MinTime: 1767268800e9, MaxTime: 1767268800e9 + 1e9, Bytes: 1}
		g := &Group{info: Info{Rows: n, Runs: []Run{run}, MinTime: run.MinTime, MaxTime: run.MaxTime}, read: &Memory{data, nil}}
		g.directory.Store(dir)
		_ = readAll(g, s, []Stream{{Wanted: true}})
	})
}

// FuzzMeta opens a forged meta.
func FuzzMeta(f *testing.F) {
	rows := hardRows(3)
	e, err := NewEncoder(Options{})
	if err != nil {
		f.Fatal(err)
	}
	out, err := e.Encode(rows)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(out.Meta[:len(out.Meta)-4]), bytes.Clone(out.Data), bytes.Clone(out.Filters))
	s := NewScratch()
	f.Fuzz(func(_ *testing.T, meta, data, filters []byte) {
		sum := crc32.Checksum(meta, castagnoli)
		meta = append(bytes.Clone(meta), byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
		g, err := Open(meta, &Memory{data, filters})
		if err != nil {
			return
		}
		streams := make([]Stream, 1<<10)
		for _, r := range g.Info().Runs {
			if int(r.Stream) >= len(streams) {
				return
			}
			streams[r.Stream].Wanted = true
		}
		_ = readAll(g, s, streams)
	})
}
