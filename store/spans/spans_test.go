package spans

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium/local"
	"github.com/hulotte-dev/hulotte/store/spanstest"
)

const base = int64(1_750_000_000e9) // some hours before midnight

type testStore struct {
	*Store
	o      Options
	fs     vfs.FS
	medium *local.Medium
}

func newTestStore(t *testing.T, o Options) *testStore {
	t.Helper()
	s := &testStore{o: o, fs: vfs.NewMem()}
	s.open(t)
	t.Cleanup(func() { s.close(t) })
	return s
}

func (s *testStore) open(t *testing.T) {
	t.Helper()
	m, err := local.Open(local.Options{FS: s.fs, Dir: "/medium"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.medium = m
	if s.Store, err = Open(context.Background(), s.o, m, nil, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(s.Close(), s.medium.Close()); err != nil {
		t.Error(err)
	}
}

func (s *testStore) writer(t *testing.T, tenant string) store.Spans {
	t.Helper()
	w, err := s.SpanWriter(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (s *testStore) append(t *testing.T, groups []model.SpanGroup) {
	t.Helper()
	refused, err := s.writer(t, "a").AppendSpans(context.Background(), groups)
	if err != nil || len(refused) > 0 {
		t.Fatalf("%v, refused %v", err, refused)
	}
}

func (s *testStore) flush(t *testing.T) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) upkeep(t *testing.T) {
	t.Helper()
	if err := s.Upkeep(context.Background(), time.Unix(0, base)); err != nil {
		t.Fatal(err)
	}
}

// inTime makes spans that the limits of these tests take, each with a start of its own.
func inTime(r *rand.Rand, spans int, from int64) []model.SpanGroup {
	groups := spanstest.Random(r, from, spans)
	n := int64(0)
	for i := range groups {
		for k := range groups[i].Spans {
			groups[i].Spans[k].Start += n
			n++
		}
	}
	return groups
}

var everything = store.SpanQuery{Start: math.MinInt64, End: math.MaxInt64}

func selected(t *testing.T, r store.SpanReader, q store.SpanQuery) []string {
	t.Helper()
	var mu sync.Mutex
	var out []string
	if _, err := r.SelectSpans(context.Background(), q, func(_ int, b store.SpanBatch) error {
		lines, err := spanstest.Describe(b, q.Fields)
		mu.Lock()
		defer mu.Unlock()
		out = append(out, lines...)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// compare holds the store against one that looks at every span.
func compare(t *testing.T, got store.SpanReader, want *spanstest.Memory, r *rand.Rand) {
	t.Helper()
	ctx := context.Background()
	all := everything
	all.Fields = spanstest.Fields()
	if a, b := selected(t, got, all), selected(t, want, all); !slices.Equal(a, b) {
		t.Fatalf("everything: got %d spans, want %d", len(a), len(b))
	}
	for range 6 {
		q := store.SpanQuery{Start: base + r.Int64N(1800e9), End: base + 1800e9 + r.Int64N(90_000e9), Filter: spanstest.RandomFilter(r, 2), Fields: spanstest.Fields()[:4], Order: store.EventOrder(r.IntN(3))}
		if a, b := selected(t, got, q), selected(t, want, q); !slices.Equal(a, b) {
			t.Fatalf("%+v: got %d spans, want %d", q, len(a), len(b))
		}
	}
	ids := map[model.TraceID]bool{}
	_, _ = want.SelectSpans(ctx, everything, func(_ int, b store.SpanBatch) error {
		for _, run := range b.Traces() {
			ids[run.Trace] = true
		}
		return nil
	})
	for id := range ids {
		var a, b model.Trace
		_, err := got.Traces(ctx, []model.TraceID{id}, 0, 0, 0, func(t model.Trace) error { a = t; return nil })
		_, _ = want.Traces(ctx, []model.TraceID{id}, 0, 0, 0, func(t model.Trace) error { b = t; return nil })
		if err != nil {
			t.Fatal(err)
		}
		spanstest.Same(t, a.Groups, b.Groups)
	}
	a, err := got.SpanFields(ctx, math.MinInt64, math.MaxInt64, 0)
	b, _ := want.SpanFields(ctx, math.MinInt64, math.MaxInt64, 0)
	if err != nil || len(a) != len(b) {
		t.Fatalf("%d fields, %v; want %d", len(a), err, len(b))
	}
	for i := range a {
		if a[i].SpanField != b[i].SpanField || a[i].Spans != b[i].Spans {
			t.Fatalf("field %+v, want %+v", a[i], b[i])
		}
	}
	service := store.SpanField{Scope: store.OnResource, Name: "service.name"}
	x, err := got.SpanValues(ctx, service, base, base+3600e9, nil, 10)
	y, _ := want.SpanValues(ctx, service, base, base+3600e9, nil, 10)
	if err != nil || !slices.EqualFunc(x, y, func(a, b store.SpanValueInfo) bool { return a.Spans == b.Spans && a.Value.Equal(b.Value) }) {
		t.Fatalf("%v, %v; want %v", x, err, y)
	}
}

// Spans come, become blocks, are merged, and the store is closed and opened in between: at every moment it answers as one that looks at every span.
func TestLikeMemory(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 4))
		s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 2}})
		var want spanstest.Memory
		for step := range 15 {
			switch r.IntN(6) {
			case 0:
				s.flush(t)
			case 1:
				s.upkeep(t)
			case 2:
				s.close(t)
				s.open(t)
			default:
				groups := inTime(r, 1+r.IntN(200), base+r.Int64N(2)*86_400e9+int64(step)*1000)
				s.append(t, groups)
				_, _ = want.AppendSpans(context.Background(), groups)
			}
			if step%5 == 4 {
				reader, err := s.SpanReader("a")
				if err != nil {
					t.Fatal(err)
				}
				compare(t, reader, &want, r)
			}
		}
	}
}

// A trace of more spans than a group has is found whole.
func TestLargeTrace(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	id := model.TraceID{1: 7}
	g := model.SpanGroup{Resource: &model.Resource{}, Scope: &model.Scope{}}
	const spans = 30_000
	for i := range spans {
		g.Spans = append(g.Spans, model.Span{TraceID: id, ID: model.SpanID{0: 1, 5: byte(i >> 16), 6: byte(i >> 8), 7: byte(i)}, Start: base + int64(i), Name: "n"})
	}
	for _, flushed := range []bool{false, true} {
		if flushed {
			s.flush(t)
		} else {
			s.append(t, []model.SpanGroup{g})
		}
		for _, limit := range []int{0, 1000} {
			var got model.Trace
			if _, err := s.writer(t, "a").Traces(context.Background(), []model.TraceID{id}, 0, 0, limit, func(t model.Trace) error { got = t; return nil }); err != nil {
				t.Fatal(err)
			}
			if want := cmpOr(limit, spans); got.Len() != want || got.Truncated != spans-want {
				t.Errorf("flushed %v, limit %d: %d spans, %d left out", flushed, limit, got.Len(), got.Truncated)
			}
		}
	}
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

func TestRefusals(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{MaxSpanBytes: 1000, MaxResource: 1000}, Retention: Retention{Time: time.Hour}})
	deep := model.Value{Kind: model.ArrayValue, Nested: []model.Attribute{{}}}
	for range 80 {
		deep = model.Value{Kind: model.ArrayValue, Nested: []model.Attribute{{Value: deep}}}
	}
	ok := model.Span{TraceID: model.TraceID{1}, ID: model.SpanID{1}, Start: time.Now().UnixNano()}
	for _, x := range []struct {
		change func(*model.SpanGroup)
		reason model.RefusalReason
		text   string
	}{
		{func(g *model.SpanGroup) { g.Spans[0].TraceID = model.TraceID{} }, model.BadIDs, "zeros"},
		{func(g *model.SpanGroup) { g.Spans[0].ID = model.SpanID{} }, model.BadIDs, "zeros"},
		{func(g *model.SpanGroup) { g.Spans[0].Name = strings.Repeat("x", 1000) }, model.SpanTooLarge, "storage.traces.max_span_size"},
		{func(g *model.SpanGroup) { g.Spans[0].Attributes = []model.Attribute{{Key: "a", Value: deep}} }, model.SpanTooLarge, "1000 are allowed"},
		{func(g *model.SpanGroup) { g.Resource = &model.Resource{SchemaURL: strings.Repeat("x", 1001)} }, model.SpanTooLarge, "MaxResource"},
		{func(g *model.SpanGroup) { g.Spans[0].Start += int64(2 * time.Hour) }, model.TooFarAhead, "ahead of the clock"},
		{func(g *model.SpanGroup) { g.Spans[0].Start -= int64(2 * time.Hour) }, model.TooOld, "retention_time"},
		{func(g *model.SpanGroup) { g.Spans[0].Start = math.MinInt64 }, model.TooOld, "out of range"},
	} {
		g := model.SpanGroup{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: []model.Span{ok, ok}}
		x.change(&g)
		refused, err := s.writer(t, "a").AppendSpans(context.Background(), []model.SpanGroup{g})
		if err != nil || len(refused) != 1 || refused[0].Reason != x.reason || !strings.Contains(refused[0].Text, x.text) {
			t.Errorf("%v, %v; want %s: …%s…", err, refused, x.reason, x.text)
		}
	}
	if n := len(selected(t, s.writer(t, "a"), everything)); n != 7 {
		t.Errorf("%d spans were taken beside those that were refused, want 7", n)
	}
}

func TestRetention(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	s.append(t, inTime(rand.New(rand.NewPCG(1, 1)), 50, base))
	s.flush(t)
	s.append(t, inTime(rand.New(rand.NewPCG(2, 1)), 60, base+40*86_400e9))
	s.flush(t)
	s.o.Retention, s.Store.o.Retention = Retention{Time: 10 * 24 * time.Hour}, Retention{Time: 10 * 24 * time.Hour}
	if err := s.Upkeep(context.Background(), time.Unix(0, base+41*86_400e9)); err != nil {
		t.Fatal(err)
	}
	if n := len(selected(t, s.writer(t, "a"), everything)); n != 60 {
		t.Errorf("%d spans are left, want 60", n)
	}
	s.Store.o.Retention = Retention{Size: 1}
	s.upkeep(t)
	if n := len(selected(t, s.writer(t, "a"), everything)); n != 0 {
		t.Errorf("%d spans are left, want none", n)
	}
	if n := testutil.ToFloat64(s.metrics.retentionGone); n < 2 {
		t.Errorf("%v blocks are counted as deleted", n)
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 2}, CutBytes: 20_000})
	var group sync.WaitGroup
	const writers, pushes = 4, 12
	for w := range writers {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 9))
			for range pushes {
				s.append(t, inTime(r, 50, base+int64(w)*1e9))
			}
		})
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		last := 0
		for {
			n := len(selected(t, s.writer(t, "a"), everything))
			if n < last {
				t.Errorf("%d spans are seen after %d", n, last)
			}
			last = n
			s.upkeep(t)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	group.Wait()
	close(stop)
	others.Wait()
	if n := len(selected(t, s.writer(t, "a"), everything)); n != writers*pushes*50 {
		t.Errorf("%d spans, want %d", n, writers*pushes*50)
	}
}

func FuzzEntry(f *testing.F) {
	var c content
	for _, g := range inTime(rand.New(rand.NewPCG(1, 2)), 20, base) {
		c.begin(&g)
		for i := range g.Spans {
			c.add(&g.Spans[i])
		}
	}
	c.finish()
	f.Add(appendEntry(nil, 3, "a", c.bytes))
	f.Fuzz(func(_ *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		_ = sections(e.content, func(x section) error {
			_, err := decodeGroups(x.body, x.spans)
			return err
		})
	})
}

func FuzzSections(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = sections(b, func(x section) error {
			_, err := decodeGroups(x.body, x.spans)
			return err
		})
	})
}
