package events

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store"
	"github.com/hulotte-dev/hulotte/store/eventstest"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// testStore is a store on a local medium that can be opened again.
type testStore struct {
	*Store
	o      Options
	fs     vfs.FS
	dir    string
	medium *local.Medium
}

func newTestStore(t *testing.T, o Options) *testStore {
	t.Helper()
	s := &testStore{o: o, fs: vfs.NewMem(), dir: "/medium"}
	s.open(t)
	t.Cleanup(func() { s.close(t) })
	return s
}

func (s *testStore) open(t *testing.T) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	m, err := local.Open(local.Options{FS: s.fs, Dir: s.dir}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	s.medium = m
	if s.Store, err = Open(context.Background(), s.o, m, log, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) close(t *testing.T) {
	t.Helper()
	if s.Store == nil {
		return
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.medium.Close(); err != nil {
		t.Error(err)
	}
	s.Store = nil
}

// testLog shows what is logged when the test fails.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Logf("%s", b)
	return len(b), nil
}

func (s *testStore) tenant(t *testing.T, name string) store.Events {
	t.Helper()
	e, err := s.EventWriter(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *testStore) flush(t *testing.T) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) upkeep(t *testing.T) {
	t.Helper()
	if err := s.Upkeep(context.Background(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestEvents(t *testing.T) {
	eventstest.Test(t, func(t *testing.T) eventstest.Opened {
		s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
		return eventstest.Opened{Events: s.tenant(t, "a"), Settle: s.flush}
	})
}

// TestSmall runs the suite where everything is cut, encoded and merged as often as it can be.
func TestSmall(t *testing.T) {
	eventstest.Test(t, func(t *testing.T) eventstest.Opened {
		s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}, CutBytes: 1, Merge: Merge{Blocks: 2}, DirectoryBytes: 1})
		return eventstest.Opened{Events: s.tenant(t, "a"), Settle: func(t *testing.T) {
			s.flush(t)
			s.upkeep(t)
		}}
	})
}

func streamOf(pairs string, records ...model.Record) model.Stream {
	s := model.Stream{Records: records}
	for pair := range strings.SplitSeq(pairs, ",") {
		name, value, _ := strings.Cut(pair, "=")
		s.Labels = append(s.Labels, model.Field{Name: name, Value: value})
	}
	s.Labels = model.SortFields(s.Labels)
	return s
}

func appendTo(t *testing.T, e store.Events, streams ...model.Stream) {
	t.Helper()
	refused, err := e.AppendRecords(context.Background(), streams)
	if err != nil || len(refused) > 0 {
		t.Fatalf("AppendRecords = %v, %v", refused, err)
	}
}

// texts returns everything that a tenant has, as sorted text.
func texts(t *testing.T, e store.EventReader, matchers ...*labels.Matcher) []string {
	t.Helper()
	var out []string
	_, err := e.Select(context.Background(), store.EventQuery{Start: -1 << 62, End: 1 << 62, Matchers: matchers, Order: store.Forward}, func(_ int, b store.EventBatch) error {
		for i, at := range b.Times() {
			var fields []model.Field
			for _, name := range b.FieldNames() {
				if c := b.Column(name); c.Has(i) {
					fields = append(fields, model.Field{Name: name, Value: c.Value(i)})
				}
			}
			out = append(out, strings.Clone(fmt.Sprintf("%s %d %q %s", b.Stream(), at, b.Lines()[i], model.FormatLabels(fields))))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestRestart(t *testing.T) {
	s := newTestStore(t, Options{Limits: Limits{RejectNewer: -1}})
	var want []string
	for round := range 6 {
		appendTo(t, s.tenant(t, "a"), streamOf("app=x", model.Record{Time: int64(round), Line: fmt.Sprint("line ", round)}))
		appendTo(t, s.tenant(t, "b"), streamOf("app=y", model.Record{Time: int64(round) * 1e17, Line: fmt.Sprint("b ", round)}))
		want = append(want, fmt.Sprintf(`{app="x"} %d "line %d" {}`, round, round))
		if round%3 == 1 {
			s.flush(t)
		}
		s.close(t)
		s.open(t)
		if got := texts(t, s.tenant(t, "a")); !slices.Equal(got, want) {
			t.Fatalf("after %d restarts: %q", round+1, got)
		}
		if got := texts(t, s.tenant(t, "b")); len(got) != round+1 {
			t.Fatalf("after %d restarts the other tenant has %q", round+1, got)
		}
	}
	if names := s.Names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Error(names)
	}
}
