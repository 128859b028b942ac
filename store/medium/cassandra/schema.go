package cassandra

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"

	"github.com/hulotte-dev/hulotte/model"
)

// The schema is the files schema/NNNN_title.cql, applied in order, each once for a keyspace. A file that was released is
// never changed: a new one follows it. Every statement can be repeated without harm (IF NOT EXISTS), since the process that
// applies them may die in the middle.
//
//go:embed schema/*.cql
var schemaFiles embed.FS

// migration is one file of the schema.
type migration struct {
	version    int
	title      string
	statements []string
}

// migrations reads the embedded files, in order.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "schema/*.cql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []migration
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, title, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "schema/"), ".cql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || !ok || version != len(all)+1 {
			return nil, fmt.Errorf("BUG: the schema file %s is not number %04d_title.cql", name, len(all)+1)
		}
		all = append(all, migration{version, title, statements(string(text))})
	}
	return all, nil
}

// statements splits at semicolons that end a line, and leaves comments out.
func statements(text string) []string {
	var all []string
	var current strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		current.WriteString(strings.TrimSuffix(line, ";") + "\n")
		if strings.HasSuffix(line, ";") {
			all = append(all, strings.TrimSpace(current.String()))
			current.Reset()
		}
	}
	return all
}

// topology is what has to be known of the cluster before the keyspace can be used.
type topology struct {
	datacenter string // the one to speak to
	nodes      int    // in it
}

// oldestMajor is the oldest Cassandra that all of this is tested on; UnifiedCompactionStrategy came with it.
const oldestMajor = 5

// learn finds the datacentre.
func learn(db *gocql.Session, o Options) (topology, error) {
	nodes := map[string]int{}
	for _, h := range db.GetHosts() {
		nodes[h.DataCenter()]++
		if v := h.Version(); !v.AtLeast(oldestMajor, 0, 0) {
			return topology{}, invalid("addresses", "the node %s runs Cassandra %s: %d.0 or newer is needed", h.ConnectAddress(), v, oldestMajor)
		}
	}
	names := slices.Sorted(maps.Keys(nodes))
	t := topology{datacenter: o.Datacenter}
	if t.datacenter == "" {
		if len(names) != 1 {
			return t, invalid("datacenter", "it is empty, and the cluster has several: choose one of %s", strings.Join(names, ", "))
		}
		t.datacenter = names[0]
	}
	if t.nodes = nodes[t.datacenter]; t.nodes == 0 {
		return t, invalid("datacenter", "the cluster has no nodes in %q, only in %s", t.datacenter, strings.Join(names, ", "))
	}
	return t, nil
}

// wanted is the replication that the options ask for.
func (o Options) wanted(datacenter string) map[string]string {
	w := map[string]string{}
	for dc, n := range o.Replication {
		w[dc] = strconv.Itoa(n)
	}
	if len(w) == 0 {
		w[datacenter] = strconv.Itoa(o.ReplicationFactor)
	}
	return w
}

// ensureKeyspace makes the keyspace when it is not there. One that is there is taken as it is, and told about when it differs.
func ensureKeyspace(ctx context.Context, db *gocql.Session, o Options, t topology, log *slog.Logger) error {
	found, err := replication(ctx, db, o.Keyspace)
	if err != nil {
		return err
	}
	want := o.wanted(t.datacenter)
	if found == nil {
		return createKeyspace(ctx, db, o, t, want)
	}
	class := found["class"]
	delete(found, "class")
	copies := found[t.datacenter]
	if !strings.HasSuffix(class, "NetworkTopologyStrategy") {
		copies = found["replication_factor"]
	}
	switch {
	case copies == "" || copies == "0":
		return invalid("datacenter", "the keyspace %s has no copies in %s, only %v: change the keyspace (ALTER KEYSPACE) or the datacenter", o.Keyspace, t.datacenter, found)
	case copies != want[t.datacenter] && want[t.datacenter] != "":
		log.Warn("the Cassandra keyspace has another number of copies than configured; it is used as it is",
			"keyspace", o.Keyspace, "datacenter", t.datacenter, "copies", copies, "configured", want[t.datacenter])
	case !strings.HasSuffix(class, "NetworkTopologyStrategy"):
		log.Warn("the Cassandra keyspace does not use NetworkTopologyStrategy, so it cannot span datacentres", "keyspace", o.Keyspace, "class", class)
	}
	return nil
}

// replication returns the keyspace's replication options, or nil when there is no such keyspace.
func replication(ctx context.Context, db *gocql.Session, keyspace string) (map[string]string, error) {
	var found map[string]string
	err := db.Query(`SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?`, keyspace).Consistency(gocql.One).ScanContext(ctx, &found)
	if err != nil && !errors.Is(err, gocql.ErrNotFound) {
		return nil, schemaError(ctx, "cannot read the keyspaces", err)
	}
	return found, nil
}

func createKeyspace(ctx context.Context, db *gocql.Session, o Options, t topology, want map[string]string) error {
	if n, _ := strconv.Atoi(want[t.datacenter]); n > t.nodes {
		return invalid("replication_factor", "%d copies are wanted and the datacentre %s has %d %s: add nodes, or set it to %d (the loss of a node then loses data below 3)",
			n, t.datacenter, t.nodes, plural(t.nodes, "node", "nodes"), t.nodes)
	}
	var copies strings.Builder
	for _, dc := range slices.Sorted(maps.Keys(want)) {
		fmt.Fprintf(&copies, ", '%s': %s", dc, want[dc])
	}
	cql := fmt.Sprintf(`CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'NetworkTopologyStrategy'%s}`, o.Keyspace, copies.String())
	if err := db.Query(cql).ExecContext(ctx); err != nil {
		return schemaError(ctx, fmt.Sprintf("cannot make the keyspace %s", o.Keyspace), err)
	}
	return nil
}

// schemaError says what a person has to do.
func schemaError(ctx context.Context, what string, err error) error {
	var answer gocql.RequestError
	switch {
	case errors.As(err, &answer) && answer.Code() == gocql.ErrCodeUnauthorized:
		return fmt.Errorf("%s: %w: %s; grant it (docs/storage.md), or let an administrator start this version of hulotte once", what,
			model.NewError(model.Invalid, "no permission"), answer.Message())
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w: %w (%s)", what, errUnavailable, context.Cause(ctx), judge(err, false).text)
	}
	return fmt.Errorf("%s: %w: %s", what, errUnavailable, judge(err, false).text)
}

// migrator brings the keyspace to this binary's schema.
type migrator struct {
	db       *gocql.Session
	keyspace string
	node     string
	owner    gocql.UUID
	lockTTL  time.Duration
	retry    time.Duration
	all      []migration
	log      *slog.Logger
}

const (
	// schemaLockTTL frees the lock of a process that died. Statements may be done twice, so that a process that is only
	// slow does no harm either.
	schemaLockTTL = time.Minute
	schemaRetry   = 300 * time.Millisecond
)

// migrate applies what is missing. It needs no rights to change the schema when nothing is.
func (m *migrator) migrate(ctx context.Context) error {
	for {
		// What one node knows of the schema another one may not know yet.
		if err := m.agree(ctx); err != nil {
			return err
		}
		have, err := m.version(ctx)
		switch {
		case err != nil:
			return err
		case have > len(m.all):
			return fmt.Errorf("cannot use the keyspace %s: %w", m.keyspace, model.NewError(model.Invalid, fmt.Sprintf(
				"its schema has version %d and this hulotte knows it up to %d: a newer one has used it; start that version or a newer one", have, len(m.all))))
		case have == len(m.all):
			return nil
		}
		done, err := m.applyLocked(ctx)
		if err != nil {
			return err
		}
		if !done && !sleep(ctx, m.retry) {
			return fmt.Errorf("cannot change the schema of keyspace %s: another process holds its lock: %w: %w", m.keyspace, errUnavailable, context.Cause(ctx))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// agree waits until all nodes that answer have the same schema: a statement sent to one that lags would fail there. A node
// that is down learns the schema when it comes back. (The driver's own wait takes it into account, and would keep
// everybody from starting while it is away.)
func (m *migrator) agree(ctx context.Context) error {
	for {
		versions := m.schemas(ctx)
		if len(versions) == 1 {
			return nil
		}
		if !sleep(ctx, agreeInterval) {
			return fmt.Errorf("the nodes do not agree on the schema (nodetool describecluster shows who differs): %w: %w: %v", errUnavailable, context.Cause(ctx), versions)
		}
	}
}

const agreeInterval = 100 * time.Millisecond

// schemas asks every connected node for its schema's id, and returns who has which.
func (m *migrator) schemas(ctx context.Context) map[string][]string {
	versions := map[string][]string{}
	for _, h := range m.db.GetHosts() {
		if !h.IsUp() {
			continue
		}
		var version gocql.UUID
		err := m.db.Query(`SELECT schema_version FROM system.local`).SetHostID(h.HostID()).Consistency(gocql.One).ScanContext(ctx, &version)
		if err != nil {
			m.log.Debug("a node does not tell its schema", "node", h.ConnectAddress(), "err", err)
			continue
		}
		versions[version.String()] = append(versions[version.String()], h.ConnectAddress().String())
	}
	return versions
}

// version is the highest that was applied; 0 is none.
func (m *migrator) version(ctx context.Context) (int, error) {
	var tables int
	err := m.db.Query(`SELECT count(*) FROM system_schema.tables WHERE keyspace_name = ? AND table_name IN ('schema_version', 'schema_lock')`, m.keyspace).
		Consistency(gocql.One).ScanContext(ctx, &tables)
	if err != nil {
		return 0, schemaError(ctx, "cannot read the tables of the keyspace", err)
	}
	if tables < 2 {
		return 0, m.createOwnTables(ctx)
	}
	var have int
	err = m.db.Query(`SELECT max(version) FROM schema_version WHERE id = ?`, schemaID).ScanContext(ctx, &have)
	if err != nil {
		return 0, schemaError(ctx, "cannot read schema_version", err)
	}
	return have, nil
}

// schemaID is the one partition of schema_version and schema_lock.
const schemaID = "medium"

// createOwnTables makes the tables that the lock needs, and so cannot be made under it. Processes that do so
// through several nodes at once would each make a table of the same name and another internal id, of which only
// one stays; with the id given they all make the same table.
func (m *migrator) createOwnTables(ctx context.Context) error {
	for _, t := range []struct{ name, columns string }{
		{"schema_version", `id text, version int, title text, applied timestamp, node text, PRIMARY KEY ((id), version)`},
		{"schema_lock", `id text PRIMARY KEY, owner uuid, node text`},
	} {
		cql := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (%s) WITH id = %s AND comment = 'Hulotte: which schema this keyspace has'`, t.name, t.columns, tableID(m.keyspace, t.name))
		if err := m.db.Query(cql).ExecContext(ctx); err != nil && !alreadyExists(err) {
			return schemaError(ctx, "cannot make the table "+t.name, err)
		}
	}
	return m.agree(ctx)
}

func alreadyExists(err error) bool {
	var there *gocql.RequestErrAlreadyExists
	return errors.As(err, &there)
}

// tableID is the same for everybody and another for each table: RFC 9562 version 8, from a hash.
func tableID(keyspace, table string) gocql.UUID {
	sum := sha256.Sum256([]byte("hulotte/" + keyspace + "/" + table))
	id := gocql.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// applyLocked applies what is missing under the lock; false means that somebody else has it.
func (m *migrator) applyLocked(ctx context.Context) (bool, error) {
	locked, err := m.lock(ctx)
	if err != nil || !locked {
		return false, err
	}
	defer m.unlock(ctx)
	have, err := m.version(ctx) // somebody may have been faster
	if err != nil {
		return false, err
	}
	for _, step := range m.all[min(have, len(m.all)):] {
		if err := m.apply(ctx, step); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (m *migrator) lock(ctx context.Context) (bool, error) {
	var id, node string
	var owner gocql.UUID
	applied, err := m.db.Query(`INSERT INTO schema_lock (id, owner, node) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?`,
		schemaID, m.owner, m.node, int(m.lockTTL.Seconds())).ScanCASContext(ctx, &id, &node, &owner)
	switch {
	case err == nil:
		return applied || owner == m.owner, nil // it may be ours by an attempt that seemed to fail
	case ctx.Err() == nil && judge(err, true).again:
		m.log.Debug("the schema's lock cannot be had yet", "err", err)
		return false, nil
	}
	return false, schemaError(ctx, "cannot lock the schema", err)
}

// unlock is a courtesy: without it the next one waits for the lock's end.
func (m *migrator) unlock(ctx context.Context) {
	var owner gocql.UUID
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), schemaRetry*10)
	defer cancel()
	if _, err := m.db.Query(`DELETE FROM schema_lock WHERE id = ? IF owner = ?`, schemaID, m.owner).ScanCASContext(ctx, &owner); err != nil {
		m.log.Info("the schema's lock was not given back; it ends by itself", "within", m.lockTTL, "err", err)
	}
}

func (m *migrator) apply(ctx context.Context, step migration) error {
	what := fmt.Sprintf("cannot apply version %d (%s) of the schema to keyspace %s", step.version, step.title, m.keyspace)
	for _, cql := range step.statements {
		if err := m.db.Query(cql).ExecContext(ctx); err != nil && !alreadyExists(err) {
			return schemaError(ctx, what, err)
		}
		if err := m.agree(ctx); err != nil {
			return err
		}
		// The lock lives as long as there is progress.
		if err := m.db.Query(`UPDATE schema_lock USING TTL ? SET owner = ?, node = ? WHERE id = ? IF owner = ?`,
			int(m.lockTTL.Seconds()), m.owner, m.node, schemaID, m.owner).ExecContext(ctx); err != nil && !judge(err, true).again {
			return schemaError(ctx, what, err)
		}
	}
	err := m.db.Query(`INSERT INTO schema_version (id, version, title, applied, node) VALUES (?, ?, ?, ?, ?)`,
		schemaID, step.version, step.title, time.Now(), m.node).ExecContext(ctx)
	if err != nil {
		return schemaError(ctx, what, err)
	}
	m.log.Info("Cassandra schema changed", "keyspace", m.keyspace, "version", step.version, "title", step.title)
	return nil
}
