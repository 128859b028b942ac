package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hulotte-dev/hulotte/test/harness"
	"github.com/hulotte-dev/hulotte/tools/cassandra/cassandratest"
)

func TestMain(m *testing.M) { os.Exit(cassandratest.Run(m)) }

// What is on the local medium goes to a real Cassandra and back, and is the same; servers run on all three. A backup of
// the one is brought back to the other.
func TestCopyToCassandraAndBack(t *testing.T) {
	cluster := cassandratest.Cluster(t, 1)
	keyspace := fmt.Sprintf("copy_%d", time.Now().UnixNano())
	at := func(keyspace string) string {
		return "cassandra://" + strings.Join(cluster.Addresses(), ",") + "/" + keyspace + "?replication_factor=1"
	}
	local := stoppedData(t)
	node := selfID(t, &harness.Process{DataDir: local})
	back := filepath.Join(t.TempDir(), "back")
	mustHulotte(t, "storage", "copy", "--from", local, "--to", at(keyspace), "--check")
	if out := mustHulotte(t, "storage", "copy", "--from", local, "--to", at(keyspace)); !strings.Contains(out, "copied: 0 journals with 0 entries, 0 documents, 0 blobs") {
		t.Errorf("the second copy: %s", out)
	}
	mustHulotte(t, "storage", "verify", at(keyspace))
	mustHulotte(t, "storage", "copy", "--from", at(keyspace), "--to", back, "--check")
	mustHulotte(t, "storage", "copy", "--from", local, "--to", back, "--check") // equal: nothing is in the way

	config := func(keyspace string) string {
		return fmt.Sprintf("storage: {medium: {type: cassandra, cassandra: {addresses: [%s], keyspace: %s, replication_factor: 1}}}\n", strings.Join(cluster.Addresses(), ","), keyspace)
	}
	p := harness.Start(t, harness.Options{Config: config(keyspace)})
	waitForNode(t, p)
	if !hasNode(t, p, node) {
		t.Errorf("the node %s of the local medium is not known on the cluster", node)
	}
	if s := storageOf(t, p); len(s.Medium.Hosts) != 1 || !s.Medium.Hosts[0].Up {
		t.Errorf("the hosts of the cluster: %+v", s.Medium.Hosts)
	}
	if status, body := p.Get(t, "/-/ready?strict=1"); status != http.StatusOK {
		t.Errorf("ready: %d %s", status, body)
	}
	other := harness.Start(t, harness.Options{Config: config(keyspace)})
	harness.Eventually(t, 30*time.Second, func() error {
		if !hasNode(t, p, selfID(t, other)) || !hasNode(t, other, selfID(t, p)) {
			return fmt.Errorf("two nodes on one cluster do not see each other")
		}
		return nil
	})
	backup := filepath.Join(t.TempDir(), "b.tar.zst")
	mustHulotte(t, "backup", "--data-dir", p.DataDir, "--to", backup, "--server", p.URL)
	for _, one := range []*harness.Process{p, other} {
		if err := one.Stop(); err != nil {
			t.Error(err)
		}
	}

	// To local files, and to another keyspace; never onto one that holds something.
	restored := filepath.Join(t.TempDir(), "restored")
	mustHulotte(t, "restore", "--from", backup, "--data-dir", restored)
	again := harness.Start(t, harness.Options{DataDir: restored})
	waitForNode(t, again)
	if !hasNode(t, again, node) {
		t.Errorf("the node %s is lost on the way", node)
	}
	file := filepath.Join(t.TempDir(), "hulotte.yml")
	harness.WriteFile(t, file, config(keyspace))
	if code, out := hulotte(t, "restore", "--from", backup, "--config", file, "--data-dir", filepath.Join(t.TempDir(), "d")); code != 1 {
		t.Errorf("onto a keyspace that holds something: exit code %d, %s", code, out)
	}
	harness.WriteFile(t, file, config(keyspace+"_b"))
	mustHulotte(t, "restore", "--from", backup, "--config", file, "--data-dir", filepath.Join(t.TempDir(), "d"))
	mustHulotte(t, "storage", "verify", at(keyspace+"_b"))
}
