package rowgroup

import (
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
)

func encode(t testing.TB, rows Rows) *Group {
	t.Helper()
	e, err := NewEncoder(Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Encode(rows)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, out)
}

func open(t testing.TB, e Encoded) *Group {
	t.Helper()
	g, err := Open(e.Meta, &Memory{e.Data, e.Filters})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// tableOf makes the table of streams that rows need, all of them wanted.
func tableOf(rows Rows) []Stream {
	out := make([]Stream, slices.Max(rows.Streams)+1)
	for i := range out {
		out[i] = Stream{Labels: labels.FromStrings("n", string(rune('a'+i%26))), ID: uint64(i), Wanted: true}
	}
	return out
}

func randomRows(r *rand.Rand, lines func() string) Rows {
	n := 1 + r.IntN(300)
	var out Rows
	stream, time := uint32(r.IntN(3)), int64(1_790_000_000_000_000_000)
	for range n {
		if r.IntN(50) == 0 {
			stream += 1 + uint32(r.IntN(3))
			time = 1_790_000_000_000_000_000
		}
		time += int64(r.IntN(3)) * 1000
		out.Streams = append(out.Streams, stream)
		out.Times = append(out.Times, time)
		out.Lines = append(out.Lines, lines())
		var fields []model.Field
		for _, name := range []string{"detected_level", "trace_id", "x"} {
			if r.IntN(3) > 0 {
				fields = append(fields, model.Field{Name: name, Value: strings.Repeat("v", 1+r.IntN(2))})
			}
		}
		out.Fields = append(out.Fields, fields)
	}
	return out
}

func wantSameRows(t *testing.T, got, want Rows) {
	t.Helper()
	if !slices.Equal(got.Streams, want.Streams) || !slices.Equal(got.Times, want.Times) {
		t.Fatal("streams or times differ")
	}
	for i := range want.Lines {
		if got.Lines[i] != want.Lines[i] {
			t.Fatalf("line %d:\n got %q\nwant %q", i, got.Lines[i], want.Lines[i])
		}
		if !slices.Equal(got.fields(i), want.fields(i)) {
			t.Fatalf("fields of %d: got %q, want %q", i, got.fields(i), want.fields(i))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		rows := randomRows(r, func() string { return strings.Repeat("a b\xff", r.IntN(4)) })
		got, err := encode(t, rows).Rows(context.Background(), NewScratch())
		if err != nil {
			t.Fatal(err)
		}
		wantSameRows(t, got, rows)
	}
}

func TestRefusedRows(t *testing.T) {
	f := func(rows Rows, want string) {
		t.Helper()
		e, err := NewEncoder(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Encode(rows); err == nil || !strings.Contains(err.Error(), want) || model.KindOf(err) != model.Invalid {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(Rows{}, "0 records")
	f(Rows{Streams: []uint32{0}, Times: []int64{1}}, "0 lines")
	f(Rows{Streams: []uint32{1, 0}, Times: []int64{1, 2}, Lines: []string{"", ""}}, "record 1 is out of order")
	f(Rows{Streams: []uint32{0, 0}, Times: []int64{2, 1}, Lines: []string{"", ""}}, "record 1 is out of order")
}

func TestIndexFold(t *testing.T) {
	f := func(text, needle string, want int) {
		t.Helper()
		if got := indexFold(text, needle); got != want {
			t.Errorf("indexFold(%q, %q) = %d, want %d", text, needle, got, want)
		}
	}
	f("", "", 0)
	f("", "a", -1)
	f("xxAbC", "abc", 2)
	f("aAabB", "ab", 2)
	f("É", "é", -1)
	f("x[Y", "[y", 1)
	f("ab", "abc", -1)
}

func TestSelect(t *testing.T) {
	rows := Rows{
		Streams: []uint32{0, 0, 1},
		Times:   []int64{10, 20, 15},
		Lines:   []string{"one", "Two", "three"},
		Fields:  [][]model.Field{{{Name: "a", Value: "one"}}, nil, {{Name: "b", Value: "two"}}},
	}
	g := encode(t, rows)
	f := func(q store.EventQuery, want ...string) {
		t.Helper()
		var got []string
		stats, err := g.Select(context.Background(), Prepare(q), tableOf(rows), NewScratch(), func(b store.EventBatch) error {
			for _, l := range b.Lines() {
				got = append(got, strings.Clone(l))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || stats.RecordsYielded != int64(len(want)) {
			t.Errorf("got %q (%d), want %q", got, stats.RecordsYielded, want)
		}
	}
	f(store.EventQuery{Start: 10, End: 21}, "one", "Two", "three")
	f(store.EventQuery{Start: 11, End: 20}, "three")
	two := store.RecordFilter{Needles: [][]string{{"TWO"}}, Fold: true}
	f(store.EventQuery{End: 100, Filters: []store.RecordFilter{two}}, "Two")
	two.AnyField = true
	f(store.EventQuery{End: 100, Filters: []store.RecordFilter{two}}, "Two", "three")
	two.Not = true
	f(store.EventQuery{End: 100, Filters: []store.RecordFilter{two}}, "one")
}

// TestFarTimes has records of one stream whose times differ by more than an int64 can tell.
func TestFarTimes(t *testing.T) {
	f := func(times ...int64) {
		t.Helper()
		rows := Rows{Streams: make([]uint32, len(times)), Times: times, Lines: make([]string, len(times))}
		got, err := encode(t, rows).Rows(context.Background(), NewScratch())
		if err != nil {
			t.Errorf("%d: %v", times, err)
			return
		}
		wantSameRows(t, got, rows)
	}
	f(-1<<62, 1<<62+5)
	f(-1<<63, 1<<63-1)
	f(-1<<63, -1<<63+1, 0, 1<<63-1)
	f(-9e18, 9e18)
}
