package cassandra_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/tools/cassandra"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

func TestMain(m *testing.M) {
	if os.Getenv(cassandra.ChildEnv) != "" {
		os.Exit(cassandra.RunChild())
	}
	os.Exit(cassandratest.Run(m))
}

func connect(t *testing.T, c *cassandra.Cluster) *gocql.Session {
	t.Helper()
	s, err := cassandra.Connect(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func run(t *testing.T, s *gocql.Session, query string, args ...any) {
	t.Helper()
	if err := s.Query(query, args...).ExecContext(t.Context()); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestThreeNodesGoOnWithoutOne(t *testing.T) {
	c := cassandratest.FaultCluster(t, 3)
	s := connect(t, c)
	run(t, s, `CREATE KEYSPACE three WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}`)
	run(t, s, `CREATE TABLE three.blobs (id int PRIMARY KEY, value blob)`)
	value := bytes.Repeat([]byte("hulotte!"), 1<<17) // 1 MiB
	run(t, s, `INSERT INTO three.blobs (id, value) VALUES (1, ?)`, value)

	// Another process would use the running nodes through the variable, and could do nothing to them.
	t.Setenv(cassandratest.Env, strings.Join(c.Addresses(), ","))
	attached := cassandratest.Cluster(t, 3)
	run(t, connect(t, attached), `INSERT INTO three.blobs (id, value) VALUES (4, ?)`, value)
	if err := attached.Node(0).Kill(); !errors.Is(err, cassandra.ErrNotOurs) || !c.Node(0).Running() {
		t.Fatalf("kill of a node through the variable: %v", err)
	}

	if err := c.Node(2).Kill(); err != nil {
		t.Fatal(err)
	}
	if c.Node(2).PID() != 0 || c.Node(2).Running() {
		t.Fatal("a killed node runs")
	}
	// The driver may learn of the death by this very write.
	if err := s.Query(`INSERT INTO three.blobs (id, value) VALUES (2, ?)`, value).Idempotent(true).RetryPolicy(&gocql.SimpleRetryPolicy{NumRetries: 5}).ExecContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	applied, err := s.Query(`INSERT INTO three.blobs (id, value) VALUES (3, ?) IF NOT EXISTS`, value).MapScanCASContext(t.Context(), map[string]any{})
	if err != nil || !applied {
		t.Fatalf("lightweight transaction with two of three nodes: applied %v, %v", applied, err)
	}

	// The killed node comes back and is told what it missed: all three answer.
	if err := c.StartAll(deadline(t)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	err = s.Query(`SELECT value FROM three.blobs WHERE id = 2`).Consistency(gocql.All).ScanContext(t.Context(), &got)
	if err != nil || !bytes.Equal(got, value) {
		t.Errorf("row 2 read from all three: %d bytes, %v", len(got), err)
	}
}
