package cassandra

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

func TestMigrationFiles(t *testing.T) {
	all, err := migrations(schemaFiles)
	check(t, err)
	if len(all) == 0 {
		t.Fatal("there is no schema")
	}
	for _, m := range all {
		for _, cql := range m.statements {
			if !strings.Contains(cql, " IF NOT EXISTS ") {
				t.Errorf("version %d has a statement that cannot be repeated: %.60s", m.version, cql)
			}
		}
	}
	bad := func(names ...string) {
		t.Helper()
		files := fstest.MapFS{}
		for _, n := range names {
			files["schema/"+n] = &fstest.MapFile{Data: []byte("CREATE TABLE IF NOT EXISTS a (b int PRIMARY KEY);")}
		}
		if _, err := migrations(files); err == nil || !strings.HasPrefix(err.Error(), "BUG: ") {
			t.Errorf("schema files %q give %v, want a bug", names, err)
		}
	}
	bad("0002_second.cql")
	bad("0001_first.cql", "0003_third.cql")
	bad("0001_first.cql", "0001_other.cql")
	bad("first.cql")
	bad("0001.cql")
}

func TestStatements(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if got := statements(text); !slices.Equal(got, want) {
			t.Errorf("statements of %q are %q, want %q", text, got, want)
		}
	}
	f("")
	f("-- only a comment;\n")
	f("CREATE A;\nCREATE B;", "CREATE A", "CREATE B")
	f("CREATE A ( -- why; because\n  x int -- y\n);\n\n-- end\n", "CREATE A (\nx int\n)")
}

// applied collects the versions that are told to have been applied.
type applied struct {
	mu    sync.Mutex
	lines []string
}

func (a *applied) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.Contains(p, []byte("Cassandra schema changed")) {
		a.lines = append(a.lines, string(p))
	}
	return len(p), nil
}

// TestOpenTogether opens a new keyspace by several processes at once, through different nodes.
func TestOpenTogether(t *testing.T) {
	o := testOptions(t)
	o.Keyspace, o.OpenTimeout = newKeyspace(), 2*time.Minute
	told := &applied{}
	log := slog.New(slog.NewTextHandler(told, nil))
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			o := o
			o.Addresses = []string{o.Addresses[i%len(o.Addresses)]}
			m, err := Open(t.Context(), o, log, nil)
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer m.Close()
			if err := increment(t.Context(), m.Documents(), "kind", "key"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	versions, err := migrations(schemaFiles)
	check(t, err)
	if len(told.lines) != len(versions) {
		t.Errorf("%d versions were applied, want each of %d once: %q", len(told.lines), len(versions), told.lines)
	}
	m := open(t, func(p *Options) { *p = o })
	if n := counter(t, m.Documents(), "kind", "key"); n != 5 {
		t.Errorf("the counter is at %d after 5 increments", n)
	}
	place, err := m.Place(t.Context())
	check(t, err)
	if place.Schema != len(versions) || place.Datacenter != "datacenter1" || place.Replication["datacenter1"] != "3" {
		t.Errorf("the place is %+v", place)
	}
	if hosts := m.Hosts(); len(hosts) != 3 || !hosts[0].Up || hosts[0].Address != o.Addresses[0] {
		t.Errorf("the hosts are %+v", hosts)
	}
}

// TestSchemaStates has one keyspace in states that Open has to tell apart.
func TestSchemaStates(t *testing.T) {
	o := testOptions(t)
	m := open(t, nil)
	refused := func(what, want string, o Options) {
		t.Helper()
		_, err := Open(t.Context(), o, nil, nil)
		if err == nil || model.KindOf(err) != model.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want an invalid one with %q", what, err, want)
		}
	}
	with := func(change func(*Options)) Options {
		o := o
		change(&o)
		return o
	}
	refused("no such datacentre", "only in datacenter1", with(func(o *Options) { o.Datacenter = "east" }))
	refused("too few nodes", "has 3 nodes", with(func(o *Options) { o.Keyspace, o.ReplicationFactor = newKeyspace(), 5 }))

	check(t, m.session.db.Query(`INSERT INTO schema_version (id, version) VALUES (?, 999)`, schemaID).Exec())
	refused("newer schema", "has version 999", o)
	check(t, m.session.db.Query(`DELETE FROM schema_version WHERE id = ? AND version = 999`, schemaID).Exec())

	var told bytes.Buffer
	log := slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelWarn}))
	again, err := Open(t.Context(), with(func(o *Options) { o.ReplicationFactor = 2 }), log, nil)
	check(t, err)
	check(t, again.Close())
	if !strings.Contains(told.String(), "another number of copies") {
		t.Errorf("a keyspace with other copies is used without a word: %q", told.String())
	}
}

// TestSchemaLockOfTheDead waits until the lock of a process that died has ended by itself.
func TestSchemaLockOfTheDead(t *testing.T) {
	m := open(t, nil)
	all, err := migrations(schemaFiles)
	check(t, err)
	check(t, m.session.db.Query(`INSERT INTO schema_lock (id, owner, node) VALUES (?, uuid(), 'dead') IF NOT EXISTS USING TTL 2`, schemaID).Exec())
	late := append(slices.Clone(all), migration{version: len(all) + 1, title: "test", statements: []string{`CREATE TABLE IF NOT EXISTS late (a int PRIMARY KEY)`}})
	g := &migrator{db: m.session.db, keyspace: m.session.opts.Keyspace, node: "node-1", owner: tableID("a", "b"),
		lockTTL: schemaLockTTL, retry: 100 * time.Millisecond, all: late, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, g.migrate(ctx))
	if have, err := g.version(ctx); err != nil || have != len(late) {
		t.Errorf("the schema has version %d, %v", have, err)
	}
	// The other tests open this keyspace with the schema as it is.
	check(t, m.session.db.Query(`DELETE FROM schema_version WHERE id = ? AND version = ?`, schemaID, len(late)).Exec())
}
