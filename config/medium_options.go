package config

import (
	"strconv"

	"github.com/hulotte-dev/hulotte/store/medium/cassandra"
	"github.com/hulotte-dev/hulotte/store/medium/local"
)

// LocalOptions are those of the local medium in the folder of the data folder.
func (m Medium) LocalOptions(dataDir string) local.Options {
	return local.Options{
		Dir: MediumDir(dataDir), Sync: local.SyncPolicy(m.Local.Sync), SyncInterval: m.Local.SyncInterval, SegmentBytes: m.Local.SegmentSize,
		MaxDocumentBytes: m.Local.MaxDocuments,
	}
}

// CassandraOptions are those of the medium on a cluster; node names this process there.
func (m Medium) CassandraOptions(node string) cassandra.Options {
	c := m.Cassandra
	o := cassandra.Options{
		Addresses: c.Addresses, Keyspace: c.Keyspace, Datacenter: c.Datacenter, ReplicationFactor: c.ReplicationFactor,
		Consistency: c.Consistency, Username: c.Username, Password: c.Password, PasswordFile: c.PasswordFile,
		TLS: cassandra.TLS{
			Enabled: c.TLSOn(), CAFile: c.TLS.CAFile, CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile,
			ServerName: c.TLS.ServerName, InsecureSkipVerify: c.TLS.InsecureSkipVerify,
		},
		ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout, GiveUpAfter: c.GiveUpAfter, Retries: off(c.Retries),
		Connections: c.Connections, MaxInFlight: c.MaxInFlight, WatchInterval: c.WatchInterval,
		Node: node, BlobCacheBytes: off(c.BlobCacheSize),
	}
	if len(c.Replication) > 0 {
		o.ReplicationFactor, o.Replication = 0, map[string]int{}
		for datacenter, copies := range c.Replication {
			o.Replication[datacenter], _ = strconv.Atoi(copies) // checked when it was read
		}
	}
	return o
}
