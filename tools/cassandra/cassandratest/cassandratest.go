// Package cassandratest gives tests a real Apache Cassandra. A package's tests share one cluster, which is started when
// the first test asks for it:
//
//	func TestMain(m *testing.M) { os.Exit(cassandratest.Run(m)) }
//
//	func TestSomething(t *testing.T) {
//		cluster := cassandratest.Cluster(t, 3)
//		session, err := cassandra.Connect(cluster.Config())
//
// Where Java 17 or Maven are missing the test is left out, with the reason. With
// TEST_CASSANDRA=127.0.0.1:19042,127.0.0.2:19042,127.0.0.3:19042 in the environment, Cluster uses the nodes that are
// running there (`make cassandra NODES=3` prints the line): nothing to wait for from one run to the next. Tests that kill
// nodes take FaultCluster, which never touches those.
package cassandratest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/tools/cassandra"
)

// Env names the variable with the addresses of nodes that run already.
const Env = "TEST_CASSANDRA"

// startWithin covers a machine that is busy with everything else that is tested, and the download.
const startWithin = 5 * time.Minute

// shared is the one cluster of this process's tests. It must be a variable of the package: tests have no other place
// in common.
var shared struct {
	mu      sync.Mutex
	cluster *cassandra.Cluster
	err     error
}

// Run runs the tests and closes the shared cluster. Its result is for os.Exit. Without it the nodes end with the process
// all the same, and only their folder stays until the next start.
func Run(m *testing.M) int {
	defer func() {
		if shared.cluster != nil {
			if err := shared.cluster.Close(); err != nil {
				fmt.Fprintln(os.Stderr, "cassandratest:", err)
			}
		}
	}()
	return m.Run()
}

// Cluster returns a cluster of at least the given number of nodes, 1 or 3, all of them up. It is shared with other
// tests: take a keyspace of your own (see Keyspace), and leave the nodes alone.
func Cluster(t testing.TB, nodes int) *cassandra.Cluster {
	t.Helper()
	if list := os.Getenv(Env); list != "" {
		return attach(t, list, nodes)
	}
	return start(t, nodes)
}

// FaultCluster returns a cluster whose nodes the test may kill, pause and stop. When the test ends, all nodes are
// brought back up. Tests that use it must not run in parallel with others on the cluster.
func FaultCluster(t testing.TB, nodes int) *cassandra.Cluster {
	t.Helper()
	c := start(t, nodes)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), startWithin)
		defer cancel()
		if err := c.StartAll(ctx); err != nil {
			t.Errorf("cannot bring the cluster back up for the next test: %v", err)
		}
	})
	return c
}

// Own starts a cluster that is this test's alone and is closed at its end: for other options than the shared one has.
func Own(t testing.TB, o cassandra.Options) *cassandra.Cluster {
	t.Helper()
	skipUnlessAvailable(t)
	o.Log = t.Logf
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	c, err := cassandra.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("cannot close the cluster: %v", err)
		}
	})
	return c
}

func skipUnlessAvailable(t testing.TB) {
	t.Helper()
	if err := cassandra.Available(); err != nil {
		t.Skipf("left out, as it needs a real Apache Cassandra: %v", err)
	}
}

func start(t testing.TB, nodes int) *cassandra.Cluster {
	t.Helper()
	skipUnlessAvailable(t)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.err != nil {
		t.Fatalf("the cluster did not start for an earlier test: %v", shared.err)
	}
	if shared.cluster == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startWithin)
		defer cancel()
		shared.cluster, shared.err = cassandra.Start(ctx, cassandra.Options{Nodes: nodes})
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	if have := len(shared.cluster.Nodes()); have < nodes {
		t.Fatalf("this test needs %d nodes, and an earlier one of the package asked for %d: all must ask for the most that any needs", nodes, have)
	}
	return shared.cluster
}

func attach(t testing.TB, list string, nodes int) *cassandra.Cluster {
	t.Helper()
	c, err := cassandra.Attach(strings.Split(list, ","))
	if err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	if len(c.Nodes()) < nodes {
		t.Skipf("left out, as %s names %d node(s) and this test needs %d", Env, len(c.Nodes()), nodes)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.WaitUp(ctx); err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	return c
}
