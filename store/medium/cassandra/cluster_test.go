package cassandra

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

func TestMain(m *testing.M) { os.Exit(cassandratest.Run(m)) }

var (
	keyspaces atomic.Int64
	// sharedKeyspace serves the tests that only need names of their own in it: to make one takes the cluster seconds.
	sharedKeyspace = sync.OnceValue(newKeyspace)
)

// newKeyspace is a name that no other test has, also on a cluster that outlives the tests.
func newKeyspace() string {
	return fmt.Sprintf("t%d_%d", time.Now().UnixMilli(), keyspaces.Add(1))
}

// testOptions are for the shared cluster of three nodes and the shared keyspace, with three copies.
func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Addresses:     cassandratest.Cluster(t, 3).Addresses(),
		Keyspace:      sharedKeyspace(),
		Node:          "node-1",
		WatchInterval: 100 * time.Millisecond,
	}
}

// kindName is a kind of documents that no other test has.
func kindName(t testing.TB) string {
	return strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
}

// open opens a medium on the shared cluster. change may adapt the options.
func open(t testing.TB, change func(*Options)) *Medium {
	t.Helper()
	o := testOptions(t)
	if change != nil {
		change(&o)
	}
	m, err := Open(t.Context(), o, testLog(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// testLog writes warnings into the test's output.
func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
