package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// shelf is documents of one kind in memory, as much of medium.Documents as a Keeper uses.
type shelf struct {
	medium.Documents

	mu   sync.Mutex
	docs map[string]medium.Document
}

func (s *shelf) Put(_ context.Context, kind, key string, value []byte, _ medium.Version) (medium.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := medium.ValidDocument(kind, key, value); err != nil {
		return 0, err
	}
	s.docs[key] = medium.Document{Kind: kind, Key: key, Version: 1, Value: value}
	return 1, nil
}

func (s *shelf) Delete(_ context.Context, _, key string, _ medium.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.docs, key)
	return nil
}

func (s *shelf) List(context.Context, string, string) iter.Seq2[medium.Document, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Sorted(maps.Keys(s.docs))
	docs := maps.Clone(s.docs)
	return func(yield func(medium.Document, error) bool) {
		for _, k := range keys {
			if !yield(docs[k], nil) {
				return
			}
		}
	}
}

func newKeeper(docs func() (medium.Documents, error)) *Keeper {
	return NewKeeper("node-1", docs, slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
}

func keeper(t *testing.T) (*Keeper, *shelf) {
	t.Helper()
	s := &shelf{docs: map[string]medium.Document{}}
	return newKeeper(func() (medium.Documents, error) { return s, nil }), s
}

// sick is a medium on which Verify finds what it is told to.
type sick struct {
	medium.Medium
	findings int
	err      error
	wait     bool
}

func (s sick) Verify(ctx context.Context, found func(medium.Finding), progress func(medium.Summary)) (medium.Summary, error) {
	sum := medium.Summary{Journals: 1, Entries: 10, EntryBytes: 100, Blobs: 2, BlobBytes: 1000, Documents: 3, DocumentBytes: 30}
	progress(medium.Summary{Journals: 1})
	for i := range s.findings {
		found(medium.Finding{Area: "blob", Name: fmt.Sprint("b", i), Where: strings.Repeat("ü", 1000), Problem: "\xff", Effect: "gone"})
	}
	if s.wait {
		<-ctx.Done()
		return sum, context.Cause(ctx)
	}
	return sum, s.err
}

func TestRunsGoOneAtATimeAndAreRemembered(t *testing.T) {
	k, _ := keeper(t)
	var events []Event
	a, err := k.Begin(t.Context(), Verify, "alice", func(e Event) { events = append(events, e) })
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Begin(t.Context(), Backup, "bob", nil)
	if !errors.Is(err, ErrBusy) || model.KindOf(err) != model.Conflict || !strings.Contains(err.Error(), "alice") {
		t.Errorf("a second run: %v", err)
	}
	if c := k.Current(); c == nil || c.ID != a.ID() || c.State != Running {
		t.Errorf("the current run: %+v", c)
	}
	r := VerifyAll(a, sick{findings: 1}, nil)
	if r.State != Damaged || r.FindingsTotal != 1 || r.Counts.Bytes != 1130 || r.Counts.Entries != 10 {
		t.Errorf("the run: %+v", r)
	}
	var types []EventType
	for _, e := range events {
		types = append(types, e.Type)
	}
	if want := []EventType{Began, Progress, Found, Done}; !slices.Equal(types, want) {
		t.Errorf("events %v, want %v", types, want)
	}
	if k.Current() != nil {
		t.Error("a run that has ended goes on")
	}
	runs, err := k.Runs(t.Context())
	if err != nil || len(runs) != 1 || runs[0].ID != a.ID() || runs[0].State != Damaged || len(runs[0].Findings) != 1 || runs[0].By != "alice" {
		t.Errorf("remembered: %+v, %v", runs, err)
	}
}

func TestHowARunEnds(t *testing.T) {
	f := func(m sick, leave bool, want State, text string) {
		t.Helper()
		k, _ := keeper(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		a, err := k.Begin(ctx, Verify, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if leave {
			cancel()
		}
		if r := VerifyAll(a, m, nil); r.State != want || !strings.Contains(r.Error, text) || text == "" && r.Error != "" {
			t.Errorf("%+v: %+v, want %s with %q", m, r, want, text)
		}
	}
	f(sick{}, false, Sound, "")
	f(sick{findings: 3}, false, Damaged, "")
	f(sick{err: errors.New("disk gone")}, false, Failed, "disk gone")
	f(sick{wait: true}, true, Stopped, "has left")
}

// However much is damaged, the record of it is small enough for a document.
func TestFindingsAreBounded(t *testing.T) {
	k, s := keeper(t)
	a, err := k.Begin(t.Context(), Verify, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := VerifyAll(a, sick{findings: 10_000}, nil)
	if r.FindingsTotal != 10_000 || len(r.Findings) != keptFindings {
		t.Errorf("%d of %d findings are kept", len(r.Findings), r.FindingsTotal)
	}
	if d := s.docs[r.ID]; len(d.Value) == 0 || len(d.Value) > medium.MaxDocument {
		t.Errorf("the document has %d bytes", len(d.Value))
	}
}

func TestOldRunsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := keeper(t)
		b, err := k.Begin(t.Context(), Backup, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		b.End(nil)
		var last Run
		for range keptRuns + 5 {
			time.Sleep(time.Hour)
			a, err := k.Begin(t.Context(), Verify, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			last = a.End(nil)
		}
		runs, err := k.Runs(t.Context())
		if err != nil || len(runs) != keptRuns+1 || runs[0].ID != last.ID || runs[keptRuns].Kind != Backup {
			t.Errorf("%d runs, %v", len(runs), err)
		}
	})
}

// Without the medium a run is remembered in memory.
func TestRunsWithoutAMedium(t *testing.T) {
	away := errors.New("the cluster is away")
	k := newKeeper(func() (medium.Documents, error) { return nil, away })
	a, err := k.Begin(t.Context(), Verify, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	a.End(away)
	runs, err := k.Runs(t.Context())
	if !errors.Is(err, away) || len(runs) != 1 || runs[0].State != Failed {
		t.Errorf("%+v, %v", runs, err)
	}
}

func TestStartStopAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := keeper(t)
		verify := func(a *Active) { VerifyAll(a, sick{wait: true}, nil) }
		if _, err := k.Stop("bob"); model.KindOf(err) != model.NotFound {
			t.Errorf("nothing to stop: %v", err)
		}
		if _, err := k.Start(Verify, "alice", verify); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Stop("bob"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if _, err := k.Start(Verify, "alice", verify); err != nil {
			t.Fatal(err)
		}
		k.Close()
		if _, err := k.Start(Verify, "alice", verify); err == nil {
			t.Error("a run began after Close")
		}
		runs, err := k.Runs(t.Context())
		if err != nil || len(runs) != 2 || !strings.Contains(runs[0].Error, "stopping") || !strings.Contains(runs[1].Error, "bob") {
			t.Errorf("%+v, %v", runs, err)
		}
	})
}

func FuzzRun(f *testing.F) {
	good, err := json.Marshal(Run{Kind: Verify, State: Sound, Started: time.Now()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("k", good)
	f.Add("k", []byte(`{"kind":"verify","findings":[{}],"ended":null}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if r, ok := parseRun(medium.Document{Key: key, Value: value}); ok && r.ID != key {
			t.Errorf("the run %q has the id %q", key, r.ID)
		}
	})
}
