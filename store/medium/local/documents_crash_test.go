package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hulotte-dev/hulotte/internal/vfs"
	"github.com/hulotte-dev/hulotte/store/medium"
)

// documentHistory is what was done to documents, and what of it was acknowledged or seen. An empty value is a deletion.
type documentHistory struct {
	mu      sync.Mutex
	acked   map[string]string
	version map[string]medium.Version
	maybe   map[string]string          // begun and not acknowledged
	seen    map[string]medium.Document // last seen by a watcher
	written map[string]medium.Version  // last acknowledged Put
	highest medium.Version
}

func newDocumentHistory() *documentHistory {
	return &documentHistory{acked: map[string]string{}, version: map[string]medium.Version{}, maybe: map[string]string{}, seen: map[string]medium.Document{}, written: map[string]medium.Version{}}
}

func (h *documentHistory) change(d *documents, key, value string) error {
	h.mu.Lock()
	expected := h.version[key]
	h.maybe[key] = value
	h.mu.Unlock()
	var v medium.Version
	var err error
	if value == "" {
		err = d.Delete(context.Background(), "kind", key, expected)
	} else {
		v, err = d.Put(context.Background(), "kind", key, []byte(value), expected)
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[key], h.version[key] = value, v
	delete(h.maybe, key)
	h.highest = max(h.highest, v)
	h.written[key] = max(h.written[key], v)
	return nil
}

func (h *documentHistory) at(key string) medium.Version {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version[key]
}

func (h *documentHistory) watch(ctx context.Context, d *documents, started chan<- struct{}) {
	for c, err := range d.Watch(ctx, "kind") {
		if c.Type == medium.Synced {
			close(started)
		}
		if err == nil && c.Type != medium.Synced {
			h.mu.Lock()
			h.seen[c.Document.Key] = c.Document
			h.mu.Unlock()
		}
	}
}

// documentWorkload opens the documents three times, and changes some of them from several goroutines. It returns the error of the crash.
func documentWorkload(fsys vfs.FS, h *documentHistory) error {
	for round := range 3 {
		d, err := tryDocuments(fsys, testMedium, documentOptions{logBytes: 2000})
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(context.Background())
		started := make(chan struct{})
		watched := make(chan struct{})
		go func() { h.watch(ctx, d, started); close(watched) }()
		<-started
		err = together(3, func(w int) error { return h.work(d, w, round) })
		stop()
		<-watched
		if err = errors.Join(err, d.close()); err != nil {
			return err
		}
	}
	return nil
}

func (h *documentHistory) work(d *documents, w, round int) error {
	for i := range 8 {
		key := fmt.Sprintf("%d %d", w, i%3)
		value := fmt.Sprintf(`"%d %d %s"`, round, i, strings.Repeat("x", 100*w*i))
		if h.at(key) != medium.Absent && i%4 == 3 {
			value = ""
		}
		if err := h.change(d, key, value); err != nil {
			return err
		}
	}
	return nil
}

// check opens what a crash has left and compares it with the history.
func (h *documentHistory) check(fsys vfs.FS) error {
	d, err := tryDocuments(fsys, testMedium, documentOptions{logBytes: 2000})
	if err != nil {
		return fmt.Errorf("cannot open: %w", err)
	}
	if len(d.damage) > 0 {
		return fmt.Errorf("damage: %+v", d.damage)
	}
	keys := map[string]bool{}
	for key := range h.acked {
		keys[key] = true
	}
	for key := range h.maybe {
		keys[key] = true
	}
	for doc, err := range d.List(context.Background(), "kind", "") {
		if err != nil {
			return err
		}
		if !keys[doc.Key] {
			return fmt.Errorf("there is %q, which nobody wrote", doc.Key)
		}
	}
	for key := range keys {
		if err := h.checkOne(d, key); err != nil {
			return err
		}
	}
	v, err := d.Put(context.Background(), "other", "new", []byte("1"), medium.Absent)
	if err != nil || v <= h.highest {
		return fmt.Errorf("a new document has version %d, %w; %d was used already", v, err, h.highest)
	}
	_, _, err = d.check(context.Background(), func(f medium.Finding) { err = fmt.Errorf("found wrong: %+v", f) })
	return errors.Join(err, d.close())
}

func (h *documentHistory) checkOne(d *documents, key string) error {
	doc, err := d.Get(context.Background(), "kind", key)
	if err != nil && !errors.Is(err, medium.ErrNotFound) {
		return err
	}
	got := string(doc.Value)
	maybe, uncertain := h.maybe[key]
	seen := h.seen[key]
	switch {
	case uncertain && seen.Version > h.written[key] && string(seen.Value) == maybe && maybe != h.acked[key]:
		if got != maybe {
			return fmt.Errorf("%q is %.30q; somebody has seen %.30q", key, got, maybe)
		}
	case got != h.acked[key] && (!uncertain || got != maybe):
		return fmt.Errorf("%q is %.30q; %.30q was acknowledged, %.30q (%v) was on its way", key, got, h.acked[key], maybe, uncertain)
	case got != "" && got == h.acked[key] && doc.Version != h.version[key]:
		return fmt.Errorf("%q is at version %d, not %d", key, doc.Version, h.version[key])
	}
	return nil
}

// forEachDocumentCrash runs the workload with a crash after each number of operations, and returns how many there were.
func forEachDocumentCrash(t *testing.T, step int, check func(m *vfs.Mem, h *documentHistory, point int)) int {
	t.Helper()
	crashes := 0
	for point := 0; ; point += step {
		m, h := vfs.NewMem(), newDocumentHistory()
		m.StopAfter(point)
		err := documentWorkload(m, h)
		if err == nil {
			return crashes
		}
		if !errors.Is(err, vfs.ErrCrashed) {
			t.Fatalf("crash after %d operations: %v", point, err)
		}
		crashes++
		check(m, h, point)
	}
}

func TestDocumentsSurviveACrashAtEveryOperation(t *testing.T) {
	crashes := forEachDocumentCrash(t, 1, func(m *vfs.Mem, h *documentHistory, point int) {
		for seed := range uint64(6) {
			if err := h.check(m.Crash(seed)); err != nil {
				t.Errorf("power cut after %d operations, seed %d: %v", point, seed, err)
			}
		}
		if err := h.check(m.Kill()); err != nil {
			t.Errorf("killed after %d operations: %v", point, err)
		}
	})
	if crashes < 100 {
		t.Errorf("only %d crash points", crashes)
	}
	t.Logf("%d crash points, each with 6 power cuts and one kill", crashes)
}

// A second crash, while what the first one left is read and put in order, loses nothing either; nor does a power cut after a kill.
func TestDocumentsSurviveACrashDuringTheStart(t *testing.T) {
	crashes := 0
	forEachDocumentCrash(t, 7, func(m *vfs.Mem, h *documentHistory, point int) {
		for _, left := range []*vfs.Mem{m.Kill(), m.Crash(uint64(point) + 2)} {
			for second := 0; ; second++ {
				again := left.Kill()
				left = again.Kill() // a copy for the next one
				again = left.Kill()
				again.StopAfter(second)
				d, err := tryDocuments(again, testMedium, documentOptions{logBytes: 2000})
				if err == nil {
					err = d.close()
				}
				crashes++
				for seed := range uint64(3) {
					if wrong := h.check(again.Crash(seed)); wrong != nil {
						t.Errorf("crash after %d operations, and after %d more at the start, seed %d: %v", point, second, seed, wrong)
					}
				}
				if err == nil {
					break
				}
			}
		}
	})
	t.Logf("%d crashes during the start", crashes)
}

// What a reader has got is there after a power cut, also what a killed process left unsynced.
func TestDocumentsReadAfterAKillSurviveAPowerCut(t *testing.T) {
	forEachDocumentCrash(t, 3, func(m *vfs.Mem, h *documentHistory, point int) {
		killed := m.Kill()
		d, err := tryDocuments(killed, testMedium, documentOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := valuesOf(t, d)
		// It goes down with its disk: the crash ends it.
		for seed := range uint64(3) {
			after, err := tryDocuments(killed.Crash(seed), testMedium, documentOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := valuesOf(t, after); got != want {
				t.Errorf("killed after %d operations, then read\n%s, then a power cut with seed %d left\n%s", point, want, seed, got)
			}
		}
	})
}

func valuesOf(t testing.TB, d *documents) string {
	t.Helper()
	var s strings.Builder
	for doc, err := range d.List(context.Background(), "kind", "") {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&s, "%s@%d=%.20s\n", doc.Key, doc.Version, doc.Value)
	}
	return s.String()
}
