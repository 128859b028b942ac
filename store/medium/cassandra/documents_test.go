package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"

	"github.com/hulotte-dev/hulotte/store/medium"
	"github.com/hulotte-dev/hulotte/store/medium/mediumtest"
)

func TestDocuments(t *testing.T) {
	o := testOptions(t)
	o.Keyspace = newKeyspace() // what is listed is the suite's alone
	mediumtest.Documents(t, func(t *testing.T) (medium.Documents, func() error) {
		m, err := Open(t.Context(), o, testLog(t), nil)
		check(t, err)
		return m.Documents(), m.Close
	}, mediumtest.Options{Rounds: 100})
}

// increment adds one to a counter by compare-and-set.
func increment(ctx context.Context, docs medium.Documents, kind, key string) error {
	_, err := medium.Update(ctx, docs, kind, key, func(old []byte) ([]byte, error) {
		if old == nil {
			old = []byte("0")
		}
		n, err := strconv.Atoi(string(old))
		return []byte(strconv.Itoa(n + 1)), err
	})
	return err
}

func counter(t testing.TB, docs medium.Documents, kind, key string) int {
	t.Helper()
	d, err := docs.Get(t.Context(), kind, key)
	check(t, err)
	n, err := strconv.Atoi(string(d.Value))
	check(t, err)
	return n
}

// TestProcessesShareKind has three processes write one kind: each finds out that the others have moved its version.
func TestProcessesShareKind(t *testing.T) {
	const rounds = 15
	kind := kindName(t)
	var all sync.WaitGroup
	var media []*Medium
	for i := range 3 {
		m := open(t, nil)
		media = append(media, m)
		for w := range 2 {
			all.Go(func() {
				for range rounds {
					if err := increment(t.Context(), m.Documents(), kind, "together"); err != nil {
						t.Errorf("together: %v", err)
					}
					if err := increment(t.Context(), m.Documents(), kind, fmt.Sprint(i, w)); err != nil {
						t.Errorf("alone: %v", err)
					}
				}
			})
		}
	}
	all.Wait()
	if n := counter(t, media[0].Documents(), kind, "together"); n != 6*rounds {
		t.Errorf("the counter is at %d after %d increments", n, 6*rounds)
	}
	for i := range 3 {
		for w := range 2 {
			if n := counter(t, media[i].Documents(), kind, fmt.Sprint(i, w)); n != rounds {
				t.Errorf("counter %d %d is at %d after %d increments", i, w, n, rounds)
			}
		}
	}
	sound(t, media[0].documents, kind)
}

// TestCallerLeaves: a caller that leaves while its change is on its way is told that the outcome is open, and reading tells it.
func TestCallerLeaves(t *testing.T) {
	d := open(t, nil).documents
	kind := kindName(t)
	for round := range 20 {
		// Between "not yet in a transaction" and "done", as the rounds go.
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*time.Millisecond)
		key, value := strconv.Itoa(round), []byte(strconv.Itoa(round))
		_, err := d.Put(ctx, kind, key, value, medium.Absent)
		cancel()
		_, missing := d.Get(t.Context(), kind, key)
		if missing != nil && !errors.Is(missing, medium.ErrNotFound) {
			t.Fatal(missing)
		}
		switch {
		case err == nil && missing != nil:
			t.Errorf("document %s is not there after it was acknowledged", key)
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("the caller left, and the error is %v", err)
		case err != nil && !errors.Is(err, medium.ErrUncertain) && missing == nil:
			t.Errorf("document %s is there, though the error leaves nothing open: %v", key, err)
		}
		if missing == nil {
			continue
		}
		// What is not there when it is read does not come later.
		_, err = d.Put(t.Context(), kind, key, value, medium.Absent)
		check(t, err)
	}
}

// sound verifies all documents and wants nothing found of this kind.
func sound(t testing.TB, d *documents, kind string) {
	t.Helper()
	var found []medium.Finding
	check(t, d.verify(t.Context(), func(f medium.Finding) { found = append(found, f) }, func(int64, int64) {}))
	for _, f := range found {
		if f.Name == kind {
			t.Errorf("verify finds %+v", f)
		}
	}
}

// TestDamagedDocument changes stored bytes behind the medium's back.
func TestDamagedDocument(t *testing.T) {
	ctx := t.Context()
	m := open(t, nil)
	kind := kindName(t)
	for _, key := range []string{"a", "b", "c"} {
		_, err := m.documents.Put(ctx, kind, key, []byte(`{"some":"value"}`), medium.Absent)
		check(t, err)
	}
	var value []byte
	check(t, m.session.db.Query(`SELECT value FROM documents WHERE kind = ? AND area = 1 AND slot = 0 AND key = 'b'`, kind).Scan(&value))
	value[len(value)-2] ^= 1
	check(t, m.session.db.Query(`UPDATE documents SET value = ? WHERE kind = ? AND area = 1 AND slot = 0 AND key = 'b'`, value, kind).Exec())

	_, err := m.documents.Get(ctx, kind, "b")
	if !errors.Is(err, medium.ErrCorrupt) || model.KindOf(err) != model.Corrupt {
		t.Errorf("a damaged document reads as %v", err)
	}
	for _, key := range []string{"a", "c"} {
		_, err := m.documents.Get(ctx, kind, key)
		check(t, err)
	}
	var last error
	for _, err := range m.documents.List(ctx, kind, "") {
		last = err
	}
	if !errors.Is(last, medium.ErrCorrupt) {
		t.Errorf("the list with a damaged document ends with %v", last)
	}
	var found []medium.Finding
	var documents, bytes int64
	check(t, m.documents.verify(ctx, func(f medium.Finding) { found = append(found, f) }, func(d, b int64) { documents += d; bytes += b }))
	found = slices.DeleteFunc(found, func(f medium.Finding) bool { return f.Name != kind+"/b" })
	if len(found) != 1 || found[0].Where != fmt.Sprintf("table documents, kind %q, key \"b\"", kind) || found[0].Effect == "" {
		t.Errorf("verify finds %+v", found)
	}
	if documents < 3 || bytes < 48 {
		t.Errorf("verify counts %d documents of %d bytes", documents, bytes)
	}
}

// TestManyRewrites is a lease that is renewed for hours: reading it must not get slower. Tombstones and old versions on
// the way would show as rows that the replicas pass by.
func TestManyRewrites(t *testing.T) {
	const rewrites, writers = 10_000, 32
	m := open(t, nil)
	kind := kindName(t)
	check(t, increment(t.Context(), m.documents, kind, "lease"))
	// What the transactions write, without their conditions: ten thousand of these in a row would take minutes.
	begun := time.Now().UnixMicro()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := w; i < rewrites; i += writers {
				v := medium.Version(i + 2)
				b := m.session.db.Batch(gocql.UnloggedBatch).WithTimestamp(begun + int64(v))
				b.Query(unconditional(headUpdateCQL), v, int64(1), 100, kind)
				b.Query(unconditional(putCQL), v, appendValue(nil, kind, "lease", v, []byte(strconv.Itoa(i+2))), kind, "lease")
				b.Query(changeInsertCQL, kind, slot(v), v, "lease", false, tableID("a", "b"))
				if err := b.ExecContext(t.Context()); err != nil {
					t.Errorf("rewrite: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	c := readCost(t, m, kind, "lease")
	if c.live != 2 || c.tombstones != 0 {
		t.Errorf("a read of one document passes %d live rows and %d tombstones after %d rewrites, want its row and the head's", c.live, c.tombstones, rewrites)
	}
	sound(t, m.documents, kind)
	if n := counter(t, m.documents, kind, "lease"); n != rewrites+1 {
		t.Errorf("the last value is %d after %d rewrites", n, rewrites)
	}
}

func unconditional(cql string) string {
	cql, _, _ = strings.Cut(cql, " IF ")
	return cql
}

type cost struct{ live, tombstones int }

// readCost reads one document with tracing on and takes from the trace what the replica passed by.
func readCost(t *testing.T, m *Medium, kind, key string) cost {
	t.Helper()
	var c cost
	tracer := &traceID{}
	iter := m.session.db.Query(getCQL, kind, key).Trace(tracer).Iter()
	check(t, iter.Close())
	eventually(t, "the trace is there", func() bool {
		found := false
		events := m.session.db.Query(`SELECT activity FROM system_traces.events WHERE session_id = ?`, tracer.id).Consistency(gocql.One).Iter()
		var activity string
		for events.Scan(&activity) {
			var live, tombstones int
			if n, _ := fmt.Sscanf(activity, "Read %d live rows and %d tombstone cells", &live, &tombstones); n == 2 {
				found = true
				c.live, c.tombstones = max(c.live, live), max(c.tombstones, tombstones)
			}
		}
		check(t, events.Close())
		return found
	})
	return c
}

type traceID struct{ id []byte }

func (t *traceID) Trace(id []byte) { t.id = id }

// eventually waits until ok says true, and fails the test when that takes longer than a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		if !sleep(ctx, 50*time.Millisecond) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
