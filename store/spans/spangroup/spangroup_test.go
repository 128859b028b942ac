package spangroup

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

const base = int64(1_750_000_000e9)

func encode(t testing.TB, groups []model.SpanGroup) (*Group, []byte, Summary) {
	t.Helper()
	data, summary, err := Encode(nil, groups)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Open(bytes.NewReader(data), int64(len(data)), summary.Directory)
	if err != nil {
		t.Fatal(err)
	}
	return g, data, summary
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		groups := spanstest.Random(r, base, 1+r.IntN(900))
		g, _, summary := encode(t, groups)
		got, err := g.All()
		if err != nil {
			t.Fatal(err)
		}
		spanstest.Same(t, got, groups)
		if s := g.Summary(); s.Spans != summary.Spans || s.Traces != summary.Traces || s.First != summary.First || s.Last != summary.Last || len(summary.TraceHashes) != s.Traces {
			t.Errorf("opened %+v, encoded %+v", s, summary)
		}
	}
}

func TestTooManyOrNone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, MaxSpans + 1} {
		groups := spanstest.Random(r, base, n)
		if _, _, err := Encode(nil, groups); err == nil {
			t.Errorf("%d spans are encoded", n)
		}
	}
	encode(t, spanstest.Random(r, base, MaxSpans))
}

// described is what a reader of memory and what a group answer, line by line.
func described(t *testing.T, q store.SpanQuery, groups []model.SpanGroup, sel func(store.SpanQuery, func(store.SpanBatch) error) (store.SpanStats, error)) (got, want []string) {
	t.Helper()
	var m spanstest.Memory
	if _, err := m.AppendSpans(context.Background(), groups); err != nil {
		t.Fatal(err)
	}
	add := func(to *[]string) func(store.SpanBatch) error {
		return func(b store.SpanBatch) error {
			lines, err := spanstest.Describe(b, q.Fields)
			*to = append(*to, lines...)
			return err
		}
	}
	if _, err := sel(q, add(&got)); err != nil {
		t.Fatal(err)
	}
	if _, err := m.SelectSpans(context.Background(), q, func(_ int, b store.SpanBatch) error { return add(&want)(b) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	return got, want
}

func TestSelectLikeMemory(t *testing.T) {
	found := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		groups := distinct(spanstest.Random(r, base, 1+r.IntN(120)))
		g, _, _ := encode(t, groups)
		q := store.SpanQuery{Start: base + r.Int64N(1800e9), End: base + 1800e9 + r.Int64N(1900e9), Filter: spanstest.RandomFilter(r, 3), WholeTraces: r.IntN(2) == 0, Fields: spanstest.Fields()}
		if r.IntN(3) > 0 {
			q.Start, q.End = math.MinInt64, math.MaxInt64
		}
		got, want := described(t, q, groups, g.Select)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: got %d, want %d\n%v\n%v", seed, len(got), len(want), got, want)
		}
		if g.Skip(q) && len(want) > 0 {
			t.Fatalf("seed %d: it is skipped and has %d", seed, len(want))
		}
		if got, _ := described(t, q, groups, func(q store.SpanQuery, f func(store.SpanBatch) error) (store.SpanStats, error) {
			return Slice(groups, q, f)
		}); !slices.Equal(got, want) {
			t.Fatalf("seed %d, slice: got %d, want %d", seed, len(got), len(want))
		}
		found += len(want)
	}
	if found < 5000 {
		t.Errorf("only %d spans were found: the filters say little", found)
	}
}

// distinct gives every span a start of its own, so that none is there twice.
func distinct(groups []model.SpanGroup) []model.SpanGroup {
	n := int64(0)
	for i := range groups {
		for k := range groups[i].Spans {
			groups[i].Spans[k].Start += n
			n++
		}
	}
	return groups
}

func TestValuesAndFieldsLikeMemory(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		groups := spanstest.Random(r, base, 1+r.IntN(80))
		g, _, _ := encode(t, groups)
		var m spanstest.Memory
		_, _ = m.AppendSpans(context.Background(), groups)
		filter := spanstest.RandomFilter(r, 1)
		for _, f := range spanstest.Fields() {
			if several(f) {
				continue // Memory counts a value as often as a span has it
			}
			got, _, err := g.Values(f, base, base+3600e9, filter, 1000)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := m.SpanValues(context.Background(), f, base, base+3600e9, filter, 1000)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, %v:\ngot  %v\nwant %v", seed, f, got, want)
			}
		}
		sums := map[store.SpanField]int64{}
		fields, _ := g.Fields()
		for _, x := range fields {
			sums[x.SpanField] += x.Spans
		}
		want, _ := m.SpanFields(context.Background(), base, base+3600e9, 0)
		if len(want) != len(sums) {
			t.Fatalf("%d fields, want %d", len(sums), len(want))
		}
		for _, x := range want {
			if sums[x.SpanField] != x.Spans {
				t.Fatalf("%v: %d spans, want %d", x.SpanField, sums[x.SpanField], x.Spans)
			}
		}
	}
}

func TestTrace(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	groups := spanstest.Random(r, base, 600)
	g, _, _ := encode(t, groups)
	all := spanstest.Flat(groups)
	for range 20 {
		id := all[r.IntN(len(all))].Span.TraceID
		got, _, err := g.Trace([]model.TraceID{id, {1: 99, 9: 9}})
		if err != nil {
			t.Fatal(err)
		}
		var want []model.SpanGroup
		for _, x := range all {
			if x.Span.TraceID == id {
				want = append(want, model.SpanGroup{Resource: x.Resource, Scope: x.Scope, Spans: []model.Span{x.Span}})
			}
		}
		spanstest.Same(t, got, want)
	}
}

// Every byte that is changed, and every end that is cut off, is an error, or changes nothing.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	groups := spanstest.Random(r, base, 40)
	_, data, summary := encode(t, groups)
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= byte(1 + r.IntN(255))
		g, err := Open(bytes.NewReader(bad), int64(len(bad)), summary.Directory)
		if err != nil {
			continue
		}
		if got, err := g.All(); err == nil {
			spanstest.Same(t, got, groups)
		}
	}
	for n := range data {
		if g, err := Open(bytes.NewReader(data[:n]), int64(n), min(summary.Directory, int64(n))); err == nil {
			if _, err := g.All(); err == nil {
				t.Fatalf("the first %d of %d bytes are read as if they were all", n, len(data))
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 7))
	_, data, summary := encode(f, spanstest.Random(r, base, 30))
	f.Add(data, uint32(summary.Directory))
	f.Fuzz(func(_ *testing.T, b []byte, directory uint32) {
		g, err := Open(bytes.NewReader(b), int64(len(b)), int64(directory))
		if err != nil {
			return
		}
		_, _ = g.All()
	})
}

// FuzzDirectory goes behind the checksum.
func FuzzDirectory(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 8))
	_, data, summary := encode(f, spanstest.Random(r, base, 30))
	raw, err := decompressor.DecodeAll(data[headSize:summary.Directory], nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, data[summary.Directory:])
	f.Fuzz(func(_ *testing.T, directory, sections []byte) {
		g := &Group{r: bytes.NewReader(sections)}
		if err := g.decode(directory, int64(len(sections))); err != nil {
			return
		}
		_, _ = g.All()
		_, _ = g.Select(store.SpanQuery{Start: math.MinInt64, End: math.MaxInt64, Filter: spanstest.RandomFilter(rand.New(rand.NewPCG(1, 1)), 2)}, func(store.SpanBatch) error { return nil })
	})
}
