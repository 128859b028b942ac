// Package cassandra keeps journals, blobs and documents on an Apache Cassandra cluster (5.0 or newer).
//
//	m, err := cassandra.Open(ctx, cassandra.Options{Addresses: []string{"10.0.0.1"}}, log, reg)
//
// What is always true: a write is acknowledged when a quorum of the datacentre's replicas has it (unless the options say
// otherwise), a failure reaches the caller with what was tried, and a write whose outcome the cluster did not tell
// is either cleared up or reported as medium.ErrUncertain. Nodes that go away and come back need nobody's help.
package cassandra

import (
	"context"
	"fmt"
	"log/slog"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hulotte-dev/hulotte/store/medium"
)

// Medium is a keyspace of a cluster.
type Medium struct {
	session   *session
	journals  *journals
	blobs     *blobs
	documents *documents
}

// Open connects, makes or updates the schema, and waits at most Options.OpenTimeout for a cluster that cannot be reached.
// An error of kind Invalid names the option to change; of kind Unavailable, trying later may help. log and reg may be nil.
func Open(ctx context.Context, o Options, log *slog.Logger, reg prometheus.Registerer) (*Medium, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("cannot open the Cassandra medium: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, err := establish(ctx, o, log, reg)
	if err != nil {
		return nil, fmt.Errorf("cannot open the Cassandra medium: %w", err)
	}
	js, err := openJournals(s)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("cannot open the Cassandra medium: %w", err)
	}
	bs, err := openBlobs(s)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("cannot open the Cassandra medium: %w", err)
	}
	return &Medium{session: s, journals: js, blobs: bs, documents: openDocuments(s)}, nil
}

// establish makes the schema through a first connection without a keyspace, and the session on the keyspace.
func establish(ctx context.Context, o Options, log *slog.Logger, reg prometheus.Registerer) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, o.OpenTimeout)
	defer cancel()
	driver := newDriverLog(log)
	o, err := prepareKeyspace(ctx, o, log, driver)
	if err != nil {
		return nil, err
	}
	db, err := connect(ctx, o, log, func() (*gocql.ClusterConfig, error) {
		c, err := o.clusterConfig(driver)
		if err != nil {
			return nil, err
		}
		hosts := newHostPolicy(o.Datacenter, o.Timeout/10)
		c.Keyspace = o.Keyspace
		// A node elsewhere would take "local" for its own datacentre, where other transactions may be decided at the same time.
		c.HostFilter = gocql.DataCenterHostFilter(o.Datacenter)
		c.PoolConfig.HostSelectionPolicy, c.QueryObserver, c.BatchObserver = hosts, hosts, hosts
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	if err := updateSchema(ctx, db, o, log); err != nil {
		db.Close()
		return nil, err
	}
	s, err := newSession(db, o, log, reg)
	if err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// prepareKeyspace returns the options with the datacentre filled in, and has the keyspace there.
func prepareKeyspace(ctx context.Context, o Options, log *slog.Logger, driver gocql.StructuredLogger) (Options, error) {
	db, err := connect(ctx, o, log, func() (*gocql.ClusterConfig, error) {
		c, err := o.clusterConfig(driver)
		if err != nil {
			return nil, err
		}
		c.NumConns = 1
		c.ReconnectInterval = 0
		c.Metadata.CacheMode = gocql.Disabled
		return c, nil
	})
	if err != nil {
		return o, err
	}
	defer db.Close()
	t, err := learn(db, o)
	if err != nil {
		return o, err
	}
	o.Datacenter = t.datacenter
	return o, ensureKeyspace(ctx, db, o, t, log)
}

func updateSchema(ctx context.Context, db *gocql.Session, o Options, log *slog.Logger) error {
	all, err := migrations(schemaFiles)
	if err != nil {
		return err
	}
	owner, err := gocql.RandomUUID()
	if err != nil {
		return err
	}
	m := &migrator{db: db, keyspace: o.Keyspace, node: o.Node, owner: owner, lockTTL: schemaLockTTL, retry: schemaRetry, all: all, log: log}
	return m.migrate(ctx)
}

// Documents are kept in the table documents, a partition for each kind.
func (m *Medium) Documents() medium.Documents { return m.documents }

// Journals are kept in the tables journals and journal_rows.
func (m *Medium) Journals() medium.Journals { return m.journals }

// Blobs are kept in the tables blob_directory, blob_parts and blob_parts_expiring.
func (m *Medium) Blobs() medium.Blobs { return m.blobs }

// Close waits for the calls that are under way, closes the journals that are open and disconnects. Watches end with ErrClosed.
func (m *Medium) Close() error {
	m.session.shut()
	err := m.journals.close()
	m.blobs.close()
	m.session.close()
	return err
}
