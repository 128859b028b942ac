package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/block"
	"github.com/hulotte-dev/hulotte/store/events/rowgroup"
	"github.com/hulotte-dev/hulotte/store/medium"
)

func seedContent() []byte {
	var c content
	for _, s := range []model.Stream{
		streamOf("app=web,env=prod", model.Record{Time: 1e18, Line: "GET /"}, model.Record{Time: 1e18 + 1, Line: "", Fields: []model.Field{{Name: "a", Value: "b"}}}),
		streamOf("app=db", model.Record{Time: -5, Line: "before the epoch"}, model.Record{Time: 5, Line: "\xff\x00"}),
	} {
		key := appendLabels(nil, s.Labels)
		for i := range s.Records {
			c.add(key, &s.Records[i])
		}
		c.finish()
	}
	return c.bytes
}

// readContent reads everything of a content.
func readContent(b []byte) (records int, err error) {
	err = sections(b, func(x section) error {
		if _, err := decodeLabels(x.labels); err != nil {
			return err
		}
		var rows rowBuffer
		if err := rows.add(x.day*dayLength, 0, tail{chunks: [][]byte{x.body}, rows: x.records}); err != nil {
			return err
		}
		records += rows.rows.Len()
		return nil
	})
	return records, err
}

func TestEntry(t *testing.T) {
	c := seedContent()
	e, err := decodeEntry(appendEntry(nil, 7, "tenant", c), nil)
	if err != nil || e.generation != 7 || e.tenant != "tenant" || !bytes.Equal(e.content, c) {
		t.Fatalf("%+v, %v", e, err)
	}
	if n, err := readContent(e.content); n != 4 || err != nil {
		t.Fatal(n, err)
	}
}

// wantCorrupt fails when an error is not one that tells of damaged bytes.
func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, medium.ErrCorrupt) && model.KindOf(err) != model.Corrupt {
		t.Fatalf("not corrupt: %v", err)
	}
}

func FuzzEntry(f *testing.F) {
	whole := appendEntry(nil, 3, "t", seedContent())
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{entryVersion})
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b, nil)
		wantCorrupt(t, err)
		if err != nil {
			return
		}
		if len(e.content) > maxRecord+maxContent {
			t.Fatal(len(e.content))
		}
		_, err = readContent(e.content)
		wantCorrupt(t, err)
	})
}

// FuzzContent is FuzzEntry without the compression in front.
func FuzzContent(f *testing.F) {
	f.Add(seedContent())
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readContent(b)
		wantCorrupt(t, err)
	})
}

// blockOf returns a blob with the records of two streams in one group.
func blockOf(tb testing.TB) []byte {
	tb.Helper()
	enc, err := rowgroup.NewEncoder(rowgroup.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	table := newTableBuilder()
	seed := maphash.MakeSeed()
	for _, s := range []string{"x", "y"} {
		fields := []model.Field{{Name: "app", Value: s}}
		table.add(seed, appendLabels(nil, fields), fields)
	}
	rows := rowgroup.Rows{Streams: []uint32{0, 0, 1}, Times: []int64{1, 2, 1}, Lines: []string{"a", "b", "c"}, Fields: make([][]model.Field, 3)}
	g, err := encodeGroup(enc, rows)
	if err != nil {
		tb.Fatal(err)
	}
	g.streams = []uint32{0, 1}
	w := blockWriter{table: &table.table, groups: []*memGroup{g}}
	b, err := io.ReadAll(w.reader(context.Background()))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func FuzzFooter(f *testing.F) {
	b := blockOf(f)
	f.Add(b[len(b)-footerSize:], int64(len(b)))
	f.Add(footer{dataLen: 1 << 62, filtersLen: 1 << 62}.append(nil), int64(1<<62))
	f.Add(footer{dataLen: -1}.append(nil), int64(footerSize))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		got, err := decodeFooter(b, size)
		wantCorrupt(t, err)
		if err == nil && (got.dataLen < 0 || got.filtersLen < 0 || got.dirStored < 0 || got.dataLen+got.filtersLen+got.dirStored+footerSize != size) {
			t.Fatalf("%+v of %d", got, size)
		}
	})
}

func FuzzDirectory(f *testing.F) {
	b := blockOf(f)
	foot, err := decodeFooter(b[len(b)-footerSize:], int64(len(b)))
	if err != nil {
		f.Fatal(err)
	}
	raw, err := foot.uncompress(b[foot.dataLen+foot.filtersLen:][:foot.dirStored])
	if err != nil {
		f.Fatal(err)
	}
	seed := maphash.MakeSeed()
	if d, err := decodeDirectory(raw, nil, foot, seed); err != nil || d.len() != 2 || len(d.groups) != 1 {
		f.Fatal(d, err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeDirectory(b, nil, foot, seed)
		wantCorrupt(t, err)
	})
}

func FuzzDeletion(f *testing.F) {
	f.Add([]byte(`{"start":1,"end":2,"selection":{"matchers":[{"Name":"a","Type":"=~","Value":"b.*"}],"filters":[{"Op":"|~","Text":"x+"}]}}`))
	f.Add([]byte(`{"start":1,"end":2,"selection":{"filters":[{"Op":"|","Text":"("}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDeletion(medium.Document{Key: "k", Value: b})
		if err == nil && (d.ID != "k" || d.query == nil) {
			t.Fatalf("%+v", d)
		}
	})
}

// TestFlippedBits flips bits all over a block, one at a time: what is found is right, and where something is missing it was told of.
func TestFlippedBits(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	want := fillTwoStreams(t, s)
	s.flush(t)
	name := onlyBlock(t, s)
	s.close(t)
	path := findBlob(t, s, name)
	size := fileSize(t, s, path)
	step := int64(max(1, int(size)/300))
	hidden := 0
	for at := int64(0); at < size; at += step {
		flip(t, s, path, at)
		s.openQuiet(t)
		got := texts(t, s.tenant(t, "a"))
		told := counted(t, s.metrics.damagedGroups) > 0
		if !slices.Equal(got, want) {
			hidden++
			if !told {
				t.Errorf("bit in byte %d of %d: %d of %d records are found, and nothing was told", at, size, len(got), len(want))
			}
		}
		for _, x := range got {
			if _, ok := slices.BinarySearch(want, x); !ok {
				t.Errorf("bit in byte %d: %s was never written", at, x)
			}
		}
		s.close(t)
		flip(t, s, path, at)
	}
	if hidden == 0 {
		t.Error("no flipped bit made a difference: the test does not flip what is read")
	}
	t.Logf("%d of %d flips cost records", hidden, (size+step-1)/step)
	s.open(t)
	if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
		t.Error("after all flips were taken back it is not as before")
	}
}

func fillTwoStreams(t *testing.T, s *testStore) []string {
	t.Helper()
	for _, app := range []string{"x", "y"} {
		stream := streamOf("app=" + app)
		for i := range 200 {
			stream.Records = append(stream.Records, model.Record{Time: int64(i) * 1e9, Line: fmt.Sprintf("request %d took %d ms", i, i*i%977), Fields: []model.Field{{Name: "n", Value: fmt.Sprint(i)}}})
		}
		appendTo(t, s.tenant(t, "a"), stream)
	}
	return texts(t, s.tenant(t, "a"))
}

// onlyBlock returns the name of the only block of tenant a.
func onlyBlock(t *testing.T, s *testStore) string {
	t.Helper()
	names := blockNames(s)
	if len(names) != 1 {
		t.Fatalf("blocks %q, want one", names)
	}
	return names[0]
}

func blockNames(s *testStore) (out []string) {
	for _, p := range s.blocks.Partitions("") {
		for _, e := range s.blocks.Entries(p) {
			out = append(out, e.ID)
		}
	}
	return out
}

func entries(s *testStore, tenant string) (out []block.Entry) {
	for _, p := range s.blocks.Partitions(tenant) {
		out = append(out, s.blocks.Entries(p)...)
	}
	return out
}
