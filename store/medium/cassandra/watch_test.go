package cassandra

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/store/medium"
)

func TestRingParts(t *testing.T) {
	f := func(from, to medium.Version, want ...[2]int) {
		t.Helper()
		if got := ringParts(from, to); !slices.Equal(got, want) {
			t.Errorf("the slots after %d up to %d are %v, want %v", from, to, got, want)
		}
	}
	const n = ringSize
	f(0, 1, [2]int{1, 1})
	f(0, n-1, [2]int{1, n - 1})
	f(0, n, [2]int{1, n - 1}, [2]int{0, 0})
	f(n-1, n, [2]int{0, 0})
	f(n-1, 2*n-1, [2]int{0, n - 1})
	f(n+10, 2*n+5, [2]int{11, n - 1}, [2]int{0, 5})
}

// watchStates watches until the state that the watch has told satisfies ok.
func watchStates(t *testing.T, docs medium.Documents, kind string, step func(synced bool, state map[string]string) (done bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	state, synced := map[string]string{}, false
	for c, err := range docs.Watch(ctx, kind) {
		check(t, err)
		switch c.Type {
		case medium.Put:
			state[c.Document.Key] = string(c.Document.Value)
		case medium.Deleted:
			delete(state, c.Document.Key)
		case medium.Synced:
			synced = true
		}
		if step(synced, state) {
			return
		}
	}
}

// TestWatchOtherProcess: another process' changes are seen by looking.
func TestWatchOtherProcess(t *testing.T) {
	ctx := t.Context()
	d, other := open(t, nil).documents, open(t, nil).documents
	kind := kindName(t)
	a, err := other.Put(ctx, kind, "a", []byte("1"), medium.Absent)
	check(t, err)
	written := false
	watchStates(t, d, kind, func(synced bool, state map[string]string) bool {
		if synced && !written {
			written = true
			_, err := other.Put(ctx, kind, "b", []byte("2"), medium.Absent)
			check(t, err)
			check(t, other.Delete(ctx, kind, "a", a))
		}
		_, there := state["a"]
		return !there && state["b"] == "2"
	})
}

// TestWatchLapped: a caller that comes back after more changes than the ring holds is told the difference, deletions too.
func TestWatchLapped(t *testing.T) {
	ctx := t.Context()
	// The look that would tell of the changes one by one comes after all of them.
	m := open(t, func(o *Options) { o.WatchInterval = 3 * time.Second })
	d, other := m.documents, open(t, nil).documents
	kind := kindName(t)
	versions := map[string]medium.Version{}
	for i := range 5 {
		key := strconv.Itoa(i)
		v, err := other.Put(ctx, kind, key, []byte(`"old"`), medium.Absent)
		check(t, err)
		versions[key] = v
	}
	changed := false
	watchStates(t, d, kind, func(synced bool, state map[string]string) bool {
		if synced && !changed {
			changed = true
			check(t, other.Delete(ctx, kind, "0", versions["0"]))
			_, err := other.Put(ctx, kind, "1", []byte(`"new"`), versions["1"])
			check(t, err)
			// As if the ring had turned since.
			h, err := other.readHead(ctx, other.kind(kind), true)
			check(t, err)
			check(t, m.session.db.Query(`UPDATE documents SET version = ? WHERE kind = ? AND area = 0 AND slot = 0 AND key = ''`, h.version+ringSize, kind).Exec())
		}
		_, there := state["0"]
		return !there && state["1"] == `"new"` && state["2"] == `"old"` && len(state) == 4
	})
}
