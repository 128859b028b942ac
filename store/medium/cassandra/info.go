package cassandra

import (
	"cmp"
	"context"
	"slices"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// Host is a node of the cluster as this process sees it.
type Host struct {
	Address    string // "10.0.0.1:9042"
	Datacenter string
	Rack       string
	Version    string
	Up         bool // it is connected, or could be
}

// Hosts returns the nodes of the datacentre that is spoken to, in order of address, without asking the cluster.
func (m *Medium) Hosts() []Host {
	var all []Host
	for _, h := range m.session.db.GetHosts() {
		if h.DataCenter() != m.session.opts.Datacenter {
			continue
		}
		all = append(all, Host{h.ConnectAddressAndPort(), h.DataCenter(), h.Rack(), h.Version().String(), h.IsUp()})
	}
	slices.SortFunc(all, func(a, b Host) int { return cmp.Compare(a.Address, b.Address) })
	return all
}

// Place says where this medium is and how it is used.
type Place struct {
	Keyspace   string
	Datacenter string
	// Replication is the keyspace's own, by Cassandra's option names: "class", and each datacentre with its number of copies.
	Replication map[string]string
	Consistency string
	Schema      int // version of the keyspace's schema
}

// Place reads the keyspace's description.
func (m *Medium) Place(ctx context.Context) (Place, error) {
	if err := m.session.enter(); err != nil {
		return Place{}, err
	}
	defer m.session.leave()
	o := m.session.opts
	p := Place{Keyspace: o.Keyspace, Datacenter: o.Datacenter, Consistency: o.Consistency}
	_, err := m.session.one(ctx, request{table: "system_schema.keyspaces", op: "place", consistency: gocql.LocalOne,
		cql: `SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?`, args: []any{o.Keyspace}}, &p.Replication)
	if err != nil {
		return p, err
	}
	_, err = m.session.one(ctx, request{table: "schema_version", op: "place", cql: `SELECT max(version) FROM schema_version WHERE id = ?`, args: []any{schemaID}}, &p.Schema)
	return p, err
}
