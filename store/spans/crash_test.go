package spans

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

var crashOptions = Options{Limits: Limits{RejectNewer: -1}, Merge: Merge{Blocks: 2}}

// crashScript appends, cuts and merges until the disk fails. It returns the names of the spans that were acknowledged, and of those of which it
// is not known.
func crashScript(fs vfs.FS) (known, uncertain []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m, err := local.Open(local.Options{FS: fs, Dir: "/medium", SegmentBytes: 1 << 20}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, nil
	}
	defer m.Close()
	s, err := Open(ctx, crashOptions, m, nil, prometheus.NewRegistry())
	if err != nil {
		return nil, nil
	}
	defer s.Close()
	for round := range 8 {
		for _, tenant := range []string{"a", "b"} {
			w, err := s.SpanWriter(tenant)
			if err != nil {
				return known, uncertain
			}
			name := fmt.Sprintf("%s %d", tenant, round)
			span := model.Span{TraceID: model.TraceID{0: 1, 1: byte(round)}, ID: model.SpanID{1}, Name: name, Start: base + int64(round%2)*dayLength} // two days
			if _, err = w.AppendSpans(ctx, []model.SpanGroup{{Resource: &model.Resource{}, Scope: &model.Scope{}, Spans: []model.Span{span}}}); err != nil {
				return known, append(uncertain, name)
			}
			known = append(known, name)
		}
		if round%2 == 1 && shortly(ctx, s.Flush) != nil {
			return known, uncertain
		}
		if round%4 == 3 {
			if shortly(ctx, func(ctx context.Context) error { return s.Upkeep(ctx, time.Unix(0, base)) }) != nil {
				return known, uncertain
			}
			s.blocks.DeleteReplaced(ctx, time.Now().Add(time.Hour))
		}
	}
	return known, uncertain
}

// shortly gives up soon: what waits for a disk that is gone would wait for ever.
func shortly(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	return f(ctx)
}

// TestCrash cuts the power, or kills the process, at many moments: what was acknowledged is there once, and nothing else but what was on its way.
func TestCrash(t *testing.T) {
	disk := vfs.NewMem()
	crashScript(disk)
	points := disk.Operations()
	t.Logf("%d moments", points)
	step := 5
	if testing.Short() {
		step = 23
	}
	for first := range 8 {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			for n := first * step; n < points; n += 8 * step {
				disk := vfs.NewMem()
				disk.StopAfter(n)
				known, uncertain := crashScript(disk)
				for seed := range uint64(2) {
					checkAfterCrash(t, disk.Crash(seed), fmt.Sprintf("power cut %d at %d", seed, n), known, uncertain)
				}
				checkAfterCrash(t, disk.Kill(), fmt.Sprintf("kill at %d", n), known, uncertain)
			}
		})
	}
}

// checkAfterCrash opens what is left, cuts and merges it, and opens it again.
func checkAfterCrash(t *testing.T, disk *vfs.Mem, what string, known, uncertain []string) {
	t.Helper()
	s := &testStore{o: crashOptions, fs: disk}
	s.open(t)
	checkSpans(t, s, what, known, uncertain)
	s.flush(t)
	s.upkeep(t)
	checkSpans(t, s, what+", cut", known, uncertain)
	s.close(t)
	s.open(t)
	checkSpans(t, s, what+", opened again", known, uncertain)
	s.close(t)
}

func checkSpans(t *testing.T, s *testStore, what string, known, uncertain []string) {
	t.Helper()
	var got []string
	for _, tenant := range []string{"a", "b"} {
		_, err := s.writer(t, tenant).SelectSpans(context.Background(), store.SpanQuery{Start: everything.Start, End: everything.End, Workers: 1}, func(_ int, b store.SpanBatch) error {
			names := b.Column(store.SpanField{Scope: store.IntrinsicScope, Name: store.IntrinsicName})
			for i := range b.Len() {
				got = append(got, names.Value(i).Text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	if twice := len(got) - len(slices.Compact(slices.Clone(got))); twice > 0 {
		t.Errorf("%s: %d spans are there twice: %q", what, twice, got)
	}
	for _, name := range known {
		if !slices.Contains(got, name) {
			t.Errorf("%s: %q was acknowledged and is lost", what, name)
		}
	}
	for _, name := range got {
		if !slices.Contains(known, name) && !slices.Contains(uncertain, name) {
			t.Errorf("%s: %q was never written", what, name)
		}
	}
}

// The index finds every trace of many, and no other group than its own but for what shares a hash.
func TestIndex(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	g := model.SpanGroup{Resource: &model.Resource{}, Scope: &model.Scope{}}
	const traces = 20_000
	id := func(i int) model.TraceID { return model.TraceID{0: byte(i), 1: byte(i >> 8), 2: byte(i >> 16), 9: 1} }
	for i := range traces {
		g.Spans = append(g.Spans, model.Span{TraceID: id(i), ID: model.SpanID{1}, Start: base + int64(i)})
	}
	s.append(t, []model.SpanGroup{g})
	s.flush(t)
	for i := 0; i < traces+500; i += 331 {
		found := 0
		stats, err := s.writer(t, "a").Traces(context.Background(), []model.TraceID{id(i)}, 0, 0, 0, func(t model.Trace) error { found = t.Len(); return nil })
		want := 1
		if i >= traces {
			want = 0
		}
		if err != nil || found != want || stats.Groups-stats.GroupsSkipped != int64(want) {
			t.Fatalf("trace %d: %d spans, %+v, %v", i, found, stats, err)
		}
	}
}
