package cassandra

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// pollInterval is how often a node that is not up yet is asked again.
const pollInterval = 100 * time.Millisecond

// WaitUp waits until every node that runs answers clients, all of them have one schema, and each sees all others that
// run, so that what needs them all succeeds on any of them. Nodes that are down or paused are left out.
func (c *Cluster) WaitUp(ctx context.Context) error {
	live := c.live()
	if len(live) == 0 {
		return errors.New("cannot wait for the cluster: no node runs")
	}
	for _, n := range live {
		if err := n.waitReady(ctx); err != nil {
			return err
		}
	}
	sessions, err := c.sessions(live)
	defer closeAll(sessions)
	if err != nil {
		return err
	}
	return poll(ctx, func() error { return agreed(ctx, sessions) }, func() error { return firstEnded(live) })
}

func (c *Cluster) live() []*Node {
	var live []*Node
	for _, n := range c.nodes {
		if n.settings.Dir == "" || n.Running() {
			live = append(live, n)
		}
	}
	return live
}

// waitReady waits until the node answers a query.
func (n *Node) waitReady(ctx context.Context) error {
	err := poll(ctx, func() error { return n.ask(ctx) }, n.endedError)
	if err != nil {
		return fmt.Errorf("node %s is not up: %w\n%s", n.address, err, n.LogTail(25))
	}
	return nil
}

func (n *Node) ask(ctx context.Context) error {
	// The driver's own attempt to connect takes seconds to fail and cannot be cancelled.
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", n.address)
	if err != nil {
		return err
	}
	conn.Close()
	s, err := n.Session()
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = schemaVersion(ctx, s)
	return err
}

func (n *Node) endedError() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && n.proc.ended() {
		return fmt.Errorf("the server ended: %w", n.proc.err)
	}
	return nil
}

func firstEnded(nodes []*Node) error {
	for _, n := range nodes {
		if err := n.endedError(); err != nil {
			return fmt.Errorf("node %s: %w\n%s", n.address, err, n.LogTail(25))
		}
	}
	return nil
}

// Session returns a session of the driver that talks to this node alone, whatever else there is. The caller closes it.
func (n *Node) Session() (*gocql.Session, error) {
	cfg := n.cluster.Config()
	cfg.Hosts = []string{n.address}
	cfg.Timeout, cfg.ConnectTimeout = 5*time.Second, 5*time.Second
	cfg.NumConns = 1
	cfg.DisableInitialHostLookup = true
	cfg.Events.DisableNodeStatusEvents = true
	cfg.Events.DisableTopologyEvents = true
	cfg.Events.DisableSchemaEvents = true
	cfg.Consistency = gocql.One
	s, err := Connect(cfg)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to node %s: %w", n.address, err)
	}
	return s, nil
}

// connectWithin is well above the driver's own timeouts.
const connectWithin = 30 * time.Second

// Connect is cfg.CreateSession, but returns. The driver has been seen not to come back from a server that is just starting, and takes
// no context; an attempt that hangs is left behind.
func Connect(cfg *gocql.ClusterConfig) (*gocql.Session, error) {
	type result struct {
		session *gocql.Session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		s, err := cfg.CreateSession()
		done <- result{s, err}
	}()
	select {
	case r := <-done:
		return r.session, r.err
	case <-time.After(connectWithin):
		go func() {
			if r := <-done; r.err == nil {
				r.session.Close()
			}
		}()
		return nil, fmt.Errorf("the driver has not come back within %s", connectWithin)
	}
}

func (c *Cluster) sessions(nodes []*Node) ([]*gocql.Session, error) {
	var all []*gocql.Session
	for _, n := range nodes {
		s, err := n.Session()
		if err != nil {
			return all, err
		}
		all = append(all, s)
	}
	return all, nil
}

func closeAll(sessions []*gocql.Session) {
	for _, s := range sessions {
		s.Close()
	}
}

// agreed says whether all nodes have one schema and each can reach as many replicas as there are nodes. It reads a row
// that is not there, from a table which every cluster has with a replication factor of 3: a coordinator refuses the
// query at once unless it holds that many nodes to be up.
func agreed(ctx context.Context, sessions []*gocql.Session) error {
	level := []gocql.Consistency{gocql.One, gocql.Two, gocql.Three}[min(len(sessions), 3)-1]
	var first gocql.UUID
	for i, s := range sessions {
		version, err := schemaVersion(ctx, s)
		if err != nil {
			return err
		}
		if i == 0 {
			first = version
		}
		if version != first {
			return errors.New("the nodes do not agree on the schema yet")
		}
		err = s.Query("SELECT parent_id FROM system_distributed.parent_repair_history WHERE parent_id = ?", gocql.TimeUUID()).
			Consistency(level).ExecContext(ctx)
		if err != nil {
			return fmt.Errorf("not all nodes see each other yet: %w", err)
		}
	}
	return nil
}

func schemaVersion(ctx context.Context, s *gocql.Session) (gocql.UUID, error) {
	var version gocql.UUID
	err := s.Query("SELECT schema_version FROM system.local WHERE key = 'local'").ScanContext(ctx, &version)
	return version, err
}

// poll calls try until it succeeds, ctx ends, or hopeless answers an error.
func poll(ctx context.Context, try, hopeless func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ended := hopeless(); ended != nil {
			return ended
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

// quietLogger drops what the driver logs: a node that is killed on purpose fills screens.
type quietLogger struct{}

var quiet gocql.StructuredLogger = quietLogger{}

func (quietLogger) Error(string, ...gocql.LogField)   {}
func (quietLogger) Warning(string, ...gocql.LogField) {}
func (quietLogger) Info(string, ...gocql.LogField)    {}
func (quietLogger) Debug(string, ...gocql.LogField)   {}
