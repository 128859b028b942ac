package cassandra_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/tools/cassandra"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

// One node with everything that can be turned on: password, TLS both ways; killed and started again.
func TestOneNode(t *testing.T) {
	c := cassandratest.Own(t, cassandra.Options{Password: true, TLS: cassandra.TLSMutual})
	s := connect(t, c)
	run(t, s, `CREATE KEYSPACE one WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}`)
	run(t, s, `CREATE TABLE one.rows (id int PRIMARY KEY, value blob)`)
	value := bytes.Repeat([]byte("hulotte!"), 1<<17) // 1 MiB
	run(t, s, `INSERT INTO one.rows (id, value) VALUES (1, ?)`, value)
	insertOnce := func(wantApplied bool) {
		t.Helper()
		applied, err := s.Query(`INSERT INTO one.rows (id, value) VALUES (2, ?) IF NOT EXISTS`, value).MapScanCASContext(t.Context(), map[string]any{})
		if err != nil || applied != wantApplied {
			t.Errorf("insert if not exists: applied %v, %v; want %v", applied, err, wantApplied)
		}
	}
	insertOnce(true)
	insertOnce(false)
	checkRefused(t, c)
	if out, err := c.Node(0).Nodetool(t.Context(), "status"); err != nil || !strings.Contains(out, "UN  127.0.0.1") {
		t.Errorf("nodetool status: %v\n%s", err, out)
	}

	run(t, s, `INSERT INTO one.rows (id, value) VALUES (3, ?)`, value)
	if err := c.Node(0).Kill(); err != nil { // at once: nothing but the acknowledgement says that row 3 is kept
		t.Fatal(err)
	}
	if err := c.Node(0).Start(deadline(t)); err != nil {
		t.Fatal(err)
	}
	again := connect(t, c)
	for id := 1; id <= 3; id++ {
		var got []byte
		if err := again.Query(`SELECT value FROM one.rows WHERE id = ?`, id).ScanContext(t.Context(), &got); err != nil || !bytes.Equal(got, value) {
			t.Errorf("row %d after the kill: %d bytes, %v", id, len(got), err)
		}
	}
}

// checkRefused sees that what is turned on is asked for: nobody comes in without it.
func checkRefused(t *testing.T, c *cassandra.Cluster) {
	t.Helper()
	for _, f := range []string{c.TLSFiles().CA, c.TLSFiles().Cert, c.TLSFiles().Key} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	cfg := c.Config()
	cfg.Authenticator = nil
	if s, err := cassandra.Connect(cfg); err == nil {
		s.Close()
		t.Error("a client without a password came in")
	}
	cfg = c.Config()
	cfg.SslOpts.Certificates = nil
	if s, err := cassandra.Connect(cfg); err == nil {
		s.Close()
		t.Error("a client without a certificate came in")
	}
	cfg = c.Config()
	cfg.SslOpts = nil
	if s, err := cassandra.Connect(cfg); err == nil {
		s.Close()
		t.Error("a client without TLS came in")
	}
}
