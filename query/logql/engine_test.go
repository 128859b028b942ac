package logql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
)

func newTestEngine(from store.EventReader, change func(*Options)) *Engine {
	o := Options{Tenants: func(string) (store.EventReader, error) { return from, nil }}
	if change != nil {
		change(&o)
	}
	return New(o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func stamp(n int64) time.Time { return time.Unix(0, n) }

// interleaved has streams whose records lie between each other's, the earlier ones in several pushes.
func interleaved(t *testing.T, streams, each int) *eventstest.Memory {
	t.Helper()
	m := &eventstest.Memory{}
	for s := range streams {
		x := model.Stream{Labels: []model.Field{{Name: "app", Value: fmt.Sprint("a", s)}}}
		for i := range each {
			x.Records = append(x.Records, model.Record{Time: int64(1 + i*streams + s), Line: fmt.Sprintf("n=%d", i*streams+s+1)})
		}
		if _, err := m.AppendRecords(t.Context(), []model.Stream{x}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestLimitAndDirection(t *testing.T) {
	e := newTestEngine(interleaved(t, 3, 100), nil)
	f := func(req Request, want string) {
		t.Helper()
		if req.Query == "" {
			req.Query = "{}"
		}
		if req.End.IsZero() {
			req.Start, req.End = stamp(0), stamp(1000)
		}
		res, err := e.Query(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range res.Streams {
			line := s.Labels.Get("app") + ":"
			for _, x := range s.Entries {
				line += fmt.Sprint(" ", x.Time)
			}
			got = append(got, line)
		}
		if text := strings.Join(got, "; "); text != want {
			t.Fatalf("%+v: %s, want %s", req, text, want)
		}
	}
	f(Request{Limit: 4}, "a0: 298; a1: 299; a2: 300 297")
	f(Request{Limit: 4, Direction: Forward}, "a0: 1 4; a1: 2; a2: 3")
	f(Request{Limit: 2, Start: stamp(10), End: stamp(20)}, "a0: 19; a2: 18")
	f(Request{Limit: 2, Start: stamp(10), End: stamp(20), Direction: Forward}, "a0: 10; a1: 11")
	f(Request{Limit: 3, Interval: 100, Direction: Forward}, "a0: 1; a1: 101; a2: 201")
	f(Request{Limit: 9, Interval: 100}, "a0: 100; a1: 200; a2: 300")
	f(Request{Limit: 2, Query: `{app="a1"}`, Start: stamp(50), End: stamp(50)}, "a1: 50 47")
	f(Request{Limit: 5, Query: `{} | logfmt | n > 295`, Direction: Forward}, "a0: 298; a1: 296; a1: 299; a2: 297; a2: 300")
	f(Request{Query: `{app="none"}`}, "")
	if res, _ := e.Query(t.Context(), Request{Query: "{}", Start: stamp(0), End: stamp(1000)}); res.Stats.Entries != 100 {
		t.Fatalf("%d entries, want the default", res.Stats.Entries)
	}
}

func TestScanIsOrderedAndComplete(t *testing.T) {
	e := newTestEngine(parsedBatches{interleaved(t, 7, 300)}, nil)
	for _, direction := range []Direction{Backward, Forward} {
		var times []int64
		stats, err := e.Scan(t.Context(), Request{Query: "{} | logfmt", Start: stamp(0), End: stamp(10_000), Direction: direction}, func(l labels.Labels, x Entry) error {
			if l.Get("n") == "" || x.Parsed.Get("n") != fmt.Sprint(x.Time) {
				t.Fatalf("%s %+v", l, x)
			}
			times = append(times, x.Time)
			return nil
		})
		if err != nil || stats.Entries != 2100 || len(times) != 2100 {
			t.Fatalf("%d entries, %v", len(times), err)
		}
		if direction == Backward {
			slices.Reverse(times)
		}
		if !slices.IsSorted(times) {
			t.Fatal("not in order")
		}
	}
	stop := errors.New("stop")
	if _, err := e.Scan(t.Context(), Request{Query: "{}", Start: stamp(0), End: stamp(10_000)}, func(labels.Labels, Entry) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("%v", err)
	}
}

func TestEachSeesEverything(t *testing.T) {
	e := newTestEngine(interleaved(t, 7, 300), nil)
	counts := make([]int, e.Workers())
	_, err := e.Each(t.Context(), Request{Query: "{} != `n=7`", Start: stamp(0), End: stamp(10_000)}, func(worker int, _ labels.Labels, _ Entry) error {
		counts[worker]++
		return nil
	})
	sum := 0
	for _, n := range counts {
		sum += n
	}
	want := 0
	for n := range 2100 {
		if !strings.Contains(fmt.Sprintf("n=%d", n+1), "n=7") {
			want++
		}
	}
	if err != nil || sum != want {
		t.Fatalf("%d entries, want %d, %v", sum, want, err)
	}
	if _, err := e.Each(t.Context(), Request{Query: "{}", Start: stamp(0), End: stamp(10)}, func(int, labels.Labels, Entry) error { return ErrStop }); err != nil {
		t.Fatal(err)
	}
}

func TestCategories(t *testing.T) {
	m := testRecords()
	e := newTestEngine(m, nil)
	req := Request{Query: `{app="json"} | json | user_id="u0" | drop level`, Start: stamp(0), End: stamp(2), Categorize: true}
	res, err := e.Query(t.Context(), req)
	if err != nil || len(res.Streams) != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	s := res.Streams[0]
	if got := fmt.Sprint(s.Labels, s.Entries[0].Structured, s.Entries[0].Parsed); got !=
		`{app="json", env="prod"} {pod="p0", size="0"} {app_extracted="inner", empty="", n="0", ok="true", pod_name="x0", took="0ms", user_id="u0"}` {
		t.Fatal(got)
	}
	req.Categorize = false
	if res, _ = e.Query(t.Context(), req); res.Streams[0].Labels.Len() != 11 {
		t.Fatal(res.Streams[0].Labels)
	}
}

func TestLimits(t *testing.T) {
	e := newTestEngine(interleaved(t, 3, 100), func(o *Options) {
		o.MaxEntries, o.MaxRange, o.MaxQueryLength, o.MaxSteps, o.MaxBytes = 10, time.Hour, 100, 10, 1000
	})
	f := func(req Request, kind model.Kind, want string) {
		t.Helper()
		if req.End.IsZero() {
			req.Start, req.End = stamp(0), stamp(1000)
		}
		_, err := e.Query(t.Context(), req)
		if model.KindOf(err) != kind || err.Error() != want {
			t.Fatalf("%s: %v", model.KindOf(err), err)
		}
	}
	f(Request{Query: "{", Limit: 1}, model.Invalid, "parse error at line 1, col 2: syntax error: unexpected $end, expecting IDENTIFIER")
	f(Request{Query: "{}", Limit: 11}, model.Limit, "max entries limit per query exceeded, limit > max_entries_limit (11 > 10)")
	f(Request{Query: "{}", Limit: -1}, model.Invalid, "the limit is negative")
	f(Request{Query: "{}", Start: stamp(0), End: stamp(0).Add(2 * time.Hour)}, model.Limit, "the query time range exceeds the limit (query length: 2h, limit: 1h)")
	f(Request{Query: "{}", Start: stamp(2), End: stamp(1)}, model.Invalid, "the end of the query is before its start")
	f(Request{Query: "{} |= `" + strings.Repeat("x", 100) + "`"}, model.Limit, "the query has 108 bytes, and the limit is 100")
	f(Request{Query: "rate({}[1m])", Step: 50}, model.Limit, "exceeded maximum resolution of 10 points per time series: make the step longer (it is 50ns) or the range shorter")
	f(Request{Query: "{}"}, model.Limit, "the query would read too many bytes (query: 1392B, limit: 1KB); narrow the selector or the time range")
}

// blocking waits in every Select until its context ends or it is let go.
type blocking struct {
	store.EventReader
	free chan struct{}
}

func (b blocking) Select(ctx context.Context, _ store.EventQuery, _ func(int, store.EventBatch) error) (store.EventStats, error) {
	select {
	case <-ctx.Done():
		return store.EventStats{}, ctx.Err()
	case <-b.free:
		return store.EventStats{}, nil
	}
}

func TestQueueAndTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := blocking{free: make(chan struct{})}
		e := newTestEngine(b, func(o *Options) { o.MaxConcurrent, o.MaxQueued, o.Timeout = 1, 1, time.Minute })
		errs := make(chan error, 3)
		query := func() {
			_, err := e.Query(context.Background(), Request{Query: `{a="b"}`, Start: stamp(0), End: stamp(10)})
			errs <- err
		}
		go query()
		synctest.Wait()
		go query()
		synctest.Wait()
		if a := e.Active(); len(a) != 1 || a[0].Query != `{a="b"}` {
			t.Fatalf("%+v", a)
		}
		query() // runs, waits: there is no place for a third
		if err := <-errs; !errors.Is(err, errQueueFull) || model.KindOf(err) != model.Unavailable {
			t.Fatalf("%v", err)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%v", err)
			}
		}
		if len(e.Active()) != 0 {
			t.Fatal("still active")
		}
	})
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &eventstest.Memory{}
		e := newTestEngine(m, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		done := make(chan error, 1)
		go func() {
			done <- e.Follow(ctx, `{app="web"} | logfmt | level="error" | line_format "{{.msg}}"`, func(streams []Stream, dropped int) error {
				got = append(got, fmt.Sprintf("%d/%d", len(streams), dropped))
				for _, s := range streams {
					for _, x := range s.Entries {
						got = append(got, fmt.Sprintf("%s %d %s %s", s.Labels, x.Time, x.Line, x.Parsed))
					}
				}
				return nil
			})
		}()
		synctest.Wait()
		push := func(app, line string, at int64) {
			_, err := m.AppendRecords(ctx, []model.Stream{{Labels: []model.Field{{Name: "app", Value: app}}, Records: []model.Record{{Time: at, Line: line}}}})
			if err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		push("web", "level=info msg=a", 1)
		push("db", "level=error msg=b", 2)
		push("web", "level=error msg=c", 3)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		want := []string{"0/0", "1/0", `{app="web"} 3 c {level="error", msg="c"}`}
		if !slices.Equal(got, want) {
			t.Fatal(got)
		}
	})
}
