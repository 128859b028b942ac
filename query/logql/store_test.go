package logql

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/events"
	"github.com/hulotte-dev/hulotte/store/eventstest"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// storedRecords puts the records of m into the store on a medium, in blocks or, with head, in memory.
func storedRecords(t *testing.T, m *eventstest.Memory, head bool) store.EventReader {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	medium, err := local.Open(local.Options{FS: vfs.NewMem(), Dir: "/medium"}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s, err := events.Open(t.Context(), events.Options{}, medium, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := medium.Close(); err != nil {
			t.Error(err)
		}
	})
	to, err := s.EventWriter("default")
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Select(t.Context(), store.EventQuery{Start: math.MinInt64, End: math.MaxInt64}, func(_ int, b store.EventBatch) error {
		x := model.Stream{Records: b.(*eventstest.Batch).Records}
		for name, value := range b.Stream().Map() {
			x.Labels = append(x.Labels, model.Field{Name: name, Value: value})
		}
		x.Labels = model.SortFields(x.Labels)
		_, err := to.AppendRecords(context.Background(), []model.Stream{x})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !head {
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestStoreAndRecordsAgree: filters, hints and columns of the store on a medium give what the steps give record by record.
func TestStoreAndRecordsAgree(t *testing.T) {
	m := testRecords()
	readers := map[string]store.EventReader{"blocks": storedRecords(t, m, false), "head": storedRecords(t, m, true)}
	for _, query := range equivalenceQueries {
		for _, n := range []need{{All: true, Line: true}, {Labels: []string{"level", "app", "pod"}}} {
			want := naive(t, m, query, n)
			for name, from := range readers {
				if got := passing(t, from, query, n); !slices.Equal(got, want) {
					t.Errorf("%s, %+v, %s: %d rows, want %d:\n%s\nwant\n%s", query, n, name, len(got), len(want), firstRows(got), firstRows(want))
				}
			}
		}
	}
}

// TestColumnsAreUsed: where columns can tell they do, so that the agreement of the paths is not that of one with itself.
func TestColumnsAreUsed(t *testing.T) {
	m := testRecords()
	f := func(from store.EventReader, query string, want bool) {
		t.Helper()
		log, err := ParseLog(query)
		if err != nil {
			t.Fatal(err)
		}
		p, err := compile(log, need{Labels: []string{"level"}})
		if err != nil {
			t.Fatal(err)
		}
		r := p.runner()
		batches := 0
		_, err = from.Select(t.Context(), p.query(math.MinInt64, math.MaxInt64), func(_ int, b store.EventBatch) error {
			batches++
			x, err := r.batch(b)
			if x.columns != want {
				t.Fatalf("%s: by columns %t", query, x.columns)
			}
			return err
		})
		if err != nil || batches == 0 {
			t.Fatalf("%s: %d batches, %v", query, batches, err)
		}
	}
	f(storedRecords(t, m, false), `{app="json"} | size > 20`, true)
	parsed := parsedBatches{m}
	f(parsed, `{app="json"} | json | level="error"`, true)
	f(parsed, `{app="logfmt"} | logfmt | level="warn"`, true)
	f(parsed, `{app="json"} | json | app_extracted="inner" or n > 5`, true)
	f(parsed, `{app="json"} | json | pod="p2"`, true)
	f(parsed, `{app="mixed"} | json | level="error"`, false)
	f(parsed, `{app="json"} | json | line_format "x"`, false)
}
