package promql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/hulotte-dev/hulotte/model"
)

func newTestEngine(t testing.TB, o Options) (*Engine, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	e, err := New(o, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return e, &log
}

// Prometheus' own suite passes through the wrapper, with the options that the suite is written for.
func TestUpstreamSuite(t *testing.T) {
	e, _ := newTestEngine(t, Options{MaxSamples: 10_000, Timeout: 100 * time.Second, DelayedNameRemoval: true, UseStartTimestamps: true})
	promqltest.RunBuiltinTests(t, e)
}

// slowStorage blocks every read until its context ends or release is closed.
type slowStorage struct{ release chan struct{} }

func (s slowStorage) Querier(int64, int64) (storage.Querier, error) {
	return slowQuerier{storage.NoopQuerier(), s.release}, nil
}

type slowQuerier struct {
	storage.Querier
	release chan struct{}
}

func (q slowQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	select {
	case <-ctx.Done():
		return storage.ErrSeriesSet(ctx.Err())
	case <-q.release:
		return storage.EmptySeriesSet()
	}
}

func runInstant(ctx context.Context, e *Engine, q storage.Queryable, expr string) error {
	query, err := e.NewInstantQuery(ctx, q, nil, expr, time.Unix(0, 0))
	if err != nil {
		return err
	}
	defer query.Close()
	return query.Exec(ctx).Err
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newTestEngine(t, Options{MaxConcurrent: 2, MaxQueued: 1, Timeout: time.Hour})
		s := slowStorage{make(chan struct{})}
		done := make(chan error, 3)
		for range 3 { // two run, one waits
			go func() { done <- runInstant(model.WithTenant(t.Context(), "red"), e, s, "up") }()
			synctest.Wait()
		}
		if got := e.Active(); len(got) != 2 || got[0].Query != "up" || got[0].Tenant != "red" {
			t.Errorf("active queries: %+v", got)
		}
		if got := testutil.ToFloat64(e.metrics.waiting); got != 1 {
			t.Errorf("%v queries wait", got)
		}
		err := runInstant(t.Context(), e, s, "up")
		if !errors.Is(err, ErrQueueFull) || !strings.Contains(err.Error(), "query.max_concurrent") {
			t.Errorf("the fourth query: %v", err)
		}
		if got := testutil.ToFloat64(e.metrics.queries.WithLabelValues("instant", "refused")); got != 1 {
			t.Errorf("%v queries were counted as refused", got)
		}
		close(s.release)
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := e.Active(); len(got) != 0 {
			t.Errorf("still active: %+v", got)
		}
	})
}

func TestErrorsOfWaitingAndRunningAreAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := newTestEngine(t, Options{MaxConcurrent: 1, Timeout: time.Minute})
		s := slowStorage{make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error)
		go func() { first <- runInstant(t.Context(), e, s, "up") }()
		synctest.Wait()
		var timeout upstream.ErrQueryTimeout
		if err := runInstant(ctx, e, s, "up"); !errors.As(err, &timeout) {
			t.Errorf("timeout in the queue: %v", err)
		}
		if err := <-first; !errors.As(err, &timeout) {
			t.Errorf("timeout of the engine: %v", err)
		}
		var canceled upstream.ErrQueryCanceled
		gone, leave := context.WithCancel(t.Context())
		go func() { first <- runInstant(gone, e, s, "up") }()
		synctest.Wait()
		leave()
		if err := <-first; !errors.As(err, &canceled) {
			t.Errorf("client gone: %v", err)
		}
	})
}

func TestLimitOfSamples(t *testing.T) {
	e, _ := newTestEngine(t, Options{MaxSamples: 5})
	s := promqltest.LoadedStorage(t, "load 1m\n up 1x10\n")
	defer s.Close()
	var limit upstream.ErrTooManySamples
	if err := runInstant(t.Context(), e, s, "up[10m]"); err != nil {
		t.Errorf("a query within the limit: %v", err)
	}
	q, err := e.NewRangeQuery(t.Context(), s, nil, "up", time.Unix(0, 0), time.Unix(600, 0), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if res := q.Exec(t.Context()); !errors.As(res.Err, &limit) {
		t.Errorf("a query over the limit: %v", res.Err)
	}
	if got := testutil.ToFloat64(e.metrics.queries.WithLabelValues("range", "limit")); got != 1 {
		t.Errorf("%v queries were counted as limited", got)
	}
}

func TestSlowQueriesAreLogged(t *testing.T) {
	f := func(limit time.Duration, want bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			e, log := newTestEngine(t, Options{SlowQuery: limit})
			s := slowStorage{make(chan struct{})}
			go func() { time.Sleep(3 * time.Second); close(s.release) }()
			if err := runInstant(model.WithTenant(t.Context(), "red"), e, s, "up"); err != nil {
				t.Error(err)
			}
			got := strings.Contains(log.String(), `msg="slow query" query=up took=3s kind=instant`) && strings.Contains(log.String(), "tenant=red")
			if got != want {
				t.Errorf("limit %v, log: %s", limit, log)
			}
		})
	}
	f(2*time.Second, true)
	f(4*time.Second, false)
	f(-1, false)
}

func TestCrashNamesTheQueries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "queries.active")
	e, log := newTestEngine(t, Options{ActiveQueriesFile: file})
	if log.Len() > 0 {
		t.Errorf("a first start logs: %s", log)
	}
	long := strings.Repeat("é", 5000)
	slot, err := e.tracker.Insert(t.Context(), `sum("`+long+`")`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.tracker.Insert(t.Context(), "up"); err != nil {
		t.Fatal(err)
	}
	e.tracker.Delete(slot)
	if _, err := e.tracker.Insert(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	// The process dies here: nothing is closed.
	_, log = newTestEngine(t, Options{ActiveQueriesFile: file})
	if got := strings.Count(log.String(), "a query was running"); got != 2 {
		t.Errorf("%d queries named: %s", got, log)
	}
	if !strings.Contains(log.String(), "query=up ") || strings.Contains(log.String(), "sum(") || !strings.Contains(log.String(), "é…") {
		t.Errorf("log: %s", log)
	}
	e, log = newTestEngine(t, Options{ActiveQueriesFile: file})
	if log.Len() > 0 {
		t.Errorf("queries are named twice: %s", log)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestDamagedActiveFile(t *testing.T) {
	f := func(content string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "queries.active")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		e, log := newTestEngine(t, Options{ActiveQueriesFile: file})
		if log.Len() > 0 {
			t.Errorf("%q: %s", content, log)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	f("")
	f("{")
	f("\x00\x00{\"query\":\"up\"}")
	f(strings.Repeat("x", 3*slotSize))
}

func FuzzEncodeSlot(f *testing.F) {
	f.Add("up", "default")
	f.Add(strings.Repeat("\x00", 2000), "a")
	f.Add(strings.Repeat("<", 2000), strings.Repeat("b", 150))
	f.Fuzz(func(t *testing.T, query, tenant string) {
		slot := encodeSlot(&Active{Query: query, Tenant: tenant, Start: time.Unix(0, 0)})
		if len(slot) == 0 || len(slot) > slotSize || slot[len(slot)-1] != 0 {
			t.Fatalf("slot of %d bytes", len(slot))
		}
		text, _, _ := bytes.Cut(slot, []byte{0})
		if len(text) > 0 && !json.Valid(text) {
			t.Fatalf("not JSON: %q", text)
		}
	})
}

func TestExperimental(t *testing.T) {
	e, _ := newTestEngine(t, Options{})
	if err := runInstant(t.Context(), e, slowStorage{}, "sort_by_label(vector(1), \"a\")"); err != nil {
		t.Errorf("by default: %v", err)
	}
	e, _ = newTestEngine(t, Options{WithoutExperimental: true})
	if err := runInstant(t.Context(), e, slowStorage{}, "sort_by_label(vector(1), \"a\")"); err == nil {
		t.Error("without experimental functions, one is accepted")
	}
}
