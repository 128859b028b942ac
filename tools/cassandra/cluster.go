package cassandra

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/internal/lockfile"
	"github.com/hulotte-dev/hulotte/internal/vfs"
)

// Cluster is one node or three, all in one data centre called datacenter1.
type Cluster struct {
	nodes     []*Node
	dir       string
	temporary bool // dir is removed by Close
	lock      *lockfile.Lock
	java      string // path of the program
	jars      string // folder
	log       func(format string, args ...any)
	password  bool
	tls       *tls.Config // nil: none
	tlsFiles  TLSFiles
}

// stateFile is kept in a cluster's folder, so that it has the same ports when it is started again: to Cassandra, a
// node's address with its storage port is what the node is called.
const stateFile = "cluster.json"

type state struct {
	Version string `json:"version"`
	Nodes   int    `json:"nodes"`
	Ports   ports  `json:"ports"`
}

// Start starts a cluster and returns when every node answers clients and sees all others. ctx bounds the start alone:
// the cluster runs until Stop or Close, or until this process ends. An error holds the end of the failed node's log.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	java, err := findJava()
	if err != nil {
		return nil, fmt.Errorf("cannot start Apache Cassandra: %w", err)
	}
	jars, err := download(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{java: java, jars: jars, log: o.Log, password: o.Password}
	if err := c.openDir(o.Dir); err != nil {
		return nil, err
	}
	if err := c.startNodes(ctx, o); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Attach returns a cluster that another process started, for instance `make cassandra`. Each address is host:port.
// Its nodes can be used, not killed or stopped.
func Attach(addresses []string) (*Cluster, error) {
	c := &Cluster{log: func(string, ...any) {}}
	for _, a := range addresses {
		host, port, err := net.SplitHostPort(a)
		if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || portErr != nil {
			return nil, fmt.Errorf("cannot use the Cassandra address %q: it must be host:port", a)
		}
		c.nodes = append(c.nodes, &Node{cluster: c, address: a})
	}
	if len(c.nodes) == 0 {
		return nil, errors.New("cannot use a cluster without an address")
	}
	return c, nil
}

func (c *Cluster) openDir(dir string) error {
	var err error
	if dir == "" {
		c.temporary = true
		dir, err = newTemporaryDir()
	} else if dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return fmt.Errorf("cannot make the cluster's folder: %w", err)
	}
	c.dir = dir
	c.lock, err = lockfile.Acquire(dir)
	var held *lockfile.HeldError
	if errors.As(err, &held) {
		return fmt.Errorf("cannot use the folder %s: the cluster of the process with pid %d runs on it", dir, held.PID)
	}
	return err
}

func (c *Cluster) startNodes(ctx context.Context, o Options) error {
	p, err := c.loadPorts(o)
	if err != nil {
		return err
	}
	tlsDir := filepath.Join(c.dir, "tls")
	if o.TLS != TLSOff {
		if c.tlsFiles, err = newTLSFiles(tlsDir); err != nil {
			return err
		}
		if c.tls, err = c.tlsFiles.clientConfig(); err != nil {
			return fmt.Errorf("cannot use the certificates in %s: %w; remove that folder to have new ones", tlsDir, err)
		}
	}
	for i := range o.Nodes {
		s := settings{Nodes: o.Nodes, Index: i, HeapMB: o.HeapMB, Optimize: o.Optimize, Password: o.Password, TLS: o.TLS, TLSDir: tlsDir, Ports: p}
		s.Dir = filepath.Join(c.dir, fmt.Sprintf("node%d", i+1))
		c.nodes = append(c.nodes, &Node{cluster: c, settings: s, address: net.JoinHostPort(nodeIP(i), strconv.Itoa(p.Native))})
	}
	c.log("starting Apache Cassandra %s, %d node(s), in %s", Version, o.Nodes, c.dir)
	return c.StartAll(ctx)
}

// loadPorts returns the ports that the folder's data belongs to, or chooses new ones and notes them.
func (c *Cluster) loadPorts(o Options) (ports, error) {
	path := filepath.Join(c.dir, stateFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return c.newPorts(path, o)
	}
	var s state
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	switch {
	case err != nil:
		return ports{}, fmt.Errorf("cannot read %s: %w", path, err)
	case s.Nodes != o.Nodes || len(s.Ports.JMX) != s.Nodes:
		return ports{}, fmt.Errorf("cannot start %d node(s) in %s: its data is that of %d; take that number, or remove the folder", o.Nodes, c.dir, s.Nodes)
	case o.NativePort != 0 && o.NativePort != s.Ports.Native:
		s.Ports.Native = o.NativePort
	}
	if err := s.Ports.check(o.Nodes); err != nil {
		return ports{}, fmt.Errorf("cannot start the cluster in %s on its ports: %w", c.dir, err)
	}
	return s.Ports, nil
}

func (c *Cluster) newPorts(path string, o Options) (ports, error) {
	p, err := choosePorts(o.Nodes, o.NativePort)
	if err != nil {
		return p, err
	}
	b, err := json.MarshalIndent(state{Version: Version, Nodes: o.Nodes, Ports: p}, "", "  ")
	if err == nil {
		err = vfs.WriteFile(vfs.OS{}, path, append(b, '\n'), 0o644)
	}
	if err != nil {
		return p, fmt.Errorf("cannot keep the cluster's ports: %w", err)
	}
	return p, nil
}

// Nodes of the cluster, in the order of their addresses.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// Node returns the i-th node, from 0.
func (c *Cluster) Node(i int) *Node { return c.nodes[i] }

// Dir keeps everything of the cluster; empty for one that was attached to.
func (c *Cluster) Dir() string { return c.dir }

// Addresses returns host:port of every node, whether it runs or not.
func (c *Cluster) Addresses() []string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, n.address)
	}
	return all
}

// TLSFiles are what clients need when Options.TLS is on; empty otherwise.
func (c *Cluster) TLSFiles() TLSFiles { return c.tlsFiles }

// Config returns a new configuration of the driver for this cluster: its addresses, credentials and certificates, and timeouts that suit nodes which share a small
// machine; callers change it as they like.
func (c *Cluster) Config() *gocql.ClusterConfig {
	cfg := gocql.NewCluster(c.Addresses()...)
	cfg.Timeout = 10 * time.Second
	cfg.WriteTimeout = 10 * time.Second
	cfg.ConnectTimeout = 5 * time.Second
	cfg.Consistency = gocql.LocalQuorum
	cfg.SerialConsistency = gocql.LocalSerial
	cfg.Logger = quiet
	if c.password {
		cfg.Authenticator = gocql.PasswordAuthenticator{Username: Username, Password: Password}
	}
	if c.tls != nil {
		cfg.SslOpts = &gocql.SslOptions{Config: c.tls.Clone(), EnableHostVerification: true}
	}
	return cfg
}

// StartAll starts every node that does not run, lets paused ones go on, and returns when all see each other. After it
// the cluster is as new, with its data.
func (c *Cluster) StartAll(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.launch(); err != nil {
			return err
		}
		if !n.Running() {
			if err := n.Resume(); err != nil {
				return err
			}
		}
	}
	return c.WaitUp(ctx)
}

// Stop ends every node in good order, all at once.
func (c *Cluster) Stop() error {
	errs := make([]error, len(c.nodes))
	var wait sync.WaitGroup
	for i, n := range c.nodes {
		wait.Go(func() { errs[i] = n.Stop() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// Close kills what still runs, gives the folder up and, when it is temporary, removes it. Data in a folder of
// Options.Dir stays and is whole: acknowledged writes survive the kill.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range c.nodes {
		if n.running() != nil {
			errs = append(errs, n.Kill())
		}
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Release())
		c.lock = nil
	}
	if c.temporary {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// temporaryPrefix begins the names of temporary clusters' folders.
const temporaryPrefix = "hulotte-cassandra-"

// newTemporaryDir also removes the folders of processes that were killed before they could do it themselves.
func newTemporaryDir() (string, error) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*")) // the pattern is well formed
	for _, dir := range old {
		removeIfLeft(dir)
	}
	return os.MkdirTemp("", temporaryPrefix)
}

// removeIfLeft removes a folder that has a lock which nobody holds. A folder without a lock is just being made.
func removeIfLeft(dir string) {
	if _, err := os.Stat(filepath.Join(dir, "LOCK")); err != nil {
		return
	}
	lock, err := lockfile.Acquire(dir)
	if err != nil {
		return
	}
	defer lock.Release()  //nolint:errcheck // the file is gone with its folder
	_ = os.RemoveAll(dir) // what cannot be removed now is tried again by the next
}
