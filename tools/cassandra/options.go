package cassandra

import (
	"fmt"
	"os"
	"path/filepath"
)

// Options of a cluster; the zero value is one node in a temporary folder.
type Options struct {
	// Dir keeps data, configuration and logs, one folder a node. Started again on the same Dir, a cluster has its data
	// and its ports again. Empty: a temporary folder that Close removes.
	Dir string
	// Nodes is 1 (also when 0) or 3.
	Nodes int
	// HeapMB is each node's Java heap in MiB; 0 is DefaultHeapMB.
	HeapMB int
	// NativePort is the port for clients, the same on every node's address; 0 chooses a free one.
	NativePort int
	// Optimize lets the JVM compile hot code as far as it can, as in production. Without it a start costs about a
	// quarter less CPU, and a node under load is slower: right for tests, wrong for a benchmark.
	Optimize bool
	// Password has clients log in: as Username with Password, a superuser. One node only: with three, a role would have
	// to be replicated first.
	Password bool
	// TLS has clients connect through TLS with certificates that are made in the cluster's folder (Cluster.TLSFiles).
	TLS TLSMode
	// CacheDir keeps the downloaded server; empty is the folder hulotte-dev in the user's cache folder.
	CacheDir string
	// Log is told what is being done and waited for; nil is silence. testing.T.Logf fits.
	Log func(format string, args ...any)
}

// Username and Password are what a cluster with Options.Password lets in: the superuser that Cassandra makes by itself.
const (
	Username = "cassandra"
	Password = "cassandra"
)

// DefaultHeapMB took 64 writers of 1 MiB values at once on three nodes without an error or a long collection. So did
// 256 for the half minute that it was tried; the rest is for longer runs, reads and compactions.
const DefaultHeapMB = 384

// minHeapMB is where a node still starts; below it dies of OutOfMemoryError while it starts.
const minHeapMB = 192

// withDefaults fills in what is empty, or says which field is wrong.
func (o Options) withDefaults() (Options, error) {
	if o.Nodes == 0 {
		o.Nodes = 1
	}
	if o.Nodes != 1 && o.Nodes != 3 {
		return o, fmt.Errorf("cannot start a cluster of %d nodes: Nodes must be 1 or 3", o.Nodes)
	}
	if o.Password && o.Nodes != 1 {
		return o, fmt.Errorf("cannot start %d nodes with a password: Password needs Nodes 1", o.Nodes)
	}
	if o.TLS < TLSOff || o.TLS > TLSMutual {
		return o, fmt.Errorf("cannot start with TLS mode %d: TLS must be TLSOff, TLSServer or TLSMutual", o.TLS)
	}
	if o.HeapMB == 0 {
		o.HeapMB = DefaultHeapMB
	}
	if o.HeapMB < minHeapMB {
		return o, fmt.Errorf("cannot start with a heap of %d MiB: HeapMB must be at least %d", o.HeapMB, minHeapMB)
	}
	if o.NativePort < 0 || o.NativePort > 65535 {
		return o, fmt.Errorf("cannot listen on port %d: NativePort must be 0 (any) or 1 to 65535", o.NativePort)
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.CacheDir == "" {
		o.CacheDir = defaultCacheDir()
	}
	return o, nil
}

// defaultCacheDir works without HOME, too: a build machine may have none.
func defaultCacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "hulotte-dev")
}
