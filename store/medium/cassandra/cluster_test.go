package cassandra

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

func TestMain(m *testing.M) { os.Exit(cassandratest.Run(m)) }

var keyspaces atomic.Int64

// testKeyspace is a name that no other test has, also on a cluster that outlives the tests.
func testKeyspace() string {
	return fmt.Sprintf("t%d_%d", time.Now().UnixMilli(), keyspaces.Add(1))
}

// testOptions are for the shared cluster of three nodes, in a keyspace of the test's own with three copies.
func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Addresses:     cassandratest.Cluster(t, 3).Addresses(),
		Keyspace:      testKeyspace(),
		Node:          "node-1",
		WatchInterval: 100 * time.Millisecond,
	}
}

// open opens a medium on the shared cluster. change may adapt the options; a keyspace that it names is shared with others.
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
