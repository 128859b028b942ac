package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// shelf is documents in memory: as much of medium.Documents as nodes use, with a switch that makes it fail.
type shelf struct {
	medium.Documents

	mu      sync.Mutex
	docs    map[string]medium.Document
	next    medium.Version
	away    error
	changed chan struct{} // closed and made anew with every change
}

func newShelf() *shelf {
	return &shelf{docs: map[string]medium.Document{}, changed: make(chan struct{})}
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
	s.tell()
}

func (s *shelf) tell() { close(s.changed); s.changed = make(chan struct{}) }

func (s *shelf) Get(_ context.Context, _, key string) (medium.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[key]
	switch {
	case s.away != nil:
		return d, s.away
	case !ok:
		return d, medium.ErrNotFound
	}
	return d, nil
}

func (s *shelf) Put(_ context.Context, kind, key string, value []byte, expected medium.Version) (medium.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away != nil:
		return 0, s.away
	case s.docs[key].Version != expected:
		return 0, medium.ErrConflict
	}
	s.next++
	s.docs[key] = medium.Document{Kind: kind, Key: key, Version: s.next, Value: value}
	s.tell()
	return s.next, nil
}

func (s *shelf) Delete(_ context.Context, _, key string, expected medium.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs[key].Version != expected || expected == medium.Absent {
		return medium.ErrConflict
	}
	delete(s.docs, key)
	s.tell()
	return nil
}

func (s *shelf) Watch(ctx context.Context, _ string) iter.Seq2[medium.Change, error] {
	return func(yield func(medium.Change, error) bool) {
		told := map[string]medium.Version{}
		for synced := false; ; {
			s.mu.Lock()
			var changes []medium.Change
			for key, d := range s.docs {
				if told[key] != d.Version {
					told[key] = d.Version
					changes = append(changes, medium.Change{Type: medium.Put, Document: d})
				}
			}
			for key := range told {
				if _, ok := s.docs[key]; !ok {
					delete(told, key)
					changes = append(changes, medium.Change{Type: medium.Deleted, Document: medium.Document{Key: key}})
				}
			}
			if !synced {
				synced = true
				changes = append(changes, medium.Change{Type: medium.Synced})
			}
			away, changed := s.away, s.changed
			s.mu.Unlock()
			if away != nil {
				yield(medium.Change{}, away)
				return
			}
			for _, c := range changes {
				if !yield(c, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				yield(medium.Change{}, context.Cause(ctx))
				return
			case <-changed:
			}
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// join starts a member; the function returned stops it in good order.
func join(t *testing.T, s *shelf, id string, log *slog.Logger) (*Member, func()) {
	t.Helper()
	m, err := New(Options{Self: Node{ID: id, Host: "h-" + id, Address: "http://" + id, Started: time.Now()}}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx, s); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	return m, sync.OnceFunc(func() { cancel(); <-done })
}

// states returns "id:state" of all nodes, as m sees them.
func states(m *Member) string {
	var out []string
	for _, n := range m.Nodes() {
		out = append(out, n.ID+":"+string(n.State))
	}
	return strings.Join(out, " ")
}

func TestNodesSeeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := func(m *Member, after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if got := states(m); got != want {
				t.Errorf("after %s: nodes %q, want %q", after, got, want)
			}
		}
		a, stopA := join(t, s, "a", quiet())
		defer stopA()
		f(a, 0, "a:alive")
		b, stopB := join(t, s, "b", quiet())
		f(a, 0, "a:alive b:alive")
		f(b, 0, "b:alive a:alive")
		f(b, 10*time.Minute, "b:alive a:alive")
		stopB()
		f(a, 0, "a:alive b:stopped")
		f(a, 6*24*time.Hour, "a:alive b:stopped")
		f(a, 2*24*time.Hour, "a:alive") // forgotten
		if len(s.docs) != 1 {
			t.Errorf("%d documents are left, want 1", len(s.docs))
		}
	})
}

// A node that dies without a word is silent after three renewals, whatever its clock says.
func TestDeadNodeIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		a, stop := join(t, s, "a", quiet())
		defer stop()
		synctest.Wait()
		fast := Node{ID: "b", Beat: time.Now().Add(24 * time.Hour), Every: defaultEvery}
		value, err := json.Marshal(fast)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), Kind, "b", value, medium.Absent); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := states(a); got != "a:alive b:alive" {
			t.Errorf("nodes %q", got)
		}
		time.Sleep(missed*defaultEvery + time.Second)
		if got := states(a); got != "a:alive b:silent" {
			t.Errorf("nodes %q", got)
		}
	})
}

func TestMediumThatGoesAwayAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		var last error
		m, err := New(Options{Self: Node{ID: "a"}, Beaten: func(err error) { last = err }}, quiet(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx, s) }()
		f := func(after time.Duration, want error) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if !errors.Is(last, want) {
				t.Errorf("the last renewal: %v, want %v", last, want)
			}
		}
		f(time.Second, nil)
		s.fail(medium.ErrNoSpace)
		f(30*time.Second, medium.ErrNoSpace)
		s.fail(nil)
		f(retryEvery, nil)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := testutil.ToFloat64(m.metrics.beats.WithLabelValues("failed")); got < 1 {
			t.Errorf("%v failed renewals were counted", got)
		}
	})
}

func TestTwinIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		var log strings.Builder
		a, stopA := join(t, s, "a", slog.New(slog.NewTextHandler(&log, nil)))
		synctest.Wait()
		time.Sleep(time.Second)
		_, stopTwin := join(t, s, "a", quiet())
		time.Sleep(time.Minute)
		stopTwin()
		stopA()
		if !strings.Contains(log.String(), "was its data folder copied") || testutil.ToFloat64(a.metrics.twins) == 0 {
			t.Errorf("nothing was said of a second process with the same id:\n%s", log.String())
		}
	})
}

func TestRestartIsNoTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		old, err := json.Marshal(Node{ID: "a", Run: "before", Started: time.Now().Add(-time.Hour), Beat: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		s.docs["a"] = medium.Document{Key: "a", Version: 1, Value: old}
		s.next = 1
		a, stop := join(t, s, "a", quiet())
		time.Sleep(5 * time.Minute)
		stop()
		if got := testutil.ToFloat64(a.metrics.twins); got != 0 {
			t.Errorf("the process before was taken for a twin %v times", got)
		}
	})
}

// What others have written into the documents never harms.
func FuzzNode(f *testing.F) {
	good, err := json.Marshal(Node{ID: "a", Host: "h", Address: "http://h:9070", Started: time.Now(), Beat: time.Now(), Every: defaultEvery})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a", good)
	f.Add("b", []byte(`{"every":-1,"beat":"9999-12-31T23:59:59Z"}`))
	f.Add("", []byte(`[]`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		m, err := New(Options{Self: Node{ID: "self"}}, quiet(), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		m.lookForTwin(value)
		m.put(medium.Document{Key: key, Version: 1, Value: value}, true)
		for _, n := range m.Nodes() {
			if n.Every < time.Second || n.State == "" {
				t.Errorf("node %+v", n)
			}
		}
	})
}

func TestIdentityStays(t *testing.T) {
	dir := t.TempDir()
	first, err := Identity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if medium.ValidName(first) != nil || len(first) < 10 {
		t.Errorf("the id %q is not good for names", first)
	}
	again, err := Identity(dir)
	if err != nil || again != first {
		t.Errorf("the second time: %q, %v, want %q", again, err, first)
	}
	if other, err := Identity(t.TempDir()); err != nil || other == first {
		t.Errorf("another folder has the id %q, %v", other, err)
	}
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("../x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Identity(dir); err == nil || !strings.Contains(err.Error(), "delete it for a new one") {
		t.Errorf("a damaged file: %v", err)
	}
}
