package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	dto "github.com/prometheus/client_model/go"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

func TestPostgresGolden(t *testing.T) {
	f := newFamilies(defaultMaxSeries)
	for _, q := range pgQueries() {
		var row [][]byte
		for _, l := range q.labels {
			row = append(row, []byte("<"+l+">"))
		}
		for i := range q.columns {
			row = append(row, []byte(strconv.Itoa(i+1)))
		}
		if err := q.add(f, row); err != nil {
			t.Error(err)
		}
	}
	for _, s := range [][4]string{
		{"max_connections", "100", "", "integer"}, {"shared_buffers", "16384", "8kB", "integer"}, {"fsync", "on", "", "bool"},
		{"statement_timeout", "1500", "ms", "integer"}, {"log_min_duration_statement", "-1", "ms", "integer"}, {"pg_stat_statements.max", "5000", "", "integer"},
		{"seq_page_cost", "1.5", "", "real"}, {"odd", "1", "furlong", "integer"},
	} {
		addPgSetting(f, [][]byte{[]byte(s[0]), []byte(s[1]), []byte(s[2]), []byte(s[3])})
	}
	wantGolden(t, "postgresql", f.result())
}

func TestPostgresReal(t *testing.T) {
	s := programs.Start(t, "postgresql")
	target := Target{Address: s.Addr, Credentials: Credentials{Username: "postgres", Password: "not looked at"}}
	ours := untilRead(t, "postgresql", target)
	wantValue(t, ours, 1, "pg_up")
	wantAbove(t, ours, 1_000_000, "pg_database_size_bytes", "datname", "postgres")
	wantAbove(t, ours, 0, "pg_locks_count", "datname", "postgres", "mode", "accesssharelock")
	wantValue(t, ours, 0, "pg_replication_lag")
	wantValue(t, ours, 134217728, "pg_settings_shared_buffers_bytes")
	wantDown(t, "postgresql", Target{Address: s.Addr, Credentials: Credentials{Username: "nobody", Password: "x"}}, "does not exist", "pg_monitor")
	wantDown(t, "postgresql", Target{Address: s.Addr, Credentials: target.Credentials, Options: map[string]any{"database": "none"}}, "set the option database")

	exporter := program(t, "prometheus-postgres-exporter")
	port := freePort(t)
	cmd := exec.Command(exporter, "--web.listen-address", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Env = append(os.Environ(), fmt.Sprintf("DATA_SOURCE_NAME=postgresql://postgres@%s/postgres?sslmode=disable", s.Addr))
	theirs := scrapeExporter(t, port, cmd)
	const newer = "newer than the exporter of Debian 12, as its documentation has it now"
	wantShape(t, ours, theirs, map[string]string{
		"pg_exporter_*": "the exporter about itself",
		"pg_settings_* pg_static pg_stat_activity_* pg_stat_archiver_* pg_locks_count pg_database_size_bytes": "the exporter of Debian 12 adds a label server, which newer ones do not",
		"pg_stat_database_*": "the exporter of Debian 12 had the label server in some, and other types",
		"pg_stat_bgwriter_*": "the names before and after version 0.14 of the exporter are both given, as counters",
		"pg_replication_*":   newer,
		"pg_database_connection_limit pg_database_wraparound_* pg_long_running_transactions* pg_wal_* pg_roles_* pg_postmaster_*": newer,
	})
}

func TestPostgresAsItsOwnUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become the server's user")
	}
	s := programs.Start(t, "postgresql")
	if err := os.WriteFile(s.Dir+"/data/pg_hba.conf", []byte("local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	socket := fmt.Sprintf("unix:%s/.s.PGSQL.%d", s.Dir, s.Port)
	wantValue(t, untilRead(t, "postgresql", Target{Address: socket}), 1, "pg_up")
	if os.Geteuid() != 0 {
		t.Error("the process is no longer root")
	}
	wantDown(t, "postgresql", Target{Address: s.Addr, Credentials: Credentials{Username: "postgres", Password: "wrong"}}, "password authentication failed", "pg_monitor")
}

// TestPostgresRows makes rows for the queries that have none on a new server.
func TestPostgresRows(t *testing.T) {
	s := programs.Start(t, "postgresql")
	var c *pgconn.PgConn
	var err error
	until(t, "a connection", func() error {
		c, err = pgconn.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", s.Port))
		return err
	})
	defer func() { _ = c.Close(context.WithoutCancel(t.Context())) }()
	for _, text := range []string{
		"create table people (id int primary key, name text)", "insert into people select i, 'x' from generate_series(1, 100) i", "select * from people where id = 7",
		"select pg_create_physical_replication_slot('standby', true)", "vacuum analyze people",
	} {
		if _, err := c.Exec(t.Context(), text).ReadAll(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	receivers, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_receivewal")
	if len(receivers) > 0 {
		runCmd(t, exec.Command(receivers[0], "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-S", "standby", "-D", t.TempDir()))
	}
	target := Target{Address: s.Addr, Credentials: Credentials{Username: "postgres", Password: "not looked at"}}
	var fams []*dto.MetricFamily
	until(t, "the standby and the statistics", func() error {
		fams, err = read(t, "postgresql", target)
		if _, ok := value(fams, "pg_stat_replication_pg_current_wal_lsn_bytes", "slot_name", "standby"); err == nil && len(receivers) > 0 && !ok {
			return errors.New("no standby yet")
		}
		if v, _ := value(fams, "pg_stat_user_tables_n_tup_ins", "relname", "people"); err == nil && v != 100 {
			return fmt.Errorf("%v rows are known", v)
		}
		return err
	})
	wantAbove(t, fams, 8000, "pg_stat_user_tables_table_size_bytes", "datname", "postgres", "schemaname", "public", "relname", "people")
	wantAbove(t, fams, 1e9, "pg_stat_user_tables_last_analyze", "relname", "people")
	wantAbove(t, fams, 0, "pg_statio_user_tables_heap_blocks_hit", "relname", "people")
	wantAbove(t, fams, -1, "pg_replication_slots_pg_wal_lsn_diff", "slot_name", "standby")
	wantAbove(t, fams, 0, "pg_stat_activity_count", "datname", "postgres", "state", "idle", "usename", "postgres")
	wantAbove(t, fams, 0, "pg_wal_segments")
}

func TestPgVersion(t *testing.T) {
	f := func(in string, want int) {
		t.Helper()
		if got := pgVersion(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
	f("15.18 (Debian 15.18-0+deb12u1)", 150018)
	f("9.6.24", 90624)
	f("17beta1", 170000)
	f("", 0)
	f("MySQL", 0)
	f("999999.1", 0)
}

// TestPostgresFalseLengths: a message that says that it is huge is refused before anything is allocated.
func TestPostgresFalseLengths(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		address := serveTCP(t, func(c net.Conn) {
			go discard(c)
			fmt.Fprint(c, answer)
			<-t.Context().Done()
		})
		wantDown(t, "postgresql", Target{Address: address, Timeout: 2e9, Options: map[string]any{"sslmode": "disable"}, Credentials: Credentials{Username: "u", Password: "p"}}, want)
	}
	f("R\x7f\xff\xff\xff", "at most 1048576")
	f("S\x00\x00\x00\x01", "invalid")
	f("E\x00\x00\x00\x05\x00", "")
	f("R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I", "is it PostgreSQL?")
}

func FuzzPgSetting(f *testing.F) {
	f.Add("max.connections", "100", "8kB", "integer")
	f.Fuzz(func(t *testing.T, name, setting, unit, typ string) {
		fam := newFamilies(10)
		addPgSetting(fam, [][]byte{[]byte(name), []byte(setting), []byte(unit), []byte(typ)})
		for _, m := range fam.result() {
			if !strings.HasPrefix(m.GetName(), "pg_settings_") {
				t.Errorf("the family %q", m.GetName())
			}
		}
		_ = pgVersion(setting)
	})
}
